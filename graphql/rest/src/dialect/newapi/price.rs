//! Prices as this system tells them: ratios, of which 1 is two dollars a million tokens or characters; or dollars for
//! one call, picture, second of film or minute of sound.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use schema::model::catalog::Category;
use schema::service::catalog::table::{self, Measure, Tables, of_input};
use schema::service::directory::{self, Unpriced};
use schema::{App, Error, Role};
use serde_json::{Value, json};

use super::{Caller, Reply, data, message};

/// Micro-dollars a million tokens of this system's ratio 1.
const UNIT: f64 = 2_000_000.0;
/// Millionths, of which a ratio of prices is told in whole ones.
const PART: f64 = 1_000_000.0;
/// Micro-dollars a million calls that are a dollar a call, and likewise of what else is paid one by one.
const CALL: f64 = 1e12;

fn endpoints(category: Category, provider: &str) -> Vec<&'static str> {
    match (category, provider) {
        (Category::Chat, p) if p.contains("anthropic") => vec!["anthropic", "openai"],
        (Category::Chat, p) if p.contains("gemini") || p.contains("vertex") => vec!["gemini", "openai"],
        (Category::Embedding, _) => vec!["embeddings"],
        (Category::Image, _) => vec!["image-generation"],
        _ => vec!["openai"],
    }
}

pub async fn pricing(State(app): State<App>) -> Reply {
    let groups = super::user::ratios(&app);
    let served = super::model::served_by_group(&app, groups.keys());
    let models = directory::models(&app);
    let terms = directory::terms(&app);
    // What a model without a price costs those who take it; nothing where it is free for everybody.
    let usual = if terms.unpriced == Unpriced::Refuse { terms.unpriced_price.rates.input as f64 / UNIT } else { 0.0 };
    let rows: Vec<Value> = served
        .iter()
        .map(|(name, open_to)| {
            let known = models.find(name);
            let price = models.price(name);
            let category = known.map_or(Category::Chat, |m| m.category);
            let measure = price.map_or(Measure::Tokens, |p| Measure::of(p, category));
            let figure = price.map(|p| measure.figure(p) as f64);
            let (ratio, each) = match figure {
                None => (usual, 0.0),
                Some(figure) if measure.is_whole() => (0.0, figure / CALL),
                Some(figure) => (figure / UNIT, 0.0),
            };
            let completion = match (price, measure) {
                // What is read out is paid by what it is read from.
                (_, Measure::Characters) => 0.0,
                (Some(p), _) => of_input(p.rates.output, p) as f64 / PART,
                (None, _) => 1.0,
            };
            json!({
                "model_name": name,
                "quota_type": i64::from(measure.is_whole()),
                "model_ratio": ratio,
                "model_price": each,
                "owner_by": known.map_or("", |m| m.provider.as_str()),
                "completion_ratio": completion,
                "cache_ratio": price.and_then(|p| Some(of_input(p.rates.cache_read?, p) as f64 / PART)),
                "enable_groups": open_to,
                "supported_endpoint_types": known.map_or_else(|| vec!["openai"], |m| endpoints(m.category, &m.provider)),
            })
        })
        .collect();
    Ok(Json(json!({
        "success": true,
        "message": "",
        "data": rows,
        "group_ratio": groups,
        "usable_group": super::user::usable(&app),
    }))
    .into_response())
}

/// This system's names of its tables of prices, each with the unit of its figures.
const TABLES: [(&str, f64); 4] =
    [("ModelRatio", UNIT), ("CompletionRatio", PART), ("CacheRatio", PART), ("ModelPrice", CALL)];

/// Every price by model: the ratio of its input, of its output and of cached input to that, or dollars for one.
pub fn shown(app: &App) -> [BTreeMap<String, f64>; 4] {
    let models = directory::models(app);
    let prices = models.iter().filter_map(|view| Some((view.name.as_str(), view.category, view.price.as_ref()?)));
    let Tables { input, output, cache_read, calls } = table::tables(prices, &table::waiting(app));
    let mut units = TABLES.iter().map(|(_, unit)| *unit);
    [input, output, cache_read, calls].map(|figures| {
        let unit = units.next().unwrap_or(1.0);
        figures.unwrap_or_default().into_iter().map(|(name, n)| (name, n as f64 / unit)).collect()
    })
}

/// The same as options.
pub fn options(app: &App) -> impl Iterator<Item = (&'static str, String)> {
    TABLES.into_iter().zip(shown(app)).map(|((name, _), table)| (name, json!(table).to_string()))
}

/// Whether an option is one of the tables.
pub fn is_table(option: &str) -> bool {
    TABLES.iter().any(|(name, _)| *name == option)
}

/// Lays one of the tables into a change of them.
pub fn lay(tables: &mut Tables, option: &str, text: &str) -> Result<(), Error> {
    let (place, unit) = match option {
        "ModelRatio" => (&mut tables.input, UNIT),
        "CompletionRatio" => (&mut tables.output, PART),
        "CacheRatio" => (&mut tables.cache_read, PART),
        _ => (&mut tables.calls, CALL),
    };
    let bad = |why: &str| Error::invalid(option, format!("{option}: {why}"));
    let given: BTreeMap<String, f64> = serde_json::from_str(text).map_err(|_| bad("必须是模型名到数字的 JSON 对象"))?;
    let mut figures = table::Figures::new();
    for (model, figure) in given {
        let figure = (figure * unit).round();
        if !(0.0..=1e15).contains(&figure) {
            return Err(bad(&format!("{model} 的数值超出范围")));
        }
        figures.insert(model, figure as i64);
    }
    *place = Some(figures);
    Ok(())
}

/// Takes the administrators' own prices away.
pub async fn reset(State(app): State<App>, caller: Caller) -> Reply {
    table::reset_prices(&app, &caller).await?;
    Ok(message("模型倍率已重置"))
}

/// The same for other installations to take over.
pub async fn ratio_config(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let [model, completion, cache, calls] = shown(&app);
    Ok(data(json!({
        "model_ratio": model, "completion_ratio": completion, "cache_ratio": cache, "model_price": calls,
    })))
}

//! Prices as this system tells them: ratios, of which 1 is two dollars a million tokens.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use schema::model::catalog::{Category, Price};
use schema::service::directory;
use schema::{App, Role};
use serde_json::{Map, Value, json};

use super::{Caller, Reply, data};

/// Micro-dollars a million tokens of this system's ratio 1.
const UNIT: f64 = 2_000_000.0;

fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn of_input(rate: i64, price: &Price) -> f64 {
    if price.rates.input == 0 { 1.0 } else { rounded(rate as f64 / price.rates.input as f64) }
}

/// Whether a call of the model costs the same whatever its tokens are.
fn by_call(price: &Price) -> bool {
    price.rates.input == 0 && price.rates.output == 0 && price.calls > 0
}

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
    let rows: Vec<Value> = served
        .iter()
        .map(|(name, open_to)| {
            let known = models.find(name);
            let price = models.price(name);
            let ratio = price.map_or(0.0, |p| rounded(p.rates.input as f64 / UNIT));
            let each = price.is_some_and(by_call);
            json!({
                "model_name": name,
                "quota_type": i64::from(each),
                "model_ratio": ratio,
                "model_price": price.filter(|_| each).map_or(0.0, |p| rounded(p.calls as f64 / 1e12)),
                "owner_by": known.map_or("", |m| m.provider.as_str()),
                "completion_ratio": price.map_or(1.0, |p| of_input(p.rates.output, p)),
                "cache_ratio": price.and_then(|p| Some(of_input(p.rates.cache_read?, p))),
                "enable_groups": open_to,
                "supported_endpoint_types": known.map_or_else(|| vec!["openai"], |m| endpoints(m.category, &m.provider)),
            })
        })
        .collect();
    let described: Map<String, Value> = groups.keys().map(|name| (name.clone(), json!(name))).collect();
    Ok(Json(json!({
        "success": true,
        "message": "",
        "data": rows,
        "group_ratio": groups,
        "usable_group": described,
    }))
    .into_response())
}

/// Every price by model: the ratio of its input, of its output and of cached input to that, or dollars a call.
pub fn tables(app: &App) -> [BTreeMap<String, f64>; 4] {
    let mut tables: [BTreeMap<String, f64>; 4] = Default::default();
    let [model, completion, cache, calls] = &mut tables;
    for view in directory::models(app).iter() {
        let Some(price) = &view.price else { continue };
        if by_call(price) {
            calls.insert(view.name.clone(), rounded(price.calls as f64 / 1e12));
            continue;
        }
        model.insert(view.name.clone(), rounded(price.rates.input as f64 / UNIT));
        completion.insert(view.name.clone(), of_input(price.rates.output, price));
        if let Some(read) = price.rates.cache_read {
            cache.insert(view.name.clone(), of_input(read, price));
        }
    }
    tables
}

/// The same for other installations to take over.
pub async fn ratio_config(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let [model, completion, cache, calls] = tables(&app);
    Ok(data(json!({
        "model_ratio": model, "completion_ratio": completion, "cache_ratio": cache, "model_price": calls,
    })))
}

/// The monitors of an outside service that the dashboard could show; none is set up.
pub async fn uptime(_: State<App>) -> Reply {
    Ok(data(json!([])))
}

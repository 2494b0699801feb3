//! Models: the list, one of them, and what they cost.

use axum::extract::State;
use schema::model::catalog::{Category, Model, ModelFilter, ModelOrder};
use schema::page::{Direction, Window};
use schema::service::setting::{self, names};
use schema::service::{catalog, directory, report};
use schema::{Actor, App, Error, Micros, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{Paging, paged};
use super::{Body, Caller, Maybe, Path, Query, Reply, data};

/// Most models that are sorted by something no column holds.
const MOST: i64 = 50_000;
/// How far back popularity is counted.
const LATELY: report::Period = report::Period::Days(30);

/// A rate in micro-dollars a million tokens (or characters), in a currency.
fn rate(micros: i64, per_usd: f64) -> f64 {
    (Micros(micros).dollars() * per_usd * 1e6).round() / 1e6
}

/// What one piece costs in a currency, of a rate in micro-dollars a million; none for what is not sold so.
fn piece(micros: i64, per_usd: f64) -> Option<f64> {
    (micros != 0).then(|| (Micros(micros).dollars() * per_usd * 1e3).round() / 1e9)
}

/// What a model costs, in yuan and dollars: tokens and characters by the million, everything else by the piece.
fn pricing(model: &Model, per_usd: f64) -> Value {
    let Some(price) = model.effective_price() else { return Value::Null };
    let in_currency = |factor: f64| {
        let tokens = |micros: Option<i64>| micros.map(|m| rate(m, factor));
        json!({
            "input_price": rate(price.rates.input, factor),
            "output_price": rate(price.rates.output, factor),
            "cache_read_price": tokens(price.rates.cache_read),
            "cache_write_price": tokens(price.rates.cache_write_5m),
            "audio_input_price": tokens(price.audio_input),
            "audio_output_price": tokens(price.audio_output),
            "image_input_price": tokens(price.image_input),
            "image_output_price": tokens(price.image_output),
            "character_price": tokens(Some(price.characters).filter(|m| *m != 0)),
            "second_price": piece(price.seconds, factor),
            "image_price": piece(price.images, factor),
            "search_price": piece(price.searches, factor),
            "request_price": piece(price.calls, factor),
        })
    };
    let mut shown = in_currency(per_usd);
    shown["currency"] = json!("CNY");
    shown["unit"] = json!("1M tokens");
    shown["usd"] = in_currency(1.0);
    shown
}

fn shown(app: &App, model: &Model, calls: i64) -> Value {
    let per_usd = setting::current(app).number(names::CNY_PER_USD);
    json!({
        "id": model.name,
        "model_id": model.name,
        "name": if model.display_name.is_empty() { &model.name } else { &model.display_name },
        "provider": model.provider,
        "category": model.category,
        "description": model.description,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output,
        "available": model.enabled,
        "popularity": calls,
        "pricing": pricing(model, per_usd),
        "created_at": model.created_at.rfc3339(),
        "updated_at": model.updated_at.rfc3339(),
    })
}

/// What a million tokens in and out cost together; none for what has no price, or is sold by other units.
fn by_tokens(model: &Model) -> Option<i64> {
    let price = model.effective_price()?;
    let tokens = price.rates.input.saturating_add(price.rates.output);
    let pieces = [price.characters, price.seconds, price.images, price.calls];
    (tokens != 0 || pieces.iter().all(|micros| *micros == 0)).then_some(tokens)
}

/// How often a model was called lately.
async fn calls_of(app: &App, model: &Model) -> Result<i64, Error> {
    let calls = report::popularity(app, report::range(app, LATELY)).await?;
    Ok(calls.get(&model.name).copied().unwrap_or(0))
}

#[derive(Deserialize)]
pub struct ListQuery {
    category: Option<String>,
    provider: Option<String>,
    #[serde(alias = "q", alias = "keyword")]
    search: Option<String>,
    sort_by: Option<String>,
    order: Option<String>,
}

/// A category by its word.
pub fn category(word: Option<&str>) -> Result<Option<Category>, Error> {
    let parse = |w: &str| Category::parse(w).ok_or_else(|| Error::invalid("category", format!("{w} is no category")));
    word.filter(|w| !w.is_empty()).map(parse).transpose()
}

pub async fn list(State(app): State<App>, caller: Maybe, paging: Query<Paging>, query: Query<ListQuery>) -> Reply {
    let query = query.0;
    let some = |text: Option<String>| text.filter(|t| !t.is_empty());
    let filter = ModelFilter {
        search: some(query.search),
        provider: some(query.provider),
        category: category(query.category.as_deref())?,
        ..ModelFilter::default()
    };
    let direction = match query.order.as_deref() {
        None | Some("" | "asc") => Direction::Asc,
        Some("desc") => Direction::Desc,
        Some(_) => return Err(Error::invalid("order", "order must be asc or desc").into()),
    };
    let window = paging.0.window(20, 100)?;
    let calls = report::popularity(&app, report::range(&app, LATELY)).await?;
    let of = |model: &Model| calls.get(&model.name).copied().unwrap_or(0);
    let (rows, total) = match query.sort_by.as_deref() {
        None | Some("" | "name") => {
            let page = catalog::pages(&app, &caller, &filter, (ModelOrder::Name, direction), window).await?;
            (page.rows, page.total)
        }
        Some(by @ ("price" | "popularity")) => {
            let all = Window { limit: MOST, offset: 0 };
            let page = catalog::pages(&app, &caller, &filter, (ModelOrder::Name, Direction::Asc), all).await?;
            let mut rows = page.rows;
            let figure = |m: &Model| if by == "price" { by_tokens(m) } else { Some(of(m)) };
            rows.sort_by(|a, b| match (figure(a), figure(b)) {
                (Some(a), Some(b)) if direction == Direction::Desc => b.cmp(&a),
                (Some(a), Some(b)) => a.cmp(&b),
                // What has no such figure stands last, whichever way the others run.
                (a, b) => b.is_some().cmp(&a.is_some()),
            });
            let from = usize::try_from(window.offset).unwrap_or(usize::MAX);
            let some = usize::try_from(window.limit).unwrap_or(0);
            (rows.into_iter().skip(from).take(some).collect(), page.total)
        }
        Some(_) => return Err(Error::invalid("sort_by", "sort_by must be popularity, price or name").into()),
    };
    let models: Vec<Value> = rows.iter().map(|m| shown(&app, m, of(m))).collect();
    Ok(data(&app, paged("models", models, window, total)))
}

/// A model by its name; one that is switched off is there for administrators alone, and others are told so.
pub async fn found(app: &App, caller: &Actor, name: &str) -> Result<Model, Error> {
    let known = || directory::models(app).get(name).is_some();
    match catalog::get(app, caller, name).await {
        Err(Error::NotFound { .. }) if known() => Err(Error::NotFound { what: super::SWITCHED_OFF }),
        other => other,
    }
}

pub async fn get(State(app): State<App>, caller: Maybe, id: Path<String>) -> Reply {
    let model = found(&app, &caller, &id.0).await?;
    let calls = calls_of(&app, &model).await?;
    Ok(data(&app, json!({ "model": shown(&app, &model, calls) })))
}

/// Prices a million tokens; what is left out stays.
#[derive(Deserialize)]
pub struct Pricing {
    input_price: Option<f64>,
    output_price: Option<f64>,
    cache_read_price: Option<f64>,
    currency: Option<String>,
}

pub async fn set_pricing(State(app): State<App>, caller: Caller, id: Path<String>, form: Body<Pricing>) -> Reply {
    caller.require(Role::Admin)?;
    let form = form.0;
    let per_usd = match form.currency.as_deref().unwrap_or("CNY") {
        "CNY" => setting::current(&app).number(names::CNY_PER_USD),
        "USD" => 1.0,
        _ => return Err(Error::invalid("currency", "currency must be CNY or USD").into()),
    };
    if form.input_price.is_none() && form.output_price.is_none() && form.cache_read_price.is_none() {
        return Err(Error::invalid("input_price", "no price is named").into());
    }
    let read = |field: &str, price: f64| {
        Micros::from_dollars(price / per_usd)
            .filter(|m| m.0 >= 0)
            .map(|m| m.0)
            .ok_or_else(|| Error::invalid(field, format!("{field} must be a price of zero or more")))
    };
    let model = found(&app, &caller, &id.0).await?;
    let mut price = model.effective_price().cloned().unwrap_or_default();
    if let Some(figure) = form.input_price {
        price.rates.input = read("input_price", figure)?;
    }
    if let Some(figure) = form.output_price {
        price.rates.output = read("output_price", figure)?;
    }
    if let Some(figure) = form.cache_read_price {
        price.rates.cache_read = Some(read("cache_read_price", figure)?);
    }
    let model = catalog::set_price(&app, &caller, &model.name, Some(price)).await?;
    let calls = calls_of(&app, &model).await?;
    Ok(data(&app, json!({ "model": shown(&app, &model, calls) })))
}

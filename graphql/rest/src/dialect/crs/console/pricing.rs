//! Prices, rates of services, and the models there are.

use std::collections::BTreeMap;

use axum::extract::State;
use schema::model::catalog::{Model, ModelFilter, ModelOrder};
use schema::page::{Direction, Window};
use schema::service::catalog;
use schema::service::setting::{self, names};
use schema::{Act, Actor, App, Error};
use serde_json::{Map, Value, json};

use super::super::cost::shown_price;
use super::super::form::{Form, Told, told};
use super::super::key::{RATES, rates};
use super::super::shape::when;
use super::super::{Admin, Body, Reply, data, flat};

/// Every model a filter finds, by name.
async fn models(app: &App, actor: &Actor, filter: &ModelFilter) -> Result<Vec<Model>, Error> {
    let window = Window { limit: 100_000, offset: 0 };
    Ok(catalog::pages(app, actor, filter, (ModelOrder::Name, Direction::Asc), window).await?.rows)
}

pub async fn list(State(app): State<App>, admin: Admin) -> Reply {
    let mut out = Map::new();
    for model in models(&app, &admin, &ModelFilter::default()).await? {
        let Some(price) = model.effective_price() else { continue };
        let per_token = |micros: i64| micros as f64 / 1e12;
        let r = &price.rates;
        out.insert(
            model.name.clone(),
            json!({
                "input_cost_per_token": per_token(r.input), "output_cost_per_token": per_token(r.output),
                "cache_read_input_token_cost": r.cache_read.map(per_token),
                "cache_creation_input_token_cost": r.cache_write_5m.map(per_token),
                "max_tokens": model.max_output, "max_input_tokens": model.context_window,
                "litellm_provider": model.provider, "mode": model.category,
                "overridden": model.override_price.is_some(), "pricing": shown_price(Some(price)),
            }),
        );
    }
    Ok(data(out))
}

/// How many models have a price, and since when; the next import is whenever somebody asks for it.
pub async fn status(app: &App, actor: &Actor) -> Result<Value, Error> {
    let priced = ModelFilter { priced: Some(true), ..ModelFilter::default() };
    let found = models(app, actor, &priced).await?;
    let last = found.iter().map(|m| m.updated_at).max();
    Ok(json!({
        "initialized": !found.is_empty(), "lastUpdated": when(last), "modelCount": found.len(), "nextUpdate": null,
        "source": setting::current(app).text(names::PRICES_URL),
    }))
}

pub async fn show_status(State(app): State<App>, admin: Admin) -> Reply {
    Ok(data(status(&app, &admin).await?))
}

/// Longest price list that is read.
const LONGEST: usize = 32 << 20;

/// Reads the configured price list and takes it over.
pub async fn refresh(State(app): State<App>, admin: Admin) -> Reply {
    admin.may(Act::Configure)?;
    let url = setting::current(&app).text(names::PRICES_URL).to_owned();
    if url.is_empty() {
        return Err(Error::invalid("prices_url", "no price list is configured (setting prices_url)").into());
    }
    let file = read(&app, &url).await.map_err(|why| Error::upstream("prices", 0, why))?;
    let done = catalog::import(&app, &admin, &file).await?;
    Ok(flat(json!({
        "message": format!("价格数据已刷新：新增 {}，更新 {}，未变 {}", done.added, done.updated, done.unchanged),
        "data": status(&app, &admin).await?,
    })))
}

async fn read(app: &App, url: &str) -> Result<String, &'static str> {
    let asked = app.http.get(url).timeout(std::time::Duration::from_secs(30)).send();
    let mut answer = asked.await.map_err(|_| "the price list could not be reached")?;
    if !answer.status().is_success() {
        return Err("the price list's server refused to answer");
    }
    let mut file = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|_| "the price list broke off")? {
        if file.len() + piece.len() > LONGEST {
            return Err("the price list is too long");
        }
        file.extend_from_slice(&piece);
    }
    String::from_utf8(file).map_err(|_| "the price list is no text")
}

/// Who changed the rates last, within the console's own document.
const TOUCHED: &str = "serviceRates";

fn shown_rates(app: &App) -> Value {
    let settings = setting::current(app);
    let stored: BTreeMap<String, f64> = settings.json(names::SERVICE_RATES);
    let mut rates: Map<String, Value> = RATES
        .iter()
        .map(|(word, service)| ((*word).to_owned(), stored.get(service.as_str()).copied().unwrap_or(1.0).into()))
        .collect();
    // Azure is charged as codex and CCR as claude.
    for (word, like) in [("azure", "codex"), ("ccr", "claude")] {
        let rate = rates.get(like).cloned().unwrap_or(Value::Null);
        rates.insert(word.to_owned(), rate);
    }
    let own: Map<String, Value> = settings.json(names::CRS_CONSOLE);
    let touched = |name: &str| own.get(TOUCHED).and_then(|t| t.get(name)).cloned();
    json!({ "baseService": "claude", "rates": rates, "updatedAt": touched("at"), "updatedBy": touched("by") })
}

/// Public: the statistics page shows it.
pub async fn service_rates(State(app): State<App>) -> Reply {
    Ok(data(shown_rates(&app)))
}

pub async fn admin_rates(State(app): State<App>, _: Admin) -> Reply {
    Ok(data(shown_rates(&app)))
}

pub async fn put_rates(State(app): State<App>, admin: Admin, form: Body<Told<told::Rates>>) -> Reply {
    let given = form.0.object("rates")?.ok_or_else(|| Error::invalid("rates", "rates must be an object"))?;
    let own = Form(given.0.into_iter().filter(|(word, _)| word != "azure" && word != "ccr").collect());
    let settings = setting::current(&app);
    let mut stored: BTreeMap<String, f64> = settings.json(names::SERVICE_RATES);
    stored.extend(rates(&own)?.into_iter().map(|(service, rate)| (service, rate as f64 / 1e6)));
    let text = serde_json::to_string(&stored).map_err(Error::internal)?;
    let mut own: Map<String, Value> = settings.json(names::CRS_CONSOLE);
    own.insert(TOUCHED.into(), json!({ "at": app.clock.now().rfc3339(), "by": admin.name }));
    let changes = BTreeMap::from([
        (names::SERVICE_RATES.to_owned(), Some(text)),
        (names::CRS_CONSOLE.to_owned(), Some(Value::Object(own).to_string())),
    ]);
    setting::put(&app, &admin, &changes).await?;
    Ok(flat(json!({ "message": "Service rates updated", "data": shown_rates(&app) })))
}

/// Public: the models there are, by platform.
pub async fn catalogue(State(app): State<App>) -> Reply {
    let filter = ModelFilter { enabled: Some(true), ..ModelFilter::default() };
    let all = models(&app, &Actor::system(), &filter).await?;
    let entry = |m: &Model| {
        let label = if m.display_name.is_empty() { &m.name } else { &m.display_name };
        json!({ "value": m.name, "label": label })
    };
    let of = |word: &str| -> Vec<Value> { all.iter().filter(|m| m.name.contains(word)).map(entry).collect() };
    let known = |m: &&Model| ["claude", "gemini", "gpt"].iter().any(|w| m.name.contains(w));
    let (claude, gemini, openai) = (of("claude"), of("gemini"), of("gpt"));
    let other: Vec<Value> = all.iter().filter(|m| !known(m)).map(entry).collect();
    let every: Vec<Value> = all.iter().map(entry).collect();
    Ok(data(json!({
        "claude": claude, "gemini": gemini, "openai": openai, "other": other, "all": every,
        "platforms": {
            "claude": claude, "claude-console": claude, "ccr": claude, "bedrock": claude, "gemini": gemini,
            "gemini-api": gemini, "openai": openai, "openai-responses": openai, "azure_openai": openai,
        },
    })))
}

//! Prices, rates of services, and the models there are.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use axum::extract::State;
use schema::model::catalog::{Category, Model, ModelFilter, ModelOrder};
use schema::page::{Direction, Window};
use schema::service::catalog;
use schema::service::setting::{self, names};
use schema::{Act, Actor, App, Error};
use serde_json::{Map, Value, json};

use super::super::cost::shown_price;
use super::super::form::{Form, Told, told};
use super::super::key::{CHARGED_AS, RATES, no_rates, rates};
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
    for (word, like) in CHARGED_AS {
        let rate = rates.get(*like).cloned().unwrap_or(Value::Null);
        rates.insert((*word).to_owned(), rate);
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
    let settings = setting::current(&app);
    let before = shown_rates(&app);
    let mut stored: BTreeMap<String, f64> = settings.json(names::SERVICE_RATES);
    stored.extend(rates(&given)?.into_iter().map(|(service, rate)| (service, rate as f64 / 1e6)));
    let text = serde_json::to_string(&stored).map_err(Error::internal)?;
    let mut own: Map<String, Value> = settings.json(names::CRS_CONSOLE);
    own.insert(TOUCHED.into(), json!({ "at": app.clock.now().rfc3339(), "by": admin.name }));
    let changes = BTreeMap::from([
        (names::SERVICE_RATES.to_owned(), Some(text)),
        (names::CRS_CONSOLE.to_owned(), Some(Value::Object(own).to_string())),
    ]);
    setting::put(&app, &admin, &changes).await?;
    let after = shown_rates(&app);
    let unheard = unheard(&given, &before, &after);
    let text = unheard.as_deref().unwrap_or("Service rates updated");
    Ok(flat(json!({ "message": text, "data": after })))
}

/// What to tell of rates that came for services without any of their own. The console sends every rate back as it was
/// shown, and that is nobody's wish.
fn unheard(given: &Form, before: &Value, after: &Value) -> Option<String> {
    let shown = |rates: &Value, word: &str| rates["rates"][word].as_f64();
    let wished = |word: &str| {
        let rate = given.given(word).and_then(Value::as_f64);
        rate.is_some() && rate != shown(before, word) && rate != shown(after, word)
    };
    let words: Vec<&str> = CHARGED_AS.iter().map(|(word, _)| *word).filter(|word| wished(word)).collect();
    no_rates(&words)
}

/// The version in a model's name: its first number of at most two digits, and the one right behind it. Dates and sizes
/// (`32k`, `120b`) are none.
fn version(name: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for piece in name.split(['-', '.', '_', '/', ':', '@', ' ']) {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let (digits, unit) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let is_size = ["k", "b", "m"].contains(&unit);
        match digits.parse::<u32>() {
            Ok(number) if found.len() < 2 && digits.len() <= 2 && !is_size => found.push(number),
            _ if found.is_empty() => {}
            _ => break,
        }
    }
    found
}

/// Whether OpenAI made it, by its name: `gpt-…`, `codex-…`, or `o` and a number.
fn of_openai(name: &str) -> bool {
    let own = name.rsplit('/').next().unwrap_or(name);
    let numbered = own.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    own.contains("gpt") || own.contains("codex") || numbered
}

/// Public: the models one can talk with, by platform; the newest first, as pages choose the first.
pub async fn catalogue(State(app): State<App>) -> Reply {
    let filter = ModelFilter { enabled: Some(true), category: Some(Category::Chat), ..ModelFilter::default() };
    let (mut claude, mut gemini, mut openai, mut other) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for model in models(&app, &Actor::system(), &filter).await? {
        let family = match model.name.as_str() {
            name if name.contains("claude") => &mut claude,
            name if name.contains("gemini") => &mut gemini,
            name if of_openai(name) => &mut openai,
            _ => &mut other,
        };
        family.push(model);
    }
    for family in [&mut claude, &mut gemini, &mut openai] {
        // Of one version those that stay come before previews and names that move.
        let moves = |name: &str| ["preview", "-exp", "latest"].iter().any(|word| name.contains(word));
        family.sort_by_cached_key(|m| (Reverse(version(&m.name)), moves(&m.name), m.name.clone()));
    }
    let entry = |m: &Model| {
        let label = if m.display_name.is_empty() { &m.name } else { &m.display_name };
        json!({ "value": m.name, "label": label })
    };
    let [claude, gemini, openai, other] =
        [claude, gemini, openai, other].map(|family| family.iter().map(entry).collect::<Vec<Value>>());
    let every = [claude.as_slice(), &gemini, &openai, &other].concat();
    Ok(data(json!({
        "claude": claude, "gemini": gemini, "openai": openai, "other": other, "all": every,
        "platforms": {
            "claude": claude, "claude-console": claude, "ccr": claude, "bedrock": claude, "gemini": gemini,
            "gemini-api": gemini, "openai": openai, "openai-responses": openai, "azure_openai": openai,
        },
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_out_of_names() {
        for (name, wanted) in [
            ("claude-opus-4-5-20251101", &[4, 5][..]),
            ("us.anthropic.claude-haiku-4-5-20251001-v1:0", &[4, 5]),
            ("claude-3-haiku-20240307", &[3]),
            ("gemini-2.5-flash-preview-05-20", &[2, 5]),
            ("gpt-4o-2024-05-13", &[4]),
            ("gpt-4-32k", &[4]),
            ("gpt-4-0613", &[4]),
            ("gpt-oss-120b", &[]),
            ("o3-mini", &[3]),
            ("gemini-pro", &[]),
        ] {
            assert_eq!(version(name), wanted, "{name}");
        }
        assert!(of_openai("o4-mini") && of_openai("openai/o1") && !of_openai("olmo-2") && !of_openai("command-r"));
    }
}

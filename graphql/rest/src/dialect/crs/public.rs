//! What keys may ask about themselves, without signing in: by their secret, or by their public id, which
//! is random and therefore as good as a secret for reading.

use axum::extract::State;
use http::StatusCode;
use schema::clock::MINUTE;
use schema::model::account::AccountFilter;
use schema::model::api_key::{ApiKey, BoundTo, KeyState};
use schema::service::report::{self, Dimension};
use schema::service::{api_key, setting};
use schema::{Actor, App, Error};
use serde_json::{Map, Value, json};

use super::cost::model_rows;
use super::family::row::rows;
use super::family::{all, of_kind};
use super::form::{Form, Told, told};
use super::key::{Names, shown, shown_bindings, shown_permissions, shown_rates};
use super::shape::{Span, sums as shown_sums, when};
use super::{Body, Reply, data, flat, refuse, sums};
use crate::dialect::Maybe;

type Anyone = Maybe<super::Crs>;

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

/// Why a key may not be shown: what is said, and with which status.
enum Not {
    Said(StatusCode, &'static str, String),
    Failed(Error),
}

impl From<Error> for Not {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Not {
    fn reply(self) -> Reply {
        match self {
            Self::Said(status, error, text) => Ok(refuse(status, error, &text)),
            Self::Failed(error) => Err(error.into()),
        }
    }
}

/// Keys are found for whoever can name them, so this asks as the system does.
async fn by_uid(app: &App, uid: &str) -> Result<ApiKey, Not> {
    if !is_uuid(uid) {
        return Err(Not::Said(StatusCode::BAD_REQUEST, "Invalid API ID format", "API ID must be a valid UUID".into()));
    }
    match api_key::get_by_uid(app, &Actor::system(), uid).await {
        Ok(key) if key.deleted_at.is_none() => Ok(key),
        Ok(_) | Err(Error::NotFound { .. }) => {
            Err(Not::Said(StatusCode::NOT_FOUND, "API key not found", "The specified API key does not exist".into()))
        }
        Err(e) => Err(e.into()),
    }
}

async fn by_secret(app: &App, caller: &Actor, secret: &str) -> Result<ApiKey, Not> {
    if !(10..=512).contains(&secret.len()) {
        let text = "API key format is invalid".to_owned();
        return Err(Not::Said(StatusCode::BAD_REQUEST, "Invalid API key format", text));
    }
    // Secrets cannot be guessed, but trying shall not be cheap either.
    let now = app.clock.now();
    let hit = app.kv.hit(&format!("crs:lookup:{}", caller.ip), 1, 600, MINUTE, now).await?;
    if !hit.allowed {
        let retry_after = ((hit.resets_at.0 - now.0).max(0) / 1_000) as u64 + 1;
        return Err(Error::RateLimited { retry_after, why: "too many lookups; try again later".into() }.into());
    }
    api_key::find_by_secret(app, secret)
        .await?
        .ok_or_else(|| Not::Said(StatusCode::UNAUTHORIZED, "Invalid API key", "API key not found".into()))
}

fn usable(app: &App, key: &ApiKey) -> Result<(), Not> {
    match key.state(app.clock.now()) {
        KeyState::Disabled => {
            Err(Not::Said(StatusCode::FORBIDDEN, "API key is disabled", format!("API Key \"{}\" 已被禁用", key.name)))
        }
        KeyState::Expired => {
            Err(Not::Said(StatusCode::FORBIDDEN, "API key has expired", format!("API Key \"{}\" 已过期", key.name)))
        }
        _ => Ok(()),
    }
}

async fn asked_for(app: &App, caller: &Actor, form: &Form) -> Result<ApiKey, Not> {
    let key = if let Some(uid) = form.text("apiId")? {
        by_uid(app, &uid).await?
    } else if let Some(secret) = form.text("apiKey")? {
        by_secret(app, caller, &secret).await?
    } else {
        let text = "Please provide your API Key or API ID".to_owned();
        return Err(Not::Said(StatusCode::BAD_REQUEST, "API Key or ID is required", text));
    };
    usable(app, &key)?;
    Ok(key)
}

pub async fn key_id(State(app): State<App>, caller: Anyone, form: Body<Told<told::Secret>>) -> Reply {
    let Some(secret) = form.0.text("apiKey")? else {
        return Ok(refuse(StatusCode::BAD_REQUEST, "API Key is required", "Please provide your API Key"));
    };
    let found = by_secret(&app, &caller, &secret).await;
    match found {
        Ok(key) => match usable(&app, &key) {
            Ok(()) => Ok(data(json!({ "id": key.uid }))),
            Err(Not::Said(_, _, text)) => Ok(refuse(StatusCode::UNAUTHORIZED, "Invalid API key", &text)),
            Err(Not::Failed(e)) => Err(e.into()),
        },
        Err(not) => not.reply(),
    }
}

pub async fn stats(State(app): State<App>, caller: Anyone, form: Body<Told<told::Which>>) -> Reply {
    let key = match asked_for(&app, &caller, &form.0).await {
        Ok(key) => key,
        Err(not) => return not.reply(),
    };
    let system = Actor::system();
    let names = Names::of(&app, &system, std::slice::from_ref(&key)).await?;
    let total = report::totals(&app, &system, &sums::of_keys(Span::ALL, &[key.id])).await?;
    let limits = &key.limits.0;
    let rules = &key.rules.0;
    let standing = super::standing::of(&app, &key).await?;
    let row = shown(&key, &names);
    let pick = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    let mut accounts = shown_bindings(&key, &names);
    accounts.insert("details".into(), details(&app, &key).await?);
    let mut shown_limits = json!({
        "tokenLimit": limits.window_tokens, "concurrencyLimit": limits.concurrency,
        "rateLimitWindow": limits.window_ms / MINUTE, "rateLimitRequests": limits.window_requests,
        "rateLimitCost": limits.window_cost.dollars(), "dailyCostLimit": limits.daily_cost.dollars(),
        "totalCostLimit": key.budget.unwrap_or_default().dollars(),
        "weeklyOpusCostLimit": limits.weekly_cost.dollars(), "weeklyResetDay": pick("weeklyResetDay"),
        "weeklyResetHour": pick("weeklyResetHour"), "currentTotalCost": key.spent.dollars(),
    });
    if let (Some(fields), Value::Object(more)) = (shown_limits.as_object_mut(), standing) {
        fields.extend(more);
    }
    Ok(data(json!({
        "id": key.uid, "name": key.name, "description": key.description, "isActive": pick("isActive"),
        "createdAt": pick("createdAt"), "expiresAt": pick("expiresAt"), "expirationMode": pick("expirationMode"),
        "isActivated": pick("isActivated"), "activationDays": pick("activationDays"),
        "activatedAt": when(key.activated_at), "permissions": shown_permissions(&key.permissions),
        "usage": { "total": shown_sums(&total) },
        "limits": shown_limits,
        "accounts": accounts,
        "restrictions": {
            "enableModelRestriction": rules.restrict_models, "restrictedModels": rules.restricted_models,
            "enableClientRestriction": rules.restrict_clients, "allowedClients": rules.allowed_clients,
        },
        "serviceRates": shown_rates(&rules.service_rates),
    })))
}

/// The accounts that serve this key alone, as its holder may see them: how they do, not whose they are.
async fn details(app: &App, key: &ApiKey) -> Result<Value, Error> {
    let system = Actor::system();
    let ids = key.bindings.0.iter().filter_map(|b| match b.to {
        BoundTo::Account(id) => Some(id),
        BoundTo::Group(_) => None,
    });
    let ids: Vec<i64> = ids.collect();
    if ids.is_empty() {
        return Ok(Value::Null);
    }
    let accounts = all(app, &system, AccountFilter { ids, ..AccountFilter::default() }).await?;
    let mut out = Map::new();
    for (account, row) in accounts.iter().zip(rows(app, &system, &accounts).await?) {
        let told = [
            "accountType",
            "platform",
            "status",
            "schedulable",
            "rateLimitStatus",
            "sessionWindow",
            "claudeUsage",
            "codexUsage",
        ];
        let mut shown: Map<String, Value> =
            told.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))).collect();
        shown.insert("id".into(), account.uid.as_str().into());
        shown.insert("name".into(), account.name.as_str().into());
        let platform = of_kind(account.kind).platform;
        out.insert(platform.split(['-', '_']).next().unwrap_or(platform).to_owned(), shown.into());
    }
    Ok(out.into())
}

/// Most keys that are asked after at a time.
const MOST: usize = 30;

async fn several(app: &App, form: &Form) -> Result<Vec<ApiKey>, Not> {
    let said = |error, text: &str| Not::Said(StatusCode::BAD_REQUEST, error, text.to_owned());
    let ids = form.words("apiIds", "API IDs array is required")?.unwrap_or_default();
    if ids.is_empty() {
        return Err(said("Invalid input", "API IDs array is required"));
    }
    if ids.len() > MOST {
        return Err(said("Too many keys", "Maximum 30 API keys can be queried at once"));
    }
    if let Some(bad) = ids.iter().find(|id| !is_uuid(id)) {
        return Err(said("Invalid API ID format", &format!("Invalid API IDs: {bad}")));
    }
    let mut keys = Vec::with_capacity(ids.len());
    for id in &ids {
        match by_uid(app, id).await {
            Ok(key) => keys.push(key),
            // Keys that are not there are left out, as long as one is.
            Err(Not::Said(..)) => {}
            Err(e) => return Err(e),
        }
    }
    if keys.is_empty() {
        let text = "None of the API keys exists".to_owned();
        return Err(Not::Said(StatusCode::NOT_FOUND, "API key not found", text));
    }
    Ok(keys)
}

pub async fn batch(State(app): State<App>, _: Anyone, form: Body<Told<told::Several>>) -> Reply {
    let keys = match several(&app, &form.0).await {
        Ok(keys) => keys,
        Err(not) => return not.reply(),
    };
    let now = app.clock.now();
    let settings = setting::current(&app);
    let ids: Vec<i64> = keys.iter().map(|k| k.id).collect();
    let spans = [Span::ALL, Span::today(settings.zone(), now), Span::month(settings.zone(), now)];
    let used = sums::Used::of(&app, &Actor::system(), Dimension::Key, &ids, &spans).await?;
    let one = |id: i64, span: usize| shown_sums(&used.in_span(id, span));
    let individual: Vec<Value> = keys
        .iter()
        .map(|k| {
            json!({
                "apiId": k.uid, "name": k.name, "isActive": k.state(now) == KeyState::Active,
                "usage": one(k.id, 0), "dailyUsage": one(k.id, 1), "monthlyUsage": one(k.id, 2),
            })
        })
        .collect();
    Ok(data(json!({
        "aggregated": {
            "totalKeys": keys.len(), "activeKeys": keys.iter().filter(|k| k.state(now) == KeyState::Active).count(),
            "usage": shown_sums(&used.together(0)), "alltimeUsage": shown_sums(&used.together(0)),
            "dailyUsage": shown_sums(&used.together(1)), "monthlyUsage": shown_sums(&used.together(2)),
        },
        "individual": individual,
    })))
}

async fn models(
    app: &App,
    keys: &[i64],
    form: &Form,
    default: &str,
) -> Result<(Vec<Map<String, Value>>, String), Error> {
    let period = form.text("period")?.unwrap_or_else(|| default.to_owned());
    let settings = setting::current(app);
    let span = Span::named(settings.zone(), app.clock.now(), &period);
    let span = span.ok_or_else(|| Error::invalid("period", "Invalid period; use daily, monthly or alltime"))?;
    let models = report::models(app, &Actor::system(), &sums::of_keys(span, keys)).await?;
    Ok((model_rows(models, false), period))
}

pub async fn batch_models(State(app): State<App>, _: Anyone, form: Body<Told<told::Several>>) -> Reply {
    let keys = match several(&app, &form.0).await {
        Ok(keys) => keys,
        Err(not) => return not.reply(),
    };
    let ids: Vec<i64> = keys.iter().map(|k| k.id).collect();
    let (rows, period) = models(&app, &ids, &form.0, "daily").await?;
    Ok(flat(json!({ "data": rows, "period": period })))
}

pub async fn key_models(State(app): State<App>, caller: Anyone, form: Body<Told<told::WhichAndWhen>>) -> Reply {
    let key = match asked_for(&app, &caller, &form.0).await {
        Ok(key) => key,
        Err(not) => return not.reply(),
    };
    let (rows, period) = models(&app, &[key.id], &form.0, "monthly").await?;
    Ok(flat(json!({ "data": rows, "period": period })))
}

/// The key a card is to be redeemed for.
pub async fn asked_for_card(app: &App, uid: &str) -> Result<ApiKey, Error> {
    match by_uid(app, uid).await {
        Ok(key) => Ok(key),
        Err(Not::Said(StatusCode::NOT_FOUND, ..)) => Err(Error::NotFound { what: "API key" }),
        Err(Not::Said(_, _, text)) => Err(Error::invalid("apiId", text)),
        Err(Not::Failed(e)) => Err(e),
    }
}

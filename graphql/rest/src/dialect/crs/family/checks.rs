//! Regular tests of accounts: when they are due, and how the last ones ended.

use axum::extract::State;
use futures_util::FutureExt;
use relay::connect::{self, Found};
use schema::clock::MINUTE;
use schema::model::account::{Account, AccountFilter};
use schema::service::account::{self, AccountChange};
use schema::service::setting;
use schema::service::sweep::{Job, job, start_jobs};
use schema::{Actor, App, Error, Time};
use serde_json::{Map, Value, json};

use super::super::form::{Told, told};
use super::super::shape::ids;
use super::super::{Admin, Body, Path, Reply, data, flat};
use super::cron::Cron;
use super::health::asked;
use super::{FAMILIES, all, found, of_kind};

/// Under which name an account keeps when it is tested.
pub const CONFIG: &str = "testConfig";
/// Under which name it keeps how the last tests ended.
const HISTORY: &str = "test_history";
/// How many of them.
const KEPT: usize = 20;

fn config_of(account: &Account) -> Map<String, Value> {
    let stored = account.options.extra.get(CONFIG).and_then(Value::as_object);
    let get = |name: &str| stored.and_then(|s| s.get(name)).cloned();
    Map::from_iter([
        ("enabled".to_owned(), get("enabled").unwrap_or(false.into())),
        ("cronExpression".to_owned(), get("cronExpression").unwrap_or("0 8 * * *".into())),
        ("model".to_owned(), get("model").unwrap_or(Value::Null)),
        ("updatedAt".to_owned(), get("updatedAt").unwrap_or(Value::Null)),
    ])
}

fn history_of(account: &Account) -> Vec<Value> {
    account.info.0.get(HISTORY).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn shown(account: &Account) -> Value {
    json!({ "accountId": account.uid, "platform": of_kind(account.kind).platform, "config": config_of(account) })
}

pub async fn config<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    Ok(data(shown(&account)))
}

pub async fn put_config<const F: usize>(
    State(app): State<App>,
    admin: Admin,
    uid: Path<String>,
    form: Body<Told<told::TestPlan>>,
) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let form = form.0;
    let mut config = config_of(&account);
    if let Some(on) = form.switch("enabled")? {
        config.insert("enabled".into(), on.into());
    }
    if let Some(text) = form.text("cronExpression")? {
        if Cron::read(&text).is_none() {
            let why = "cronExpression needs five fields: minute, hour, day, month and weekday";
            return Err(Error::invalid("cronExpression", why).into());
        }
        config.insert("cronExpression".into(), text.into());
    }
    if form.has("model") {
        config.insert("model".into(), form.text("model")?.map_or(Value::Null, Value::from));
    }
    config.insert("updatedAt".into(), app.clock.now().rfc3339().into());
    let mut extra = account.options.extra.clone();
    extra.insert(CONFIG.into(), Value::Object(config));
    let patch = Map::from_iter([("extra".to_owned(), Value::Object(extra))]);
    let change = AccountChange { options_patch: patch, ..AccountChange::default() };
    let account = account::change(&app, &admin, account.id, change).await?;
    Ok(flat(json!({ "message": "测试配置已更新", "data": shown(&account) })))
}

pub async fn history<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let platform = of_kind(account.kind).platform;
    Ok(data(json!({ "accountId": account.uid, "platform": platform, "history": history_of(&account) })))
}

/// The histories of several accounts, whichever families they are of.
pub async fn histories(State(app): State<App>, admin: Admin, form: Body<Told<told::Accounts>>) -> Reply {
    let field = if form.0.has("accounts") { "accounts" } else { "accountIds" };
    let uids = match form.0.given(field) {
        // Newer consoles name the platform beside each id.
        Some(Value::Array(list)) if list.iter().all(Value::is_object) && !list.is_empty() => {
            let id = |v: &Value| v["accountId"].as_str().or(v["id"].as_str()).map(str::to_owned);
            let uids: Option<Vec<String>> = list.iter().map(id).collect();
            uids.ok_or_else(|| Error::invalid(field, format!("{field} must name accounts")))?
        }
        _ => ids(&form.0, field, 200)?,
    };
    let mut out = Map::new();
    for uid in uids.into_iter().take(200) {
        match account::get_by_uid(&app, &admin, &uid).await {
            Ok(account) => {
                out.insert(uid, history_of(&account).into());
            }
            Err(Error::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(data(out))
}

/// One test, answered when it is over.
pub async fn test_now<const F: usize>(
    State(app): State<App>,
    admin: Admin,
    uid: Path<String>,
    form: Body<Told<told::Trial>>,
) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let result = asked(&app, &admin, &account, &form.0).await?;
    Ok(data(entry(&result, None, app.clock.now())))
}

fn entry(found: &Found, model: Option<&str>, at: Time) -> Value {
    json!({
        "success": found.healthy, "status": if found.healthy { "success" } else { "failed" },
        "timestamp": at.rfc3339(), "latencyMs": found.took_ms, "httpStatus": found.status, "model": model,
        "message": found.message, "error": if found.healthy { Value::Null } else { found.message.as_str().into() },
    })
}

/// Notes how a test ended.
pub async fn remember(app: &App, account: &Account, found: &Found, model: Option<&str>) -> Result<(), Error> {
    let mut history = history_of(account);
    history.insert(0, entry(found, model, app.clock.now()));
    history.truncate(KEPT);
    account::learn(app, account.id, &Map::from_iter([(HISTORY.to_owned(), history.into())])).await
}

/// Looks every half minute which tests have come due.
const JOBS: &[Job] = &[job("accounts.tests", 30, |app| async move { due(&app).await }.boxed())];

/// Begins to test accounts when they are due; ends when the process stops.
pub fn start(app: &App) {
    start_jobs(app, JOBS);
}

/// Tests the accounts whose moment has come; how many.
pub async fn due(app: &App) -> Result<usize, Error> {
    let now = app.clock.now();
    let settings = setting::current(app);
    let fields = settings.zone().fields(now);
    let system = Actor::system();
    let kinds = FAMILIES.iter().map(|f| f.kind).collect();
    let filter = AccountFilter { kinds, enabled: Some(true), ..AccountFilter::default() };
    let mut tested = 0;
    for account in all(app, &system, filter).await? {
        let config = config_of(&account);
        let due = config["enabled"] == true
            && config["cronExpression"].as_str().and_then(Cron::read).is_some_and(|cron| cron.holds(fields));
        // Once in its minute, whichever process comes first.
        let claim = format!("crs:test:{}:{}", account.id, now.0 / MINUTE);
        if !due || !app.kv.put_new(&claim, "1", 2 * MINUTE, now).await? {
            continue;
        }
        let model = config["model"].as_str().or(account.options.test_model.as_deref());
        let found = connect::test(app, &system, account.id, model).await?;
        remember(app, &account, &found, model).await?;
        tested += 1;
    }
    Ok(tested)
}

//! Accounts as the console's overview pages read them: rests, bindings, balances, errors.

use std::collections::HashMap;

use axum::extract::State;
use schema::clock::{DAY, Time, Zone};
use schema::model::account::{Account, AccountFilter, Health};
use schema::model::api_key::BoundTo;
use schema::page::Seek;
use schema::service::account as accounts;
use schema::service::admission;
use schema::service::report::Dimension;
use schema::service::setting;
use schema::{Actor, App, Error, Micros};
use serde_json::{Map, Value, json};

use super::super::family::row::{family_of, rows};
use super::super::family::{FAMILIES, all, of_kind};
use super::super::form::{Told, told};
use super::super::shape::Span;
use super::super::{Admin, Body, Path, Reply, data, sums};

pub async fn resting(State(app): State<App>, admin: Admin) -> Reply {
    let now = app.clock.now();
    let filter = AccountFilter { health: Some(Health::Cooling), ..AccountFilter::default() };
    let mut out = Map::new();
    for account in all(&app, &admin, filter).await? {
        let kind = of_kind(account.kind).platform;
        let left = account.cool_until.map_or(0, |t| (t.0 - now.0).max(0) / 1_000);
        let seek = Seek { take: 1, ..Seek::default() };
        let last = accounts::events(&app, &admin, Some(account.id), &seek).await?.rows.into_iter().next();
        out.insert(
            format!("{kind}:{}", account.uid),
            json!({
                "accountId": account.uid, "accountType": kind, "statusCode": last.as_ref().map(|e| e.status),
                "errorType": account.health_note, "markedAt": last.as_ref().map(|e| e.at.rfc3339()), "ttl": left,
                "remainingSeconds": left, "cooldownSeconds": left,
                "expiresAt": account.cool_until.map(|t| t.rfc3339()),
            }),
        );
    }
    Ok(data(out))
}

/// The fields under which keys name their accounts, by platform.
const FIELDS: &[(&str, &str)] = &[
    ("claude", "claudeAccountId"),
    ("claude-console", "claudeConsoleAccountId"),
    ("gemini", "geminiAccountId"),
    ("gemini-api", "geminiAccountId"),
    ("openai", "openaiAccountId"),
    ("openai-responses", "openaiAccountId"),
    ("azure_openai", "azureOpenaiAccountId"),
    ("bedrock", "bedrockAccountId"),
    ("ccr", "ccrAccountId"),
    ("droid", "droidAccountId"),
];

pub async fn binding_counts(State(app): State<App>, admin: Admin) -> Reply {
    let bound = accounts::bound_keys(&app, &admin).await?;
    let mut out: Map<String, Value> = FIELDS.iter().map(|(_, f)| ((*f).to_owned(), json!({}))).collect();
    for account in all(&app, &admin, AccountFilter::default()).await? {
        let platform = of_kind(account.kind).platform;
        let Some((_, field)) = FIELDS.iter().find(|(p, _)| *p == platform) else { continue };
        let Some(count) = bound.get(&BoundTo::Account(account.id)) else { continue };
        let id = match platform {
            "openai-responses" => format!("responses:{}", account.uid),
            "gemini-api" => format!("api:{}", account.uid),
            _ => account.uid,
        };
        out[*field][id] = (*count).into();
    }
    Ok(data(out))
}

/// What an account has cost and may still cost, and what its vendor said was left when it was asked.
async fn balance_of(app: &App, actor: &Actor, account: &Account) -> Result<Value, Error> {
    Ok(balances_of(app, actor, std::slice::from_ref(account)).await?.remove(0))
}

/// The same of many accounts, in their order.
async fn balances_of(app: &App, actor: &Actor, accounts: &[Account]) -> Result<Vec<Value>, Error> {
    let now = app.clock.now();
    let settings = setting::current(app);
    let zone = settings.zone();
    let spans = [Span::ALL, Span::today(zone, now), Span::month(zone, now)];
    let ids: Vec<i64> = accounts.iter().map(|account| account.id).collect();
    let used = sums::Used::of(app, actor, Dimension::Account, &ids, &spans).await?;
    let spent = spent_of_quotas(app, accounts, zone, now).await?;
    let row = |account: &Account| balance_row(account, &used, spent.get(&account.id).copied(), zone, now);
    Ok(accounts.iter().map(row).collect())
}

/// An account's balance; `spent` is what its quota, if it has one, has given since it began anew.
fn balance_row(account: &Account, used: &sums::Used, spent: Option<Micros>, zone: &Zone, now: Time) -> Value {
    let [total, daily, monthly] = [0, 1, 2].map(|n| used.in_span(account.id, n));
    let told = account.info.get("balance").and_then(Value::as_f64);
    let told_at = account.info.get("balance_updated_time").and_then(Value::as_i64).map(|s| Time(s * 1_000));
    let usd = |micros: i64| Micros(micros).dollars();
    let quota = account.daily_quota.filter(|q| q.0 > 0);
    let spent = spent.unwrap_or(Micros(daily.cost));
    let left = quota.map(|q| q.minus(spent).0.max(0) as f64 / 1e6);
    json!({
        "accountId": account.uid, "platform": of_kind(account.kind).platform,
        "balance": told.map(|left| {
            json!({ "amount": left, "currency": "USD", "formattedAmount": format!("${left:.2}") })
        }),
        "quota": {
            "daily": quota.unwrap_or_default().dollars(), "used": spent.dollars(), "remaining": left,
            "percentage": quota.map_or(0.0, |q| spent.0 as f64 * 100.0 / q.0 as f64),
            "unlimited": quota.is_none(), "resetAt": quota_end(account, zone, now).rfc3339(),
        },
        "statistics": {
            "totalCost": usd(total.cost), "dailyCost": usd(daily.cost), "monthlyCost": usd(monthly.cost),
            "totalRequests": total.requests, "dailyRequests": daily.requests, "monthlyRequests": monthly.requests,
        },
        "source": if told.is_some() { "api" } else { "local" },
        "lastRefreshAt": told_at.unwrap_or(now).rfc3339(), "cacheExpiresAt": null, "status": "success", "error": null,
        "scriptEnabled": false, "scriptConfigured": false,
    })
}

pub async fn balance(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = accounts::get_by_uid(&app, &admin, &uid.0).await?;
    Ok(data(balance_of(&app, &admin, &account).await?))
}

/// Asks the account's vendor what is left there, where it tells; where it does not, what is known here is the answer.
pub async fn refresh_balance(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = accounts::get_by_uid(&app, &admin, &uid.0).await?;
    if let Err(why) = relay::connect::balance::balance(&app, &admin, account.id).await {
        tracing::info!(account = account.id, "an account's balance is not known: {why}");
    }
    let asked = accounts::get(&app, &admin, account.id).await?;
    Ok(data(balance_of(&app, &admin, &asked).await?))
}

/// Its console can have administrators' own programs ask after balances.
const NO_SCRIPTS: &str =
    "programs that ask after balances do not run here; the balance is asked of vendors that tell it";

pub async fn script(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    accounts::get_by_uid(&app, &admin, &uid.0).await?;
    Err(Error::invalid("script", NO_SCRIPTS).into())
}

pub async fn put_script(app: State<App>, admin: Admin, uid: Path<String>, _: Body<Told<told::Script>>) -> Reply {
    script(app, admin, uid).await
}

pub async fn balances(State(app): State<App>, admin: Admin, platform: Path<String>) -> Reply {
    let Some(family) = family_of(&platform.0) else { return Ok(data(Vec::<Value>::new())) };
    let filter = AccountFilter { kinds: vec![family.kind], ..AccountFilter::default() };
    let accounts = all(&app, &admin, filter).await?;
    let shown = balances_of(&app, &admin, &accounts).await?;
    let rows = accounts.iter().zip(shown).map(
        |(account, shown)| json!({ "success": true, "data": shown, "accountId": account.uid, "name": account.name }),
    );
    Ok(data(rows.collect::<Vec<Value>>()))
}

/// Accounts by platform: what they have cost, and what is left of today's quotas, which is all that is known of
/// balances.
pub async fn balance_summary(State(app): State<App>, admin: Admin) -> Reply {
    let mut platforms = Map::new();
    let (mut total, mut left, mut low) = (Micros::ZERO, Micros::ZERO, 0);
    let accounts = all(&app, &admin, AccountFilter::default()).await?;
    let remaining = remaining(&app, &accounts).await?;
    for account in accounts {
        total = total.plus(account.spent);
        let own = remaining.get(&account.id).copied();
        // A tenth of the quota is little.
        let is_low = own.is_some_and(|own| own.0.saturating_mul(10) < account.daily_quota.unwrap_or_default().0);
        left = left.plus(own.unwrap_or_default());
        low += i64::from(is_low);
        let platform = of_kind(account.kind).platform;
        let entry = platforms.entry(platform).or_insert_with(
            || json!({ "count": 0, "totalBalance": 0, "totalCost": 0.0, "lowBalanceCount": 0, "accounts": [] }),
        );
        entry["count"] = (entry["count"].as_i64().unwrap_or(0) + 1).into();
        entry["totalCost"] = (entry["totalCost"].as_f64().unwrap_or(0.0) + account.spent.dollars()).into();
        let sum = entry["totalBalance"].as_f64().unwrap_or(0.0) + own.unwrap_or_default().dollars();
        entry["totalBalance"] = sum.into();
        entry["lowBalanceCount"] = (entry["lowBalanceCount"].as_i64().unwrap_or(0) + i64::from(is_low)).into();
        if let Some(list) = entry["accounts"].as_array_mut() {
            list.push(json!({ "accountId": account.uid, "name": account.name, "totalCost": account.spent.dollars() }));
        }
    }
    Ok(data(json!({
        "totalBalance": left.dollars(), "totalCost": total.dollars(), "lowBalanceCount": low, "platforms": platforms,
    })))
}

/// When an account's quota begins anew next: at its own hour, be it used up by hand before.
fn quota_end(account: &Account, zone: &Zone, now: Time) -> Time {
    let mut options = account.options.0.clone();
    options.quota_since = None;
    // Of tomorrow's moment, this is the reset that comes next.
    accounts::quota_start(&options, zone, now.plus(DAY))
}

/// What accounts that have a quota have spent of it since it began anew.
async fn spent_of_quotas(
    app: &App,
    accounts: &[Account],
    zone: &Zone,
    now: Time,
) -> Result<HashMap<i64, Micros>, Error> {
    let limited = accounts.iter().filter(|account| account.daily_quota.is_some_and(|quota| quota.0 > 0));
    let wanted: Vec<(i64, Time)> =
        limited.map(|account| (account.id, accounts::quota_start(&account.options.0, zone, now))).collect();
    let spent = admission::accounts_spent(app, &wanted).await?;
    Ok(wanted.iter().zip(spent).map(|((id, _), spent)| (*id, Micros(spent))).collect())
}

/// What is left of today's quota, of accounts that have one.
async fn remaining(app: &App, accounts: &[Account]) -> Result<HashMap<i64, Micros>, Error> {
    let settings = setting::current(app);
    let spent = spent_of_quotas(app, accounts, settings.zone(), app.clock.now()).await?;
    let left = |account: &Account| {
        let spent = spent.get(&account.id)?;
        Some((account.id, Micros((account.daily_quota?.0 - spent.0).max(0))))
    };
    Ok(accounts.iter().filter_map(left).collect())
}

/// Every account by family, as lists show them: without secrets, which never leave.
pub async fn export(State(app): State<App>, admin: Admin) -> Reply {
    let mut out = Map::from_iter([("exportedAt".to_owned(), app.clock.now().rfc3339().into())]);
    for family in &FAMILIES {
        let filter = AccountFilter { kinds: vec![family.kind], ..AccountFilter::default() };
        let accounts = all(&app, &admin, filter).await?;
        let name = match family.platform {
            "claude" => "claudeAccounts",
            "claude-console" => "claudeConsoleAccounts",
            "ccr" => "ccrAccounts",
            "bedrock" => "bedrockAccounts",
            "gemini" => "geminiOAuthAccounts",
            "gemini-api" => "geminiApiKeyAccounts",
            "openai" => "openaiOAuthAccounts",
            "azure_openai" => "azureOpenaiAccounts",
            _ => "openaiResponsesAccounts",
        };
        out.insert(name.to_owned(), json!(rows(&app, &admin, &accounts).await?));
    }
    Ok(data(out))
}

async fn history(app: &App, actor: &Actor, account: Option<&Account>) -> Result<Vec<Value>, Error> {
    let seek = Seek { take: 100, ..Seek::default() };
    let events = accounts::events(app, actor, account.map(|a| a.id), &seek).await?.rows;
    let known = all(app, actor, AccountFilter::default()).await?;
    Ok(events
        .iter()
        .map(|e| {
            let account = known.iter().find(|a| a.id == e.account_id);
            json!({
                "id": e.id, "accountId": account.map(|a| &a.uid), "accountName": account.map(|a| &a.name),
                "accountType": account.map(|a| of_kind(a.kind).platform), "timestamp": e.at.rfc3339(),
                "status": e.status, "statusCode": e.status, "health": e.health, "message": e.note, "error": e.note,
            })
        })
        .collect())
}

pub async fn errors(State(app): State<App>, admin: Admin) -> Reply {
    Ok(data(history(&app, &admin, None).await?))
}

pub async fn errors_of(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = accounts::get_by_uid(&app, &admin, &uid.0).await?;
    Ok(data(history(&app, &admin, Some(&account)).await?))
}

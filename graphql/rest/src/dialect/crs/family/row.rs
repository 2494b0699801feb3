//! Accounts as lists show them: what they are, how they do, and what they were used for. Nothing secret.

use std::collections::HashMap;

use schema::clock::{HOUR, MINUTE};
use schema::model::account::{Account, AccountKind, Health};
use schema::model::account_group::AccountGroup;
use schema::model::api_key::BoundTo;
use schema::service::account::{self, Rests, quota_start};
use schema::service::admission;
use schema::service::report::{self, Dimension, Sums};
use schema::service::setting;
use schema::{Actor, App, Error, Micros, Time};
use serde_json::{Map, Value, json};

use super::super::key::averages;
use super::super::shape::{Span, core_sums, when};
use super::super::sums;
use super::{FAMILIES, form, of_kind};

/// What all rows of one answer are shown with.
struct Around {
    used: sums::Used,
    windows: HashMap<i64, Value>,
    tasks: HashMap<i64, i64>,
    rests: Rests,
    quota_used: HashMap<i64, Micros>,
    groups: HashMap<i64, Vec<AccountGroup>>,
    bound: HashMap<BoundTo, i64>,
    now: Time,
}

/// Accounts with their usage, groups and bound keys.
pub async fn rows(app: &App, actor: &Actor, accounts: &[Account]) -> Result<Vec<Map<String, Value>>, Error> {
    let ids: Vec<i64> = accounts.iter().map(|a| a.id).collect();
    let now = app.clock.now();
    let settings = setting::current(app);
    let zone = settings.zone();
    let spans = [Span::ALL, Span::today(zone, now), Span::month(zone, now)];
    let limited: Vec<&Account> = accounts.iter().filter(|a| a.daily_quota.is_some_and(|q| q.0 > 0)).collect();
    let since: Vec<(i64, Time)> = limited.iter().map(|a| (a.id, quota_start(&a.options.0, zone, now))).collect();
    let spent = admission::accounts_spent(app, &since).await?;
    let mut windows = HashMap::new();
    let mut tasks = HashMap::new();
    for account in accounts {
        if let Some(began) = window_began(account, now) {
            windows.insert(account.id, in_window(app, actor, account.id, began).await?);
        }
        if account.max_concurrency > 0 {
            tasks.insert(account.id, admission::slots_taken(app, account.id).await?);
        }
    }
    let around = Around {
        used: sums::Used::of(app, actor, Dimension::Account, &ids, &spans).await?,
        windows,
        tasks,
        rests: account::rests(app, actor, &ids).await?,
        quota_used: limited.iter().map(|a| a.id).zip(spent.into_iter().map(Micros)).collect(),
        groups: account::groups_of(app, actor, &ids).await?,
        bound: account::bound_keys(app, actor).await?,
        now,
    };
    accounts.iter().map(|a| row(app, actor, a, &around)).collect()
}

/// Its word for an account's health.
pub fn status(account: &Account) -> &'static str {
    match account.health {
        Health::Ok => "active",
        Health::Cooling => "rate_limited",
        Health::Blocked if account.hint.is_empty() => "created",
        Health::Blocked => "blocked",
        Health::Expired => "unauthorized",
    }
}

/// Length of Claude's short window.
const WINDOW: i64 = 5 * HOUR;

/// When the running short window of a Claude account began, as far as its vendor told when it ends.
fn window_began(account: &Account, now: Time) -> Option<Time> {
    let ends = account.info.0.get("claude_usage")?.pointer("/fiveHour/resetsAt")?.as_str().and_then(Time::parse)?;
    (ends > now).then(|| ends.plus(-WINDOW))
}

/// What an account was used for in its window.
async fn in_window(app: &App, actor: &Actor, id: i64, began: Time) -> Result<Value, Error> {
    let span = Span { from: began.hour(), until: Span::ALL.until };
    let models = report::models(app, actor, &sums::of_accounts(span, &[id])).await?;
    let whole = sums::together(models.iter().map(|m| &m.sums));
    let by_model: Map<String, Value> =
        models.iter().map(|m| (m.model.clone(), Value::Object(core_sums(&m.sums)))).collect();
    Ok(json!({
        "totalTokens": whole.tokens(), "totalRequests": whole.requests, "totalCost": Micros(whole.cost).dollars(),
        "modelUsage": by_model,
    }))
}

/// The window itself.
fn session_window(account: &Account, now: Time) -> Value {
    let Some(began) = window_began(account, now) else {
        return json!({
            "hasActiveWindow": false, "windowStart": null, "windowEnd": null, "progress": 0, "remainingTime": null,
            "lastRequestTime": when(account.last_used_at),
        });
    };
    let ends = began.plus(WINDOW);
    json!({
        "hasActiveWindow": true, "windowStart": began.rfc3339(), "windowEnd": ends.rfc3339(),
        "progress": (now.0 - began.0) * 100 / WINDOW, "remainingTime": (ends.0 - now.0) / MINUTE,
        "lastRequestTime": when(account.last_used_at),
    })
}

fn rate_limit(account: &Account, rests: &Rests, now: Time) -> Value {
    let until = account.cool_until.filter(|_| account.health == Health::Cooling);
    let left = until.map_or(0, |t| (t.0 - now.0).max(0));
    let since = rests.any.get(&account.id).map(|e| e.at).filter(|_| until.is_some());
    json!({
        "isRateLimited": until.is_some(), "status": if until.is_some() { "limited" } else { "normal" },
        "rateLimitedAt": when(since), "rateLimitResetAt": when(until), "rateLimitExpireAt": when(until),
        "resetAt": when(until), "minutesSinceRateLimit": since.map_or(0, |t| (now.0 - t.0).max(0) / MINUTE),
        "minutesRemaining": (left + MINUTE - 1) / MINUTE, "remainingTimeMinutes": (left + MINUTE - 1) / MINUTE,
        "remainingTimeMs": left, "reason": account.health_note,
    })
}

fn row(app: &App, actor: &Actor, account: &Account, around: &Around) -> Result<Map<String, Value>, Error> {
    let family = of_kind(account.kind);
    let options = &account.options.0;
    let [total, daily, monthly]: [Sums; 3] = [0, 1, 2].map(|n| around.used.in_span(account.id, n));
    let groups: Vec<Value> =
        around.groups.get(&account.id).into_iter().flatten().map(super::super::group::shown).collect();
    let proxy = account::proxy_of(app, actor, account)?;
    let (credentials, _) = account::credentials_of(app, actor, account)?;
    let limit = rate_limit(account, &around.rests, around.now);
    let overload = around.rests.overload.get(&account.id);
    let last_rest = around.rests.any.get(&account.id);
    let overloaded =
        account.health == Health::Cooling && overload.is_some_and(|o| last_rest.is_some_and(|r| r.id == o.id));
    let quota = account.daily_quota.unwrap_or_default();
    let quota_used = around.quota_used.get(&account.id).copied();
    let stopped = quota_used.is_some_and(|used| used >= quota);
    let limited = limit["isRateLimited"] == true;
    let settings = setting::current(app);
    let zone = settings.zone();
    let fact = |name: &str| account.info.0.get(name).cloned().unwrap_or(Value::Null);
    let resting = account.health != Health::Ok;
    let models: Value = if options.mapping.is_empty() {
        account.models.0.clone().into()
    } else {
        let pairs = account.models.0.iter().map(|m| (m.clone(), options.mapping.get(m).unwrap_or(m).clone().into()));
        let mapped = options.mapping.iter().map(|(from, to)| (from.clone(), to.clone().into()));
        Value::Object(pairs.chain(mapped).collect())
    };
    let value = json!({
        "id": account.uid, "name": account.name, "description": account.description, "platform": family.platform,
        "type": family.platform, "accountType": account.sharing,
        "authType": if options.setup_token { "setup-token" } else if account.kind.is_oauth() { "oauth" } else { "api_key" },
        "isActive": account.enabled, "schedulable": account.schedulable, "status": status(account),
        "errorMessage": if resting { account.health_note.as_str() } else { "" },
        "stoppedReason": if resting { Value::from(account.health_note.as_str()) } else { Value::Null },
        "priority": (100 - account.priority).clamp(1, 100),
        "groupInfos": groups, "groupId": groups.first().and_then(|g| g.get("id")),
        "proxy": proxy, "hasProxy": proxy.is_some(),
        "hasCredentials": credentials != "none", "hasRefreshToken": credentials == "oauth" && !options.setup_token,
        "apiKey": if credentials == "keys" { "***" } else { "" }, "keyHint": account.hint,
        "email": fact("email"), "subscriptionInfo": fact("subscription"), "accountInfo": fact("profile"),
        "scopes": fact("scopes"),
        "createdAt": account.created_at.rfc3339(), "updatedAt": account.updated_at.rfc3339(),
        "lastUsedAt": when(account.last_used_at), "lastRefreshAt": fact("refreshed_at"),
        "subscriptionExpiresAt": when(account.subscription_expires_at),
        "expiresAt": when(account.subscription_expires_at), "tokenExpiresAt": when(account.token_expires_at),
        "rateLimitStatus": limit, "rateLimitInfo": limit,
        "rateLimitAutoStopped": limited,
        "overloadStatus": { "isOverloaded": overloaded, "lastOverloadAt": when(overload.map(|e| e.at)) },
        "claudeUsage": fact("claude_usage"), "codexUsage": fact("codex_usage"),
        "sessionWindow": session_window(account, around.now),
        "usage": {
            "daily": core_sums(&daily), "total": core_sums(&total), "monthly": core_sums(&monthly),
            "averages": averages(&total, account.created_at, around.now),
            "sessionWindow": around.windows.get(&account.id),
        },
        "dailyQuota": quota.dollars(),
        "dailyUsage": quota_used.unwrap_or(Micros(daily.cost)).dollars(),
        "quotaResetTime": options.quota_reset_time.as_deref().unwrap_or("00:00"),
        "lastResetDate": zone.date(account::quota_start(options, zone, around.now)),
        // Nothing is sent to it once its quota is spent, so the last call is the one that spent it.
        "quotaStoppedAt": when(account.last_used_at.filter(|_| stopped)),
        "maxConcurrency": account.max_concurrency, "maxConcurrentTasks": account.max_concurrency,
        "activeTaskCount": around.tasks.get(&account.id).copied().unwrap_or(0),
        "boundApiKeysCount": around.bound.get(&BoundTo::Account(account.id)).copied().unwrap_or(0),
        "supportedModels": models, "userAgent": options.user_agent.as_deref().unwrap_or(""),
        "rateLimitDuration": options.rate_limit_minutes.unwrap_or(60),
        "disableAutoProtection": options.protection_off, "autoStopOnWarning": options.stop_on_warning,
        "region": options.region, "defaultModel": options.default_model, "projectId": options.project,
        "apiVersion": options.api_version, "deploymentName": options.deployment,
        "oauthProvider": options.oauth_provider, "providerEndpoint": options.endpoint,
        "version": account.version,
    });
    let Value::Object(mut fields) = value else { return Ok(Map::new()) };
    if account.kind == AccountKind::Bedrock {
        let kind = match credentials {
            "aws" => "access_key",
            "keys" => "bearer_token",
            _ => "default",
        };
        fields.insert("credentialType".into(), kind.into());
    }
    fields.insert(family.address.to_owned(), account.base_url.clone().into());
    for name in form::EXTRA {
        fields.insert((*name).to_owned(), options.extra.get(*name).cloned().unwrap_or(Value::Null));
    }
    Ok(fields)
}

/// An account's daily quota and what was used of it.
pub async fn quota(app: &App, actor: &Actor, account: &Account) -> Result<Value, Error> {
    let now = app.clock.now();
    let settings = setting::current(app);
    let zone = settings.zone();
    let options = &account.options.0;
    let since = quota_start(options, zone, now);
    let spans = [Span::ALL, Span::today(zone, now), Span::month(zone, now)];
    let all = sums::Used::of(app, actor, Dimension::Account, &[account.id], &spans).await?;
    let [total, daily, monthly] = [0, 1, 2].map(|n| all.in_span(account.id, n));
    let spent = admission::accounts_spent(app, &[(account.id, since)]).await?;
    let used = Micros(spent.first().copied().unwrap_or_default());
    let limit = account.daily_quota.unwrap_or_default();
    let exceeded = limit.0 > 0 && used >= limit;
    Ok(json!({
        "dailyQuota": limit.dollars(), "dailyUsage": used.dollars(),
        "remainingQuota": if limit.0 > 0 { json!(limit.minus(used).0.max(0) as f64 / 1e6) } else { Value::Null },
        "usagePercentage": if limit.0 > 0 { used.0 as f64 * 100.0 / limit.0 as f64 } else { 0.0 },
        "lastResetDate": zone.date(since), "lastResetAt": since.rfc3339(),
        "quotaResetTime": options.quota_reset_time.as_deref().unwrap_or("00:00"),
        "quotaStoppedAt": when(account.last_used_at.filter(|_| exceeded)), "isQuotaExceeded": exceeded,
        "fullUsageStats": {
            "accountId": account.uid, "total": core_sums(&total), "daily": core_sums(&daily),
            "monthly": core_sums(&monthly), "averages": averages(&total, account.created_at, now),
        },
    }))
}

/// The family of a platform's word.
pub fn family_of(platform: &str) -> Option<&'static super::Family> {
    FAMILIES.iter().find(|f| f.platform == platform || f.platform.replace('_', "-") == platform)
}

//! Accounts as lists show them: what they are, how they do, and what they were used for. Nothing secret.

use std::collections::HashMap;

use schema::clock::MINUTE;
use schema::model::account::{Account, AccountKind, Health};
use schema::model::account_group::AccountGroup;
use schema::model::api_key::BoundTo;
use schema::model::tally::Tally;
use schema::service::account::{self, quota_start};
use schema::service::setting;
use schema::{Actor, App, Error, Time};
use serde_json::{Map, Value, json};

use super::super::key::averages;
use super::super::shape::{Span, core_sums, when};
use super::super::sums;
use super::{FAMILIES, form, of_kind};

/// What all rows of one answer are shown with.
struct Around {
    total: HashMap<i64, Tally>,
    daily: HashMap<i64, Tally>,
    monthly: HashMap<i64, Tally>,
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
    let around = Around {
        total: sums::by_account(app, actor, Span::ALL, &ids).await?,
        daily: sums::by_account(app, actor, Span::today(zone, now), &ids).await?,
        monthly: sums::by_account(app, actor, Span::month(zone, now), &ids).await?,
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

fn rate_limit(account: &Account, now: Time) -> Value {
    let until = account.cool_until.filter(|_| account.health == Health::Cooling);
    let left = until.map_or(0, |t| (t.0 - now.0).max(0));
    json!({
        "isRateLimited": until.is_some(), "status": if until.is_some() { "limited" } else { "normal" },
        "rateLimitedAt": null, "rateLimitResetAt": when(until), "rateLimitExpireAt": when(until),
        "resetAt": when(until), "minutesSinceRateLimit": 0,
        "minutesRemaining": (left + MINUTE - 1) / MINUTE, "remainingTimeMinutes": (left + MINUTE - 1) / MINUTE,
        "remainingTimeMs": left, "reason": account.health_note,
    })
}

fn row(app: &App, actor: &Actor, account: &Account, around: &Around) -> Result<Map<String, Value>, Error> {
    let family = of_kind(account.kind);
    let options = &account.options.0;
    let of = |map: &HashMap<i64, Tally>| core_sums(&map.get(&account.id).cloned().unwrap_or_default());
    let total = around.total.get(&account.id).cloned().unwrap_or_default();
    let groups: Vec<Value> =
        around.groups.get(&account.id).into_iter().flatten().map(super::super::group::shown).collect();
    let proxy = account::proxy_of(app, actor, account)?;
    let (credentials, _) = account::credentials_of(app, actor, account)?;
    let limit = rate_limit(account, around.now);
    let limited = limit["isRateLimited"] == true;
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
        "overloadStatus": { "isOverloaded": false, "lastOverloadAt": null },
        "claudeUsage": fact("claude_usage"), "codexUsage": fact("codex_usage"),
        "sessionWindow": fact("session_window"),
        "usage": {
            "daily": of(&around.daily), "total": of(&around.total), "monthly": of(&around.monthly),
            "averages": averages(&total, account.created_at, around.now), "sessionWindow": null,
        },
        "dailyQuota": account.daily_quota.unwrap_or_default().dollars(),
        "dailyUsage": around.daily.get(&account.id).cloned().unwrap_or_default().cost.dollars(),
        "quotaResetTime": options.quota_reset_time.as_deref().unwrap_or("00:00"),
        "quotaStoppedAt": null,
        "maxConcurrency": account.max_concurrency, "maxConcurrentTasks": account.max_concurrency,
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
    if let Some(address) = family.address {
        fields.insert(address.to_owned(), account.base_url.clone().into());
    }
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
    let ids = [account.id];
    let used = sums::total(app, actor, &sums::of_accounts(Span { from: since, until: Time(i64::MAX) }, &ids)).await?;
    let total = sums::total(app, actor, &sums::of_accounts(Span::ALL, &ids)).await?;
    let daily = sums::total(app, actor, &sums::of_accounts(Span::today(zone, now), &ids)).await?;
    let monthly = sums::total(app, actor, &sums::of_accounts(Span::month(zone, now), &ids)).await?;
    let limit = account.daily_quota.unwrap_or_default();
    let exceeded = limit.0 > 0 && used.cost >= limit;
    Ok(json!({
        "dailyQuota": limit.dollars(), "dailyUsage": used.cost.dollars(),
        "remainingQuota": if limit.0 > 0 { json!(limit.minus(used.cost).0.max(0) as f64 / 1e6) } else { Value::Null },
        "usagePercentage": if limit.0 > 0 { used.cost.0 as f64 * 100.0 / limit.0 as f64 } else { 0.0 },
        "lastResetDate": zone.date(since), "lastResetAt": since.rfc3339(),
        "quotaResetTime": options.quota_reset_time.as_deref().unwrap_or("00:00"),
        "quotaStoppedAt": null, "isQuotaExceeded": exceeded,
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

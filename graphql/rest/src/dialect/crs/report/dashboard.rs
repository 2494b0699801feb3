//! The dashboard.

use axum::extract::State;
use schema::model::account::{Account, AccountFilter, AccountKind, Health};
use schema::model::api_key::{KeyFilter, KeyOrder, KeyState};
use schema::page::{Direction, Window};
use schema::service::report::{self, Sums};
use schema::service::{api_key, setting};
use schema::{Actor, App, Error, Micros};
use serde_json::{Map, Value, json};

use super::super::family::{FAMILIES, all, of_kind};
use super::super::shape::Span;
use super::super::{Admin, Reply, data, sums};

/// How many accounts stand how.
#[derive(Clone, Copy, Default)]
struct Standing {
    total: i64,
    normal: i64,
    abnormal: i64,
    paused: i64,
    limited: i64,
}

impl Standing {
    fn count<'a>(accounts: impl Iterator<Item = &'a Account>) -> Self {
        let mut s = Self::default();
        for account in accounts {
            s.total += 1;
            match account.health {
                Health::Cooling => s.limited += 1,
                Health::Blocked | Health::Expired => s.abnormal += 1,
                Health::Ok if account.enabled && account.schedulable => s.normal += 1,
                Health::Ok => s.paused += 1,
            }
        }
        s
    }
    fn shown(&self) -> Value {
        json!({
            "total": self.total, "normal": self.normal, "abnormal": self.abnormal, "paused": self.paused,
            "rateLimited": self.limited,
        })
    }
}

async fn overview(app: &App, actor: &Actor, accounts: &[Account], total: &Sums) -> Result<Map<String, Value>, Error> {
    let now = app.clock.now();
    let keys = api_key::count(app, actor, &KeyFilter::default()).await?;
    let state = Some((KeyState::Active, now));
    let active = api_key::count(app, actor, &KeyFilter { state, ..KeyFilter::default() }).await?;
    let whole = Standing::count(accounts.iter());
    let mut platforms: Map<String, Value> = FAMILIES
        .iter()
        .map(|f| {
            let own = accounts.iter().filter(|a| of_kind(a.kind).kind == f.kind);
            (f.platform.to_owned(), Standing::count(own).shown())
        })
        .collect();
    platforms.insert("droid".into(), Standing::default().shown());
    let of = |kinds: &'static [AccountKind]| Standing::count(accounts.iter().filter(|a| kinds.contains(&a.kind)));
    let claude = of(&[AccountKind::ClaudeOauth, AccountKind::ClaudeConsole]);
    let gemini = of(&[AccountKind::GeminiOauth, AccountKind::GeminiKey]);
    let value = json!({
        "totalApiKeys": keys, "activeApiKeys": active,
        "totalAccounts": whole.total, "normalAccounts": whole.normal, "abnormalAccounts": whole.abnormal,
        "pausedAccounts": whole.paused, "rateLimitedAccounts": whole.limited, "activeAccounts": whole.normal,
        "accountsByPlatform": platforms,
        "totalClaudeAccounts": claude.total, "activeClaudeAccounts": claude.normal,
        "rateLimitedClaudeAccounts": claude.limited,
        "totalGeminiAccounts": gemini.total, "activeGeminiAccounts": gemini.normal,
        "rateLimitedGeminiAccounts": gemini.limited,
        "totalTokensUsed": total.core_tokens(), "totalRequestsUsed": total.requests,
        "totalInputTokensUsed": total.counts.input, "totalOutputTokensUsed": total.counts.output,
        "totalCacheCreateTokensUsed": total.cache_writes(), "totalCacheReadTokensUsed": total.counts.cache_read,
        "totalAllTokensUsed": total.tokens(), "totalCost": Micros(total.cost).dollars(),
    });
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// Requests and tokens a minute since the first key was made.
async fn averages(app: &App, actor: &Actor, total: &Sums) -> Result<Value, Error> {
    let order = (KeyOrder::CreatedAt, Direction::Asc);
    let first = api_key::pages(app, actor, &KeyFilter::default(), order, Window { limit: 1, offset: 0 }).await?;
    let since = first.rows.first().map_or(app.clock.now(), |k| k.created_at);
    let averages = super::super::key::averages(total, since, app.clock.now());
    Ok(json!({ "rpm": averages["rpm"], "tpm": averages["tpm"] }))
}

/// Minutes that "right now" means.
const WINDOW: i64 = 5;

pub async fn show(State(app): State<App>, admin: Admin) -> Reply {
    let now = app.clock.now();
    let settings = setting::current(&app);
    let zone = settings.zone();
    let accounts = all(&app, &admin, AccountFilter::default()).await?;
    let today_span = Span::today(zone, now);
    let total = report::totals(&app, &admin, &sums::over(Span::ALL)).await?;
    let today = report::totals(&app, &admin, &sums::over(today_span)).await?;
    let made = KeyFilter {
        created_from: Some(today_span.from),
        created_until: Some(today_span.until),
        ..KeyFilter::default()
    };
    let made = api_key::count(&app, &admin, &made).await?;
    let busy = report::realtime(&app, &admin, WINDOW).await?;
    let rounded = |n: f64| (n * 100.0).round() / 100.0;
    let healthy =
        |kinds: &[AccountKind]| accounts.iter().any(|a| kinds.contains(&a.kind) && a.health == Health::Ok && a.enabled);
    Ok(data(json!({
        "overview": overview(&app, &admin, &accounts, &total).await?,
        "recentActivity": {
            "apiKeysCreatedToday": made, "requestsToday": today.requests,
            "tokensToday": today.core_tokens(), "inputTokensToday": today.counts.input,
            "outputTokensToday": today.counts.output, "cacheCreateTokensToday": today.cache_writes(),
            "cacheReadTokensToday": today.counts.cache_read, "allTokensToday": today.tokens(),
            "costToday": Micros(today.cost).dollars(),
        },
        "systemAverages": averages(&app, &admin, &total).await?,
        "realtimeMetrics": {
            "rpm": rounded(busy.rpm()), "tpm": rounded(busy.tpm()), "windowMinutes": busy.window_minutes,
            "isHistorical": busy.historical,
        },
        "systemHealth": {
            "redisConnected": app.kv.ping().await.is_ok(),
            "claudeAccountsHealthy": healthy(&[AccountKind::ClaudeOauth, AccountKind::ClaudeConsole, AccountKind::Ccr, AccountKind::Bedrock]),
            "geminiAccountsHealthy": healthy(&[AccountKind::GeminiOauth, AccountKind::GeminiKey]),
            "droidAccountsHealthy": false, "uptime": relay::edge::health::uptime_seconds(),
        },
        "systemTimezone": f64::from(zone.offset_minutes(now)) / 60.0,
    })))
}

pub async fn cleanup(State(app): State<App>, admin: Admin) -> Reply {
    let done = super::super::upkeep::clean(&app, &admin).await?;
    Ok(super::super::flat(json!({ "message": "Cleanup completed", "data": done })))
}

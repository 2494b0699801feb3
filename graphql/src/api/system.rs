//! The system: how this process is doing, and the figures at the top of an administrator's page.

use async_graphql::{Context, Object, SimpleObject};
use relay::edge::health;
use schema::db::Backend;
use schema::model::account::{AccountFilter, Health};
use schema::service::report::{self, Overview, Realtime};
use schema::service::{account, api_key, settle, user};
use schema::{Act, Micros};

use super::usage::UsageSums;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};

/// How this process is doing.
#[derive(SimpleObject)]
pub struct SystemHealth {
    /// True when calls can be served.
    pub healthy: bool,
    /// The version that runs.
    pub version: String,
    /// Names this process among its peers.
    pub instance: String,
    /// Seconds since it began to serve.
    pub uptime_seconds: BigInt,
    /// The time by its clock.
    pub now: DateTime,
    /// Whether it relays calls.
    pub relays: bool,
    /// Whether it is on its way out.
    pub stopping: bool,
    /// The database.
    pub database: SystemPart,
    /// What all processes count in together.
    pub counters: SystemPart,
    /// How full the journal of settled calls is, in percent.
    pub journal_fill: i32,
}

/// Something the process needs.
#[derive(SimpleObject)]
pub struct SystemPart {
    /// What it is: `sqlite`, `postgres`, `memory` or `redis`.
    pub kind: String,
    /// Whether it answers.
    pub healthy: bool,
    /// Why not; empty when it does.
    pub message: String,
}

fn part(kind: &str, found: std::result::Result<(), String>) -> SystemPart {
    SystemPart { kind: kind.to_owned(), healthy: found.is_ok(), message: found.err().unwrap_or_default() }
}

/// How busy the last minutes were.
#[derive(SimpleObject)]
pub struct UsageRealtime {
    /// How many minutes.
    pub window_minutes: i32,
    /// Calls.
    pub requests: BigInt,
    /// Those of them that failed.
    pub errors: BigInt,
    /// Every token that went in or out.
    pub tokens: BigInt,
    /// What they cost, in US dollars.
    pub cost: Decimal,
    /// Calls a minute.
    pub requests_per_minute: f64,
    /// Tokens a minute.
    pub tokens_per_minute: f64,
    /// True when nothing was heard since this process began, and the figures are the running hour's.
    pub historical: bool,
}

impl From<Realtime> for UsageRealtime {
    fn from(r: Realtime) -> Self {
        Self {
            window_minutes: i32::try_from(r.window_minutes).unwrap_or_default(),
            requests: BigInt(r.requests),
            errors: BigInt(r.errors),
            tokens: BigInt(r.tokens),
            cost: Decimal(Micros(r.cost)),
            requests_per_minute: r.rpm(),
            tokens_per_minute: r.tpm(),
            historical: r.historical,
        }
    }
}

/// Usage at a glance.
#[derive(SimpleObject)]
pub struct UsageOverview {
    /// As long as there are books.
    pub all_time: UsageSums,
    /// Today.
    pub today: UsageSums,
    /// The day before.
    pub yesterday: UsageSums,
    /// This month.
    pub this_month: UsageSums,
    /// The last five minutes.
    pub realtime: UsageRealtime,
    /// Calls a minute over today so far.
    pub average_requests_per_minute: f64,
    /// Tokens a minute over today so far.
    pub average_tokens_per_minute: f64,
    /// Keys that were used today.
    pub active_key_count: BigInt,
    /// People who called today.
    pub active_user_count: BigInt,
    /// Accounts that served today.
    pub active_account_count: BigInt,
}

impl From<Overview> for UsageOverview {
    fn from(o: Overview) -> Self {
        Self {
            all_time: o.all.into(),
            today: o.today.into(),
            yesterday: o.yesterday.into(),
            this_month: o.month.into(),
            realtime: o.realtime.into(),
            average_requests_per_minute: o.average_rpm,
            average_tokens_per_minute: o.average_tpm,
            active_key_count: BigInt(o.active_keys),
            active_user_count: BigInt(o.active_users),
            active_account_count: BigInt(o.active_accounts),
        }
    }
}

/// How many accounts there are, by their health.
#[derive(SimpleObject)]
pub struct AccountCounts {
    /// All of them.
    pub total: BigInt,
    /// Those that can serve.
    pub ok: BigInt,
    /// Those that rest.
    pub cooling: BigInt,
    /// Those their vendors refuse.
    pub blocked: BigInt,
    /// Those whose credentials have run out.
    pub expired: BigInt,
    /// Those that are switched off, whatever their health.
    pub disabled: BigInt,
}

/// The figures at the top of an administrator's page. Each is worked out only when it is selected.
pub struct Dashboard;

/// The figures at the top of an administrator's page. Each is worked out only when it is selected.
#[Object]
impl Dashboard {
    /// What was used.
    async fn usage(&self, ctx: &Context<'_>) -> Option<Result<UsageOverview>> {
        Some(report::overview(ctx.app(), ctx.actor()).await.map(Into::into).map_err(Into::into))
    }
    /// How many people there are.
    async fn user_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        let count = user::count(ctx.app(), ctx.actor(), &Default::default()).await;
        Some(count.map(BigInt).map_err(Into::into))
    }
    /// How many living keys there are.
    async fn api_key_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        let count = api_key::count(ctx.app(), ctx.actor(), &Default::default()).await;
        Some(count.map(BigInt).map_err(Into::into))
    }
    /// How many accounts there are.
    async fn accounts(&self, ctx: &Context<'_>) -> Option<Result<AccountCounts>> {
        Some(accounts(ctx).await)
    }
}

async fn counted(ctx: &Context<'_>, filter: AccountFilter) -> Result<BigInt> {
    Ok(BigInt(account::count(ctx.app(), ctx.actor(), &filter).await?))
}

async fn accounts(ctx: &Context<'_>) -> Result<AccountCounts> {
    let in_health = |health| AccountFilter { health: Some(health), enabled: Some(true), ..AccountFilter::default() };
    Ok(AccountCounts {
        total: counted(ctx, AccountFilter::default()).await?,
        ok: counted(ctx, in_health(Health::Ok)).await?,
        cooling: counted(ctx, in_health(Health::Cooling)).await?,
        blocked: counted(ctx, in_health(Health::Blocked)).await?,
        expired: counted(ctx, in_health(Health::Expired)).await?,
        disabled: counted(ctx, AccountFilter { enabled: Some(false), ..AccountFilter::default() }).await?,
    })
}

#[derive(Default)]
pub struct SystemQuery;

#[Object]
impl SystemQuery {
    /// How the process that answers is doing; for administrators.
    #[graphql(visible = "to_admins")]
    async fn system_health(&self, ctx: &Context<'_>) -> Result<SystemHealth> {
        ctx.actor().may(Act::ViewAll)?;
        let app = ctx.app();
        let found = health::look(app).await;
        let database = match app.db.backend() {
            Backend::Postgres => "postgres",
            Backend::Sqlite => "sqlite",
        };
        let counters = if app.config.redis_url.is_some() { "redis" } else { "memory" };
        Ok(SystemHealth {
            healthy: found.is_fine(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: app.instance.clone(),
            uptime_seconds: BigInt(i64::try_from(health::uptime_seconds()).unwrap_or(i64::MAX)),
            now: DateTime(app.clock.now()),
            relays: app.config.roles.relay,
            stopping: found.stopping,
            database: part(database, found.database),
            counters: part(counters, found.counters),
            journal_fill: i32::try_from(settle::journal_fill(app)).unwrap_or(100),
        })
    }

    /// The figures at the top of an administrator's page, from the hourly sums; for administrators.
    #[graphql(visible = "to_admins")]
    async fn dashboard(&self, ctx: &Context<'_>) -> Result<Dashboard> {
        ctx.actor().may(Act::ViewAll)?;
        Ok(Dashboard)
    }
}

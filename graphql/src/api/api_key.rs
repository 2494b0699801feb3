//! API keys: what callers present. A key's text is told once, when it is made or rotated.

mod change;
mod input;
mod list;

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use schema::model::api_key as model;
use schema::money::Micros;
use schema::service::report::Dimension;

use super::account::{Account, AccountGroup, Service};
use super::usage::{self, UsagePeriod, UsageSums};
use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{loader, node};

pub use change::ApiKeyMutation;
pub use list::{ApiKeyFilter, ApiKeyOrder, ApiKeyQuery, filtered, list};

/// What callers present.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct ApiKey {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this key by.
    pub database_id: BigInt,
    /// The id other faces know this key by.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Enough of the key to recognise it by.
    pub masked_key: String,
    /// How the key begins.
    pub prefix: String,
    /// The face through which it was made.
    pub source: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// The services it may call; empty means all, those of tomorrow too.
    pub services: Vec<Service>,
    /// The user group whose accounts and prices it uses; its owner's when null.
    pub group: Option<String>,
    /// How much it may use.
    pub limits: ApiKeyLimits,
    /// Who may use it, from where, and for which models.
    pub rules: ApiKeyRules,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// All it may ever spend, in US dollars; null means without limit.
    pub budget: Option<Decimal>,
    /// What it has spent, in US dollars.
    pub spent: Decimal,
    /// Calls so far.
    pub request_count: BigInt,
    /// When it ends; null means never, or not yet known.
    pub expires_at: Option<DateTime>,
    /// How its end is decided.
    pub expiry_mode: ApiKeyExpiryMode,
    /// Milliseconds it lives from its first use.
    pub lifetime_ms: Option<BigInt>,
    /// When its life began, where that is its first use.
    pub activated_at: Option<DateTime>,
    /// When it was last used.
    pub last_used_at: Option<DateTime>,
    /// The name of who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: DateTime,
    /// When it was last changed.
    pub updated_at: DateTime,
    /// When it was deleted.
    pub deleted_at: Option<DateTime>,
    /// The name of who deleted it.
    pub deleted_by: Option<String>,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    row: model::ApiKey,
}

impl From<model::ApiKey> for ApiKey {
    fn from(row: model::ApiKey) -> Self {
        Self {
            id: node::id("ApiKey", row.id),
            database_id: BigInt(row.id),
            uid: row.uid.clone(),
            name: row.name.clone(),
            description: row.description.clone(),
            masked_key: row.hint.clone(),
            prefix: row.prefix.clone(),
            source: row.source.clone(),
            enabled: row.status == model::KeyStatus::Active,
            services: match &row.permissions {
                model::Permissions::All => Vec::new(),
                model::Permissions::Only(list) => list.iter().map(|&s| s.into()).collect(),
            },
            group: row.group_name.clone(),
            limits: (&row.limits.0).into(),
            rules: (&row.rules.0).into(),
            tags: row.tags.0.clone(),
            budget: row.budget.map(Decimal),
            spent: Decimal(row.spent),
            request_count: BigInt(row.request_count),
            expires_at: row.expires_at.map(DateTime),
            expiry_mode: row.expiry_mode.into(),
            lifetime_ms: row.activate_ms.map(BigInt),
            activated_at: row.activated_at.map(DateTime),
            last_used_at: row.last_used_at.map(DateTime),
            created_by: row.created_by.clone(),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            deleted_at: row.deleted_at.map(DateTime),
            deleted_by: row.deleted_by.clone(),
            version: BigInt(row.version),
            row,
        }
    }
}

#[ComplexObject]
impl ApiKey {
    /// How it stands now.
    async fn state(&self, ctx: &Context<'_>) -> ApiKeyState {
        self.row.state(ctx.app().clock.now()).into()
    }
    /// Whose it is.
    async fn owner(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.row.user_id)).await
    }
    /// What was used with it within a span, from the hourly sums.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Within this span.", default)] period: UsagePeriod,
    ) -> Option<Result<UsageSums>> {
        Some(usage::of(ctx, Dimension::Key, self.row.id, period).await)
    }
    /// The accounts and account groups it is bound to.
    #[graphql(visible = "to_admins")]
    async fn bindings(&self, ctx: &Context<'_>) -> Option<Result<Vec<ApiKeyBinding>>> {
        ctx.for_admins(|| self.row.bindings.iter().map(|&b| b.into()).collect())
    }
}

/// A key that something of the viewer's names: null when it is gone, or somebody else's by now.
pub async fn of_viewer(ctx: &Context<'_>, row: i64) -> Option<Result<ApiKey>> {
    match ctx.loaders().load_one(loader::ApiKeyById(row)).await {
        Ok(key) => {
            let key = key?;
            ctx.actor().owns_or_admin(key.user_id, "api key").ok()?;
            Some(Ok(key.into()))
        }
        Err(e) => Some(Err(e.into())),
    }
}

/// How a key stands.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::KeyState")]
pub enum ApiKeyState {
    /// It works.
    Active,
    /// It is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// Its budget is spent.
    Exhausted,
    /// It was deleted, and can be restored.
    Deleted,
}

/// How a key's end is decided.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::ExpiryMode")]
pub enum ApiKeyExpiryMode {
    /// At a fixed time, or never.
    Fixed,
    /// So long after its first use.
    Activation,
}

/// How much a key may use; null means no such limit.
#[derive(SimpleObject, Clone)]
pub struct ApiKeyLimits {
    /// Milliseconds of the window that begins with a request.
    pub window_ms: Option<BigInt>,
    /// Requests within the window.
    pub window_requests: Option<BigInt>,
    /// Tokens within the window; without a window, tokens altogether.
    pub window_tokens: Option<BigInt>,
    /// Cost within the window, in US dollars.
    pub window_cost: Option<Decimal>,
    /// Calls at the same time.
    pub concurrency: Option<BigInt>,
    /// Requests a day.
    pub daily_requests: Option<BigInt>,
    /// Cost a day, in US dollars.
    pub daily_cost: Option<Decimal>,
    /// Cost of Claude models a week, in US dollars.
    pub weekly_cost: Option<Decimal>,
    /// The day that week begins, 1 (Monday) to 7; Monday when null.
    pub week_start_day: Option<BigInt>,
    /// The hour of that day.
    pub week_start_hour: Option<BigInt>,
    /// Requests a minute.
    pub requests_per_minute: Option<BigInt>,
    /// Tokens a minute.
    pub tokens_per_minute: Option<BigInt>,
}

impl From<&model::KeyLimits> for ApiKeyLimits {
    fn from(l: &model::KeyLimits) -> Self {
        let count = |n: i64| (n != 0).then_some(BigInt(n));
        let cost = |m: Micros| (m.0 != 0).then_some(Decimal(m));
        Self {
            window_ms: count(l.window_ms),
            window_requests: count(l.window_requests),
            window_tokens: count(l.window_tokens),
            window_cost: cost(l.window_cost),
            concurrency: count(l.concurrency),
            daily_requests: count(l.daily_requests),
            daily_cost: cost(l.daily_cost),
            weekly_cost: cost(l.weekly_cost),
            week_start_day: count(l.week_start_day),
            week_start_hour: count(l.week_start_hour),
            requests_per_minute: count(l.rpm),
            tokens_per_minute: count(l.tpm),
        }
    }
}

/// Who may use a key, from where, and for which models. A list without its switch is kept but not applied.
#[derive(SimpleObject, Clone)]
pub struct ApiKeyRules {
    /// Whether `restrictedModels` applies.
    pub restrict_models: bool,
    /// Models refused.
    pub restricted_models: Vec<String>,
    /// Whether `allowedModels` applies.
    pub limit_models: bool,
    /// The only models admitted; a trailing `*` stands for anything.
    pub allowed_models: Vec<String>,
    /// Whether `allowedClients` applies.
    pub restrict_clients: bool,
    /// The only client programs admitted, by their ids.
    pub allowed_clients: Vec<String>,
    /// Addresses and networks it may be used from; empty means anywhere.
    pub allowed_ips: Vec<String>,
    /// Bytes of the largest request; null means the server's own limit.
    pub body_limit: Option<BigInt>,
    /// True when an administrator decides about it, and its owner may only name and tag it.
    pub managed: bool,
    /// Factors on the price of single services.
    pub service_rates: Vec<ServiceRate>,
}

/// A factor on the price of a service.
#[derive(SimpleObject, Clone)]
pub struct ServiceRate {
    /// The service's name.
    pub service: String,
    /// The factor; 1 changes nothing.
    pub factor: Decimal,
}

impl From<&model::KeyRules> for ApiKeyRules {
    fn from(r: &model::KeyRules) -> Self {
        Self {
            restrict_models: r.restrict_models,
            restricted_models: r.restricted_models.clone(),
            limit_models: r.limit_models,
            allowed_models: r.allowed_models.clone(),
            restrict_clients: r.restrict_clients,
            allowed_clients: r.allowed_clients.clone(),
            allowed_ips: r.ips.clone(),
            body_limit: (r.body_limit != 0).then_some(BigInt(r.body_limit)),
            managed: r.managed,
            service_rates: r
                .service_rates
                .iter()
                .map(|(service, rate)| ServiceRate { service: service.clone(), factor: Decimal(Micros(*rate)) })
                .collect(),
        }
    }
}

/// One binding of a key: for this kind of account, this account or group and no other.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct ApiKeyBinding {
    /// The kind of account it speaks of.
    pub slot: BindingSlot,
    #[graphql(skip)]
    to: model::BoundTo,
}

impl From<model::Binding> for ApiKeyBinding {
    fn from(binding: model::Binding) -> Self {
        Self { slot: binding.slot.into(), to: binding.to }
    }
}

#[ComplexObject]
impl ApiKeyBinding {
    /// The account, where it is one.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        match self.to {
            model::BoundTo::Account(id) => loader::one(ctx, loader::AccountById(id)).await,
            model::BoundTo::Group(_) => None,
        }
    }
    /// The account group, where it is one.
    async fn account_group(&self, ctx: &Context<'_>) -> Option<Result<AccountGroup>> {
        match self.to {
            model::BoundTo::Account(_) => None,
            model::BoundTo::Group(id) => loader::one(ctx, loader::AccountGroupById(id)).await,
        }
    }
}

/// The kind of account a binding speaks of.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::Slot")]
pub enum BindingSlot {
    /// Claude subscriptions.
    Claude,
    /// Anthropic's API by key.
    ClaudeConsole,
    /// Claude Code Routers.
    Ccr,
    /// Amazon Bedrock.
    Bedrock,
    /// Gemini, by login, key or Vertex AI.
    Gemini,
    /// OpenAI, by login or key.
    Openai,
    /// APIs that speak OpenAI's Responses protocol.
    OpenaiResponses,
    /// Azure OpenAI.
    AzureOpenai,
    /// Droid.
    Droid,
    /// Every kind.
    Any,
}

//! Accounts: the upstream credentials the relay may spend. What opens them is taken and never shown.

mod change;
mod connect;
mod group;
mod input;
mod kind;
mod list;
mod options;

use async_graphql::{ComplexObject, Context, ID, SimpleObject};
use schema::model::{account as model, account_event};
use schema::page::{Cursor, CursorKey};
use schema::service::account as service;
use schema::service::report::Dimension;

use super::usage::{self, UsagePeriod, UsageSums};
use crate::context::Reach;
use crate::fault::Result;
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime, Decimal, Json};
use crate::{loader, node};

pub use change::AccountMutation;
pub use connect::ConnectMutation;
pub use group::{AccountGroup, AccountGroupMutation, AccountGroupQuery};
pub use kind::{AccountHealth, AccountKind, AccountSharing, ProxyKind, Service};
pub use list::AccountQuery;
pub use options::{AccountKeyMode, AccountOptions};

/// An upstream credential the relay may spend.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Account {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this account by.
    pub database_id: BigInt,
    /// The id other faces know this account by.
    pub uid: String,
    /// What it is at its vendor.
    pub kind: AccountKind,
    /// The service it belongs to.
    pub service: Service,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Whether it may be chosen for new calls.
    pub schedulable: bool,
    /// Whether it can serve.
    pub health: AccountHealth,
    /// Why it stands like that.
    pub health_note: String,
    /// Until when it rests.
    pub cool_until: Option<DateTime>,
    /// Its address; the vendor's own when null.
    pub base_url: Option<String>,
    /// Enough of its key or token to recognise it by.
    pub masked_key: String,
    /// The models it serves; empty means what its kind serves.
    pub models: Vec<String>,
    /// The user groups it serves; empty means all.
    pub user_groups: Vec<String>,
    /// Who may be sent to it.
    pub sharing: AccountSharing,
    /// Higher is asked first.
    pub priority: BigInt,
    /// Its share among accounts of one priority.
    pub weight: BigInt,
    /// Calls at the same time; 0 means no limit.
    pub max_concurrency: BigInt,
    /// What it may spend upstream in a day, in US dollars; null means without limit.
    pub daily_quota: Option<Decimal>,
    /// A word to find it by.
    pub tag: String,
    /// How the relay treats it.
    pub options: AccountOptions,
    /// What was learned about it: subscription, windows, the last probe. Its shape is the vendor's.
    pub info: Json,
    /// When its token ends.
    pub token_expires_at: Option<DateTime>,
    /// When its subscription at the vendor ends.
    pub subscription_expires_at: Option<DateTime>,
    /// When it was last used.
    pub last_used_at: Option<DateTime>,
    /// What was spent on it, in US dollars.
    pub spent: Decimal,
    /// When it was added.
    pub created_at: DateTime,
    /// When it was last changed.
    pub updated_at: DateTime,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    row: std::sync::Arc<model::Account>,
}

impl From<model::Account> for Account {
    fn from(row: model::Account) -> Self {
        Self {
            id: node::id("Account", row.id),
            database_id: BigInt(row.id),
            uid: row.uid.clone(),
            kind: row.kind.into(),
            service: row.kind.service().into(),
            name: row.name.clone(),
            description: row.description.clone(),
            enabled: row.enabled,
            schedulable: row.schedulable,
            health: row.health.into(),
            health_note: row.health_note.clone(),
            cool_until: row.cool_until.map(DateTime),
            base_url: row.base_url.clone(),
            masked_key: row.hint.clone(),
            models: row.models.0.clone(),
            user_groups: row.groups.0.clone(),
            sharing: row.sharing.into(),
            priority: BigInt(row.priority),
            weight: BigInt(row.weight),
            max_concurrency: BigInt(row.max_concurrency),
            daily_quota: row.daily_quota.map(Decimal),
            tag: row.tag.clone(),
            options: (&row.options.0).into(),
            info: Json(row.info.0.clone().into()),
            token_expires_at: row.token_expires_at.map(DateTime),
            subscription_expires_at: row.subscription_expires_at.map(DateTime),
            last_used_at: row.last_used_at.map(DateTime),
            spent: Decimal(row.spent),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            version: BigInt(row.version),
            row: row.into(),
        }
    }
}

#[ComplexObject]
impl Account {
    /// The account groups it is a member of.
    async fn account_groups(&self, ctx: &Context<'_>) -> Option<Result<Vec<AccountGroup>>> {
        let groups = ctx.loaders().load_one(loader::GroupsOfAccount(self.row.id)).await;
        Some(match groups {
            Ok(groups) => Ok(groups.unwrap_or_default().into_iter().map(Into::into).collect()),
            Err(e) => Err(e.into()),
        })
    }
    /// How many living keys are bound to it.
    async fn bound_key_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        let count = ctx.loaders().load_one(loader::KeysBoundToAccount(self.row.id)).await;
        Some(count.map(|n| BigInt(n.unwrap_or_default())).map_err(Into::into))
    }
    /// What kind of credentials it has, and how many keys; nothing of them.
    async fn credentials(&self, ctx: &Context<'_>) -> Option<Result<AccountCredentials>> {
        let told = service::credentials_of(ctx.app(), ctx.actor(), &self.row);
        Some(told.map(|(kind, keys)| AccountCredentials::of(kind, keys)).map_err(Into::into))
    }
    /// The proxy it is reached through.
    async fn proxy(&self, ctx: &Context<'_>) -> Option<Result<AccountProxy>> {
        match service::proxy_of(ctx.app(), ctx.actor(), &self.row) {
            Ok(proxy) => proxy.map(|p| Ok(p.into())),
            Err(e) => Some(Err(e.into())),
        }
    }
    /// What was used of it within a span, from the hourly sums.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Within this span.", default)] period: UsagePeriod,
    ) -> Option<Result<UsageSums>> {
        Some(usage::of(ctx, Dimension::Account, self.row.id, period).await)
    }
    /// What happened to its health, newest first.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<AccountEvent>>> {
        Some(list::events(ctx, Some(self.row.id), page::seek(first, after, last, before)).await)
    }
}

/// What opens an account, without anything of it.
#[derive(SimpleObject, Clone)]
pub struct AccountCredentials {
    /// `none`, `keys`, `oauth`, `aws`, `service_account` or `pair`.
    pub kind: String,
    /// How many keys take turns.
    pub key_count: i32,
}

impl AccountCredentials {
    fn of(kind: &str, keys: usize) -> Self {
        Self { kind: kind.to_owned(), key_count: i32::try_from(keys).unwrap_or(i32::MAX) }
    }
}

/// A proxy an account is reached through, without its password.
#[derive(SimpleObject, Clone)]
pub struct AccountProxy {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: i32,
    /// Who we are to it.
    pub username: Option<String>,
    /// Whether there is a password.
    pub has_password: bool,
}

impl From<service::ShownProxy> for AccountProxy {
    fn from(proxy: service::ShownProxy) -> Self {
        Self {
            kind: proxy.kind.into(),
            host: proxy.host,
            port: proxy.port.into(),
            username: proxy.username,
            has_password: proxy.has_password,
        }
    }
}

/// One change of an account's health, or one error noted without a change.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct AccountEvent {
    /// Opaque id.
    pub id: ID,
    /// When.
    pub at: DateTime,
    /// Its health afterwards.
    pub health: AccountHealth,
    /// The vendor's HTTP status; null when there was none.
    pub status: Option<i32>,
    /// Why.
    pub note: String,
    #[graphql(skip)]
    account: i64,
}

impl From<account_event::AccountEvent> for AccountEvent {
    fn from(row: account_event::AccountEvent) -> Self {
        Self {
            id: node::id("AccountEvent", row.id),
            at: DateTime(row.at),
            health: row.health.into(),
            status: i32::try_from(row.status).ok().filter(|s| *s != 0),
            note: row.note,
            account: row.account_id,
        }
    }
}

#[ComplexObject]
impl AccountEvent {
    /// The account it happened to.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        loader::one(ctx, loader::AccountById(self.account)).await
    }
}

fn event_cursor(event: &account_event::AccountEvent) -> Cursor {
    Cursor { key: CursorKey::Number(event.id), id: event.id }
}

//! People.

mod change;
mod list;

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use schema::model::user as model;
use schema::service::low_balance;
use schema::service::report::Dimension;

use super::api_key::{ApiKey, ApiKeyFilter, ApiKeyOrder};
use super::card::{CardRedemption, CardRedemptionFilter};
use super::ledger::{LedgerEntry, LedgerEntryFilter};
use super::order::{Order, OrderFilter, OrderOrder};
use super::subscription::{HeldPlan, PlanSubscription, PlanSubscriptionFilter};
use super::usage::{self, UsagePeriod, UsageSums};
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::page::{self, Connection, OrderDirection};
use crate::scalar::{BigInt, DateTime, Decimal, Json};
use crate::{loader, node};

pub use change::UserMutation;
pub use list::{UserFilter, UserQuery, filtered};

/// A person who may sign in, with a wallet.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct User {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this person by.
    pub database_id: BigInt,
    /// Name to sign in with.
    pub username: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Whether the address was proved.
    pub email_verified: bool,
    /// Name to show.
    pub display_name: String,
    /// Address of a picture; empty when there is none.
    pub avatar: String,
    /// What this person says of themselves.
    pub bio: String,
    /// What this person may do.
    pub role: Role,
    /// Whether this person may use the service.
    pub status: UserStatus,
    /// Group, which decides over accounts and ratios.
    pub group: String,
    /// Wallet, in US dollars.
    pub balance: Decimal,
    /// Spent on calls so far, in US dollars.
    pub spent: Decimal,
    /// Calls so far.
    pub request_count: BigInt,
    /// Code by which this person invites others.
    pub invitation_code: String,
    /// What the pages remember for this person.
    pub preferences: Json,
    /// When this person was made.
    pub created_at: DateTime,
    /// When this person was last changed.
    pub updated_at: DateTime,
    /// When this person last signed in.
    pub last_login_at: Option<DateTime>,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    row: i64,
    #[graphql(skip)]
    remark: String,
    #[graphql(skip)]
    inviter: Option<i64>,
}

impl From<model::User> for User {
    fn from(row: model::User) -> Self {
        Self {
            id: node::id("User", row.id),
            database_id: BigInt(row.id),
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            display_name: row.display_name,
            avatar: row.avatar,
            bio: row.bio,
            role: row.role.into(),
            status: row.status.into(),
            group: row.group_name,
            balance: Decimal(row.balance),
            spent: Decimal(row.spent),
            request_count: BigInt(row.request_count),
            invitation_code: row.aff_code,
            preferences: Json(low_balance::shown(&row.prefs.0).into()),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            last_login_at: row.last_login_at.map(DateTime),
            version: BigInt(row.version),
            row: row.id,
            remark: row.remark,
            inviter: row.inviter_id,
        }
    }
}

/// What a person may do.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "schema::Role")]
pub enum Role {
    /// Calls models and manages their own things.
    User,
    /// Manages other people's things.
    Admin,
    /// Manages everything, the system's settings included.
    SuperAdmin,
}

/// Whether a person may use the service.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::UserStatus")]
pub enum UserStatus {
    /// May.
    Active,
    /// Switched off.
    Inactive,
    /// Barred.
    Suspended,
}

#[ComplexObject]
impl User {
    /// Note of the administrators.
    #[graphql(visible = "to_admins")]
    async fn remark(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        ctx.for_admins(|| self.remark.as_str())
    }
    /// Who invited this person.
    #[graphql(visible = "to_admins")]
    async fn invited_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let inviter = self.inviter?;
        if let Err(refused) = ctx.for_admins(|| ())? {
            return Some(Err(refused));
        }
        loader::one(ctx, loader::UserById(inviter)).await
    }
    /// What was used by this person within a span, from the hourly sums.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Within this span.", default)] period: UsagePeriod,
    ) -> Option<Result<UsageSums>> {
        Some(usage::of(ctx, Dimension::User, self.row, period).await)
    }
    /// What moved this person's wallet, newest first.
    async fn ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<LedgerEntryFilter>,
    ) -> Option<Result<Connection<LedgerEntry>>> {
        Some(super::ledger::list(ctx, Some(self.row), page::seek(first, after, last, before), filter).await)
    }
    /// This person's API keys, newest first unless told otherwise.
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<ApiKeyFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<ApiKeyOrder>,
    ) -> Option<Result<Connection<ApiKey>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::api_key::list(ctx, Some(self.row), seek, filter, order_by).await)
    }
    /// The plan this person is on now, and what it admits.
    async fn plan(&self, ctx: &Context<'_>) -> Option<Result<HeldPlan>> {
        Some(super::subscription::held(ctx, self.row).await)
    }
    /// This person's subscriptions, newest first.
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<PlanSubscriptionFilter>,
    ) -> Option<Result<Connection<PlanSubscription>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::subscription::list(ctx, Some(self.row), seek, filter, OrderDirection::Desc).await)
    }
    /// This person's orders, newest first unless told otherwise.
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<OrderFilter>,
        #[graphql(desc = "In this order.")] order_by: Option<OrderOrder>,
    ) -> Option<Result<Connection<Order>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::order::list(ctx, Some(self.row), seek, filter, order_by).await)
    }
    /// The cards this person redeemed, newest first.
    async fn card_redemptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<CardRedemptionFilter>,
    ) -> Option<Result<Connection<CardRedemption>>> {
        let seek = page::seek(first, after, last, before);
        Some(super::card::redemptions(ctx, Some(self.row), seek, filter).await)
    }
}

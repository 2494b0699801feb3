//! Cards: codes that are worth money or time on a plan, and who redeemed them.

mod change;
mod list;

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use schema::model::card as model;
use schema::service::card as service;

use super::api_key::ApiKey;
use super::plan::Plan;
use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{loader, node};

pub use change::CardMutation;
pub use list::{CardFilter, CardQuery, CardRedemptionFilter, filtered, redemptions};

/// A code that is worth money or time on a plan.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Card {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this card by.
    pub database_id: BigInt,
    /// Enough of the code to recognise it by.
    pub masked_code: String,
    /// What it gives.
    pub kind: CardKind,
    /// What it is worth each time, in US dollars; nothing for a plan card.
    pub value: Decimal,
    /// Days on the plan it gives.
    pub plan_days: BigInt,
    /// By how many milliseconds it makes the life of the key longer that it is redeemed for.
    pub key_ms: BigInt,
    /// By how many people it can be redeemed.
    pub uses_allowed: BigInt,
    /// By how many more.
    pub uses_left: BigInt,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it ends.
    pub expires_at: Option<DateTime>,
    /// Its name.
    pub name: String,
    /// Note.
    pub note: String,
    /// What cards made in one go share.
    pub batch: String,
    /// When it was made.
    pub created_at: DateTime,
    /// When it was last redeemed.
    pub last_redeemed_at: Option<DateTime>,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    row: model::Card,
}

impl From<model::Card> for Card {
    fn from(row: model::Card) -> Self {
        Self {
            id: node::id("Card", row.id),
            database_id: BigInt(row.id),
            masked_code: row.hint.clone(),
            kind: row.kind.into(),
            value: Decimal(row.value),
            plan_days: BigInt(row.plan_days),
            key_ms: BigInt(row.key_ms),
            uses_allowed: BigInt(row.uses_allowed),
            uses_left: BigInt(row.uses_left),
            enabled: row.enabled,
            expires_at: row.expires_at.map(DateTime),
            name: row.name.clone(),
            note: row.note.clone(),
            batch: row.batch.clone(),
            created_at: DateTime(row.created_at),
            last_redeemed_at: row.last_redeemed_at.map(DateTime),
            version: BigInt(row.version),
            row,
        }
    }
}

#[ComplexObject]
impl Card {
    /// How it stands now.
    async fn status(&self, ctx: &Context<'_>) -> CardStatus {
        self.row.status(ctx.app().clock.now()).into()
    }
    /// The whole code, for administrators.
    #[graphql(visible = "to_admins")]
    async fn code(&self, ctx: &Context<'_>) -> Option<Result<String>> {
        Some(service::reveal(ctx.app(), ctx.actor(), &self.row).map_err(Into::into))
    }
    /// The plan it gives time on.
    async fn plan(&self, ctx: &Context<'_>) -> Option<Result<Plan>> {
        loader::one(ctx, loader::PlanById(self.row.plan_id?)).await
    }
    /// Who made it.
    #[graphql(visible = "to_admins")]
    async fn created_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        person(ctx, self.row.created_by).await
    }
    /// Who redeemed it last.
    #[graphql(visible = "to_admins")]
    async fn last_redeemed_by(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        person(ctx, self.row.last_redeemed_by).await
    }
}

/// Somebody a card names; for administrators.
async fn person(ctx: &Context<'_>, user: Option<i64>) -> Option<Result<User>> {
    let user = user?;
    match ctx.for_admins(|| ())? {
        Ok(()) => loader::one(ctx, loader::UserById(user)).await,
        Err(refused) => Some(Err(refused)),
    }
}

/// What a card gives.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::CardKind")]
pub enum CardKind {
    /// Money into the wallet.
    Credit,
    /// Time on a plan.
    Plan,
    /// A longer life of a key, and perhaps money as well.
    Time,
}

/// How a card stands.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::CardStatus")]
pub enum CardStatus {
    /// It can be redeemed.
    Active,
    /// It has been redeemed as often as it may.
    Used,
    /// Its time is over.
    Expired,
    /// It is switched off.
    Disabled,
}

/// One redemption of a card.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct CardRedemption {
    /// Opaque id.
    pub id: ID,
    /// What it brought, in US dollars; nothing for a plan card.
    pub value: Decimal,
    /// By how many milliseconds it made the life of a key longer.
    pub key_ms: BigInt,
    /// When.
    pub created_at: DateTime,
    /// When what it brought was taken back.
    pub taken_back_at: Option<DateTime>,
    #[graphql(skip)]
    row: model::Redemption,
}

impl From<model::Redemption> for CardRedemption {
    fn from(row: model::Redemption) -> Self {
        Self {
            id: node::id("CardRedemption", row.id),
            value: Decimal(row.value),
            key_ms: BigInt(row.key_ms),
            created_at: DateTime(row.created_at),
            taken_back_at: row.taken_back_at.map(DateTime),
            row,
        }
    }
}

#[ComplexObject]
impl CardRedemption {
    /// The key it was redeemed for.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey>> {
        loader::one(ctx, loader::ApiKeyById(self.row.key_id?)).await
    }
    /// The card.
    async fn card(&self, ctx: &Context<'_>) -> Option<Result<Card>> {
        loader::one(ctx, loader::CardById(self.row.card_id)).await
    }
    /// Who redeemed it.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.row.user_id)).await
    }
    /// The plan it gave time on.
    async fn plan(&self, ctx: &Context<'_>) -> Option<Result<Plan>> {
        loader::one(ctx, loader::PlanById(self.row.plan_id?)).await
    }
}

//! Cards: codes that are worth money or time on a plan, and who redeemed them.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::card as model;
use schema::page::{Cursor, Direction, Seek};
use schema::service::card as service;
use schema::{Time, service::plan as plans};

use super::plan::Plan;
use super::subscription::PlanSubscription;
use super::user::User;
use crate::context::{Reach, once, to_admins};
use crate::fault::{Result, UserError, gather, split};
use crate::filter::{DateTimeFilter, search, span};
use crate::page::{self, Connection, OrderDirection};
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{count_by, loader, node};

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
    /// When.
    pub created_at: DateTime,
    #[graphql(skip)]
    row: model::Redemption,
}

impl From<model::Redemption> for CardRedemption {
    fn from(row: model::Redemption) -> Self {
        Self {
            id: node::id("CardRedemption", row.id),
            value: Decimal(row.value),
            created_at: DateTime(row.created_at),
            row,
        }
    }
}

#[ComplexObject]
impl CardRedemption {
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

/// Which cards.
#[derive(InputObject, Default)]
pub struct CardFilter {
    /// Giving this.
    pub kind: Option<CardKind>,
    /// Standing like this.
    pub status: Option<CardStatus>,
    /// Made in this go.
    pub batch: Option<String>,
    /// Giving time on this plan.
    pub plan_id: Option<ID>,
    /// Part of the name or the note.
    pub search: Option<String>,
    /// The card of this whole code.
    pub code: Option<String>,
}

/// Which redemptions.
#[derive(InputObject, Default)]
pub struct CardRedemptionFilter {
    /// Of this card.
    pub card_id: Option<ID>,
    /// Within this span.
    pub created_at: Option<DateTimeFilter>,
}

/// How many cards there are.
#[derive(SimpleObject)]
pub struct CardStats {
    /// All of them.
    pub total: BigInt,
    /// Those that can be redeemed.
    pub active: BigInt,
    /// Those that have been.
    pub used: BigInt,
    /// Those whose time is over.
    pub expired: BigInt,
    /// Those that are switched off.
    pub disabled: BigInt,
}

/// Redemptions of one person, or of all.
pub async fn redemptions(
    ctx: &Context<'_>,
    user: Option<i64>,
    seek: Result<Seek>,
    filter: Option<CardRedemptionFilter>,
) -> Result<Connection<CardRedemption>> {
    let filter = filter.unwrap_or_default();
    let (from, until) = span(filter.created_at);
    let card_id = node::row_if("Card", filter.card_id.as_ref(), "filter.cardId")?;
    let filter = model::RedemptionFilter { user_id: user, card_id, from, until };
    let rows = service::redemption_entries(ctx.app(), ctx.actor(), &filter, Direction::Desc, &seek?).await?;
    let cursor = |r: &model::Redemption| Cursor { key: r.cursor_key(), id: r.id };
    Ok(page::connection(rows, cursor, CardRedemption::from).counted(count_by!(service::redemption_count, filter)))
}

#[derive(Default)]
pub struct CardQuery;

#[Object]
impl CardQuery {
    /// One card, for administrators; null when there is none.
    #[graphql(visible = "to_admins")]
    async fn card(&self, ctx: &Context<'_>, #[graphql(desc = "Which.")] id: ID) -> Result<Option<Card>> {
        let row = node::row("Card", &id, "id")?;
        node::found(service::get(ctx.app(), ctx.actor(), row).await, Card::from)
    }

    /// Cards, newest first unless told otherwise; for administrators.
    #[graphql(visible = "to_admins")]
    async fn cards(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<CardFilter>,
        #[graphql(desc = "By when they were made.", default)] direction: OrderDirection,
    ) -> Result<Connection<Card>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filter.unwrap_or_default();
        let filter = model::CardFilter {
            kind: filter.kind.map(Into::into),
            status: filter.status.map(Into::into),
            batch: search(filter.batch, "filter.batch")?,
            plan_id: node::row_if("Plan", filter.plan_id.as_ref(), "filter.planId")?,
            search: search(filter.search, "filter.search")?,
            digest: search(filter.code, "filter.code")?.map(|code| service::digest_of(&code)),
            ..model::CardFilter::default()
        };
        let rows = service::entries(ctx.app(), ctx.actor(), &filter, direction.into(), &seek).await?;
        let cursor = |c: &model::Card| Cursor { key: c.cursor_key(), id: c.id };
        Ok(page::connection(rows, cursor, Card::from).counted(count_by!(service::count, filter)))
    }

    /// How many cards there are; for administrators.
    #[graphql(visible = "to_admins")]
    async fn card_stats(&self, ctx: &Context<'_>) -> Result<CardStats> {
        let stats = service::stats(ctx.app(), ctx.actor()).await?;
        Ok(CardStats {
            total: BigInt(stats.total),
            active: BigInt(stats.active),
            used: BigInt(stats.used),
            expired: BigInt(stats.expired),
            disabled: BigInt(stats.disabled),
        })
    }

    /// Redemptions, newest first: one's own, or everybody's for administrators.
    async fn card_redemptions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Whose; everybody's for administrators, one's own for others when absent.")] user_id: Option<
            ID,
        >,
        #[graphql(desc = "Only these.")] filter: Option<CardRedemptionFilter>,
    ) -> Result<Connection<CardRedemption>> {
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        redemptions(ctx, user, page::seek(first, after, last, before), filter).await
    }
}

/// How codes are to look.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum CardCodeForm {
    /// `CRD-A1B2-C3D4-E5F6`, with a prefix of one's own.
    Grouped,
    /// 32 hexadecimal digits.
    Hex,
    /// Letters and digits in one piece.
    Plain,
    /// A code of one's own, for one card.
    Given,
}

/// Cards to be made: worth money, or time on a plan.
#[derive(InputObject)]
pub struct CardsGenerateInput {
    /// How many, 1 to 10000.
    pub count: i32,
    /// What each is worth, in US dollars.
    pub value: Option<Decimal>,
    /// Or the plan each gives time on.
    pub plan_id: Option<ID>,
    /// Days on that plan; a period of it when absent.
    pub plan_days: Option<BigInt>,
    /// How the codes are to look; GROUPED when absent.
    pub form: Option<CardCodeForm>,
    /// The prefix of grouped codes; CRD when absent.
    pub prefix: Option<String>,
    /// The length of plain codes, 12 to 64; 16 when absent.
    pub length: Option<i32>,
    /// The code itself, where it is given.
    #[graphql(secret)]
    pub code: Option<String>,
    /// By how many people each can be redeemed.
    pub uses: Option<BigInt>,
    /// When they end.
    pub expires_at: Option<DateTime>,
    /// Their name.
    pub name: Option<String>,
    /// Note.
    pub note: Option<String>,
    /// Repeating the request with this key makes nothing twice and gives the same cards; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// A code to be redeemed.
#[derive(InputObject)]
pub struct CardRedeemInput {
    /// The code.
    #[graphql(secret)]
    pub code: String,
    /// Repeating the request with this key gives the answer it had; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// What of a card changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct CardChangeInput {
    /// Which.
    pub id: ID,
    /// What it is worth, in US dollars; only while nobody has redeemed it.
    pub value: Option<Decimal>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
    /// When it ends; null means never.
    pub expires_at: MaybeUndefined<DateTime>,
    /// Its name.
    pub name: Option<String>,
    /// Note.
    pub note: Option<String>,
    /// Refuses the change when the card was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// Cards to be removed.
#[derive(InputObject)]
pub struct CardsDeleteInput {
    /// Which; at most 500. Only those nobody has redeemed can be removed.
    pub ids: Vec<ID>,
}

/// A fresh card and its code.
#[derive(SimpleObject)]
pub struct IssuedCard {
    /// The card.
    pub card: Card,
    /// Its code.
    pub code: String,
}

/// The answer to cards that were made: all, or none.
#[derive(SimpleObject)]
pub struct CardsGeneratePayload {
    /// The cards; empty when refused.
    pub issued: Vec<IssuedCard>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a redemption.
#[derive(SimpleObject)]
pub struct CardRedeemPayload {
    /// The card; null when refused.
    pub card: Option<Card>,
    /// What the wallet gained, in US dollars; nothing for a plan card.
    pub amount: Option<Decimal>,
    /// What the wallet holds now, in US dollars.
    pub balance: Option<Decimal>,
    /// The subscription, for a plan card.
    pub subscription: Option<PlanSubscription>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a change of a card.
#[derive(SimpleObject)]
pub struct CardPayload {
    /// The card after the change; null when refused.
    pub card: Option<Card>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal of cards, each by itself.
#[derive(SimpleObject)]
pub struct CardsDeletePayload {
    /// The ids of those that were removed.
    pub deleted_ids: Vec<ID>,
    /// Why others were not; `index` tells which.
    pub user_errors: Vec<UserError>,
}

impl CardsGenerateInput {
    fn order(&self, plan_days: Option<i64>) -> Result<service::Mint> {
        let worth = match (self.value, &self.plan_id) {
            (Some(value), None) => service::Worth::Credit(value.0),
            (None, Some(id)) => service::Worth::Plan {
                plan_id: node::row("Plan", id, "planId")?,
                days: self.plan_days.map_or(plan_days.unwrap_or_default(), Into::into),
            },
            _ => return Err(schema::Error::invalid("value", "give a value or a plan, not both").into()),
        };
        let form = match self.form.unwrap_or(CardCodeForm::Grouped) {
            CardCodeForm::Grouped => {
                service::CodeForm::Grouped { prefix: self.prefix.clone().unwrap_or_else(|| "CRD".into()) }
            }
            CardCodeForm::Hex => service::CodeForm::Hex,
            CardCodeForm::Plain => {
                service::CodeForm::Plain { length: usize::try_from(self.length.unwrap_or(16)).unwrap_or_default() }
            }
            CardCodeForm::Given => service::CodeForm::Given(self.code.clone().unwrap_or_default()),
        };
        Ok(service::Mint {
            count: usize::try_from(self.count).unwrap_or_default(),
            worth,
            form,
            uses: self.uses.map_or(1, Into::into),
            expires_at: self.expires_at.map(|t| t.0),
            name: self.name.clone().unwrap_or_default(),
            note: self.note.clone().unwrap_or_default(),
        })
    }
}

#[derive(Default)]
pub struct CardMutation;

#[Object]
impl CardMutation {
    /// Makes cards: all of them, or none.
    #[graphql(visible = "to_admins")]
    async fn cards_generate(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, and what they are worth.")] input: CardsGenerateInput,
    ) -> Result<CardsGeneratePayload> {
        let usual = match (&input.plan_id, input.plan_days) {
            (Some(id), None) => {
                let plan = plans::get_by_id(ctx.app(), ctx.actor(), node::row("Plan", id, "planId")?).await;
                plan.ok().map(|p| p.cycle_days)
            }
            _ => None,
        };
        let order = input.order(usual)?;
        let whole = format!("{order:?}");
        let made = once(
            ctx,
            "cardsGenerate",
            input.client_mutation_key.as_deref(),
            &whole,
            async |actor| service::mint(ctx.app(), actor, order).await,
            async |thing| service::batch(ctx.app(), ctx.actor(), &thing.id).await,
        );
        let (made, user_errors) = split(made.await)?;
        let issued = made.unwrap_or_default().into_iter();
        Ok(CardsGeneratePayload {
            issued: issued.map(|m| IssuedCard { card: m.card.into(), code: m.code }).collect(),
            user_errors,
        })
    }

    /// Redeems a code for oneself. Of two people with one card, one wins; wrong codes are limited.
    async fn card_redeem(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The code.")] input: CardRedeemInput,
    ) -> Result<CardRedeemPayload> {
        let redeemed = once(
            ctx,
            "cardRedeem",
            input.client_mutation_key.as_deref(),
            &input.code,
            async |actor| service::redeem(ctx.app(), actor, &input.code).await,
            async |_| service::redeemed(ctx.app(), ctx.actor(), &input.code).await,
        );
        let (done, user_errors) = split(redeemed.await)?;
        Ok(match done {
            None => CardRedeemPayload { card: None, amount: None, balance: None, subscription: None, user_errors },
            Some(done) => CardRedeemPayload {
                card: Some(done.card.into()),
                amount: Some(Decimal(done.amount)),
                balance: Some(Decimal(done.balance)),
                subscription: done.subscription.map(|(s, _)| s.into()),
                user_errors,
            },
        })
    }

    /// Changes a card.
    #[graphql(visible = "to_admins")]
    async fn card_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: CardChangeInput,
    ) -> Result<CardPayload> {
        let row = node::row("Card", &input.id, "id")?;
        let ends: Option<Option<DateTime>> = input.expires_at.into();
        let change = model::CardChange {
            value: input.value.map(|v| v.0),
            enabled: input.enabled,
            expires_at: ends.map(|t| t.map(|t| -> Time { t.0 })),
            name: input.name,
            note: input.note,
        };
        let version = input.expected_version.map(Into::into);
        let (card, user_errors) = split(service::change(ctx.app(), ctx.actor(), row, change, version).await)?;
        Ok(CardPayload { card: card.map(Into::into), user_errors })
    }

    /// Removes cards nobody has redeemed, each by itself.
    #[graphql(visible = "to_admins")]
    async fn cards_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: CardsDeleteInput,
    ) -> Result<CardsDeletePayload> {
        let rows = node::rows("Card", &input.ids, "ids", 500)?;
        let answers = service::delete_many(ctx.app(), ctx.actor(), &rows).await?;
        let (deleted_ids, user_errors) =
            gather(answers.into_iter().map(|(id, answer)| answer.map(|()| node::id("Card", id))))?;
        Ok(CardsDeletePayload { deleted_ids, user_errors })
    }
}

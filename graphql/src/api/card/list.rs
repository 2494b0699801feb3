//! Finding cards and redemptions.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use schema::model::card as model;
use schema::model::nested::Nested;
use schema::page::{Cursor, Direction, Seek};
use schema::service::{card as service, nested as lists};

use super::{Card, CardKind, CardRedemption, CardStatus};
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{DateTimeFilter, joined, search, span};
use crate::page::{self, Connection, OrderDirection};
use crate::scalar::BigInt;
use crate::{count_by, joins, loader, nested, node};

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
    /// Where all of these hold too.
    pub and: Option<Vec<CardFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<CardFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<CardFilter>>,
}

joins!(CardFilter);

/// Which redemptions.
#[derive(InputObject, Default)]
pub struct CardRedemptionFilter {
    /// Of this card.
    pub card_id: Option<ID>,
    /// Within this span.
    pub created_at: Option<DateTimeFilter>,
    /// Where all of these hold too.
    pub and: Option<Vec<CardRedemptionFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<CardRedemptionFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<CardRedemptionFilter>>,
}

joins!(CardRedemptionFilter);

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

/// The filter as the service means it.
pub fn filtered(filter: CardFilter) -> Result<model::CardFilter> {
    joined(filter, |filter, _| {
        Ok(model::CardFilter {
            kind: filter.kind.map(Into::into),
            status: filter.status.map(Into::into),
            batch: search(filter.batch, "filter.batch")?,
            plan_id: node::row_if("Plan", filter.plan_id.as_ref(), "filter.planId")?,
            search: search(filter.search, "filter.search")?,
            digest: search(filter.code, "filter.code")?.map(|code| service::digest_of(&code)),
            ..model::CardFilter::default()
        })
    })
}

/// Redemptions of one person, or of all.
pub async fn redemptions(
    ctx: &Context<'_>,
    user: Option<i64>,
    seek: Result<Seek>,
    filter: Option<CardRedemptionFilter>,
) -> Result<Connection<CardRedemption>> {
    let cursor = |r: &model::Redemption| Cursor { key: r.cursor_key(), id: r.id };
    if let (Some(owner), true) = (user, filter.is_none() && nested::is_first(&seek)) {
        return nested::newest(ctx, Nested::RedemptionsOfUser, owner, seek?.take, loader::RedemptionById, cursor).await;
    }
    let filter = joined(filter.unwrap_or_default(), |filter, _| {
        let (from, until) = span(filter.created_at);
        let card_id = node::row_if("Card", filter.card_id.as_ref(), "filter.cardId")?;
        Ok(model::RedemptionFilter { card_id, from, until, ..model::RedemptionFilter::default() })
    })?;
    if let Some(owner) = user {
        let list = lists::CardRedemptions { filter, order: Direction::Desc };
        return nested::page(ctx, list, owner, seek?, cursor).await;
    }
    let rows = service::redemption_entries(ctx.app(), ctx.actor(), &filter, Direction::Desc, &seek?).await?;
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
        let filter = filtered(filter.unwrap_or_default())?;
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

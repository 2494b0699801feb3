//! Wallets: every movement, and the hand of an administrator.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::model::ledger as model;
use schema::model::nested::Nested;
use schema::page::{Cursor, CursorKey, Seek};
use schema::service::{nested as lists, user as people, wallet as service};

use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::filter::{Choice, DateTimeFilter, joined, span, values};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{count_by, joins, loader, nested, node};

/// One movement of a wallet.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct LedgerEntry {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this entry by.
    pub database_id: BigInt,
    /// Its place in the wallet's history, from 1 on.
    pub sequence: BigInt,
    /// Why the wallet moved.
    pub kind: LedgerEntryKind,
    /// In, or out when below zero; US dollars.
    pub amount: Decimal,
    /// What the wallet held afterwards, in US dollars.
    pub balance_after: Decimal,
    /// What it was for: an order's number, a card's mark, a call.
    pub reference: String,
    /// Note.
    pub note: String,
    /// When it moved.
    pub created_at: DateTime,
    #[graphql(skip)]
    user_row: i64,
    #[graphql(skip)]
    actor: String,
}

impl From<model::LedgerEntry> for LedgerEntry {
    fn from(row: model::LedgerEntry) -> Self {
        Self {
            id: node::id("LedgerEntry", row.id),
            database_id: BigInt(row.id),
            sequence: BigInt(row.seq),
            kind: row.kind.into(),
            amount: Decimal(row.amount),
            balance_after: Decimal(row.balance_after),
            reference: row.reference,
            note: row.note,
            created_at: DateTime(row.created_at),
            user_row: row.user_id,
            actor: row.actor,
        }
    }
}

#[ComplexObject]
impl LedgerEntry {
    /// Whose wallet.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.user_row)).await
    }
    /// The name of who moved it.
    #[graphql(visible = "to_admins")]
    async fn actor(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        ctx.for_admins(|| self.actor.as_str())
    }
}

/// Why a wallet moved.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::EntryKind")]
pub enum LedgerEntryKind {
    /// Money paid in.
    Payment,
    /// A card's value.
    Card,
    /// Calls that were settled.
    Consumption,
    /// Money given back for a call or task.
    Refund,
    /// Money paid back to the payer.
    Payback,
    /// An administrator's hand.
    Adjustment,
    /// A plan bought or renewed from the wallet.
    Purchase,
    /// What a new or inviting user is given.
    Bonus,
}

/// Which movements.
#[derive(InputObject, Default)]
pub struct LedgerEntryFilter {
    /// Of this kind.
    pub kind: Option<Choice<LedgerEntryKind>>,
    /// Within this span.
    pub created_at: Option<DateTimeFilter>,
    /// Where all of these hold too.
    pub and: Option<Vec<LedgerEntryFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<LedgerEntryFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<LedgerEntryFilter>>,
}

joins!(LedgerEntryFilter);

/// The filter as the service means it, for one wallet or all.
pub fn filtered(user: Option<i64>, filter: LedgerEntryFilter) -> Result<model::LedgerFilter> {
    let filter = joined(filter, |filter, _| {
        let (from, until) = span(filter.created_at);
        let kinds = values(filter.kind, "filter.kind")?;
        Ok(model::LedgerFilter { kinds, from, until, ..model::LedgerFilter::default() })
    })?;
    Ok(model::LedgerFilter { user_id: user, ..filter })
}

/// The movements of one wallet, or of all.
pub async fn list(
    ctx: &Context<'_>,
    user: Option<i64>,
    seek: Result<Seek>,
    filter: Option<LedgerEntryFilter>,
) -> Result<Connection<LedgerEntry>> {
    let cursor = |e: &model::LedgerEntry| Cursor { key: CursorKey::Number(e.id), id: e.id };
    if let (Some(owner), true) = (user, filter.is_none() && nested::is_first(&seek)) {
        return nested::newest(ctx, Nested::LedgerOfUser, owner, seek?.take, loader::LedgerEntryById, cursor).await;
    }
    let filter = filtered(user, filter.unwrap_or_default())?;
    if let Some(owner) = user {
        return nested::page(
            ctx,
            lists::LedgerEntries { filter: model::LedgerFilter { user_id: None, ..filter } },
            owner,
            seek?,
            cursor,
        )
        .await;
    }
    let rows = service::entries(ctx.app(), ctx.actor(), &filter, &seek?).await?;
    Ok(page::connection(rows, cursor, LedgerEntry::from).counted(count_by!(service::count, filter)))
}

#[derive(Default)]
pub struct LedgerQuery;

#[Object]
impl LedgerQuery {
    /// Movements of wallets, newest first: one's own, or anybody's for administrators.
    async fn ledger_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Whose wallet; for administrators all when absent, for others their own.")] user_id: Option<
            ID,
        >,
        #[graphql(desc = "Only these.")] filter: Option<LedgerEntryFilter>,
    ) -> Result<Connection<LedgerEntry>> {
        let user = node::row_if("User", user_id.as_ref(), "userId")?;
        list(ctx, ctx.actor().whose(user)?, page::seek(first, after, last, before), filter).await
    }
}

/// What an administrator gives or takes.
#[derive(InputObject)]
pub struct WalletAdjustInput {
    /// Whose wallet.
    pub user_id: ID,
    /// US dollars to give, or to take when below zero; more than there is cannot be taken.
    pub amount: Decimal,
    /// Why, for the ledger.
    pub note: Option<String>,
    /// Repeating the request with this key moves nothing twice; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// What a wallet is to hold.
#[derive(InputObject)]
pub struct WalletSetInput {
    /// Whose wallet.
    pub user_id: ID,
    /// US dollars it is to hold; the difference is entered into the ledger.
    pub balance: Decimal,
    /// Why, for the ledger.
    pub note: Option<String>,
    /// Repeating the request with this key sets nothing again, whatever moved since; remembered for a day.
    pub client_mutation_key: Option<String>,
}

/// The answer to a movement of a wallet.
#[derive(SimpleObject)]
pub struct WalletPayload {
    /// The movement; null when refused or when nothing had to move.
    pub ledger_entry: Option<LedgerEntry>,
    /// The person with the wallet as it is now; null when refused.
    pub user: Option<User>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

#[derive(Default)]
pub struct LedgerMutation;

#[Object]
impl LedgerMutation {
    /// Gives to a wallet or takes from it, for administrators.
    #[graphql(visible = "to_admins")]
    async fn wallet_adjust(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose wallet and how much.")] input: WalletAdjustInput,
    ) -> Result<WalletPayload> {
        let user = node::row("User", &input.user_id, "userId")?;
        let note = input.note.unwrap_or_default();
        let key = input.client_mutation_key.as_deref();
        let moved = service::adjust(ctx.app(), ctx.actor(), user, input.amount.0, &note, key).await.map(Some);
        paid(ctx, user, moved).await
    }

    /// Sets what a wallet holds, for administrators.
    #[graphql(visible = "to_admins")]
    async fn wallet_set(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose wallet and what it is to hold.")] input: WalletSetInput,
    ) -> Result<WalletPayload> {
        let user = node::row("User", &input.user_id, "userId")?;
        let note = input.note.unwrap_or_default();
        let key = input.client_mutation_key.as_deref();
        let moved = service::set_balance_once(ctx.app(), ctx.actor(), user, input.balance.0, &note, key).await;
        paid(ctx, user, moved).await
    }
}

/// The answer to a movement: the entry, and the person with the wallet as it is now.
pub async fn paid(
    ctx: &Context<'_>,
    user: i64,
    moved: schema::Result<Option<model::LedgerEntry>>,
) -> Result<WalletPayload> {
    let (entry, user_errors) = split(moved)?;
    let user = match &entry {
        Some(_) => Some(people::get(ctx.app(), ctx.actor(), user).await?.into()),
        None => None,
    };
    Ok(WalletPayload { ledger_entry: entry.flatten().map(LedgerEntry::from), user, user_errors })
}

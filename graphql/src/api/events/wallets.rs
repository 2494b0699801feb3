//! Wallets as they move.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, SimpleObject, Subscription};
use futures_util::{Stream, stream};
use schema::bus::Event;
use schema::service::user as people;
use schema::{Actor, App, Micros, Time};

use crate::api::ledger::LedgerEntryKind;
use crate::api::user::User;
use crate::context::Reach;
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{loader, node};

/// A wallet that has just moved.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct WalletEvent {
    /// Whose wallet.
    pub user_id: ID,
    /// What it holds now, in US dollars.
    pub balance: Decimal,
    /// The place of the movement in the wallet's history; an event with a lower one is older.
    pub sequence: BigInt,
    /// What moved; null when the wallet was read afresh.
    pub amount: Option<Decimal>,
    /// Why; null when the wallet was read afresh.
    pub kind: Option<LedgerEntryKind>,
    /// When.
    pub at: DateTime,
    /// True when movements before this one may not have been told.
    pub missed: bool,
    #[graphql(skip)]
    row: i64,
}

#[ComplexObject]
impl WalletEvent {
    /// Whose wallet.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.row)).await
    }
}

#[derive(Default)]
pub struct WalletSubscription;

#[Subscription]
impl WalletSubscription {
    /// Wallets as they move: one's own, or anybody's for administrators. With one wallet named (or one's
    /// own) it is read afresh whenever movements may have been missed.
    async fn wallet_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose wallet; everybody's for administrators, one's own for others when absent.")]
        user_id: Option<ID>,
    ) -> Result<impl Stream<Item = WalletEvent> + use<>> {
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        let (app, actor) = (ctx.app().clone(), Arc::new(ctx.actor().clone()));
        let state = (app.bus.listen(), false);
        Ok(stream::unfold(state, move |(mut listener, mut missed)| {
            let (app, actor) = (app.clone(), actor.clone());
            async move {
                loop {
                    let event = listener.next().await?;
                    match &*event {
                        Event::WalletChanged(moved) if user.is_none_or(|id| id == moved.user_id) => {
                            let event = WalletEvent {
                                user_id: node::id("User", moved.user_id),
                                balance: Decimal(Micros(moved.balance)),
                                sequence: BigInt(moved.seq),
                                amount: Some(Decimal(Micros(moved.amount))),
                                kind: schema::model::ledger::EntryKind::parse(&moved.entry_kind).map(Into::into),
                                at: DateTime(Time(moved.at)),
                                missed,
                                row: moved.user_id,
                            };
                            return Some((event, (listener, false)));
                        }
                        Event::Resync => match user {
                            Some(id) => {
                                if let Some(event) = afresh(&app, &actor, id).await {
                                    return Some((event, (listener, false)));
                                }
                            }
                            None => missed = true,
                        },
                        _ => {}
                    }
                }
            }
        }))
    }
}

/// A wallet as it stands, for a listener that may have missed movements.
async fn afresh(app: &App, actor: &Actor, user: i64) -> Option<WalletEvent> {
    let user = people::get(app, actor, user).await.ok()?;
    Some(WalletEvent {
        user_id: node::id("User", user.id),
        balance: Decimal(user.balance),
        sequence: BigInt(user.wallet_seq),
        amount: None,
        kind: None,
        at: DateTime(app.clock.now()),
        missed: true,
        row: user.id,
    })
}

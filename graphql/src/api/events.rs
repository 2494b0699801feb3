//! What can be watched while it happens. Events carry ids and small numbers; whole things are loaded only
//! when selected. Administrators hear everything, others what is their own.
//!
//! A listener that fell behind, or whose link to the other processes broke, is not sent the past: its next
//! event says `missed`, and where a state can be read afresh it is read and sent at once.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{ComplexObject, Context, ID, InputObject, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt, stream};
use schema::bus::{Event, Listener, UsedCall};
use schema::model::account::Health;
use schema::service::{self, user as people};
use schema::{Actor, App, Error, Micros, Time};

use super::account::{Account, AccountHealth};
use super::ledger::LedgerEntryKind;
use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{loader, node};

/// A call that has just ended.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct UsageEvent {
    /// The id of the call's usage row.
    pub id: ID,
    /// When the call ended.
    pub at: DateTime,
    /// The key it was made with.
    pub api_key_id: ID,
    /// The model that was asked for.
    pub model: String,
    /// The dialect it was asked in.
    pub dialect: String,
    /// Whether the answer was streamed.
    pub stream: bool,
    /// HTTP status of the answer.
    pub status: i32,
    /// Tokens sent.
    pub input_tokens: BigInt,
    /// Tokens received.
    pub output_tokens: BigInt,
    /// Tokens read from the vendor's cache.
    pub cache_read_tokens: BigInt,
    /// Tokens written to the vendor's cache.
    pub cache_write_tokens: BigInt,
    /// What it cost, in US dollars.
    pub cost: Decimal,
    /// Milliseconds to the first byte.
    pub first_byte_ms: BigInt,
    /// Milliseconds to the end.
    pub duration_ms: BigInt,
    /// True when the vendor told no usage and it was estimated.
    pub estimated: bool,
    /// True when events before this one may have been lost.
    pub missed: bool,
    #[graphql(skip)]
    user_row: i64,
    #[graphql(skip)]
    account_row: i64,
}

impl UsageEvent {
    fn of(call: &UsedCall, missed: bool) -> Self {
        Self {
            id: node::id("Call", &call.call_id),
            at: DateTime(Time(call.at)),
            api_key_id: node::id("ApiKey", call.key_id),
            model: call.model.clone(),
            dialect: call.dialect.clone(),
            stream: call.stream,
            status: i32::try_from(call.status).unwrap_or_default(),
            input_tokens: BigInt(call.input),
            output_tokens: BigInt(call.output),
            cache_read_tokens: BigInt(call.cache_read),
            cache_write_tokens: BigInt(call.cache_write),
            cost: Decimal(Micros(call.cost)),
            first_byte_ms: BigInt(call.first_byte_ms),
            duration_ms: BigInt(call.duration_ms),
            estimated: call.estimated,
            missed,
            user_row: call.user_id,
            account_row: call.account_id,
        }
    }
}

#[ComplexObject]
impl UsageEvent {
    /// Whose call it was.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.user_row)).await
    }
    /// The account that served it; null when it reached none.
    #[graphql(visible = "to_admins")]
    async fn account_id(&self, ctx: &Context<'_>) -> Option<Result<ID>> {
        (self.account_row > 0).then_some(())?;
        ctx.for_admins(|| node::id("Account", self.account_row))
    }
}

/// Which calls are watched.
#[derive(InputObject, Default)]
pub struct UsageEventFilter {
    /// Of this person.
    pub user_id: Option<ID>,
    /// Made with this key.
    pub api_key_id: Option<ID>,
    /// Served by this account; for administrators.
    pub account_id: Option<ID>,
    /// Asking for this model.
    pub model: Option<String>,
    /// Only those that failed, or only those that did not.
    pub failed: Option<bool>,
}

/// What was used within a span, and since the subscription began.
#[derive(SimpleObject)]
pub struct UsageTotals {
    /// The end of the span.
    pub at: DateTime,
    /// Its length in seconds; 0 in the first event.
    pub seconds: i32,
    /// Calls that ended within it.
    pub requests: BigInt,
    /// Those of them that failed.
    pub errors: BigInt,
    /// Tokens sent.
    pub input_tokens: BigInt,
    /// Tokens received.
    pub output_tokens: BigInt,
    /// Tokens read from vendors' caches.
    pub cache_read_tokens: BigInt,
    /// Tokens written to vendors' caches.
    pub cache_write_tokens: BigInt,
    /// What they cost, in US dollars.
    pub cost: Decimal,
    /// Calls since the subscription began.
    pub total_requests: BigInt,
    /// What they cost, in US dollars.
    pub total_cost: Decimal,
    /// True when some calls of this span may not have been counted.
    pub missed: bool,
}

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

/// An account whose health has just changed.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct AccountHealthEvent {
    /// The account.
    pub account_id: ID,
    /// Its health now.
    pub health: AccountHealth,
    /// Until when it rests.
    pub cool_until: Option<DateTime>,
    /// Why.
    pub note: String,
    /// When.
    pub at: DateTime,
    /// True when changes before this one may not have been told: every account is then told anew.
    pub missed: bool,
    #[graphql(skip)]
    row: i64,
}

#[ComplexObject]
impl AccountHealthEvent {
    /// The account.
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        loader::one(ctx, loader::AccountById(self.row)).await
    }
}

/// Something the administrators should know.
#[derive(SimpleObject)]
pub struct SystemAlert {
    /// `info`, `warning` or `error`.
    pub level: String,
    /// A word for programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// When.
    pub at: DateTime,
    /// True when alerts before this one may have been lost.
    pub missed: bool,
}

/// Events that are picked, one by one; after a loss the next says so.
fn picked<T, P>(listener: Listener, pick: P) -> impl Stream<Item = T>
where
    P: FnMut(&Event, bool) -> Option<T>,
{
    stream::unfold((listener, pick, false), |(mut listener, mut pick, mut missed)| async move {
        loop {
            let event = listener.next().await?;
            if matches!(*event, Event::Resync) {
                missed = true;
            } else if let Some(item) = pick(&event, missed) {
                return Some((item, (listener, pick, false)));
            }
        }
    })
}

#[derive(Default)]
pub struct EventSubscription;

#[Subscription]
impl EventSubscription {
    /// Calls as they end.
    async fn usage_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these.")] filter: Option<UsageEventFilter>,
    ) -> Result<impl Stream<Item = UsageEvent> + use<>> {
        let filter = filter.unwrap_or_default();
        let user = ctx.actor().whose(node::row_if("User", filter.user_id.as_ref(), "filter.userId")?)?;
        let key = node::row_if("ApiKey", filter.api_key_id.as_ref(), "filter.apiKeyId")?;
        let account = node::row_if("Account", filter.account_id.as_ref(), "filter.accountId")?;
        if account.is_some() {
            ctx.actor().may(schema::Act::ViewAll)?;
        }
        let passes = move |call: &UsedCall| {
            user.is_none_or(|id| call.user_id == id)
                && key.is_none_or(|id| call.key_id == id)
                && account.is_none_or(|id| call.account_id == id)
                && filter.model.as_ref().is_none_or(|model| call.model == *model)
                && filter.failed.is_none_or(|failed| (call.status >= 400) == failed)
        };
        Ok(picked(ctx.app().bus.listen(), move |event, missed| match event {
            Event::Used(call) if passes(call) => Some(UsageEvent::of(call, missed)),
            _ => None,
        }))
    }

    /// What is being used, summed up: at once, and then every so many seconds, calls or no calls.
    async fn usage_totals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Seconds between events, 1 to 60.", default = 1)] every: i32,
        #[graphql(desc = "Whose calls; everybody's for administrators, one's own for others when absent.")]
        user_id: Option<ID>,
    ) -> Result<impl Stream<Item = UsageTotals> + use<>> {
        if !(1..=60).contains(&every) {
            return Err(Error::invalid("every", "every must be between 1 and 60 seconds").into());
        }
        let user = ctx.actor().whose(node::row_if("User", user_id.as_ref(), "userId")?)?;
        let count = ctx.live().watch(user);
        let start = count.read();
        let mut ticks = tokio::time::interval(Duration::from_secs(u64::from(every.unsigned_abs())));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let app = ctx.app().clone();
        Ok(stream::unfold((ticks, start, 0), move |(mut ticks, before, seconds)| {
            let (app, count) = (app.clone(), count.clone());
            async move {
                ticks.tick().await;
                let now = count.read();
                let (span, total) = (now.since(before), now.since(start));
                let totals = UsageTotals {
                    at: DateTime(app.clock.now()),
                    seconds,
                    requests: BigInt(span.requests),
                    errors: BigInt(span.errors),
                    input_tokens: BigInt(span.input),
                    output_tokens: BigInt(span.output),
                    cache_read_tokens: BigInt(span.cache_read),
                    cache_write_tokens: BigInt(span.cache_write),
                    cost: Decimal(Micros(span.cost)),
                    total_requests: BigInt(total.requests),
                    total_cost: Decimal(Micros(total.cost)),
                    missed: span.missed > 0,
                };
                Some((totals, (ticks, now, every)))
            }
        }))
    }

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

    /// Accounts whose health changes. After a loss the health of every account is told anew.
    #[graphql(visible = "to_admins")]
    async fn account_health(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only this account.")] account_id: Option<ID>,
    ) -> Result<impl Stream<Item = AccountHealthEvent> + use<>> {
        ctx.actor().may(schema::Act::ViewAll)?;
        let account = node::row_if("Account", account_id.as_ref(), "accountId")?;
        let app = ctx.app().clone();
        let events = stream::unfold(app.bus.listen(), move |mut listener| {
            let app = app.clone();
            async move {
                loop {
                    let told = match &*listener.next().await? {
                        Event::HealthChanged { id, health, cool_until, note, at }
                            if account.is_none_or(|a| a == *id) =>
                        {
                            let Some(health) = Health::parse(health) else { continue };
                            vec![AccountHealthEvent {
                                account_id: node::id("Account", *id),
                                health: health.into(),
                                cool_until: cool_until.map(|t| DateTime(Time(t))),
                                note: note.clone(),
                                at: DateTime(Time(*at)),
                                missed: false,
                                row: *id,
                            }]
                        }
                        Event::Resync => all_anew(&app, account).await,
                        _ => continue,
                    };
                    return Some((stream::iter(told), listener));
                }
            }
        });
        Ok(events.flatten())
    }

    /// What the administrators should know, as it happens.
    #[graphql(visible = "to_admins")]
    async fn system_alerts(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = SystemAlert> + use<>> {
        ctx.actor().may(schema::Act::ViewAll)?;
        Ok(picked(ctx.app().bus.listen(), |event, missed| match event {
            Event::Alert { level, code, message, at } => Some(SystemAlert {
                level: level.clone(),
                code: code.clone(),
                message: message.clone(),
                at: DateTime(Time(*at)),
                missed,
            }),
            _ => None,
        }))
    }
}

/// Every account as it stands, for a listener that may have missed changes.
async fn all_anew(app: &App, account: Option<i64>) -> Vec<AccountHealthEvent> {
    let now = app.clock.now();
    let rows = service::account::all(app).await.unwrap_or_default();
    let told = |a: schema::model::account::Account| AccountHealthEvent {
        account_id: node::id("Account", a.id),
        health: a.health.into(),
        cool_until: a.cool_until.map(DateTime),
        note: a.health_note,
        at: DateTime(now),
        missed: true,
        row: a.id,
    };
    rows.into_iter().filter(|a| account.is_none_or(|id| id == a.id)).map(told).collect()
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

//! Calls as they end, one by one and summed up.

use std::time::Duration;

use async_graphql::{ComplexObject, Context, ID, InputObject, SimpleObject, Subscription};
use futures_util::{Stream, stream};
use schema::bus::{Event, UsedCall};
use schema::{Error, Micros, Time};

use super::picked;
use crate::api::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{loader, node};

/// A call that has just ended.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct UsageEvent {
    /// The id of the call's `UsageRecord`.
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
            id: node::id("UsageRecord", &call.call_id),
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

#[derive(Default)]
pub struct CallSubscription;

#[Subscription]
impl CallSubscription {
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
}

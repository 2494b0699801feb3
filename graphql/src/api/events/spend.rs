//! What one key spends, as it spends it.

use std::time::Duration;

use async_graphql::{ComplexObject, Context, ID, SimpleObject, Subscription};
use futures_util::{Stream, stream};
use schema::bus::{Event, Listener};
use schema::service::api_key;
use schema::{App, Micros};
use tokio::time::{Instant, timeout_at};

use crate::api::api_key::ApiKey;
use crate::context::Reach;
use crate::fault::Result;
use crate::scalar::{BigInt, DateTime, Decimal};
use crate::{loader, node};

/// What a key has spent since the last event, and since the subscription began.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct ApiKeySpendEvent {
    /// The key.
    pub api_key_id: ID,
    /// When this was summed up.
    pub at: DateTime,
    /// Calls since the last event.
    pub requests: BigInt,
    /// What they cost, in US dollars.
    pub cost: Decimal,
    /// Calls since the subscription began.
    pub total_requests: BigInt,
    /// What they cost, in US dollars.
    pub total_cost: Decimal,
    /// True when some calls may not have been counted.
    pub missed: bool,
    #[graphql(skip)]
    row: i64,
}

#[ComplexObject]
impl ApiKeySpendEvent {
    /// The key as it is now. Its own figures follow when a call has been booked, a moment after it ended.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey>> {
        loader::one(ctx, loader::ApiKeyById(self.row)).await
    }
}

/// Calls and what they cost.
#[derive(Clone, Copy, Default)]
struct Sum {
    requests: i64,
    cost: i64,
}

struct Watch {
    app: App,
    listener: Listener,
    row: i64,
    total: Sum,
    told: Option<Instant>,
}

/// Events are told at most once in this time.
const PAUSE: Duration = Duration::from_secs(1);

impl Watch {
    /// Counts an event; false when it is none of this key's.
    fn count(&self, event: &Event, sum: &mut Sum, missed: &mut bool) -> bool {
        match event {
            Event::Used(call) if call.key_id == self.row => {
                sum.requests += 1;
                sum.cost += call.cost;
                true
            }
            Event::Resync => {
                *missed = true;
                true
            }
            _ => false,
        }
    }

    async fn next(mut self) -> Option<(ApiKeySpendEvent, Self)> {
        let (mut sum, mut missed) = (Sum::default(), false);
        loop {
            let event = self.listener.next().await?;
            if self.count(&event, &mut sum, &mut missed) {
                break;
            }
        }
        // What follows closely is told together.
        let until = self.told.map_or_else(Instant::now, |told| told + PAUSE);
        while let Ok(event) = timeout_at(until, self.listener.next()).await {
            self.count(event?.as_ref(), &mut sum, &mut missed);
        }
        self.told = Some(Instant::now());
        self.total.requests += sum.requests;
        self.total.cost += sum.cost;
        let event = ApiKeySpendEvent {
            api_key_id: node::id("ApiKey", self.row),
            at: DateTime(self.app.clock.now()),
            requests: BigInt(sum.requests),
            cost: Decimal(Micros(sum.cost)),
            total_requests: BigInt(self.total.requests),
            total_cost: Decimal(Micros(self.total.cost)),
            missed,
            row: self.row,
        };
        Some((event, self))
    }
}

#[derive(Default)]
pub struct SpendSubscription;

#[Subscription]
impl SpendSubscription {
    /// What a key spends, when it spends it, at most once a second: a key of one's own, or any for administrators.
    async fn api_key_spend(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] api_key_id: ID,
    ) -> Result<impl Stream<Item = ApiKeySpendEvent> + use<>> {
        let row = node::row("ApiKey", &api_key_id, "apiKeyId")?;
        let listener = ctx.app().bus.listen();
        api_key::get(ctx.app(), ctx.actor(), row).await?;
        let watch = Watch { app: ctx.app().clone(), listener, row, total: Sum::default(), told: None };
        Ok(stream::unfold(watch, Watch::next))
    }
}

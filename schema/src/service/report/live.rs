//! How busy it is right now: the last minutes, counted in memory as calls are settled anywhere.

use std::sync::{Mutex, PoisonError};

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::UsedCall;
use crate::clock::{MINUTE, Time};
use crate::error::Result;
use crate::model::rollup::{self, Bucket, Slice};

const MINUTES: usize = 60;

/// The last hour by minutes.
pub(crate) struct Ring(Mutex<[Minute; MINUTES]>);

#[derive(Clone, Copy, Default)]
struct Minute {
    /// Which minute since 1970 this is.
    number: i64,
    requests: i64,
    errors: i64,
    tokens: i64,
    cost: i64,
}

/// How busy the last minutes were.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Realtime {
    pub window_minutes: i64,
    pub requests: i64,
    pub errors: i64,
    pub tokens: i64,
    pub cost: i64,
    /// True when nothing was heard since this process started, and the figures are the running hour's.
    pub historical: bool,
}

impl Realtime {
    /// Calls a minute.
    pub fn rpm(&self) -> f64 {
        self.requests as f64 / self.window_minutes.max(1) as f64
    }
    /// Tokens a minute.
    pub fn tpm(&self) -> f64 {
        self.tokens as f64 / self.window_minutes.max(1) as f64
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self(Mutex::new([Minute::default(); MINUTES]))
    }
}

impl Ring {
    /// Counts a call in the minute in which it ended, which is when it is told.
    pub(crate) fn used(&self, call: &UsedCall, now: Time) {
        let number = now.0.div_euclid(MINUTE);
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = &mut minutes[number.rem_euclid(MINUTES as i64) as usize];
        if minute.number != number {
            *minute = Minute { number, ..Minute::default() };
        }
        minute.requests += 1;
        minute.errors += i64::from(!(200..400).contains(&call.status));
        minute.tokens += call.input + call.output + call.cache_read + call.cache_write;
        minute.cost += call.cost;
    }

    fn last(&self, minutes: i64, now: Time) -> Realtime {
        let end = now.0.div_euclid(MINUTE);
        let mut sum = Realtime { window_minutes: minutes, ..Realtime::default() };
        for minute in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if minute.number > end - minutes && minute.number <= end {
                sum.requests += minute.requests;
                sum.errors += minute.errors;
                sum.tokens += minute.tokens;
                sum.cost += minute.cost;
            }
        }
        sum
    }
}

/// How busy the last minutes (up to 60) were, in every process together.
pub async fn realtime(app: &App, actor: &Actor, minutes: i64) -> Result<Realtime> {
    actor.may(Act::ViewAll)?;
    let now = app.clock.now();
    let heard = app.books.ring.last(minutes.clamp(1, MINUTES as i64), now);
    if heard.requests > 0 {
        return Ok(heard);
    }
    let slice = Slice { from: Some(now.hour()), ..Slice::default() };
    let mut conn = app.db.conn().await?;
    let rows = rollup::rows(&mut conn, &slice, &Bucket::Whole, &[]).await?;
    let sums = rows.first().map(rollup::Row::sums).unwrap_or_default();
    Ok(Realtime {
        window_minutes: (now.0 - now.hour().0) / MINUTE + 1,
        requests: sums.requests,
        errors: sums.errors,
        tokens: sums.tokens(),
        cost: sums.cost,
        historical: true,
    })
}

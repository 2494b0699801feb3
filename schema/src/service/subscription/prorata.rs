//! What time on one plan is worth on another: whole numbers, no clock, no database.
//!
//! Time that is given up is valued at the plan's lowest price and time that is got at the price of the
//! moment, both rounded against the person, so that no back and forth between plans gains anything.

use crate::clock::Time;
use crate::error::{Error, Result};
use crate::model::plan::Plan;
use crate::money::Micros;
use crate::service::exchange::Rates;

/// What one cycle of a plan is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// When it is given up.
    pub held: Micros,
    /// When it is got.
    pub charged: Micros,
    pub cycle_ms: i64,
}

impl Worth {
    /// A plan's worth at a moment.
    pub fn of(plan: &Plan, rates: &Rates, now: Time) -> Result<Self> {
        Ok(Self {
            held: rates.credit(plan.price, &plan.currency)?,
            charged: rates.price(plan.price_at(now), &plan.currency)?,
            cycle_ms: plan.cycle_ms().max(1),
        })
    }
    /// True when the same time costs more on this plan than on the other.
    pub fn is_dearer_than(self, other: Self) -> bool {
        i128::from(self.charged.0) * i128::from(other.cycle_ms)
            > i128::from(other.charged.0) * i128::from(self.cycle_ms)
    }
    fn is_cheaper_than(self, other: Self) -> bool {
        other.is_dearer_than(self)
    }
    /// How much time on the other plan is worth `ms` on this one.
    pub fn turn(self, ms: i64, into: Self) -> i64 {
        let down = i128::from(self.cycle_ms) * i128::from(into.charged.0);
        if down <= 0 || ms <= 0 {
            return 0;
        }
        let up = i128::from(self.held.0) * i128::from(into.cycle_ms);
        // ms × up would pass 128 bits only for prices and cycles that plans do not admit.
        i64::try_from(i128::from(ms).saturating_mul(up) / down).unwrap_or(i64::MAX)
    }
}

/// What is left of a paid cycle, in minor units, rounded down.
pub fn credit(price: i64, cycle_ms: i64, remaining_ms: i64) -> i64 {
    if price <= 0 || cycle_ms <= 0 || remaining_ms <= 0 {
        return 0;
    }
    i64::try_from(i128::from(price) * i128::from(remaining_ms) / i128::from(cycle_ms)).unwrap_or(i64::MAX)
}

/// The subscription that is running while another arrives.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    pub until: Time,
    pub worth: Worth,
    pub same_plan: bool,
}

/// What becomes of a person's subscription; each holds until the named moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none: the new one begins.
    Begin(Time),
    /// The running one goes on for longer.
    Extend(Time),
    /// The new one takes the running one's place.
    Replace(Time),
}

/// No subscription reaches further.
const FURTHEST_MS: i64 = 36_500 * crate::clock::DAY;

/// Decides what a period of a plan does to the running subscription.
///
/// The same plan is extended. A dearer plan begins at once, and what was left of the old one becomes
/// time on it, unless it was taken off the price already (`credit_taken`). A cheaper plan never pushes a
/// dearer one away: its worth becomes time on the dearer.
pub fn decide(now: Time, running: Option<Running>, new: Worth, period_ms: i64, credit_taken: bool) -> Result<Step> {
    let step = match running {
        None => Step::Begin(now.plus(period_ms)),
        Some(r) if r.same_plan && new.charged == Micros::ZERO => Step::Extend(r.until.max(now.plus(period_ms))),
        Some(r) if r.same_plan => Step::Extend(r.until.max(now).plus(period_ms)),
        Some(r) if r.worth.charged == Micros::ZERO => Step::Replace(now.plus(period_ms)),
        Some(_) if new.charged == Micros::ZERO => {
            return Err(Error::conflict("ALREADY_SUBSCRIBED", "a paid plan is running; a free one would take it away"));
        }
        Some(r) if new.is_cheaper_than(r.worth) => Step::Extend(r.until.plus(new.turn(period_ms, r.worth))),
        Some(r) => {
            let left = if credit_taken { 0 } else { r.worth.turn(r.until.0 - now.0, new) };
            Step::Replace(now.plus(period_ms).plus(left))
        }
    };
    let (Step::Begin(until) | Step::Extend(until) | Step::Replace(until)) = step;
    if until.0 > now.0.saturating_add(FURTHEST_MS) {
        return Err(Error::invalid("days", "a subscription cannot reach further than a hundred years"));
    }
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DAY;

    fn worth(dollars: i64, days: i64) -> Worth {
        let price = Micros(dollars * 1_000_000);
        Worth { held: price, charged: price, cycle_ms: days * DAY }
    }
    const NOW: Time = Time(1_000 * DAY);

    fn running(days_left: i64, worth: Worth, same_plan: bool) -> Option<Running> {
        Some(Running { until: NOW.plus(days_left * DAY), worth, same_plan })
    }

    #[test]
    fn what_is_left_is_rounded_down() {
        assert_eq!(credit(39_900, 30 * DAY, 15 * DAY), 19_950);
        assert_eq!(credit(100, 3, 2), 66);
        assert_eq!(credit(100, 3, 0), 0);
        assert_eq!(credit(100, 3, -5), 0);
        assert_eq!(credit(0, 30 * DAY, 15 * DAY), 0);
        assert_eq!(credit(i64::MAX, 1, i64::MAX), i64::MAX, "no overflow");
    }

    #[test]
    fn nothing_begins_the_same_extends() {
        let pro = worth(30, 30);
        assert_eq!(decide(NOW, None, pro, 30 * DAY, false).expect("a step"), Step::Begin(NOW.plus(30 * DAY)));
        let step = decide(NOW, running(10, pro, true), pro, 30 * DAY, false).expect("a step");
        assert_eq!(step, Step::Extend(NOW.plus(40 * DAY)));
        let free = worth(0, 30);
        let step = decide(NOW, running(10, free, true), free, 30 * DAY, false).expect("a step");
        assert_eq!(step, Step::Extend(NOW.plus(30 * DAY)), "a free plan is not hoarded");
    }

    #[test]
    fn a_dearer_plan_replaces_and_keeps_the_worth() {
        let (basic, pro) = (worth(10, 30), worth(30, 30));
        let step = decide(NOW, running(15, basic, false), pro, 30 * DAY, false).expect("a step");
        assert_eq!(step, Step::Replace(NOW.plus(35 * DAY)));
        let step = decide(NOW, running(15, basic, false), pro, 30 * DAY, true).expect("a step");
        assert_eq!(step, Step::Replace(NOW.plus(30 * DAY)), "the rest was taken off the price");
        let step = decide(NOW, running(15, worth(0, 30), false), pro, 30 * DAY, false).expect("a step");
        assert_eq!(step, Step::Replace(NOW.plus(30 * DAY)), "free time is worth nothing");
    }

    #[test]
    fn a_cheaper_plan_becomes_time_on_the_dearer() {
        let (basic, pro) = (worth(10, 30), worth(30, 30));
        let step = decide(NOW, running(15, pro, false), basic, 30 * DAY, false).expect("a step");
        assert_eq!(step, Step::Extend(NOW.plus(25 * DAY)));
        let refused = decide(NOW, running(15, pro, false), worth(0, 30), 30 * DAY, false).expect_err("refused");
        assert_eq!(refused.detail_code(), Some("ALREADY_SUBSCRIBED"));
    }

    #[test]
    fn cycles_of_different_length_compare_by_the_day() {
        assert!(worth(20, 30).is_dearer_than(worth(200, 365)));
        assert!(!worth(20, 30).is_dearer_than(worth(20, 30)));
        assert_eq!(worth(365, 365).turn(10 * DAY, worth(30, 30)), 10 * DAY);
    }

    #[test]
    fn nothing_lasts_for_ever() {
        let pro = worth(30, 30);
        assert!(decide(NOW, running(36_490, pro, true), pro, 30 * DAY, false).is_err());
        assert!(decide(NOW, None, pro, i64::MAX, false).is_err());
    }
}

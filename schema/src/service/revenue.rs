//! What came in: by day, month, plan and model, in the administrator's time zone.
//!
//! Revenue is what orders were paid from outside, minus what was given back, on the day of the payment.
//! What the wallet pays is no revenue (it came in as a top-up), nor is a card (it was sold elsewhere).
//! Amounts are minor units of the report currency; other currencies are converted at the rates of the
//! moment and shown beside it as they were paid.

mod export;
mod range;

use std::collections::BTreeMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::{Time, Zone};
use crate::db::Conn;
use crate::error::{Error, Result};
use crate::model::card::{Redemption, RedemptionFilter};
use crate::model::plan::Plan;
use crate::model::revenue::{CountSum, ModelSum, PaidSum, subscribers, users};
use crate::money::{Micros, from_minor};
use crate::service::exchange::Rates;
use crate::service::setting::{self, names};

pub use export::{ExportRow, export};
pub use range::Range;

/// A sum of payments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Minor units of the report currency.
    pub revenue: i64,
    pub orders: i64,
    /// The same as it was paid, in minor units of each currency.
    pub by_currency: BTreeMap<String, i64>,
}

impl Sum {
    /// Revenue per order in major units, to two decimals.
    pub fn average(&self, currency: &str) -> f64 {
        if self.orders == 0 {
            return 0.0;
        }
        (from_minor(self.revenue, currency) / self.orders as f64 * 100.0).round() / 100.0
    }
    fn add(&mut self, paid: &PaidSum, unit: &Unit) {
        self.revenue += unit.rates.convert(paid.amount, &paid.currency, &unit.currency).unwrap_or(0);
        self.orders += paid.orders;
        *self.by_currency.entry(paid.currency.clone()).or_default() += paid.amount;
    }
}

/// The report currency and how others turn into it.
struct Unit {
    currency: String,
    rates: Rates,
}

impl Unit {
    fn of(app: &App) -> Self {
        let settings = setting::current(app);
        let rates = Rates::of(&settings);
        let wanted = settings.text(names::REPORT_CURRENCY).to_ascii_uppercase();
        // A currency whose worth nobody knows cannot be reported in.
        let currency = if rates.knows(&wanted) { wanted } else { "CNY".to_owned() };
        Self { currency, rates }
    }
}

/// A day's or month's sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `2025-10-11`, or `2025-10`.
    pub label: String,
    pub sum: Sum,
}

/// Sums in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    pub currency: String,
    pub lines: Vec<Line>,
}

/// Each day of a range, the newest first; days on which nothing came in are there, too.
pub async fn by_day(app: &App, actor: &Actor, range: Range, most: usize) -> Result<Lines> {
    actor.may(Act::ViewAll)?;
    let zone = setting::current(app).zone().clone();
    let mut labels = Vec::new();
    let mut day = zone.day_start(range.until.plus(-1), 0);
    while day >= zone.day_start(range.from, 0) && labels.len() < most {
        labels.push(zone.date(day));
        day = zone.day_start(day, -1);
    }
    folded(app, range, labels, |at| zone.date(at)).await
}

/// Each month of a year in order; of the running year, those up to now.
pub async fn by_month(app: &App, actor: &Actor, year: Option<i16>) -> Result<(i16, Lines)> {
    actor.may(Act::ViewAll)?;
    let zone = setting::current(app).zone().clone();
    let now = app.clock.now();
    let year = year.unwrap_or_else(|| zone.year(now));
    let bad = || Error::invalid("year", "the year is out of range");
    if !(1970..=9998).contains(&year) {
        return Err(bad());
    }
    let (from, until) = (zone.year_start(year).ok_or_else(bad)?, zone.year_start(year + 1).ok_or_else(bad)?);
    let labels = months_from(&zone, from, until.min(now.plus(1)));
    let lines = folded(app, Range { from, until }, labels, |at| zone.month(at)).await?;
    Ok((year, lines))
}

fn months_from(zone: &Zone, from: Time, until: Time) -> Vec<String> {
    let mut labels = Vec::new();
    let mut month = from;
    while month < until {
        labels.push(zone.month(month));
        month = zone.month_start(month, 1);
    }
    labels
}

/// Sums of a range under labels; what falls under none is left out.
async fn folded(app: &App, range: Range, labels: Vec<String>, label: impl Fn(Time) -> String) -> Result<Lines> {
    let unit = Unit::of(app);
    let mut conn = app.db.conn().await?;
    let paid = PaidSum::within(&mut conn, range.from, range.until).await?;
    drop(conn);
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    for paid in &paid {
        sums.entry(label(paid.at)).or_default().add(paid, &unit);
    }
    let lines = labels
        .into_iter()
        .map(|label| {
            let sum = sums.remove(&label).unwrap_or_default();
            Line { label, sum }
        })
        .collect();
    Ok(Lines { currency: unit.currency, lines })
}

/// What one plan brought.
#[derive(Clone, Debug)]
pub struct PlanLine {
    /// `None` for top-ups.
    pub plan: Option<Plan>,
    pub sum: Sum,
    /// Of the whole, to one decimal.
    pub percentage: f64,
}

/// What the plans (and the top-ups) brought.
#[derive(Clone, Debug)]
pub struct ByPlan {
    pub currency: String,
    /// The one that brought most first.
    pub lines: Vec<PlanLine>,
    pub total: Sum,
}

/// What each plan brought within a range.
pub async fn by_plan(app: &App, actor: &Actor, range: Range) -> Result<ByPlan> {
    actor.may(Act::ViewAll)?;
    let unit = Unit::of(app);
    let mut conn = app.db.conn().await?;
    let paid = PaidSum::within(&mut conn, range.from, range.until).await?;
    let mut total = Sum::default();
    let mut sums: BTreeMap<Option<i64>, Sum> = BTreeMap::new();
    for paid in &paid {
        total.add(paid, &unit);
        sums.entry(paid.plan_id).or_default().add(paid, &unit);
    }
    let ids: Vec<i64> = sums.keys().flatten().copied().collect();
    let mut plans: BTreeMap<i64, Plan> = Plan::by_ids(&mut conn, &ids).await?.into_iter().map(|p| (p.id, p)).collect();
    let mut lines: Vec<PlanLine> = sums
        .into_iter()
        .map(|(id, sum)| PlanLine {
            plan: id.and_then(|id| plans.remove(&id)),
            percentage: percentage(sum.revenue, total.revenue),
            sum,
        })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.sum.revenue));
    Ok(ByPlan { currency: unit.currency, lines, total })
}

/// What one model was used for, and what callers paid for it.
#[derive(Clone, Debug)]
pub struct ModelLine {
    pub usage: ModelSum,
    /// Of the cost of all models, to one decimal.
    pub percentage: f64,
}

/// What the models earned within a range, the dearest first; from the hourly totals, so whole hours of UTC count.
pub async fn by_model(app: &App, actor: &Actor, range: Range) -> Result<Vec<ModelLine>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let sums = ModelSum::within(&mut conn, range.from, range.until).await?;
    let total = sums.iter().fold(Micros::ZERO, |sum, m| sum.plus(m.cost));
    Ok(sums.into_iter().map(|usage| ModelLine { percentage: percentage(usage.cost.0, total.0), usage }).collect())
}

/// What happened in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Period {
    pub sum: Sum,
    pub new_users: i64,
    pub cards_redeemed: i64,
}

/// The state of the business.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    pub currency: String,
    pub today: Period,
    pub this_month: Period,
    pub last_month: Period,
    /// Of this month's revenue over last month's, in percent to one decimal.
    pub growth_rate: f64,
    pub users: i64,
    /// People on a plan that costs something; the rest is on none or a free one.
    pub subscribers: i64,
}

/// Today, this month, the month before, and who is here.
pub async fn overview(app: &App, actor: &Actor) -> Result<Overview> {
    actor.may(Act::ViewAll)?;
    let zone = setting::current(app).zone().clone();
    let now = app.clock.now();
    let unit = Unit::of(app);
    let mut conn = app.db.conn().await?;
    let tomorrow = zone.day_start(now, 1);
    let this_month = zone.month_start(now, 0);
    let today = period(&mut conn, &unit, zone.day_start(now, 0), tomorrow).await?;
    let month = period(&mut conn, &unit, this_month, zone.month_start(now, 1)).await?;
    let before = period(&mut conn, &unit, zone.month_start(now, -1), this_month).await?;
    let users = users(&mut conn).await?;
    let subscribers = subscribers(&mut conn, now).await?;
    Ok(Overview {
        currency: unit.currency,
        growth_rate: growth_rate(month.sum.revenue, before.sum.revenue),
        today,
        this_month: month,
        last_month: before,
        users,
        subscribers,
    })
}

async fn period(conn: &mut Conn, unit: &Unit, from: Time, until: Time) -> Result<Period> {
    let mut period = Period::default();
    for paid in PaidSum::within(conn, from, until).await? {
        period.sum.add(&paid, unit);
    }
    period.new_users = CountSum::new_users(conn, from, until).await?.iter().map(|n| n.count).sum();
    let redeemed = RedemptionFilter { from: Some(from), until: Some(until), ..RedemptionFilter::default() };
    period.cards_redeemed = Redemption::count(conn, &redeemed).await?;
    Ok(period)
}

/// One month of the growth.
#[derive(Clone, Debug, PartialEq)]
pub struct GrowthLine {
    pub month: String,
    pub sum: Sum,
    pub new_users: i64,
    /// Over the month before, in percent to one decimal.
    pub rate: f64,
}

/// The last months up to this one, the oldest first.
pub async fn growth(app: &App, actor: &Actor, months: u8) -> Result<(String, Vec<GrowthLine>)> {
    actor.may(Act::ViewAll)?;
    if !(1..=60).contains(&months) {
        return Err(Error::invalid("months", "between 1 and 60 months can be shown"));
    }
    let zone = setting::current(app).zone().clone();
    let now = app.clock.now();
    let unit = Unit::of(app);
    // One month more, against which the first is measured.
    let (from, until) = (zone.month_start(now, -i64::from(months)), zone.month_start(now, 1));
    let mut conn = app.db.conn().await?;
    let paid = PaidSum::within(&mut conn, from, until).await?;
    let people = CountSum::new_users(&mut conn, from, until).await?;
    drop(conn);
    let mut by_month: BTreeMap<String, (Sum, i64)> = BTreeMap::new();
    for paid in &paid {
        by_month.entry(zone.month(paid.at)).or_default().0.add(paid, &unit);
    }
    for came in &people {
        by_month.entry(zone.month(came.at)).or_default().1 += came.count;
    }
    let mut lines = Vec::new();
    let mut before = None;
    for month in months_from(&zone, from, until) {
        let (sum, new_users) = by_month.remove(&month).unwrap_or_default();
        let revenue = sum.revenue;
        if let Some(before) = before {
            lines.push(GrowthLine { month, sum, new_users, rate: growth_rate(revenue, before) });
        }
        before = Some(revenue);
    }
    Ok((unit.currency, lines))
}

/// Growth in percent to one decimal; from nothing to something counts as a hundred.
fn growth_rate(now: i64, before: i64) -> f64 {
    match (now, before) {
        (0, 0) => 0.0,
        (now, before) if before <= 0 => {
            if now > before {
                100.0
            } else {
                0.0
            }
        }
        (now, before) => ((now - before) as f64 / before as f64 * 1000.0).round() / 10.0,
    }
}

fn percentage(part: i64, whole: i64) -> f64 {
    if whole <= 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 1000.0).round() / 10.0
}

#[cfg(test)]
mod tests;

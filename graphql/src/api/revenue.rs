//! What came in: by day, month, plan and model, and how it grows.

use async_graphql::{Context, Object, SimpleObject};
use schema::service::revenue as service;

use super::plan::{Money, Plan};
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::search;
use crate::scalar::{BigInt, Decimal};

/// A sum of payments from outside, after refunds.
#[derive(SimpleObject)]
pub struct RevenueSum {
    /// In the report currency.
    pub revenue: Money,
    /// Orders that were paid.
    pub order_count: BigInt,
    /// The same as it was paid, one sum a currency.
    pub by_currency: Vec<Money>,
    /// An order's share, in the report currency's main unit.
    pub average: f64,
}

impl RevenueSum {
    fn of(sum: &service::Sum, currency: &str) -> Self {
        Self {
            revenue: Money::of(sum.revenue, currency),
            order_count: BigInt(sum.orders),
            by_currency: sum.by_currency.iter().map(|(currency, amount)| Money::of(*amount, currency)).collect(),
            average: sum.average(currency),
        }
    }
}

/// What came in on a day or in a month.
#[derive(SimpleObject)]
pub struct RevenueLine {
    /// `2026-01-31`, or `2026-01`.
    pub label: String,
    /// What came in.
    pub sum: RevenueSum,
}

/// What a plan brought.
#[derive(SimpleObject)]
pub struct RevenueByPlan {
    /// The plan; null for top-ups.
    pub plan: Option<Plan>,
    /// What it brought.
    pub sum: RevenueSum,
    /// Its share, in percent.
    pub percentage: f64,
}

/// What a model was used for, and what callers paid for it.
#[derive(SimpleObject)]
pub struct RevenueByModel {
    /// The model's name.
    pub model: String,
    /// Calls.
    pub requests: BigInt,
    /// Calls that failed.
    pub errors: BigInt,
    /// Tokens sent.
    pub input_tokens: BigInt,
    /// Tokens received.
    pub output_tokens: BigInt,
    /// What callers paid, in US dollars.
    pub cost: Decimal,
    /// What it cost upstream by the list, in US dollars.
    pub raw_cost: Decimal,
    /// Its share of what callers paid, in percent.
    pub percentage: f64,
}

/// What happened in a time.
#[derive(SimpleObject)]
pub struct RevenuePeriod {
    /// What came in.
    pub sum: RevenueSum,
    /// People who came.
    pub new_users: BigInt,
    /// Cards that were redeemed.
    pub cards_redeemed: BigInt,
}

impl RevenuePeriod {
    fn of(period: &service::Period, currency: &str) -> Self {
        Self {
            sum: RevenueSum::of(&period.sum, currency),
            new_users: BigInt(period.new_users),
            cards_redeemed: BigInt(period.cards_redeemed),
        }
    }
}

/// The state of the business.
#[derive(SimpleObject)]
pub struct RevenueOverview {
    /// Today.
    pub today: RevenuePeriod,
    /// This month.
    pub this_month: RevenuePeriod,
    /// The month before.
    pub last_month: RevenuePeriod,
    /// Of this month over the month before, in percent.
    pub growth_rate: f64,
    /// People.
    pub user_count: BigInt,
    /// People on a plan that costs something.
    pub subscriber_count: BigInt,
}

/// One month of the growth.
#[derive(SimpleObject)]
pub struct RevenueGrowth {
    /// The month, `2026-01`.
    pub month: String,
    /// What came in.
    pub sum: RevenueSum,
    /// People who came.
    pub new_users: BigInt,
    /// Over the month before, in percent.
    pub rate: f64,
}

/// The most lines of one report.
const MOST: usize = 366;

#[derive(Default)]
pub struct RevenueQuery;

fn days(ctx: &Context<'_>, from: Option<String>, until: Option<String>, back: i64) -> Result<service::Range> {
    let (from, until) = (search(from, "from")?, search(until, "until")?);
    Ok(service::Range::of_days(ctx.app(), from.as_deref(), until.as_deref(), Some(back))?)
}

#[Object]
impl RevenueQuery {
    /// Today, this month, the month before, and who is here; for administrators.
    #[graphql(visible = "to_admins")]
    async fn revenue_overview(&self, ctx: &Context<'_>) -> Result<RevenueOverview> {
        let o = service::overview(ctx.app(), ctx.actor()).await?;
        Ok(RevenueOverview {
            today: RevenuePeriod::of(&o.today, &o.currency),
            this_month: RevenuePeriod::of(&o.this_month, &o.currency),
            last_month: RevenuePeriod::of(&o.last_month, &o.currency),
            growth_rate: o.growth_rate,
            user_count: BigInt(o.users),
            subscriber_count: BigInt(o.subscribers),
        })
    }

    /// What came in on each day, the newest first, at most 366; for administrators.
    #[graphql(visible = "to_admins")]
    async fn revenue_by_day(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first day, `2026-01-31`; 29 days before the last when absent.")] from: Option<String>,
        #[graphql(desc = "The last day; today when absent.")] until: Option<String>,
    ) -> Result<Vec<RevenueLine>> {
        let range = days(ctx, from, until, 29)?;
        lines(service::by_day(ctx.app(), ctx.actor(), range, MOST).await?)
    }

    /// What came in in each month of a year; for administrators.
    #[graphql(visible = "to_admins")]
    async fn revenue_by_month(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The year; this one when absent.")] year: Option<i32>,
    ) -> Result<Vec<RevenueLine>> {
        let bad = |_| schema::Error::invalid("year", "the year is out of range");
        let year = year.map(|y| i16::try_from(y).map_err(bad)).transpose()?;
        lines(service::by_month(ctx.app(), ctx.actor(), year).await?.1)
    }

    /// What each plan brought, the one that brought most first; for administrators.
    #[graphql(visible = "to_admins")]
    async fn revenue_by_plan(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first day; 29 days before the last when absent.")] from: Option<String>,
        #[graphql(desc = "The last day; today when absent.")] until: Option<String>,
    ) -> Result<Vec<RevenueByPlan>> {
        let report = service::by_plan(ctx.app(), ctx.actor(), days(ctx, from, until, 29)?).await?;
        let line = |l: service::PlanLine| RevenueByPlan {
            plan: l.plan.map(Into::into),
            sum: RevenueSum::of(&l.sum, &report.currency),
            percentage: l.percentage,
        };
        Ok(report.lines.into_iter().map(line).collect())
    }

    /// What each model was used for and what callers paid for it, the dearest first; for administrators.
    #[graphql(visible = "to_admins")]
    async fn revenue_by_model(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first day; 29 days before the last when absent.")] from: Option<String>,
        #[graphql(desc = "The last day; today when absent.")] until: Option<String>,
    ) -> Result<Vec<RevenueByModel>> {
        let report = service::by_model(ctx.app(), ctx.actor(), days(ctx, from, until, 29)?).await?;
        let line = |l: service::ModelLine| RevenueByModel {
            model: l.usage.model,
            requests: BigInt(l.usage.requests),
            errors: BigInt(l.usage.errors),
            input_tokens: BigInt(l.usage.input),
            output_tokens: BigInt(l.usage.output),
            cost: Decimal(l.usage.cost),
            raw_cost: Decimal(l.usage.raw_cost),
            percentage: l.percentage,
        };
        Ok(report.into_iter().map(line).collect())
    }

    /// The last months up to this one, the oldest first; for administrators.
    #[graphql(visible = "to_admins")]
    async fn revenue_growth(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 60.", default = 12)] months: i32,
    ) -> Result<Vec<RevenueGrowth>> {
        let bad = |_| schema::Error::invalid("months", "between 1 and 60 months can be shown");
        let months = u8::try_from(months).map_err(bad)?;
        let (currency, report) = service::growth(ctx.app(), ctx.actor(), months).await?;
        let line = |l: service::GrowthLine| RevenueGrowth {
            sum: RevenueSum::of(&l.sum, &currency),
            month: l.month,
            new_users: BigInt(l.new_users),
            rate: l.rate,
        };
        Ok(report.into_iter().map(line).collect())
    }
}

fn lines(report: service::Lines) -> Result<Vec<RevenueLine>> {
    let line = |l: service::Line| RevenueLine { sum: RevenueSum::of(&l.sum, &report.currency), label: l.label };
    Ok(report.lines.into_iter().map(line).collect())
}

//! Sums of calls, and the spans and slices they are asked for by.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, SimpleObject};
use schema::service::report::{self, Costs, Dimension, Measure, Period, Slice, Sums};
use schema::{Act, Error, Micros};

use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{DateTimeFilter, span};
use crate::node;
use crate::scalar::{BigInt, DateTime, Decimal};

/// Sums of calls.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct UsageSums {
    /// Calls.
    pub requests: BigInt,
    /// Those of them that failed.
    pub errors: BigInt,
    /// Every token that went in or out.
    pub tokens: BigInt,
    /// Tokens sent.
    pub input_tokens: BigInt,
    /// Tokens received.
    pub output_tokens: BigInt,
    /// Tokens read from vendors' caches.
    pub cache_read_tokens: BigInt,
    /// Tokens written to vendors' caches.
    pub cache_write_tokens: BigInt,
    /// Tokens of reasoning among those received.
    pub reasoning_tokens: BigInt,
    /// Tokens of sound among those sent and received.
    pub audio_tokens: BigInt,
    /// Pictures.
    pub images: BigInt,
    /// What they cost, in US dollars.
    pub cost: Decimal,
    /// Milliseconds a call took on average.
    pub average_duration_ms: BigInt,
    /// Calls that did not fail, in percent; 100 where there were none.
    pub success_rate: f64,
    #[graphql(skip)]
    raw_cost: i64,
}

impl From<Sums> for UsageSums {
    fn from(s: Sums) -> Self {
        Self {
            requests: BigInt(s.requests),
            errors: BigInt(s.errors),
            tokens: BigInt(s.tokens()),
            input_tokens: BigInt(s.counts.input),
            output_tokens: BigInt(s.counts.output),
            cache_read_tokens: BigInt(s.counts.cache_read),
            cache_write_tokens: BigInt(s.cache_writes()),
            reasoning_tokens: BigInt(s.counts.reasoning),
            audio_tokens: BigInt(s.counts.audio),
            images: BigInt(s.counts.images),
            cost: Decimal(Micros(s.cost)),
            average_duration_ms: BigInt(s.average_ms()),
            success_rate: s.success_rate(),
            raw_cost: s.raw_cost,
        }
    }
}

#[ComplexObject]
impl UsageSums {
    /// The same cost by the list, before ratios; for administrators.
    #[graphql(visible = "to_admins")]
    async fn raw_cost(&self, ctx: &Context<'_>) -> Option<Result<Decimal>> {
        ctx.for_admins(|| Decimal(Micros(self.raw_cost)))
    }
}

/// What was paid, by what it was paid for. The parts add up to the total.
#[derive(SimpleObject)]
pub struct CostParts {
    /// Altogether, in US dollars.
    pub total: Decimal,
    /// For tokens sent.
    pub input: Decimal,
    /// For tokens received.
    pub output: Decimal,
    /// For tokens read from vendors' caches.
    pub cache_read: Decimal,
    /// For tokens written to vendors' caches.
    pub cache_write: Decimal,
    /// For pictures, sound, searches and whatever else is no token of text.
    pub other: Decimal,
}

impl From<Costs> for CostParts {
    fn from(c: Costs) -> Self {
        let shown = |micros| Decimal(Micros(micros));
        Self {
            total: shown(c.total),
            input: shown(c.input),
            output: shown(c.output),
            cache_read: shown(c.cache_read),
            cache_write: shown(c.cache_write()),
            other: shown(c.other),
        }
    }
}

/// A span of time by name, in the operator's time zone.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Hash, Debug, Default)]
pub enum UsagePeriod {
    /// Since midnight.
    Today,
    /// The day before.
    Yesterday,
    /// Today and the six days before.
    #[graphql(name = "LAST_7_DAYS")]
    Last7Days,
    /// Today and the 29 days before.
    #[graphql(name = "LAST_30_DAYS")]
    Last30Days,
    /// Since Monday.
    ThisWeek,
    /// Since the first of the month.
    ThisMonth,
    /// Since the first of the year.
    ThisYear,
    /// As long as there are books.
    #[default]
    AllTime,
}

impl From<UsagePeriod> for Period {
    fn from(period: UsagePeriod) -> Self {
        match period {
            UsagePeriod::Today => Self::Today,
            UsagePeriod::Yesterday => Self::Yesterday,
            UsagePeriod::Last7Days => Self::Days(7),
            UsagePeriod::Last30Days => Self::Days(30),
            UsagePeriod::ThisWeek => Self::Week,
            UsagePeriod::ThisMonth => Self::Month,
            UsagePeriod::ThisYear => Self::Year,
            UsagePeriod::AllTime => Self::All,
        }
    }
}

/// What sums are told apart by.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
pub enum UsageDimension {
    /// The key.
    ApiKey,
    /// The account that served; for administrators.
    Account,
    /// Who called.
    User,
    /// The model that was asked for.
    Model,
    /// The dialect it was asked in.
    Dialect,
}

impl From<UsageDimension> for Dimension {
    fn from(by: UsageDimension) -> Self {
        match by {
            UsageDimension::ApiKey => Self::Key,
            UsageDimension::Account => Self::Account,
            UsageDimension::User => Self::User,
            UsageDimension::Model => Self::Model,
            UsageDimension::Dialect => Self::Dialect,
        }
    }
}

/// What makes a group large.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug, Default)]
pub enum UsageMeasure {
    /// What it cost.
    #[default]
    Cost,
    /// How many calls.
    Requests,
    /// How many tokens.
    Tokens,
}

impl From<UsageMeasure> for Measure {
    fn from(measure: UsageMeasure) -> Self {
        match measure {
            UsageMeasure::Cost => Self::Cost,
            UsageMeasure::Requests => Self::Requests,
            UsageMeasure::Tokens => Self::Tokens,
        }
    }
}

/// Which calls are summed: one's own, or everybody's for administrators. Sums are kept by the hour, so a span
/// counts the hours that begin within it.
#[derive(InputObject, Default)]
pub struct UsageFilter {
    /// A span by name; excludes `at`.
    pub period: Option<UsagePeriod>,
    /// A span by its ends.
    pub at: Option<DateTimeFilter>,
    /// Of any of these people, at most 50.
    pub user_ids: Option<Vec<ID>>,
    /// Made with any of these keys, at most 50.
    pub api_key_ids: Option<Vec<ID>>,
    /// Served by any of these accounts, at most 50; for administrators.
    pub account_ids: Option<Vec<ID>>,
    /// Asking for any of these models, at most 50.
    pub models: Option<Vec<String>>,
    /// Asked in any of these dialects, at most 50.
    pub dialects: Option<Vec<String>>,
}

fn ids(kind: &str, ids: Option<Vec<ID>>, field: &str) -> Result<Option<Vec<i64>>> {
    ids.map(|ids| node::rows(kind, &ids, field, 50)).transpose()
}

/// At most fifty words that a column can hold.
pub fn words(list: Option<Vec<String>>, field: &str) -> Result<Option<Vec<String>>> {
    match list {
        Some(list) if list.len() > 50 => Err(Error::invalid(field, "at most 50 at once").into()),
        Some(list) if list.iter().any(|w| w.chars().count() > 200 || w.contains('\0')) => {
            Err(Error::invalid(field, "at most 200 characters each, and no NUL character").into())
        }
        list => Ok(list),
    }
}

/// Refuses whoever may not know which account served a call.
pub fn knows_accounts(ctx: &Context<'_>) -> Result<()> {
    Ok(ctx.actor().may(Act::ViewAll)?)
}

impl UsageFilter {
    /// The slice of the books it means.
    pub fn slice(self, ctx: &Context<'_>) -> Result<Slice> {
        let (from, until) = match (self.period, self.at) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("filter.at", "a period and a span exclude each other").into());
            }
            (Some(period), None) => {
                let range = report::range(ctx.app(), period.into());
                (range.from, range.until)
            }
            (None, at) => span(at),
        };
        if from.zip(until).is_some_and(|(from, until)| from >= until) {
            return Err(Error::invalid("filter.at", "the end must be after the start").into());
        }
        if self.account_ids.is_some() {
            knows_accounts(ctx)?;
        }
        Ok(Slice {
            from,
            until,
            users: ids("User", self.user_ids, "filter.userIds")?,
            keys: ids("ApiKey", self.api_key_ids, "filter.apiKeyIds")?,
            accounts: ids("Account", self.account_ids, "filter.accountIds")?,
            models: words(self.models, "filter.models")?,
            dialects: words(self.dialects, "filter.dialects")?,
        })
    }
}

/// One step of a series.
#[derive(SimpleObject)]
pub struct UsagePoint {
    /// When the step begins.
    pub at: DateTime,
    /// `10/11 09:00`, `2026-10-11` or `2026-10`.
    pub label: String,
    /// What was used within it.
    pub sums: UsageSums,
}

impl From<report::Point> for UsagePoint {
    fn from(p: report::Point) -> Self {
        Self { at: DateTime(p.at), label: p.label, sums: p.sums.into() }
    }
}

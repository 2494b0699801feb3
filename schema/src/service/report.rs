//! Reports: every figure of a dashboard, from the hourly sums alone, cut in the administrator's time zone.
//!
//! All faces ask here, so the same day asked through any of them gives the same numbers.

mod dashboard;
mod live;
mod models;
mod series;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::App;
use crate::actor::Actor;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::model::rollup::{self, Bucket};
pub use crate::model::rollup::{Dimension, Slice, Sums};
use crate::service::setting;

pub use dashboard::{Overview, overview};
pub(crate) use live::Ring;
pub use live::{Realtime, realtime};
pub use models::{CostReport, Costs, ModelUse, Ranked, costs, leaderboard, models, popularity, split};
pub use series::{Grain, Line, Point, Split, busy_hours, series, split_series};

/// A stretch of time; an open end is without limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    pub from: Option<Time>,
    pub until: Option<Time>,
}

/// Stretches of time people ask for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Today,
    Yesterday,
    /// So many days, today included.
    Days(i64),
    /// The calendar's week (from Monday), month and year that hold today.
    Week,
    Month,
    Year,
    All,
}

/// What a group is told apart by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupKey {
    /// The id of a key, an account or a user.
    Id(i64),
    /// A model or a dialect.
    Word(String),
}

/// A group and its sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub key: GroupKey,
    pub sums: Sums,
}

/// What makes a group large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    #[default]
    Cost,
    Requests,
    Tokens,
}

impl Measure {
    fn column(self) -> &'static str {
        match self {
            Self::Cost => "cost",
            Self::Requests => "requests",
            Self::Tokens => "input + cache_read + cache_write_5m + cache_write_1h + output",
        }
    }
    /// The figure itself.
    pub fn of(self, sums: &Sums) -> i64 {
        match self {
            Self::Cost => sums.cost,
            Self::Requests => sums.requests,
            Self::Tokens => sums.tokens(),
        }
    }
}

impl Range {
    /// The same stretch of a slice.
    pub fn of(self, slice: &Slice) -> Slice {
        Slice { from: self.from, until: self.until, ..slice.clone() }
    }
}

impl GroupKey {
    fn of(row: &rollup::Row, by: Dimension) -> Self {
        match by {
            Dimension::Key => Self::Id(row.key_id),
            Dimension::Account => Self::Id(row.account_id),
            Dimension::User => Self::Id(row.user_id),
            Dimension::Model => Self::Word(row.model.clone()),
            Dimension::Dialect => Self::Word(row.dialect.clone()),
        }
    }
    /// The id, for dimensions that have one.
    pub fn id(&self) -> Option<i64> {
        match self {
            Self::Id(id) => Some(*id),
            Self::Word(_) => None,
        }
    }
    /// The word, for dimensions that have one.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            Self::Id(_) => None,
        }
    }
}

/// The stretch a period is at this moment, in the administrator's zone.
pub fn range(app: &App, period: Period) -> Range {
    let settings = setting::current(app);
    let (zone, now) = (settings.zone(), app.clock.now());
    let from = match period {
        Period::Today => zone.day_start(now, 0),
        Period::Yesterday => zone.day_start(now, -1),
        Period::Days(days) => zone.day_start(now, 1 - days.clamp(1, 36_500)),
        Period::Week => zone.week_start(now, 1, 0),
        Period::Month => zone.month_start(now, 0),
        Period::Year => zone.year_start(zone.year(now)).unwrap_or(Time(0)),
        Period::All => return Range::default(),
    };
    let until = (period == Period::Yesterday).then(|| zone.day_start(now, 0));
    Range { from: Some(from), until }
}

/// The sums of a slice.
pub async fn totals(app: &App, actor: &Actor, slice: &Slice) -> Result<Sums> {
    let slice = seen(actor, slice)?;
    let mut conn = app.db.conn().await?;
    let rows = rollup::rows(&mut conn, &slice, &Bucket::Whole, &[]).await?;
    Ok(rows.first().map_or_else(Sums::default, rollup::Row::sums))
}

/// What a user's calls came to today: for themselves and administrators.
pub async fn user_today(app: &App, actor: &Actor, user_id: i64) -> Result<Sums> {
    let slice = Slice { users: Some(vec![user_id]), ..Slice::default() };
    totals(app, actor, &range(app, Period::Today).of(&slice)).await
}

/// The largest groups of a dimension, largest first, at most 1000.
pub async fn groups(
    app: &App,
    actor: &Actor,
    slice: &Slice,
    by: Dimension,
    measure: Measure,
    most: i64,
) -> Result<Vec<Group>> {
    if !(1..=1000).contains(&most) {
        return Err(Error::invalid("limit", "must be between 1 and 1000"));
    }
    let slice = seen(actor, slice)?;
    let mut conn = app.db.conn().await?;
    let rows = rollup::top(&mut conn, &slice, by, measure.column(), most).await?;
    Ok(rows.iter().map(|row| Group { key: GroupKey::of(row, by), sums: row.sums() }).collect())
}

/// How many groups of a dimension have calls.
pub async fn group_count(app: &App, actor: &Actor, slice: &Slice, by: Dimension) -> Result<i64> {
    let slice = seen(actor, slice)?;
    let mut conn = app.db.conn().await?;
    Ok(rollup::groups(&mut conn, &slice, by).await?)
}

/// The sums of each of these keys, accounts or users over each of these ranges, in one statement: what
/// a page of a list shows. Every id is in the answer.
pub async fn totals_of(
    app: &App,
    actor: &Actor,
    by: Dimension,
    ids: &[i64],
    ranges: &[Range],
) -> Result<HashMap<i64, Vec<Sums>>> {
    let mut slice = Slice::default();
    match by {
        Dimension::Key => slice.keys = Some(ids.to_vec()),
        Dimension::Account => slice.accounts = Some(ids.to_vec()),
        Dimension::User => slice.users = Some(ids.to_vec()),
        Dimension::Model | Dimension::Dialect => {
            return Err(Error::invalid("by", "sums of many are asked for keys, accounts or users"));
        }
    }
    let mut sums: HashMap<i64, Vec<Sums>> = ids.iter().map(|id| (*id, vec![Sums::default(); ranges.len()])).collect();
    if ids.is_empty() {
        return Ok(sums);
    }
    let slice = seen(actor, &slice)?;
    let slices: Vec<Slice> = ranges.iter().map(|range| range.of(&slice)).collect();
    let mut conn = app.db.conn().await?;
    for row in rollup::each(&mut conn, &slices, &[by]).await? {
        let place = GroupKey::of(&row, by).id().and_then(|id| sums.get_mut(&id));
        let place = place.and_then(|list| usize::try_from(row.bucket).ok().and_then(|i| list.get_mut(i)));
        if let Some(place) = place {
            *place = row.sums();
        }
    }
    Ok(sums)
}

/// Narrows a slice to what the caller may see: their own calls, or everybody's for administrators.
fn seen(actor: &Actor, slice: &Slice) -> Result<Slice> {
    let users = match &slice.users {
        Some(named) => {
            for user in named {
                actor.whose(Some(*user))?;
            }
            // Nobody named is nobody's for everyone but an administrator, who may ask for that.
            if named.is_empty() {
                actor.whose(None)?.map(|me| vec![me]).or(Some(Vec::new()))
            } else {
                Some(named.clone())
            }
        }
        None => actor.whose(None)?.map(|me| vec![me]),
    };
    Ok(Slice { users, ..slice.clone() })
}

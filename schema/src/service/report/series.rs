//! Sums along time: hours, days and months of the administrator's zone, whole or by group.

use std::collections::HashMap;

use super::{Group, GroupKey, Measure, seen};
use crate::App;
use crate::actor::Actor;
use crate::clock::{DAY, HOUR, Time, Zone};
use crate::error::{Error, Result};
use crate::model::rollup::{self, Bucket, Dimension, Shift, Slice, Sums};
use crate::service::setting;

/// How fine a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    Hour,
    Day,
    Month,
}

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// When the step begins.
    pub at: Time,
    /// `10/11 09:00`, `2025-10-11` or `2025-10`.
    pub label: String,
    pub sums: Sums,
}

/// One group along time.
#[derive(Clone, Debug)]
pub struct Line {
    pub key: GroupKey,
    pub total: Sums,
    /// One for each step.
    pub sums: Vec<Sums>,
}

/// A series by group: the largest groups, and how many there are.
#[derive(Clone, Debug)]
pub struct Split {
    /// The steps; their sums are over all groups.
    pub steps: Vec<Point>,
    pub lines: Vec<Line>,
    pub groups: i64,
}

/// Most steps of a series.
const MOST_STEPS: usize = 1_500;

/// The sums of every step between two moments, steps without calls included.
pub async fn series(app: &App, actor: &Actor, slice: &Slice, grain: Grain) -> Result<Vec<Point>> {
    let slice = seen(actor, slice)?;
    let settings = setting::current(app);
    let mut steps = Steps::between(settings.zone(), &slice, app.clock.now(), grain)?;
    let mut conn = app.db.conn().await?;
    for row in rollup::rows(&mut conn, &steps.bounded(&slice), &steps.bucket, &[]).await? {
        if let Some(step) = steps.place(row.bucket) {
            steps.points[step].sums.add(&row.sums());
        }
    }
    Ok(steps.points)
}

/// The hours in which groups of a dimension had calls, and their sums in each; by time.
pub async fn busy_hours(app: &App, actor: &Actor, slice: &Slice, by: Dimension) -> Result<Vec<(Time, Group)>> {
    let slice = seen(actor, slice)?;
    let mut conn = app.db.conn().await?;
    let mut rows = rollup::rows(&mut conn, &slice, &Bucket::Hours, &[by]).await?;
    rows.sort_by_key(|row| row.bucket);
    let group = |row: &rollup::Row| Group { key: GroupKey::of(row, by), sums: row.sums() };
    Ok(rows.iter().map(|row| (Time(row.bucket), group(row))).collect())
}

/// The same for the `most` largest groups of a dimension.
pub async fn split_series(
    app: &App,
    actor: &Actor,
    slice: &Slice,
    grain: Grain,
    by: Dimension,
    measure: Measure,
    most: i64,
) -> Result<Split> {
    let slice = seen(actor, slice)?;
    if !(1..=1_000).contains(&most) {
        return Err(Error::invalid("top", "must be between 1 and 1000"));
    }
    let settings = setting::current(app);
    let mut steps = Steps::between(settings.zone(), &slice, app.clock.now(), grain)?;
    let slice = steps.bounded(&slice);
    let mut conn = app.db.conn().await?;
    for row in rollup::rows(&mut conn, &slice, &steps.bucket, &[]).await? {
        if let Some(step) = steps.place(row.bucket) {
            steps.points[step].sums.add(&row.sums());
        }
    }
    let groups = rollup::groups(&mut conn, &slice, by).await?;
    let top = rollup::top(&mut conn, &slice, by, measure.column(), most).await?;
    let top: Vec<Group> = top.iter().map(|row| Group { key: GroupKey::of(row, by), sums: row.sums() }).collect();
    let mut narrow = slice;
    let ids = || Some(top.iter().filter_map(|g| g.key.id()).collect::<Vec<i64>>());
    let words = || Some(top.iter().filter_map(|g| g.key.word().map(str::to_owned)).collect::<Vec<String>>());
    match by {
        Dimension::Key => narrow.keys = ids(),
        Dimension::Account => narrow.accounts = ids(),
        Dimension::User => narrow.users = ids(),
        Dimension::Model => narrow.models = words(),
        Dimension::Dialect => narrow.dialects = words(),
    }
    let mut lines: Vec<Line> = Vec::with_capacity(top.len());
    let mut places = HashMap::with_capacity(top.len());
    for group in top {
        places.insert(group.key.clone(), lines.len());
        lines.push(Line { key: group.key, total: group.sums, sums: vec![Sums::default(); steps.points.len()] });
    }
    for row in rollup::rows(&mut conn, &narrow, &steps.bucket, &[by]).await? {
        let line = places.get(&GroupKey::of(&row, by)).copied();
        if let (Some(line), Some(step)) = (line, steps.place(row.bucket)) {
            lines[line].sums[step].add(&row.sums());
        }
    }
    Ok(Split { steps: steps.points, lines, groups })
}

/// The steps of a series, and where each bucket of the database falls.
struct Steps {
    points: Vec<Point>,
    bucket: Bucket,
    places: HashMap<i64, usize>,
    from: Time,
    until: Time,
}

impl Steps {
    fn between(zone: &Zone, slice: &Slice, now: Time, grain: Grain) -> Result<Self> {
        let until = slice.until.unwrap_or(now.plus(1));
        let from = slice.from.unwrap_or_else(|| match grain {
            Grain::Hour => now.plus(-23 * HOUR),
            Grain::Day => zone.day_start(now, -6),
            Grain::Month => zone.month_start(now, -11),
        });
        if from >= until {
            return Err(Error::invalid("endDate", "the end must be after the start"));
        }
        let mut steps = Self { points: Vec::new(), bucket: Bucket::Hours, places: HashMap::new(), from, until };
        match grain {
            Grain::Hour => steps.hours(zone)?,
            Grain::Day | Grain::Month => steps.days(zone, grain)?,
        }
        Ok(steps)
    }

    fn hours(&mut self, zone: &Zone) -> Result<()> {
        let mut at = self.from.hour();
        self.from = at;
        while at < self.until {
            self.places.insert(at.0, self.points.len());
            self.add(at, zone.hour_label(at))?;
            at = at.plus(HOUR);
        }
        Ok(())
    }

    fn days(&mut self, zone: &Zone, grain: Grain) -> Result<()> {
        let ahead = |at: Time| i64::from(zone.offset_minutes(at)) * 60_000;
        let mut day = zone.day_start(self.from, 0);
        self.from = day;
        let mut shifts = vec![Shift { until: Time(i64::MAX), ahead_ms: ahead(day) }];
        while day < self.until {
            let label = if grain == Grain::Day { zone.date(day) } else { zone.month(day) };
            self.places.insert((day.0 + ahead(day)).div_euclid(DAY), self.points.len());
            if self.points.last().is_some_and(|last| last.label == label) {
                self.places.insert((day.0 + ahead(day)).div_euclid(DAY), self.points.len() - 1);
            } else {
                self.add(day, label)?;
            }
            let next = zone.day_start(day, 1);
            if next <= day {
                return Err(Error::internal("the time zone's days do not go on"));
            }
            if ahead(next) != ahead(day) {
                // Clocks are changed within this day, at some full hour or half of one.
                let mut turn = day;
                while turn < next && ahead(turn) == ahead(day) {
                    turn = turn.plus(HOUR / 2);
                }
                if let Some(last) = shifts.last_mut() {
                    last.until = turn;
                }
                shifts.push(Shift { until: Time(i64::MAX), ahead_ms: ahead(next) });
            }
            day = next;
        }
        self.bucket = Bucket::Days(shifts);
        Ok(())
    }

    fn add(&mut self, at: Time, label: String) -> Result<()> {
        if self.points.len() >= MOST_STEPS {
            return Err(Error::invalid("startDate", format!("a series has at most {MOST_STEPS} steps")));
        }
        self.points.push(Point { at, label, sums: Sums::default() });
        Ok(())
    }

    fn place(&self, bucket: i64) -> Option<usize> {
        self.places.get(&bucket).copied()
    }

    fn bounded(&self, slice: &Slice) -> Slice {
        Slice { from: Some(self.from), until: Some(self.until), ..slice.clone() }
    }
}

//! Data: what was used, by day as documented, by hour and model as the deployed system's charts want it. Calls that
//! failed are none of this system's requests.

use axum::extract::State;
use schema::clock::{DAY, HOUR};
use schema::service::report::{self, Dimension, Grain, Period, Range, Slice};
use schema::service::user as people;
use schema::{App, Error, Micros, Role, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{moment, number};
use super::shape::Shape;
use super::{Caller, Query, Reply, data, user};

#[derive(Deserialize)]
pub struct DataQuery {
    start_timestamp: Option<String>,
    end_timestamp: Option<String>,
    username: Option<String>,
}

/// Longest stretch a person may ask about.
const LONGEST: i64 = 30 * DAY;

impl DataQuery {
    fn range(&self, app: &App, shape: Shape) -> Result<Range, Error> {
        let from = match number("start_timestamp", &self.start_timestamp)? {
            // From the beginning; a list of days would begin with decades of nothing.
            Some(0) if shape == Shape::Deployed => Some(Time(0)),
            given => given.filter(|seconds| *seconds > 0).map(Time::from_seconds),
        };
        let until = moment("end_timestamp", &self.end_timestamp)?;
        if from.is_none() && until.is_none() {
            return Ok(report::range(app, Period::Days(7)));
        }
        let until = until.unwrap_or_else(|| app.clock.now());
        let from = from.unwrap_or_else(|| until.plus(-7 * DAY));
        if from > until {
            return Err(Error::invalid("start_timestamp", "开始时间不能晚于结束时间"));
        }
        // Sums are kept by the hour, and the hour that is named last is meant too.
        Ok(Range { from: Some(from.hour()), until: Some(until.hour().plus(HOUR)) })
    }
}

async fn told(app: &App, caller: &Caller, shape: Shape, range: Range, slice: &Slice, who: &str) -> Reply {
    let slice = range.of(slice);
    if shape == Shape::Documented {
        let days = report::series(app, caller, &slice, Grain::Day).await?;
        let line = |day: &report::Point| {
            json!({
                "date": day.label,
                // What the calls were worth, and what was taken for them after the group's ratio.
                "quota": Micros(day.sums.raw_cost).quota(),
                "used_quota": Micros(day.sums.cost).quota(),
                "request_count": day.sums.served(),
                "tokens": day.sums.tokens(),
            })
        };
        return Ok(data(days.iter().map(line).collect::<Vec<Value>>()));
    }
    let user_id = slice.users.as_ref().and_then(|ids| ids.first()).copied().unwrap_or(0);
    let mut hours = report::busy_hours(app, caller, &slice, Dimension::Model).await?;
    // A call that was cut off may have cost something; a model that only failed has no row.
    hours.retain(|(_, group)| group.sums.served() > 0 || group.sums.cost > 0);
    let line = |(number, (at, group)): (usize, &(Time, report::Group))| {
        json!({
            "id": number + 1,
            "user_id": user_id,
            "username": who,
            "model_name": group.key.word(),
            "created_at": at.seconds(),
            "token_used": group.sums.tokens(),
            "count": group.sums.served(),
            "quota": Micros(group.sums.cost).quota(),
        })
    };
    Ok(data(hours.iter().enumerate().map(line).collect::<Vec<Value>>()))
}

/// One's own.
pub async fn of_self(State(app): State<App>, caller: Caller, shape: Shape, query: Query<DataQuery>) -> Reply {
    let me = people::get(&app, &caller, caller.signed_in()?).await?;
    let range = query.0.range(&app, shape)?;
    if let (Some(from), Some(until)) = (range.from, range.until)
        && until.0 - from.0 > LONGEST + 2 * HOUR
    {
        return Err(Error::conflict("TOO_LONG", "时间跨度不能超过 1 个月").into());
    }
    let slice = Slice { users: Some(vec![me.id]), ..Slice::default() };
    told(&app, &caller, shape, range, &slice, &me.username).await
}

/// Everybody's, or one person's, for administrators.
pub async fn of_all(State(app): State<App>, caller: Caller, shape: Shape, query: Query<DataQuery>) -> Reply {
    caller.require(Role::Admin)?;
    let query = query.0;
    let range = query.range(&app, shape)?;
    let name = query.username.unwrap_or_default();
    let name = name.trim();
    let mut slice = Slice::default();
    if !name.is_empty() {
        slice.users = Some(vec![user::numbered(&app, &caller, name).await?]);
    }
    told(&app, &caller, shape, range, &slice, name).await
}

//! A range of days as people write it.

use crate::App;
use crate::clock::{Time, Zone};
use crate::error::{Error, Result};
use crate::service::setting;

/// From one moment up to, and without, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub from: Time,
    pub until: Time,
}

impl Range {
    /// The days from `start` to `end`, both included, in the administrator's time zone. A missing end is today; a
    /// missing start is `days_back` days before the end, or the beginning of time.
    pub fn of_days(app: &App, start: Option<&str>, end: Option<&str>, days_back: Option<i64>) -> Result<Self> {
        let settings = setting::current(app);
        Self::cut(settings.zone(), app.clock.now(), start, end, days_back)
    }

    fn cut(zone: &Zone, now: Time, start: Option<&str>, end: Option<&str>, days_back: Option<i64>) -> Result<Self> {
        let last = read(zone, "endDate", end)?.unwrap_or_else(|| zone.day_start(now, 0));
        let first = match (read(zone, "startDate", start)?, days_back) {
            (Some(day), _) => day,
            (None, Some(back)) => zone.day_start(last, -back),
            (None, None) => Time(0),
        };
        if first > last {
            return Err(Error::invalid("startDate", "the first day lies after the last"));
        }
        Ok(Self { from: first, until: zone.day_start(last, 1) })
    }
}

/// The start of the day of a date, or of a moment.
fn read(zone: &Zone, field: &str, text: Option<&str>) -> Result<Option<Time>> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
    zone.parse_date(text)
        .or_else(|| Time::parse(text).map(|at| zone.day_start(at, 0)))
        .map(Some)
        .ok_or_else(|| Error::invalid(field, "dates are written YYYY-MM-DD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_cut_in_the_zone_and_both_ends_count() {
        let zone = Zone::named("Asia/Shanghai").expect("a zone");
        let now = Time::parse("2025-10-11T20:30:00Z").expect("a time");
        let cut = |start, end, back| Range::cut(&zone, now, start, end, back);
        let today = cut(None, None, Some(0)).expect("a range");
        assert_eq!(today.from.rfc3339(), "2025-10-11T16:00:00.000Z");
        assert_eq!(today.until.rfc3339(), "2025-10-12T16:00:00.000Z");
        let one = cut(Some("2025-10-01"), Some("2025-10-01"), None).expect("a range");
        assert_eq!(one.until.0 - one.from.0, crate::clock::DAY);
        let moments = cut(Some("2025-10-01T20:00:00Z"), None, None).expect("a range");
        assert_eq!(moments.from.rfc3339(), "2025-10-01T16:00:00.000Z", "the second day has begun there");
        assert_eq!(cut(None, None, None).expect("a range").from, Time(0));
        assert!(cut(Some("2025-10-02"), Some("2025-10-01"), None).is_err());
        assert!(cut(Some("soon"), None, None).is_err());
    }
}

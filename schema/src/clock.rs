//! Time as the business keeps it: milliseconds since 1970, UTC; and the clock it is read from.
//!
//! Nothing else reads the machine's clock, so tests own time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::deserialize::{FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{Output, ToSql};
use diesel::sql_types::BigInt;
use jiff::Timestamp;

/// A moment, in milliseconds since 1970 UTC.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    AsExpression,
    FromSqlRow,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
#[diesel(sql_type = BigInt)]
pub struct Time(pub i64);

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

impl Time {
    /// Reads RFC 3339, a plain date (midnight UTC) or a number of milliseconds.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(Self(at.as_millisecond()));
        }
        if let Ok(date) = text.parse::<jiff::civil::Date>() {
            return date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| Self(z.timestamp().as_millisecond()));
        }
        if let Ok(at) = text.parse::<jiff::civil::DateTime>() {
            return at.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| Self(z.timestamp().as_millisecond()));
        }
        text.parse::<i64>().ok().filter(|ms| (0..=MAX_MS).contains(ms)).map(Self)
    }
    /// RFC 3339 with milliseconds, `2025-10-11T10:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        match Timestamp::from_millisecond(self.0) {
            Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            Err(_) => "1970-01-01T00:00:00.000Z".to_owned(),
        }
    }
    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(SECOND)
    }
    /// From whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND))
    }
    /// This moment `ms` later (or earlier, when negative).
    pub fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }
    /// The start of the UTC hour this lies in; the bucket of the rollups.
    pub fn hour(self) -> Self {
        Self(self.0 - self.0.rem_euclid(HOUR))
    }
}

/// The last moment of the year 9999, the end of what can be written as RFC 3339.
const MAX_MS: i64 = 253_402_300_799_999;

impl<DB: diesel::backend::Backend> FromSql<BigInt, DB> for Time
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

impl<DB: diesel::backend::Backend> ToSql<BigInt, DB> for Time
where
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> diesel::serialize::Result {
        self.0.to_sql(out)
    }
}

/// Where the time comes from: the machine, or a test's hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    #[default]
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that only moves when told.
    pub fn manual(at: Time) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.0)))
    }
    /// The moment.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> Time {
        match self {
            Self::System => Time(Timestamp::now().as_millisecond()),
            Self::Manual(at) => Time(at.load(Ordering::SeqCst)),
        }
    }
    /// Moves a manual clock; the machine's clock is left alone.
    pub fn advance(&self, ms: i64) {
        if let Self::Manual(at) = self {
            at.fetch_add(ms, Ordering::SeqCst);
        }
    }
}

/// A minute as people tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    pub minute: i8,
    pub hour: i8,
    pub day: i8,
    pub month: i8,
    /// 1 = Monday … 7.
    pub weekday: i8,
}

/// The administrator's time zone, in which days and months are cut.
#[derive(Clone, Debug)]
pub struct Zone(jiff::tz::TimeZone);

impl Zone {
    /// By IANA name, `UTC`, or an offset such as `+08:00`.
    pub fn named(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("utc") {
            return Some(Self(jiff::tz::TimeZone::UTC));
        }
        if let Some(sign) = name.chars().next().filter(|c| matches!(c, '+' | '-')) {
            let (h, m) = name[1..].split_once(':').unwrap_or((&name[1..], "0"));
            let seconds = h.parse::<i32>().ok()? * 3600 + m.parse::<i32>().ok()? * 60;
            let seconds = if sign == '-' { -seconds } else { seconds };
            return jiff::tz::Offset::from_seconds(seconds).ok().map(|o| Self(o.to_time_zone()));
        }
        jiff::tz::TimeZone::get(name).ok().map(Self)
    }
    fn zoned(&self, at: Time) -> jiff::Zoned {
        Timestamp::from_millisecond(at.0).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.0.clone())
    }
    /// The date a moment falls on here, `2025-10-11`.
    pub fn date(&self, at: Time) -> String {
        self.zoned(at).date().to_string()
    }
    /// The month, `2025-10`.
    pub fn month(&self, at: Time) -> String {
        let d = self.zoned(at).date();
        format!("{:04}-{:02}", d.year(), d.month())
    }
    /// The year.
    pub fn year(&self, at: Time) -> i16 {
        self.zoned(at).date().year()
    }
    /// The minutes this zone is ahead of UTC at a moment.
    pub fn offset_minutes(&self, at: Time) -> i32 {
        self.zoned(at).offset().seconds() / 60
    }
    fn start(&self, date: jiff::civil::Date) -> Time {
        date.to_zoned(self.0.clone()).map_or(Time(0), |z| Time(z.timestamp().as_millisecond()))
    }
    /// Midnight here, `days` from the day of `at` (0 = that day's own start).
    pub fn day_start(&self, at: Time, days: i64) -> Time {
        let date = self.zoned(at).date();
        self.start(date.saturating_add(jiff::Span::new().days(days.clamp(-40_000, 40_000))))
    }
    /// The first midnight of the month, `months` from the month of `at`.
    pub fn month_start(&self, at: Time, months: i64) -> Time {
        let date = self.zoned(at).date().first_of_month();
        self.start(date.saturating_add(jiff::Span::new().months(months.clamp(-1_200, 1_200))))
    }
    /// The first midnight of a year.
    pub fn year_start(&self, year: i16) -> Option<Time> {
        jiff::civil::Date::new(year, 1, 1).ok().map(|d| self.start(d))
    }
    /// Midnight here of a date written `YYYY-MM-DD`.
    pub fn parse_date(&self, text: &str) -> Option<Time> {
        text.parse::<jiff::civil::Date>().ok().map(|d| self.start(d))
    }
    /// The latest moment not after `at` that is `weekday` (1 = Monday … 7) at `hour` o'clock here.
    pub fn week_start(&self, at: Time, weekday: i8, hour: i8) -> Time {
        let now = self.zoned(at);
        let wanted = weekday.clamp(1, 7);
        let back = (now.date().weekday().to_monday_one_offset() - wanted).rem_euclid(7);
        let moment = |date: jiff::civil::Date| {
            date.at(hour.clamp(0, 23), 0, 0, 0)
                .to_zoned(self.0.clone())
                .map_or(Time(0), |z| Time(z.timestamp().as_millisecond()))
        };
        let date = now.date().saturating_sub(jiff::Span::new().days(i64::from(back)));
        let start = moment(date);
        if start > at { moment(date.saturating_sub(jiff::Span::new().days(7))) } else { start }
    }
    /// What the clock and the calendar on the wall here show.
    pub fn fields(&self, at: Time) -> Fields {
        let here = self.zoned(at);
        Fields {
            minute: here.minute(),
            hour: here.hour(),
            day: here.day(),
            month: here.month(),
            weekday: here.weekday().to_monday_one_offset(),
        }
    }
    /// `10/11 09:00`, the label of an hour.
    pub fn hour_label(&self, at: Time) -> String {
        self.zoned(at).strftime("%m/%d %H:00").to_string()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(jiff::tz::TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc3339() {
        let at = Time::parse("2025-10-11T10:00:00Z").expect("a time");
        assert_eq!(at.rfc3339(), "2025-10-11T10:00:00.000Z");
        assert_eq!(Time::parse("2025-10-11"), Time::parse("2025-10-11T00:00:00+00:00"));
        assert_eq!(Time::parse("yesterday"), None);
        assert_eq!(Time::parse("-5"), None);
    }

    #[test]
    fn cuts_days_and_weeks_in_the_zone() {
        let zone = Zone::named("Asia/Shanghai").expect("a zone");
        let at = Time::parse("2025-10-11T20:30:00Z").expect("a time");
        assert_eq!(zone.date(at), "2025-10-12");
        assert_eq!(zone.day_start(at, 0).rfc3339(), "2025-10-11T16:00:00.000Z");
        // 2025-10-12 is a Sunday; the week that began Monday 08:00 began on the 6th.
        assert_eq!(zone.week_start(at, 1, 8).rfc3339(), "2025-10-06T00:00:00.000Z");
        assert_eq!(Zone::named("+08:00").map(|z| z.date(at)), Some("2025-10-12".into()));
        assert!(Zone::named("Nowhere/Land").is_none());
    }
}

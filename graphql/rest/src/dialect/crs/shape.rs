//! How crs writes things down: dollars, sums, periods.

use schema::clock::{DAY, Zone};
use schema::service::report::{Range, Sums};
use schema::{Error, Micros, Time};
use serde_json::{Map, Value, json};

use super::form::Form;

/// `$0.001234`, and two decimals from a dollar on.
pub fn dollars(amount: Micros) -> String {
    let dollars = amount.dollars();
    match amount.0 {
        0 => "$0.00".to_owned(),
        m if m.abs() >= 1_000_000 => format!("${dollars:.2}"),
        m if m.abs() >= 1_000 => format!("${dollars:.4}"),
        _ => format!("${dollars:.6}"),
    }
}

/// A moment, or null.
pub fn when(at: Option<Time>) -> Value {
    at.map_or(Value::Null, |t| t.rfc3339().into())
}

/// Sums with every spelling its consoles read; `tokens` counts the cache's too.
pub fn sums(s: &Sums) -> Map<String, Value> {
    let value = json!({
        "requests": s.requests, "tokens": s.tokens(), "inputTokens": s.counts.input, "outputTokens": s.counts.output,
        "cacheCreateTokens": s.cache_writes(), "cacheReadTokens": s.counts.cache_read, "allTokens": s.tokens(),
        "cost": Micros(s.cost).dollars(), "realCost": Micros(s.raw_cost).dollars(),
        "formattedCost": dollars(Micros(s.cost)),
    });
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// As [`sums`], with `tokens` counting input and output alone, as account lists do.
pub fn core_sums(s: &Sums) -> Map<String, Value> {
    let mut fields = sums(s);
    fields.insert("tokens".into(), s.core_tokens().into());
    fields
}

/// A span of time, `from` included and `until` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub from: Time,
    pub until: Time,
}

impl Span {
    /// Everything.
    pub const ALL: Self = Self { from: Time(0), until: Time(i64::MAX) };
    /// The day of a moment.
    pub fn today(zone: &Zone, now: Time) -> Self {
        Self { from: zone.day_start(now, 0), until: zone.day_start(now, 1) }
    }
    /// The month of a moment.
    pub fn month(zone: &Zone, now: Time) -> Self {
        Self { from: zone.month_start(now, 0), until: zone.month_start(now, 1) }
    }
    /// The last `days` days, today included.
    pub fn days(zone: &Zone, now: Time, days: i64) -> Self {
        Self { from: zone.day_start(now, 1 - days), until: zone.day_start(now, 1) }
    }
    /// A period by its word; `None` for an unknown one.
    pub fn named(zone: &Zone, now: Time, word: &str) -> Option<Self> {
        Some(match word {
            "today" | "daily" => Self::today(zone, now),
            "7days" | "weekly" => Self::days(zone, now, 7),
            "30days" => Self::days(zone, now, 30),
            "monthly" => Self::month(zone, now),
            "all" | "alltime" | "total" => Self::ALL,
            _ => return None,
        })
    }
    /// From and to as they were typed: moments, or dates of which both are included.
    pub fn between(zone: &Zone, start: &str, end: &str) -> Result<Self, Error> {
        let bad = || Error::invalid("startDate", "Invalid date range");
        let at =
            |text: &str| zone.parse_date(text).map(|t| (t, true)).or_else(|| Time::parse(text).map(|t| (t, false)));
        // The books know whole hours.
        let (from, whole_day) = at(start).ok_or_else(bad)?;
        let from = if whole_day { from } else { from.hour() };
        let (end, is_date) = at(end).ok_or_else(bad)?;
        let until = if is_date { zone.day_start(end, 1) } else { end.plus(1) };
        if until <= from {
            return Err(Error::invalid("startDate", "Start date must be before or equal to end date"));
        }
        if until.0 - from.0 > 367 * DAY {
            return Err(Error::invalid("startDate", "Date range cannot exceed 365 days"));
        }
        Ok(Self { from, until })
    }
    /// The same for reports; what has no end is left open.
    pub fn range(&self) -> Range {
        Range {
            from: Some(self.from).filter(|t| *t > Self::ALL.from),
            until: Some(self.until).filter(|t| *t < Self::ALL.until),
        }
    }
}

/// The ids in a list field, at most `most`.
pub fn ids(form: &Form, name: &str, most: usize) -> Result<Vec<String>, Error> {
    let list = form.words(name, &format!("{name} must be an array of ids"))?.unwrap_or_default();
    if list.is_empty() {
        return Err(Error::invalid(name, format!("{name} must be a non-empty array")));
    }
    if list.len() > most {
        return Err(Error::invalid(name, format!("Max {most} keys per request")));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_what_matters() {
        for (micros, text) in
            [(0, "$0.00"), (12, "$0.000012"), (1_234, "$0.0012"), (1_234_567, "$1.23"), (999, "$0.000999")]
        {
            assert_eq!(dollars(Micros(micros)), text);
        }
    }

    #[test]
    fn spans_are_cut_in_the_zone() {
        let zone = Zone::named("+08:00").unwrap();
        let now = Time::parse("2025-10-11T20:30:00Z").unwrap();
        assert_eq!(Span::today(&zone, now).from.rfc3339(), "2025-10-11T16:00:00.000Z");
        let week = Span::named(&zone, now, "7days").unwrap();
        assert_eq!(week.until.0 - week.from.0, 7 * DAY);
        assert_eq!(Span::ALL.range(), Range::default());
        let typed = Span::between(&zone, "2025-10-01", "2025-10-02").unwrap();
        assert_eq!(typed.until.0 - typed.from.0, 2 * DAY);
        assert!(Span::between(&zone, "2025-10-02", "2025-10-01").is_err());
        assert!(Span::between(&zone, "2023-10-02", "2025-10-01").is_err());
        let hours = Span::between(&zone, "2025-10-01T00:30:00Z", "2025-10-01T05:59:59.999Z").unwrap();
        assert_eq!(hours.until.0 - hours.from.0, 6 * 3_600_000);
    }
}

//! When something recurs, in the five fields of a crontab.

use schema::clock::Fields;

/// Minutes, hours, days, months and weekdays, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether days and weekdays are both narrowed; then either is enough.
    either_day: bool,
}

impl Cron {
    /// Reads `minute hour day month weekday`, each `*`, a number, a range, a list, or a step of these.
    pub fn read(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return None };
        // Sunday is 0 and 7.
        let weekdays = field(weekday, 0, 7)?;
        Some(Self {
            minutes: field(minute, 0, 59)?,
            hours: field(hour, 0, 23)?,
            days: field(day, 1, 31)?,
            months: field(month, 1, 12)?,
            weekdays: weekdays | (weekdays >> 7 & 1),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        })
    }
    /// Whether a minute belongs to it.
    pub fn holds(&self, at: Fields) -> bool {
        let bit = |set: u64, n: i8| u32::try_from(n).is_ok_and(|n| set >> n & 1 == 1);
        let (day, weekday) = (bit(self.days, at.day), bit(self.weekdays, at.weekday % 7));
        let days = if self.either_day { day || weekday } else { day && weekday };
        bit(self.minutes, at.minute) && bit(self.hours, at.hour) && bit(self.months, at.month) && days
    }
}

fn field(text: &str, low: u32, high: u32) -> Option<u64> {
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|s| (1..=high).contains(s))?),
            None => (part, 1),
        };
        let number = |text: &str| text.parse().ok().filter(|n| (low..=high).contains(n));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            // A start with a step goes on to the end.
            None if part.contains('/') => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return None;
        }
        for n in (from..=to).step_by(step as usize) {
            set |= 1 << n;
        }
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use schema::Time;
    use schema::clock::Zone;

    use super::*;

    fn holds(cron: &str, at: &str) -> bool {
        Cron::read(cron).unwrap().holds(Zone::default().fields(Time::parse(at).unwrap()))
    }

    #[test]
    fn the_usual_forms_are_read() {
        assert!(holds("0 8 * * *", "2025-10-11T08:00:30Z"));
        assert!(!holds("0 8 * * *", "2025-10-11T08:01:00Z"));
        assert!(holds("*/15 * * * *", "2025-10-11T08:45:00Z"));
        assert!(holds("5-10,30 9-17 * * 1-5", "2025-10-10T09:30:00Z"), "a Friday");
        assert!(!holds("5-10,30 9-17 * * 1-5", "2025-10-11T09:30:00Z"), "a Saturday");
        assert!(holds("0 0 * * 7", "2025-10-12T00:00:00Z"), "Sunday by its other number");
        assert!(holds("0 0 1 * 0", "2025-10-12T00:00:00Z"), "either day is enough");
        assert!(holds("10/20 * * * *", "2025-10-11T00:50:00Z"));
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "1,, * * * *",
        ] {
            assert_eq!(Cron::read(bad), None, "{bad}");
        }
    }
}

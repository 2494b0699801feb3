//! A span of time as people write it in a query.

use schema::service::setting;
use schema::{App, Error, Time};

/// A moment, or a day of the administrator's time zone and so many days on; an empty field is none.
pub fn moment(app: &App, field: &str, text: Option<&str>, days: i64) -> Result<Option<Time>, Error> {
    let Some(text) = text.map(str::trim).filter(|t| !t.is_empty()) else { return Ok(None) };
    let settings = setting::current(app);
    if let Some(day) = settings.zone().parse_date(text) {
        return Ok(Some(settings.zone().day_start(day, days)));
    }
    let at = Time::parse(text).ok_or_else(|| Error::invalid(field, format!("{field} must be a date")))?;
    Ok(Some(at))
}

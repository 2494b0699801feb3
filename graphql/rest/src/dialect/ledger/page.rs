//! This system's ways of asking for a page and a span of time.

use schema::page::Window;
use schema::{App, Error, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::dialect::moment;

/// `page` from 1 and `limit`.
#[derive(Clone, Copy, Deserialize)]
pub struct Paging {
    page: Option<i64>,
    limit: Option<i64>,
}

/// Most people on a page.
pub const MOST_USERS: i64 = 100;
/// Most rows of a log on a page.
pub const MOST_LOGS: i64 = 1000;

impl Paging {
    /// The window; more than `most` is refused.
    pub fn window(self, usual: i64, most: i64) -> Result<Window, Error> {
        Window::page(self.page.unwrap_or(1), self.limit.unwrap_or(usual), most)
    }
}

/// `{page, limit, total, totalPages}`.
pub fn pagination(window: Window, total: i64) -> Value {
    json!({
        "page": window.offset / window.limit + 1,
        "limit": window.limit,
        "total": total,
        "totalPages": (total + window.limit - 1) / window.limit,
    })
}

/// `startDate` and `endDate`: moments, or days of the administrator's time zone, the last one included.
#[derive(Clone, Deserialize)]
pub struct Span {
    #[serde(rename = "startDate")]
    start: Option<String>,
    #[serde(rename = "endDate")]
    end: Option<String>,
}

impl Span {
    pub fn from(&self, app: &App) -> Result<Option<Time>, Error> {
        moment(app, "startDate", self.start.as_deref(), 0)
    }
    pub fn until(&self, app: &App) -> Result<Option<Time>, Error> {
        moment(app, "endDate", self.end.as_deref(), 1)
    }
}

/// Days back that a `period` names.
pub fn days(period: Option<&str>) -> Result<i64, Error> {
    match period {
        None | Some("" | "7d") => Ok(7),
        Some("30d") => Ok(30),
        Some("90d") => Ok(90),
        Some(_) => Err(Error::invalid("period", "period must be 7d, 30d or 90d")),
    }
}

/// A word of a closed set in this system's capitals; nothing for nothing.
pub fn word<T>(field: &str, text: Option<&str>, parse: fn(&str) -> Option<T>) -> Result<Option<T>, Error> {
    let Some(text) = text.filter(|t| !t.is_empty()) else { return Ok(None) };
    let found = parse(&text.to_ascii_lowercase());
    found.map(Some).ok_or_else(|| Error::invalid(field, format!("{text} is no {field}")))
}

//! This system's ways of asking for a page, all understood everywhere.

use schema::page::Window;
use schema::{Error, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shape::Shape;

/// `p` from 1 (0 is taken for 1), and the size under any of its three names.
#[derive(Clone, Copy, Deserialize)]
pub struct Paging {
    p: Option<i64>,
    page_size: Option<i64>,
    ps: Option<i64>,
    size: Option<i64>,
}

impl Paging {
    /// The window; sizes over 100 are cut to 100, as this system does.
    pub fn window(self) -> Result<Window, Error> {
        let size = self.page_size.or(self.ps).or(self.size).filter(|n| *n > 0).unwrap_or(10).min(100);
        Window::page(self.p.unwrap_or(1).max(1), size, 100)
    }
    /// Whether a page was asked for at all.
    pub fn asked(self) -> bool {
        [self.p, self.page_size, self.ps, self.size].iter().any(Option::is_some)
    }
    /// The first page, as long as pages get.
    pub fn longest() -> Self {
        Self { p: None, page_size: Some(100), ps: None, size: None }
    }
    /// The deployed system's envelope of a list.
    pub fn envelope(self, window: Window, total: i64, items: Vec<Value>) -> Value {
        json!({
            "items": items,
            "total": total,
            "page": window.offset / window.limit + 1,
            "page_size": window.limit,
        })
    }
}

/// A number in a query, where an empty field is none, and so is what the pages make of a date that nobody chose.
pub fn number(field: &str, text: &Option<String>) -> Result<Option<i64>, Error> {
    let text = text.as_deref().map(str::trim).filter(|t| !t.is_empty() && *t != "NaN");
    let Some(text) = text else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Error::invalid(field, format!("{field} 必须为数字")))
}

/// A moment in seconds; 0 and an empty field are none.
pub fn moment(field: &str, text: &Option<String>) -> Result<Option<Time>, Error> {
    Ok(number(field, text)?.filter(|seconds| *seconds > 0).map(Time::from_seconds))
}

/// The number of a channel that is looked for; 0 is none. It is free text on the deployed system's pages, and that system
/// looks for no channel where it is no number.
pub fn channel(field: &str, text: &Option<String>, shape: Shape) -> Result<Option<i64>, Error> {
    match number(field, text) {
        Err(_) if shape == Shape::Deployed => Ok(None),
        found => Ok(found?.filter(|id| *id > 0)),
    }
}

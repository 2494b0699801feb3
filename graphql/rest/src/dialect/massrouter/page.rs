//! This system's numbered pages.

use schema::Error;
use schema::page::Window;
use serde::Deserialize;
use serde_json::{Value, json};

/// `page` from 1 and `limit`.
#[derive(Clone, Copy, Deserialize)]
pub struct Paging {
    page: Option<i64>,
    limit: Option<i64>,
}

impl Paging {
    /// The window; more than `most` is refused.
    pub fn window(self, usual: i64, most: i64) -> Result<Window, Error> {
        Window::page(self.page.unwrap_or(1), self.limit.unwrap_or(usual), most)
    }
}

/// A page of a list under its name.
pub fn paged(name: &str, rows: Vec<Value>, window: Window, total: i64) -> Value {
    json!({
        name: rows,
        "pagination": {
            "page": window.offset / window.limit + 1,
            "limit": window.limit,
            "total": total,
            "total_pages": (total + window.limit - 1) / window.limit,
        },
    })
}

//! Lists of channels: pages of them as documented; and as the deployed system's page of channels wants them,
//! with how many there are of each type, and on request tag by tag.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use schema::model::account::{AccountFilter, AccountOrder};
use schema::page::{Direction, Window};
use schema::service::account;
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::page::Paging;
use super::super::shape::Shape;
use super::super::{Caller, Query, Reply, data};
use super::{kinds, shown};

#[derive(Deserialize)]
pub struct ListQuery {
    keyword: Option<String>,
    group: Option<String>,
    model: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<i64>,
    id_sort: Option<String>,
    /// Whether a page is one of tags, each with all of its channels, instead of one of channels.
    tag_mode: Option<String>,
}

fn some(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty() && *t != "null").map(str::to_owned)
}

fn is_true(text: &Option<String>) -> bool {
    matches!(text.as_deref(), Some("true" | "1"))
}

impl ListQuery {
    fn order(&self) -> (AccountOrder, Direction) {
        let by = if is_true(&self.id_sort) { AccountOrder::CreatedAt } else { AccountOrder::Priority };
        (by, Direction::Desc)
    }
    /// Whether channels that serve, or those that do not, are meant.
    fn on(&self) -> Option<bool> {
        match self.status.as_deref() {
            Some("enabled" | "1") => Some(true),
            Some("disabled" | "0") => Some(false),
            _ => None,
        }
    }
}

/// The channels asked for.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    paging: Query<Paging>,
    query: Query<ListQuery>,
) -> Reply {
    let window = paging.0.window()?;
    if shape == Shape::Deployed {
        return Ok(data(deployed(&app, &caller, paging.0, window, &query.0).await?));
    }
    let query = query.0;
    let filter = AccountFilter {
        search: some(&query.keyword),
        user_group: some(&query.group),
        model: some(&query.model),
        enabled: query.on(),
        kinds: query.kind.filter(|n| *n > 0).map(|n| vec![kinds::kind(n)]).unwrap_or_default(),
        ..AccountFilter::default()
    };
    let page = account::pages(&app, &caller, &filter, query.order(), window).await?;
    Ok(data(page.rows.iter().map(shown).collect::<Vec<Value>>()))
}

/// A type, a status and a tag of this system are no columns of an account, and its page shows how many channels there
/// are of each type, not how many are on the page: all channels are looked through.
async fn deployed(
    app: &App,
    caller: &Caller,
    paging: Paging,
    window: Window,
    query: &ListQuery,
) -> Result<Value, Error> {
    let all = account::every(app, caller, &AccountFilter::default(), query.order(), account::PAGE).await?;
    let all: Vec<Value> = all.iter().map(shown).collect();
    let wanted = Wanted {
        keyword: some(&query.keyword).map(|k| k.to_lowercase()),
        group: some(&query.group),
        model: some(&query.model).map(|m| m.to_lowercase()),
    };
    let on = |row: &Value| query.on().is_none_or(|on| (row["status"] == 1) == on);
    let of_type = |row: &Value| query.kind.filter(|n| *n > 0).is_none_or(|kind| row["type"] == kind);
    let found: Vec<&Value> = all.iter().filter(|row| wanted.admits(row) && on(row)).collect();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for row in &found {
        *counts.entry(row["type"].to_string()).or_default() += 1;
    }
    let (total, items): (usize, Vec<Value>) = if is_true(&query.tag_mode) {
        // A tag is found with any of its channels, and shown with all of them that the other filters leave.
        let tags: BTreeSet<&str> = found.iter().filter(|row| of_type(row)).map(|row| tag(row)).collect();
        let tags: Vec<&str> = tags.into_iter().filter(|tag| !tag.is_empty()).collect();
        let mut rows = Vec::new();
        for name in page_of(&tags, window) {
            rows.extend(all.iter().filter(|row| tag(row) == *name && on(row) && of_type(row)).cloned());
        }
        (tags.len(), rows)
    } else {
        let rows: Vec<&Value> = found.into_iter().filter(|row| of_type(row)).collect();
        (rows.len(), page_of(&rows, window).iter().map(|row| (*row).clone()).collect())
    };
    let mut envelope = paging.envelope(window, i64::try_from(total).unwrap_or(i64::MAX), items);
    envelope["type_counts"] = json!(counts);
    Ok(envelope)
}

fn tag(row: &Value) -> &str {
    row["tag"].as_str().unwrap_or_default()
}

/// The window's part of a list.
fn page_of<T>(rows: &[T], window: Window) -> &[T] {
    let place = |n: i64| usize::try_from(n).unwrap_or(usize::MAX).min(rows.len());
    rows.get(place(window.offset)..place(window.offset.saturating_add(window.limit))).unwrap_or_default()
}

/// What is looked for, in lower case.
struct Wanted {
    keyword: Option<String>,
    group: Option<String>,
    model: Option<String>,
}

impl Wanted {
    /// A keyword is the number of a channel, or part of its name or address; a model is part of a model's name.
    fn admits(&self, row: &Value) -> bool {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_lowercase();
        self.keyword.as_ref().is_none_or(|k| {
            row["id"].as_i64().is_some_and(|id| k.parse() == Ok(id))
                || text("name").contains(k.as_str())
                || text("base_url").contains(k.as_str())
        }) && self.model.as_ref().is_none_or(|m| text("models").contains(m.as_str()))
            && self
                .group
                .as_ref()
                .is_none_or(|g| row["group"].as_str().unwrap_or_default().split(',').any(|of| of == g))
    }
}

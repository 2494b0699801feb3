//! Lists of channels: the rows alone as documented; and as the deployed system's page of channels wants them, with how
//! many there are of each type. Both on request tag by tag.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use schema::model::account::{Account, AccountFilter, AccountOrder};
use schema::page::{Direction, Window};
use schema::service::account;
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::page::{Paging, number};
use super::super::shape::Shape;
use super::super::{Caller, Query, Reply, data};
use super::{extra, shown};

#[derive(Deserialize)]
pub struct ListQuery {
    keyword: Option<String>,
    group: Option<String>,
    model: Option<String>,
    status: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    id_sort: Option<String>,
    /// Whether a page is one of tags, each with all of its channels, instead of one of channels.
    tag_mode: Option<String>,
}

fn some(text: &Option<String>) -> Option<String> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty() && *t != "null").map(str::to_owned)
}

fn is_true(text: &Option<String>) -> bool {
    text.as_deref().is_some_and(|text| matches!(text.to_ascii_lowercase().as_str(), "true" | "t" | "1"))
}

impl ListQuery {
    fn order(&self) -> (AccountOrder, Direction) {
        let by = if is_true(&self.id_sort) { AccountOrder::CreatedAt } else { AccountOrder::Priority };
        (by, Direction::Desc)
    }
    /// The numbers of a status that are meant: of channels that serve, or of those that do not, for either reason.
    fn statuses(&self) -> Result<&'static [i64], Error> {
        match some(&self.status).unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "all" | "-1" => Ok(&[1, 2, 3]),
            "enabled" | "1" => Ok(&[1]),
            "disabled" | "0" => Ok(&[2, 3]),
            "2" => Ok(&[2]),
            "3" => Ok(&[3]),
            _ => Err(Error::invalid("status", "没有这种状态")),
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
    let found = found(&app, &caller, window, &query.0).await?;
    if shape == Shape::Documented {
        return Ok(data(found.rows));
    }
    let mut envelope = paging.0.envelope(window, found.total, found.rows);
    envelope["type_counts"] = json!(found.counts);
    Ok(data(envelope))
}

/// A page of channels.
struct Found {
    rows: Vec<Value>,
    /// How many there are, of channels or of tags.
    total: i64,
    /// How many there are of each type.
    counts: BTreeMap<String, i64>,
}

/// A type, a status and a tag of this system are no columns of an account, and its page shows how many channels there
/// are of each type, not how many are on the page: all channels are looked through.
async fn found(app: &App, caller: &Caller, window: Window, query: &ListQuery) -> Result<Found, Error> {
    let kind = number("type", &query.kind)?.filter(|n| *n > 0);
    let statuses = query.statuses()?;
    let accounts = account::every(app, caller, &AccountFilter::default(), query.order(), account::PAGE).await?;
    let keyword = some(&query.keyword);
    let wanted = Wanted {
        opened_by: match &keyword {
            Some(secret) => account::opened_by(app, caller, &accounts, secret)?,
            None => Vec::new(),
        },
        keyword: keyword.map(|k| k.to_lowercase()),
        group: some(&query.group),
        model: some(&query.model).map(|m| m.to_lowercase()),
    };
    let all: Vec<Value> = accounts.iter().map(shown).collect();
    let on = |row: &Value| statuses.iter().any(|status| row["status"] == *status);
    let of_type = |row: &Value| kind.is_none_or(|kind| row["type"] == kind);
    let found: Vec<&Value> = all.iter().filter(|row| wanted.admits(row) && on(row)).collect();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for row in &found {
        *counts.entry(row["type"].to_string()).or_default() += 1;
    }
    let (total, mut rows): (usize, Vec<Value>) = if is_true(&query.tag_mode) {
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
    for row in &mut rows {
        let Some(channel) = accounts.iter().find(|account| row["id"] == account.id) else { continue };
        row["setting"] = setting(app, caller, channel);
    }
    Ok(Found { rows, total: i64::try_from(total).unwrap_or(i64::MAX), counts })
}

/// A channel's `setting`. One that cannot be opened is told by the channel itself and hides no others.
fn setting(app: &App, caller: &Caller, channel: &Account) -> Value {
    match extra::told(app, caller, channel) {
        Ok(text) => text.into(),
        Err(error) => {
            tracing::warn!(account = channel.id, cause = error.cause(), "a channel's proxy could not be opened");
            Value::Null
        }
    }
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
    /// The channels whose whole key the keyword is.
    opened_by: Vec<i64>,
    group: Option<String>,
    model: Option<String>,
}

impl Wanted {
    /// A keyword is the number or the key of a channel, or part of its name or address; a model is part of a model's
    /// name.
    fn admits(&self, row: &Value) -> bool {
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_lowercase();
        self.keyword.as_ref().is_none_or(|k| {
            row["id"].as_i64().is_some_and(|id| k.parse() == Ok(id) || self.opened_by.contains(&id))
                || text("name").contains(k.as_str())
                || text("base_url").contains(k.as_str())
        }) && self.model.as_ref().is_none_or(|m| text("models").contains(m.as_str()))
            && self
                .group
                .as_ref()
                .is_none_or(|g| row["group"].as_str().unwrap_or_default().split(',').any(|of| of == g))
    }
}

//! Asking for sums in the spans and groupings this face shows.

use std::collections::HashMap;

use schema::model::tally::{Apart, Tally, TallyFilter};
use schema::service::tally;
use schema::{Actor, App, Error};

use super::shape::Span;

/// Only this dimension.
pub const BY_KEY: Apart = Apart { hour: false, key: true, account: false, user: false, model: false };
pub const BY_ACCOUNT: Apart = Apart { hour: false, key: false, account: true, user: false, model: false };
pub const BY_MODEL: Apart = Apart { hour: false, key: false, account: false, user: false, model: true };
pub const BY_HOUR: Apart = Apart { hour: true, key: false, account: false, user: false, model: false };
pub const BY_HOUR_AND_KEY: Apart = Apart { hour: true, key: true, account: false, user: false, model: false };
pub const BY_HOUR_AND_ACCOUNT: Apart = Apart { hour: true, key: false, account: true, user: false, model: false };
pub const TOGETHER: Apart = Apart { hour: false, key: false, account: false, user: false, model: false };

/// A filter of one span over everything.
pub fn over(span: Span) -> TallyFilter {
    TallyFilter { from: span.from, until: span.until, keys: Vec::new(), accounts: Vec::new(), users: Vec::new() }
}

/// A filter of one span and some keys.
pub fn of_keys(span: Span, keys: &[i64]) -> TallyFilter {
    TallyFilter { keys: keys.to_vec(), ..over(span) }
}

/// A filter of one span and some accounts.
pub fn of_accounts(span: Span, accounts: &[i64]) -> TallyFilter {
    TallyFilter { accounts: accounts.to_vec(), ..over(span) }
}

/// Rows of sums.
pub async fn rows(app: &App, actor: &Actor, filter: &TallyFilter, apart: Apart) -> Result<Vec<Tally>, Error> {
    tally::of_all(app, actor, filter, apart).await
}

/// The sum of everything that a filter finds.
pub async fn total(app: &App, actor: &Actor, filter: &TallyFilter) -> Result<Tally, Error> {
    Ok(rows(app, actor, filter, TOGETHER).await?.into_iter().next().unwrap_or_default())
}

/// Sums by key; none for no keys.
pub async fn by_key(app: &App, actor: &Actor, span: Span, keys: &[i64]) -> Result<HashMap<i64, Tally>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = rows(app, actor, &of_keys(span, keys), BY_KEY).await?;
    Ok(rows.into_iter().map(|t| (t.key_id, t)).collect())
}

/// Sums by account; none for no accounts.
pub async fn by_account(app: &App, actor: &Actor, span: Span, ids: &[i64]) -> Result<HashMap<i64, Tally>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = rows(app, actor, &of_accounts(span, ids), BY_ACCOUNT).await?;
    Ok(rows.into_iter().map(|t| (t.account_id, t)).collect())
}

/// All of them in one.
pub fn together<'a>(rows: impl IntoIterator<Item = &'a Tally>) -> Tally {
    rows.into_iter().fold(Tally::default(), |mut sum, row| {
        sum.add(row);
        sum
    })
}

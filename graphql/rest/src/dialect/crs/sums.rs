//! Asking the reports for the spans and groups this face shows.

use std::collections::HashMap;

use schema::service::report::{self, Dimension, Slice, Sums};
use schema::{Actor, App, Error};

use super::shape::Span;

/// Everybody's calls in a span.
pub fn over(span: Span) -> Slice {
    span.range().of(&Slice::default())
}

/// Some keys' calls in a span.
pub fn of_keys(span: Span, keys: &[i64]) -> Slice {
    Slice { keys: Some(keys.to_vec()), ..over(span) }
}

/// Some accounts' calls in a span.
pub fn of_accounts(span: Span, accounts: &[i64]) -> Slice {
    Slice { accounts: Some(accounts.to_vec()), ..over(span) }
}

/// What each of some keys or accounts was used for, in each of some spans.
pub struct Used(HashMap<i64, Vec<Sums>>);

impl Used {
    /// Asks, in one statement.
    pub async fn of(app: &App, actor: &Actor, by: Dimension, ids: &[i64], spans: &[Span]) -> Result<Self, Error> {
        let ranges: Vec<report::Range> = spans.iter().map(Span::range).collect();
        Ok(Self(report::totals_of(app, actor, by, ids, &ranges).await?))
    }
    /// What one was used for in the span of a number.
    pub fn in_span(&self, id: i64, span: usize) -> Sums {
        self.0.get(&id).and_then(|spans| spans.get(span)).copied().unwrap_or_default()
    }
    /// What all were used for in the span of a number.
    pub fn together(&self, span: usize) -> Sums {
        self.0.values().filter_map(|spans| spans.get(span)).fold(Sums::default(), add)
    }
    /// How many were called at all in the span of a number.
    pub fn active(&self, span: usize) -> usize {
        self.0.values().filter_map(|spans| spans.get(span)).filter(|s| s.requests > 0).count()
    }
}

fn add(mut sum: Sums, other: &Sums) -> Sums {
    sum.add(other);
    sum
}

/// All of them in one.
pub fn together<'a>(rows: impl IntoIterator<Item = &'a Sums>) -> Sums {
    rows.into_iter().fold(Sums::default(), add)
}

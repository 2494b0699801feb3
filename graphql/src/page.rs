//! Relay connections over the services' keyset pages: one generic connection for every list, whose count
//! is worked out only when it is selected.

use std::borrow::Cow;

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, Object, OutputType, SimpleObject, TypeName};
use futures_util::future::BoxFuture;
use schema::model::nested::Nested;
use schema::page::{Cursor, Direction, Page, Seek};
use schema::service::nested::OwnersList;
use schema::{Actor, App, Error};

use crate::context::Reach;
use crate::fault::Result;
use crate::loader::{CountOf, LengthOf, Loaders};
use crate::scalar::BigInt;

/// The most rows of one page.
pub const MOST: i32 = 100;
const DEFAULT: i32 = 20;

/// Which way a list runs.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug, Default)]
pub enum OrderDirection {
    /// Small to large, old to new.
    Asc,
    /// Large to small, new to old.
    #[default]
    Desc,
}

impl From<OrderDirection> for Direction {
    fn from(direction: OrderDirection) -> Self {
        match direction {
            OrderDirection::Asc => Self::Asc,
            OrderDirection::Desc => Self::Desc,
        }
    }
}

/// Reads the four paging arguments; refuses what makes no sense rather than guess.
pub fn seek(first: Option<i32>, after: Option<String>, last: Option<i32>, before: Option<String>) -> Result<Seek> {
    let (size, backward) = match (first, last) {
        (Some(_), Some(_)) => return Err(Error::invalid("first", "give first or last, not both").into()),
        (None, Some(last)) => (("last", last), true),
        (first, None) => (("first", first.unwrap_or(DEFAULT)), false),
    };
    if !(1..=MOST).contains(&size.1) {
        return Err(Error::invalid(size.0, format!("{} must be between 1 and {MOST}", size.0)).into());
    }
    let cursor = match (backward, after, before) {
        (false, after, None) => after,
        (true, None, before) => before,
        _ => return Err(Error::invalid("after", "after goes with first, before with last").into()),
    };
    Ok(Seek { take: i64::from(size.1), after: cursor.as_deref().map(Cursor::decode).transpose()?, backward })
}

/// How many a report lists: within 1..=100, 20 when nothing is said.
pub fn limit(first: Option<i32>) -> Result<i64> {
    match first.unwrap_or(DEFAULT) {
        n if (1..=MOST).contains(&n) => Ok(i64::from(n)),
        _ => Err(Error::invalid("first", format!("first must be between 1 and {MOST}")).into()),
    }
}

/// How a whole list is counted.
enum Count {
    /// By the service that lists it.
    By(Box<dyn Fn(App, Actor) -> BoxFuture<'static, schema::Result<i64>> + Send + Sync>),
    /// With the same lists of other owners.
    Of(Nested, i64),
    /// With the same lists of other owners, as they were asked for.
    Batched(Box<dyn for<'a> Fn(&'a Loaders) -> BoxFuture<'a, schema::Result<i64>> + Send + Sync>),
}

/// One page of a list.
pub struct Connection<T: OutputType> {
    edges: Vec<Edge<T>>,
    has_next: bool,
    has_previous: bool,
    count: Option<Count>,
}

/// One row of a list and its place in it.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub struct Edge<T: OutputType> {
    /// Its place, for `after` and `before`.
    pub cursor: String,
    /// The row.
    pub node: T,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// One page of a list.
#[Object(name_type)]
impl<T: OutputType> Connection<T> {
    /// The rows with their places.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }
    /// The rows alone.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }
    /// Whether and where the list goes on.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_next,
            start_cursor: self.edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: self.edges.last().map(|edge| edge.cursor.clone()),
        }
    }
    /// How many rows there are on all pages. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        let counted = match self.count.as_ref()? {
            Count::By(count) => count(ctx.app().clone(), ctx.actor().clone()).await,
            Count::Of(list, owner) => {
                let key = CountOf { list: *list, owner: *owner };
                ctx.loaders().load_one(key).await.map(Option::unwrap_or_default)
            }
            Count::Batched(count) => count(ctx.loaders()).await,
        };
        Some(counted.map(BigInt).map_err(Into::into))
    }
}

/// A page as a connection. `cursor` gives each row's place, `wrap` its object.
pub fn connection<R, T: OutputType>(
    page: Page<R>,
    cursor: impl Fn(&R) -> Cursor,
    wrap: impl Fn(R) -> T,
) -> Connection<T> {
    let edges = page.rows.into_iter().map(|row| Edge { cursor: cursor(&row).encode(), node: wrap(row) }).collect();
    Connection { edges, has_next: page.has_next, has_previous: page.has_previous, count: None }
}

impl<T: OutputType> Connection<T> {
    /// The same page of a list that can be counted.
    pub fn counted(
        mut self,
        count: impl Fn(App, Actor) -> BoxFuture<'static, schema::Result<i64>> + Send + Sync + 'static,
    ) -> Self {
        self.count = Some(Count::By(Box::new(count)));
        self
    }

    /// The same page of an owner's list, counted with those of other owners.
    pub fn counted_of(mut self, list: Nested, owner: i64) -> Self {
        self.count = Some(Count::Of(list, owner));
        self
    }
}

impl<T: OutputType> Connection<T> {
    /// The same page of an owner's list, counted with those of other owners by what it was asked for.
    pub fn counted_with<L: OwnersList>(mut self, list: L, owner: i64) -> Self {
        self.count = Some(Count::Batched(Box::new(move |loaders| {
            let key = LengthOf { list: list.clone(), owner };
            Box::pin(async move { loaders.load_one(key).await.map(Option::unwrap_or_default) })
        })));
        self
    }
}

/// The counting of a list by the service function that counts with the list's filter.
#[macro_export]
macro_rules! count_by {
    ($count:path, $filter:expr) => {{
        let filter = std::sync::Arc::new($filter);
        move |app: schema::App, actor: schema::Actor| {
            let filter = filter.clone();
            Box::pin(async move { $count(&app, &actor, &filter).await })
                as futures_util::future::BoxFuture<'static, schema::Result<i64>>
        }
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(first: Option<i32>, after: Option<&str>, last: Option<i32>, before: Option<&str>) -> bool {
        match seek(first, after.map(str::to_owned), last, before.map(str::to_owned)) {
            Err(fault) => fault.0.code() == "BAD_USER_INPUT",
            Ok(_) => false,
        }
    }

    #[test]
    fn pages_beyond_sense_are_refused() {
        let here = Cursor { key: schema::page::CursorKey::Number(5), id: 1 }.encode();
        for size in [0, -1, 101, i32::MAX] {
            assert!(refused(Some(size), None, None, None));
            assert!(refused(None, None, Some(size), None));
        }
        assert!(refused(Some(1), None, Some(1), None));
        assert!(refused(Some(1), None, None, Some(&here)));
        assert!(refused(None, Some(&here), Some(1), None));
        assert!(refused(None, Some("garbage"), None, None));
        let whole = seek(None, None, None, None).unwrap();
        assert_eq!((whole.take, whole.backward), (20, false));
        let back = seek(None, None, Some(100), Some(here)).unwrap();
        assert_eq!((back.take, back.backward, back.after.is_some()), (100, true, true));
    }
}

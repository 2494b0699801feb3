//! Relay connections over the services' keyset pages.

use async_graphql::connection::{Connection, Edge, EmptyFields};
use async_graphql::{InputObject, OutputType};
use schema::Error;
use schema::page::{Cursor, Page, Seek};

use crate::fault::Result;

/// The most rows of one page.
pub const MOST: i32 = 100;
const DEFAULT: i32 = 20;

/// Which page of a list.
#[derive(InputObject, Clone, Debug, Default)]
pub struct PageInput {
    /// This many from the start; 1 to 100, 20 when neither first nor last is given.
    pub first: Option<i32>,
    /// After this cursor.
    pub after: Option<String>,
    /// This many from the end; 1 to 100.
    pub last: Option<i32>,
    /// Before this cursor.
    pub before: Option<String>,
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

/// A page as a connection. `cursor` gives each row's place, `wrap` its object.
pub fn connection<R, T, C>(
    page: Page<R>,
    extra: C,
    cursor: impl Fn(&R) -> Cursor,
    wrap: impl Fn(R) -> T,
) -> Connection<String, T, C>
where
    T: OutputType,
    C: async_graphql::ObjectType,
{
    let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, extra);
    connection.edges.extend(page.rows.into_iter().map(|row| {
        let at = cursor(&row).encode();
        Edge::<String, T, EmptyFields>::new(at, wrap(row))
    }));
    connection
}

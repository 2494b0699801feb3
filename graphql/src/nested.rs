//! Lists inside lists, for all owners of an answer together: the first page of a list as it stands
//! ([`newest`]), or whatever was asked for by a filter, an order or a cursor ([`page`]).

use std::hash::Hash;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, OutputType};
use schema::Error;
use schema::model::nested::Nested;
use schema::page::{Cursor, Page, Seek};
use schema::service::nested::OwnersList;

use crate::context::Reach;
use crate::fault::Result;
use crate::loader::{Db, FirstIds, NewestOf, PageOf};
use crate::page::{Connection, connection};

/// True for the first page of a list as it stands.
pub fn is_first(seek: &Result<Seek>) -> bool {
    matches!(seek, Ok(seek) if seek.after.is_none() && !seek.backward)
}

/// The first page of an owner's list; `key` asks for a row by its id, `cursor` gives a row's place.
pub async fn newest<K, R, T>(
    ctx: &Context<'_>,
    list: Nested,
    owner: i64,
    take: i64,
    key: fn(i64) -> K,
    cursor: impl Fn(&R) -> Cursor,
) -> Result<Connection<T>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Db: Loader<K, Value = R, Error = Error>,
    T: From<R> + OutputType,
{
    let page = ids(ctx, NewestOf { list, owner, take }).await?;
    let keys: Vec<K> = page.ids.into_iter().map(key).collect();
    let mut found = ctx.loaders().load_many(keys.clone()).await?;
    let rows = keys.iter().filter_map(|key| found.remove(key)).collect();
    let page = Page { rows, has_next: page.has_next, has_previous: false };
    Ok(connection(page, cursor, T::from).counted_of(list, owner))
}

/// A page of an owner's list as it was asked for.
pub async fn page<L: OwnersList, T>(
    ctx: &Context<'_>,
    list: L,
    owner: i64,
    seek: Seek,
    cursor: impl Fn(&L::Row) -> Cursor,
) -> Result<Connection<T>>
where
    T: From<L::Row> + OutputType,
{
    let page = ctx.loaders().load_one(PageOf { list: list.clone(), owner, seek }).await?;
    let page = page.unwrap_or(Page { rows: Vec::new(), has_next: false, has_previous: false });
    Ok(connection(page, cursor, T::from).counted_with(list, owner))
}

async fn ids(ctx: &Context<'_>, of: NewestOf) -> Result<FirstIds> {
    Ok(ctx.loaders().load_one(of).await?.unwrap_or_default())
}

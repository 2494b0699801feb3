//! Batched loading, fresh for each request (one user's rows never reach another through it).
//!
//! One loader, one method a kind of key: everything asked for in the same turn becomes one statement.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use schema::model::user::User;
use schema::{App, Error};

use crate::context::Reach;
use crate::fault::Result;

/// This request's loader.
pub type Loaders = DataLoader<Db>;

/// Reads from the database.
pub struct Db(App);

/// A fresh loader.
pub fn loaders(app: &App) -> Loaders {
    // No waiting: what is asked for in one turn of the executor is together already.
    DataLoader::new(Db(app.clone()), TokioSpawner::current(), TokioTimer::default()).delay(Duration::ZERO)
}

/// Loads one thing and shows it; null when it is gone.
pub async fn one<K, T>(ctx: &Context<'_>, key: K) -> Option<Result<T>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Db: Loader<K, Error = Error>,
    T: From<<Db as Loader<K>>::Value>,
{
    match ctx.loaders().load_one(key).await {
        Ok(row) => row.map(|row| Ok(row.into())),
        Err(error) => Some(Err(error.into())),
    }
}

/// A loader of rows by their ids: the key, the row, and how a key is made of a row.
macro_rules! by_id {
    ($(#[$meta:meta])* $key:ident($id:ty), $row:ty) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $key(pub $id);

        impl Loader<$key> for Db {
            type Value = $row;
            type Error = Error;

            async fn load(&self, keys: &[$key]) -> std::result::Result<HashMap<$key, $row>, Error> {
                let ids: Vec<$id> = keys.iter().map(|k| k.0.clone()).collect();
                let mut conn = self.0.db.conn().await?;
                let rows = <$row>::by_ids(&mut conn, &ids).await?;
                Ok(rows.into_iter().map(|row| ($key(row.id.clone()), row)).collect())
            }
        }
    };
}

by_id! {
    /// A person by id.
    UserById(i64), User
}

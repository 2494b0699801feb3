//! Batched loading, fresh for each request (one user's rows never reach another through it).
//!
//! One loader, one method a kind of key: everything asked for in the same turn becomes one statement.

use std::collections::HashMap;
use std::time::Duration;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use schema::model::user::User;
use schema::{App, Error};

/// This request's loader.
pub type Loaders = DataLoader<Db>;

/// Reads from the database.
pub struct Db(App);

/// A fresh loader.
pub fn loaders(app: &App) -> Loaders {
    // No waiting: what is asked for in one turn of the executor is together already.
    DataLoader::new(Db(app.clone()), TokioSpawner::current(), TokioTimer::default()).delay(Duration::ZERO)
}

/// A user's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserById(pub i64);

impl Loader<UserById> for Db {
    type Value = User;
    type Error = Error;

    async fn load(&self, keys: &[UserById]) -> Result<HashMap<UserById, User>, Error> {
        let ids: Vec<i64> = keys.iter().map(|k| k.0).collect();
        let mut conn = self.0.db.conn().await?;
        let rows = User::by_ids(&mut conn, &ids).await?;
        Ok(rows.into_iter().map(|u| (UserById(u.id), u)).collect())
    }
}

//! Batched loading, fresh for each request (one user's rows never reach another through it).
//!
//! One loader, one method a kind of key: everything asked for in the same turn becomes one statement.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use schema::model::account::Account;
use schema::model::account_group::AccountGroup;
use schema::model::api_key::{ApiKey, BoundTo};
use schema::model::card::Card;
use schema::model::plan::Plan;
use schema::model::user::User;
use schema::service::{account, account_group, announcement};
use schema::{Actor, App, Error};

use crate::context::Reach;
use crate::fault::Result;

/// This request's loader.
pub type Loaders = DataLoader<Db>;

/// Reads for one caller.
pub struct Db {
    app: App,
    actor: Actor,
}

/// A fresh loader.
pub fn loaders(app: &App, actor: &Actor) -> Loaders {
    // No waiting: what is asked for in one turn of the executor is together already.
    let db = Db { app: app.clone(), actor: actor.clone() };
    DataLoader::new(db, TokioSpawner::current(), TokioTimer::default()).delay(Duration::ZERO)
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
                let mut conn = self.app.db.conn().await?;
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
by_id! {
    /// A key by id.
    ApiKeyById(i64), ApiKey
}
by_id! {
    /// An account by id.
    AccountById(i64), Account
}
by_id! {
    /// An account group by id.
    AccountGroupById(i64), AccountGroup
}
by_id! {
    /// A plan by id; the deleted too, for whoever is still on one.
    PlanById(i64), Plan
}
by_id! {
    /// A card by id.
    CardById(i64), Card
}

/// A loader of what a service tells of many things at once.
macro_rules! by_service {
    ($(#[$meta:meta])* $key:ident, $value:ty, |$db:ident, $ids:ident| $load:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $key(pub i64);

        impl Loader<$key> for Db {
            type Value = $value;
            type Error = Error;

            async fn load(&self, keys: &[$key]) -> std::result::Result<HashMap<$key, $value>, Error> {
                let $db = self;
                let $ids: Vec<i64> = keys.iter().map(|k| k.0).collect();
                let found = $load;
                Ok(found.into_iter().map(|(id, value)| ($key(id), value)).collect())
            }
        }
    };
}

by_service! {
    /// The groups of an account.
    GroupsOfAccount, Vec<AccountGroup>, |db, ids| account::groups_of(&db.app, &db.actor, &ids).await?
}
by_service! {
    /// The accounts of a group.
    MembersOfGroup, Vec<i64>, |db, ids| account_group::members(&db.app, &db.actor, &ids).await?
}
by_service! {
    /// How many keys are bound to an account.
    KeysBoundToAccount, i64, |db, ids| {
        let counts = account::bound_keys(&db.app, &db.actor).await?;
        ids.into_iter().map(move |id| (id, counts.get(&BoundTo::Account(id)).copied().unwrap_or_default()))
    }
}
by_service! {
    /// There when the person who asks has read an announcement.
    ReadByMe, (), |db, ids| {
        announcement::read_by_me(&db.app, &db.actor, &ids).await?.into_iter().map(|id| (id, ()))
    }
}
by_service! {
    /// How many people have read an announcement.
    ReadsOf, i64, |db, ids| announcement::read_counts(&db.app, &db.actor, &ids).await?
}

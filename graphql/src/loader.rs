//! Batched loading, fresh for each request (one user's rows never reach another through it).
//!
//! One loader, one method a kind of key: everything a level of the answer asks for becomes one statement
//! (see [`crate::progress`]).

use std::collections::HashMap;
use std::hash::Hash;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use schema::model::account::Account;
use schema::model::account_event::AccountEvent;
use schema::model::account_group::AccountGroup;
use schema::model::api_key::{ApiKey, BoundTo};
use schema::model::card::{Card, Redemption};
use schema::model::ledger::LedgerEntry;
use schema::model::nested::Nested;
use schema::model::order::Order;
use schema::model::plan::Plan;
use schema::model::subscription::Subscription;
use schema::model::task::Task;
use schema::model::usage::CallContent;
use schema::model::user::User;
use schema::page::{Page, Seek};
use schema::service::nested::OwnersList;
use schema::service::report::{self, Dimension, Sums};
use schema::service::subscription::{self, Held};
use schema::service::{account, account_group, announcement, nested, usage};
use schema::{Actor, App, Error};

use crate::api::usage::UsagePeriod;
use crate::context::Reach;
use crate::fault::Result;
use crate::progress::Progress;

/// This request's loader.
pub type Loaders = DataLoader<Db>;

/// The most keys of one statement: more than an answer may hold rows, fewer than a statement may hold values.
const MOST_KEYS: usize = 20_000;

/// Reads for one caller.
pub struct Db {
    app: App,
    actor: Actor,
}

/// A fresh loader, whose batches leave as a request's progress has it.
pub fn loaders(app: &App, actor: &Actor, progress: &Progress) -> Loaders {
    let db = Db { app: app.clone(), actor: actor.clone() };
    DataLoader::new(db, progress.clone(), progress.clone()).max_batch_size(MOST_KEYS)
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

by_id! {
    /// An order by its row.
    OrderById(i64), Order
}
by_id! {
    /// A subscription by id.
    SubscriptionById(i64), Subscription
}
by_id! {
    /// A wallet's entry by id.
    LedgerEntryById(i64), LedgerEntry
}
by_id! {
    /// A redemption by id.
    RedemptionById(i64), Redemption
}
by_id! {
    /// A change of an account's health by id.
    AccountEventById(i64), AccountEvent
}
by_id! {
    /// A task by its row.
    TaskById(i64), Task
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
by_service! {
    /// Who has read an announcement, day by day.
    StatsOfAnnouncement, announcement::Stats, |db, ids| announcement::stats_of(&db.app, &db.actor, &ids).await?
}
by_service! {
    /// What a person is on now.
    HeldBy, Held, |db, ids| subscription::current_of(&db.app, &db.actor, &ids).await?
}

/// What was said in a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentOfCall(pub String);

impl Loader<ContentOfCall> for Db {
    type Value = CallContent;
    type Error = Error;

    async fn load(&self, keys: &[ContentOfCall]) -> std::result::Result<HashMap<ContentOfCall, CallContent>, Error> {
        let ids: Vec<String> = keys.iter().map(|k| k.0.clone()).collect();
        let found = usage::contents(&self.app, &self.actor, &ids).await?;
        Ok(found.into_iter().map(|(id, content)| (ContentOfCall(id), content)).collect())
    }
}

/// What a key, an account or a person used within a span.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UsageOf {
    pub by: Dimension,
    pub id: i64,
    pub period: UsagePeriod,
}

impl Loader<UsageOf> for Db {
    type Value = Sums;
    type Error = Error;

    async fn load(&self, keys: &[UsageOf]) -> std::result::Result<HashMap<UsageOf, Sums>, Error> {
        let mut asked: HashMap<Dimension, (Vec<i64>, Vec<UsagePeriod>)> = HashMap::new();
        for key in keys {
            let (ids, periods) = asked.entry(key.by).or_default();
            if !ids.contains(&key.id) {
                ids.push(key.id);
            }
            if !periods.contains(&key.period) {
                periods.push(key.period);
            }
        }
        let mut sums = HashMap::new();
        for (by, (ids, periods)) in asked {
            let ranges: Vec<_> = periods.iter().map(|p| report::range(&self.app, (*p).into())).collect();
            for (id, found) in report::totals_of(&self.app, &self.actor, by, &ids, &ranges).await? {
                sums.extend(periods.iter().zip(found).map(|(period, s)| (UsageOf { by, id, period: *period }, s)));
            }
        }
        Ok(sums)
    }
}

/// The newest rows of an owner's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewestOf {
    pub list: Nested,
    pub owner: i64,
    pub take: i64,
}

/// The ids of a first page.
#[derive(Clone, Debug, Default)]
pub struct FirstIds {
    pub ids: Vec<i64>,
    pub has_next: bool,
}

impl Loader<NewestOf> for Db {
    type Value = FirstIds;
    type Error = Error;

    async fn load(&self, keys: &[NewestOf]) -> std::result::Result<HashMap<NewestOf, FirstIds>, Error> {
        let mut asked: HashMap<(Nested, i64), Vec<i64>> = HashMap::new();
        for key in keys {
            asked.entry((key.list, key.take)).or_default().push(key.owner);
        }
        let mut pages = HashMap::new();
        for ((list, take), owners) in asked {
            for (owner, page) in nested::newest(&self.app, &self.actor, list, &owners, take).await? {
                pages.insert(NewestOf { list, owner, take }, FirstIds { ids: page.rows, has_next: page.has_next });
            }
        }
        Ok(pages)
    }
}

/// How long an owner's list is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CountOf {
    pub list: Nested,
    pub owner: i64,
}

impl Loader<CountOf> for Db {
    type Value = i64;
    type Error = Error;

    async fn load(&self, keys: &[CountOf]) -> std::result::Result<HashMap<CountOf, i64>, Error> {
        let mut asked: HashMap<Nested, Vec<i64>> = HashMap::new();
        for key in keys {
            asked.entry(key.list).or_default().push(key.owner);
        }
        let mut counts = HashMap::new();
        for (list, owners) in asked {
            let found = nested::counts(&self.app, &self.actor, list, &owners).await?;
            counts.extend(found.into_iter().map(|(owner, count)| (CountOf { list, owner }, count)));
        }
        Ok(counts)
    }
}

/// A page of an owner's list, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageOf<L> {
    pub list: L,
    pub owner: i64,
    pub seek: Seek,
}

impl<L: OwnersList> Loader<PageOf<L>> for Db {
    type Value = Page<L::Row>;
    type Error = Error;

    async fn load(&self, keys: &[PageOf<L>]) -> std::result::Result<HashMap<PageOf<L>, Page<L::Row>>, Error> {
        let mut asked: HashMap<(&L, &Seek), Vec<i64>> = HashMap::new();
        for key in keys {
            asked.entry((&key.list, &key.seek)).or_default().push(key.owner);
        }
        let mut found = HashMap::new();
        for ((list, seek), owners) in asked {
            let pages = list.pages(&self.app, &self.actor, &owners, seek).await?;
            let key = |owner| PageOf { list: list.clone(), owner, seek: seek.clone() };
            found.extend(pages.into_iter().map(|(owner, page)| (key(owner), page)));
        }
        Ok(found)
    }
}

/// How long an owner's list is, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LengthOf<L> {
    pub list: L,
    pub owner: i64,
}

impl<L: OwnersList> Loader<LengthOf<L>> for Db {
    type Value = i64;
    type Error = Error;

    async fn load(&self, keys: &[LengthOf<L>]) -> std::result::Result<HashMap<LengthOf<L>, i64>, Error> {
        let mut asked: HashMap<&L, Vec<i64>> = HashMap::new();
        for key in keys {
            asked.entry(&key.list).or_default().push(key.owner);
        }
        let mut found = HashMap::new();
        for (list, owners) in asked {
            let counts = list.counts(&self.app, &self.actor, &owners).await?;
            let key = |owner| LengthOf { list: list.clone(), owner };
            found.extend(counts.into_iter().map(|(owner, count)| (key(owner), count)));
        }
        Ok(found)
    }
}

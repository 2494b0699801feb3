//! Lists of many owners as somebody asked for them: which rows, in which order, from where on.

use std::collections::HashMap;
use std::hash::Hash;

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::Result;
use crate::model::account_event::AccountEvent;
use crate::model::api_key::{ApiKey, KeyFilter, KeyOrder};
use crate::model::card::{Redemption, RedemptionFilter};
use crate::model::ledger::{LedgerEntry, LedgerFilter};
use crate::model::nested::{self, Nested};
use crate::model::order::{Order, OrderFilter, OrderOrder};
use crate::model::subscription::{Subscription, SubscriptionFilter};
use crate::page::{Direction, Page, Seek};
use crate::service::api_key;

/// The most owners of one statement, which grows with them.
const OWNERS: usize = 100;

/// A list that hangs on an owner. Whose it is, is said when it is read: for many at once.
pub trait OwnersList: Clone + Eq + Hash + Send + Sync + 'static {
    /// A row of it.
    type Row: Clone + Send + Sync + 'static;

    /// The same page of each owner's list; every owner is in the answer.
    fn pages(
        &self,
        app: &App,
        actor: &Actor,
        owners: &[i64],
        seek: &Seek,
    ) -> impl Future<Output = Result<HashMap<i64, Page<Self::Row>>>> + Send;

    /// How many rows each owner's list has.
    fn counts(
        &self,
        app: &App,
        actor: &Actor,
        owners: &[i64],
    ) -> impl Future<Output = Result<HashMap<i64, i64>>> + Send;
}

/// Rows as their owners' pages; each owner's rows come in the order they were read in.
fn by_owner<R>(owners: &[i64], rows: Vec<R>, owner: fn(&R) -> i64, seek: &Seek) -> HashMap<i64, Page<R>> {
    let mut lists: HashMap<i64, Vec<R>> = owners.iter().map(|owner| (*owner, Vec::new())).collect();
    for row in rows {
        if let Some(list) = lists.get_mut(&owner(&row)) {
            list.push(row);
        }
    }
    lists.into_iter().map(|(owner, rows)| (owner, Page::cut(rows, seek))).collect()
}

/// A person's list: what it holds, how one owner's filter is made of it and who may see that, and how it is read.
macro_rules! persons_list {
    (
        $(#[$meta:meta])* $name:ident { filter: $filter:ty $(, $order:ident: $order_type:ty)? }, $row:ty,
        |$actor:ident, $wanted:ident| $seen:expr
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name {
            /// Which of them; nobody's in particular.
            pub filter: $filter,
            $(
                /// In this order.
                pub $order: $order_type,
            )?
        }

        impl $name {
            /// The filter of each owner.
            fn filters(&self, $actor: &Actor, owners: &[i64]) -> Result<Vec<$filter>> {
                let each = |owner: &i64| {
                    $actor.owns_or_admin(*owner, "user")?;
                    let mut $wanted = self.filter.clone();
                    $wanted.user_id = Some(*owner);
                    $seen
                };
                owners.iter().map(each).collect()
            }
        }

        impl OwnersList for $name {
            type Row = $row;

            async fn pages(
                &self,
                app: &App,
                actor: &Actor,
                owners: &[i64],
                seek: &Seek,
            ) -> Result<HashMap<i64, Page<$row>>> {
                let mut rows = Vec::new();
                let mut conn = app.db.conn().await?;
                for filters in self.filters(actor, owners)?.chunks(OWNERS) {
                    rows.extend(<$row>::seek_each(&mut conn, filters, $(self.$order,)? seek).await?);
                }
                Ok(by_owner(owners, rows, |row| row.user_id, seek))
            }

            async fn counts(&self, app: &App, actor: &Actor, owners: &[i64]) -> Result<HashMap<i64, i64>> {
                let mut counts = HashMap::new();
                let mut conn = app.db.conn().await?;
                for filters in self.filters(actor, owners)?.chunks(OWNERS) {
                    counts.extend(<$row>::count_each(&mut conn, filters).await?);
                }
                Ok(counts)
            }
        }
    };
}

persons_list! {
    /// A person's keys.
    Keys { filter: KeyFilter, order: (KeyOrder, Direction) }, ApiKey, |actor, filter| api_key::seen_by(actor, &filter)
}
persons_list! {
    /// A person's orders.
    Orders { filter: OrderFilter, order: (OrderOrder, Direction) }, Order, |actor, filter| Ok(filter)
}
persons_list! {
    /// A person's subscriptions.
    Subscriptions { filter: SubscriptionFilter, order: Direction }, Subscription, |actor, filter| Ok(filter)
}
persons_list! {
    /// What moved a person's wallet, newest first.
    LedgerEntries { filter: LedgerFilter }, LedgerEntry, |actor, filter| Ok(filter)
}
persons_list! {
    /// The cards a person redeemed.
    CardRedemptions { filter: RedemptionFilter, order: Direction }, Redemption, |actor, filter| Ok(filter)
}

/// What happened to an account's health, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccountEvents;

impl OwnersList for AccountEvents {
    type Row = AccountEvent;

    async fn pages(
        &self,
        app: &App,
        actor: &Actor,
        owners: &[i64],
        seek: &Seek,
    ) -> Result<HashMap<i64, Page<AccountEvent>>> {
        actor.may(Act::ViewAll)?;
        let mut rows = Vec::new();
        let mut conn = app.db.conn().await?;
        for owners in owners.chunks(OWNERS) {
            let owners: Vec<_> = owners.iter().copied().map(Some).collect();
            rows.extend(AccountEvent::seek_each(&mut conn, &owners, seek).await?);
        }
        Ok(by_owner(owners, rows, |row| row.account_id, seek))
    }

    async fn counts(&self, app: &App, actor: &Actor, owners: &[i64]) -> Result<HashMap<i64, i64>> {
        actor.may(Act::ViewAll)?;
        let mut conn = app.db.conn().await?;
        let counts = nested::counts(&mut conn, Nested::EventsOfAccount, owners).await?;
        Ok(counts.into_iter().map(|row| (row.owner, row.figure)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Micros;
    use crate::page::{Cursor, CursorKey};
    use crate::service::wallet;
    use crate::testing::TestApp;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_owner_has_the_page_they_would_have_alone() {
        let t = TestApp::new().await;
        let root = t.admin().await;
        let (ann, bob) = (t.user("ann").await, t.user("bob").await);
        let (a, b) = (ann.user_id.expect("an id"), bob.user_id.expect("an id"));
        for (user, times) in [(a, 4), (b, 2), (a, 1)] {
            for n in 0..times {
                wallet::adjust(&t, &root, user, Micros(n + 1), "", None).await.expect("moved");
            }
        }
        let lists = [
            LedgerEntries::default(),
            LedgerEntries {
                filter: LedgerFilter { kinds: vec![crate::model::ledger::EntryKind::Adjustment], ..Default::default() },
            },
        ];
        let all = wallet::entries(&t, &root, &LedgerFilter::default(), &Seek { take: 100, ..Seek::default() }).await;
        let middle = all.expect("entries").rows[3].id;
        let cursor = Cursor { key: CursorKey::Number(middle), id: middle };
        for list in lists {
            for (after, backward) in
                [(None, false), (None, true), (Some(cursor.clone()), false), (Some(cursor.clone()), true)]
            {
                let seek = Seek { take: 2, after, backward };
                let pages = list.pages(&t, &root, &[a, b, 999], &seek).await.expect("pages");
                for owner in [a, b, 999] {
                    let filter = LedgerFilter { user_id: Some(owner), ..list.filter.clone() };
                    let alone = wallet::entries(&t, &root, &filter, &seek).await.expect("a page");
                    let ids = |page: &Page<LedgerEntry>| {
                        (page.rows.iter().map(|e| e.id).collect::<Vec<_>>(), page.has_next, page.has_previous)
                    };
                    assert_eq!(ids(&pages[&owner]), ids(&alone), "{owner} {seek:?}");
                }
            }
            let counts = list.counts(&t, &root, &[a, b, 999]).await.expect("counts");
            assert_eq!(counts, HashMap::from([(a, 5), (b, 2), (999, 0)]));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_list_is_read_for_many_and_nobody_reads_anothers() {
        async fn try_list<L: OwnersList>(t: &TestApp, root: &Actor, ann: &Actor, list: L) {
            let (own, other) = (ann.user_id.expect("an id"), root.user_id.expect("an id"));
            let seek = Seek::default();
            let pages = list.pages(t, root, &[own, other], &seek).await.expect("pages");
            assert!(pages.len() == 2 && pages.values().all(|page| page.rows.is_empty()));
            assert!(list.counts(t, root, &[own, other]).await.expect("counts").values().all(|count| *count == 0));
            assert!(list.pages(t, ann, &[own, other], &seek).await.is_err());
            assert!(list.counts(t, ann, &[own, other]).await.is_err());
        }
        let t = TestApp::new().await;
        let (root, ann) = (t.admin().await, t.user("ann").await);
        for order in [
            KeyOrder::CreatedAt,
            KeyOrder::Name,
            KeyOrder::Status,
            KeyOrder::ExpiresAt,
            KeyOrder::LastUsedAt,
            KeyOrder::Spent,
        ] {
            let filter = KeyFilter { search: Some("x".into()), tags: vec!["a".into()], ..KeyFilter::default() };
            try_list(&t, &root, &ann, Keys { filter, order: (order, Direction::Asc) }).await;
        }
        for order in [OrderOrder::CreatedAt, OrderOrder::Amount] {
            try_list(&t, &root, &ann, Orders { order: (order, Direction::Asc), ..Orders::default() }).await;
        }
        try_list(&t, &root, &ann, Subscriptions { order: Direction::Asc, ..Subscriptions::default() }).await;
        try_list(&t, &root, &ann, LedgerEntries::default()).await;
        try_list(&t, &root, &ann, CardRedemptions::default()).await;
        try_list(&t, &root, &ann, AccountEvents).await;
    }
}

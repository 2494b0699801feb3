//! Lists inside lists: the rows of many owners at once, so that a page of a hundred people with their keys
//! takes no more statements than a page of one.
//!
//! Lists as they stand are known by name ([`newest`], [`counts`]); filtered, sorted, or from a cursor on they
//! are asked for as an [`OwnersList`].

mod asked;

use std::collections::HashMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::Result;
use crate::model::nested::{self, Nested};
use crate::page::Page;

pub use asked::{AccountEvents, CardRedemptions, Keys, LedgerEntries, Orders, OwnersList, Subscriptions};

/// The ids of the newest rows of each owner, as the first page of each list; every owner is in the answer.
pub async fn newest(
    app: &App,
    actor: &Actor,
    list: Nested,
    owners: &[i64],
    take: i64,
) -> Result<HashMap<i64, Page<i64>>> {
    visible(actor, list, owners)?;
    let mut pages: HashMap<i64, Page<i64>> =
        owners.iter().map(|owner| (*owner, Page { rows: Vec::new(), has_next: false, has_previous: false })).collect();
    let mut conn = app.db.conn().await?;
    for row in nested::newest(&mut conn, list, owners, take + 1).await? {
        let Some(page) = pages.get_mut(&row.owner) else { continue };
        // The row beyond the page only tells that there is one.
        if page.rows.len() as i64 == take {
            page.has_next = true;
        } else {
            page.rows.push(row.figure);
        }
    }
    Ok(pages)
}

/// How many rows each owner has; owners without any are absent.
pub async fn counts(app: &App, actor: &Actor, list: Nested, owners: &[i64]) -> Result<HashMap<i64, i64>> {
    visible(actor, list, owners)?;
    let mut conn = app.db.conn().await?;
    let rows = nested::counts(&mut conn, list, owners).await?;
    Ok(rows.into_iter().map(|row| (row.owner, row.figure)).collect())
}

fn visible(actor: &Actor, list: Nested, owners: &[i64]) -> Result<()> {
    match list {
        Nested::EventsOfAccount => actor.may(Act::ViewAll),
        _ => owners.iter().try_for_each(|owner| actor.owns_or_admin(*owner, "user")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Micros;
    use crate::service::wallet;
    use crate::testing::TestApp;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_owner_has_their_own_newest_rows() {
        let t = TestApp::new().await;
        let root = t.admin().await;
        let (ann, bob) = (t.user("ann").await, t.user("bob").await);
        let (a, b) = (ann.user_id.expect("an id"), bob.user_id.expect("an id"));
        for (user, times) in [(a, 3), (b, 1)] {
            for _ in 0..times {
                wallet::adjust(&t, &root, user, Micros(1), "", None).await.expect("moved");
            }
        }
        let pages = newest(&t, &root, Nested::LedgerOfUser, &[a, b, 999], 2).await.expect("pages");
        assert_eq!((pages[&a].rows.len(), pages[&a].has_next), (2, true));
        assert!(pages[&a].rows[0] > pages[&a].rows[1], "newest first");
        assert_eq!((pages[&b].rows.len(), pages[&b].has_next, pages[&999].rows.len()), (1, false, 0));
        let counts = counts(&t, &root, Nested::LedgerOfUser, &[a, b, 999]).await.expect("counts");
        assert_eq!((counts.get(&a), counts.get(&b), counts.get(&999)), (Some(&3), Some(&1), None));
        assert!(newest(&t, &ann, Nested::LedgerOfUser, &[a], 2).await.is_ok());
        let foreign = newest(&t, &ann, Nested::LedgerOfUser, &[a, b], 2).await;
        assert_eq!(foreign.map(|_| ()).map_err(|e| e.code()), Err("NOT_FOUND"));
        let events = newest(&t, &ann, Nested::EventsOfAccount, &[1], 2).await;
        assert_eq!(events.map(|_| ()).map_err(|e| e.code()), Err("FORBIDDEN"));
        for list in [Nested::KeysOfUser, Nested::OrdersOfUser, Nested::SubscriptionsOfUser, Nested::RedemptionsOfUser] {
            assert!(newest(&t, &root, list, &[a], 5).await.expect("pages")[&a].rows.is_empty());
        }
        assert!(newest(&t, &root, Nested::EventsOfAccount, &[1], 5).await.expect("pages")[&1].rows.is_empty());
    }
}

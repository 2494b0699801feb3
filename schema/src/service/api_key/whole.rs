//! All keys of a person, however many: page by page, so that no statement and no transaction grows with them.

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::api_key::{ApiKey, Deleted, KeyFilter, KeyOrder, KeyStatus};
use crate::page::{Cursor, Direction, Page, Seek};

use super::{KeyChange, announce, change_in};

/// Keys of one page, where nothing asks for another size.
pub const PAGE: i64 = 500;
/// How often a page is begun again because somebody else changed one of its keys meanwhile.
const TRIES: usize = 5;

/// Every key of a person, newest first.
pub async fn all_of(app: &App, actor: &Actor, user_id: i64, deleted: Deleted, page: i64) -> Result<Vec<ApiKey>> {
    actor.owns_or_admin(user_id, "user")?;
    let filter = KeyFilter { user_id: Some(user_id), deleted, ..KeyFilter::default() };
    let order = (KeyOrder::CreatedAt, Direction::Desc);
    let mut seek = Seek { take: page.max(1), ..Seek::default() };
    let mut all = Vec::new();
    loop {
        let found = super::list(app, actor, &filter, order, &seek).await?;
        all.extend(found.rows);
        let Some(last) = all.last().filter(|_| found.has_next) else { return Ok(all) };
        seek.after = Some(Cursor { key: last.cursor_key(order.0), id: last.id });
    }
}

/// Switches every active key of a person off; how many there were. Every page is a transaction of its own: after a
/// failure what was switched off stays so, and the same call goes on with the rest.
pub async fn disable_all_of(app: &App, actor: &Actor, user_id: i64, page: i64) -> Result<i64> {
    actor.may(Act::Manage)?;
    let mut seek = Seek { take: page.max(1), ..Seek::default() };
    let (mut done, mut tries) = (0, 0);
    loop {
        let turned = match disable_page(app, actor, user_id, &seek).await {
            // Somebody else changed or deleted one of these keys meanwhile; on another look it is as it is now.
            Err(Error::Conflict { .. } | Error::NotFound { .. }) if tries < TRIES => {
                tries += 1;
                continue;
            }
            turned => turned?,
        };
        tries = 0;
        for key in &turned.off {
            announce(app, key).await;
            done += 1;
        }
        let Some(last) = turned.last else { return Ok(done) };
        seek.after = Some(last);
    }
}

/// What was done with one page.
struct Turned {
    off: Vec<ApiKey>,
    /// Where the next one begins, if there is one.
    last: Option<Cursor>,
}

async fn disable_page(app: &App, actor: &Actor, user_id: i64, seek: &Seek) -> Result<Turned> {
    let filter = KeyFilter { user_id: Some(user_id), ..KeyFilter::default() };
    // The oldest first, so that a key that is made meanwhile has its turn as well.
    let order = (KeyOrder::CreatedAt, Direction::Asc);
    let change = KeyChange { status: Some(KeyStatus::Disabled), ..KeyChange::default() };
    let mut tx = app.db.begin().await?;
    let found = Page::cut(ApiKey::seek(&mut tx, &filter, order, seek).await?, seek);
    let mut off = Vec::new();
    for key in found.rows.iter().filter(|key| key.status == KeyStatus::Active) {
        off.push(change_in(app, &mut tx, actor, key.id, &change).await?);
    }
    tx.commit().await?;
    let last = found.rows.last().filter(|_| found.has_next);
    Ok(Turned { off, last: last.map(|key| Cursor { key: key.cursor_key(order.0), id: key.id }) })
}

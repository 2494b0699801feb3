//! Removing cards from the lists, one or all that have ended. A card that somebody has redeemed stays in the books,
//! which tell by it where credit came from; a list may leave it out.

use super::{NOT_FOUND, entries};
use crate::App;
use crate::actor::{Act, Actor};
use crate::db::Tx;
use crate::error::Result;
use crate::model::card::{Card, CardFilter, CardKind, CardStatus};
use crate::page::{Cursor, Direction, Seek};
use crate::service::audit::{self, Target};

/// Cards of one page, where nothing asks for another size.
pub const PAGE: i64 = 500;

/// Removes a card: for good where nobody has redeemed it, else it is switched off and marked.
pub async fn remove(app: &App, actor: &Actor, card_id: i64) -> Result<()> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    if !remove_in(app, &mut tx, actor, card_id).await? {
        return Err(NOT_FOUND);
    }
    tx.commit().await
}

/// Removes the cards of a kind that are used up, have expired or are switched off, page by page, each in a transaction
/// of its own; how many there were.
pub async fn remove_ended(app: &App, actor: &Actor, kind: CardKind, page: i64) -> Result<i64> {
    actor.may(Act::Manage)?;
    let mut gone = 0;
    for status in [CardStatus::Used, CardStatus::Expired, CardStatus::Disabled] {
        let filter =
            CardFilter { kind: Some(kind), status: Some(status), without_removed: true, ..CardFilter::default() };
        let mut seek = Seek { take: page.max(1), ..Seek::default() };
        loop {
            let found = entries(app, actor, &filter, Direction::Asc, &seek).await?;
            let mut tx = app.db.begin().await?;
            for card in &found.rows {
                // Somebody else may have removed it meanwhile.
                gone += i64::from(remove_in(app, &mut tx, actor, card.id).await?);
            }
            tx.commit().await?;
            let Some(last) = found.rows.last().filter(|_| found.has_next) else { break };
            seek.after = Some(Cursor { key: last.cursor_key(), id: last.id });
        }
    }
    Ok(gone)
}

async fn remove_in(app: &App, tx: &mut Tx, actor: &Actor, card_id: i64) -> Result<bool> {
    let action = if Card::delete_unused(tx, card_id).await? {
        "card.delete"
    } else if Card::mark_removed(tx, card_id, app.clock.now()).await? {
        "card.remove"
    } else {
        return Ok(false);
    };
    let target = Target { kind: "card", id: &card_id.to_string() };
    audit::record(app, tx, actor, action, target, (), ()).await?;
    Ok(true)
}

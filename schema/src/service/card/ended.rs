//! Removing cards that can no longer be redeemed, however many.

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::card::{CardFilter, CardKind, CardStatus};
use crate::page::{Cursor, Direction, Seek};

use super::{delete_many, entries};

/// Cards of one page, where nothing asks for another size.
pub const PAGE: i64 = 500;

/// Removes the cards of a kind that have expired or are switched off, page by page, each in a transaction of its own;
/// how many there were. Those that somebody has redeemed stay: they tell where credit came from.
pub async fn delete_ended(app: &App, actor: &Actor, kind: CardKind, page: i64) -> Result<i64> {
    actor.may(Act::Manage)?;
    let mut gone = 0;
    for status in [CardStatus::Expired, CardStatus::Disabled] {
        let filter = CardFilter { kind: Some(kind), status: Some(status), ..CardFilter::default() };
        let mut seek = Seek { take: page.max(1), ..Seek::default() };
        loop {
            let found = entries(app, actor, &filter, Direction::Asc, &seek).await?;
            let ids: Vec<i64> = found.rows.iter().map(|card| card.id).collect();
            for (_, outcome) in delete_many(app, actor, &ids).await? {
                match outcome {
                    Ok(()) => gone += 1,
                    // Redeemed, or removed by somebody else meanwhile.
                    Err(Error::Conflict { .. } | Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            let Some(last) = found.rows.last().filter(|_| found.has_next) else { break };
            seek.after = Some(Cursor { key: last.cursor_key(), id: last.id });
        }
    }
    Ok(gone)
}

//! Cards: minting codes, looking after them, and redeeming them once.

mod mint;
mod redeem;
mod remove;
mod take_back;

use std::collections::BTreeMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::id;
use crate::model::card::{Card, CardChange, CardFilter, CardKind, KindStats, Redemption, RedemptionFilter};
use crate::page::{Counted, Direction, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::plan::stale;

pub use mint::{CodeForm, MOST, Mint, Minted, Worth, mint};
pub use redeem::{Redeemed, redeem, redeem_for, redeemed};
pub use remove::{PAGE, remove, remove_ended};
pub use take_back::{TakenBack, take_back, taken_back};

/// Where codes are sealed.
pub(super) const PLACE: &str = "cards.code";

const NOT_FOUND: Error = Error::NotFound { what: "card" };

/// The digest under which a code is found; how it is written (case, dashes, spaces) does not matter.
pub fn digest_of(code: &str) -> String {
    let plain: String =
        code.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()).collect();
    id::digest(&plain)
}

/// A code, opened for an administrator.
pub fn reveal(app: &App, actor: &Actor, card: &Card) -> Result<String> {
    actor.may(Act::Manage)?;
    let plain = app.seal.open(PLACE, &card.code)?;
    String::from_utf8(plain).map_err(|_| Error::internal("a card's code is no text"))
}

/// One card.
pub async fn get(app: &App, actor: &Actor, card_id: i64) -> Result<Card> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Card::find(&mut conn, card_id).await?.ok_or(NOT_FOUND)
}

/// Those of several cards that there are.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Card>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Card::by_ids(&mut conn, ids).await?)
}

/// Cards by keyset.
pub async fn entries(
    app: &App,
    actor: &Actor,
    filter: &CardFilter,
    direction: Direction,
    seek: &Seek,
) -> Result<Page<Card>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Card::seek(&mut conn, filter, app.clock.now(), direction, seek).await?, seek))
}

/// Cards by numbered page.
pub async fn list(app: &App, actor: &Actor, filter: &CardFilter, window: Window) -> Result<Counted<Card>> {
    actor.may(Act::ViewAll)?;
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let rows = Card::window(&mut conn, filter, now, window).await?;
    Ok(Counted { rows, total: Card::count(&mut conn, filter, now).await? })
}

/// How many there are.
pub async fn count(app: &App, actor: &Actor, filter: &CardFilter) -> Result<i64> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Card::count(&mut conn, filter, app.clock.now()).await?)
}

/// Changes a card: its words, its end, whether it may be redeemed, and, while nobody has redeemed it, its worth.
pub async fn change(
    app: &App,
    actor: &Actor,
    card_id: i64,
    change: CardChange,
    expected_version: Option<i64>,
) -> Result<Card> {
    actor.may(Act::Manage)?;
    mint::check_words(change.name.as_deref().unwrap_or(""), change.note.as_deref().unwrap_or(""))?;
    let mut tx = app.db.begin().await?;
    let card = Card::find(&mut tx, card_id).await?.ok_or(NOT_FOUND)?;
    if expected_version.is_some_and(|v| v != card.version) {
        return Err(stale());
    }
    if card.removed_at.is_some() && change.enabled == Some(true) {
        return Err(Error::conflict("CARD_REMOVED", "the card was removed; it stays switched off"));
    }
    if let Some(value) = change.value {
        if card.kind != CardKind::Credit {
            return Err(Error::invalid("value", "only a card of money alone has a value that changes"));
        }
        if card.times_used() > 0 && value != card.value {
            return Err(Error::conflict("CARD_USED", "the card has been redeemed; its value stays"));
        }
        mint::check_value(value)?;
    }
    let after = Card::update(&mut tx, card.id, card.version, &change).await?.ok_or_else(stale)?;
    let target = Target { kind: "card", id: &card.id.to_string() };
    audit::record(app, &mut tx, actor, "card.change", target, summary(&card), summary(&after)).await?;
    tx.commit().await?;
    Ok(after)
}

/// Deletes a card that nobody has redeemed.
pub async fn delete(app: &App, actor: &Actor, card_id: i64) -> Result<()> {
    let [(_, outcome)] = <[_; 1]>::try_from(delete_many(app, actor, &[card_id]).await?)
        .map_err(|_| Error::internal("one card, one answer"))?;
    outcome
}

/// Most cards that are deleted in one call.
const MOST_DELETED: usize = 10_000;

/// Deletes what of these nobody has redeemed; an answer for each.
pub async fn delete_many(app: &App, actor: &Actor, card_ids: &[i64]) -> Result<Vec<(i64, Result<()>)>> {
    actor.may(Act::Manage)?;
    if card_ids.len() > MOST_DELETED {
        return Err(Error::invalid("cardKeyIds", format!("at most {MOST_DELETED} cards in one call")));
    }
    let mut tx = app.db.begin().await?;
    let mut answers = Vec::with_capacity(card_ids.len());
    for &card_id in card_ids {
        let outcome = if Card::delete_unused(&mut tx, card_id).await? {
            let target = Target { kind: "card", id: &card_id.to_string() };
            audit::record(app, &mut tx, actor, "card.delete", target, (), ()).await?;
            Ok(())
        } else if Card::find(&mut tx, card_id).await?.is_some() {
            Err(Error::conflict("CARD_USED", "the card has been redeemed; only unused cards can be deleted"))
        } else {
            Err(NOT_FOUND)
        };
        answers.push((card_id, outcome));
    }
    tx.commit().await?;
    Ok(answers)
}

/// Counts of all cards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub total: i64,
    pub active: i64,
    pub used: i64,
    pub expired: i64,
    pub disabled: i64,
    pub by_kind: BTreeMap<&'static str, i64>,
}

/// How many cards there are, by state and by kind.
pub async fn stats(app: &App, actor: &Actor) -> Result<Stats> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let mut stats = Stats { by_kind: CardKind::ALL.iter().map(|k| (k.as_str(), 0)).collect(), ..Stats::default() };
    for KindStats { kind, total, used, disabled, expired } in Card::stats(&mut conn, app.clock.now()).await? {
        stats.total += total;
        stats.used += used;
        stats.disabled += disabled;
        stats.expired += expired;
        stats.active += total - used - disabled - expired;
        stats.by_kind.insert(kind.as_str(), total);
    }
    Ok(stats)
}

/// Redemptions by keyset: one's own, or anybody's for administrators.
pub async fn redemption_entries(
    app: &App,
    actor: &Actor,
    filter: &RedemptionFilter,
    direction: Direction,
    seek: &Seek,
) -> Result<Page<Redemption>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Redemption::seek(&mut conn, filter, direction, seek).await?, seek))
}

/// Those of several redemptions that the caller may see.
pub async fn several_redemptions(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Redemption>> {
    let mut conn = app.db.conn().await?;
    let mut found = Redemption::by_ids(&mut conn, ids).await?;
    found.retain(|one| actor.owns_or_admin(one.user_id, "redemption").is_ok());
    Ok(found)
}

/// How many redemptions there are.
pub async fn redemption_count(app: &App, actor: &Actor, filter: &RedemptionFilter) -> Result<i64> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Redemption::count(&mut conn, filter).await?)
}

/// The cards of a batch and their codes, opened for an administrator.
pub async fn batch(app: &App, actor: &Actor, batch: &str) -> Result<Vec<Minted>> {
    actor.may(Act::Manage)?;
    let mut conn = app.db.conn().await?;
    let cards = Card::of_batch(&mut conn, batch).await?;
    drop(conn);
    cards.into_iter().map(|card| Ok(Minted { code: reveal(app, actor, &card)?, card })).collect()
}

/// Redemptions by numbered page.
pub async fn redemptions(
    app: &App,
    actor: &Actor,
    filter: &RedemptionFilter,
    window: Window,
) -> Result<Counted<Redemption>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    let rows = Redemption::window(&mut conn, filter, window).await?;
    Ok(Counted { rows, total: Redemption::count(&mut conn, filter).await? })
}

fn visible(actor: &Actor, filter: &RedemptionFilter) -> Result<()> {
    match filter.user_id {
        Some(id) => actor.owns_or_admin(id, "user"),
        None => actor.may(Act::ViewAll),
    }
}

fn summary(card: &Card) -> serde_json::Value {
    serde_json::json!({
        "hint": card.hint, "kind": card.kind, "value": card.value, "plan_id": card.plan_id,
        "key_ms": card.key_ms, "uses_left": card.uses_left, "enabled": card.enabled, "expires_at": card.expires_at,
        "name": card.name, "note": card.note, "batch": card.batch,
    })
}

#[cfg(test)]
mod tests;

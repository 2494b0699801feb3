//! Taking back what a redeemed card brought: once, and only what is still there.

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::card::{CardKind, Redemption};
use crate::model::ledger::{EntryKind, LedgerEntry};
use crate::money::Micros;
use crate::service::audit::{self, Target};
use crate::service::field;
use crate::service::wallet::{self, Movement};

/// Under which key of the ledger it is written.
fn key(redemption_id: i64) -> String {
    format!("card-revoke:{redemption_id}")
}

/// Takes the worth of a redeemed credit card out of the wallet it went to.
///
/// Refused with `QUOTA_EXCEEDED` when it is spent already, and with `CARD_REVOKED` the second time.
pub async fn take_back(app: &App, actor: &Actor, redemption_id: i64, note: &str) -> Result<LedgerEntry> {
    actor.may(Act::ManagePeople)?;
    field::text("note", note, 500)?;
    let mut tx = app.db.begin().await?;
    let redemption = Redemption::find(&mut tx, redemption_id).await?.ok_or(Error::NotFound { what: "redemption" })?;
    if redemption.kind() == CardKind::Plan {
        let why = "what a plan card brought is a subscription; cancel that instead";
        return Err(Error::conflict("CARD_OF_PLAN", why));
    }
    let idem_key = key(redemption_id);
    let movement = Movement {
        user_id: redemption.user_id,
        kind: EntryKind::Adjustment,
        amount: Micros(-redemption.value.0),
        reference: "",
        idem_key: Some(&idem_key),
        note,
        may_overdraw: false,
    };
    let moved = wallet::move_in(app, &mut tx, actor, movement).await?;
    if !moved.fresh {
        return Err(Error::conflict("CARD_REVOKED", "what this card brought was taken back already"));
    }
    let target = Target { kind: "card", id: &redemption.card_id.to_string() };
    let what = serde_json::json!({ "redemption": redemption_id, "user": redemption.user_id, "note": note });
    audit::record(app, &mut tx, actor, "card.take_back", target, (), what).await?;
    tx.commit().await?;
    wallet::announce(app, &moved).await;
    Ok(moved.entry)
}

/// The entry by which a redemption was taken back, for administrators.
pub async fn taken_back(app: &App, actor: &Actor, redemption_id: i64) -> Result<Option<LedgerEntry>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(LedgerEntry::by_idem_key(&mut conn, &key(redemption_id)).await?)
}

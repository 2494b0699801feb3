//! Taking back what a redeemed card brought: once, and only what is still there.

use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::model::api_key::ApiKey;
use crate::model::card::{CardKind, Redemption};
use crate::model::ledger::{EntryKind, LedgerEntry};
use crate::money::Micros;
use crate::service::api_key;
use crate::service::audit::{self, Target};
use crate::service::field;
use crate::service::wallet::{self, Movement};

/// What was taken back of a redemption.
#[derive(Clone, Debug)]
pub struct TakenBack {
    pub user_id: i64,
    pub at: Time,
    /// The movement of the wallet, where the card had brought money.
    pub entry: Option<LedgerEntry>,
    /// The key whose life is shorter again, where it is still there.
    pub key: Option<ApiKey>,
}

/// Under which key of the ledger it is written.
fn key(redemption_id: i64) -> String {
    format!("card-revoke:{redemption_id}")
}

const TWICE: &str = "what this card brought was taken back already";

/// Takes the worth of a redeemed card out of the wallet it went to, and its time off the life of its key.
///
/// Refused with `QUOTA_EXCEEDED` when the money is spent already, and with `CARD_REVOKED` the second time.
pub async fn take_back(app: &App, actor: &Actor, redemption_id: i64, note: &str) -> Result<TakenBack> {
    actor.may(Act::ManagePeople)?;
    field::text("note", note, 500)?;
    let mut tx = app.db.begin().await?;
    let redemption = Redemption::find(&mut tx, redemption_id).await?.ok_or(Error::NotFound { what: "redemption" })?;
    if redemption.kind() == CardKind::Plan {
        let why = "what a plan card brought is a subscription; cancel that instead";
        return Err(Error::conflict("CARD_OF_PLAN", why));
    }
    let at = app.clock.now();
    if !Redemption::take_back(&mut tx, redemption_id, at).await? {
        return Err(Error::conflict("CARD_REVOKED", TWICE));
    }
    let idem_key = key(redemption_id);
    let moved = if redemption.value > Micros::ZERO {
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
            return Err(Error::conflict("CARD_REVOKED", TWICE));
        }
        Some(moved)
    } else {
        None
    };
    let shorter = match redemption.key_id {
        Some(key_id) if redemption.key_ms > 0 => {
            api_key::shorten_in(app, &mut tx, actor, key_id, redemption.key_ms).await?
        }
        _ => None,
    };
    let target = Target { kind: "card", id: &redemption.card_id.to_string() };
    let what = serde_json::json!({
        "redemption": redemption_id, "user": redemption.user_id, "key_id": redemption.key_id,
        "key_ms": redemption.key_ms, "note": note,
    });
    audit::record(app, &mut tx, actor, "card.take_back", target, (), what).await?;
    tx.commit().await?;
    if let Some(moved) = &moved {
        wallet::announce(app, moved).await;
    }
    if let Some(key) = &shorter {
        api_key::announce(app, key).await;
    }
    Ok(TakenBack { user_id: redemption.user_id, at, entry: moved.map(|moved| moved.entry), key: shorter })
}

/// What was taken back of a redemption, for administrators; `None` while nothing was.
pub async fn taken_back(app: &App, actor: &Actor, redemption_id: i64) -> Result<Option<TakenBack>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let Some(redemption) = Redemption::find(&mut conn, redemption_id).await? else { return Ok(None) };
    let entry = LedgerEntry::by_idem_key(&mut conn, &key(redemption_id)).await?;
    let at = redemption.taken_back_at.or_else(|| entry.as_ref().map(|entry| entry.created_at));
    Ok(at.map(|at| TakenBack { user_id: redemption.user_id, at, entry, key: None }))
}

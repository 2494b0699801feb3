//! The wallet: the only way money moves. Every face calls these.

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::{Event, WalletChange};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::ledger::{EntryKind, LedgerEntry, LedgerFilter, Mismatch, NewLedgerEntry};
use crate::money::Micros;
use crate::page::{Counted, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::idempotency::{self, Claim};

/// One movement to be made.
#[derive(Clone, Debug)]
pub struct Movement<'a> {
    pub user_id: i64,
    pub kind: EntryKind,
    /// Positive in, negative out.
    pub amount: Micros,
    pub reference: &'a str,
    /// A movement with a key that was used before is not made again.
    pub idem_key: Option<&'a str>,
    pub note: &'a str,
    /// True where the balance may go below zero (a call already served must be paid).
    pub may_overdraw: bool,
}

/// A movement that was made, to be announced after commit.
#[derive(Clone, Debug)]
#[must_use = "announce it after the commit"]
pub struct Moved {
    pub entry: LedgerEntry,
    /// False when the idempotency key was used before and nothing moved.
    pub fresh: bool,
}

/// Moves money inside the caller's transaction.
pub async fn move_in(app: &App, tx: &mut Tx, actor: &Actor, m: Movement<'_>) -> Result<Moved> {
    if m.amount.0.abs() > crate::money::MAX {
        return Err(Error::invalid("amount", "the amount is beyond all sense"));
    }
    if let Some(key) = m.idem_key
        && let Some(entry) = LedgerEntry::by_idem_key(tx, key).await?
    {
        if entry.user_id != m.user_id || entry.amount != m.amount {
            return Err(Error::conflict("IDEMPOTENCY_KEY_REUSED", "this key was used for another movement"));
        }
        return Ok(Moved { entry, fresh: false });
    }
    let floor = if m.may_overdraw { Micros(i64::MIN) } else { Micros::ZERO };
    let Some((balance, seq)) = LedgerEntry::move_balance(tx, m.user_id, m.amount, floor).await? else {
        return match crate::model::user::User::find(tx, m.user_id).await? {
            None => Err(Error::NotFound { what: "user" }),
            Some(_) => {
                Err(Error::QuotaExceeded { code: "INSUFFICIENT_BALANCE", why: "the balance is not sufficient".into() })
            }
        };
    };
    let entry = LedgerEntry::insert(
        tx,
        &NewLedgerEntry {
            user_id: m.user_id,
            seq,
            kind: m.kind,
            amount: m.amount,
            balance_after: balance,
            reference: m.reference,
            idem_key: m.idem_key,
            note: m.note,
            actor: &actor.name,
            created_at: app.clock.now(),
        },
    )
    .await?;
    Ok(Moved { entry, fresh: true })
}

/// Tells everybody about a movement that was committed.
pub async fn announce(app: &App, moved: &Moved) {
    if !moved.fresh {
        return;
    }
    let entry = &moved.entry;
    app.bus
        .publish(Event::WalletChanged(WalletChange {
            user_id: entry.user_id,
            balance: entry.balance_after.0,
            seq: entry.seq,
            entry_kind: entry.kind.as_str().to_owned(),
            amount: entry.amount.0,
            at: entry.created_at.0,
        }))
        .await;
}

/// An administrator gives or takes; taking more than there is is refused.
pub async fn adjust(
    app: &App,
    actor: &Actor,
    user_id: i64,
    amount: Micros,
    note: &str,
    idem_key: Option<&str>,
) -> Result<LedgerEntry> {
    actor.may(Act::ManagePeople)?;
    if amount == Micros::ZERO {
        return Err(Error::invalid("amount", "the amount may not be zero"));
    }
    check_note(note)?;
    let key = idem_key.map(|k| format!("adjust:{}:{k}", actor.user_id.unwrap_or_default()));
    let mut tx = app.db.begin().await?;
    let movement = Movement {
        user_id,
        kind: EntryKind::Adjustment,
        amount,
        reference: "",
        idem_key: key.as_deref(),
        note,
        may_overdraw: false,
    };
    let moved = move_in(app, &mut tx, actor, movement).await.map_err(|e| match e.detail_code() {
        // The same request went through while this one waited for the wallet.
        Some("ALREADY_EXISTS") if key.is_some() => idempotency::in_progress(),
        _ => e,
    })?;
    if !moved.fresh && moved.entry.note != note {
        return Err(idempotency::reused());
    }
    if moved.fresh {
        let after = serde_json::json!({ "amount": amount, "balance": moved.entry.balance_after, "note": note });
        let target = Target { kind: "user", id: &user_id.to_string() };
        audit::record(app, &mut tx, actor, "wallet.adjust", target, (), after).await?;
    }
    tx.commit().await?;
    announce(app, &moved).await;
    Ok(moved.entry)
}

fn check_note(note: &str) -> Result<()> {
    if note.chars().count() > 500 || note.contains('\0') {
        return Err(Error::invalid("note", "a note has at most 500 characters, none of them NUL"));
    }
    Ok(())
}

/// An administrator sets a balance; the difference is the entry.
pub async fn set_balance(
    app: &App,
    actor: &Actor,
    user_id: i64,
    balance: Micros,
    note: &str,
) -> Result<Option<LedgerEntry>> {
    set_balance_once(app, actor, user_id, balance, note, None).await
}

/// As [`set_balance`]; a request repeated under its key sets nothing again, whatever moved since.
pub async fn set_balance_once(
    app: &App,
    actor: &Actor,
    user_id: i64,
    balance: Micros,
    note: &str,
    idem_key: Option<&str>,
) -> Result<Option<LedgerEntry>> {
    const OPERATION: &str = "wallet.set";
    actor.may(Act::ManagePeople)?;
    if balance.0 < 0 {
        return Err(Error::invalid("balance", "a balance cannot be set below zero"));
    }
    check_note(note)?;
    let input = format!("{user_id} {} {note}", balance.0);
    let mut tx = app.db.begin().await?;
    if let Some(idem) = idem_key
        && let Claim::Answered(answer) = idempotency::claim(&mut tx, actor, OPERATION, idem, &input).await?
    {
        let entry = match serde_json::from_str::<Option<i64>>(&answer).map_err(Error::internal)? {
            Some(id) => LedgerEntry::find(&mut tx, id).await?,
            None => None,
        };
        tx.rollback().await?;
        return Ok(entry);
    }
    // Moving by nothing takes the row's lock on both databases, so that the difference stays true until the commit.
    let (current, _) = lock(&mut tx, user_id).await?;
    let amount = balance.minus(current);
    if amount == Micros::ZERO {
        match idem_key {
            None => tx.rollback().await?,
            Some(idem) => {
                idempotency::answer(app, &mut tx, actor, OPERATION, idem, &input, "null".into()).await?;
                tx.commit().await?;
            }
        }
        return Ok(None);
    }
    let movement = Movement {
        user_id,
        kind: EntryKind::Adjustment,
        amount,
        reference: "",
        idem_key: None,
        note,
        may_overdraw: true,
    };
    let moved = move_in(app, &mut tx, actor, movement).await?;
    let after = serde_json::json!({ "balance": balance });
    let target = Target { kind: "user", id: &user_id.to_string() };
    audit::record(app, &mut tx, actor, OPERATION, target, serde_json::json!({ "balance": current }), after).await?;
    if let Some(idem) = idem_key {
        let answer = moved.entry.id.to_string();
        idempotency::answer(app, &mut tx, actor, OPERATION, idem, &input, answer).await?;
    }
    tx.commit().await?;
    announce(app, &moved).await;
    Ok(Some(moved.entry))
}

async fn lock(tx: &mut Tx, user_id: i64) -> Result<(Micros, i64)> {
    crate::model::user::User::lock_wallet(tx, user_id).await?.ok_or(Error::NotFound { what: "user" })
}

/// Entries by keyset: one's own, or anybody's for administrators.
pub async fn entries(app: &App, actor: &Actor, filter: &LedgerFilter, seek: &Seek) -> Result<Page<LedgerEntry>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(LedgerEntry::seek(&mut conn, filter, seek).await?, seek))
}

/// One entry: of one's own wallet, or of anybody's for administrators.
pub async fn entry(app: &App, actor: &Actor, id: i64) -> Result<LedgerEntry> {
    let mut conn = app.db.conn().await?;
    let entry = LedgerEntry::find(&mut conn, id).await?.ok_or(Error::NotFound { what: "ledger entry" })?;
    actor.owns_or_admin(entry.user_id, "ledger entry")?;
    Ok(entry)
}

/// Those of several entries that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<LedgerEntry>> {
    let mut conn = app.db.conn().await?;
    let mut found = LedgerEntry::by_ids(&mut conn, ids).await?;
    found.retain(|entry| actor.owns_or_admin(entry.user_id, "ledger entry").is_ok());
    Ok(found)
}

/// How many entries there are.
pub async fn count(app: &App, actor: &Actor, filter: &LedgerFilter) -> Result<i64> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(LedgerEntry::count(&mut conn, filter).await?)
}

/// Entries by numbered page.
pub async fn history(app: &App, actor: &Actor, filter: &LedgerFilter, window: Window) -> Result<Counted<LedgerEntry>> {
    visible(actor, filter)?;
    let mut conn = app.db.conn().await?;
    let rows = LedgerEntry::window(&mut conn, filter, window).await?;
    Ok(Counted { rows, total: LedgerEntry::count(&mut conn, filter).await? })
}

fn visible(actor: &Actor, filter: &LedgerFilter) -> Result<()> {
    match filter.user_id {
        Some(id) => actor.owns_or_admin(id, "user"),
        None => actor.may(Act::ViewAll),
    }
}

/// Wallets whose balance is not the sum of their entries; empty is what it should be.
pub async fn check_ledger(app: &App) -> Result<Vec<Mismatch>> {
    let mut conn = app.db.conn().await?;
    Ok(LedgerEntry::mismatches(&mut conn).await?)
}

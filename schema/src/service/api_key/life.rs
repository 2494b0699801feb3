//! The life of a key: its end, its first use, deleting and restoring, a new secret.

use crate::actor::{Act, Actor};
use crate::clock::Time;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::api_key::{ApiKey, ApiKeyChange, Deleted, ExpiryMode, KeyFilter, KeyOrder};
use crate::page::Direction;
use crate::secret::{self, Secret};
use crate::service::allowance;
use crate::service::audit::{self, Target};
use crate::service::field::stale;
use crate::service::idempotency::{self, Claim};
use crate::{App, id};

use super::{
    Expiry, IssuedKey, KeyChange, KeyPrefix, announce, change, expiry_columns, living, recall, remember, shown,
};

/// What the giving of a new secret is called in the audit log and under a client's key.
const ROTATE: &str = "api_key.rotate";

/// Writes a new end into a change.
pub(super) fn lay_expiry(set: &mut ApiKeyChange, before: &ApiKey, expiry: Expiry, now: Time) -> Result<()> {
    let columns = expiry_columns(expiry, now, false)?;
    set.expiry_mode = Some(columns.mode);
    set.activate_ms = Some(columns.activate_ms);
    set.expires_at = Some(match (columns.mode, before.activated_at, columns.activate_ms) {
        // A life that began keeps its beginning.
        (ExpiryMode::Activation, Some(began), Some(ms)) => Some(began.plus(ms)),
        _ => columns.at,
    });
    Ok(())
}

/// Sets when a key ends.
pub async fn set_expiry(app: &App, actor: &Actor, key_id: i64, expiry: Expiry) -> Result<ApiKey> {
    change(app, actor, key_id, KeyChange { expiry: Some(expiry), ..KeyChange::default() }).await
}

/// Makes the life of a key longer, inside the caller's transaction; to be announced after the commit. A key that has
/// ended lives on from now.
pub(crate) async fn lengthen_in(app: &App, tx: &mut Tx, actor: &Actor, key_id: i64, ms: i64) -> Result<ApiKey> {
    let before = living(tx, actor, key_id).await?;
    let now = app.clock.now();
    let mut set = ApiKeyChange::default();
    match (before.expires_at, before.activate_ms) {
        (Some(end), _) => set.expires_at = Some(Some(end.max(now).plus(ms))),
        // Its life has not begun.
        (None, Some(life)) => set.activate_ms = Some(Some(life.saturating_add(ms))),
        (None, None) => {
            return Err(Error::conflict("KEY_NEVER_ENDS", "this key never ends, so its life cannot be made longer"));
        }
    }
    let after = ApiKey::update(tx, key_id, before.version, &set, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, tx, actor, "api_key.lengthen", target, shown(&before), shown(&after)).await?;
    Ok(after)
}

/// Takes so much off the life of a key, but nothing that is over already; `None` where the key is gone or never ends.
pub(crate) async fn shorten_in(app: &App, tx: &mut Tx, actor: &Actor, key_id: i64, ms: i64) -> Result<Option<ApiKey>> {
    let before = match living(tx, actor, key_id).await {
        Err(Error::NotFound { .. }) => return Ok(None),
        found => found?,
    };
    let now = app.clock.now();
    let mut set = ApiKeyChange::default();
    match (before.expires_at, before.activate_ms) {
        (Some(end), _) if end <= now => return Ok(None),
        (Some(end), _) => set.expires_at = Some(Some(end.plus(-ms).max(now))),
        (None, Some(life)) => set.activate_ms = Some(Some(life.saturating_sub(ms).max(0))),
        (None, None) => return Ok(None),
    }
    let after = ApiKey::update(tx, key_id, before.version, &set, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, tx, actor, "api_key.shorten", target, shown(&before), shown(&after)).await?;
    Ok(Some(after))
}

/// Starts the life of a key that waits for its first use.
pub async fn activate_now(app: &App, actor: &Actor, key_id: i64) -> Result<ApiKey> {
    let mut tx = app.db.begin().await?;
    let before = living(&mut tx, actor, key_id).await?;
    let began = ApiKey::activate(&mut tx, key_id, app.clock.now()).await?;
    let after = began
        .ok_or_else(|| Error::conflict("CANNOT_ACTIVATE", "this key does not wait for its first use, or has had it"))?;
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, &mut tx, actor, "api_key.activate", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    announce(app, &after).await;
    Ok(after)
}

/// Notes the first use of a key whose life begins with it; the key as it is now when this was the first.
pub async fn first_use(app: &App, key_id: i64) -> Result<Option<ApiKey>> {
    let mut tx = app.db.begin().await?;
    let Some(key) = ApiKey::activate(&mut tx, key_id, app.clock.now()).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    tx.commit().await?;
    announce(app, &key).await;
    Ok(Some(key))
}

/// Deletes a key so that it can be restored; it stops working at once.
pub async fn delete(app: &App, actor: &Actor, key_id: i64) -> Result<ApiKey> {
    let mut tx = app.db.begin().await?;
    let before = living(&mut tx, actor, key_id).await?;
    let now = app.clock.now();
    let set = ApiKeyChange {
        deleted_at: Some(Some(now)),
        deleted_by: Some(Some(actor.name.clone())),
        ..ApiKeyChange::default()
    };
    let after = ApiKey::update(&mut tx, key_id, before.version, &set, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, &mut tx, actor, "api_key.delete", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    announce(app, &after).await;
    Ok(after)
}

/// Brings a deleted key back as it was.
pub async fn restore(app: &App, actor: &Actor, key_id: i64) -> Result<ApiKey> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = ApiKey::find(&mut tx, key_id).await?.ok_or(Error::NotFound { what: "api key" })?;
    if before.deleted_at.is_none() {
        return Err(Error::conflict("NOT_DELETED", "this key was not deleted"));
    }
    allowance::more_keys(app, &mut tx, actor, before.user_id, 1).await?;
    let set = ApiKeyChange { deleted_at: Some(None), deleted_by: Some(None), ..ApiKeyChange::default() };
    let after = ApiKey::update(&mut tx, key_id, before.version, &set, app.clock.now()).await?.ok_or_else(stale)?;
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, &mut tx, actor, "api_key.restore", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    announce(app, &after).await;
    Ok(after)
}

/// Removes a deleted key for good; what it used stays in the books.
pub async fn purge(app: &App, actor: &Actor, key_id: i64) -> Result<()> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = ApiKey::find(&mut tx, key_id).await?.ok_or(Error::NotFound { what: "api key" })?;
    if !ApiKey::purge(&mut tx, key_id).await? {
        return Err(Error::conflict("NOT_DELETED", "only a deleted key can be removed for good"));
    }
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, &mut tx, actor, "api_key.purge", target, shown(&before), ()).await?;
    tx.commit().await?;
    announce(app, &before).await;
    Ok(())
}

/// Removes every deleted key for good; how many there were.
pub async fn purge_all_deleted(app: &App, actor: &Actor) -> Result<i64> {
    actor.may(Act::Manage)?;
    let filter = KeyFilter { deleted: Deleted::Only, ..KeyFilter::default() };
    let mut purged = 0;
    loop {
        let mut tx = app.db.begin().await?;
        let window = crate::page::Window { limit: 200, offset: 0 };
        let some = ApiKey::window(&mut tx, &filter, (KeyOrder::CreatedAt, Direction::Asc), window).await?;
        if some.is_empty() {
            tx.rollback().await?;
            return Ok(purged);
        }
        for key in &some {
            if ApiKey::purge(&mut tx, key.id).await? {
                purged += 1;
                let target = Target { kind: "api_key", id: &key.id.to_string() };
                audit::record(app, &mut tx, actor, "api_key.purge", target, shown(key), ()).await?;
            }
        }
        tx.commit().await?;
        for key in &some {
            announce(app, key).await;
        }
    }
}

/// Gives a key a new secret; the old one ends at once.
pub async fn rotate(app: &App, actor: &Actor, key_id: i64, expected_version: Option<i64>) -> Result<IssuedKey> {
    rotate_once(app, actor, key_id, expected_version, None).await
}

/// As [`rotate`]; a request repeated under its key is told the same text again.
pub async fn rotate_once(
    app: &App,
    actor: &Actor,
    key_id: i64,
    expected_version: Option<i64>,
    idem_key: Option<&str>,
) -> Result<IssuedKey> {
    let input = format!("{key_id} {expected_version:?}");
    let mut tx = app.db.begin().await?;
    if let Some(idem) = idem_key
        && let Claim::Answered(answer) = idempotency::claim(&mut tx, actor, ROTATE, idem, &input).await?
    {
        living(&mut tx, actor, key_id).await?;
        let issued = recall(app, &mut tx, &answer).await?;
        tx.rollback().await?;
        return Ok(issued);
    }
    let before = living(&mut tx, actor, key_id).await?;
    if expected_version.is_some_and(|v| v != before.version) {
        return Err(stale());
    }
    let secret = KeyPrefix::parse(&before.prefix).unwrap_or(KeyPrefix::Sk).secret();
    let set = ApiKeyChange {
        digest: Some(id::digest(&secret)),
        hint: Some(secret::hint(&secret)),
        ..ApiKeyChange::default()
    };
    let key = ApiKey::update(&mut tx, key_id, before.version, &set, app.clock.now()).await?.ok_or_else(stale)?;
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, &mut tx, actor, ROTATE, target, shown(&before), shown(&key)).await?;
    let issued = IssuedKey { key, secret: Secret::new(secret) };
    if let Some(idem) = idem_key {
        let answer = remember(app, &issued)?;
        idempotency::answer(app, &mut tx, actor, ROTATE, idem, &input, answer).await?;
    }
    tx.commit().await?;
    // Under both digests: the old secret must be forgotten, the new one must be found.
    announce(app, &before).await;
    announce(app, &issued.key).await;
    Ok(issued)
}

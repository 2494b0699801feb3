//! What a person shows to be themselves: their password, their access token.

use super::{PersonChange, changeset, check_password, doubled, living, shown, stale};
use crate::App;
use crate::actor::Actor;
use crate::bus::Event;
use crate::error::{Error, Result};
use crate::id;
use crate::model::session::Session;
use crate::model::user::{User, UserChange, fold};
use crate::service::audit::{self, Target};
use crate::service::idempotency::{self, Claim};

/// The person who knows this password; refused when it is not theirs.
pub(super) async fn prove(app: &App, user_id: i64, current: &str) -> Result<User> {
    let mut conn = app.db.conn().await?;
    let user = User::find(&mut conn, user_id).await?.ok_or(Error::NotFound { what: "user" })?;
    drop(conn);
    if !app.hasher.verify(current, user.password_hash.as_deref()).await? {
        return Err(Error::invalid("currentPassword", "the current password is wrong"));
    }
    Ok(user)
}

/// Somebody changes their own password (and, on crs, their name with it).
pub async fn change_own_password(
    app: &App,
    actor: &Actor,
    current: &str,
    new: &str,
    new_name: Option<&str>,
) -> Result<User> {
    let user_id = actor.signed_in()?;
    check_password(new)?;
    let user = prove(app, user_id, current).await?;
    let renamed = new_name.is_some_and(|n| fold(n) != fold(&user.username));
    if current == new && !renamed {
        // Nothing changes, so nobody is signed out.
        return Ok(user);
    }
    let hash = app.hasher.hash(new).await?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let change = PersonChange {
        username: new_name.filter(|n| fold(n) != fold(&user.username)).map(str::to_owned),
        ..PersonChange::default()
    };
    let set = changeset(&mut tx, &user, &change, Some(hash)).await?;
    let after =
        User::update(&mut tx, user_id, user.version, &set, true, now).await.map_err(doubled)?.ok_or_else(stale)?;
    Session::revoke_user(&mut tx, user_id, now).await?;
    let target = Target { kind: "user", id: &user_id.to_string() };
    audit::record(app, &mut tx, actor, "user.password", target, shown(&user), shown(&after)).await?;
    tx.commit().await?;
    app.bus.publish(Event::UserChanged { id: user_id }).await;
    Ok(after)
}

/// A fresh access token of 32 characters, in place of the one before; shown once.
pub async fn new_access_token(app: &App, actor: &Actor) -> Result<String> {
    new_access_token_once(app, actor, None).await
}

/// As [`new_access_token`]; a request repeated under its key is told the same token again.
pub async fn new_access_token_once(app: &App, actor: &Actor, idem_key: Option<&str>) -> Result<String> {
    const OPERATION: &str = "user.access_token";
    let user_id = actor.signed_in()?;
    let token = id::code(id::TOKEN_ALPHABET, 32);
    let set = UserChange { access_digest: Some(Some(id::digest(&token))), ..UserChange::default() };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let user = living(&mut tx, user_id).await?;
    if let Some(idem) = idem_key
        && let Claim::Answered(answer) = idempotency::claim(&mut tx, actor, OPERATION, idem, "").await?
    {
        tx.rollback().await?;
        return idempotency::unsealed(app, &answer).map(|(_, token)| token);
    }
    User::update(&mut tx, user_id, user.version, &set, false, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "user", id: &user_id.to_string() };
    audit::record(app, &mut tx, actor, OPERATION, target, (), ()).await?;
    if let Some(idem) = idem_key {
        let answer = idempotency::sealed(app, user_id, &token)?;
        idempotency::answer(app, &mut tx, actor, OPERATION, idem, "", answer).await?;
    }
    tx.commit().await?;
    Ok(token)
}

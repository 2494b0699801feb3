//! Signing in by somebody else's word: one authorization-code engine, one row of addresses and quirks a
//! provider.
//!
//! A round trip lives in one row under the digest of its state, its verifier and nonce sealed, and is
//! taken once. Somebody known here is found by the provider's own id; a person is linked by address only
//! where both sides have verified it, since whoever registered an address first need not own it.

mod provider;

use serde::{Deserialize, Serialize};

use crate::App;
use crate::actor::Actor;
use crate::clock::MINUTE;
use crate::error::{Error, Result};
use crate::id;
use crate::model::session::OauthState;
use crate::model::user::{Identity, User};
use crate::service::audit::{self, Target};
use crate::service::user::{self as people, NewLink, NewPerson};

use provider::{Profile, Provider, Setup};

const PURPOSE: &str = "login";
const PLACE: &str = "oauth_states.payload";
/// How long a round trip may take.
const PATIENCE: i64 = 10 * MINUTE;

/// What must survive until the provider sends the browser back.
#[derive(Serialize, Deserialize)]
struct Kept {
    verifier: String,
    nonce: String,
}

/// Where to send a browser, and what it must bring back.
#[derive(Clone, Debug)]
pub struct Begun {
    pub url: String,
    /// Goes into a cookie, so that only the browser that began can finish.
    pub browser: String,
}

/// The address a provider sends the browser back to.
fn callback(app: &App, provider: &Provider) -> String {
    format!("{}/api/v1/auth/oauth/{}/callback", app.config.public_url(), provider.name)
}

/// Begins a sign-in through a provider.
pub async fn begin(app: &App, provider: &str) -> Result<Begun> {
    let provider = Provider::named(provider)?;
    let setup = Setup::of(app, provider)?;
    let now = app.clock.now();
    let state = id::hex(&id::random::<32>());
    let kept = Kept { verifier: id::hex(&id::random::<32>()), nonce: id::hex(&id::random::<16>()) };
    let row = OauthState {
        digest: id::digest(&state),
        purpose: PURPOSE.into(),
        provider: provider.name.into(),
        user_id: None,
        payload: app.seal.seal_json(PLACE, &kept)?,
        created_at: now,
        expires_at: now.plus(PATIENCE),
    };
    let mut conn = app.db.conn().await?;
    OauthState::delete_expired(&mut conn, now).await?;
    row.insert(&mut conn).await?;
    let url = setup.authorize_url(&callback(app, provider), &state, &kept.verifier, &kept.nonce)?;
    Ok(Begun { url, browser: row.digest })
}

/// Finishes it: the person who signed in, made or linked when they are new here.
pub async fn finish(
    app: &App,
    actor: &Actor,
    provider: &str,
    code: &str,
    state: &str,
    browser: Option<&str>,
) -> Result<User> {
    let provider = Provider::named(provider)?;
    let setup = Setup::of(app, provider)?;
    let bad = || Error::invalid("state", "this sign-in is unknown, over, or was begun elsewhere");
    let digest = id::digest(state);
    if browser != Some(digest.as_str()) || code.is_empty() || code.len() > 4096 {
        return Err(bad());
    }
    let mut conn = app.db.conn().await?;
    let row = OauthState::take(&mut conn, &digest).await?.ok_or_else(bad)?;
    drop(conn);
    if row.purpose != PURPOSE || row.provider != provider.name || row.expires_at <= app.clock.now() {
        return Err(bad());
    }
    let kept: Kept = app.seal.open_json(PLACE, &row.payload)?;
    let profile = setup.profile(app, code, &callback(app, provider), &kept.verifier, &kept.nonce).await?;
    person(app, actor, provider, profile).await
}

async fn person(app: &App, actor: &Actor, provider: &Provider, profile: Profile) -> Result<User> {
    let mut conn = app.db.conn().await?;
    if let Some(identity) = Identity::find(&mut conn, provider.name, &profile.subject).await? {
        let user = User::find(&mut conn, identity.user_id).await?.filter(|u| u.deleted_at.is_none());
        let user = user.ok_or(Error::NotFound { what: "user" })?;
        return if user.is_active() { Ok(user) } else { Err(Error::forbidden("this user is disabled")) };
    }
    let known = match &profile.verified_email {
        Some(email) => User::by_email(&mut conn, email).await?,
        None => None,
    };
    drop(conn);
    let link = NewLink { provider: provider.name.into(), subject: profile.subject.clone(), name: profile.name.clone() };
    if let Some(user) = known {
        if !user.email_verified {
            let why = "somebody registered with this address already; sign in with the password";
            return Err(Error::conflict("EMAIL_TAKEN", why));
        }
        if !user.is_active() {
            return Err(Error::forbidden("this user is disabled"));
        }
        let mut tx = app.db.begin().await?;
        people::link_in(&mut tx, user.id, &link, user.email.as_deref(), app.clock.now()).await?;
        let target = Target { kind: "user", id: &user.id.to_string() };
        let what = serde_json::json!({ "provider": provider.name });
        audit::record(app, &mut tx, actor, "user.link", target, (), what).await?;
        tx.commit().await?;
        return Ok(user);
    }
    let plain: String = profile.name.chars().filter(|c| c.is_alphanumeric() || "-_.".contains(*c)).take(40).collect();
    let plain = if plain.is_empty() { provider.name.to_owned() } else { plain };
    let new = NewPerson {
        // The name of somebody else somewhere else may be taken here.
        username: format!("{plain}-{}", id::code(id::CODE_ALPHABET, 6)),
        display_name: Some(profile.name.chars().filter(|c| !c.is_control()).take(100).collect()),
        email_verified: profile.verified_email.is_some(),
        email: profile.verified_email,
        identity: Some(link),
        ..NewPerson::default()
    };
    people::register(app, actor, new).await
}

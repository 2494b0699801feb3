//! Signing in by somebody else's word: one authorization-code engine, one row of addresses and quirks a
//! provider.
//!
//! A round trip lives in one row under the digest of its state, its verifier and nonce sealed, and is
//! taken once. Somebody known here is found by the provider's own id; a person is linked by address only
//! where both sides have verified it, since whoever registered an address first need not own it.

mod direct;
mod page;
mod provider;

use serde::{Deserialize, Serialize};

use crate::App;
use crate::actor::Actor;
use crate::clock::MINUTE;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id;
use crate::model::session::OauthState;
use crate::model::user::{Identity, User};
use crate::service::audit::{self, Target};
use crate::service::setting::{self, Settings};
use crate::service::user::{self as people, NewLink, NewPerson};

pub use direct::{telegram, telegram_bot, wechat_account, wechat_picture};
pub use page::{Came, Offer, begin_page, finish_page, identities, offer};
use provider::{Profile, Provider, Setup, Trip};

const PURPOSE: &str = "login";
const PLACE: &str = "oauth_states.payload";
/// How long a round trip may take.
const PATIENCE: i64 = 10 * MINUTE;

/// What must survive until the provider sends the browser back.
#[derive(Serialize, Deserialize)]
struct Kept {
    verifier: String,
    nonce: String,
    /// The code of whoever invited them, in case they are new.
    #[serde(default)]
    invited_by: Option<String>,
}

/// The setting that switches a way to sign in on and off.
fn switch(way: &str) -> String {
    format!("sign_in_{way}_enabled")
}

/// Whether a way to sign in (a provider, `telegram`, `wechat_account`) has everything it needs by these settings,
/// switched on or not.
pub fn is_set_up(settings: &Settings, way: &str) -> bool {
    match Provider::named(way) {
        Ok(provider) => Setup::by(settings, provider).is_ok(),
        Err(_) => direct::is_set_up(settings, way),
    }
}

/// Whether people can sign in that way: it is switched on, and set up.
pub fn is_open(app: &App, way: &str) -> bool {
    let settings = setting::current(app);
    settings.bool(&switch(way)) && is_set_up(&settings, way)
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
    let kept = Kept { verifier: id::hex(&id::random::<32>()), nonce: id::hex(&id::random::<16>()), invited_by: None };
    let state = keep(app, PURPOSE, provider.name, None, &kept).await?;
    let url = setup.authorize_url(&callback(app, provider), &state, &kept.verifier, &kept.nonce)?;
    Ok(Begun { url, browser: id::digest(&state) })
}

/// Keeps what a round trip needs at its end; the state it is found by.
async fn keep(app: &App, purpose: &str, provider: &str, user_id: Option<i64>, kept: &Kept) -> Result<String> {
    let now = app.clock.now();
    let state = id::hex(&id::random::<32>());
    let row = OauthState {
        digest: id::digest(&state),
        purpose: purpose.into(),
        provider: provider.into(),
        user_id,
        payload: app.seal.seal_json(PLACE, kept)?,
        created_at: now,
        expires_at: now.plus(PATIENCE),
    };
    let mut conn = app.db.conn().await?;
    OauthState::delete_expired(&mut conn, now).await?;
    row.insert(&mut conn).await?;
    Ok(state)
}

/// Takes it again, once, for the browser that began; who began it is told as well.
async fn take(
    app: &App,
    (purpose, provider): (&str, &str),
    code: &str,
    state: &str,
    browser: Option<&str>,
) -> Result<(Kept, Option<i64>)> {
    let bad = || Error::invalid("state", "this sign-in is unknown, over, or was begun elsewhere");
    let digest = id::digest(state);
    if browser != Some(digest.as_str()) || code.is_empty() || code.len() > 4096 {
        return Err(bad());
    }
    let mut conn = app.db.conn().await?;
    let row = OauthState::take(&mut conn, &digest).await?.ok_or_else(bad)?;
    drop(conn);
    if row.purpose != purpose || row.provider != provider || row.expires_at <= app.clock.now() {
        return Err(bad());
    }
    Ok((app.seal.open_json(PLACE, &row.payload)?, row.user_id))
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
    let (kept, _) = take(app, (PURPOSE, provider.name), code, state, browser).await?;
    let callback = callback(app, provider);
    let trip = Trip { callback: Some(&callback), verifier: Some(&kept.verifier), nonce: Some(&kept.nonce) };
    let profile = setup.profile(app, code, &trip).await?;
    person(app, actor, provider.name, profile, kept.invited_by).await
}

/// The person of a profile: known by it, known by a verified address, or new.
async fn person(
    app: &App,
    actor: &Actor,
    provider: &str,
    profile: Profile,
    invited_by: Option<String>,
) -> Result<User> {
    let mut conn = app.db.conn().await?;
    if let Some(identity) = Identity::find(&mut conn, provider, &profile.subject).await? {
        let user = User::find(&mut conn, identity.user_id).await?.filter(|u| u.deleted_at.is_none());
        let user = user.ok_or(Error::NotFound { what: "user" })?;
        return if user.is_active() { Ok(user) } else { Err(Error::forbidden("this user is disabled")) };
    }
    let known = match &profile.verified_email {
        Some(email) => User::by_email(&mut conn, email).await?,
        None => None,
    };
    drop(conn);
    let link = NewLink { provider: provider.into(), subject: profile.subject.clone(), name: profile.name.clone() };
    if let Some(user) = known {
        if !user.email_verified {
            let why = "somebody registered with this address already; sign in with the password";
            return Err(Error::conflict("EMAIL_TAKEN", why));
        }
        if !user.is_active() {
            return Err(Error::forbidden("this user is disabled"));
        }
        let mut tx = app.db.begin().await?;
        link_in(app, &mut tx, actor, &user, &link).await?;
        tx.commit().await?;
        return Ok(user);
    }
    let plain: String = profile.name.chars().filter(|c| c.is_alphanumeric() || "-_.".contains(*c)).take(40).collect();
    let plain = if plain.is_empty() { provider.to_owned() } else { plain };
    let new = NewPerson {
        // The name of somebody else somewhere else may be taken here.
        username: format!("{plain}-{}", id::code(id::CODE_ALPHABET, 6)),
        display_name: Some(profile.name.chars().filter(|c| !c.is_control()).take(100).collect()),
        email_verified: profile.verified_email.is_some(),
        email: profile.verified_email,
        identity: Some(link),
        invited_by,
        ..NewPerson::default()
    };
    people::register(app, actor, new).await
}

async fn link_in(app: &App, tx: &mut Tx, actor: &Actor, user: &User, link: &NewLink) -> Result<()> {
    people::link_in(tx, user.id, link, user.email.as_deref(), app.clock.now()).await?;
    let target = Target { kind: "user", id: &user.id.to_string() };
    let what = serde_json::json!({ "provider": link.provider });
    audit::record(app, tx, actor, "user.link", target, (), what).await
}

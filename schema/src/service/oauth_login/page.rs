//! Round trips that a page begins by itself: it asks for a state, composes the provider's address, and brings back the
//! code. So nothing was proven to the provider at the beginning (no PKCE, no nonce); the state is what ties the end to
//! the browser that began.
//!
//! Whoever is signed in when they come back links the provider to themselves; everybody else signs in.

use super::{Kept, Profile, Provider, Setup, Trip, keep, link_in, person, take};
use crate::App;
use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::id;
use crate::model::user::{Identity, User};
use crate::service::user::{self as people, NewLink};

const PURPOSE: &str = "page";
/// The providers that pages know the way to, and where each sends the browser back to, where the page says so.
const PROVIDERS: [(&str, Option<&str>); 3] =
    [("github", None), ("oidc", Some("/oauth/oidc")), ("linuxdo", Some("/oauth/linuxdo"))];
/// Longest code of an inviter.
const LONGEST_INVITATION: usize = 64;

/// What a page needs to send somebody to a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub client_id: String,
    pub authorize_url: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Came {
    SignedIn(Box<User>),
    /// Whoever was signed in already can come this way from now on.
    Linked,
}

/// A provider as pages offer it; nothing while it is not set up.
pub fn offer(app: &App, provider: &str) -> Option<Offer> {
    let (client_id, authorize_url) = Setup::of(app, Provider::named(provider).ok()?).ok()?.open();
    Some(Offer { client_id, authorize_url })
}

/// Begins a round trip to any of the providers; the state, and what the browser must bring back beside it.
pub async fn begin_page(app: &App, actor: &Actor, invited_by: Option<String>) -> Result<(String, String)> {
    let invited_by = invited_by.filter(|code| !code.is_empty() && code.len() <= LONGEST_INVITATION);
    let kept = Kept { verifier: String::new(), nonce: String::new(), invited_by };
    let state = keep(app, PURPOSE, "", actor.user_id, &kept).await?;
    let browser = id::digest(&state);
    Ok((state, browser))
}

/// Finishes it.
pub async fn finish_page(
    app: &App,
    actor: &Actor,
    provider: &str,
    code: &str,
    state: &str,
    browser: Option<&str>,
) -> Result<Came> {
    let known = PROVIDERS.iter().find(|(name, _)| *name == provider);
    let (_, callback) = known.ok_or(Error::NotFound { what: "provider" })?;
    let provider = Provider::named(provider)?;
    let setup = Setup::of(app, provider)?;
    let (kept, began) = take(app, (PURPOSE, ""), code, state, browser).await?;
    if began.is_some() && began != actor.user_id {
        return Err(Error::invalid("state", "this sign-in was begun by somebody else"));
    }
    let callback = callback.map(|path| format!("{}{path}", app.config.public_url()));
    let trip = Trip { callback: callback.as_deref(), verifier: None, nonce: None };
    let profile = setup.profile(app, code, &trip).await?;
    arrive(app, actor, provider.name, profile, kept.invited_by).await
}

/// What a profile does for whoever brings it.
pub(super) async fn arrive(
    app: &App,
    actor: &Actor,
    provider: &str,
    profile: Profile,
    invited_by: Option<String>,
) -> Result<Came> {
    let Some(me) = actor.user_id else {
        return Ok(Came::SignedIn(Box::new(person(app, actor, provider, profile, invited_by).await?)));
    };
    let user = people::get(app, actor, me).await?;
    let link = NewLink { provider: provider.into(), subject: profile.subject, name: profile.name };
    let mut tx = app.db.begin().await?;
    match Identity::find(&mut tx, provider, &link.subject).await? {
        Some(identity) if identity.user_id == me => {}
        Some(_) => return Err(Error::conflict("IDENTITY_TAKEN", "somebody else signs in by this account")),
        None => {
            // One account a provider: whoever links another has changed over to it.
            Identity::delete_of(&mut tx, me, provider).await?;
            link_in(app, &mut tx, actor, &user, &link).await?;
        }
    }
    tx.commit().await?;
    Ok(Came::Linked)
}

/// By which providers somebody signs in, and as whom: of oneself, or of anybody for administrators.
pub async fn identities(app: &App, actor: &Actor, user_id: i64) -> Result<Vec<Identity>> {
    actor.owns_or_admin(user_id, "user")?;
    let mut conn = app.db.conn().await?;
    Ok(Identity::of_user(&mut conn, user_id).await?)
}

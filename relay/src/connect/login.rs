//! Logging an account in at its vendor: the address of the consent page, and the code that comes back.
//!
//! What the consent page must not know (the PKCE verifier) stays here for ten minutes, sealed, under an
//! id that works once.

use schema::clock::MINUTE;
use schema::service::account::{Credentials as Stored, Proxy};
use schema::service::setting::{self, names};
use schema::{Act, Actor, App, Error, Result};
use serde::{Deserialize, Serialize};

use crate::wire::oauth::{Endpoints, Flow, Pasted, Pkce, Tokens, read_tokens};

/// How long a person may take on the consent page.
const PATIENCE: i64 = 10 * MINUTE;
/// Where sessions and their results are sealed.
const PLACE: &str = "oauth.session";

#[derive(Serialize, Deserialize)]
struct Session {
    flow: u8,
    verifier: String,
    state: String,
    proxy: Option<Proxy>,
}

/// A login that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// The consent page.
    pub url: String,
    /// Under which the code is to be handed in.
    pub session: String,
}

fn number(flow: Flow) -> u8 {
    match flow {
        Flow::Claude => 0,
        Flow::ClaudeSetup => 1,
        Flow::Codex => 2,
        Flow::Gemini => 3,
    }
}

/// Where a flow goes: the vendor's own addresses, or those of the settings.
pub fn endpoints(app: &App, flow: Flow) -> Endpoints {
    let settings = setting::current(app);
    let mut at = flow.defaults();
    let (authorize, token) = match flow {
        Flow::Claude | Flow::ClaudeSetup => (names::OAUTH_CLAUDE_AUTHORIZE_URL, names::OAUTH_CLAUDE_TOKEN_URL),
        Flow::Codex => (names::OAUTH_OPENAI_AUTHORIZE_URL, names::OAUTH_OPENAI_TOKEN_URL),
        Flow::Gemini => (names::OAUTH_GOOGLE_AUTHORIZE_URL, names::OAUTH_GOOGLE_TOKEN_URL),
    };
    for (name, place) in [(authorize, &mut at.authorize), (token, &mut at.token)] {
        let text = settings.text(name);
        if !text.is_empty() {
            *place = text.to_owned().into();
        }
    }
    if flow == Flow::Gemini {
        let secret = settings.text(names::OAUTH_GOOGLE_CLIENT_SECRET);
        at.client_secret = (!secret.is_empty()).then(|| secret.to_owned());
    }
    at
}

fn place(session: &str) -> String {
    format!("oauth:{session}")
}

fn done(session: &str) -> String {
    format!("oauth-done:{session}")
}

/// Begins a login.
pub async fn begin(app: &App, actor: &Actor, flow: Flow, proxy: Option<Proxy>) -> Result<Begun> {
    actor.may(Act::Manage)?;
    let pkce = Pkce::from_random(&schema::id::random::<32>());
    let session = schema::id::uuid();
    let state = schema::id::hex(&schema::id::random::<16>());
    let url = flow.authorize_url(&endpoints(app, flow), &pkce.challenge, &state);
    let kept = Session { flow: number(flow), verifier: pkce.verifier, state, proxy };
    let sealed = schema::id::hex(&app.seal.seal_json(PLACE, &kept)?);
    app.kv.put(&place(&session), &sealed, PATIENCE, app.clock.now()).await?;
    Ok(Begun { url, session })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok()).collect()
}

/// Hands in what the consent page gave; the tokens. A session works once, whatever comes of it.
pub async fn finish(app: &App, actor: &Actor, flow: Flow, session: &str, pasted: &str) -> Result<Tokens> {
    actor.may(Act::Manage)?;
    let pasted = Pasted::read(pasted)
        .map_err(|e| Error::invalid("code", format!("Failed to parse authorization input: {e}")))?;
    let gone = || Error::invalid("sessionId", "Invalid or expired OAuth session");
    let now = app.clock.now();
    let sealed = app.kv.take(&place(session), now).await?.ok_or_else(gone)?;
    let kept: Session = app.seal.open_json(PLACE, &unhex(&sealed).ok_or_else(gone)?)?;
    if kept.flow != number(flow) {
        return Err(Error::invalid("sessionId", "this session was begun for another kind of login"));
    }
    if pasted.state.as_ref().is_some_and(|s| *s != kept.state) {
        return Err(Error::invalid("state", "the code belongs to another session"));
    }
    let at = endpoints(app, flow);
    let request = flow
        .exchange(&at, &pasted.code, &kept.verifier, &kept.state)
        .map_err(|e| Error::invalid("code", e.to_string()))?;
    let heard =
        super::send(app, kept.proxy.as_ref(), request).await?.map_err(|why| Error::upstream("oauth", 0, why))?;
    let tokens = read_tokens(flow, heard.status, &heard.body, now.0).map_err(|dead| {
        if heard.status.is_client_error() {
            Error::invalid("code", dead.reason)
        } else {
            Error::upstream("oauth", heard.status.as_u16(), dead.reason)
        }
    })?;
    if flow == Flow::Gemini {
        let result = Stored::Oauth(stored(&tokens));
        let sealed = schema::id::hex(&app.seal.seal_json(PLACE, &result)?);
        app.kv.put(&done(session), &sealed, PATIENCE, now).await?;
    }
    Ok(tokens)
}

/// Tokens in their stored form.
pub fn stored(tokens: &Tokens) -> schema::service::account::OauthTokens {
    schema::service::account::OauthTokens {
        access_token: tokens.access_token.clone(),
        refresh_token: tokens.refresh_token.clone(),
        id_token: tokens.id_token.clone(),
        expires_at: tokens.expires_at.map(schema::Time),
        scopes: tokens.scopes.clone(),
    }
}

/// How a begun login stands.
pub enum Standing {
    /// The person has not brought the code yet.
    Waiting,
    /// It was finished; told once.
    Done(Box<schema::service::account::OauthTokens>),
    /// There is no such session, or not any more.
    Gone,
}

/// How a begun login stands.
pub async fn standing(app: &App, actor: &Actor, session: &str) -> Result<Standing> {
    actor.may(Act::Manage)?;
    let now = app.clock.now();
    if app.kv.get(&place(session), now).await?.is_some() {
        return Ok(Standing::Waiting);
    }
    let Some(sealed) = app.kv.take(&done(session), now).await? else { return Ok(Standing::Gone) };
    let bytes = unhex(&sealed).ok_or_else(|| Error::internal("a sealed login is damaged"))?;
    match app.seal.open_json(PLACE, &bytes)? {
        Stored::Oauth(tokens) => Ok(Standing::Done(Box::new(tokens))),
        _ => Ok(Standing::Gone),
    }
}

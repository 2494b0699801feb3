//! Management tokens: JWTs with an audience (the face that issued them), an id that can be revoked and
//! the user's token version. A token from one face is accepted by every other.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

use crate::actor::{Actor, Face, Role, TokenRef};
use crate::clock::{SECOND, Time};
use crate::error::{Error, Result};
use crate::model::session::RevokedToken;
use crate::model::user::User;
use crate::{App, id};

const ISSUER: &str = "tollgate";

/// Signs and checks.
pub struct TokenKeys {
    sign: EncodingKey,
    check: DecodingKey,
}

impl TokenKeys {
    pub fn new(secret: &str) -> Self {
        Self { sign: EncodingKey::from_secret(secret.as_bytes()), check: DecodingKey::from_secret(secret.as_bytes()) }
    }
}

/// What a token says.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The user's id.
    pub sub: String,
    pub jti: String,
    pub iat: i64,
    pub exp: i64,
    /// The user's token version when it was issued.
    pub ver: i64,
    /// The refresh family it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fam: Option<String>,
}

/// A fresh token.
#[derive(Clone, Debug)]
pub struct Issued {
    pub token: String,
    pub jti: String,
    pub expires_at: Time,
    /// How long it is good for from when it was issued.
    pub life_ms: i64,
}

/// Issues a token to a user.
pub fn issue(app: &App, user: &User, face: Face, ttl_ms: i64, family: Option<String>) -> Result<Issued> {
    let now = app.clock.now();
    let expires_at = now.plus(ttl_ms);
    let claims = Claims {
        iss: ISSUER.into(),
        aud: face.as_str().into(),
        sub: user.id.to_string(),
        jti: id::hex(&id::random::<16>()),
        iat: now.seconds(),
        exp: expires_at.seconds(),
        ver: user.token_version,
        fam: family,
    };
    let token =
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &app.tokens.sign).map_err(Error::internal)?;
    Ok(Issued { token, jti: claims.jti, expires_at, life_ms: ttl_ms })
}

/// Reads a token's claims; signature, issuer and expiry checked, nothing looked up.
pub fn read(app: &App, token: &str) -> Result<Claims> {
    let claims = decoded(app, token)?;
    // Tokens of another audience open something else, not a user's rights.
    if Face::parse(&claims.aud).is_some() { Ok(claims) } else { Err(Error::unauthenticated(INVALID)) }
}

const INVALID: &str = "the token is invalid or has expired";

fn decoded(app: &App, token: &str) -> Result<Claims> {
    let bad = || Error::unauthenticated(INVALID);
    if token.len() > 4096 {
        return Err(bad());
    }
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&[ISSUER]);
    validation.validate_aud = false;
    // Expiry is checked against our own clock, so that tests own time.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &app.tokens.check, &validation).map_err(|_| bad())?.claims;
    if claims.exp <= app.clock.now().seconds() { Err(bad()) } else { Ok(claims) }
}

/// The audience of tokens that open one account's health check and nothing else.
const PROBE: &str = "account-health";

/// Issues a token with which somebody may ask whether one account works, and do nothing else.
pub fn issue_probe(app: &App, actor: &Actor, account_uid: &str, ttl_ms: i64) -> Result<Issued> {
    actor.may(crate::actor::Act::Manage)?;
    let now = app.clock.now();
    let expires_at = now.plus(ttl_ms);
    let claims = Claims {
        iss: ISSUER.into(),
        aud: PROBE.into(),
        sub: account_uid.to_owned(),
        jti: id::hex(&id::random::<16>()),
        iat: now.seconds(),
        exp: expires_at.seconds(),
        ver: 0,
        fam: None,
    };
    let token =
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &app.tokens.sign).map_err(Error::internal)?;
    Ok(Issued { token, jti: claims.jti, expires_at, life_ms: ttl_ms })
}

/// The public id of the account whose health check a token opens.
pub fn read_probe(app: &App, token: &str) -> Result<String> {
    let claims = decoded(app, token)?;
    if claims.aud == PROBE { Ok(claims.sub) } else { Err(Error::unauthenticated(INVALID)) }
}

/// Turns a presented token into the user it stands for, as that user is right now.
pub async fn authenticate(app: &App, token: &str, anonymous: Actor) -> Result<(Actor, User)> {
    let claims = read(app, token)?;
    let bad = || Error::unauthenticated("the token is invalid or has expired");
    let user_id = claims.sub.parse::<i64>().map_err(|_| bad())?;
    let mut conn = app.db.conn().await?;
    let user = User::find(&mut conn, user_id).await?.ok_or_else(bad)?;
    if !user.is_active() || user.token_version != claims.ver || RevokedToken::exists(&mut conn, &claims.jti).await? {
        return Err(bad());
    }
    let token = TokenRef { jti: claims.jti, expires_at: claims.exp * SECOND, session: claims.fam };
    Ok((actor_of(&user, anonymous, Some(token)), user))
}

/// True while the token behind an actor has neither expired nor been ended; for long-lived connections.
pub async fn still_valid(app: &App, actor: &Actor, version: i64) -> Result<bool> {
    let (Some(token), Some(user_id)) = (&actor.token, actor.user_id) else {
        return Ok(true);
    };
    if token.expires_at <= app.clock.now().0 {
        return Ok(false);
    }
    let mut conn = app.db.conn().await?;
    let Some(user) = User::find(&mut conn, user_id).await? else {
        return Ok(false);
    };
    Ok(user.is_active()
        && user.token_version == version
        && user.role == actor.role.unwrap_or(Role::User)
        && !RevokedToken::exists(&mut conn, &token.jti).await?)
}

/// The actor a user is, arriving the way `anonymous` did.
pub fn actor_of(user: &User, anonymous: Actor, token: Option<TokenRef>) -> Actor {
    Actor { user_id: Some(user.id), name: user.username.clone(), role: Some(user.role), token, ..anonymous }
}

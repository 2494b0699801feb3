//! Signing in and out: one rule for every face, with limits on failed attempts.

use crate::App;
use crate::actor::{Actor, Face, Role, TokenRef};
use crate::bus::Event;
use crate::clock::{DAY, HOUR, SECOND, Time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id;
use crate::model::session::{RevokedToken, Session, SessionKind};
use crate::model::user::{User, UserStatus, fold};
use crate::service::audit::{self, Target};
use crate::service::setting::{self, names};
use crate::service::token::{self, Issued};

/// Somebody who has just signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub token: Issued,
}

/// Why a sign-in was refused, for faces that say so in words of their own.
pub const WRONG: &str = "wrong username or password";

/// How long a face's tokens live.
pub fn token_ttl(face: Face) -> i64 {
    match face {
        Face::Massrouter => HOUR,
        Face::Graphql => 12 * HOUR,
        Face::Commercial => 7 * DAY,
        _ => DAY,
    }
}

/// How long a cookie session and a refresh token live.
pub const LONG_SESSION: i64 = 30 * DAY;

/// Checks a name (or address) and password, and issues a token of this face. `least` is the role the face asks for.
pub async fn sign_in(app: &App, caller: &Actor, login: &str, password: &str, least: Role) -> Result<SignedIn> {
    let user = check(app, caller, login, password, least).await?;
    let token = token::issue(app, &user, caller.face, token_ttl(caller.face), None)?;
    Ok(SignedIn { user, token })
}

/// Checks a name (or address) and password against limits, status and role; notes the sign-in.
pub async fn check(app: &App, caller: &Actor, login: &str, password: &str, least: Role) -> Result<User> {
    if login.is_empty() || login.len() > 254 || password.is_empty() || password.len() > 1024 {
        return Err(Error::unauthenticated(WRONG));
    }
    let settings = setting::current(app);
    let limit = settings.int(names::LOGIN_LIMIT);
    let window = settings.int(names::LOGIN_WINDOW_SECONDS) * SECOND;
    let by_name = format!("login:name:{}", id::digest(&fold(login)));
    // Many people may share an address, so it is allowed more.
    let counters = [(by_name.clone(), limit), (format!("login:ip:{}", caller.ip), limit * 10)];
    let now = app.clock.now();
    // Counted first, then checked: parallel guesses cannot overshoot. A success takes its count back.
    for (name, limit) in &counters {
        let hit = app.kv.hit(name, 1, *limit, window, now).await?;
        if !hit.allowed {
            let retry_after = (hit.resets_at.0 - now.0).max(0).div_euclid(SECOND) as u64 + 1;
            return Err(Error::RateLimited { retry_after, why: "too many sign-in attempts; try again later".into() });
        }
    }
    let mut conn = app.db.conn().await?;
    let user = User::by_login(&mut conn, login).await?;
    drop(conn);
    let right = app.hasher.verify(password, user.as_ref().and_then(|u| u.password_hash.as_deref())).await?;
    let Some(user) = user.filter(|_| right) else {
        tracing::info!(face = %caller.face, ip = %caller.ip, "a sign-in was refused");
        return Err(Error::unauthenticated(WRONG));
    };
    app.kv.forget(&by_name).await?;
    app.kv.hit(&counters[1].0, -1, i64::MAX, window, now).await?;
    if user.status != UserStatus::Active {
        return Err(Error::Forbidden { why: "this user is disabled".into() });
    }
    if user.role < least {
        return Err(Error::forbidden(format!("this needs the role {least}")));
    }
    noted(app, caller, &user).await?;
    Ok(user)
}

/// Notes a sign-in that was made.
async fn noted(app: &App, caller: &Actor, user: &User) -> Result<()> {
    let mut tx = app.db.begin().await?;
    User::touch_login(&mut tx, user.id, app.clock.now()).await?;
    let actor = token::actor_of(user, caller.clone(), None);
    let target = Target { kind: "user", id: &user.id.to_string() };
    audit::record(app, &mut tx, &actor, "session.sign_in", target, (), ()).await?;
    tx.commit().await
}

/// Issues a token to somebody whose identity was proved elsewhere (a sign-in provider).
pub async fn sign_in_as(app: &App, caller: &Actor, user: User) -> Result<SignedIn> {
    if !user.is_active() {
        return Err(Error::Forbidden { why: "this user is disabled".into() });
    }
    noted(app, caller, &user).await?;
    let token = token::issue(app, &user, caller.face, token_ttl(caller.face), None)?;
    Ok(SignedIn { user, token })
}

/// Ends the caller's token at once, and the long session behind it.
pub async fn sign_out(app: &App, actor: &Actor) -> Result<()> {
    let Some(token) = &actor.token else { return Ok(()) };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    if !token.jti.is_empty() {
        RevokedToken::insert(&mut tx, &token.jti, Time(token.expires_at)).await?;
    }
    if let Some(family) = &token.session {
        Session::revoke_family(&mut tx, family, now).await?;
    }
    let target = Target { kind: "user", id: &actor.user_id.unwrap_or_default().to_string() };
    audit::record(app, &mut tx, actor, "session.sign_out", target, (), ()).await?;
    tx.commit().await?;
    if !token.jti.is_empty() {
        app.bus.publish(Event::TokenRevoked { jti: token.jti.clone(), expires_at: token.expires_at }).await;
    }
    Ok(())
}

/// Issues the same user a fresh token. The presented one lives on to its own end: a client with several
/// windows open renews in each.
pub async fn renew(app: &App, actor: &Actor) -> Result<SignedIn> {
    let user_id = actor.signed_in()?;
    let mut conn = app.db.conn().await?;
    let user = User::find(&mut conn, user_id).await?.filter(User::is_active).ok_or(Error::NotFound { what: "user" })?;
    drop(conn);
    let token = token::issue(app, &user, actor.face, token_ttl(actor.face), None)?;
    Ok(SignedIn { user, token })
}

/// A pair of access token and rotating refresh token.
#[derive(Clone, Debug)]
pub struct Pair {
    pub user: User,
    pub access: Issued,
    pub refresh: String,
}

/// Begins a family of refresh tokens for a user who has just proved who they are.
pub async fn open_pair(app: &App, caller: &Actor, user: User) -> Result<Pair> {
    let mut tx = app.db.begin().await?;
    let pair = next_in_family(app, &mut tx, caller, user, id::uuid()).await?;
    tx.commit().await?;
    Ok(pair)
}

/// As [`open_pair`], for somebody whose identity was proved elsewhere (a sign-in provider): it is a sign-in like any
/// other, and noted as one.
pub async fn open_pair_as(app: &App, caller: &Actor, user: User) -> Result<Pair> {
    if !user.is_active() {
        return Err(Error::Forbidden { why: "this user is disabled".into() });
    }
    noted(app, caller, &user).await?;
    open_pair(app, caller, user).await
}

async fn next_in_family(app: &App, tx: &mut Tx, caller: &Actor, user: User, family: String) -> Result<Pair> {
    let refresh = format!("rt_{}", id::hex(&id::random::<32>()));
    let now = app.clock.now();
    let row = Session {
        id: id::uuid(),
        user_id: user.id,
        kind: SessionKind::Refresh,
        family: family.clone(),
        face: caller.face.as_str().into(),
        digest: id::digest(&refresh),
        token_version: user.token_version,
        ip: caller.ip.clone(),
        agent: String::new(),
        created_at: now,
        expires_at: now.plus(LONG_SESSION),
        used_at: None,
        revoked_at: None,
    };
    row.insert(tx).await?;
    let access = token::issue(app, &user, caller.face, token_ttl(caller.face), Some(family))?;
    Ok(Pair { user, access, refresh })
}

/// Turns a refresh token into a new pair. A token that was used before ends its whole family: one of
/// the two who presented it stole it.
pub async fn refresh(app: &App, caller: &Actor, presented: &str) -> Result<Pair> {
    let bad = || Error::unauthenticated("the refresh token is invalid or has expired");
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let session = Session::by_digest(&mut conn, &id::digest(presented)).await?.ok_or_else(bad)?;
    if session.kind != SessionKind::Refresh || session.expires_at <= now || session.revoked_at.is_some() {
        return Err(bad());
    }
    let user = User::find(&mut conn, session.user_id).await?.ok_or_else(bad)?;
    drop(conn);
    if !user.is_active() || user.token_version != session.token_version {
        return Err(bad());
    }
    // It is used up and has its successor at one moment: of two who bring it together, the second ends that one too.
    let mut tx = app.db.begin().await?;
    if !Session::use_once(&mut tx, &session.id, now).await? {
        Session::revoke_family(&mut tx, &session.family, now).await?;
        tx.commit().await?;
        tracing::warn!(user = session.user_id, "a refresh token was used twice; its family was ended");
        return Err(bad());
    }
    let pair = next_in_family(app, &mut tx, caller, user, session.family).await?;
    tx.commit().await?;
    Ok(pair)
}

/// Opens a cookie session; the answer is the cookie's value.
pub async fn open_cookie(app: &App, caller: &Actor, user: &User, agent: &str) -> Result<String> {
    let value = id::hex(&id::random::<32>());
    let now = app.clock.now();
    let key = id::uuid();
    let row = Session {
        id: key.clone(),
        user_id: user.id,
        kind: SessionKind::Cookie,
        family: key,
        face: caller.face.as_str().into(),
        digest: id::digest(&value),
        token_version: user.token_version,
        ip: caller.ip.clone(),
        agent: agent.chars().take(300).collect(),
        created_at: now,
        expires_at: now.plus(LONG_SESSION),
        used_at: None,
        revoked_at: None,
    };
    let mut conn = app.db.conn().await?;
    row.insert(&mut conn).await?;
    Ok(value)
}

/// Who a cookie stands for, as that user is right now.
pub async fn by_cookie(app: &App, value: &str, anonymous: Actor) -> Result<(Actor, User)> {
    let bad = || Error::unauthenticated("the session is invalid or has expired");
    let mut conn = app.db.conn().await?;
    let session = Session::by_digest(&mut conn, &id::digest(value)).await?.ok_or_else(bad)?;
    if session.kind != SessionKind::Cookie || session.expires_at <= app.clock.now() || session.revoked_at.is_some() {
        return Err(bad());
    }
    let user = User::find(&mut conn, session.user_id).await?.ok_or_else(bad)?;
    if !user.is_active() || user.token_version != session.token_version {
        return Err(bad());
    }
    let token = TokenRef { jti: String::new(), expires_at: session.expires_at.0, session: Some(session.family) };
    Ok((token::actor_of(&user, anonymous, Some(token)), user))
}

/// Who a 32-character access token stands for.
pub async fn by_access_token(app: &App, value: &str, anonymous: Actor) -> Result<(Actor, User)> {
    let bad = || Error::unauthenticated("the access token is invalid");
    let mut conn = app.db.conn().await?;
    let user = User::by_access_digest(&mut conn, &id::digest(value)).await?.ok_or_else(bad)?;
    if user.status != UserStatus::Active {
        return Err(Error::Forbidden { why: "this user is disabled".into() });
    }
    Ok((token::actor_of(&user, anonymous, None), user))
}

/// Who a bearer token of any form stands for: a JWT of any face, or an access token.
pub async fn by_bearer(app: &App, value: &str, anonymous: Actor) -> Result<(Actor, User)> {
    if value.starts_with("eyJ") {
        token::authenticate(app, value, anonymous).await
    } else {
        by_access_token(app, value, anonymous).await
    }
}

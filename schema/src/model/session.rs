//! Long-lived sign-ins, early-ended tokens and authorization round trips.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::table::{oauth_states, revoked_tokens, sessions};
use crate::{on, text_enum};

text_enum! {
    /// What a session row stands for.
    pub enum SessionKind {
        Cookie = "cookie",
        Refresh = "refresh",
    }
}

/// A cookie session, or one link in a family of rotating refresh tokens.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable, Insertable)]
#[diesel(table_name = sessions)]
pub struct Session {
    pub id: String,
    pub user_id: i64,
    pub kind: SessionKind,
    pub family: String,
    pub face: String,
    pub digest: String,
    pub token_version: i64,
    pub ip: String,
    pub agent: String,
    pub created_at: Time,
    pub expires_at: Time,
    pub used_at: Option<Time>,
    pub revoked_at: Option<Time>,
}

impl Session {
    pub async fn insert(&self, conn: &mut Conn) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(sessions::table).values(self).execute(c).await)?;
        Ok(())
    }
    pub async fn by_digest(conn: &mut Conn, digest: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| sessions::table
            .filter(sessions::digest.eq(digest))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// Marks a refresh token as used; false when it was used or ended before: somebody holds a copy.
    pub async fn use_once(conn: &mut Conn, id: &str, now: Time) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(
            sessions::table
                .filter(sessions::id.eq(id))
                .filter(sessions::used_at.is_null())
                .filter(sessions::revoked_at.is_null())
        )
        .set(sessions::used_at.eq(now))
        .execute(c)
        .await)?;
        Ok(n == 1)
    }
    pub async fn revoke_family(conn: &mut Conn, family: &str, now: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::update(
            sessions::table.filter(sessions::family.eq(family)).filter(sessions::revoked_at.is_null())
        )
        .set(sessions::revoked_at.eq(now))
        .execute(c)
        .await)
    }
    pub async fn revoke_user(conn: &mut Conn, user_id: i64, now: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::update(
            sessions::table.filter(sessions::user_id.eq(user_id)).filter(sessions::revoked_at.is_null())
        )
        .set(sessions::revoked_at.eq(now))
        .execute(c)
        .await)
    }
    pub async fn delete_expired(conn: &mut Conn, now: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(sessions::table.filter(sessions::expires_at.lt(now))).execute(c).await)
    }
}

/// A token that was signed out before its time.
pub struct RevokedToken;

impl RevokedToken {
    pub async fn insert(conn: &mut Conn, jti: &str, expires_at: Time) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(revoked_tokens::table)
            .values((revoked_tokens::jti.eq(jti), revoked_tokens::expires_at.eq(expires_at)))
            .on_conflict_do_nothing()
            .execute(c)
            .await)?;
        Ok(())
    }
    pub async fn exists(conn: &mut Conn, jti: &str) -> QueryResult<bool> {
        on!(conn, |c| diesel::select(diesel::dsl::exists(revoked_tokens::table.find(jti))).get_result(c).await)
    }
    pub async fn delete_expired(conn: &mut Conn, now: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(revoked_tokens::table.filter(revoked_tokens::expires_at.lt(now))).execute(c).await)
    }
}

/// One authorization-code round trip under way.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = oauth_states)]
pub struct OauthState {
    pub digest: String,
    pub purpose: String,
    pub provider: String,
    pub user_id: Option<i64>,
    /// Sealed: PKCE verifier, nonce, where to return to.
    pub payload: Vec<u8>,
    pub created_at: Time,
    pub expires_at: Time,
}

impl OauthState {
    pub async fn insert(&self, conn: &mut Conn) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(oauth_states::table).values(self).execute(c).await)?;
        Ok(())
    }
    /// Takes the state; only one caller ever gets it.
    pub async fn take(conn: &mut Conn, digest: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::delete(oauth_states::table.find(digest))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    /// Looks without taking.
    pub async fn find(conn: &mut Conn, digest: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| oauth_states::table.find(digest).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn delete_expired(conn: &mut Conn, now: Time) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(oauth_states::table.filter(oauth_states::expires_at.lt(now))).execute(c).await)
    }
}

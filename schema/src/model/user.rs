//! People.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::actor::Role;
use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::page::{CursorKey, Direction, Seek, Window};
use crate::table::{user_identities, users};
use crate::value::{Doc, escape_like};
use crate::{on, text_enum};

text_enum! {
    /// Whether a person may use the service.
    pub enum UserStatus {
        Active = "active",
        Inactive = "inactive",
        Suspended = "suspended",
    }
}

/// The preference of people who take models without a price; newapi's name for it.
pub const TAKES_UNPRICED: &str = "accept_unset_model_ratio_model";

/// A person, with their wallet.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct User {
    pub id: i64,
    pub uid: String,
    pub username: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub display_name: String,
    pub password_hash: Option<String>,
    pub role: Role,
    pub status: UserStatus,
    pub group_name: String,
    pub token_version: i64,
    pub balance: Micros,
    pub wallet_seq: i64,
    pub spent: Micros,
    pub request_count: i64,
    pub aff_code: String,
    pub inviter_id: Option<i64>,
    pub avatar: String,
    pub bio: String,
    pub remark: String,
    pub prefs: Doc<serde_json::Map<String, serde_json::Value>>,
    pub access_digest: Option<String>,
    pub created_at: Time,
    pub updated_at: Time,
    pub last_login_at: Option<Time>,
    pub deleted_at: Option<Time>,
    pub version: i64,
}

/// A person to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = users)]
pub struct NewUser {
    pub uid: String,
    pub username: String,
    pub username_key: String,
    pub email: Option<String>,
    pub email_key: Option<String>,
    pub email_verified: bool,
    pub display_name: String,
    pub password_hash: Option<String>,
    pub role: Role,
    pub status: UserStatus,
    pub group_name: String,
    pub aff_code: String,
    pub inviter_id: Option<i64>,
    pub remark: String,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of a person changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChange {
    pub username: Option<String>,
    pub username_key: Option<String>,
    pub email: Option<Option<String>>,
    pub email_key: Option<Option<String>>,
    pub email_verified: Option<bool>,
    pub display_name: Option<String>,
    pub password_hash: Option<Option<String>>,
    pub role: Option<Role>,
    pub status: Option<UserStatus>,
    pub group_name: Option<String>,
    pub avatar: Option<String>,
    pub bio: Option<String>,
    pub remark: Option<String>,
    pub prefs: Option<Doc<serde_json::Map<String, serde_json::Value>>>,
    pub access_digest: Option<Option<String>>,
    pub last_login_at: Option<Option<Time>>,
    pub deleted_at: Option<Option<Time>>,
}

/// Which people.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserFilter {
    /// Part of the name, the e-mail address or the shown name, in any case.
    pub search: Option<String>,
    /// Part of the name, in any case.
    pub username: Option<String>,
    /// The whole name, in any case.
    pub named: Option<String>,
    /// Only these, when not empty.
    pub ids: Vec<i64>,
    pub role: Option<Role>,
    /// Of any of these roles, when not empty.
    pub roles: Vec<Role>,
    pub status: Option<UserStatus>,
    /// Of any of these statuses, when not empty.
    pub statuses: Vec<UserStatus>,
    pub group: Option<String>,
    pub created_from: Option<Time>,
    pub created_until: Option<Time>,
    pub with_deleted: bool,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<UserFilter>,
}

/// By what people are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserOrder {
    #[default]
    CreatedAt,
    Username,
    DisplayName,
    Email,
    Balance,
}

/// The one form in which names and addresses are compared.
pub fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &UserFilter = $filter;
        if !filter.with_deleted {
            query = query.filter(users::deleted_at.is_null());
        }
        if let Some(text) = &filter.search {
            let pattern = format!("%{}%", escape_like(&fold(text)));
            let shown = format!("%{}%", escape_like(text.trim()));
            query = query.filter(
                users::username_key
                    .like(pattern.clone())
                    .escape('\\')
                    .or(users::email_key.assume_not_null().like(pattern).escape('\\'))
                    .or(users::display_name.like(shown).escape('\\')),
            );
        }
        if let Some(name) = &filter.username {
            query = query.filter(users::username_key.like(format!("%{}%", escape_like(&fold(name)))).escape('\\'));
        }
        if let Some(name) = &filter.named {
            // Whoever was removed left the name to others.
            let left = format!("{}#%", escape_like(&fold(name)));
            query = query.filter(
                users::username_key
                    .eq(fold(name))
                    .or(users::deleted_at.is_not_null().and(users::username_key.like(left).escape('\\'))),
            );
        }
        if !filter.ids.is_empty() {
            query = query.filter(users::id.eq_any(filter.ids.clone()));
        }
        if let Some(role) = filter.role {
            query = query.filter(users::role.eq(role));
        }
        if !filter.roles.is_empty() {
            query = query.filter(users::role.eq_any(filter.roles.clone()));
        }
        if let Some(status) = filter.status {
            query = query.filter(users::status.eq(status));
        }
        if !filter.statuses.is_empty() {
            query = query.filter(users::status.eq_any(filter.statuses.clone()));
        }
        if let Some(group) = &filter.group {
            query = query.filter(users::group_name.eq(group));
        }
        if let Some(from) = filter.created_from {
            query = query.filter(users::created_at.ge(from));
        }
        if let Some(until) = filter.created_until {
            query = query.filter(users::created_at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, users, UserFilter);

impl User {
    /// True for someone who may sign in and call.
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active && self.deleted_at.is_none()
    }
    /// True for someone who takes models without a price, at what such models cost those who take them.
    pub fn takes_unpriced(&self) -> bool {
        self.prefs.0.get(TAKES_UNPRICED) == Some(&serde_json::Value::Bool(true))
    }

    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| users::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| users::table.filter(users::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn by_uid(conn: &mut Conn, uid: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| users::table.filter(users::uid.eq(uid)).select(Self::as_select()).first(c).await.optional())
    }
    /// By name or e-mail address, in any case; the deleted are not found.
    pub async fn by_login(conn: &mut Conn, login: &str) -> QueryResult<Option<Self>> {
        let key = fold(login);
        on!(conn, |c| users::table
            .filter(users::username_key.eq(&key).or(users::email_key.eq(&key)))
            .filter(users::deleted_at.is_null())
            // Somebody's name may look like another's address; the name wins.
            .order(users::username_key.eq(&key).desc())
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    pub async fn by_email(conn: &mut Conn, email: &str) -> QueryResult<Option<Self>> {
        let key = fold(email);
        on!(conn, |c| users::table
            .filter(users::email_key.eq(&key))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    pub async fn by_access_digest(conn: &mut Conn, digest: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| users::table
            .filter(users::access_digest.eq(digest))
            .filter(users::deleted_at.is_null())
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    /// How many came by somebody's invitation.
    pub async fn count_invited(conn: &mut Conn, inviter_id: i64) -> QueryResult<i64> {
        on!(conn, |c| users::table.filter(users::inviter_id.eq(inviter_id)).count().get_result(c).await)
    }
    pub async fn by_aff_code(conn: &mut Conn, code: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| users::table.filter(users::aff_code.eq(code)).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn insert(conn: &mut Conn, new: &NewUser) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(users::table).values(new).returning(Self::as_returning()).get_result(c).await)
    }
    /// Changes a person whose version is still `version`; `None` when somebody was faster.
    /// `ends_tokens` makes every token issued so far invalid.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &UserChange,
        ends_tokens: bool,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(users::table.filter(users::id.eq(id)).filter(users::version.eq(version)))
            .set((
                change,
                users::token_version.eq(users::token_version + i64::from(ends_tokens)),
                users::updated_at.eq(now),
                users::version.eq(users::version + 1),
            ))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    /// Notes a sign-in; no new version, nobody edits this.
    pub async fn touch_login(conn: &mut Conn, id: i64, now: Time) -> QueryResult<()> {
        on!(conn, |c| diesel::update(users::table.find(id)).set(users::last_login_at.eq(now)).execute(c).await)?;
        Ok(())
    }
    /// Takes the lock of a wallet's row for the rest of the transaction; its balance and seq.
    pub async fn lock_wallet(conn: &mut Conn, id: i64) -> QueryResult<Option<(Micros, i64)>> {
        on!(conn, |c| diesel::update(users::table.find(id))
            .set(users::wallet_seq.eq(users::wallet_seq + 0))
            .returning((users::balance, users::wallet_seq))
            .get_result(c)
            .await
            .optional())
    }
    /// How many people of at least this role could still sign in.
    pub async fn count_active_with_role(conn: &mut Conn, role: Role) -> QueryResult<i64> {
        let roles: Vec<Role> = Role::ALL.iter().copied().filter(|r| *r >= role).collect();
        on!(conn, |c| users::table
            .filter(users::role.eq_any(roles))
            .filter(users::status.eq(UserStatus::Active))
            .filter(users::deleted_at.is_null())
            .count()
            .get_result(c)
            .await)
    }
    pub async fn count(conn: &mut Conn, filter: &UserFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(users::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// One keyset page, one row more than asked for.
    pub async fn seek(
        conn: &mut Conn,
        filter: &UserFilter,
        order: (UserOrder, Direction),
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let query = filtered!(users::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order.0 {
                UserOrder::CreatedAt => seek_by!(query, users::created_at, users::id, Number, Time, order.1, seek),
                UserOrder::Username => seek_by!(query, users::username_key, users::id, Text, (), order.1, seek),
                UserOrder::DisplayName => seek_by!(query, users::display_name, users::id, Text, (), order.1, seek),
                // Addresses may be missing, which no keyset can pass over; faces that page by cursor do not offer them.
                UserOrder::Email => seek_by!(query, users::username_key, users::id, Text, (), order.1, seek),
                UserOrder::Balance => seek_by!(query, users::balance, users::id, Number, Micros, order.1, seek),
            };
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self, order: UserOrder) -> CursorKey {
        match order {
            UserOrder::CreatedAt => CursorKey::Number(self.created_at.0),
            UserOrder::Username | UserOrder::Email => CursorKey::Text(fold(&self.username)),
            UserOrder::DisplayName => CursorKey::Text(self.display_name.clone()),
            UserOrder::Balance => CursorKey::Number(self.balance.0),
        }
    }
    /// One numbered page.
    pub async fn window(
        conn: &mut Conn,
        filter: &UserFilter,
        order: (UserOrder, Direction),
        window: Window,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let query = filtered!(users::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order {
                (UserOrder::CreatedAt, Direction::Asc) => query.order((users::created_at.asc(), users::id.asc())),
                (UserOrder::CreatedAt, Direction::Desc) => query.order((users::created_at.desc(), users::id.desc())),
                (UserOrder::Username, Direction::Asc) => query.order((users::username_key.asc(), users::id.asc())),
                (UserOrder::Username, Direction::Desc) => query.order((users::username_key.desc(), users::id.desc())),
                (UserOrder::DisplayName, Direction::Asc) => query.order((users::display_name.asc(), users::id.asc())),
                (UserOrder::DisplayName, Direction::Desc) => {
                    query.order((users::display_name.desc(), users::id.desc()))
                }
                (UserOrder::Email, Direction::Asc) => query.order((users::email_key.asc(), users::id.asc())),
                (UserOrder::Email, Direction::Desc) => query.order((users::email_key.desc(), users::id.desc())),
                (UserOrder::Balance, Direction::Asc) => query.order((users::balance.asc(), users::id.asc())),
                (UserOrder::Balance, Direction::Desc) => query.order((users::balance.desc(), users::id.desc())),
            };
            query.limit(window.limit).offset(window.offset).load(c).await
        })
    }
    /// Names of groups that people are in.
    pub async fn groups(conn: &mut Conn) -> QueryResult<Vec<String>> {
        on!(conn, |c| users::table.select(users::group_name).distinct().order(users::group_name).load(c).await)
    }
}

/// A way to sign in by somebody else's word.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
#[diesel(table_name = user_identities)]
pub struct Identity {
    pub id: i64,
    pub user_id: i64,
    pub provider: String,
    pub subject: String,
    pub email: Option<String>,
    pub name: String,
    pub created_at: Time,
}

/// An identity to be linked.
#[derive(Debug, Insertable)]
#[diesel(table_name = user_identities)]
pub struct NewIdentity<'a> {
    pub user_id: i64,
    pub provider: &'a str,
    pub subject: &'a str,
    pub email: Option<&'a str>,
    pub name: &'a str,
    pub created_at: Time,
}

impl Identity {
    pub async fn find(conn: &mut Conn, provider: &str, subject: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| user_identities::table
            .filter(user_identities::provider.eq(provider))
            .filter(user_identities::subject.eq(subject))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    pub async fn of_user(conn: &mut Conn, user_id: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| user_identities::table
            .filter(user_identities::user_id.eq(user_id))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    pub async fn insert(conn: &mut Conn, new: &NewIdentity<'_>) -> QueryResult<()> {
        on!(conn, |c| diesel::insert_into(user_identities::table).values(new).execute(c).await)?;
        Ok(())
    }
    /// Forgets by whom somebody signs in at one provider.
    pub async fn delete_of(conn: &mut Conn, user_id: i64, provider: &str) -> QueryResult<()> {
        on!(conn, |c| diesel::delete(
            user_identities::table
                .filter(user_identities::user_id.eq(user_id))
                .filter(user_identities::provider.eq(provider))
        )
        .execute(c)
        .await)?;
        Ok(())
    }
    pub async fn delete_of_user(conn: &mut Conn, user_id: i64) -> QueryResult<()> {
        on!(conn, |c| diesel::delete(user_identities::table.filter(user_identities::user_id.eq(user_id)))
            .execute(c)
            .await)?;
        Ok(())
    }
}

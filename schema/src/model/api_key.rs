//! API keys: what callers present. Only the digest of a key's secret is kept.

mod row;
mod terms;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::{Conn, Together};
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::on;
use crate::page::{CursorKey, Direction, Seek, Window};
use crate::table::{api_keys, usage_hourly, users};
use crate::value::{Doc, Words, escape_like};

pub use row::{ApiKey, ApiKeyChange, ExpiryMode, KeyState, KeyStatus, NewApiKey};
pub(crate) use terms::matches_name;
pub use terms::{Binding, BoundTo, KeyLimits, KeyRules, Permissions, Service, Slot};

/// Whether deleted rows are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deleted {
    /// Only what lives.
    #[default]
    Without,
    /// Only what was deleted.
    Only,
    /// Both.
    With,
}

/// Which keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyFilter {
    /// Part of the key's name, its hint, its public id or its owner's name, in any case.
    pub search: Option<String>,
    pub user_id: Option<i64>,
    /// Only these, when not empty.
    pub ids: Vec<i64>,
    /// The digest of a whole secret.
    pub digest: Option<String>,
    /// Part of what is kept of the secret to be shown.
    pub hint: Option<String>,
    /// How they stand now; the moment belongs to it.
    pub state: Option<(KeyState, Time)>,
    /// Any of these tags, when not empty.
    pub tags: Vec<String>,
    /// Keys that may use this service.
    pub permission: Option<Service>,
    pub group: Option<String>,
    pub source: Option<String>,
    pub deleted: Deleted,
    /// Keys that end before this and after `expires_from`.
    pub expires_until: Option<Time>,
    pub expires_from: Option<Time>,
    pub bound_account: Option<i64>,
    pub bound_group: Option<i64>,
    /// Keys that called one of these models.
    pub used_models: Vec<String>,
    pub created_from: Option<Time>,
    pub created_until: Option<Time>,
    /// What else must hold.
    #[serde(skip_serializing_if = "Joined::is_empty")]
    pub joined: Joined<KeyFilter>,
}

/// By what keys are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KeyOrder {
    #[default]
    CreatedAt,
    Name,
    /// Keys without an end come last.
    ExpiresAt,
    LastUsedAt,
    /// All it ever spent.
    Spent,
    Status,
    /// What it spent between two moments; for numbered pages only (cursors fall back to `Spent`).
    Cost {
        from: Time,
        until: Time,
    },
}

diesel::define_sql_function! {
    /// The first that is not null.
    #[sql_name = "coalesce"]
    fn or_else(value: Nullable<BigInt>, instead: BigInt) -> BigInt;
}
diesel::define_sql_function! {
    /// Lower case (of ASCII letters only, on SQLite).
    fn lower(text: Text) -> Text;
}

/// Stands for "never" where an end is sorted by.
const NEVER: i64 = i64::MAX;

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &KeyFilter = $filter;
        query = match filter.deleted {
            Deleted::Without => query.filter(api_keys::deleted_at.is_null()),
            Deleted::Only => query.filter(api_keys::deleted_at.is_not_null()),
            Deleted::With => query,
        };
        if let Some(text) = filter.search.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            let pattern = format!("%{}%", escape_like(&text.to_lowercase()));
            let exact = format!("%{}%", escape_like(text));
            query = query.filter(
                lower(api_keys::name)
                    .like(pattern.clone())
                    .escape('\\')
                    .or(api_keys::hint.like(exact.clone()).escape('\\'))
                    .or(api_keys::uid.eq(text.to_owned()))
                    .or(api_keys::user_id
                        .eq_any(users::table.filter(users::username_key.like(pattern).escape('\\')).select(users::id))),
            );
        }
        if let Some(id) = filter.user_id {
            query = query.filter(api_keys::user_id.eq(id));
        }
        if !filter.ids.is_empty() {
            query = query.filter(api_keys::id.eq_any(filter.ids.clone()));
        }
        if let Some(digest) = &filter.digest {
            query = query.filter(api_keys::digest.eq(digest));
        }
        if let Some(part) = &filter.hint {
            query = query.filter(api_keys::hint.like(format!("%{}%", escape_like(part))).escape('\\'));
        }
        if let Some((state, now)) = filter.state {
            let spent_all = api_keys::budget.is_not_null().and(api_keys::spent.ge(or_else(api_keys::budget, NEVER)));
            let over = api_keys::expires_at.is_not_null().and(or_else(api_keys::expires_at, NEVER).le(now));
            query = match state {
                KeyState::Deleted => query.filter(api_keys::deleted_at.is_not_null()),
                KeyState::Disabled => query.filter(api_keys::status.eq(KeyStatus::Disabled)),
                KeyState::Expired => query.filter(api_keys::status.eq(KeyStatus::Active)).filter(over),
                KeyState::Exhausted => query
                    .filter(api_keys::status.eq(KeyStatus::Active))
                    .filter(or_else(api_keys::expires_at, NEVER).gt(now))
                    .filter(spent_all),
                KeyState::Active => query
                    .filter(api_keys::status.eq(KeyStatus::Active))
                    .filter(or_else(api_keys::expires_at, NEVER).gt(now))
                    .filter(api_keys::budget.is_null().or(api_keys::spent.lt(or_else(api_keys::budget, NEVER)))),
            };
        }
        if !filter.tags.is_empty() {
            let mut any: Box<dyn BoxableExpression<api_keys::table, _, SqlType = Bool>> =
                Box::new(api_keys::tags.like(Words::pattern(&filter.tags[0])).escape('\\'));
            for tag in &filter.tags[1..] {
                any = Box::new(any.or(api_keys::tags.like(Words::pattern(tag)).escape('\\')));
            }
            query = query.filter(any);
        }
        if let Some(service) = filter.permission {
            query = query.filter(
                api_keys::permissions
                    .eq(Permissions::All)
                    .or(api_keys::permissions.like(Words::pattern(service.as_str())).escape('\\')),
            );
        }
        if let Some(group) = &filter.group {
            query = query.filter(api_keys::group_name.eq(group));
        }
        if let Some(source) = &filter.source {
            query = query.filter(api_keys::source.eq(source));
        }
        if let Some(until) = filter.expires_until {
            query = query.filter(api_keys::expires_at.lt(until));
        }
        if let Some(from) = filter.expires_from {
            query = query.filter(api_keys::expires_at.ge(from));
        }
        if let Some(id) = filter.bound_account {
            query = query.filter(api_keys::bindings.like(BoundTo::Account(id).pattern()).escape('\\'));
        }
        if let Some(id) = filter.bound_group {
            query = query.filter(api_keys::bindings.like(BoundTo::Group(id).pattern()).escape('\\'));
        }
        if !filter.used_models.is_empty() {
            query = query.filter(
                api_keys::id.eq_any(
                    usage_hourly::table
                        .filter(usage_hourly::model.eq_any(filter.used_models.clone()))
                        .select(usage_hourly::key_id),
                ),
            );
        }
        if let Some(from) = filter.created_from {
            query = query.filter(api_keys::created_at.ge(from));
        }
        if let Some(until) = filter.created_until {
            query = query.filter(api_keys::created_at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, api_keys, KeyFilter);

/// Orders by one column and the id, either way.
macro_rules! sorted {
    ($query:expr, $column:expr, $direction:expr) => {
        match $direction {
            Direction::Asc => $query.order(($column.asc(), api_keys::id.asc())),
            Direction::Desc => $query.order(($column.desc(), api_keys::id.desc())),
        }
    };
}

impl ApiKey {
    /// How the key stands at a moment. (A key that begins with its first use has no end before that.)
    pub fn state(&self, now: Time) -> KeyState {
        if self.deleted_at.is_some() {
            KeyState::Deleted
        } else if self.status == KeyStatus::Disabled {
            KeyState::Disabled
        } else if self.expires_at.is_some_and(|end| end <= now) {
            KeyState::Expired
        } else if self.budget.is_some_and(|budget| self.spent >= budget) {
            KeyState::Exhausted
        } else {
            KeyState::Active
        }
    }
    /// True once its life has begun: at once, or with the first use.
    pub fn is_activated(&self) -> bool {
        self.expiry_mode == ExpiryMode::Fixed || self.activated_at.is_some()
    }

    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| api_keys::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_uid(conn: &mut Conn, uid: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| api_keys::table.filter(api_keys::uid.eq(uid)).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| api_keys::table.filter(api_keys::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    /// Whatever its state; the deleted too.
    pub async fn by_digest(conn: &mut Conn, digest: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| api_keys::table
            .filter(api_keys::digest.eq(digest))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    pub async fn insert(conn: &mut Conn, new: &NewApiKey) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(api_keys::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Changes a key whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &ApiKeyChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(api_keys::table.filter(api_keys::id.eq(id)).filter(api_keys::version.eq(version)))
            .set((change, api_keys::updated_at.eq(now), api_keys::version.eq(api_keys::version + 1)))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    /// Writes a key's tags.
    pub async fn set_tags(conn: &mut Conn, id: i64, tags: &Words, now: Time) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(api_keys::table.find(id))
            .set((api_keys::tags.eq(tags), api_keys::updated_at.eq(now), api_keys::version.eq(api_keys::version + 1)))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    /// Starts the life of a key that waits for its first use; `None` when it was started before.
    pub async fn activate(conn: &mut Conn, id: i64, now: Time) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(
            api_keys::table
                .filter(api_keys::id.eq(id))
                .filter(api_keys::expiry_mode.eq(ExpiryMode::Activation))
                .filter(api_keys::activated_at.is_null())
        )
        .set((
            api_keys::activated_at.eq(now),
            api_keys::expires_at.eq((or_else(api_keys::activate_ms, 0) + now).nullable()),
            api_keys::version.eq(api_keys::version + 1),
        ))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
    /// Removes a deleted key for good; false when it lives.
    pub async fn purge(conn: &mut Conn, id: i64) -> QueryResult<bool> {
        let gone = on!(conn, |c| diesel::delete(
            api_keys::table.filter(api_keys::id.eq(id)).filter(api_keys::deleted_at.is_not_null())
        )
        .execute(c)
        .await)?;
        Ok(gone > 0)
    }
    crate::counted!(filtered, api_keys, KeyFilter);
    /// One keyset page, one row more than asked for.
    pub async fn seek(
        conn: &mut Conn,
        filter: &KeyFilter,
        order: (KeyOrder, Direction),
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        Self::seek_each(conn, std::slice::from_ref(filter), order, seek).await
    }
    /// The same page of several lists, in one statement.
    pub async fn seek_each(
        conn: &mut Conn,
        filters: &[KeyFilter],
        order: (KeyOrder, Direction),
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let mut lists = Vec::with_capacity(filters.len());
            for filter in filters {
                let query = filtered!(api_keys::table.select(Self::as_select()).into_boxed(), filter);
                let query = match order.0 {
                    KeyOrder::CreatedAt => {
                        seek_by!(query, api_keys::created_at, api_keys::id, Number, Time, order.1, seek)
                    }
                    KeyOrder::Name => seek_by!(query, api_keys::name, api_keys::id, Text, (), order.1, seek),
                    KeyOrder::Status => seek_by!(query, api_keys::status, api_keys::id, Text, (), order.1, seek),
                    KeyOrder::ExpiresAt => {
                        let column = || or_else(api_keys::expires_at, NEVER);
                        seek_by!(query, column(), api_keys::id, Number, Time, order.1, seek)
                    }
                    KeyOrder::LastUsedAt => {
                        let column = || or_else(api_keys::last_used_at, 0);
                        seek_by!(query, column(), api_keys::id, Number, Time, order.1, seek)
                    }
                    KeyOrder::Spent | KeyOrder::Cost { .. } => {
                        seek_by!(query, api_keys::spent, api_keys::id, Number, Micros, order.1, seek)
                    }
                };
                lists.push(query.limit(seek.take + 1));
            }
            Together(lists).load(c).await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self, order: KeyOrder) -> CursorKey {
        match order {
            KeyOrder::CreatedAt => CursorKey::Number(self.created_at.0),
            KeyOrder::Name => CursorKey::Text(self.name.clone()),
            KeyOrder::Status => CursorKey::Text(self.status.as_str().to_owned()),
            KeyOrder::ExpiresAt => CursorKey::Number(self.expires_at.map_or(NEVER, |t| t.0)),
            KeyOrder::LastUsedAt => CursorKey::Number(self.last_used_at.map_or(0, |t| t.0)),
            KeyOrder::Spent | KeyOrder::Cost { .. } => CursorKey::Number(self.spent.0),
        }
    }
    /// One numbered page.
    pub async fn window(
        conn: &mut Conn,
        filter: &KeyFilter,
        order: (KeyOrder, Direction),
        window: Window,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let query = filtered!(api_keys::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order.0 {
                KeyOrder::CreatedAt => sorted!(query, api_keys::created_at, order.1),
                KeyOrder::Name => sorted!(query, api_keys::name, order.1),
                KeyOrder::Status => sorted!(query, api_keys::status, order.1),
                KeyOrder::ExpiresAt => sorted!(query, or_else(api_keys::expires_at, NEVER), order.1),
                KeyOrder::LastUsedAt => sorted!(query, or_else(api_keys::last_used_at, 0), order.1),
                KeyOrder::Spent => sorted!(query, api_keys::spent, order.1),
                KeyOrder::Cost { from, until } => {
                    let cost = || {
                        diesel::dsl::sql::<BigInt>(
                            "(SELECT COALESCE(SUM(u.cost), 0) FROM usage_hourly u \
                             WHERE u.key_id = api_keys.id AND u.hour >= ",
                        )
                        .bind::<BigInt, _>(from)
                        .sql(" AND u.hour < ")
                        .bind::<BigInt, _>(until)
                        .sql(")")
                    };
                    sorted!(query, cost(), order.1)
                }
            };
            query.limit(window.limit).offset(window.offset).load(c).await
        })
    }
    /// The tag lists of the living keys, one row a key that has any.
    pub async fn tag_lists(conn: &mut Conn, user_id: Option<i64>) -> QueryResult<Vec<(i64, Words)>> {
        on!(conn, |c| {
            let mut query = api_keys::table
                .filter(api_keys::deleted_at.is_null())
                .filter(api_keys::tags.ne(Words::default()))
                .select((api_keys::id, api_keys::tags))
                .into_boxed();
            if let Some(id) = user_id {
                query = query.filter(api_keys::user_id.eq(id));
            }
            query.load(c).await
        })
    }
    /// The bindings of the living keys that have any.
    pub async fn binding_lists(conn: &mut Conn) -> QueryResult<Vec<Doc<Vec<Binding>>>> {
        on!(conn, |c| api_keys::table
            .filter(api_keys::deleted_at.is_null())
            .filter(api_keys::bindings.ne("[]"))
            .select(api_keys::bindings)
            .load(c)
            .await)
    }
    /// Keys bound to one account or group, the deleted too.
    pub async fn bound_to(conn: &mut Conn, to: BoundTo) -> QueryResult<Vec<Self>> {
        on!(conn, |c| api_keys::table
            .filter(api_keys::bindings.like(to.pattern()).escape('\\'))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// How many living keys somebody has.
    pub async fn count_of_user(conn: &mut Conn, user_id: i64) -> QueryResult<i64> {
        on!(conn, |c| api_keys::table
            .filter(api_keys::user_id.eq(user_id))
            .filter(api_keys::deleted_at.is_null())
            .count()
            .get_result(c)
            .await)
    }
}

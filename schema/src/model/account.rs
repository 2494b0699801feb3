//! Accounts: upstream credentials the relay may spend.

mod kind;
pub mod mapping;
mod options;
mod row;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::on;
use crate::page::{CursorKey, Direction, Seek, Window};
use crate::table::{account_group_members, accounts, usage, usage_hourly};
use crate::value::{Doc, Words, escape_like};

pub use super::api_key::Deleted;
pub use kind::AccountKind;
pub use options::{AccountOptions, KeyMode};
pub use row::{Account, AccountRowChange, Health, NewAccount, Sharing};

/// Which accounts.
#[derive(Clone, Debug, Default)]
pub struct AccountFilter {
    /// Part of the name, the address or the public id, in any case.
    pub search: Option<String>,
    pub ids: Vec<i64>,
    /// Any of these kinds, when not empty.
    pub kinds: Vec<AccountKind>,
    /// Members of this account group; `Some(None)`: members of none.
    pub account_group: Option<Option<i64>>,
    /// Accounts that name this user group.
    pub user_group: Option<String>,
    pub health: Option<Health>,
    pub enabled: Option<bool>,
    pub schedulable: Option<bool>,
    pub sharing: Option<Sharing>,
    pub tag: Option<String>,
    /// Accounts that list this model.
    pub model: Option<String>,
    /// Accounts whose token ends before this.
    pub token_expires_until: Option<Time>,
    pub deleted: Deleted,
    /// What else must hold.
    pub joined: Joined<AccountFilter>,
}

/// By what accounts are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccountOrder {
    #[default]
    CreatedAt,
    Name,
    Priority,
    LastUsedAt,
    Spent,
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

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &AccountFilter = $filter;
        query = match filter.deleted {
            Deleted::Without => query.filter(accounts::deleted_at.is_null()),
            Deleted::Only => query.filter(accounts::deleted_at.is_not_null()),
            Deleted::With => query,
        };
        if let Some(text) = filter.search.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            let pattern = format!("%{}%", escape_like(&text.to_lowercase()));
            query = query.filter(
                lower(accounts::name)
                    .like(pattern.clone())
                    .escape('\\')
                    .or(accounts::base_url.assume_not_null().like(pattern).escape('\\'))
                    .or(accounts::uid.eq(text.to_owned())),
            );
        }
        if !filter.ids.is_empty() {
            query = query.filter(accounts::id.eq_any(filter.ids.clone()));
        }
        if !filter.kinds.is_empty() {
            query = query.filter(accounts::kind.eq_any(filter.kinds.clone()));
        }
        let members = || account_group_members::table.select(account_group_members::account_id);
        match filter.account_group {
            None => {}
            Some(Some(group)) => {
                query = query.filter(accounts::id.eq_any(members().filter(account_group_members::group_id.eq(group))));
            }
            Some(None) => query = query.filter(accounts::id.ne_all(members())),
        }
        if let Some(group) = &filter.user_group {
            query = query.filter(accounts::groups.like(Words::pattern(group)).escape('\\'));
        }
        if let Some(health) = filter.health {
            query = query.filter(accounts::health.eq(health));
        }
        if let Some(enabled) = filter.enabled {
            query = query.filter(accounts::enabled.eq(enabled));
        }
        if let Some(schedulable) = filter.schedulable {
            query = query.filter(accounts::schedulable.eq(schedulable));
        }
        if let Some(sharing) = filter.sharing {
            query = query.filter(accounts::sharing.eq(sharing));
        }
        if let Some(tag) = &filter.tag {
            query = query.filter(accounts::tag.eq(tag));
        }
        if let Some(model) = &filter.model {
            let word = serde_json::Value::from(model.as_str()).to_string();
            query = query.filter(accounts::models.like(format!("%{}%", escape_like(&word))).escape('\\'));
        }
        if let Some(until) = filter.token_expires_until {
            query = query.filter(accounts::token_expires_at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, accounts, AccountFilter);

/// Orders by one column and the id, either way.
macro_rules! sorted {
    ($query:expr, $column:expr, $direction:expr) => {
        match $direction {
            Direction::Asc => $query.order(($column.asc(), accounts::id.asc())),
            Direction::Desc => $query.order(($column.desc(), accounts::id.desc())),
        }
    };
}

/// A health to be noted.
#[derive(Clone, Debug)]
pub struct HealthChange<'a> {
    pub health: Health,
    pub cool_until: Option<Time>,
    pub note: &'a str,
}

impl Account {
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| accounts::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_uid(conn: &mut Conn, uid: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| accounts::table.filter(accounts::uid.eq(uid)).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| accounts::table.filter(accounts::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    /// Every account that was not deleted.
    pub async fn all(conn: &mut Conn) -> QueryResult<Vec<Self>> {
        on!(conn, |c| accounts::table
            .filter(accounts::deleted_at.is_null())
            .order(accounts::id)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    pub async fn insert(conn: &mut Conn, new: &NewAccount) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(accounts::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Changes an account whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &AccountRowChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(accounts::table.filter(accounts::id.eq(id)).filter(accounts::version.eq(version)))
            .set((change, accounts::updated_at.eq(now), accounts::version.eq(accounts::version + 1)))
            .returning(Self::as_returning())
            .get_result(c)
            .await
            .optional())
    }
    /// Notes how an account does, in one statement that lets a rest only grow and never lifts a block;
    /// `None` when nothing changed. Nobody edits health, so the version stays.
    pub async fn mark(conn: &mut Conn, id: i64, change: &HealthChange<'_>) -> QueryResult<Option<Self>> {
        let HealthChange { health, cool_until, note } = change;
        let resting = matches!(health, Health::Cooling);
        let until = cool_until.filter(|_| resting);
        on!(conn, |c| {
            let living = accounts::table.filter(accounts::id.eq(id)).filter(accounts::deleted_at.is_null());
            // (not resting) and another health, or (resting) and fit, or resting for a shorter time.
            let changes = accounts::health.ne(health).and(sql_bool(!resting)).or(sql_bool(resting).and(
                accounts::health.eq(Health::Ok).or(accounts::health
                    .eq(Health::Cooling)
                    .and(or_else(accounts::cool_until, 0).lt(until.unwrap_or_default()))),
            ));
            diesel::update(living.filter(changes))
                .set((accounts::health.eq(health), accounts::cool_until.eq(until), accounts::health_note.eq(*note)))
                .returning(Self::as_returning())
                .get_result(c)
                .await
                .optional()
        })
    }
    /// Writes what was learned.
    pub async fn set_info(
        conn: &mut Conn,
        id: i64,
        info: &Doc<serde_json::Map<String, serde_json::Value>>,
    ) -> QueryResult<()> {
        on!(conn, |c| diesel::update(accounts::table.find(id)).set(accounts::info.eq(info)).execute(c).await)?;
        Ok(())
    }
    /// Ends the rests that are over; those accounts.
    pub async fn recover_due(conn: &mut Conn, now: Time) -> QueryResult<Vec<Self>> {
        on!(conn, |c| diesel::update(
            accounts::table
                .filter(accounts::health.eq(Health::Cooling))
                .filter(accounts::deleted_at.is_null())
                .filter(or_else(accounts::cool_until, 0).le(now))
        )
        .set((accounts::health.eq(Health::Ok), accounts::cool_until.eq(None::<Time>), accounts::health_note.eq(""),))
        .returning(Self::as_returning())
        .get_results(c)
        .await)
    }
    pub async fn count(conn: &mut Conn, filter: &AccountFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(accounts::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// One keyset page, one row more than asked for.
    pub async fn seek(
        conn: &mut Conn,
        filter: &AccountFilter,
        order: (AccountOrder, Direction),
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let query = filtered!(accounts::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order.0 {
                AccountOrder::CreatedAt => {
                    seek_by!(query, accounts::created_at, accounts::id, Number, Time, order.1, seek)
                }
                AccountOrder::Name => seek_by!(query, accounts::name, accounts::id, Text, (), order.1, seek),
                AccountOrder::Priority => {
                    seek_by!(query, accounts::priority, accounts::id, Number, i64::from, order.1, seek)
                }
                AccountOrder::LastUsedAt => {
                    let column = || or_else(accounts::last_used_at, 0);
                    seek_by!(query, column(), accounts::id, Number, Time, order.1, seek)
                }
                AccountOrder::Spent => seek_by!(query, accounts::spent, accounts::id, Number, Micros, order.1, seek),
            };
            query.limit(seek.take + 1).load(c).await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self, order: AccountOrder) -> CursorKey {
        match order {
            AccountOrder::CreatedAt => CursorKey::Number(self.created_at.0),
            AccountOrder::Name => CursorKey::Text(self.name.clone()),
            AccountOrder::Priority => CursorKey::Number(self.priority),
            AccountOrder::LastUsedAt => CursorKey::Number(self.last_used_at.map_or(0, |t| t.0)),
            AccountOrder::Spent => CursorKey::Number(self.spent.0),
        }
    }
    /// One numbered page.
    pub async fn window(
        conn: &mut Conn,
        filter: &AccountFilter,
        order: (AccountOrder, Direction),
        window: Window,
    ) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let query = filtered!(accounts::table.select(Self::as_select()).into_boxed(), filter);
            let query = match order.0 {
                AccountOrder::CreatedAt => sorted!(query, accounts::created_at, order.1),
                AccountOrder::Name => sorted!(query, accounts::name, order.1),
                AccountOrder::Priority => sorted!(query, accounts::priority, order.1),
                AccountOrder::LastUsedAt => sorted!(query, or_else(accounts::last_used_at, 0), order.1),
                AccountOrder::Spent => sorted!(query, accounts::spent, order.1),
            };
            query.limit(window.limit).offset(window.offset).load(c).await
        })
    }
    /// What calls of an account cost upstream since a moment: whole hours from the rollups, the rest of the
    /// first hour from its calls.
    pub async fn spent_since(conn: &mut Conn, id: i64, from: Time) -> QueryResult<Micros> {
        let sum = || diesel::dsl::sql::<BigInt>("CAST(COALESCE(SUM(raw_cost), 0) AS BIGINT)");
        let next_hour = if from.hour() == from { from } else { from.hour().plus(crate::clock::HOUR) };
        let hours: Micros = on!(conn, |c| usage_hourly::table
            .filter(usage_hourly::account_id.eq(id))
            .filter(usage_hourly::hour.ge(next_hour))
            .select(sum())
            .get_result(c)
            .await)?;
        if next_hour == from {
            return Ok(hours);
        }
        let rest: Micros = on!(conn, |c| usage::table
            .filter(usage::account_id.eq(id))
            .filter(usage::at.ge(from))
            .filter(usage::at.lt(next_hour))
            .select(sum())
            .get_result(c)
            .await)?;
        Ok(hours.plus(rest))
    }
    /// Tags in use.
    pub async fn tags(conn: &mut Conn) -> QueryResult<Vec<String>> {
        on!(conn, |c| accounts::table
            .filter(accounts::deleted_at.is_null())
            .filter(accounts::tag.ne(""))
            .select(accounts::tag)
            .distinct()
            .order(accounts::tag)
            .load(c)
            .await)
    }
}

/// A constant in a condition.
fn sql_bool(yes: bool) -> diesel::expression::SqlLiteral<Bool> {
    diesel::dsl::sql(if yes { "1 = 1" } else { "1 = 0" })
}

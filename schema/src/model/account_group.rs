//! Groups of accounts that keys may be bound to.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::on;
use crate::page::{CursorKey, Direction, Seek};
use crate::table::{account_group_members, account_groups, accounts};
use crate::value::escape_like;

/// A group.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct AccountGroup {
    pub id: i64,
    pub uid: String,
    pub name: String,
    /// The service its members belong to (`claude`, `gemini`, `openai`, `droid` …).
    pub platform: String,
    pub description: String,
    pub created_at: Time,
    pub updated_at: Time,
    pub version: i64,
}

/// A group to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = account_groups)]
pub struct NewAccountGroup {
    pub uid: String,
    pub name: String,
    pub platform: String,
    pub description: String,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of a group changes.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = account_groups)]
pub struct AccountGroupRowChange {
    pub name: Option<String>,
    pub description: Option<String>,
}

/// Which groups.
#[derive(Clone, Debug, Default)]
pub struct GroupFilter {
    /// Part of the name.
    pub search: Option<String>,
    pub platform: Option<String>,
    /// What else must hold.
    pub joined: Joined<GroupFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &GroupFilter = $filter;
        if let Some(text) = filter.search.as_deref().map(str::trim).filter(|t| !t.is_empty()) {
            query = query.filter(account_groups::name.like(format!("%{}%", escape_like(text))).escape('\\'));
        }
        if let Some(platform) = &filter.platform {
            query = query.filter(account_groups::platform.eq(platform));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, account_groups, GroupFilter);

impl AccountGroup {
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| account_groups::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_uid(conn: &mut Conn, uid: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| account_groups::table
            .filter(account_groups::uid.eq(uid))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| account_groups::table
            .filter(account_groups::id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// All groups by name.
    pub async fn all(conn: &mut Conn, filter: &GroupFilter) -> QueryResult<Vec<Self>> {
        on!(conn, |c| filtered!(account_groups::table.select(Self::as_select()).into_boxed(), filter)
            .order((account_groups::name.asc(), account_groups::id.asc()))
            .load(c)
            .await)
    }
    pub async fn count(conn: &mut Conn, filter: &GroupFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(account_groups::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// By name, one keyset page and one row more.
    pub async fn seek(
        conn: &mut Conn,
        filter: &GroupFilter,
        direction: Direction,
        seek: &Seek,
    ) -> QueryResult<Vec<Self>> {
        use crate::seek_by;
        on!(conn, |c| {
            let query = filtered!(account_groups::table.select(Self::as_select()).into_boxed(), filter);
            seek_by!(query, account_groups::name, account_groups::id, Text, (), direction, seek)
                .limit(seek.take + 1)
                .load(c)
                .await
        })
    }
    /// The sort value of a row, for its cursor.
    pub fn cursor_key(&self) -> CursorKey {
        CursorKey::Text(self.name.clone())
    }
    pub async fn insert(conn: &mut Conn, new: &NewAccountGroup) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(account_groups::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Changes a group whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &AccountGroupRowChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(
            account_groups::table.filter(account_groups::id.eq(id)).filter(account_groups::version.eq(version))
        )
        .set((change, account_groups::updated_at.eq(now), account_groups::version.eq(account_groups::version + 1)))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
    pub async fn delete(conn: &mut Conn, id: i64) -> QueryResult<bool> {
        Ok(on!(conn, |c| diesel::delete(account_groups::table.find(id)).execute(c).await)? > 0)
    }

    /// Which living accounts are members of which of these groups (of all groups, when none is named).
    pub async fn members(conn: &mut Conn, groups: &[i64]) -> QueryResult<Vec<(i64, i64)>> {
        on!(conn, |c| {
            let mut query = account_group_members::table
                .filter(
                    account_group_members::account_id
                        .eq_any(accounts::table.filter(accounts::deleted_at.is_null()).select(accounts::id)),
                )
                .select((account_group_members::group_id, account_group_members::account_id))
                .order((account_group_members::group_id, account_group_members::account_id))
                .into_boxed();
            if !groups.is_empty() {
                query = query.filter(account_group_members::group_id.eq_any(groups.to_vec()));
            }
            query.load(c).await
        })
    }
    /// Which groups these accounts are members of: (account, group).
    pub async fn of_accounts(conn: &mut Conn, account_ids: &[i64]) -> QueryResult<Vec<(i64, i64)>> {
        on!(conn, |c| account_group_members::table
            .filter(account_group_members::account_id.eq_any(account_ids))
            .select((account_group_members::account_id, account_group_members::group_id))
            .order((account_group_members::account_id, account_group_members::group_id))
            .load(c)
            .await)
    }
    /// Makes an account a member; nothing happens when it is one.
    pub async fn add_member(conn: &mut Conn, group_id: i64, account_id: i64) -> QueryResult<bool> {
        let row = (account_group_members::group_id.eq(group_id), account_group_members::account_id.eq(account_id));
        let added = on!(conn, |c| diesel::insert_into(account_group_members::table)
            .values(row)
            .on_conflict_do_nothing()
            .execute(c)
            .await)?;
        Ok(added > 0)
    }
    /// Ends a membership.
    pub async fn remove_member(conn: &mut Conn, group_id: i64, account_id: i64) -> QueryResult<bool> {
        let gone =
            on!(conn, |c| diesel::delete(account_group_members::table.find((group_id, account_id))).execute(c).await)?;
        Ok(gone > 0)
    }
    /// Ends all memberships of an account; how many.
    pub async fn remove_account(conn: &mut Conn, account_id: i64) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(
            account_group_members::table.filter(account_group_members::account_id.eq(account_id))
        )
        .execute(c)
        .await)
    }
}

//! Announcements, and who has read them.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::page::{CursorKey, Seek, Window};
use crate::table::{announcement_reads, announcements, users};
use crate::value::escape_like;
use crate::{on, text_enum};

text_enum! {
    /// Where an announcement is in its life.
    pub enum AnnouncementStatus {
        Draft = "draft",
        Published = "published",
        Expired = "expired",
        Archived = "archived",
    }
}

text_enum! {
    /// What an announcement is about.
    pub enum AnnouncementKind {
        General = "general",
        System = "system",
        Feature = "feature",
        Maintenance = "maintenance",
    }
}

/// An announcement.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Announcement {
    pub id: i64,
    pub uid: String,
    pub title: String,
    pub content: String,
    pub summary: String,
    pub kind: AnnouncementKind,
    pub status: AnnouncementStatus,
    pub priority: i64,
    pub published_at: Option<Time>,
    pub expires_at: Option<Time>,
    pub created_by: Option<i64>,
    pub created_at: Time,
    pub updated_at: Time,
    pub version: i64,
}

/// An announcement to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = announcements)]
pub struct NewAnnouncement {
    pub uid: String,
    pub title: String,
    pub content: String,
    pub summary: String,
    pub kind: AnnouncementKind,
    pub status: AnnouncementStatus,
    pub priority: i64,
    pub expires_at: Option<Time>,
    pub created_by: Option<i64>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of an announcement changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = announcements)]
pub struct AnnouncementRowChange {
    pub title: Option<String>,
    pub content: Option<String>,
    pub summary: Option<String>,
    pub kind: Option<AnnouncementKind>,
    pub status: Option<AnnouncementStatus>,
    pub priority: Option<i64>,
    pub published_at: Option<Option<Time>>,
    pub expires_at: Option<Option<Time>>,
}

/// Which announcements.
#[derive(Clone, Debug, Default)]
pub struct AnnouncementFilter {
    pub status: Option<AnnouncementStatus>,
    pub kind: Option<AnnouncementKind>,
    /// Part of the title or the summary.
    pub search: Option<String>,
    /// Published and not over at this moment.
    pub current_at: Option<Time>,
    /// Not read by this person.
    pub unread_by: Option<i64>,
    /// What else must hold.
    pub joined: Joined<AnnouncementFilter>,
}

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &AnnouncementFilter = $filter;
        if let Some(status) = filter.status {
            query = query.filter(announcements::status.eq(status));
        }
        if let Some(kind) = filter.kind {
            query = query.filter(announcements::kind.eq(kind));
        }
        if let Some(text) = &filter.search {
            let pattern = format!("%{}%", escape_like(text.trim()));
            query = query.filter(
                announcements::title
                    .like(pattern.clone())
                    .escape('\\')
                    .or(announcements::summary.like(pattern).escape('\\')),
            );
        }
        if let Some(now) = filter.current_at {
            query = query
                .filter(announcements::status.eq(AnnouncementStatus::Published))
                .filter(announcements::expires_at.is_null().or(announcements::expires_at.assume_not_null().gt(now)));
        }
        if let Some(reader) = filter.unread_by {
            query = query.filter(
                announcements::id.ne_all(
                    announcement_reads::table
                        .filter(announcement_reads::user_id.eq(reader))
                        .select(announcement_reads::announcement_id),
                ),
            );
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, announcements, AnnouncementFilter);

impl Announcement {
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| announcements::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_uid(conn: &mut Conn, uid: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| announcements::table
            .filter(announcements::uid.eq(uid))
            .select(Self::as_select())
            .first(c)
            .await
            .optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| announcements::table
            .filter(announcements::id.eq_any(ids))
            .select(Self::as_select())
            .load(c)
            .await)
    }
    pub async fn insert(conn: &mut Conn, new: &NewAnnouncement) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(announcements::table)
            .values(new)
            .returning(Self::as_returning())
            .get_result(c)
            .await)
    }
    /// Changes one whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &AnnouncementRowChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(
            announcements::table.filter(announcements::id.eq(id)).filter(announcements::version.eq(version))
        )
        .set((change, announcements::updated_at.eq(now), announcements::version.eq(announcements::version + 1)))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
    pub async fn delete(conn: &mut Conn, id: i64) -> QueryResult<usize> {
        on!(conn, |c| diesel::delete(announcements::table.find(id)).execute(c).await)
    }
    /// Marks what is over as expired; the ids of those it touched.
    pub async fn expire(conn: &mut Conn, now: Time) -> QueryResult<Vec<i64>> {
        on!(conn, |c| diesel::update(
            announcements::table
                .filter(announcements::status.eq(AnnouncementStatus::Published))
                .filter(announcements::expires_at.le(now))
        )
        .set((
            announcements::status.eq(AnnouncementStatus::Expired),
            announcements::updated_at.eq(now),
            announcements::version.eq(announcements::version + 1)
        ))
        .returning(announcements::id)
        .get_results(c)
        .await)
    }
    pub async fn count(conn: &mut Conn, filter: &AnnouncementFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(announcements::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// The most pressing first, then the newest; one numbered page.
    pub async fn window(conn: &mut Conn, filter: &AnnouncementFilter, window: Window) -> QueryResult<Vec<Self>> {
        on!(conn, |c| filtered!(announcements::table.select(Self::as_select()).into_boxed(), filter)
            .order((announcements::priority.desc(), announcements::id.desc()))
            .limit(window.limit)
            .offset(window.offset)
            .load(c)
            .await)
    }
    /// Newest first, one keyset page and one row more.
    pub async fn seek(conn: &mut Conn, filter: &AnnouncementFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = filtered!(announcements::table.select(Self::as_select()).into_boxed(), filter);
            if let Some(cursor) = &seek.after {
                let CursorKey::Number(_) = cursor.key else { return Ok(Vec::new()) };
                query = if seek.backward {
                    query.filter(announcements::id.gt(cursor.id))
                } else {
                    query.filter(announcements::id.lt(cursor.id))
                };
            }
            query = if seek.backward {
                query.order(announcements::id.asc())
            } else {
                query.order(announcements::id.desc())
            };
            query.limit(seek.take + 1).load(c).await
        })
    }
}

/// Who has read what.
pub struct Reading;

impl Reading {
    /// Notes a reading; false when it was noted before.
    pub async fn insert(conn: &mut Conn, announcement_id: i64, user_id: i64, now: Time) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::insert_into(announcement_reads::table)
            .values((
                announcement_reads::announcement_id.eq(announcement_id),
                announcement_reads::user_id.eq(user_id),
                announcement_reads::read_at.eq(now),
            ))
            .on_conflict_do_nothing()
            .execute(c)
            .await)?;
        Ok(n == 1)
    }
    /// Those of `ids` that the person has read.
    pub async fn of_user(conn: &mut Conn, user_id: i64, ids: &[i64]) -> QueryResult<Vec<i64>> {
        on!(conn, |c| announcement_reads::table
            .filter(announcement_reads::user_id.eq(user_id))
            .filter(announcement_reads::announcement_id.eq_any(ids))
            .select(announcement_reads::announcement_id)
            .load(c)
            .await)
    }
    /// How many of the people there are have read each of `ids`; those nobody has read are missing.
    pub async fn counts(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<(i64, i64)>> {
        on!(conn, |c| announcement_reads::table
            .filter(announcement_reads::announcement_id.eq_any(ids))
            .filter(
                announcement_reads::user_id.eq_any(users::table.filter(users::deleted_at.is_null()).select(users::id))
            )
            .group_by(announcement_reads::announcement_id)
            .select((announcement_reads::announcement_id, diesel::dsl::count_star()))
            .load(c)
            .await)
    }
    /// When each reading of some announcements was by somebody who is still there, with the announcement, oldest
    /// first, no further back than `from`.
    pub async fn times(conn: &mut Conn, ids: &[i64], from: Time) -> QueryResult<Vec<(i64, Time)>> {
        on!(conn, |c| announcement_reads::table
            .filter(announcement_reads::announcement_id.eq_any(ids))
            .filter(
                announcement_reads::user_id.eq_any(users::table.filter(users::deleted_at.is_null()).select(users::id))
            )
            .filter(announcement_reads::read_at.ge(from))
            .select((announcement_reads::announcement_id, announcement_reads::read_at))
            .order(announcement_reads::read_at)
            .load(c)
            .await)
    }
}

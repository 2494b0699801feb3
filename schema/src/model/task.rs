//! Asynchronous generation: pictures, music, video that a vendor works on while the client asks how far it is.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use crate::clock::Time;
use crate::db::Conn;
use crate::model::joined::{Joined, also};
use crate::money::Micros;
use crate::page::{CursorKey, Seek, Window};
use crate::table::tasks;
use crate::value::{Doc, escape_like};
use crate::{on, text_enum};

text_enum! {
    /// How far a task is.
    pub enum TaskStatus {
        /// The row is there; the vendor has not taken it yet.
        Created = "created",
        Submitted = "submitted",
        Queued = "queued",
        Running = "running",
        Succeeded = "succeeded",
        Failed = "failed",
    }
}

impl TaskStatus {
    /// True when nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
    /// Those from which something more will happen.
    pub const OPEN: &'static [Self] = &[Self::Created, Self::Submitted, Self::Queued, Self::Running];
}

/// A document of a task.
pub type TaskDoc = Doc<serde_json::Map<String, serde_json::Value>>;

/// One task.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Task {
    pub id: i64,
    /// What the client is told.
    pub uid: String,
    /// The call that began it, under which it was billed.
    pub call_id: String,
    pub user_id: i64,
    pub key_id: i64,
    /// The account that works on it; follow-ups go there too.
    pub account_id: i64,
    /// A short digest of the account's key that the vendor knows it by; empty where that is not known.
    pub account_key: String,
    pub platform: String,
    pub action: String,
    pub model: String,
    /// The vendor's name for it.
    pub upstream_id: Option<String>,
    pub status: TaskStatus,
    /// Per cent.
    pub progress: i64,
    pub request: TaskDoc,
    pub result: TaskDoc,
    pub fail_reason: String,
    pub cost: Micros,
    pub from_wallet: bool,
    pub refunded_at: Option<Time>,
    pub notify_url: Option<String>,
    pub submitted_at: Option<Time>,
    pub started_at: Option<Time>,
    pub finished_at: Option<Time>,
    pub next_poll_at: Time,
    pub polls: i64,
    /// When `notify_url` is to be told next; `None` while there is nothing to tell.
    pub notify_at: Option<Time>,
    pub notify_tries: i64,
    pub created_at: Time,
    pub updated_at: Time,
    pub version: i64,
}

/// A task to be made.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = tasks)]
pub struct NewTask {
    pub uid: String,
    pub call_id: String,
    pub user_id: i64,
    pub key_id: i64,
    pub account_id: i64,
    pub platform: String,
    pub action: String,
    pub model: String,
    pub upstream_id: Option<String>,
    pub status: TaskStatus,
    pub request: TaskDoc,
    pub cost: Micros,
    pub from_wallet: bool,
    pub notify_url: Option<String>,
    pub next_poll_at: Time,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of a task changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = tasks)]
pub struct TaskChange {
    pub account_id: Option<i64>,
    pub account_key: Option<String>,
    pub upstream_id: Option<Option<String>>,
    pub status: Option<TaskStatus>,
    pub progress: Option<i64>,
    pub result: Option<TaskDoc>,
    pub fail_reason: Option<String>,
    pub cost: Option<Micros>,
    pub submitted_at: Option<Option<Time>>,
    pub started_at: Option<Option<Time>>,
    pub finished_at: Option<Option<Time>>,
    pub next_poll_at: Option<Time>,
    pub notify_at: Option<Option<Time>>,
    pub notify_tries: Option<i64>,
}

/// Which tasks.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    pub user_id: Option<i64>,
    pub key_id: Option<i64>,
    pub account_id: Option<i64>,
    pub platform: Option<String>,
    pub action: Option<String>,
    pub status: Option<TaskStatus>,
    /// Any of these public ids.
    pub uids: Option<Vec<String>>,
    /// Part of the public id.
    pub search: Option<String>,
    /// Only those that were asked for with a picture, or only those that were not.
    pub pictured: Option<bool>,
    pub from: Option<Time>,
    pub until: Option<Time>,
    /// What else must hold.
    pub joined: Joined<TaskFilter>,
}

/// Members of a request's document that hold a picture as text.
const PICTURE: [&str; 4] = ["image", "image_tail", "input_reference", "input_reference[image_url]"];
/// How members begin that hold one otherwise.
const PICTURES: [&str; 2] = ["\"images\":[\"", "\"input_reference\":{\""];

macro_rules! filtered {
    ($query:expr, $filter:expr) => {{
        let mut query = $query;
        let filter: &TaskFilter = $filter;
        if let Some(id) = filter.user_id {
            query = query.filter(tasks::user_id.eq(id));
        }
        if let Some(id) = filter.key_id {
            query = query.filter(tasks::key_id.eq(id));
        }
        if let Some(id) = filter.account_id {
            query = query.filter(tasks::account_id.eq(id));
        }
        if let Some(platform) = &filter.platform {
            query = query.filter(tasks::platform.eq(platform));
        }
        if let Some(action) = &filter.action {
            query = query.filter(tasks::action.eq(action));
        }
        if let Some(status) = filter.status {
            query = query.filter(tasks::status.eq(status));
        }
        if let Some(uids) = &filter.uids {
            query = query.filter(tasks::uid.eq_any(uids.clone()));
        }
        if let Some(text) = &filter.search {
            query = query.filter(tasks::uid.like(format!("%{}%", escape_like(text.trim()))).escape('\\'));
        }
        if let Some(pictured) = filter.pictured {
            let holds = |text: String| tasks::request.like(format!("%{}%", escape_like(&text))).escape('\\');
            let named = |name: &str| {
                let empty = diesel::dsl::not(holds(format!("\"{name}\":\"\"")));
                holds(format!("\"{name}\":\"")).and(empty)
            };
            let [image, tail, reference, of_form] = PICTURE.map(named);
            let [images, object] = PICTURES.map(|begin| holds(begin.to_owned()));
            let is = image.or(tail).or(reference).or(of_form).or(images).or(object);
            query = if pictured { query.filter(is) } else { query.filter(diesel::dsl::not(is)) };
        }
        if let Some(from) = filter.from {
            query = query.filter(tasks::created_at.ge(from));
        }
        if let Some(until) = filter.until {
            query = query.filter(tasks::created_at.lt(until));
        }
        if let Some(more) = also(filter, ()) {
            query = query.filter(more);
        }
        query
    }};
}

crate::composed!(filtered, tasks, TaskFilter);

/// The mark in a request's document that its client wants nothing of the task any more.
const FORGOTTEN: &str = "forgotten";

impl Task {
    /// Whether its client has removed it: it stays in the books, and shows its client nothing.
    pub fn is_forgotten(&self) -> bool {
        self.request.0.get(FORGOTTEN).is_some()
    }
    /// Whether it was asked for with a picture, as far as its row keeps one.
    pub fn is_pictured(&self) -> bool {
        let text = serde_json::to_string(&self.request.0).unwrap_or_default();
        let named =
            |name: &&str| text.contains(&format!("\"{name}\":\"")) && !text.contains(&format!("\"{name}\":\"\""));
        PICTURE.iter().any(named) || PICTURES.iter().any(|begin| text.contains(begin))
    }
    /// Its documents once its client has removed it: what was billed by stays.
    pub fn forgotten(&self) -> (TaskDoc, TaskDoc) {
        let mut request = self.request.0.clone();
        request.retain(|_, value| !value.is_array() && !value.is_object());
        request.remove("prompt");
        request.insert(FORGOTTEN.to_owned(), true.into());
        (TaskDoc::from(request), TaskDoc::default())
    }
    pub async fn find(conn: &mut Conn, id: i64) -> QueryResult<Option<Self>> {
        on!(conn, |c| tasks::table.find(id).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn by_ids(conn: &mut Conn, ids: &[i64]) -> QueryResult<Vec<Self>> {
        on!(conn, |c| tasks::table.filter(tasks::id.eq_any(ids)).select(Self::as_select()).load(c).await)
    }
    pub async fn by_uid(conn: &mut Conn, uid: &str) -> QueryResult<Option<Self>> {
        on!(conn, |c| tasks::table.filter(tasks::uid.eq(uid)).select(Self::as_select()).first(c).await.optional())
    }
    pub async fn insert(conn: &mut Conn, new: &NewTask) -> QueryResult<Self> {
        on!(conn, |c| diesel::insert_into(tasks::table).values(new).returning(Self::as_returning()).get_result(c).await)
    }
    /// Changes a task that is still open and whose version is still `version`; `None` when somebody was faster.
    pub async fn update(
        conn: &mut Conn,
        id: i64,
        version: i64,
        change: &TaskChange,
        now: Time,
    ) -> QueryResult<Option<Self>> {
        on!(conn, |c| diesel::update(
            tasks::table
                .filter(tasks::id.eq(id))
                .filter(tasks::version.eq(version))
                .filter(tasks::status.eq_any(TaskStatus::OPEN))
        )
        .set((change, tasks::updated_at.eq(now), tasks::version.eq(tasks::version + 1)))
        .returning(Self::as_returning())
        .get_result(c)
        .await
        .optional())
    }
    /// Replaces what an ended task was asked and what it came to; false when somebody was faster.
    pub async fn rewrite(
        conn: &mut Conn,
        id: i64,
        version: i64,
        (request, result): (&TaskDoc, &TaskDoc),
        now: Time,
    ) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(
            tasks::table
                .filter(tasks::id.eq(id))
                .filter(tasks::version.eq(version))
                .filter(tasks::status.ne_all(TaskStatus::OPEN))
        )
        .set((
            tasks::request.eq(request),
            tasks::result.eq(result),
            tasks::updated_at.eq(now),
            tasks::version.eq(tasks::version + 1)
        ))
        .execute(c)
        .await)?;
        Ok(n == 1)
    }
    /// Marks a failed task as refunded; false when it was before.
    pub async fn mark_refunded(conn: &mut Conn, id: i64, now: Time) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(
            tasks::table
                .filter(tasks::id.eq(id))
                .filter(tasks::status.eq(TaskStatus::Failed))
                .filter(tasks::refunded_at.is_null())
        )
        .set((tasks::refunded_at.eq(now), tasks::updated_at.eq(now), tasks::version.eq(tasks::version + 1)))
        .execute(c)
        .await)?;
        Ok(n == 1)
    }
    /// Open tasks the vendor should be asked about, longest waiting first.
    pub async fn due(conn: &mut Conn, now: Time, most: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| tasks::table
            .filter(tasks::status.eq_any(TaskStatus::OPEN))
            .filter(tasks::next_poll_at.le(now))
            .order((tasks::next_poll_at.asc(), tasks::id.asc()))
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Claims a due task until a moment; false when somebody else did.
    pub async fn claim(conn: &mut Conn, id: i64, due: Time, until: Time) -> QueryResult<bool> {
        let n =
            on!(conn, |c| diesel::update(tasks::table.filter(tasks::id.eq(id)).filter(tasks::next_poll_at.eq(due)))
                .set((tasks::next_poll_at.eq(until), tasks::polls.eq(tasks::polls + 1)))
                .execute(c)
                .await)?;
        Ok(n == 1)
    }
    /// Sets when an open task's vendor is asked next.
    pub async fn postpone(conn: &mut Conn, id: i64, until: Time) -> QueryResult<()> {
        on!(conn, |c| diesel::update(
            tasks::table.filter(tasks::id.eq(id)).filter(tasks::status.eq_any(TaskStatus::OPEN))
        )
        .set(tasks::next_poll_at.eq(until))
        .execute(c)
        .await)?;
        Ok(())
    }
    /// Tasks whose owners wait to be told something, longest waiting first.
    pub async fn to_tell(conn: &mut Conn, now: Time, most: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| tasks::table
            .filter(tasks::notify_at.le(now))
            .order((tasks::notify_at.asc(), tasks::id.asc()))
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Moves the telling of a task, if it is still due when it was; false when somebody else did, or there is
    /// newer news.
    pub async fn move_telling(
        conn: &mut Conn,
        id: i64,
        due: Time,
        next: Option<Time>,
        tries: i64,
    ) -> QueryResult<bool> {
        let n = on!(conn, |c| diesel::update(tasks::table.filter(tasks::id.eq(id)).filter(tasks::notify_at.eq(due)))
            .set((tasks::notify_at.eq(next), tasks::notify_tries.eq(tries)))
            .execute(c)
            .await)?;
        Ok(n == 1)
    }
    /// Failed tasks that were paid and not refunded, that ended after a moment, by id after `after`.
    pub async fn owed(conn: &mut Conn, ended: Time, after: i64, most: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| tasks::table
            .filter(tasks::status.eq(TaskStatus::Failed))
            .filter(tasks::refunded_at.is_null())
            .filter(tasks::cost.gt(Micros::ZERO))
            .filter(tasks::finished_at.ge(ended))
            .filter(tasks::id.gt(after))
            .order(tasks::id.asc())
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    /// Open tasks that began before a moment.
    pub async fn stale(conn: &mut Conn, before: Time, most: i64) -> QueryResult<Vec<Self>> {
        on!(conn, |c| tasks::table
            .filter(tasks::status.eq_any(TaskStatus::OPEN))
            .filter(tasks::created_at.lt(before))
            .order(tasks::id.asc())
            .limit(most)
            .select(Self::as_select())
            .load(c)
            .await)
    }
    pub async fn count(conn: &mut Conn, filter: &TaskFilter) -> QueryResult<i64> {
        on!(conn, |c| filtered!(tasks::table.into_boxed(), filter).count().get_result(c).await)
    }
    /// Newest first, one numbered page.
    pub async fn window(conn: &mut Conn, filter: &TaskFilter, window: Window) -> QueryResult<Vec<Self>> {
        on!(conn, |c| filtered!(tasks::table.select(Self::as_select()).into_boxed(), filter)
            .order(tasks::id.desc())
            .limit(window.limit)
            .offset(window.offset)
            .load(c)
            .await)
    }
    /// Newest first, one keyset page and one row more.
    pub async fn seek(conn: &mut Conn, filter: &TaskFilter, seek: &Seek) -> QueryResult<Vec<Self>> {
        on!(conn, |c| {
            let mut query = filtered!(tasks::table.select(Self::as_select()).into_boxed(), filter);
            if let Some(cursor) = &seek.after {
                let CursorKey::Number(_) = cursor.key else { return Ok(Vec::new()) };
                query = if seek.backward {
                    query.filter(tasks::id.gt(cursor.id))
                } else {
                    query.filter(tasks::id.lt(cursor.id))
                };
            }
            query = if seek.backward { query.order(tasks::id.asc()) } else { query.order(tasks::id.desc()) };
            query.limit(seek.take + 1).load(c).await
        })
    }
}

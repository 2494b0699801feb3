//! Tasks: pictures, music and films that a vendor works on while the client asks how far it is.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::model::task as model;
use schema::page::{Cursor, CursorKey};
use schema::service::task as service;

use super::account::Account;
use super::api_key::ApiKey;
use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{DateTimeFilter, joined, search, span};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime, Decimal, Json};
use crate::{count_by, joins, loader, node};

/// Something a vendor works on while the client asks how far it is.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Task {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this task by.
    pub database_id: BigInt,
    /// The id clients know it by.
    pub uid: String,
    /// What works on it: `midjourney`, `suno` and so on.
    pub platform: String,
    /// What is done.
    pub action: String,
    /// The model that was asked for.
    pub model: String,
    /// How far it is.
    pub status: TaskStatus,
    /// How far, in percent.
    pub progress: i32,
    /// What was asked for. Its shape is the platform's.
    pub request: Json,
    /// What came of it. Its shape is the platform's.
    pub result: Json,
    /// Why it failed; empty when it did not.
    pub fail_reason: String,
    /// What it cost, in US dollars.
    pub cost: Decimal,
    /// When that was given back.
    pub refunded_at: Option<DateTime>,
    /// When the vendor took it.
    pub submitted_at: Option<DateTime>,
    /// When the vendor began.
    pub started_at: Option<DateTime>,
    /// When it ended.
    pub finished_at: Option<DateTime>,
    /// When it was made.
    pub created_at: DateTime,
    /// When it last moved.
    pub updated_at: DateTime,
    /// Grows with every move.
    pub version: BigInt,
    #[graphql(skip)]
    row: std::sync::Arc<model::Task>,
}

impl From<model::Task> for Task {
    fn from(row: model::Task) -> Self {
        Self {
            id: node::id("Task", row.id),
            database_id: BigInt(row.id),
            uid: row.uid.clone(),
            platform: row.platform.clone(),
            action: row.action.clone(),
            model: row.model.clone(),
            status: row.status.into(),
            progress: i32::try_from(row.progress).unwrap_or_default(),
            request: Json(row.request.0.clone().into()),
            result: Json(row.result.0.clone().into()),
            fail_reason: row.fail_reason.clone(),
            cost: Decimal(row.cost),
            refunded_at: row.refunded_at.map(DateTime),
            submitted_at: row.submitted_at.map(DateTime),
            started_at: row.started_at.map(DateTime),
            finished_at: row.finished_at.map(DateTime),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            version: BigInt(row.version),
            row: row.into(),
        }
    }
}

#[ComplexObject]
impl Task {
    /// Whose it is.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.row.user_id)).await
    }
    /// The key it was begun with; null when it is gone, or somebody else's by now.
    async fn api_key(&self, ctx: &Context<'_>) -> Option<Result<ApiKey>> {
        super::api_key::of_viewer(ctx, self.row.key_id).await
    }
    /// The account that works on it.
    #[graphql(visible = "to_admins")]
    async fn account(&self, ctx: &Context<'_>) -> Option<Result<Account>> {
        match ctx.for_admins(|| ())? {
            Ok(()) => loader::one(ctx, loader::AccountById(self.row.account_id)).await,
            Err(refused) => Some(Err(refused)),
        }
    }
    /// The vendor's name for it.
    #[graphql(visible = "to_admins")]
    async fn upstream_id(&self, ctx: &Context<'_>) -> Option<Result<&str>> {
        let id = self.row.upstream_id.as_deref()?;
        ctx.for_admins(|| id)
    }
    /// How often the vendor was asked.
    #[graphql(visible = "to_admins")]
    async fn poll_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        ctx.for_admins(|| BigInt(self.row.polls))
    }
}

/// How far a task is.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::TaskStatus")]
pub enum TaskStatus {
    /// It was made; the vendor has not taken it yet.
    Created,
    /// The vendor has taken it.
    Submitted,
    /// It waits at the vendor.
    Queued,
    /// The vendor works on it.
    Running,
    /// It is done.
    Succeeded,
    /// It failed, and what it cost was or will be given back.
    Failed,
}

/// Which tasks.
#[derive(InputObject, Default)]
pub struct TaskFilter {
    /// Of this person.
    pub user_id: Option<ID>,
    /// Begun with this key.
    pub api_key_id: Option<ID>,
    /// Worked on by this account; for administrators.
    pub account_id: Option<ID>,
    /// Worked on by this.
    pub platform: Option<String>,
    /// Doing this.
    pub action: Option<String>,
    /// This far.
    pub status: Option<TaskStatus>,
    /// Part of the id clients know it by.
    pub search: Option<String>,
    /// Made within this span.
    pub created_at: Option<DateTimeFilter>,
    /// Where all of these hold too.
    pub and: Option<Vec<TaskFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<TaskFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<TaskFilter>>,
}

joins!(TaskFilter);

#[derive(Default)]
pub struct TaskQuery;

#[Object]
impl TaskQuery {
    /// One task by its id, or by the id clients know it by; null when there is none, or none for you.
    async fn task(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: Option<ID>,
        #[graphql(desc = "Or which, by the id clients know it by.")] uid: Option<String>,
    ) -> Result<Option<Task>> {
        ctx.actor().signed_in()?;
        let found = match (id, uid) {
            (Some(id), None) => service::get_by_id(ctx.app(), ctx.actor(), node::row("Task", &id, "id")?).await,
            (None, Some(uid)) => {
                let uid = search(Some(uid), "uid")?.unwrap_or_default();
                service::get(ctx.app(), ctx.actor(), &uid).await
            }
            _ => return Err(schema::Error::invalid("id", "give an id or a uid").into()),
        };
        node::found(found, Task::from)
    }

    /// Tasks, newest first: one's own, or everybody's for administrators.
    async fn tasks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<TaskFilter>,
    ) -> Result<Connection<Task>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = joined(filter.unwrap_or_default(), |filter, _| {
            let (from, until) = span(filter.created_at);
            let account_id = node::row_if("Account", filter.account_id.as_ref(), "filter.accountId")?;
            if account_id.is_some() {
                ctx.actor().may(schema::Act::ViewAll)?;
            }
            Ok(model::TaskFilter {
                user_id: ctx.actor().whose(node::row_if("User", filter.user_id.as_ref(), "filter.userId")?)?,
                key_id: node::row_if("ApiKey", filter.api_key_id.as_ref(), "filter.apiKeyId")?,
                account_id,
                platform: search(filter.platform, "filter.platform")?,
                action: search(filter.action, "filter.action")?,
                status: filter.status.map(Into::into),
                search: search(filter.search, "filter.search")?,
                from,
                until,
                ..model::TaskFilter::default()
            })
        })?;
        let rows = service::list(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |t: &model::Task| Cursor { key: CursorKey::Number(t.id), id: t.id };
        Ok(page::connection(rows, cursor, Task::from).counted(count_by!(service::count, filter)))
    }
}

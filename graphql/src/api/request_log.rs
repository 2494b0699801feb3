//! Who asked what over HTTP.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::model::request_log as model;
use schema::page::{Cursor, CursorKey};
use schema::service::request_log as service;

use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{DateTimeFilter, joined, search, span};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime};
use crate::{count_by, joins, loader, node};

/// One request over HTTP.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct RequestLog {
    /// Opaque id.
    pub id: ID,
    /// When.
    pub at: DateTime,
    /// In which of the two logs.
    pub kind: RequestLogKind,
    /// The face that was asked.
    pub face: String,
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The HTTP status of the answer.
    pub status: i32,
    /// The address it came from.
    pub ip: String,
    /// The program that asked.
    pub user_agent: String,
    /// Milliseconds to the answer.
    pub duration_ms: BigInt,
    /// Bytes asked with.
    pub request_bytes: BigInt,
    /// Bytes answered with.
    pub response_bytes: BigInt,
    /// The id that is in every error of it.
    pub request_id: String,
    #[graphql(skip)]
    user_row: Option<i64>,
}

impl From<model::RequestLog> for RequestLog {
    fn from(row: model::RequestLog) -> Self {
        Self {
            id: node::id("RequestLog", row.id),
            at: DateTime(row.at),
            kind: row.kind.into(),
            face: row.face,
            method: row.method,
            path: row.path,
            status: i32::try_from(row.status).unwrap_or_default(),
            ip: row.ip,
            user_agent: row.agent,
            duration_ms: BigInt(row.duration_ms),
            request_bytes: BigInt(row.request_size),
            response_bytes: BigInt(row.response_size),
            request_id: row.request_id,
            user_row: row.user_id,
        }
    }
}

#[ComplexObject]
impl RequestLog {
    /// Who asked, when that was known.
    async fn user(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        loader::one(ctx, loader::UserById(self.user_row?)).await
    }
}

/// Which of the two logs.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::LogKind")]
pub enum RequestLogKind {
    /// Pages and static files.
    Access,
    /// Calls of an API.
    Api,
}

/// Which requests.
#[derive(InputObject, Default)]
pub struct RequestLogFilter {
    /// In this log.
    pub kind: Option<RequestLogKind>,
    /// Of this face.
    pub face: Option<String>,
    /// By this person.
    pub user_id: Option<ID>,
    /// With this in the path.
    pub path: Option<String>,
    /// Answered with this HTTP status.
    pub status: Option<i32>,
    /// Within this span.
    pub at: Option<DateTimeFilter>,
    /// Where all of these hold too.
    pub and: Option<Vec<RequestLogFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<RequestLogFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<RequestLogFilter>>,
}

joins!(RequestLogFilter);

/// The requests of today.
#[derive(SimpleObject)]
pub struct RequestLogToday {
    /// In the log of pages.
    pub access_count: BigInt,
    /// In the log of APIs.
    pub api_count: BigInt,
}

/// The filter as the service means it.
pub fn filtered(filter: RequestLogFilter) -> Result<model::LogFilter> {
    joined(filter, |filter, _| {
        let (from, until) = span(filter.at);
        Ok(model::LogFilter {
            kind: filter.kind.map(Into::into),
            face: search(filter.face, "filter.face")?,
            user_id: node::row_if("User", filter.user_id.as_ref(), "filter.userId")?,
            path: search(filter.path, "filter.path")?,
            status: filter.status.map(i64::from),
            from,
            until,
            ..model::LogFilter::default()
        })
    })
}

#[derive(Default)]
pub struct RequestLogQuery;

#[Object]
impl RequestLogQuery {
    /// Requests over HTTP, newest first; for administrators. They are noted where the settings say so.
    #[graphql(visible = "to_admins")]
    async fn request_logs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<RequestLogFilter>,
    ) -> Result<Connection<RequestLog>> {
        let seek = page::seek(first, after, last, before)?;
        let filter = filtered(filter.unwrap_or_default())?;
        let rows = service::list(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |l: &model::RequestLog| Cursor { key: CursorKey::Number(l.id), id: l.id };
        Ok(page::connection(rows, cursor, RequestLog::from).counted(count_by!(service::count, filter)))
    }

    /// How many requests were noted today; for administrators.
    #[graphql(visible = "to_admins")]
    async fn request_logs_today(&self, ctx: &Context<'_>) -> Result<RequestLogToday> {
        let (access, api) = service::today(ctx.app(), ctx.actor()).await?;
        Ok(RequestLogToday { access_count: BigInt(access), api_count: BigInt(api) })
    }
}

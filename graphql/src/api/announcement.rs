//! Announcements: what the operator tells everybody, and who has read it.

mod change;

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, SimpleObject};
use schema::model::announcement as model;
use schema::page::{Cursor, CursorKey};
use schema::service::announcement as service;

use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::Result;
use crate::filter::{joined, search};
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime};
use crate::{count_by, joins, loader, node};

pub use change::AnnouncementMutation;

/// Something the operator tells everybody.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Announcement {
    /// Opaque id.
    pub id: ID,
    /// The number other faces know this announcement by.
    pub database_id: BigInt,
    /// What it is called.
    pub title: String,
    /// What it says.
    pub content: String,
    /// What it says in short.
    pub summary: String,
    /// What it is about.
    pub kind: AnnouncementKind,
    /// Where it is in its life.
    pub status: AnnouncementStatus,
    /// Higher is shown first.
    pub priority: BigInt,
    /// When it was published.
    pub published_at: Option<DateTime>,
    /// When it ends.
    pub expires_at: Option<DateTime>,
    /// When it was made.
    pub created_at: DateTime,
    /// When it was last changed.
    pub updated_at: DateTime,
    /// Grows with every change; send it back as `expectedVersion`.
    pub version: BigInt,
    #[graphql(skip)]
    row: i64,
    #[graphql(skip)]
    author: Option<i64>,
}

impl From<model::Announcement> for Announcement {
    fn from(row: model::Announcement) -> Self {
        Self {
            id: node::id("Announcement", row.id),
            database_id: BigInt(row.id),
            title: row.title,
            content: row.content,
            summary: row.summary,
            kind: row.kind.into(),
            status: row.status.into(),
            priority: BigInt(row.priority),
            published_at: row.published_at.map(DateTime),
            expires_at: row.expires_at.map(DateTime),
            created_at: DateTime(row.created_at),
            updated_at: DateTime(row.updated_at),
            version: BigInt(row.version),
            row: row.id,
            author: row.created_by,
        }
    }
}

#[ComplexObject]
impl Announcement {
    /// Whether the person who asks has read it.
    async fn is_read(&self, ctx: &Context<'_>) -> Option<Result<bool>> {
        let read = ctx.loaders().load_one(loader::ReadByMe(self.row)).await;
        Some(read.map(|read| read.is_some()).map_err(Into::into))
    }
    /// How many people have read it.
    #[graphql(visible = "to_admins")]
    async fn read_count(&self, ctx: &Context<'_>) -> Option<Result<BigInt>> {
        let count = ctx.loaders().load_one(loader::ReadsOf(self.row)).await;
        Some(count.map(|n| BigInt(n.unwrap_or_default())).map_err(Into::into))
    }
    /// Who made it.
    #[graphql(visible = "to_admins")]
    async fn author(&self, ctx: &Context<'_>) -> Option<Result<User>> {
        let author = self.author?;
        match ctx.for_admins(|| ())? {
            Ok(()) => loader::one(ctx, loader::UserById(author)).await,
            Err(refused) => Some(Err(refused)),
        }
    }
    /// Who has read it, day by day.
    #[graphql(visible = "to_admins")]
    async fn stats(&self, ctx: &Context<'_>) -> Option<Result<AnnouncementStats>> {
        match ctx.loaders().load_one(loader::StatsOfAnnouncement(self.row)).await {
            Ok(stats) => stats.map(|stats| Ok(stats.into())),
            Err(e) => Some(Err(e.into())),
        }
    }
}

/// Who has read an announcement.
#[derive(SimpleObject)]
pub struct AnnouncementStats {
    /// How many people have read it.
    pub read_count: BigInt,
    /// How many there are.
    pub user_count: BigInt,
    /// The share of those who have, in percent.
    pub read_rate: f64,
    /// By day.
    pub trend: Vec<AnnouncementReads>,
}

impl From<service::Stats> for AnnouncementStats {
    fn from(stats: service::Stats) -> Self {
        let reads = |(day, reads)| AnnouncementReads { day, read_count: BigInt(reads) };
        Self {
            read_count: BigInt(stats.reads),
            user_count: BigInt(stats.people),
            read_rate: stats.rate(),
            trend: stats.trend.into_iter().map(reads).collect(),
        }
    }
}

/// How many read an announcement on a day.
#[derive(SimpleObject)]
pub struct AnnouncementReads {
    /// The day, `2026-01-31`.
    pub day: String,
    /// How many.
    pub read_count: BigInt,
}

/// What an announcement is about.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::AnnouncementKind")]
pub enum AnnouncementKind {
    /// Anything.
    General,
    /// The system.
    System,
    /// Something new.
    Feature,
    /// Work on the system.
    Maintenance,
}

/// Where an announcement is in its life.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::AnnouncementStatus")]
pub enum AnnouncementStatus {
    /// Being written.
    Draft,
    /// Shown to everybody.
    Published,
    /// Over.
    Expired,
    /// Put away.
    Archived,
}

/// Which announcements. Whoever is no administrator sees what is published and not over.
#[derive(InputObject, Default)]
pub struct AnnouncementFilter {
    /// In this part of its life.
    pub status: Option<AnnouncementStatus>,
    /// About this.
    pub kind: Option<AnnouncementKind>,
    /// Part of the title or the summary.
    pub search: Option<String>,
    /// Published and not over.
    pub current: Option<bool>,
    /// Not read by the person who asks.
    pub unread: Option<bool>,
    /// Where all of these hold too.
    pub and: Option<Vec<AnnouncementFilter>>,
    /// Where any of these holds too; not an empty list.
    pub or: Option<Vec<AnnouncementFilter>>,
    /// Where this does not hold.
    pub not: Option<Box<AnnouncementFilter>>,
}

joins!(AnnouncementFilter);

#[derive(Default)]
pub struct AnnouncementQuery;

#[Object]
impl AnnouncementQuery {
    /// One announcement; null when there is none, or none for you.
    async fn announcement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] id: ID,
    ) -> Result<Option<Announcement>> {
        let row = node::row("Announcement", &id, "id")?;
        node::found(service::get(ctx.app(), ctx.actor(), row).await, Announcement::from)
    }

    /// Announcements, newest first. `totalCount` of the unread tells how many wait.
    async fn announcements(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "This many from the start: 1 to 100; 20 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end: 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter: Option<AnnouncementFilter>,
    ) -> Result<Connection<Announcement>> {
        let seek = page::seek(first, after, last, before)?;
        let now = ctx.app().clock.now();
        let filter = joined(filter.unwrap_or_default(), |filter, _| {
            let unread = filter.unread.unwrap_or(false);
            Ok(model::AnnouncementFilter {
                status: filter.status.map(Into::into),
                kind: filter.kind.map(Into::into),
                search: search(filter.search, "filter.search")?,
                current_at: filter.current.unwrap_or(false).then_some(now),
                unread_by: if unread { Some(ctx.actor().signed_in()?) } else { None },
                ..model::AnnouncementFilter::default()
            })
        })?;
        let rows = service::list(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |a: &model::Announcement| Cursor { key: CursorKey::Number(a.id), id: a.id };
        Ok(page::connection(rows, cursor, Announcement::from).counted(count_by!(service::count, filter)))
    }
}

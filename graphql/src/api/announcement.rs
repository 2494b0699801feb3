//! Announcements: what the operator tells everybody, and who has read it.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::announcement as model;
use schema::page::{Cursor, CursorKey};
use schema::service::announcement as service;

use super::user::User;
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::filter::search;
use crate::page::{self, Connection};
use crate::scalar::{BigInt, DateTime};
use crate::{count_by, loader, node};

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
        Some(match service::stats(ctx.app(), ctx.actor(), self.row).await {
            Ok(stats) => Ok(AnnouncementStats {
                read_count: BigInt(stats.reads),
                user_count: BigInt(stats.people),
                read_rate: stats.rate(),
                trend: stats
                    .trend
                    .into_iter()
                    .map(|(day, reads)| AnnouncementReads { day, read_count: BigInt(reads) })
                    .collect(),
            }),
            Err(e) => Err(e.into()),
        })
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
}

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
        let filter = filter.unwrap_or_default();
        let unread = filter.unread.unwrap_or(false);
        let filter = model::AnnouncementFilter {
            status: filter.status.map(Into::into),
            kind: filter.kind.map(Into::into),
            search: search(filter.search, "filter.search")?,
            current_at: filter.current.unwrap_or(false).then(|| ctx.app().clock.now()),
            unread_by: if unread { Some(ctx.actor().signed_in()?) } else { None },
        };
        let rows = service::list(ctx.app(), ctx.actor(), &filter, &seek).await?;
        let cursor = |a: &model::Announcement| Cursor { key: CursorKey::Number(a.id), id: a.id };
        Ok(page::connection(rows, cursor, Announcement::from).counted(count_by!(service::count, filter)))
    }
}

/// An announcement to be made; it is a draft until it is published.
#[derive(InputObject)]
pub struct AnnouncementCreateInput {
    /// What it is called.
    pub title: String,
    /// What it says.
    pub content: String,
    /// What it says in short.
    #[graphql(default)]
    pub summary: String,
    /// What it is about; GENERAL when absent.
    pub kind: Option<AnnouncementKind>,
    /// Higher is shown first.
    pub priority: Option<BigInt>,
    /// When it ends.
    pub expires_at: Option<DateTime>,
}

/// What of an announcement changes. What is absent stays as it is.
#[derive(InputObject)]
pub struct AnnouncementChangeInput {
    /// Which.
    pub id: ID,
    /// What it is called.
    pub title: Option<String>,
    /// What it says.
    pub content: Option<String>,
    /// What it says in short.
    pub summary: Option<String>,
    /// What it is about.
    pub kind: Option<AnnouncementKind>,
    /// Higher is shown first.
    pub priority: Option<BigInt>,
    /// When it ends; null means never.
    pub expires_at: MaybeUndefined<DateTime>,
    /// Refuses the change when the announcement was changed since this version was read.
    pub expected_version: Option<BigInt>,
}

/// An announcement.
#[derive(InputObject)]
pub struct AnnouncementInput {
    /// Which.
    pub id: ID,
}

/// Announcements that were read.
#[derive(InputObject)]
pub struct AnnouncementsMarkReadInput {
    /// Which; at most 100.
    pub ids: Vec<ID>,
}

/// The answer to a change of an announcement.
#[derive(SimpleObject)]
pub struct AnnouncementPayload {
    /// The announcement after the change; null when refused.
    pub announcement: Option<Announcement>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a removal.
#[derive(SimpleObject)]
pub struct AnnouncementDeletePayload {
    /// The id of what was removed; null when refused.
    pub deleted_id: Option<ID>,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

/// The answer to a reading.
#[derive(SimpleObject)]
pub struct AnnouncementsMarkReadPayload {
    /// How many were not read before.
    pub newly_read_count: BigInt,
    /// Why it was refused.
    pub user_errors: Vec<UserError>,
}

fn changed(answer: schema::Result<model::Announcement>) -> Result<AnnouncementPayload> {
    let (announcement, user_errors) = split(answer)?;
    Ok(AnnouncementPayload { announcement: announcement.map(Into::into), user_errors })
}

#[derive(Default)]
pub struct AnnouncementMutation;

#[Object]
impl AnnouncementMutation {
    /// Makes an announcement, as a draft.
    #[graphql(visible = "to_admins")]
    async fn announcement_create(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The announcement.")] input: AnnouncementCreateInput,
    ) -> Result<AnnouncementPayload> {
        let draft = service::Draft {
            title: input.title,
            content: input.content,
            summary: input.summary,
            kind: input.kind.map_or(model::AnnouncementKind::General, Into::into),
            priority: input.priority.map_or(0, Into::into),
            expires_at: input.expires_at.map(|t| t.0),
        };
        changed(service::create(ctx.app(), ctx.actor(), draft).await)
    }

    /// Changes an announcement.
    #[graphql(visible = "to_admins")]
    async fn announcement_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and what changes.")] input: AnnouncementChangeInput,
    ) -> Result<AnnouncementPayload> {
        let row = node::row("Announcement", &input.id, "id")?;
        let ends: Option<Option<DateTime>> = input.expires_at.into();
        let change = service::Change {
            title: input.title,
            content: input.content,
            summary: input.summary,
            kind: input.kind.map(Into::into),
            priority: input.priority.map(Into::into),
            expires_at: ends.map(|t| t.map(|t| t.0)),
            expected_version: input.expected_version.map(Into::into),
        };
        changed(service::change(ctx.app(), ctx.actor(), row, change).await)
    }

    /// Shows an announcement to everybody.
    #[graphql(visible = "to_admins")]
    async fn announcement_publish(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AnnouncementInput,
    ) -> Result<AnnouncementPayload> {
        let row = node::row("Announcement", &input.id, "id")?;
        changed(service::publish(ctx.app(), ctx.actor(), row).await)
    }

    /// Takes an announcement back to a draft.
    #[graphql(visible = "to_admins")]
    async fn announcement_unpublish(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AnnouncementInput,
    ) -> Result<AnnouncementPayload> {
        let row = node::row("Announcement", &input.id, "id")?;
        changed(service::unpublish(ctx.app(), ctx.actor(), row).await)
    }

    /// Puts an announcement away.
    #[graphql(visible = "to_admins")]
    async fn announcement_archive(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AnnouncementInput,
    ) -> Result<AnnouncementPayload> {
        let row = node::row("Announcement", &input.id, "id")?;
        changed(service::archive(ctx.app(), ctx.actor(), row).await)
    }

    /// Removes an announcement for good.
    #[graphql(visible = "to_admins")]
    async fn announcement_delete(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AnnouncementInput,
    ) -> Result<AnnouncementDeletePayload> {
        let row = node::row("Announcement", &input.id, "id")?;
        let (done, user_errors) = split(service::delete(ctx.app(), ctx.actor(), row).await)?;
        Ok(AnnouncementDeletePayload { deleted_id: done.map(|()| input.id), user_errors })
    }

    /// Notes that the person who asks has read some announcements; those that are not there are passed over.
    async fn announcements_mark_read(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: AnnouncementsMarkReadInput,
    ) -> Result<AnnouncementsMarkReadPayload> {
        let rows = node::rows("Announcement", &input.ids, "ids", 100)?;
        let (count, user_errors) = split(service::mark_rows_read(ctx.app(), ctx.actor(), &rows).await)?;
        Ok(AnnouncementsMarkReadPayload { newly_read_count: BigInt(count.unwrap_or_default()), user_errors })
    }
}

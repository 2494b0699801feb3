//! Making, publishing, reading and removing announcements.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use schema::model::announcement as model;
use schema::service::announcement as service;

use super::{Announcement, AnnouncementKind};
use crate::context::{Reach, to_admins};
use crate::fault::{Result, UserError, split};
use crate::node;
use crate::scalar::{BigInt, DateTime};

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

//! Announcements: written, published, read, over.

mod read;

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::id;
use crate::model::announcement::{
    Announcement, AnnouncementKind, AnnouncementRowChange, AnnouncementStatus, NewAnnouncement,
};
use crate::service::audit::{self, Target};

pub use read::{
    Board, Shown, Stats, board, count, get, get_by_uid, list, mark_many_read, mark_read, mark_rows_read, pages,
    read_by_me, read_counts, several, stats, stats_of,
};

/// Most bytes of an announcement's text.
pub const MOST_CONTENT: usize = 50 * 1024;

const NOT_FOUND: Error = Error::NotFound { what: "announcement" };

/// An announcement to be made.
#[derive(Clone, Debug)]
pub struct Draft {
    pub title: String,
    pub content: String,
    pub summary: String,
    pub kind: AnnouncementKind,
    pub priority: i64,
    pub expires_at: Option<Time>,
}

/// What of an announcement changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub title: Option<String>,
    pub content: Option<String>,
    pub summary: Option<String>,
    pub kind: Option<AnnouncementKind>,
    pub priority: Option<i64>,
    pub expires_at: Option<Option<Time>>,
    pub expected_version: Option<i64>,
}

fn checked(field: &str, text: &str, least: usize, most: usize) -> Result<()> {
    let length = text.trim().chars().count();
    if length < least || length > most || text.contains('\0') {
        return Err(Error::invalid(field, format!("{field} must have {least} to {most} characters")));
    }
    Ok(())
}

fn content(text: &str) -> Result<()> {
    if text.trim().is_empty() || text.len() > MOST_CONTENT || text.contains('\0') {
        return Err(Error::invalid("content", "content must have 1 byte to 50 KB"));
    }
    Ok(())
}

fn priority(n: i64) -> Result<()> {
    if !(-1000..=1000).contains(&n) {
        return Err(Error::invalid("priority", "priority must be between -1000 and 1000"));
    }
    Ok(())
}

fn summary_of(a: &Announcement) -> serde_json::Value {
    serde_json::json!({
        "title": a.title, "kind": a.kind, "status": a.status, "priority": a.priority,
        "published_at": a.published_at, "expires_at": a.expires_at, "version": a.version,
    })
}

/// Writes a draft.
pub async fn create(app: &App, actor: &Actor, draft: Draft) -> Result<Announcement> {
    actor.may(Act::Manage)?;
    checked("title", &draft.title, 1, 200)?;
    content(&draft.content)?;
    checked("summary", &draft.summary, 0, 1000)?;
    priority(draft.priority)?;
    let now = app.clock.now();
    let new = NewAnnouncement {
        uid: id::uuid(),
        title: draft.title.trim().to_owned(),
        content: draft.content,
        summary: draft.summary,
        kind: draft.kind,
        status: AnnouncementStatus::Draft,
        priority: draft.priority,
        expires_at: draft.expires_at,
        created_by: actor.user_id,
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.db.begin().await?;
    let made = Announcement::insert(&mut tx, &new).await?;
    let target = Target { kind: "announcement", id: &made.id.to_string() };
    audit::record(app, &mut tx, actor, "announcement.create", target, (), summary_of(&made)).await?;
    tx.commit().await?;
    Ok(made)
}

/// Changes an announcement, published or not.
pub async fn change(app: &App, actor: &Actor, announcement_id: i64, change: Change) -> Result<Announcement> {
    if let Some(title) = &change.title {
        checked("title", title, 1, 200)?;
    }
    if let Some(text) = &change.content {
        content(text)?;
    }
    if let Some(text) = &change.summary {
        checked("summary", text, 0, 1000)?;
    }
    if let Some(n) = change.priority {
        priority(n)?;
    }
    let row = AnnouncementRowChange {
        title: change.title.map(|t| t.trim().to_owned()),
        content: change.content,
        summary: change.summary,
        kind: change.kind,
        priority: change.priority,
        expires_at: change.expires_at,
        ..AnnouncementRowChange::default()
    };
    step(app, actor, announcement_id, "announcement.change", change.expected_version, |_| Ok(row)).await
}

/// Shows it to everybody.
pub async fn publish(app: &App, actor: &Actor, announcement_id: i64) -> Result<Announcement> {
    let now = app.clock.now();
    step(app, actor, announcement_id, "announcement.publish", None, |a| {
        if a.status == AnnouncementStatus::Published {
            return Err(Error::conflict("ALREADY_PUBLISHED", "the announcement is published already"));
        }
        if a.expires_at.is_some_and(|end| end <= now) {
            return Err(Error::invalid("expiresAt", "the announcement is over; set a later end first"));
        }
        Ok(AnnouncementRowChange {
            status: Some(AnnouncementStatus::Published),
            published_at: Some(Some(now)),
            ..AnnouncementRowChange::default()
        })
    })
    .await
}

/// Takes it back to the drafts.
pub async fn unpublish(app: &App, actor: &Actor, announcement_id: i64) -> Result<Announcement> {
    step(app, actor, announcement_id, "announcement.unpublish", None, |a| {
        if a.status != AnnouncementStatus::Published {
            return Err(Error::conflict("NOT_PUBLISHED", "the announcement is not published"));
        }
        Ok(AnnouncementRowChange {
            status: Some(AnnouncementStatus::Draft),
            published_at: Some(None),
            ..AnnouncementRowChange::default()
        })
    })
    .await
}

/// Puts it away; readers no longer see it, its readings stay.
pub async fn archive(app: &App, actor: &Actor, announcement_id: i64) -> Result<Announcement> {
    step(app, actor, announcement_id, "announcement.archive", None, |_| {
        Ok(AnnouncementRowChange { status: Some(AnnouncementStatus::Archived), ..AnnouncementRowChange::default() })
    })
    .await
}

async fn step(
    app: &App,
    actor: &Actor,
    announcement_id: i64,
    action: &str,
    expected_version: Option<i64>,
    decide: impl FnOnce(&Announcement) -> Result<AnnouncementRowChange>,
) -> Result<Announcement> {
    actor.may(Act::Manage)?;
    let stale = || Error::conflict("STALE_VERSION", "somebody changed this in the meantime; read it again");
    let mut tx = app.db.begin().await?;
    let before = Announcement::find(&mut tx, announcement_id).await?.ok_or(NOT_FOUND)?;
    if expected_version.is_some_and(|v| v != before.version) {
        return Err(stale());
    }
    let row = decide(&before)?;
    let now = app.clock.now();
    let after = Announcement::update(&mut tx, before.id, before.version, &row, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "announcement", id: &before.id.to_string() };
    audit::record(app, &mut tx, actor, action, target, summary_of(&before), summary_of(&after)).await?;
    tx.commit().await?;
    app.bus.publish(Event::AnnouncementChanged { id: after.id }).await;
    Ok(after)
}

/// Removes it and its readings.
pub async fn delete(app: &App, actor: &Actor, announcement_id: i64) -> Result<()> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = Announcement::find(&mut tx, announcement_id).await?.ok_or(NOT_FOUND)?;
    Announcement::delete(&mut tx, announcement_id).await?;
    let target = Target { kind: "announcement", id: &announcement_id.to_string() };
    audit::record(app, &mut tx, actor, "announcement.delete", target, summary_of(&before), ()).await?;
    tx.commit().await?;
    app.bus.publish(Event::AnnouncementChanged { id: announcement_id }).await;
    Ok(())
}

/// Marks what is over as expired; periodic.
pub async fn expire_due(app: &App) -> Result<usize> {
    let mut conn = app.db.conn().await?;
    let ids = Announcement::expire(&mut conn, app.clock.now()).await?;
    for id in &ids {
        app.bus.publish(Event::AnnouncementChanged { id: *id }).await;
    }
    Ok(ids.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Role;
    use crate::page::Window;
    use crate::testing::TestApp;

    fn draft(title: &str) -> Draft {
        Draft {
            title: title.into(),
            content: "text".into(),
            summary: String::new(),
            kind: AnnouncementKind::General,
            priority: 0,
            expires_at: None,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn drafts_are_hidden_and_readings_counted_once() {
        let t = TestApp::new().await;
        let (_, admin) = t.person("root", Role::Admin).await;
        let (_, ann) = t.person("ann", Role::User).await;
        let made = create(&t.app, &admin, draft("one")).await.expect("a draft");
        assert!(get(&t.app, &ann, made.id).await.is_err(), "a draft is not for readers");
        publish(&t.app, &admin, made.id).await.expect("published");
        assert!(publish(&t.app, &admin, made.id).await.is_err(), "not twice");
        let window = Window { limit: 20, offset: 0 };
        assert_eq!(board(&t.app, &ann, false, window).await.expect("a board").unread, 1);
        mark_read(&t.app, &ann, &made.uid).await.expect("read");
        assert_eq!(mark_many_read(&t.app, &ann, &[made.uid.clone(), "none".into()]).await.expect("read"), 0);
        let board = board(&t.app, &ann, false, window).await.expect("a board");
        assert_eq!((board.unread, board.page.rows[0].is_read), (0, true));
        let stats = stats(&t.app, &admin, made.id).await.expect("stats");
        assert_eq!((stats.reads, stats.people, stats.rate()), (1, 2, 50.0));
        assert!(create(&t.app, &ann, draft("x")).await.is_err(), "readers do not write");
        let long = Draft { content: "x".repeat(MOST_CONTENT + 1), ..draft("long") };
        assert!(create(&t.app, &admin, long).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_over_expires() {
        let t = TestApp::new().await;
        let (_, admin) = t.person("root", Role::Admin).await;
        let end = t.app.clock.now().plus(1_000);
        let made = create(&t.app, &admin, Draft { expires_at: Some(end), ..draft("short") }).await.expect("a draft");
        publish(&t.app, &admin, made.id).await.expect("published");
        assert_eq!(expire_due(&t.app).await.expect("swept"), 0);
        t.advance(2_000);
        assert_eq!(expire_due(&t.app).await.expect("swept"), 1);
        let now = get(&t.app, &admin, made.id).await.expect("still there");
        assert_eq!(now.status, AnnouncementStatus::Expired);
    }
}

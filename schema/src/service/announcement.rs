//! Announcements: written, published, read, over.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::{DAY, Time};
use crate::error::{Error, Result};
use crate::id;
use crate::model::announcement::{
    Announcement, AnnouncementFilter, AnnouncementKind, AnnouncementRowChange, AnnouncementStatus, NewAnnouncement,
    Reading,
};
use crate::model::user::{User, UserFilter};
use crate::page::{Counted, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::setting;

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

/// An announcement and whether the person who asked has read it.
#[derive(Clone, Debug)]
pub struct Shown {
    pub announcement: Announcement,
    pub is_read: bool,
}

/// What a person has before them.
#[derive(Clone, Debug)]
pub struct Board {
    pub page: Counted<Shown>,
    pub unread: i64,
}

/// How an announcement was read.
#[derive(Clone, Debug)]
pub struct Stats {
    pub reads: i64,
    pub people: i64,
    /// Readings a day, in the administrator's time zone, at most the last 90 days.
    pub trend: Vec<(String, i64)>,
}

impl Stats {
    /// Percent of the people who have read it, to one decimal.
    pub fn rate(&self) -> f64 {
        if self.people == 0 { 0.0 } else { (self.reads as f64 * 1000.0 / self.people as f64).round() / 10.0 }
    }
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

/// One announcement: any for administrators, a current one for everybody signed in.
pub async fn get(app: &App, actor: &Actor, announcement_id: i64) -> Result<Announcement> {
    actor.signed_in()?;
    let mut conn = app.db.conn().await?;
    let found = Announcement::find(&mut conn, announcement_id).await?.ok_or(NOT_FOUND)?;
    visible(app, actor, found)
}

/// The same by its public id.
pub async fn get_by_uid(app: &App, actor: &Actor, uid: &str) -> Result<Announcement> {
    actor.signed_in()?;
    let mut conn = app.db.conn().await?;
    let found = Announcement::by_uid(&mut conn, uid).await?.ok_or(NOT_FOUND)?;
    visible(app, actor, found)
}

fn visible(app: &App, actor: &Actor, found: Announcement) -> Result<Announcement> {
    let now = app.clock.now();
    let current = found.status == AnnouncementStatus::Published && found.expires_at.is_none_or(|end| end > now);
    if actor.is_admin() || current { Ok(found) } else { Err(NOT_FOUND) }
}

/// Announcements by numbered page, for administrators.
pub async fn pages(
    app: &App,
    actor: &Actor,
    filter: &AnnouncementFilter,
    window: Window,
) -> Result<Counted<Announcement>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let rows = Announcement::window(&mut conn, filter, window).await?;
    Ok(Counted { rows, total: Announcement::count(&mut conn, filter).await? })
}

/// Announcements by keyset: all for administrators, the current ones for everybody else.
pub async fn list(app: &App, actor: &Actor, filter: &AnnouncementFilter, seek: &Seek) -> Result<Page<Announcement>> {
    actor.signed_in()?;
    let filter = admitted(app, actor, filter);
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Announcement::seek(&mut conn, &filter, seek).await?, seek))
}

/// How many there are, of those the caller may see.
pub async fn count(app: &App, actor: &Actor, filter: &AnnouncementFilter) -> Result<i64> {
    actor.signed_in()?;
    let filter = admitted(app, actor, filter);
    let mut conn = app.db.conn().await?;
    Ok(Announcement::count(&mut conn, &filter).await?)
}

fn admitted(app: &App, actor: &Actor, filter: &AnnouncementFilter) -> AnnouncementFilter {
    let mut filter = filter.clone();
    if !actor.is_admin() {
        filter.current_at = Some(app.clock.now());
    }
    filter
}

/// What the signed-in person has before them.
pub async fn board(app: &App, actor: &Actor, unread_only: bool, window: Window) -> Result<Board> {
    let me = actor.signed_in()?;
    let mut filter = AnnouncementFilter { current_at: Some(app.clock.now()), ..AnnouncementFilter::default() };
    let unread_filter = AnnouncementFilter { unread_by: Some(me), ..filter.clone() };
    if unread_only {
        filter = unread_filter.clone();
    }
    let mut conn = app.db.conn().await?;
    let rows = Announcement::window(&mut conn, &filter, window).await?;
    let total = Announcement::count(&mut conn, &filter).await?;
    let unread = Announcement::count(&mut conn, &unread_filter).await?;
    let ids: Vec<i64> = rows.iter().map(|a| a.id).collect();
    let read: HashSet<i64> = Reading::of_user(&mut conn, me, &ids).await?.into_iter().collect();
    let rows = rows.into_iter().map(|a| Shown { is_read: read.contains(&a.id), announcement: a }).collect();
    Ok(Board { page: Counted { rows, total }, unread })
}

/// Which of these the signed-in person has read.
pub async fn read_by_me(app: &App, actor: &Actor, ids: &[i64]) -> Result<HashSet<i64>> {
    let me = actor.signed_in()?;
    let mut conn = app.db.conn().await?;
    Ok(Reading::of_user(&mut conn, me, ids).await?.into_iter().collect())
}

/// Notes that the signed-in person has read one; reading twice changes nothing.
pub async fn mark_read(app: &App, actor: &Actor, uid: &str) -> Result<()> {
    let me = actor.signed_in()?;
    let found = get_by_uid(app, actor, uid).await?;
    let mut conn = app.db.conn().await?;
    Reading::insert(&mut conn, found.id, me, app.clock.now()).await?;
    Ok(())
}

/// Notes many readings; unknown ids are passed over. How many were new.
pub async fn mark_many_read(app: &App, actor: &Actor, uids: &[String]) -> Result<i64> {
    let me = actor.signed_in()?;
    if uids.len() > 500 {
        return Err(Error::invalid("announcementIds", "at most 500 at once"));
    }
    let mut new = 0;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    for uid in uids {
        if let Some(found) = Announcement::by_uid(&mut tx, uid).await?
            && visible(app, actor, found.clone()).is_ok()
        {
            new += i64::from(Reading::insert(&mut tx, found.id, me, now).await?);
        }
    }
    tx.commit().await?;
    Ok(new)
}

/// As [`mark_many_read`], by the announcements' numbers.
pub async fn mark_rows_read(app: &App, actor: &Actor, ids: &[i64]) -> Result<i64> {
    let me = actor.signed_in()?;
    let mut new = 0;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    for found in Announcement::by_ids(&mut tx, ids).await? {
        let id = found.id;
        if visible(app, actor, found).is_ok() {
            new += i64::from(Reading::insert(&mut tx, id, me, now).await?);
        }
    }
    tx.commit().await?;
    Ok(new)
}

/// How many people have read each of these.
pub async fn read_counts(app: &App, actor: &Actor, ids: &[i64]) -> Result<HashMap<i64, i64>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Reading::counts(&mut conn, ids).await?.into_iter().collect())
}

/// How one was read.
pub async fn stats(app: &App, actor: &Actor, announcement_id: i64) -> Result<Stats> {
    stats_of(app, actor, &[announcement_id]).await?.remove(&announcement_id).ok_or(NOT_FOUND)
}

/// How each of these was read; those there are.
pub async fn stats_of(app: &App, actor: &Actor, ids: &[i64]) -> Result<HashMap<i64, Stats>> {
    actor.may(Act::ViewAll)?;
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let there = Announcement::by_ids(&mut conn, ids).await?;
    let reads: HashMap<i64, i64> = Reading::counts(&mut conn, ids).await?.into_iter().collect();
    let people = User::count(&mut conn, &UserFilter::default()).await?;
    let settings = setting::current(app);
    let mut days: HashMap<i64, BTreeMap<String, i64>> = HashMap::new();
    for (id, at) in Reading::times(&mut conn, ids, now.plus(-90 * DAY)).await? {
        *days.entry(id).or_default().entry(settings.zone().date(at)).or_default() += 1;
    }
    let stats = there.into_iter().map(|row| {
        let trend = days.remove(&row.id).unwrap_or_default().into_iter().collect();
        (row.id, Stats { reads: reads.get(&row.id).copied().unwrap_or_default(), people, trend })
    });
    Ok(stats.collect())
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

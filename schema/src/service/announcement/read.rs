//! Reading announcements: who sees which, what a person has before them, who has read what.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::NOT_FOUND;
use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::DAY;
use crate::error::{Error, Result};
use crate::model::announcement::{Announcement, AnnouncementFilter, AnnouncementStatus, Reading};
use crate::model::user::{User, UserFilter};
use crate::page::{Counted, Page, Seek, Window};
use crate::service::setting;

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

/// One announcement: any for administrators, a current one for everybody signed in.
pub async fn get(app: &App, actor: &Actor, announcement_id: i64) -> Result<Announcement> {
    actor.signed_in()?;
    let mut conn = app.db.conn().await?;
    let found = Announcement::find(&mut conn, announcement_id).await?.ok_or(NOT_FOUND)?;
    visible(app, actor, found)
}

/// Those of several that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Announcement>> {
    actor.signed_in()?;
    let mut conn = app.db.conn().await?;
    let found = Announcement::by_ids(&mut conn, ids).await?;
    Ok(found.into_iter().filter_map(|one| visible(app, actor, one).ok()).collect())
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

//! Periodic work: what is due is done once, by whichever process holds the lease of the moment.
//!
//! A job is a row of [`JOBS`]; other crates give theirs to [`start_jobs`]. Every process tries every job
//! at its interval; the lease decides. A job that fails is logged and tried again at its next turn.

pub(crate) mod partition;

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::App;
use crate::clock::{DAY, Time};
use crate::error::Result;
use crate::model::account_event::AccountEvent;
use crate::model::audit::AuditEntry;
use crate::model::idempotency::Remembered;
use crate::model::pin::Pin;
use crate::model::session::{OauthState, RevokedToken, Session};
use crate::service::setting::{self, names};
use crate::service::{account, announcement, export, order, request_log, subscription, task, usage};

/// One kind of periodic work.
#[derive(Clone, Copy)]
pub struct Job {
    pub name: &'static str,
    pub every: Duration,
    /// Does what is due; answers how much that was.
    pub run: fn(App) -> BoxFuture<'static, Result<usize>>,
}

/// A job that is done every so many seconds.
pub const fn job(name: &'static str, seconds: u64, run: fn(App) -> BoxFuture<'static, Result<usize>>) -> Job {
    Job { name, every: Duration::from_secs(seconds), run }
}

/// All of this crate's.
pub const JOBS: &[Job] = &[
    job("accounts.recover", 5, |app| async move { account::recover_due(&app).await }.boxed()),
    job("orders.expire", 20, |app| async move { order::expire_due(&app).await }.boxed()),
    job("orders.reconcile", 60, |app| async move { order::reconcile_due(&app).await.map(|_| 0) }.boxed()),
    job("subscriptions.renew", 60, |app| async move { subscription::renew_due(&app).await.map(|_| 0) }.boxed()),
    job("subscriptions.expire", 60, |app| async move { subscription::expire_due(&app).await }.boxed()),
    job("announcements.expire", 30, |app| async move { announcement::expire_due(&app).await }.boxed()),
    job("tasks.expire", 300, |app| async move { task::expire_due(&app).await }.boxed()),
    job("tasks.refund", 30, |app| async move { task::refund_due(&app).await }.boxed()),
    job("exports.work", 1, |app| async move { export::work_due(&app).await }.boxed()),
    job("exports.expire", 60, |app| async move { export::expire_due(&app).await }.boxed()),
    job("usage.partitions", 3_600, |app| async move { partition::tend(&app).await }.boxed()),
    job("usage.purge", 3_600, |app| async move { usage::purge_due(&app).await }.boxed()),
    job("request_log.purge", 3_600, |app| async move { request_log::purge_due(&app).await }.boxed()),
    job("history.purge", 3_600, |app| async move { purge_history(&app).await }.boxed()),
    job("sign_ins.purge", 600, |app| async move { purge_sign_ins(&app).await }.boxed()),
];

/// Removes sessions, tokens, round trips, remembered answers and pins that are over.
async fn purge_sign_ins(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let mut conn = app.db.conn().await?;
    let mut gone = Session::delete_expired(&mut conn, now).await?;
    gone += RevokedToken::delete_expired(&mut conn, now).await?;
    gone += OauthState::delete_expired(&mut conn, now).await?;
    gone += Remembered::delete_expired(&mut conn, now).await?;
    gone += Pin::delete_expired(&mut conn, now).await?;
    Ok(gone)
}

/// Removes health events and audit rows past their retention.
async fn purge_history(app: &App) -> Result<usize> {
    let settings = setting::current(app);
    let before = |name: &str| -> Time { app.clock.now().plus(-settings.int(name).max(1) * DAY) };
    let mut conn = app.db.conn().await?;
    let gone = AccountEvent::delete_before(&mut conn, before(names::EVENT_RETENTION_DAYS)).await?;
    Ok(gone + AuditEntry::delete_before(&mut conn, before(names::AUDIT_RETENTION_DAYS)).await?)
}

/// Starts every job of this crate; they end when the process stops.
pub fn start(app: &App) {
    start_jobs(app, JOBS);
}

/// Starts jobs; they end when the process stops.
pub fn start_jobs(app: &App, jobs: &'static [Job]) {
    for job in jobs {
        let app = app.clone();
        app.clone().spawn(async move {
            loop {
                tokio::select! {
                    () = app.stop.cancelled() => return,
                    () = tokio::time::sleep(job.every) => turn(&app, job).await,
                }
            }
        });
    }
}

/// One turn of one job, if the lease is ours. The lease is renewed for as long as the work takes.
pub async fn turn(app: &App, job: &Job) {
    let lease = format!("sweep:{}", job.name);
    // Long enough that a slow round is not done twice, short enough that a dead holder is soon replaced.
    let ttl = (job.every.as_millis() as i64 * 2).clamp(60_000, 600_000);
    match app.kv.lease(&lease, &app.instance, ttl, app.clock.now()).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(cause) => {
            tracing::warn!(job = job.name, %cause, "no lease could be had");
            return;
        }
    }
    let mut work = (job.run)(app.clone());
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            () = tokio::time::sleep(Duration::from_millis(ttl.unsigned_abs() / 3)) => {
                if let Err(cause) = app.kv.lease(&lease, &app.instance, ttl, app.clock.now()).await {
                    tracing::warn!(job = job.name, %cause, "a lease could not be renewed");
                }
            }
        }
    };
    match done {
        Ok(0) => {}
        Ok(done) => tracing::debug!(job = job.name, done, "periodic work"),
        Err(error) => {
            tracing::warn!(job = job.name, cause = error.cause().unwrap_or_default(), "periodic work failed: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestApp;

    #[tokio::test(flavor = "multi_thread")]
    async fn every_job_runs_on_an_empty_database_and_only_under_its_lease() {
        let t = TestApp::new().await;
        let mut names = std::collections::HashSet::new();
        for job in JOBS {
            assert!(names.insert(job.name), "{} is there twice", job.name);
            (job.run)(t.app.clone()).await.unwrap_or_else(|e| panic!("{}: {e}", job.name));
        }
        let now = t.app.clock.now();
        let name = format!("sweep:{}", JOBS[0].name);
        assert!(t.app.kv.lease(&name, "another", 60_000, now).await.expect("a lease"));
        turn(&t.app, &JOBS[0]).await;
        let mine = t.app.kv.lease(&name, &t.app.instance, 60_000, now).await.expect("a lease");
        assert!(!mine, "the other process keeps its lease");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_nobody_can_use_is_forgotten() {
        let t = TestApp::new().await;
        let now = t.clock.now();
        let mut tx = t.db.begin().await.expect("a transaction");
        RevokedToken::insert(&mut tx, "gone", now.plus(-1)).await.expect("written");
        RevokedToken::insert(&mut tx, "kept", now.plus(1)).await.expect("written");
        tx.commit().await.expect("committed");
        assert_eq!(purge_sign_ins(&t).await.expect("a round"), 1);
        let mut conn = t.db.conn().await.expect("a connection");
        assert!(RevokedToken::exists(&mut conn, "kept").await.expect("an answer"));
        assert!(!RevokedToken::exists(&mut conn, "gone").await.expect("an answer"));
    }
}

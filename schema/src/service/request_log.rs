//! The log of requests: noted off the request path through a bounded queue, written in batches.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::DAY;
use crate::error::{Error, Result};
use crate::metrics::catalogue::LOGS_DROPPED;
use crate::model::request_log::{LogFilter, LogKind, NewRequestLog, RequestLog};
use crate::page::{Counted, Page, Seek, Window};
use crate::service::setting::{self, names};

const QUEUE: usize = 8_192;
const BATCH: usize = 256;
/// Longest a noted request waits to be written.
const PATIENCE: Duration = Duration::from_millis(500);

/// The way into the log.
#[derive(Clone)]
pub struct Recorder(mpsc::Sender<NewRequestLog>);

impl Recorder {
    /// The way in and the queue behind it.
    pub fn channel() -> (Self, mpsc::Receiver<NewRequestLog>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }
    /// Notes a request; dropped, and counted as dropped, when the queue is full.
    pub fn note(&self, row: NewRequestLog) {
        if self.0.try_send(row).is_err() {
            LOGS_DROPPED.add(1);
        }
    }
}

/// True when a request is to be noted: the settings say how many in a hundred.
pub fn wanted(app: &App) -> bool {
    let share = app.settings.load().int(names::LOG_SAMPLE_PERCENT);
    match share {
        100 => true,
        0 => false,
        share => i64::from(crate::id::random::<1>()[0]) * 100 < share * 256,
    }
}

/// Carries what is noted into the database until the process stops; the last batch is written then.
pub fn start(app: &App, mut queue: mpsc::Receiver<NewRequestLog>) {
    let app = app.clone();
    app.clone().spawn(async move {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let stopping = app.stop.is_cancelled();
            if stopping {
                queue.close();
            }
            let got = tokio::select! {
                got = queue.recv_many(&mut batch, BATCH) => got,
                () = app.stop.cancelled(), if !stopping => continue,
            };
            if got == 0 {
                return;
            }
            if got < BATCH && !stopping {
                // A little patience makes one transaction of many requests.
                let _ = tokio::time::timeout(PATIENCE, async {
                    while batch.len() < BATCH {
                        let room = BATCH - batch.len();
                        if queue.recv_many(&mut batch, room).await == 0 {
                            return;
                        }
                    }
                })
                .await;
            }
            if let Err(cause) = write(&app, &batch).await {
                LOGS_DROPPED.add(batch.len() as u64);
                tracing::warn!(cause = cause.cause().unwrap_or_default(), "request log rows were lost: {cause}");
            }
            batch.clear();
        }
    });
}

async fn write(app: &App, rows: &[NewRequestLog]) -> Result<()> {
    let mut tx = app.db.begin().await?;
    RequestLog::insert_all(&mut tx, rows).await?;
    tx.commit().await
}

/// Requests by numbered page, for administrators.
pub async fn pages(app: &App, actor: &Actor, filter: &LogFilter, window: Window) -> Result<Counted<RequestLog>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let rows = RequestLog::window(&mut conn, filter, window).await?;
    Ok(Counted { rows, total: RequestLog::count(&mut conn, filter).await? })
}

/// Requests by keyset, for administrators.
pub async fn list(app: &App, actor: &Actor, filter: &LogFilter, seek: &Seek) -> Result<Page<RequestLog>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(RequestLog::seek(&mut conn, filter, seek).await?, seek))
}

/// Those of several requests that there are.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<RequestLog>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(RequestLog::by_ids(&mut conn, ids).await?)
}

/// How many there are.
pub async fn count(app: &App, actor: &Actor, filter: &LogFilter) -> Result<i64> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(RequestLog::count(&mut conn, filter).await?)
}

/// Visits and API calls since the start of the administrator's day.
pub async fn today(app: &App, actor: &Actor) -> Result<(i64, i64)> {
    actor.may(Act::ViewAll)?;
    let from = setting::current(app).zone().day_start(app.clock.now(), 0);
    let mut conn = app.db.conn().await?;
    let visits = RequestLog::count_since(&mut conn, LogKind::Access, from).await?;
    Ok((visits, RequestLog::count_since(&mut conn, LogKind::Api, from).await?))
}

/// Removes what is past its retention; periodic.
pub async fn purge_due(app: &App) -> Result<usize> {
    let days = setting::current(app).int(names::LOG_RETENTION_DAYS);
    let before = app.clock.now().plus(-days * DAY);
    let mut gone = 0;
    loop {
        let mut conn = app.db.conn().await?;
        // In slices, so that nobody waits long for the writer.
        let n = RequestLog::delete_before(&mut conn, before, 1_000).await?;
        gone += n;
        if n < 1_000 {
            return Ok(gone);
        }
    }
}

/// Reads a kind of log by its word.
pub fn kind(word: &str) -> Result<LogKind> {
    LogKind::parse(word).ok_or_else(|| Error::invalid("kind", "kind is access or api"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Time;
    use crate::testing::TestApp;

    fn request(at: Time, path: &str) -> NewRequestLog {
        NewRequestLog {
            at,
            kind: LogKind::Api,
            face: "newapi".into(),
            method: "GET".into(),
            path: path.into(),
            status: 200,
            user_id: None,
            ip: "127.0.0.1".into(),
            agent: String::new(),
            duration_ms: 1,
            request_size: 0,
            response_size: 2,
            request_id: path.into(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_past_its_retention_goes_and_the_rest_stays() {
        let t = TestApp::new().await;
        let root = t.admin().await;
        let days = BTreeMap::from([(names::LOG_RETENTION_DAYS.to_owned(), Some("7".to_owned()))]);
        setting::put(&t, &root, &days).await.expect("set");
        let now = t.clock.now();
        // More than are removed in one go.
        let mut rows: Vec<NewRequestLog> = (0..1_005).map(|n| request(now.plus(-8 * DAY - n), "/old")).collect();
        rows.extend([request(now.plus(-7 * DAY + 1), "/kept"), request(now, "/new")]);
        write(&t, &rows).await.expect("written");
        assert_eq!(purge_due(&t).await.expect("purged"), 1_005);
        assert_eq!(purge_due(&t).await.expect("purged"), 0);
        let left = pages(&t, &root, &LogFilter::default(), Window { limit: 10, offset: 0 }).await.expect("a page");
        let mut paths: Vec<&str> = left.rows.iter().map(|row| row.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["/kept", "/new"]);
    }
}

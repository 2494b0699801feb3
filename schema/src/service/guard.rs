//! One process to a database whose limits are counted in the process: a second one would count apart from the
//! first and is refused. That is every SQLite file, and PostgreSQL without Redis.
//!
//! The lease names the process that holds it, and is given back at a graceful stop. When that process is gone
//! from this machine, however it ended, the next one need not wait for the lease to run out; of a process of
//! another machine (or container) only time tells.

use std::time::Duration;

use crate::App;
use crate::clock::{SECOND, Time};
use crate::db::Backend;
use crate::error::{Error, Result};
use crate::model::lease::Lease;
use crate::model::lock;

const NAME: &str = "process";
const LEASE_MS: i64 = 30 * SECOND;
const RENEW: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Claims the database for this process and keeps the claim until it stops. With Redis, PostgreSQL is for many.
pub async fn claim(app: &App) -> Result<()> {
    if !needed(app) {
        return Ok(());
    }
    let me = Process::this().to_string();
    let mut seen = None;
    while let Some(lease) = attempt(app, &me).await? {
        let here = Process::parse(&lease.holder).is_some_and(|holder| holder.machine == machine());
        let renewed = seen.is_some_and(|seen| seen != lease.expires_at);
        if here || renewed {
            let why = match app.db.backend() {
                Backend::Sqlite => "use PostgreSQL and Redis for several",
                Backend::Postgres => "set REDIS_URL for several",
            };
            let why = format!("another process uses this database; stop it first, or {why}");
            return Err(Error::unavailable(why, lease.holder));
        }
        if seen.is_none() {
            tracing::info!(holder = lease.holder, "waiting whether another machine's process still uses the database");
        }
        seen = Some(lease.expires_at);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let (kept, stop) = (app.clone(), app.stop.clone());
    app.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(RENEW) => {}
            }
            if let Err(error) = renew(&kept, &me).await {
                tracing::warn!(cause = error.cause(), "the claim to the database could not be renewed");
            }
        }
        // A graceful stop still writes for a while, and gives the claim back at its very end.
    });
    Ok(())
}

/// Gives the claim back. The last thing a graceful stop does.
pub async fn release(app: &App) -> Result<()> {
    if !needed(app) {
        return Ok(());
    }
    let mut tx = app.db.begin().await?;
    Lease::delete(&mut tx, NAME, &Process::this().to_string()).await?;
    tx.commit().await
}

fn needed(app: &App) -> bool {
    app.db.backend() == Backend::Sqlite || app.config.redis_url.is_none()
}

/// Takes the lease; answers it when it is somebody else's.
async fn attempt(app: &App, me: &str) -> Result<Option<Lease>> {
    // The lease is read by processes with clocks of their own.
    let now = wall_clock();
    let mut tx = app.db.begin().await?;
    lock::take(&mut tx, NAME).await?;
    if let Some(lease) = Lease::find(&mut tx, NAME).await?
        && lease.holder != me
        && lease.expires_at > now
        && Process::parse(&lease.holder).is_none_or(|holder| holder.may_live())
    {
        tx.rollback().await?;
        return Ok(Some(lease));
    }
    Lease { name: NAME.to_owned(), holder: me.to_owned(), expires_at: now.plus(LEASE_MS) }.put(&mut tx).await?;
    tx.commit().await?;
    Ok(None)
}

async fn renew(app: &App, me: &str) -> Result<()> {
    let lease = Lease { name: NAME.to_owned(), holder: me.to_owned(), expires_at: wall_clock().plus(LEASE_MS) };
    let mut tx = app.db.begin().await?;
    let kept = lease.renew(&mut tx).await?;
    tx.commit().await?;
    if kept { Ok(()) } else { Err(Error::unavailable("another process has taken this database", "lease lost")) }
}

fn wall_clock() -> Time {
    crate::Clock::System.now()
}

/// A process of a machine, told apart from a later one of the same number by when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Process {
    machine: String,
    number: u32,
    began: String,
}

impl Process {
    fn this() -> Self {
        let number = std::process::id();
        Self { machine: machine(), number, began: began(number).unwrap_or_default() }
    }
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let (machine, number, began) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { machine: machine.to_owned(), number: number.parse().ok()?, began: began.to_owned() })
    }
    /// False only when it certainly is gone.
    fn may_live(&self) -> bool {
        self.machine != machine() || began(self.number).is_some_and(|began| began == self.began)
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.machine, self.number, self.began)
    }
}

/// What tells this boot of this machine from all others.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().replace(' ', "-");
    format!("{}/{}", read("/proc/sys/kernel/hostname"), read("/proc/sys/kernel/random/boot_id"))
}

/// When a process began, in the kernel's ticks; `None` when there is none of this number.
fn began(number: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name in brackets may hold blanks; the start time is the 20th field after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestApp;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_process_is_refused_until_the_first_is_gone() {
        let t = TestApp::new().await;
        claim(&t).await.expect("claimed");
        claim(&t).await.expect("the same process may");
        let take = |holder: String, expires_at: Time| {
            let app = t.app.clone();
            async move {
                let mut tx = app.db.begin().await.expect("a transaction");
                Lease { name: NAME.into(), holder, expires_at }.put(&mut tx).await.expect("written");
                tx.commit().await.expect("committed");
            }
        };
        let soon = wall_clock().plus(LEASE_MS);
        // Process 1 is alive as long as this machine is.
        let living = Process { number: 1, began: began(1).expect("it lives"), ..Process::this() };
        take(living.to_string(), soon).await;
        assert_eq!(claim(&t).await.map_err(|e| e.code()), Err("UNAVAILABLE"));
        take(living.to_string(), wall_clock().plus(-1)).await;
        claim(&t).await.expect("the claim ran out");

        let dead = Process { number: 1, began: "0".into(), ..Process::this() };
        take(dead.to_string(), soon).await;
        claim(&t).await.expect("its process is gone");

        // Of another machine nothing is known but that it goes on renewing, or does not.
        let elsewhere = Process { machine: "other/boot".into(), ..dead }.to_string();
        take(elsewhere.clone(), wall_clock().plus(SECOND)).await;
        claim(&t).await.expect("it did not renew");
        let renewing = tokio::spawn({
            let app = t.app.clone();
            async move {
                loop {
                    let lease =
                        Lease { name: NAME.into(), holder: elsewhere.clone(), expires_at: wall_clock().plus(LEASE_MS) };
                    let mut tx = app.db.begin().await.expect("a transaction");
                    lease.put(&mut tx).await.expect("written");
                    tx.commit().await.expect("committed");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        });
        while claim(&t).await.is_ok() {}
        renewing.abort();
        let _ = renewing.await;

        take(Process::this().to_string(), soon).await;
        release(&t).await.expect("given back");
        let mut conn = t.db.conn().await.expect("a connection");
        assert!(Lease::find(&mut conn, NAME).await.expect("read").is_none());
        take(living.to_string(), soon).await;
        release(&t).await.expect("nothing to give back");
        assert!(Lease::find(&mut conn, NAME).await.expect("read").is_some(), "what is another's stays");
    }
}

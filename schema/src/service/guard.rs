//! One process to a SQLite file: a second one would count limits apart from the first and is refused.
//!
//! The lease names the process that holds it; when that process is gone from this machine, however it
//! ended, the next one need not wait for the lease to run out.

use std::time::Duration;

use crate::App;
use crate::clock::{SECOND, Time};
use crate::db::Backend;
use crate::error::{Error, Result};
use crate::model::lease::Lease;

const NAME: &str = "process";
const LEASE_MS: i64 = 30 * SECOND;
const RENEW: Duration = Duration::from_secs(10);

/// Claims the database file for this process and keeps the claim until it stops. PostgreSQL is for many.
pub async fn claim(app: &App) -> Result<()> {
    if app.db.backend() != Backend::Sqlite {
        return Ok(());
    }
    let me = Process::this().to_string();
    // The lease is read by processes with clocks of their own.
    let now = wall_clock();
    let mut tx = app.db.begin().await?;
    if let Some(lease) = Lease::find(&mut tx, NAME).await?
        && lease.holder != me
        && lease.expires_at > now
        && Process::parse(&lease.holder).is_none_or(|holder| holder.may_live())
    {
        tx.rollback().await?;
        return Err(Error::unavailable(
            "another process uses this database file; stop it first, or use PostgreSQL and Redis for several",
            lease.holder,
        ));
    }
    Lease { name: NAME.to_owned(), holder: me.clone(), expires_at: now.plus(LEASE_MS) }.put(&mut tx).await?;
    tx.commit().await?;
    let (kept, stop) = (app.clone(), app.stop.clone());
    app.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(RENEW) => {}
            }
            if let Err(error) = renew(&kept, &me).await {
                tracing::warn!(cause = error.cause(), "the claim to the database file could not be renewed");
            }
        }
        // A graceful stop still writes for a while; the claim goes with the process, or with its time.
    });
    Ok(())
}

async fn renew(app: &App, me: &str) -> Result<()> {
    let lease = Lease { name: NAME.to_owned(), holder: me.to_owned(), expires_at: wall_clock().plus(LEASE_MS) };
    let mut tx = app.db.begin().await?;
    let kept = lease.renew(&mut tx).await?;
    tx.commit().await?;
    if kept { Ok(()) } else { Err(Error::unavailable("another process has taken this database file", "lease lost")) }
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

        let elsewhere = Process { machine: "other/boot".into(), ..dead };
        take(elsewhere.to_string(), soon).await;
        assert!(claim(&t).await.is_err(), "of another machine nothing is known");
    }
}

//! Months of single calls on PostgreSQL: made ahead, filled from where they came too early, dropped past retention.

use crate::App;
use crate::clock::{DAY, Time, Zone};
use crate::db::Backend;
use crate::error::Result;
use crate::model::partition;
use crate::service::setting::{self, names};

/// Months that are made before they begin.
const AHEAD: i64 = 2;
/// Most months made in one round for calls that are in none.
const MOST: i64 = 36;

/// Makes the months that are needed and drops those whose calls are all past their retention.
pub async fn tend(app: &App) -> Result<usize> {
    if app.db.backend() != Backend::Postgres {
        return Ok(0);
    }
    // Months of the database are UTC's, whatever the administrator's zone.
    let (zone, now) = (Zone::default(), app.clock.now());
    let mut conn = app.db.conn().await?;
    let there = partition::months(&mut conn).await?;
    let stray = partition::stray(&mut conn).await?;
    drop(conn);

    let mut wanted: Vec<Time> = (0..=AHEAD).map(|n| zone.month_start(now, n)).collect();
    if let Some((oldest, newest)) = stray {
        let last = zone.month_start(newest, 0);
        for n in 0..MOST {
            let month = zone.month_start(oldest, n);
            if month > last {
                break;
            }
            wanted.push(month);
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut changed = 0;
    for month in wanted {
        let name = zone.month(month).replace('-', "_");
        if there.contains(&name) {
            continue;
        }
        let mut tx = app.db.begin().await?;
        let made = partition::create(&mut tx, &name, month, zone.month_start(month, 1)).await;
        match made {
            Ok(()) => {
                tx.commit().await?;
                changed += 1;
            }
            Err(cause) => {
                tx.rollback().await?;
                // Another process at start was faster, or the next round is.
                tracing::warn!(%cause, month = name, "a month's partition could not be made");
            }
        }
    }

    let keep = setting::current(app).int(names::USAGE_RETENTION_DAYS).max(1);
    let cut = now.plus(-keep * DAY);
    for name in there {
        let Some(first) = Time::parse(&format!("{}-01", name.replace('_', "-"))) else { continue };
        if zone.month_start(first, 1) <= cut {
            let mut tx = app.db.begin().await?;
            partition::drop_month(&mut tx, &name).await?;
            tx.commit().await?;
            tracing::info!(month = name, "dropped a month of calls past their retention");
            changed += 1;
        }
    }
    Ok(changed)
}

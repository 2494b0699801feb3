//! The figures at the top of an administrator's dashboard.

use super::{Period, Realtime, Slice, Sums, range, realtime, seen};
use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::MINUTE;
use crate::error::Result;
use crate::model::rollup::{self, Dimension};

/// Usage at a glance.
#[derive(Clone, Copy, Debug)]
pub struct Overview {
    pub all: Sums,
    pub today: Sums,
    pub yesterday: Sums,
    pub month: Sums,
    /// The last five minutes.
    pub realtime: Realtime,
    /// Calls and tokens a minute, over today so far.
    pub average_rpm: f64,
    pub average_tpm: f64,
    /// How many made or served calls today.
    pub active_keys: i64,
    pub active_users: i64,
    pub active_accounts: i64,
}

/// Usage at a glance, for administrators.
pub async fn overview(app: &App, actor: &Actor) -> Result<Overview> {
    actor.may(Act::ViewAll)?;
    let everything = seen(actor, &Slice::default())?;
    let periods = [Period::All, Period::Today, Period::Yesterday, Period::Month];
    let slices: Vec<Slice> = periods.iter().map(|period| range(app, *period).of(&everything)).collect();
    let mut sums = [Sums::default(); 4];
    let (active_keys, active_users, active_accounts) = {
        let mut conn = app.db.conn().await?;
        for row in rollup::each(&mut conn, &slices, &[]).await? {
            if let Some(place) = usize::try_from(row.bucket).ok().and_then(|i| sums.get_mut(i)) {
                *place = row.sums();
            }
        }
        let today = &slices[1];
        (
            rollup::groups(&mut conn, today, Dimension::Key).await?,
            rollup::groups(&mut conn, today, Dimension::User).await?,
            // Account 0 is no account: calls that nobody served.
            rollup::served_by(&mut conn, today).await?,
        )
    };
    let [all, today, yesterday, month] = sums;
    let since = slices[1].from.map_or(MINUTE, |from| app.clock.now().0 - from.0);
    let minutes = (since / MINUTE).max(1) as f64;
    Ok(Overview {
        all,
        today,
        yesterday,
        month,
        realtime: realtime(app, actor, 5).await?,
        average_rpm: today.requests as f64 / minutes,
        average_tpm: today.tokens() as f64 / minutes,
        active_keys,
        active_users,
        active_accounts,
    })
}

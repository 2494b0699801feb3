//! What calls used and cost, summed: the numbers under every dashboard, trend and list.

use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::Time;
use crate::error::Result;
use crate::model::tally::{Apart, Tally, TallyFilter};

/// Sums over everybody, for administrators.
pub async fn of_all(app: &App, actor: &Actor, filter: &TallyFilter, apart: Apart) -> Result<Vec<Tally>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Tally::load(&mut conn, filter, apart).await?)
}

/// Sums of single keys, for whoever can name their public ids (which are random) or holds their secrets.
pub async fn of_keys(app: &App, filter: &TallyFilter, apart: Apart) -> Result<Vec<Tally>> {
    if filter.keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut conn = app.db.conn().await?;
    Ok(Tally::load(&mut conn, filter, apart).await?)
}

/// Every model that was ever called.
pub async fn models(app: &App, actor: &Actor) -> Result<Vec<String>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Tally::models(&mut conn).await?)
}

/// How many calls there were since a moment of late, and their tokens.
pub async fn recent(app: &App, actor: &Actor, since: Time) -> Result<(i64, i64)> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Tally::recent(&mut conn, since).await?)
}

/// The last client program whose name begins so, and when it called.
pub async fn latest_client(app: &App, actor: &Actor, start: &str, since: Time) -> Result<Option<(String, Time)>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Tally::latest_client(&mut conn, start, since).await?)
}

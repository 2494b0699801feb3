//! Sums for people: what is popular, which everybody may know, and what somebody used themselves.

use crate::App;
use crate::actor::Actor;
use crate::clock::Time;
use crate::error::Result;
use crate::model::tally::{Apart, Tally, TallyFilter};

/// How often each model was called between two moments, the most called first. Says nothing about anybody.
pub async fn popular(app: &App, from: Time, until: Time) -> Result<Vec<Tally>> {
    let filter = TallyFilter { from, until, keys: Vec::new(), accounts: Vec::new(), users: Vec::new() };
    let mut conn = app.db.conn().await?;
    let mut rows = Tally::load(&mut conn, &filter, Apart { model: true, ..Apart::default() }).await?;
    rows.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.model.cmp(&b.model)));
    Ok(rows)
}

/// One person's sums, for themselves and for administrators.
pub async fn of_person(
    app: &App,
    actor: &Actor,
    user_id: i64,
    (from, until): (Time, Time),
    apart: Apart,
) -> Result<Vec<Tally>> {
    actor.owns_or_admin(user_id, "user")?;
    let filter = TallyFilter { from, until, keys: Vec::new(), accounts: Vec::new(), users: vec![user_id] };
    let mut conn = app.db.conn().await?;
    Ok(Tally::load(&mut conn, &filter, apart).await?)
}

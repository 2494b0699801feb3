//! Writing exports: a page a transaction, so that whoever takes one up after a crash goes on behind the last
//! row that is written, and no row is there twice.

use super::columns::Form;
use super::wanted::Wanted;
use super::{announce, pages};
use crate::actor::{Actor, Face};
use crate::clock::{HOUR, MINUTE, SECOND};
use crate::error::{Error, Result};
use crate::model::export::{End, Export, ExportStatus, Step};
use crate::model::user::{User, UserStatus};
use crate::page::Cursor;
use crate::service::setting::{self, names};
use crate::{App, id};

/// Rows of one page.
const PAGE: i64 = 500;
/// Pages written before another person's export has its turn.
const SLICE: usize = 40;
/// How long a page may take before its writer is taken for dead.
const HOLD_MS: i64 = MINUTE;
/// How often an export is begun without progress before it is given up.
const TRIES: i64 = 5;

/// Writes what is to be written until nothing is due; periodic. Answers how many exports ended.
pub async fn work_due(app: &App) -> Result<usize> {
    let mut ended = 0;
    while !app.stop.is_cancelled() {
        let due = {
            let mut conn = app.db.conn().await?;
            Export::due(&mut conn, app.clock.now()).await?
        };
        let Some(seen) = due else { break };
        ended += usize::from(turn(app, seen).await?);
    }
    Ok(ended)
}

/// One turn of one export, if nobody else has it; whether it ended.
async fn turn(app: &App, seen: Export) -> Result<bool> {
    let now = app.clock.now();
    let claimed = {
        let mut conn = app.db.conn().await?;
        Export::claim(&mut conn, &seen, &id::uuid(), now, now.plus(HOLD_MS)).await?
    };
    let Some(export) = claimed else { return Ok(false) };
    if seen.status == ExportStatus::Pending {
        announce(app, &export).await;
    }
    if export.tries > TRIES {
        return fail(app, &export, "it could not be finished, however often it was tried").await;
    }
    match slice(app, &export).await {
        Ok(Slice::Whole(rows)) => finish(app, &export, rows).await,
        Ok(Slice::More) => {
            let now = app.clock.now();
            let mut conn = app.db.conn().await?;
            Export::let_go(&mut conn, export.id, &export.holder, now, now).await?;
            if let Some(export) = Export::find(&mut conn, export.id).await? {
                drop(conn);
                announce(app, &export).await;
            }
            Ok(false)
        }
        Ok(Slice::Lost) => Ok(false),
        // What is away now may be back later.
        Err(error) if error.is_ours() => {
            tracing::warn!(export = export.id, cause = error.cause(), "an export has to wait: {error}");
            let now = app.clock.now();
            let mut conn = app.db.conn().await?;
            Export::let_go(&mut conn, export.id, &export.holder, now.plus(10 * SECOND * export.tries), now).await?;
            Ok(false)
        }
        Err(error) => fail(app, &export, &error.to_string()).await,
    }
}

/// How a turn went.
enum Slice {
    /// All rows are written.
    Whole(i64),
    /// There is more to write.
    More,
    /// It was cancelled, or somebody else has it.
    Lost,
}

async fn slice(app: &App, export: &Export) -> Result<Slice> {
    let actor = eyes(app, export).await?;
    let wanted: Wanted = serde_json::from_str(&export.wanted).map_err(|_| {
        Error::conflict("EXPORT_UNKNOWN", "what was asked for is not understood any more; order it again")
    })?;
    let form = Form { format: export.format, wide: export.wide };
    let most = setting::current(app).int(names::EXPORT_MOST_ROWS);
    let mut at = export.clone();
    if at.position.is_none() && at.chunk_count > 0 {
        // Of no rows at all only the head is written, and that it is.
        return Ok(Slice::Whole(0));
    }
    let mut pages_left = SLICE;
    loop {
        let after = at.position.as_deref().map(Cursor::decode).transpose()?;
        let page = pages::write(app, &actor, &wanted, form, after, PAGE).await?;
        if at.row_count + page.rows > most {
            let why = format!("more than {most} rows; narrow the filter");
            return Err(Error::conflict("EXPORT_TOO_LONG", why));
        }
        let position = page.last.map(|cursor| cursor.encode()).or_else(|| at.position.clone());
        let now = app.clock.now();
        let size = page.body.len() as i64;
        let step = Step { body: page.body, rows: page.rows, position, held_until: now.plus(HOLD_MS) };
        let mut tx = app.db.begin().await?;
        if !Export::step(&mut tx, &at, &step, now).await? {
            tx.rollback().await?;
            return Ok(Slice::Lost);
        }
        tx.commit().await?;
        at.chunk_count += i64::from(size > 0);
        at.row_count += step.rows;
        at.position = step.position;
        if !page.more {
            return Ok(Slice::Whole(at.row_count));
        }
        pages_left -= 1;
        if pages_left == 0 || app.stop.is_cancelled() {
            return Ok(Slice::More);
        }
    }
}

/// Whose eyes the rows are read with: the person's, as they stand now.
async fn eyes(app: &App, export: &Export) -> Result<Actor> {
    let mut conn = app.db.conn().await?;
    let user = User::find(&mut conn, export.user_id).await?;
    let user = user.filter(|u| u.deleted_at.is_none() && u.status == UserStatus::Active);
    let user = user.ok_or_else(|| Error::forbidden("the person who asked for it cannot sign in any more"))?;
    let mut actor = Actor::anonymous(Face::System, "", "");
    actor.user_id = Some(user.id);
    actor.name = user.username;
    actor.role = Some(user.role);
    if export.wide && !actor.is_admin() {
        return Err(Error::forbidden("the person who asked for it is no administrator any more"));
    }
    Ok(actor)
}

/// An export as its writer finds it, unless it was taken from it.
fn held(export: &Export) -> (&[ExportStatus], Option<&str>) {
    (&[ExportStatus::Running], Some(&export.holder))
}

async fn finish(app: &App, export: &Export, rows: i64) -> Result<bool> {
    let now = app.clock.now();
    let hours = setting::current(app).int(names::EXPORT_HOURS).max(1);
    let end = End { status: ExportStatus::Ready, why: "", expires_at: Some(now.plus(hours * HOUR)) };
    let mut conn = app.db.conn().await?;
    let done = Export::end(&mut conn, export.id, held(export), &end, now).await?;
    drop(conn);
    let Some(done) = done else { return Ok(false) };
    tracing::info!(export = done.id, kind = done.kind.as_str(), rows, "an export is ready");
    announce(app, &done).await;
    Ok(true)
}

async fn fail(app: &App, export: &Export, why: &str) -> Result<bool> {
    let why: String = why.chars().take(500).collect();
    let end = End { why: &why, ..End::without_file(ExportStatus::Failed) };
    let mut tx = app.db.begin().await?;
    let failed = Export::end(&mut tx, export.id, held(export), &end, app.clock.now()).await?;
    if failed.is_some() {
        Export::forget_file(&mut tx, export.id).await?;
    }
    tx.commit().await?;
    let Some(failed) = failed else { return Ok(false) };
    announce(app, &failed).await;
    Ok(true)
}

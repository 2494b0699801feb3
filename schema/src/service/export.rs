//! Exports: whole lists as files. A person asks, the background writes ([`work_due`]), the person downloads.
//!
//! The file lies in the database in pieces, so that any management server can write on and hand out any of it.
//! What may be seen is asked three times: when it is ordered, while it is written, and when it is downloaded.

mod columns;
mod pages;
#[cfg(test)]
mod tests;
mod wanted;
mod work;

use futures_util::stream::{self, Stream};
use serde_json::{Value, json};

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::DAY;
use crate::error::{Error, Result};
use crate::model::export::{End, Export, ExportFilter, ExportFormat, ExportStatus, NewExport};
use crate::page::{Page, Seek};
use crate::service::audit::{self, Target};

pub use wanted::Wanted;
pub use work::work_due;

/// How many finished files one person may keep.
const MOST_KEPT: i64 = 10;
/// How long the row of an export is kept after its end, without its file.
const KEPT_MS: i64 = 30 * DAY;
/// How many files are forgotten in one go.
const ROUND: i64 = 100;
const NOT_FOUND: Error = Error::NotFound { what: "export" };

/// A view of an export for the audit log.
fn shown(export: &Export) -> Value {
    json!({
        "userId": export.user_id,
        "kind": export.kind.as_str(),
        "format": export.format.as_str(),
        "wanted": serde_json::from_str::<Value>(&export.wanted).unwrap_or_default(),
        "status": export.status.as_str(),
        "rows": export.row_count,
        "bytes": export.byte_count,
    })
}

async fn announce(app: &App, export: &Export) {
    let event = Event::ExportChanged {
        id: export.id,
        user_id: export.user_id,
        status: export.status.as_str().to_owned(),
        rows: export.row_count,
    };
    app.bus.publish(event).await;
}

fn busy() -> Error {
    Error::conflict("EXPORT_RUNNING", "another export of yours is being written; wait for it or cancel it")
}

/// Orders an export: of what one may see, one at a time a person.
pub async fn create(app: &App, actor: &Actor, wanted: Wanted, format: ExportFormat) -> Result<Export> {
    let user_id = actor.signed_in()?;
    let wanted = wanted.narrowed(app, actor)?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let (open, ready) = Export::kept(&mut tx, user_id).await?;
    let refused = match (open, ready) {
        (0, ready) if ready < MOST_KEPT => None,
        (0, _) => Some(Error::conflict(
            "EXPORT_TOO_MANY",
            format!("at most {MOST_KEPT} finished exports are kept; cancel one to forget its file"),
        )),
        _ => Some(busy()),
    };
    if let Some(refused) = refused {
        tx.rollback().await?;
        return Err(refused);
    }
    let text = serde_json::to_string(&wanted).map_err(Error::internal)?;
    let new = NewExport {
        user_id,
        kind: wanted.kind(),
        format,
        wanted: &text,
        wide: actor.is_admin(),
        status: ExportStatus::Pending,
        created_at: now,
        updated_at: now,
    };
    let export = match Export::insert(&mut tx, &new).await.map_err(Error::from) {
        // Of two at once the index lets one through.
        Err(Error::Conflict { .. }) => {
            tx.rollback().await?;
            return Err(busy());
        }
        made => made?,
    };
    let target = Target { kind: "export", id: &export.id.to_string() };
    audit::record(app, &mut tx, actor, "export.create", target, (), shown(&export)).await?;
    tx.commit().await?;
    announce(app, &export).await;
    Ok(export)
}

/// One export: one's own, or anybody's for administrators.
pub async fn get(app: &App, actor: &Actor, id: i64) -> Result<Export> {
    let mut conn = app.db.conn().await?;
    let export = Export::find(&mut conn, id).await?.ok_or(NOT_FOUND)?;
    actor.owns_or_admin(export.user_id, "export")?;
    Ok(export)
}

/// Those of several exports that the caller may see.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Export>> {
    let mut conn = app.db.conn().await?;
    let mut found = Export::by_ids(&mut conn, ids).await?;
    found.retain(|export| actor.owns_or_admin(export.user_id, "export").is_ok());
    Ok(found)
}

/// Exports, newest first: one's own, or anybody's for administrators.
pub async fn list(app: &App, actor: &Actor, filter: &ExportFilter, seek: &Seek) -> Result<Page<Export>> {
    let filter = ExportFilter { user_id: actor.whose(filter.user_id)?, ..filter.clone() };
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Export::seek(&mut conn, &filter, seek).await?, seek))
}

/// How many there are.
pub async fn count(app: &App, actor: &Actor, filter: &ExportFilter) -> Result<i64> {
    let filter = ExportFilter { user_id: actor.whose(filter.user_id)?, ..filter.clone() };
    let mut conn = app.db.conn().await?;
    Ok(Export::count(&mut conn, &filter).await?)
}

/// Stops an export that is being written, or forgets the file of one that is ready.
pub async fn cancel(app: &App, actor: &Actor, id: i64) -> Result<Export> {
    let before = get(app, actor, id).await?;
    let from = [ExportStatus::Pending, ExportStatus::Running, ExportStatus::Ready];
    let mut tx = app.db.begin().await?;
    let end = End::without_file(ExportStatus::Cancelled);
    let Some(after) = Export::end(&mut tx, id, (&from, None), &end, app.clock.now()).await? else {
        tx.rollback().await?;
        return Err(Error::conflict("EXPORT_ENDED", "this export has ended, and its file is gone"));
    };
    Export::forget_file(&mut tx, id).await?;
    let target = Target { kind: "export", id: &id.to_string() };
    audit::record(app, &mut tx, actor, "export.cancel", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    announce(app, &after).await;
    Ok(after)
}

/// Whether a file can be had by this caller now.
fn readable(app: &App, actor: &Actor, export: &Export) -> Result<()> {
    actor.owns_or_admin(export.user_id, "export")?;
    if export.wide {
        // Its owner may have been an administrator when it was written.
        actor.may(Act::ViewAll)?;
    }
    let gone = || Error::conflict("EXPORT_GONE", "the file of this export is gone; order it again");
    match export.status {
        ExportStatus::Ready if export.expires_at.is_some_and(|at| at > app.clock.now()) => Ok(()),
        ExportStatus::Ready | ExportStatus::Expired | ExportStatus::Cancelled => Err(gone()),
        ExportStatus::Pending | ExportStatus::Running => {
            Err(Error::conflict("EXPORT_NOT_READY", "this export is still being written"))
        }
        ExportStatus::Failed => Err(Error::conflict("EXPORT_FAILED", format!("it failed: {}", export.fail_reason))),
    }
}

/// An export whose file can be downloaded by this caller now.
pub async fn ready(app: &App, actor: &Actor, id: i64) -> Result<Export> {
    let export = get(app, actor, id).await?;
    readable(app, actor, &export)?;
    Ok(export)
}

/// Opens the file for reading, and notes who did. The pieces come one by one; a file that is forgotten
/// meanwhile ends in an error.
pub async fn download(
    app: &App,
    actor: &Actor,
    id: i64,
) -> Result<(Export, impl Stream<Item = Result<Vec<u8>>> + Send + use<>)> {
    let export = ready(app, actor, id).await?;
    let mut tx = app.db.begin().await?;
    let target = Target { kind: "export", id: &id.to_string() };
    audit::record(app, &mut tx, actor, "export.download", target, (), shown(&export)).await?;
    tx.commit().await?;
    let (app, chunks) = (app.clone(), export.chunk_count);
    let pieces = stream::try_unfold(0, move |seq| {
        let app = app.clone();
        async move {
            if seq >= chunks {
                return Ok(None);
            }
            let mut conn = app.db.conn().await?;
            let piece = Export::chunk(&mut conn, id, seq).await?.ok_or(NOT_FOUND)?;
            Ok(Some((piece, seq + 1)))
        }
    });
    Ok((export, pieces))
}

/// Forgets files whose time is over, and exports that ended long ago; periodic.
pub async fn expire_due(app: &App) -> Result<usize> {
    let now = app.clock.now();
    let due = {
        let mut conn = app.db.conn().await?;
        Export::delete_before(&mut conn, now.plus(-KEPT_MS)).await?;
        Export::expired(&mut conn, now, ROUND).await?
    };
    let mut done = 0;
    for id in due {
        let mut tx = app.db.begin().await?;
        let end = End::without_file(ExportStatus::Expired);
        let ended = Export::end(&mut tx, id, (&[ExportStatus::Ready], None), &end, now).await?;
        if ended.is_some() {
            Export::forget_file(&mut tx, id).await?;
        }
        tx.commit().await?;
        if let Some(export) = ended {
            announce(app, &export).await;
            done += 1;
        }
    }
    Ok(done)
}

//! Single calls: who may see them, what was said in them, how long they are kept.

use std::collections::HashMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::{DAY, MINUTE, Time};
use crate::error::{Error, Result};
use crate::model::rollup::{self, Bucket, Slice};
use crate::model::usage::{CallContent, CallSums, UsageFilter, UsageOrder, UsageRow};
use crate::page::{Counted, Direction, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::setting::{self, names};

/// Sums over a list of calls, and how busy the last minute was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    pub sums: CallSums,
    /// Calls and tokens of the last sixty seconds, and how many of those calls did not fail.
    pub rpm: i64,
    pub served_rpm: i64,
    pub tpm: i64,
}

/// Calls by keyset, newest first: one's own, or anybody's for administrators.
pub async fn list(app: &App, actor: &Actor, filter: &UsageFilter, seek: &Seek) -> Result<Page<UsageRow>> {
    let filter = seen(actor, filter)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(UsageRow::seek(&mut conn, &filter, seek).await?, seek))
}

/// Calls by numbered page.
pub async fn pages(
    app: &App,
    actor: &Actor,
    filter: &UsageFilter,
    order: (UsageOrder, Direction),
    window: Window,
) -> Result<Counted<UsageRow>> {
    let filter = seen(actor, filter)?;
    let mut conn = app.db.conn().await?;
    let rows = UsageRow::window(&mut conn, &filter, order, window).await?;
    drop(conn);
    Ok(Counted { rows, total: counted(app, &filter).await? })
}

/// How many calls there are.
pub async fn count(app: &App, actor: &Actor, filter: &UsageFilter) -> Result<i64> {
    counted(app, &seen(actor, filter)?).await
}

async fn counted(app: &App, filter: &UsageFilter) -> Result<i64> {
    Ok(match coarse(app, filter).await? {
        Some(sums) => sums.requests,
        None => UsageRow::count(&mut app.db.conn().await?, filter).await?,
    })
}

/// The sums of what the hourly rollups can answer for, as far back as single calls are kept: counting
/// millions of rows for a page's footer is nobody's wish.
async fn coarse(app: &App, filter: &UsageFilter) -> Result<Option<CallSums>> {
    if !filter.is_coarse() {
        return Ok(None);
    }
    let mut conn = app.db.conn().await?;
    let Some(oldest) = UsageRow::oldest(&mut conn).await? else { return Ok(Some(CallSums::default())) };
    let oldest = oldest.hour();
    let one = |id: Option<i64>, many: &Option<Vec<i64>>| match (id, many) {
        (Some(id), Some(ids)) => Some(ids.iter().copied().filter(|other| *other == id).collect()),
        (Some(id), None) => Some(vec![id]),
        (None, many) => many.clone(),
    };
    let slice = Slice {
        from: Some(filter.from.map_or(oldest, |from| from.max(oldest))),
        until: filter.until,
        keys: one(filter.key_id, &filter.keys),
        accounts: one(filter.account_id, &filter.accounts),
        users: one(filter.user_id, &None),
        models: filter.models.clone(),
        dialects: filter.dialect.clone().map(|d| vec![d]),
    };
    let rows = rollup::rows(&mut conn, &slice, &Bucket::Whole, &[]).await?;
    Ok(Some(rows.first().map_or_else(CallSums::default, |row| {
        let sums = row.sums();
        CallSums {
            requests: sums.requests,
            errors: sums.errors,
            tokens: sums.tokens(),
            input: sums.counts.input,
            output: sums.counts.output,
            cache_read: sums.counts.cache_read,
            cache_write: sums.counts.cache_write_5m + sums.counts.cache_write_1h,
            cost: sums.cost,
            duration_ms: sums.duration_ms,
        }
    })))
}

/// Sums over a list, and how busy the last minute was.
pub async fn stat(app: &App, actor: &Actor, filter: &UsageFilter) -> Result<Stat> {
    let filter = seen(actor, filter)?;
    let sums = match coarse(app, &filter).await? {
        Some(sums) => sums,
        None => UsageRow::sums(&mut app.db.conn().await?, &filter).await?,
    };
    let recent = UsageFilter { from: Some(app.clock.now().plus(-MINUTE)), until: None, ..filter };
    let recent = UsageRow::sums(&mut app.db.conn().await?, &recent).await?;
    let served_rpm = recent.requests - recent.errors;
    Ok(Stat { sums, rpm: recent.requests, served_rpm, tpm: recent.tokens })
}

/// One call.
pub async fn get(app: &App, actor: &Actor, call_id: &str) -> Result<UsageRow> {
    const WHAT: &str = "call";
    let mut conn = app.db.conn().await?;
    let row = UsageRow::find(&mut conn, call_id).await?.ok_or(Error::NotFound { what: WHAT })?;
    actor.owns_or_admin(row.user_id, WHAT)?;
    Ok(row)
}

/// Those of several calls that the caller may see.
pub async fn several(app: &App, actor: &Actor, call_ids: &[String]) -> Result<Vec<UsageRow>> {
    let mut conn = app.db.conn().await?;
    let mut found = UsageRow::by_call_ids(&mut conn, call_ids).await?;
    found.retain(|row| actor.owns_or_admin(row.user_id, "call").is_ok());
    Ok(found)
}

/// The last client program whose name begins so (of those that one account served, where one is named), and when
/// it called.
pub async fn latest_client(
    app: &App,
    actor: &Actor,
    start: &str,
    since: Time,
    account_id: Option<i64>,
) -> Result<Option<(String, Time)>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(UsageRow::latest_client(&mut conn, start, since, account_id).await?)
}

/// What was said in calls, by call; for administrators, and only while it was recorded.
pub async fn contents(app: &App, actor: &Actor, call_ids: &[String]) -> Result<HashMap<String, CallContent>> {
    actor.may(Act::ViewAll)?;
    if call_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut conn = app.db.conn().await?;
    let found = CallContent::by_calls(&mut conn, call_ids).await?;
    Ok(found.into_iter().map(|content| (content.call_id.clone(), content)).collect())
}

/// An administrator removes single calls before a moment; sums and money stay as they are.
pub async fn delete_before(app: &App, actor: &Actor, before: Time) -> Result<usize> {
    actor.may(Act::Configure)?;
    if before > app.clock.now() {
        return Err(Error::invalid("before", "the moment lies in the future"));
    }
    let gone = purge(app, before.hour(), Purged::Usage).await?;
    let mut tx = app.db.begin().await?;
    let target = Target { kind: "usage", id: &before.rfc3339() };
    audit::record(app, &mut tx, actor, "usage.delete", target, (), serde_json::json!({ "rows": gone })).await?;
    tx.commit().await?;
    Ok(gone)
}

/// An administrator removes what was said in all calls; the calls themselves stay.
pub async fn forget_contents(app: &App, actor: &Actor) -> Result<usize> {
    actor.may(Act::Configure)?;
    let now = app.clock.now();
    let gone = purge(app, now.plus(1), Purged::Contents).await?;
    let mut tx = app.db.begin().await?;
    let target = Target { kind: "contents", id: &now.rfc3339() };
    audit::record(app, &mut tx, actor, "usage.forget_contents", target, (), serde_json::json!({ "rows": gone }))
        .await?;
    tx.commit().await?;
    Ok(gone)
}

/// Removes calls, and what was said, past their retention; periodic.
pub async fn purge_due(app: &App) -> Result<usize> {
    let settings = setting::current(app);
    let now = app.clock.now();
    // At a full hour, so that the hourly sums still count exactly what is kept.
    let usage = now.plus(-settings.int(names::USAGE_RETENTION_DAYS).max(1) * DAY).hour();
    let said = now.plus(-settings.int(names::CONTENT_RETENTION_DAYS).max(1) * DAY);
    Ok(purge(app, usage, Purged::Usage).await? + purge(app, said, Purged::Contents).await?)
}

#[derive(Clone, Copy)]
enum Purged {
    Usage,
    Contents,
}

async fn purge(app: &App, before: Time, what: Purged) -> Result<usize> {
    const SLICE: i64 = 1_000;
    let mut gone = 0;
    loop {
        // In slices, so that nobody waits long for the writer.
        let mut tx = app.db.begin().await?;
        let n = match what {
            Purged::Usage => UsageRow::delete_before(&mut tx, before, SLICE).await?,
            Purged::Contents => CallContent::delete_before(&mut tx, before, SLICE).await?,
        };
        tx.commit().await?;
        gone += n;
        if n == 0 || app.stop.is_cancelled() {
            return Ok(gone);
        }
    }
}

/// Narrows a filter to what the caller may see.
pub(super) fn seen(actor: &Actor, filter: &UsageFilter) -> Result<UsageFilter> {
    Ok(UsageFilter { user_id: actor.whose(filter.user_id)?, ..filter.clone() })
}

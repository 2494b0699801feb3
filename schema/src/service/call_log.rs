//! The log of single calls, for administrators, with what was said in them where that was recorded.

use std::collections::HashMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::call_log::{CallFilter, CallOrder, CallTotals, LoggedCall, Said};
use crate::page::{Direction, Window};

/// A page of calls, and sums over all of them.
#[derive(Clone, Debug)]
pub struct Logged {
    pub rows: Vec<LoggedCall>,
    pub said: HashMap<String, Said>,
    pub totals: CallTotals,
}

/// Calls by numbered page.
pub async fn pages(
    app: &App,
    actor: &Actor,
    filter: &CallFilter,
    order: (CallOrder, Direction),
    window: Window,
) -> Result<Logged> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let rows = LoggedCall::window(&mut conn, filter, order, window).await?;
    let ids: Vec<String> = rows.iter().map(|row| row.call_id.clone()).collect();
    let said = Said::of(&mut conn, &ids).await?.into_iter().map(|s| (s.call_id.clone(), s)).collect();
    Ok(Logged { rows, said, totals: LoggedCall::totals(&mut conn, filter).await? })
}

/// One call, and what was said in it.
pub async fn get(app: &App, actor: &Actor, call_id: &str) -> Result<(LoggedCall, Option<Said>)> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let row = LoggedCall::find(&mut conn, call_id).await?.ok_or(Error::NotFound { what: "call" })?;
    let said = Said::of(&mut conn, &[row.call_id.clone()]).await?.into_iter().next();
    Ok((row, said))
}

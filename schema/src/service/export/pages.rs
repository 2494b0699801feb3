//! Reading a list page by page through its own service, and so by its own rules.

use std::collections::HashMap;

use super::columns::{self, Column, Form, Known};
use super::wanted::Wanted;
use crate::App;
use crate::actor::Actor;
use crate::error::Result;
use crate::model::api_key::{ApiKey, KeyOrder};
use crate::model::audit::AuditEntry;
use crate::model::card::Card;
use crate::model::ledger::LedgerEntry;
use crate::model::order::{Order, OrderOrder};
use crate::model::request_log::RequestLog;
use crate::model::usage::UsageRow;
use crate::model::user::{User, UserOrder};
use crate::page::{Cursor, CursorKey, Direction, Page, Seek};
use crate::service::{api_key, audit, card, order, request_log, usage, user, wallet};

/// A written page.
pub struct Written {
    pub body: Vec<u8>,
    pub rows: i64,
    /// Its last row; the page before it when it has none.
    pub last: Option<Cursor>,
    /// Whether there is more behind it.
    pub more: bool,
}

/// Reads up to `take` rows behind a cursor and writes them; the head as well at the beginning.
pub async fn write(
    app: &App,
    actor: &Actor,
    wanted: &Wanted,
    form: Form,
    after: Option<Cursor>,
    take: i64,
) -> Result<Written> {
    let first = after.is_none();
    let seek = Seek { take, after, backward: false };
    let by_id = |id: i64| Cursor { key: CursorKey::Number(id), id };
    macro_rules! written {
        ($page:expr, $columns:path, $people:expr, $cursor:expr) => {{
            let page = $page.await?;
            let people: Vec<i64> = page.rows.iter().filter_map($people).collect();
            let known = known(app, people).await?;
            Ok(assembled(form, $columns, page, &known, first, $cursor))
        }};
    }
    let newest = Direction::Desc;
    match wanted {
        Wanted::UsageRecords(filter) => written!(
            usage::list(app, actor, filter, &seek),
            columns::USAGE,
            |r: &UsageRow| Some(r.user_id),
            UsageRow::cursor
        ),
        Wanted::LedgerEntries(filter) => written!(
            wallet::entries(app, actor, filter, &seek),
            columns::LEDGER,
            |r: &LedgerEntry| Some(r.user_id),
            |r: &LedgerEntry| by_id(r.id)
        ),
        Wanted::Orders(filter) => written!(
            order::entries(app, actor, filter, (OrderOrder::CreatedAt, newest), &seek),
            columns::ORDERS,
            |r: &Order| Some(r.user_id),
            |r: &Order| Cursor { key: r.cursor_key(OrderOrder::CreatedAt), id: r.id }
        ),
        Wanted::Users(filter) => written!(
            user::list(app, actor, filter, (UserOrder::CreatedAt, newest), &seek),
            columns::USERS,
            |_: &User| None,
            |r: &User| Cursor { key: r.cursor_key(UserOrder::CreatedAt), id: r.id }
        ),
        Wanted::ApiKeys(filter) => written!(
            api_key::list(app, actor, filter, (KeyOrder::CreatedAt, newest), &seek),
            columns::KEYS,
            |r: &ApiKey| Some(r.user_id),
            |r: &ApiKey| Cursor { key: r.cursor_key(KeyOrder::CreatedAt), id: r.id }
        ),
        Wanted::Cards(filter) => written!(
            card::entries(app, actor, filter, newest, &seek),
            columns::CARDS,
            |r: &Card| r.last_redeemed_by,
            |r: &Card| Cursor { key: r.cursor_key(), id: r.id }
        ),
        Wanted::AuditLog(filter) => {
            written!(audit::list(app, actor, filter, &seek), columns::AUDIT, |_: &AuditEntry| None, |r: &AuditEntry| {
                by_id(r.id)
            })
        }
        Wanted::RequestLogs(filter) => written!(
            request_log::list(app, actor, filter, &seek),
            columns::REQUESTS,
            |r: &RequestLog| r.user_id,
            |r: &RequestLog| by_id(r.id)
        ),
    }
}

fn assembled<R>(
    form: Form,
    columns: &[Column<R>],
    page: Page<R>,
    known: &Known,
    first: bool,
    cursor: impl Fn(&R) -> Cursor,
) -> Written {
    let mut body = if first { form.head(columns) } else { Vec::new() };
    body.extend(form.body(columns, &page.rows, known));
    Written { body, rows: page.rows.len() as i64, last: page.rows.last().map(cursor), more: page.has_next }
}

async fn known(app: &App, mut people: Vec<i64>) -> Result<Known> {
    people.sort_unstable();
    people.dedup();
    let mut names = HashMap::new();
    if !people.is_empty() {
        let mut conn = app.db.conn().await?;
        names.extend(User::by_ids(&mut conn, &people).await?.into_iter().map(|user| (user.id, user.username)));
    }
    Ok(Known { names, now: app.clock.now() })
}

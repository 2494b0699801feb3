//! Finding accounts, and what belongs to them; for administrators.

use std::collections::HashMap;

use super::{Credentials, ShownProxy, open};
use crate::App;
use crate::actor::{Act, Actor};
use crate::error::{Error, Result};
use crate::model::account::{Account, AccountFilter, AccountOrder};
use crate::model::account_group::AccountGroup;
use crate::model::api_key::{ApiKey, BoundTo};
use crate::page::{Counted, Cursor, Direction, Page, Seek, Window};

/// Every account that was not deleted; for the server's own use.
pub async fn all(app: &App) -> Result<Vec<Account>> {
    let mut conn = app.db.conn().await?;
    Ok(Account::all(&mut conn).await?)
}

/// One account; the deleted are not found.
pub async fn get(app: &App, actor: &Actor, account_id: i64) -> Result<Account> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let account = Account::find(&mut conn, account_id).await?.filter(|a| a.deleted_at.is_none());
    account.ok_or(Error::NotFound { what: "account" })
}

/// Those of several accounts that there are.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<Account>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Account::by_ids(&mut conn, ids).await?.into_iter().filter(|a| a.deleted_at.is_none()).collect())
}

/// One account by its public id.
pub async fn get_by_uid(app: &App, actor: &Actor, uid: &str) -> Result<Account> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let account = Account::by_uid(&mut conn, uid).await?.filter(|a| a.deleted_at.is_none());
    account.ok_or(Error::NotFound { what: "account" })
}

/// Accounts by cursor.
pub async fn list(
    app: &App,
    actor: &Actor,
    filter: &AccountFilter,
    order: (AccountOrder, Direction),
    seek: &Seek,
) -> Result<Page<Account>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(Account::seek(&mut conn, filter, order, seek).await?, seek))
}

/// Accounts of one page of [`every`], where nothing asks for another size.
pub const PAGE: i64 = 500;

/// Every account that a filter finds, however many, read page by page.
pub async fn every(
    app: &App,
    actor: &Actor,
    filter: &AccountFilter,
    order: (AccountOrder, Direction),
    page: i64,
) -> Result<Vec<Account>> {
    let mut seek = Seek { take: page.max(1), ..Seek::default() };
    let mut all = Vec::new();
    loop {
        let found = list(app, actor, filter, order, &seek).await?;
        all.extend(found.rows);
        let Some(last) = all.last().filter(|_| found.has_next) else { return Ok(all) };
        seek.after = Some(Cursor { key: last.cursor_key(order.0), id: last.id });
    }
}

/// Accounts by numbered page.
pub async fn pages(
    app: &App,
    actor: &Actor,
    filter: &AccountFilter,
    order: (AccountOrder, Direction),
    window: Window,
) -> Result<Counted<Account>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let rows = Account::window(&mut conn, filter, order, window).await?;
    Ok(Counted { rows, total: Account::count(&mut conn, filter).await? })
}

/// How many accounts a filter finds.
pub async fn count(app: &App, actor: &Actor, filter: &AccountFilter) -> Result<i64> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Account::count(&mut conn, filter).await?)
}

/// The proxy of an account without its password.
pub fn proxy_of(app: &App, actor: &Actor, account: &Account) -> Result<Option<ShownProxy>> {
    actor.may(Act::ViewAll)?;
    match &account.proxy {
        None => Ok(None),
        Some(_) => Ok(open(app, account)?.proxy.map(|p| p.shown())),
    }
}

/// What kind of credentials an account has and how many keys; nothing of them.
pub fn credentials_of(app: &App, actor: &Actor, account: &Account) -> Result<(&'static str, usize)> {
    actor.may(Act::ViewAll)?;
    let opened = open(app, account)?;
    Ok((opened.credentials.name(), opened.credentials.keys().len()))
}

/// Which of these accounts exactly this secret opens: a key, a token, a JSON key, or the parts of one joined by bars, its
/// region last where it has one. Only those whose hint could be its own are opened to see.
pub fn opened_by(app: &App, actor: &Actor, accounts: &[Account], secret: &str) -> Result<Vec<i64>> {
    actor.may(Act::ViewAll)?;
    let digest = crate::id::digest(secret);
    // Compared by digests, which tell nothing by the time that takes.
    let is_it = |own: &str| crate::id::digest(own) == digest;
    let mut found = Vec::new();
    for account in accounts.iter().filter(|account| Credentials::may_be(&account.hint, secret)) {
        let own = match open(app, account) {
            Ok(opened) => opened.credentials.secrets(),
            Err(error) => {
                tracing::warn!(account = account.id, cause = error.cause(), "an account's secrets could not be opened");
                continue;
            }
        };
        let region = account.options.region.as_deref();
        let fits = |own: &String| is_it(own) || region.is_some_and(|region| is_it(&format!("{own}|{region}")));
        if own.iter().any(fits) {
            found.push(account.id);
        }
    }
    Ok(found)
}

/// The account groups of each of these accounts.
pub async fn groups_of(app: &App, actor: &Actor, account_ids: &[i64]) -> Result<HashMap<i64, Vec<AccountGroup>>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let memberships = AccountGroup::of_accounts(&mut conn, account_ids).await?;
    let mut ids: Vec<i64> = memberships.iter().map(|(_, group)| *group).collect();
    ids.sort_unstable();
    ids.dedup();
    let groups: HashMap<i64, AccountGroup> =
        AccountGroup::by_ids(&mut conn, &ids).await?.into_iter().map(|g| (g.id, g)).collect();
    let mut out: HashMap<i64, Vec<AccountGroup>> = HashMap::new();
    for (account, group) in memberships {
        if let Some(group) = groups.get(&group) {
            out.entry(account).or_default().push(group.clone());
        }
    }
    Ok(out)
}

/// How many living keys are bound to each account and group.
pub async fn bound_keys(app: &App, actor: &Actor) -> Result<HashMap<BoundTo, i64>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let mut counts = HashMap::new();
    for bindings in ApiKey::binding_lists(&mut conn).await? {
        for binding in &bindings.0 {
            *counts.entry(binding.to).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

/// Tags in use.
pub async fn tags(app: &App, actor: &Actor) -> Result<Vec<String>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Account::tags(&mut conn).await?)
}

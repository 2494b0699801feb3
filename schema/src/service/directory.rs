//! This process's picture of keys, accounts, models and ratios, for calls that must not wait for the database.
//!
//! Everything here can be read afresh at any time. Events keep it true: a change is seen by the process
//! that made it before the change returns, and by every other within the event.

mod accounts;
mod key_view;
mod keys;
mod models;
mod terms;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::App;
use crate::bus::Event;
use crate::error::Result;
use crate::model::account::{Account, Health};
use crate::model::account_group::AccountGroup;
use crate::model::catalog::Model;
use crate::service::setting;

pub use accounts::{AccountView, Accounts, Live, Seat, State};
pub use key_view::{Ask, KeyView, Owner, Refusal};
pub use models::{ModelView, Models};
pub use terms::{NoPrice, Terms, Unpriced};

/// The picture. Held by [`App`]; read through the functions of this module.
#[derive(Default)]
pub struct Directory {
    keys: keys::Keys,
    accounts: ArcSwap<Accounts>,
    models: ArcSwap<Models>,
    terms: ArcSwap<terms::Kept>,
    /// One reading at a time, so that an older answer never replaces a newer one.
    reading: tokio::sync::Mutex<()>,
}

/// Reads everything.
pub async fn load(app: &App) -> Result<()> {
    app.directory.keys.clear();
    load_accounts(app).await?;
    load_models(app).await
}

/// The key of a presented secret; `None` for a secret nobody has. From memory, or read once however many ask.
pub async fn key(app: &App, secret: &str) -> Result<Option<Arc<KeyView>>> {
    if !(10..=512).contains(&secret.len()) {
        return Ok(None);
    }
    app.directory.keys.get(app, keys::digest(secret)).await
}

/// The key of a digest (hex).
pub async fn key_by_digest(app: &App, digest: &str) -> Result<Option<Arc<KeyView>>> {
    match keys::from_hex(digest) {
        Some(digest) => app.directory.keys.get(app, digest).await,
        None => Ok(None),
    }
}

/// The accounts of the moment.
pub fn accounts(app: &App) -> Arc<Accounts> {
    app.directory.accounts.load_full()
}

/// One account of the moment.
pub fn account(app: &App, id: i64) -> Option<Arc<AccountView>> {
    app.directory.accounts.load().get(id).cloned()
}

/// The models and prices of the moment.
pub fn models(app: &App) -> Arc<Models> {
    app.directory.models.load_full()
}

/// Ratios and policies of the moment.
pub fn terms(app: &App) -> Arc<Terms> {
    let settings = setting::current(app);
    let kept = app.directory.terms.load();
    if Arc::ptr_eq(&kept.of, &settings) {
        return kept.terms.clone();
    }
    let fresh = Arc::new(terms::Kept::read(settings));
    app.directory.terms.store(fresh.clone());
    fresh.terms.clone()
}

/// Forgets one key, so that it is read afresh.
pub(crate) fn forget_key(app: &App, digest: &str) {
    if let Some(digest) = keys::from_hex(digest) {
        app.directory.keys.forget(&digest);
    }
}

/// Reads one account afresh.
pub async fn reload_account(app: &App, account_id: i64) -> Result<()> {
    let _turn = app.directory.reading.lock().await;
    let mut conn = app.db.conn().await?;
    let row = Account::find(&mut conn, account_id).await?.filter(|a| a.deleted_at.is_none());
    let groups = AccountGroup::of_accounts(&mut conn, &[account_id]).await?;
    let seen = app.directory.accounts.load_full();
    let view = match row {
        Some(row) => {
            let groups = groups.into_iter().map(|(_, group)| group).collect();
            let live = seen.get(account_id).map(|v| v.live.clone());
            Some(accounts::view(app, &mut conn, row, groups, live).await?)
        }
        None => None,
    };
    drop(conn);
    app.directory.accounts.store(Arc::new(seen.with(account_id, view)));
    Ok(())
}

async fn load_accounts(app: &App) -> Result<()> {
    let _turn = app.directory.reading.lock().await;
    let mut conn = app.db.conn().await?;
    let rows = Account::all(&mut conn).await?;
    let mut groups: std::collections::HashMap<i64, Vec<i64>> = std::collections::HashMap::new();
    for (group, account) in AccountGroup::members(&mut conn, &[]).await? {
        groups.entry(account).or_default().push(group);
    }
    let seen = app.directory.accounts.load_full();
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let groups = groups.remove(&row.id).unwrap_or_default();
        let live = seen.get(row.id).map(|v| v.live.clone());
        views.push(Arc::new(accounts::view(app, &mut conn, row, groups, live).await?));
    }
    drop(conn);
    app.directory.accounts.store(Arc::new(Accounts::of(views)));
    Ok(())
}

pub(super) async fn load_models(app: &App) -> Result<()> {
    let _turn = app.directory.reading.lock().await;
    let mut conn = app.db.conn().await?;
    let rows = Model::all(&mut conn).await?;
    drop(conn);
    app.directory.models.store(Arc::new(Models::of(rows)));
    Ok(())
}

/// Reads afresh what the accounts with a daily quota have spent in their day.
pub async fn refresh_quotas(app: &App) -> Result<()> {
    let views = accounts(app);
    let mut conn = app.db.conn().await?;
    for view in views.iter().filter(|v| v.account.daily_quota.is_some()) {
        accounts::count_quota(app, &mut conn, view).await?;
    }
    Ok(())
}

/// Takes an event into the picture.
pub(crate) async fn follow(app: &App, event: &Event) -> Result<()> {
    match event {
        Event::KeyChanged { digest, .. } => forget_key(app, digest),
        Event::UserChanged { id } | Event::PlanChanged { user_id: Some(id) } => app.directory.keys.forget_owner(*id),
        Event::PlanChanged { user_id: None } => app.directory.keys.clear(),
        Event::AccountChanged { id } => reload_account(app, *id).await?,
        Event::HealthChanged { id, health, cool_until, .. } => match (account(app, *id), Health::parse(health)) {
            (Some(view), Some(health)) => view.live.set_health(health, cool_until.map(crate::Time)),
            _ => reload_account(app, *id).await?,
        },
        Event::GroupsChanged => load_accounts(app).await?,
        Event::ModelsChanged => load_models(app).await?,
        Event::Used(call) => {
            if let Some(view) = account(app, call.account_id) {
                view.live.spend(call.raw_cost, crate::Time(call.at));
            }
        }
        Event::Resync => load(app).await?,
        _ => {}
    }
    Ok(())
}

/// How many keys were read from the database so far; for the metrics.
pub fn key_reads(app: &App) -> u64 {
    app.directory.keys.reads()
}

//! Accounts: adding, changing, switching and removing the upstream credentials the relay spends.

pub mod check;
mod credentials;
mod draft;
mod health;
mod read;
#[cfg(test)]
mod tests;

use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::Time;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::account::{
    Account, AccountFilter, AccountOptions, AccountOrder, AccountRowChange, Deleted, Health, NewAccount, Sharing,
};
use crate::model::account_group::AccountGroup;
use crate::model::api_key::{ApiKey, ApiKeyChange, BoundTo};
use crate::model::pin::Pin;
use crate::money::{MAX, Micros};
use crate::page::Direction;
use crate::service::audit::{self, Target};
use crate::service::directory;
use crate::service::field::{self, stale};
use crate::value::{Doc, Words};
use crate::{App, id};

pub(crate) use credentials::seal_credentials;
pub use credentials::{Credentials, OauthTokens, Opened, Proxy, ProxyKind, ShownProxy, open};
pub use draft::{AccountChange, AccountDraft};
pub use health::{
    Mark, Rests, events, mark, quota_start, recover_due, reset_all_usage, reset_status, reset_usage, rests,
    several_events,
};
pub use read::{
    PAGE, all, bound_keys, count, credentials_of, every, get, get_by_uid, groups_of, list, opened_by, pages, proxy_of,
    several, tags,
};

/// A view of an account for the audit log.
fn shown(account: &Account) -> serde_json::Value {
    serde_json::json!({
        "kind": account.kind, "name": account.name, "description": account.description, "enabled": account.enabled,
        "schedulable": account.schedulable, "health": account.health, "baseUrl": account.base_url,
        "hint": account.hint, "hasProxy": account.proxy.is_some(), "models": account.models.0,
        "groups": account.groups, "sharing": account.sharing, "priority": account.priority,
        "weight": account.weight, "maxConcurrency": account.max_concurrency, "dailyQuota": account.daily_quota,
        "tag": account.tag, "options": account.options.0, "deleted_at": account.deleted_at,
        "version": account.version,
    })
}

/// Tells everybody that an account is not what it was.
pub(crate) async fn announce(app: &App, account_id: i64) {
    if let Err(cause) = directory::reload_account(app, account_id).await {
        tracing::error!(account_id, cause = cause.cause().unwrap_or_default(), "an account could not be read again");
    }
    app.bus.publish(Event::AccountChanged { id: account_id }).await;
}

/// Adds an account.
pub async fn add(app: &App, actor: &Actor, draft: AccountDraft) -> Result<Account> {
    actor.may(Act::Manage)?;
    draft.credentials.check(draft.kind)?;
    let base_url = given_url(draft.base_url.as_deref())?;
    check::needs_address(draft.kind, base_url.as_deref())?;
    check::options(&draft.options)?;
    numbers(draft.priority, draft.weight, draft.max_concurrency, draft.daily_quota)?;
    field::text("description", &draft.description, 2_000)?;
    field::text("tag", &draft.tag, 64)?;
    field::document("info", &draft.info, 65_536)?;
    let now = app.clock.now();
    let without = draft.credentials == Credentials::None;
    let row = NewAccount {
        uid: id::uuid(),
        kind: draft.kind,
        name: field::name("name", &draft.name, 100)?,
        description: draft.description,
        enabled: draft.enabled,
        schedulable: draft.schedulable,
        health: if without { Health::Blocked } else { Health::Ok },
        health_note: if without { NO_CREDENTIALS.to_owned() } else { String::new() },
        base_url,
        credentials: seal_credentials(app, &draft.credentials)?,
        proxy: draft.proxy.as_ref().map(|p| credentials::seal_proxy(app, p)).transpose()?,
        hint: draft.credentials.hint(),
        models: Doc(field::list("models", &draft.models, 2_000, 200)?),
        groups: Words::of(field::list("groups", &draft.groups, 200, 64)?),
        sharing: draft.sharing,
        priority: draft.priority,
        weight: draft.weight,
        max_concurrency: draft.max_concurrency,
        daily_quota: draft.daily_quota,
        tag: draft.tag,
        options: Doc(draft.options),
        info: Doc(draft.info),
        token_expires_at: draft.credentials.expires_at(),
        subscription_expires_at: draft.subscription_expires_at,
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.db.begin().await?;
    let account = Account::insert(&mut tx, &row).await?;
    join(&mut tx, &account, &draft.group_ids).await?;
    let target = Target { kind: "account", id: &account.id.to_string() };
    audit::record(app, &mut tx, actor, "account.add", target, (), shown(&account)).await?;
    tx.commit().await?;
    announce(app, account.id).await;
    if !draft.group_ids.is_empty() {
        app.bus.publish(Event::GroupsChanged).await;
    }
    Ok(account)
}

/// Why a fresh account without credentials does not serve.
const NO_CREDENTIALS: &str = "no credentials yet";

fn given_url(url: Option<&str>) -> Result<Option<String>> {
    url.filter(|u| !u.trim().is_empty()).map(check::base_url).transpose()
}

fn numbers(priority: i64, weight: i64, max_concurrency: i64, daily_quota: Option<Micros>) -> Result<()> {
    field::within("priority", priority, -1_000_000, 1_000_000)?;
    field::within("weight", weight, 0, 1_000_000)?;
    field::within("maxConcurrency", max_concurrency, 0, 1_000_000)?;
    field::within("dailyQuota", daily_quota.unwrap_or_default().0, 0, MAX)
}

/// Makes the account a member of exactly these groups.
async fn join(tx: &mut Tx, account: &Account, group_ids: &[i64]) -> Result<bool> {
    if account.sharing == Sharing::Group && group_ids.is_empty() {
        return Err(Error::invalid("groupIds", "an account shared by group needs a group"));
    }
    let before: Vec<i64> =
        AccountGroup::of_accounts(tx, &[account.id]).await?.into_iter().map(|(_, group)| group).collect();
    let mut changed = false;
    for group in before.iter().filter(|g| !group_ids.contains(g)) {
        changed |= AccountGroup::remove_member(tx, *group, account.id).await?;
    }
    for group_id in group_ids.iter().filter(|g| !before.contains(g)) {
        let group = AccountGroup::find(tx, *group_id).await?;
        let group = group.ok_or_else(|| Error::invalid("groupIds", "there is no such group"))?;
        crate::service::account_group::fits(&group, account)?;
        changed |= AccountGroup::add_member(tx, *group_id, account.id).await?;
    }
    Ok(changed)
}

/// Changes an account.
pub async fn change(app: &App, actor: &Actor, account_id: i64, change: AccountChange) -> Result<Account> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = living(&mut tx, account_id).await?;
    if change.expected_version.is_some_and(|v| v != before.version) {
        return Err(stale());
    }
    let set = changeset(app, &before, &change)?;
    let mut after =
        Account::update(&mut tx, account_id, before.version, &set, app.clock.now()).await?.ok_or_else(stale)?;
    let mut regrouped = false;
    if let Some(group_ids) = &change.group_ids {
        regrouped = join(&mut tx, &after, group_ids).await?;
    } else if after.sharing == Sharing::Group && before.sharing != Sharing::Group {
        let groups: Vec<i64> =
            AccountGroup::of_accounts(&mut tx, &[account_id]).await?.into_iter().map(|(_, g)| g).collect();
        join(&mut tx, &after, &groups).await?;
    }
    // New credentials deserve a new start.
    if change.credentials.is_some() && matches!(after.health, Health::Blocked | Health::Expired) {
        after = health::heal(app, &mut tx, &after, "new credentials").await?;
    }
    let target = Target { kind: "account", id: &account_id.to_string() };
    audit::record(app, &mut tx, actor, "account.change", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    announce(app, account_id).await;
    if regrouped {
        app.bus.publish(Event::GroupsChanged).await;
    }
    if before.health != after.health {
        health::announce(app, &after).await;
    }
    Ok(after)
}

fn changeset(app: &App, before: &Account, change: &AccountChange) -> Result<AccountRowChange> {
    let kind = change.kind.unwrap_or(before.kind);
    if let Some(credentials) = &change.credentials {
        credentials.check(kind)?;
    } else if kind != before.kind {
        open(app, before)?.credentials.check(kind)?;
    }
    let base_url = change.base_url.as_ref().map(|url| given_url(url.as_deref())).transpose()?;
    check::needs_address(kind, base_url.as_ref().unwrap_or(&before.base_url).as_deref())?;
    let options = options_over(before, change)?;
    check::options(&options)?;
    let daily_quota = change.daily_quota.unwrap_or(before.daily_quota);
    numbers(
        change.priority.unwrap_or(before.priority),
        change.weight.unwrap_or(before.weight),
        change.max_concurrency.unwrap_or(before.max_concurrency),
        daily_quota,
    )?;
    field::text("description", change.description.as_deref().unwrap_or(""), 2_000)?;
    field::text("tag", change.tag.as_deref().unwrap_or(""), 64)?;
    let mut info = before.info.0.clone();
    lay_over(&mut info, &change.info);
    field::document("info", &info, 65_536)?;
    let proxy = match &change.proxy {
        None => None,
        Some(None) => Some(None),
        Some(Some(proxy)) => Some(Some(credentials::seal_proxy(app, proxy)?)),
    };
    Ok(AccountRowChange {
        kind: change.kind,
        name: change.name.as_deref().map(|n| field::name("name", n, 100)).transpose()?,
        description: change.description.clone(),
        enabled: change.enabled,
        schedulable: change.schedulable,
        base_url,
        credentials: change.credentials.as_ref().map(|c| seal_credentials(app, c)).transpose()?,
        proxy,
        hint: change.credentials.as_ref().map(Credentials::hint),
        models: change.models.as_ref().map(|m| field::list("models", m, 2_000, 200)).transpose()?.map(Doc),
        groups: change.groups.as_ref().map(|g| field::list("groups", g, 200, 64)).transpose()?.map(Words::of),
        sharing: change.sharing,
        priority: change.priority,
        weight: change.weight,
        max_concurrency: change.max_concurrency,
        daily_quota: change.daily_quota,
        tag: change.tag.clone(),
        options: Some(Doc(options)),
        info: Some(Doc(info)),
        token_expires_at: change.credentials.as_ref().map(Credentials::expires_at),
        subscription_expires_at: change.subscription_expires_at,
        deleted_at: None,
    })
}

fn options_over(before: &Account, change: &AccountChange) -> Result<AccountOptions> {
    let whole = change.options.as_ref().unwrap_or(&before.options);
    if change.options_patch.is_empty() {
        return Ok(whole.clone());
    }
    let value = serde_json::to_value(whole).map_err(Error::internal)?;
    let serde_json::Value::Object(mut fields) = value else { return Err(Error::internal("options are a document")) };
    lay_over(&mut fields, &change.options_patch);
    serde_json::from_value(fields.into()).map_err(|e| Error::invalid("options", format!("the options do not fit: {e}")))
}

/// Lays fields over others; `null` removes one.
fn lay_over(
    fields: &mut serde_json::Map<String, serde_json::Value>,
    patch: &serde_json::Map<String, serde_json::Value>,
) {
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
}

async fn living(tx: &mut Tx, account_id: i64) -> Result<Account> {
    let account = Account::find(tx, account_id).await?.filter(|a| a.deleted_at.is_none());
    account.ok_or(Error::NotFound { what: "account" })
}

/// Switches an account over, whatever it was.
pub async fn toggle(app: &App, actor: &Actor, account_id: i64) -> Result<Account> {
    flip(app, actor, account_id, |a| AccountChange { enabled: Some(!a.enabled), ..AccountChange::default() }).await
}

/// Switches over whether an account may be chosen.
pub async fn toggle_schedulable(app: &App, actor: &Actor, account_id: i64) -> Result<Account> {
    flip(app, actor, account_id, |a| AccountChange { schedulable: Some(!a.schedulable), ..AccountChange::default() })
        .await
}

async fn flip(app: &App, actor: &Actor, account_id: i64, other: impl Fn(&Account) -> AccountChange) -> Result<Account> {
    loop {
        let seen = get(app, actor, account_id).await?;
        let over = AccountChange { expected_version: Some(seen.version), ..other(&seen) };
        match change(app, actor, account_id, over).await {
            // Two who flip at once each get their turn.
            Err(Error::Conflict { code: "STALE_VERSION", .. }) => {}
            done => return done,
        }
    }
}

/// Removes an account: its secrets are wiped, its memberships end, keys bound to it are freed. How many keys that were.
pub async fn delete(app: &App, actor: &Actor, account_id: i64) -> Result<i64> {
    actor.may(Act::Manage)?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let before = living(&mut tx, account_id).await?;
    let set = AccountRowChange {
        deleted_at: Some(Some(now)),
        credentials: Some(seal_credentials(app, &Credentials::None)?),
        proxy: Some(None),
        token_expires_at: Some(None),
        ..AccountRowChange::default()
    };
    let after = Account::update(&mut tx, account_id, before.version, &set, now).await?.ok_or_else(stale)?;
    AccountGroup::remove_account(&mut tx, account_id).await?;
    Pin::delete_of_account(&mut tx, account_id).await?;
    let freed = free_keys(&mut tx, BoundTo::Account(account_id), now).await?;
    let living_keys = freed.iter().filter(|k| k.deleted_at.is_none()).count() as i64;
    let target = Target { kind: "account", id: &account_id.to_string() };
    let view = serde_json::json!({ "account": shown(&after), "freedKeys": living_keys });
    audit::record(app, &mut tx, actor, "account.delete", target, shown(&before), view).await?;
    tx.commit().await?;
    announce(app, account_id).await;
    for key in &freed {
        directory::forget_key(app, &key.digest);
        app.bus.publish(Event::KeyChanged { id: key.id, digest: key.digest.clone() }).await;
    }
    Ok(living_keys)
}

/// Frees every key from a binding; those keys.
pub(crate) async fn free_keys(tx: &mut Tx, to: BoundTo, now: Time) -> Result<Vec<ApiKey>> {
    let mut freed = Vec::new();
    for key in ApiKey::bound_to(tx, to).await? {
        let bindings = key.bindings.0.iter().filter(|b| b.to != to).copied().collect();
        let set = ApiKeyChange { bindings: Some(Doc(bindings)), ..ApiKeyChange::default() };
        freed.push(ApiKey::update(tx, key.id, key.version, &set, now).await?.ok_or_else(stale)?);
    }
    Ok(freed)
}

/// Lays what was learned about an account over what is known; no version, nobody edits this.
pub async fn learn(app: &App, account_id: i64, facts: &serde_json::Map<String, serde_json::Value>) -> Result<()> {
    let mut tx = app.db.begin().await?;
    let account = living(&mut tx, account_id).await?;
    let mut info = account.info.0;
    lay_over(&mut info, facts);
    field::document("info", &info, 65_536)?;
    Account::set_info(&mut tx, account_id, &Doc(info)).await?;
    tx.commit().await?;
    announce(app, account_id).await;
    Ok(())
}

/// Changes every account of a tag alike; how many there are.
pub async fn for_tag(app: &App, actor: &Actor, tag: &str, alike: &AccountChange) -> Result<i64> {
    actor.may(Act::Manage)?;
    if tag.is_empty() {
        return Err(Error::invalid("tag", "which tag?"));
    }
    let filter = AccountFilter { tag: Some(tag.to_owned()), deleted: Deleted::Without, ..AccountFilter::default() };
    let accounts = every(app, actor, &filter, (AccountOrder::CreatedAt, Direction::Asc), PAGE).await?;
    for account in &accounts {
        change(app, actor, account.id, alike.clone()).await?;
    }
    Ok(accounts.len() as i64)
}

//! Groups of accounts: making them, and who is a member.

use std::collections::HashMap;

use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::error::{Error, Result};
use crate::model::account::Account;
use crate::model::account_group::{AccountGroup, AccountGroupRowChange, GroupFilter, NewAccountGroup};
use crate::model::api_key::{ApiKey, BoundTo, Service};
use crate::page::{Direction, Page, Seek};
use crate::service::audit::{self, Target};
use crate::service::field::{self, stale};
use crate::{App, id};

/// A group to be made.
#[derive(Clone, Debug)]
pub struct GroupDraft {
    pub name: String,
    /// The service its members belong to.
    pub platform: String,
    pub description: String,
}

/// What of a group changes; its platform never does.
#[derive(Clone, Debug, Default)]
pub struct GroupChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub expected_version: Option<i64>,
}

fn shown(group: &AccountGroup) -> serde_json::Value {
    serde_json::json!({
        "name": group.name, "platform": group.platform, "description": group.description, "version": group.version,
    })
}

fn taken(e: impl Into<Error>) -> Error {
    match e.into() {
        Error::Conflict { code: "ALREADY_EXISTS", .. } => {
            Error::conflict("ALREADY_EXISTS", "there is a group of this name already")
        }
        other => other,
    }
}

/// Refuses an account that belongs to another service than the group.
pub(crate) fn fits(group: &AccountGroup, account: &Account) -> Result<()> {
    let service = account.kind.service();
    // Bedrock serves Claude's models and is asked the way Claude is.
    let fits = group.platform == service.as_str() || (group.platform == "claude" && service == Service::Bedrock);
    if fits {
        return Ok(());
    }
    let why = format!("{} is a group of {} accounts, not of {}", group.name, group.platform, account.kind);
    Err(Error::invalid("groupIds", why))
}

/// Makes a group.
pub async fn create(app: &App, actor: &Actor, draft: GroupDraft) -> Result<AccountGroup> {
    actor.may(Act::Manage)?;
    let name = field::name("name", &draft.name, 100)?;
    field::text("description", &draft.description, 500)?;
    if Service::parse(&draft.platform).is_none() {
        return Err(Error::invalid("platform", format!("{} is no service", draft.platform)));
    }
    let now = app.clock.now();
    let row = NewAccountGroup {
        uid: id::uuid(),
        name,
        platform: draft.platform,
        description: draft.description,
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.db.begin().await?;
    let group = AccountGroup::insert(&mut tx, &row).await.map_err(taken)?;
    let target = Target { kind: "account_group", id: &group.id.to_string() };
    audit::record(app, &mut tx, actor, "account_group.create", target, (), shown(&group)).await?;
    tx.commit().await?;
    app.bus.publish(Event::GroupsChanged).await;
    Ok(group)
}

/// Renames or describes a group.
pub async fn change(app: &App, actor: &Actor, group_id: i64, change: GroupChange) -> Result<AccountGroup> {
    actor.may(Act::Manage)?;
    let set = AccountGroupRowChange {
        name: change.name.as_deref().map(|n| field::name("name", n, 100)).transpose()?,
        description: change.description,
    };
    field::text("description", set.description.as_deref().unwrap_or(""), 500)?;
    let mut tx = app.db.begin().await?;
    let before = found(AccountGroup::find(&mut tx, group_id).await?)?;
    if change.expected_version.is_some_and(|v| v != before.version) {
        return Err(stale());
    }
    let after = AccountGroup::update(&mut tx, group_id, before.version, &set, app.clock.now())
        .await
        .map_err(taken)?
        .ok_or_else(stale)?;
    let target = Target { kind: "account_group", id: &group_id.to_string() };
    audit::record(app, &mut tx, actor, "account_group.change", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    app.bus.publish(Event::GroupsChanged).await;
    Ok(after)
}

/// Removes an empty group that no key is bound to.
pub async fn delete(app: &App, actor: &Actor, group_id: i64) -> Result<()> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = found(AccountGroup::find(&mut tx, group_id).await?)?;
    if !AccountGroup::members(&mut tx, &[group_id]).await?.is_empty() {
        return Err(Error::conflict("GROUP_HAS_MEMBERS", "the group still has accounts"));
    }
    let bound = ApiKey::bound_to(&mut tx, BoundTo::Group(group_id)).await?;
    if bound.iter().any(|k| k.deleted_at.is_none()) {
        return Err(Error::conflict("GROUP_IN_USE", "keys are still bound to the group"));
    }
    // Deleted keys may come back; they must not come back bound to nothing.
    crate::service::account::free_keys(&mut tx, BoundTo::Group(group_id), app.clock.now()).await?;
    AccountGroup::delete(&mut tx, group_id).await?;
    let target = Target { kind: "account_group", id: &group_id.to_string() };
    audit::record(app, &mut tx, actor, "account_group.delete", target, shown(&before), ()).await?;
    tx.commit().await?;
    app.bus.publish(Event::GroupsChanged).await;
    Ok(())
}

/// Makes an account a member.
pub async fn add_member(app: &App, actor: &Actor, group_id: i64, account_id: i64) -> Result<()> {
    membership(app, actor, group_id, account_id, true).await
}

/// Ends a membership.
pub async fn remove_member(app: &App, actor: &Actor, group_id: i64, account_id: i64) -> Result<()> {
    membership(app, actor, group_id, account_id, false).await
}

async fn membership(app: &App, actor: &Actor, group_id: i64, account_id: i64, member: bool) -> Result<()> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let group = found(AccountGroup::find(&mut tx, group_id).await?)?;
    let account = Account::find(&mut tx, account_id).await?.filter(|a| a.deleted_at.is_none());
    let account = account.ok_or(Error::NotFound { what: "account" })?;
    let changed = if member {
        fits(&group, &account)?;
        AccountGroup::add_member(&mut tx, group_id, account_id).await?
    } else {
        AccountGroup::remove_member(&mut tx, group_id, account_id).await?
    };
    if !changed {
        tx.rollback().await?;
        return Ok(());
    }
    let target = Target { kind: "account_group", id: &group_id.to_string() };
    let view = |member: bool| serde_json::json!({ "accountId": account_id, "member": member });
    audit::record(app, &mut tx, actor, "account_group.member", target, view(!member), view(member)).await?;
    tx.commit().await?;
    app.bus.publish(Event::GroupsChanged).await;
    Ok(())
}

fn found(group: Option<AccountGroup>) -> Result<AccountGroup> {
    group.ok_or(Error::NotFound { what: "account group" })
}

/// One group.
pub async fn get(app: &App, actor: &Actor, group_id: i64) -> Result<AccountGroup> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    found(AccountGroup::find(&mut conn, group_id).await?)
}

/// Those of several groups that there are.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<AccountGroup>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(AccountGroup::by_ids(&mut conn, ids).await?)
}

/// One group by its public id.
pub async fn get_by_uid(app: &App, actor: &Actor, uid: &str) -> Result<AccountGroup> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    found(AccountGroup::by_uid(&mut conn, uid).await?)
}

/// All groups by name.
pub async fn all(app: &App, actor: &Actor, filter: &GroupFilter) -> Result<Vec<AccountGroup>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(AccountGroup::all(&mut conn, filter).await?)
}

/// Groups by cursor, by name.
pub async fn list(
    app: &App,
    actor: &Actor,
    filter: &GroupFilter,
    direction: Direction,
    seek: &Seek,
) -> Result<Page<AccountGroup>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(AccountGroup::seek(&mut conn, filter, direction, seek).await?, seek))
}

/// How many groups a filter finds.
pub async fn count(app: &App, actor: &Actor, filter: &GroupFilter) -> Result<i64> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(AccountGroup::count(&mut conn, filter).await?)
}

/// The members of each of these groups (of all, when none is named), by account id.
pub async fn members(app: &App, actor: &Actor, group_ids: &[i64]) -> Result<HashMap<i64, Vec<i64>>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let mut out: HashMap<i64, Vec<i64>> = HashMap::new();
    for (group, account) in AccountGroup::members(&mut conn, group_ids).await? {
        out.entry(group).or_default().push(account);
    }
    Ok(out)
}

//! Keys: issuing, changing and finding them, whatever their prefix, by one set of rules.

mod bulk;
mod check;
mod draft;
mod fresh;
mod life;
mod read;
#[cfg(test)]
mod tests;
mod whole;

use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::{MINUTE, Time};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::api_key::{ApiKey, ApiKeyChange, Binding, ExpiryMode, KeyRules, NewApiKey, Permissions};
use crate::model::user::User;
use crate::secret::{self, Secret};
use crate::service::allowance;
use crate::service::audit::{self, Target};
use crate::service::directory;
use crate::service::field::{self, stale};
use crate::service::idempotency::{self, Claim};
use crate::service::setting::{self, names};
use crate::value::{Doc, Words};
use crate::{App, id};

pub use bulk::{Batch, TagChange, change_many, create_tag, delete_many, issue_many, remove_tag, rename_tag, tags};
pub use draft::{Expiry, IssuedKey, KeyChange, KeyPrefix, LimitsChange, NewKey, RulesChange};
pub use fresh::{keep_secret, kept_secret};
pub use life::{activate_now, delete, first_use, purge, purge_all_deleted, restore, rotate, rotate_once, set_expiry};
pub(crate) use life::{lengthen_in, shorten_in};
pub(super) use read::seen_by;
pub use read::{count, find_by_secret, get, get_by_uid, list, pages, remembered, several};
pub use whole::{PAGE, all_of, disable_all_of};

/// A view of a key for the audit log.
fn shown(key: &ApiKey) -> serde_json::Value {
    serde_json::json!({
        "name": key.name, "description": key.description, "userId": key.user_id, "hint": key.hint,
        "source": key.source, "status": key.status, "permissions": key.permissions, "group": key.group_name,
        "bindings": key.bindings.0, "limits": key.limits.0, "rules": key.rules.0, "tags": key.tags,
        "budget": key.budget, "expires_at": key.expires_at, "expiryMode": key.expiry_mode,
        "activateMs": key.activate_ms, "deleted_at": key.deleted_at, "version": key.version,
    })
}

/// Tells everybody that a key is not what it was.
pub(crate) async fn announce(app: &App, key: &ApiKey) {
    directory::forget_key(app, &key.digest);
    app.bus.publish(Event::KeyChanged { id: key.id, digest: key.digest.clone() }).await;
}

/// Issues a key: for oneself within one's plan, or for anybody by an administrator.
pub async fn issue(app: &App, actor: &Actor, new: NewKey) -> Result<IssuedKey> {
    let input = serde_json::to_string(&new).map_err(Error::internal)?;
    let mut tx = app.db.begin().await?;
    if let Some(idem) = &new.idem_key
        && let Claim::Answered(answer) = idempotency::claim(&mut tx, actor, "api_key.issue", idem, &input).await?
    {
        let issued = recall(app, &mut tx, &answer).await?;
        tx.rollback().await?;
        return Ok(issued);
    }
    let idem = new.idem_key.clone();
    let issued = issue_in(app, &mut tx, actor, new, 1).await?;
    if let Some(idem) = &idem {
        let answer = remember(app, &issued)?;
        idempotency::answer(app, &mut tx, actor, "api_key.issue", idem, &input, answer).await?;
    }
    tx.commit().await?;
    announce(app, &issued.key).await;
    Ok(issued)
}

fn remember(app: &App, issued: &IssuedKey) -> Result<String> {
    idempotency::sealed(app, issued.key.id, issued.secret.reveal())
}

async fn recall(app: &App, tx: &mut Tx, answer: &str) -> Result<IssuedKey> {
    let (id, secret) = idempotency::unsealed(app, answer)?;
    let key = ApiKey::find(tx, id).await?.ok_or(Error::NotFound { what: "api key" })?;
    Ok(IssuedKey { key, secret: Secret::new(secret) })
}

/// Issues one key inside the caller's transaction; `together` is how many the whole request makes.
async fn issue_in(app: &App, tx: &mut Tx, actor: &Actor, new: NewKey, together: i64) -> Result<IssuedKey> {
    let me = actor.user_id;
    let owner_id = match (new.owner, me) {
        (Some(owner), _) => owner,
        (None, Some(me)) => me,
        (None, None) => return Err(Error::invalid("owner", "whose key is it to be?")),
    };
    let own = me == Some(owner_id);
    if !own {
        actor.may(Act::Manage)?;
    }
    let owner = owner_of(tx, owner_id).await?;
    if !actor.is_admin() {
        users_own(app, &owner, &new.permissions, new.group.as_deref(), &new.bindings, &new.rules)?;
    }
    allowance::more_keys(app, tx, actor, owner_id, together).await?;
    let name = field::name("name", &new.name, 100)?;
    field::text("description", &new.description, 500)?;
    check::limits(&new.limits)?;
    let mut rules = check::rules(&new.rules)?;
    // What an administrator hands to somebody else is theirs to change, not the owner's.
    rules.managed = !own;
    check::bindings(tx, &new.bindings).await?;
    field::document("extra", &new.extra, 65_536)?;
    if let Some(budget) = new.budget {
        check::budget(budget)?;
    }
    if let Some(group) = &new.group {
        field::name("group", group, 64)?;
    }
    let source = new.source.unwrap_or_else(|| actor.face.as_str().to_owned());
    field::name("source", &source, 64)?;
    let now = app.clock.now();
    let expiry = expiry_columns(new.expiry, now, true)?;
    let secret = new.prefix.secret();
    let row = NewApiKey {
        uid: id::uuid(),
        user_id: owner_id,
        name,
        description: new.description,
        digest: id::digest(&secret),
        prefix: new.prefix.as_str().to_owned(),
        hint: secret::hint(&secret),
        source,
        status: new.status,
        permissions: new.permissions,
        group_name: new.group,
        bindings: Doc(new.bindings),
        limits: Doc(new.limits),
        rules: Doc(rules),
        tags: Words::of(field::list("tags", &new.tags, 50, 64)?),
        budget: new.budget,
        expires_at: expiry.at,
        expiry_mode: expiry.mode,
        activate_ms: expiry.activate_ms,
        created_by: actor.name.clone(),
        extra: Doc(new.extra),
        created_at: now,
        updated_at: now,
    };
    let key = ApiKey::insert(tx, &row).await?;
    let target = Target { kind: "api_key", id: &key.id.to_string() };
    audit::record(app, tx, actor, "api_key.issue", target, (), shown(&key)).await?;
    Ok(IssuedKey { key, secret: Secret::new(secret) })
}

async fn owner_of(tx: &mut Tx, id: i64) -> Result<User> {
    let owner = User::find(tx, id).await?.filter(|u| u.deleted_at.is_none());
    let owner = owner.ok_or_else(|| Error::invalid("owner", "there is no such user"))?;
    if !owner.is_active() {
        return Err(Error::invalid("owner", "keys cannot be given to a user who is not active"));
    }
    Ok(owner)
}

/// What people may not give themselves: services and groups beyond the setting, accounts, prices.
fn users_own(
    app: &App,
    owner: &User,
    permissions: &Permissions,
    group: Option<&str>,
    bindings: &[Binding],
    rules: &KeyRules,
) -> Result<()> {
    let settings = setting::current(app);
    let most = Permissions::parse(settings.text(names::USER_KEY_PERMISSIONS)).unwrap_or_default();
    if !permissions.within(&most) {
        return Err(Error::forbidden(format!("your keys may call {} only", most.render())));
    }
    if let Some(group) = group.filter(|g| *g != owner.group_name && *g != "auto") {
        let usable: serde_json::Map<String, serde_json::Value> = settings.json(names::USER_USABLE_GROUPS);
        if !usable.contains_key(group) {
            return Err(Error::forbidden(format!("you may not use the group {group}")));
        }
    }
    if !bindings.is_empty() {
        return Err(Error::forbidden("only an administrator binds keys to accounts"));
    }
    if !rules.service_rates.is_empty() {
        return Err(Error::forbidden("only an administrator sets rates"));
    }
    Ok(())
}

struct ExpiryColumns {
    mode: ExpiryMode,
    at: Option<Time>,
    activate_ms: Option<i64>,
}

fn expiry_columns(expiry: Expiry, now: Time, fresh: bool) -> Result<ExpiryColumns> {
    match expiry {
        Expiry::Never => Ok(ExpiryColumns { mode: ExpiryMode::Fixed, at: None, activate_ms: None }),
        Expiry::At(at) if fresh && at <= now => Err(Error::invalid("expiresAt", "a new key cannot have ended already")),
        Expiry::At(at) => Ok(ExpiryColumns { mode: ExpiryMode::Fixed, at: Some(at), activate_ms: None }),
        Expiry::FromFirstUse(ms) => {
            field::within("activateMs", ms, MINUTE, 36_600 * crate::clock::DAY)?;
            Ok(ExpiryColumns { mode: ExpiryMode::Activation, at: None, activate_ms: Some(ms) })
        }
    }
}

/// Changes a key: its owner within limits, or an administrator.
pub async fn change(app: &App, actor: &Actor, key_id: i64, change: KeyChange) -> Result<ApiKey> {
    let mut tx = app.db.begin().await?;
    let after = change_in(app, &mut tx, actor, key_id, &change).await?;
    tx.commit().await?;
    announce(app, &after).await;
    Ok(after)
}

async fn change_in(app: &App, tx: &mut Tx, actor: &Actor, key_id: i64, change: &KeyChange) -> Result<ApiKey> {
    let before = living(tx, actor, key_id).await?;
    if change.expected_version.is_some_and(|v| v != before.version) {
        return Err(stale());
    }
    let own = actor.user_id == Some(before.user_id);
    let bindings = rebound(&before, change);
    let mut rules = check::rules(&change.rules.over(&before.rules))?;
    if !actor.is_admin() {
        owner_may(app, tx, &before, change).await?;
    } else if !own && beyond_naming(change) {
        rules.managed = true;
    }
    let limits = change.limits.over(&before.limits);
    check::limits(&limits)?;
    if bindings != before.bindings.0 {
        check::bindings(tx, &bindings).await?;
    }
    if let Some(owner) = change.owner.filter(|o| *o != before.user_id) {
        owner_of(tx, owner).await?;
    }
    if let Some(description) = &change.description {
        field::text("description", description, 500)?;
    }
    if let Some(Some(group)) = &change.group {
        field::name("group", group, 64)?;
    }
    let budget = match change.remaining {
        Some(left) => Some(left.map(|left| left.plus(before.spent))),
        None => change.budget,
    };
    if let Some(Some(budget)) = budget {
        check::budget(budget)?;
    }
    let mut extra = before.extra.0.clone();
    for (name, value) in &change.extra {
        if value.is_null() {
            extra.remove(name);
        } else {
            extra.insert(name.clone(), value.clone());
        }
    }
    field::document("extra", &extra, 65_536)?;
    let now = app.clock.now();
    let mut set = ApiKeyChange {
        user_id: change.owner,
        name: change.name.as_deref().map(|n| field::name("name", n, 100)).transpose()?,
        description: change.description.clone(),
        status: change.status,
        permissions: change.permissions.clone(),
        group_name: change.group.clone(),
        bindings: Some(Doc(bindings)),
        limits: Some(Doc(limits)),
        rules: Some(Doc(rules)),
        tags: change.tags.as_ref().map(|t| t.over(&before.tags)).transpose()?,
        budget,
        extra: Some(Doc(extra)),
        ..ApiKeyChange::default()
    };
    if let Some(expiry) = change.expiry {
        life::lay_expiry(&mut set, &before, expiry, now)?;
    }
    let after = ApiKey::update(tx, key_id, before.version, &set, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "api_key", id: &key_id.to_string() };
    audit::record(app, tx, actor, "api_key.change", target, shown(&before), shown(&after)).await?;
    Ok(after)
}

/// A key that was not deleted, for its owner or an administrator.
async fn living(tx: &mut Tx, actor: &Actor, key_id: i64) -> Result<ApiKey> {
    let key = ApiKey::find(tx, key_id).await?.filter(|k| k.deleted_at.is_none());
    let key = key.ok_or(Error::NotFound { what: "api key" })?;
    actor.owns_or_admin(key.user_id, "api key")?;
    Ok(key)
}

/// True when more than names and tags change.
fn beyond_naming(change: &KeyChange) -> bool {
    change.status.is_some()
        || change.owner.is_some()
        || change.permissions.is_some()
        || change.group.is_some()
        || change.bindings.is_some()
        || !change.rebind.is_empty()
        || !change.limits.is_empty()
        || !change.rules.is_empty()
        || change.budget.is_some()
        || change.remaining.is_some()
        || change.expiry.is_some()
}

async fn owner_may(app: &App, tx: &mut Tx, before: &ApiKey, change: &KeyChange) -> Result<()> {
    if before.rules.managed && beyond_naming(change) {
        return Err(Error::forbidden("an administrator manages this key; only its name and tags are yours to change"));
    }
    if change.owner.is_some_and(|o| o != before.user_id) {
        return Err(Error::forbidden("only an administrator gives a key to somebody else"));
    }
    let owner = owner_of(tx, before.user_id).await?;
    let permissions = change.permissions.as_ref().unwrap_or(&before.permissions);
    let group = change.group.as_ref().unwrap_or(&before.group_name);
    // What an administrator once gave stays; only what changes is held to the rules.
    let rules = change.rules.over(&KeyRules::default());
    let bindings = rebound(before, change);
    let fresh: &[Binding] = if bindings == before.bindings.0 { &[] } else { &bindings };
    if bindings != before.bindings.0 && fresh.is_empty() {
        return Err(Error::forbidden("only an administrator binds keys to accounts"));
    }
    let permissions = if change.permissions.is_some() { permissions } else { &Permissions::Only(Vec::new()) };
    let group = group.as_deref().filter(|_| change.group.is_some());
    users_own(app, &owner, permissions, group, fresh, &rules)
}

/// The bindings after a change.
fn rebound(before: &ApiKey, change: &KeyChange) -> Vec<Binding> {
    let mut bindings = change.bindings.clone().unwrap_or_else(|| before.bindings.0.clone());
    for (slot, to) in &change.rebind {
        bindings.retain(|b| b.slot != *slot);
        if let Some(to) = to {
            bindings.push(Binding { slot: *slot, to: *to });
        }
    }
    bindings
}

//! People: registering, making, changing and removing them, by one set of rules for every face.

mod check;
mod draft;
mod first;
mod invite;
mod read;
mod secret;

use crate::App;
use crate::actor::{Act, Actor, Role};
use crate::bus::Event;
use crate::clock::Time;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::id;
use crate::model::ledger::EntryKind;
use crate::model::session::Session;
use crate::model::user::{Identity, NewIdentity, NewUser, User, UserChange, UserStatus, fold};
use crate::money::Micros;
use crate::service::address;
use crate::service::audit::{self, Target};
use crate::service::field;
use crate::service::low_balance;
use crate::service::setting::{self, names};
use crate::service::wallet::{self, Moved, Movement};
use crate::value::Doc;

pub use check::{check_email, check_name, check_password};
pub use draft::{NewLink, NewPerson, PersonChange};
pub use first::{FirstAdmin, check_wish, ensure_first_admin};
pub use invite::{Invitations, invitations};
pub use read::{by_ids, count, get, get_by_uid, list, pages, several};
pub use secret::{change_own_password, new_access_token, new_access_token_once};

/// A view of a person for the audit log.
fn shown(user: &User) -> serde_json::Value {
    serde_json::json!({
        "username": user.username, "email": user.email, "displayName": user.display_name, "role": user.role,
        "status": user.status, "group": user.group_name, "remark": user.remark, "version": user.version,
    })
}

/// What registering is called in the audit log.
const REGISTER: &str = "user.register";

/// Somebody registers themselves.
pub async fn register(app: &App, actor: &Actor, person: NewPerson) -> Result<User> {
    let settings = setting::current(app);
    if !settings.bool(names::REGISTRATION_ENABLED) {
        return Err(Error::forbidden("registration is switched off"));
    }
    let bonus = Micros(settings.int(names::NEW_USER_BALANCE));
    let mut person = NewPerson { role: None, group: None, remark: None, balance: Some(bonus), ..person };
    // Who comes from a sign-in provider has the provider's word for the address.
    if person.identity.is_some() {
        return make(app, actor, person, REGISTER).await;
    }
    if !settings.bool(names::PASSWORD_REGISTRATION) {
        return Err(Error::forbidden("registration with a password is switched off; use a sign-in provider"));
    }
    let email = person.email.as_deref().filter(|e| !e.trim().is_empty()).map(check_email).transpose()?;
    if let Some(email) = &email {
        address::check_allowed(&settings, email)?;
    }
    if !settings.bool(names::EMAIL_VERIFICATION) {
        return make(app, actor, person, REGISTER).await;
    }
    let email =
        email.ok_or_else(|| Error::invalid("email", "an e-mail address and its verification code are needed"))?;
    let code = person.email_code.take().unwrap_or_default();
    address::check_code(app, &email, &code).await?;
    person.email_verified = true;
    let user = make(app, actor, person, REGISTER).await?;
    address::use_up_code(app, &email).await?;
    Ok(user)
}

/// An administrator makes a person, of a role below their own (a super admin of any).
pub async fn create(app: &App, actor: &Actor, person: NewPerson) -> Result<User> {
    actor.may(Act::ManagePeople)?;
    if let Some(role) = person.role {
        may_give(actor, role)?;
    }
    make(app, actor, person, "user.create").await
}

async fn make(app: &App, actor: &Actor, person: NewPerson, action: &str) -> Result<User> {
    let username = check_name(&person.username)?;
    let email = person.email.as_deref().filter(|e| !e.trim().is_empty()).map(check_email).transpose()?;
    let display_name = person.display_name.unwrap_or_else(|| username.clone());
    check::text("displayName", &display_name, 100)?;
    let group = person.group.unwrap_or_else(|| "default".into());
    check::word("group", &group, 64)?;
    let remark = person.remark.unwrap_or_default();
    check::text("remark", &remark, 500)?;
    let balance = person.balance.unwrap_or_default();
    if balance.0 < 0 || balance.0 > crate::money::MAX {
        return Err(Error::invalid("balance", "a new balance is zero or more, within reason"));
    }
    let password_hash = match &person.password {
        Some(password) => {
            check_password(password)?;
            Some(app.hasher.hash(password).await?)
        }
        None if person.identity.is_some() => None,
        None => return Err(Error::invalid("password", "a password is needed")),
    };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    refuse_doubles(&mut tx, Some(&username), email.as_deref(), None).await?;
    let inviter = match person.invited_by.as_deref().filter(|c| !c.is_empty()) {
        Some(code) => User::by_aff_code(&mut tx, code).await?.filter(|u| u.deleted_at.is_none()),
        None => None,
    };
    let new = NewUser {
        uid: id::uuid(),
        username_key: fold(&username),
        username,
        email_key: email.as_deref().map(fold),
        email,
        email_verified: person.email_verified,
        display_name,
        password_hash,
        role: person.role.unwrap_or(Role::User),
        status: UserStatus::Active,
        group_name: group,
        aff_code: id::code(id::CODE_ALPHABET, 8),
        inviter_id: inviter.as_ref().map(|u| u.id),
        remark,
        created_at: now,
        updated_at: now,
    };
    let user = User::insert(&mut tx, &new).await.map_err(doubled)?;
    if let Some(link) = &person.identity {
        link_in(&mut tx, user.id, link, user.email.as_deref(), now).await?;
    }
    let mut moved = Vec::new();
    if balance > Micros::ZERO {
        let kind = if action == "user.create" { EntryKind::Adjustment } else { EntryKind::Bonus };
        let movement = Movement {
            user_id: user.id,
            kind,
            amount: balance,
            reference: "",
            idem_key: None,
            note: "initial balance",
            may_overdraw: false,
        };
        moved.push(wallet::move_in(app, &mut tx, actor, movement).await?);
    }
    if let Some(inviter) = inviter.filter(|_| action == REGISTER) {
        moved.extend(invite::reward_in(app, &mut tx, actor, &inviter, user.id).await?);
    }
    let target = Target { kind: "user", id: &user.id.to_string() };
    audit::record(app, &mut tx, actor, action, target, (), shown(&user)).await?;
    tx.commit().await?;
    app.bus.publish(Event::UserChanged { id: user.id }).await;
    for moved in &moved {
        wallet::announce(app, moved).await;
    }
    let own = moved.iter().rev().find(|moved| moved.entry.user_id == user.id);
    Ok(User { balance: own.map_or(Micros::ZERO, |moved| moved.entry.balance_after), ..user })
}

/// Changes a person: oneself within limits, or anybody for those who manage people.
pub async fn change(app: &App, actor: &Actor, user_id: i64, change: PersonChange) -> Result<User> {
    let own = actor.signed_in()? == user_id;
    let manages = actor.may(Act::ManagePeople).is_ok();
    let beyond_own = change.role.is_some()
        || change.status.is_some()
        || change.group.is_some()
        || change.remark.is_some()
        || change.balance.is_some();
    if !manages && (!own || beyond_own) {
        return Err(if own { Error::forbidden("this needs the role admin") } else { Error::NotFound { what: "user" } });
    }
    if own && !manages && change.password.is_some() && change.current_password.is_none() {
        return Err(Error::invalid("password", "use the password change, which asks for the current one"));
    }
    let hash = match &change.password {
        Some(password) => {
            check_password(password)?;
            if let Some(current) = change.current_password.as_deref().filter(|_| own) {
                secret::prove(app, user_id, current).await?;
            }
            Some(app.hasher.hash(password).await?)
        }
        None => None,
    };
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    lock_roles(&mut tx, &change).await?;
    let before = living(&mut tx, user_id).await?;
    if !own {
        may_touch(actor, &before)?;
    }
    if change.expected_version.is_some_and(|v| v != before.version) {
        return Err(stale());
    }
    if let Some(role) = change.role.filter(|r| *r != before.role) {
        if own {
            return Err(Error::conflict("OWN_ROLE", "nobody changes their own role"));
        }
        may_give(actor, role)?;
    }
    if own && change.status.is_some_and(|s| s != UserStatus::Active) {
        return Err(Error::conflict("OWN_STATUS", "nobody suspends themselves"));
    }
    let mut set = changeset(&mut tx, &before, &change, hash).await?;
    if let Some(given) = change.prefs.clone() {
        field::document("preferences", &given, 65_536)?;
        set.prefs = Some(Doc(low_balance::kept(app, &before.prefs.0, given)?));
    }
    let ends_tokens = set.password_hash.is_some()
        || change.role.is_some_and(|r| r != before.role)
        || change.status.is_some_and(|s| s != before.status && s != UserStatus::Active);
    let after = User::update(&mut tx, user_id, before.version, &set, ends_tokens, now)
        .await
        .map_err(doubled)?
        .ok_or_else(stale)?;
    if ends_tokens {
        Session::revoke_user(&mut tx, user_id, now).await?;
    }
    keep_a_super_admin(&mut tx, &before, &after).await?;
    let moved = match change.balance.filter(|b| *b != before.balance) {
        Some(balance) => Some(set_balance(app, &mut tx, actor, user_id, balance).await?),
        None => None,
    };
    let target = Target { kind: "user", id: &user_id.to_string() };
    audit::record(app, &mut tx, actor, "user.change", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    app.bus.publish(Event::UserChanged { id: user_id }).await;
    if let Some(moved) = &moved {
        wallet::announce(app, moved).await;
        return Ok(User { balance: moved.entry.balance_after, ..after });
    }
    Ok(after)
}

async fn changeset(tx: &mut Tx, before: &User, change: &PersonChange, hash: Option<String>) -> Result<UserChange> {
    let mut set = UserChange { password_hash: hash.map(Some), ..UserChange::default() };
    if let Some(name) = &change.username {
        let name = check_name(name)?;
        refuse_doubles(tx, Some(&name), None, Some(before.id)).await?;
        set.username_key = Some(fold(&name));
        set.username = Some(name);
    }
    if let Some(email) = &change.email {
        let email = email.as_deref().filter(|e| !e.trim().is_empty()).map(check_email).transpose()?;
        refuse_doubles(tx, None, email.as_deref(), Some(before.id)).await?;
        set.email_verified = Some(before.email_verified && before.email == email);
        set.email_key = Some(email.as_deref().map(fold));
        set.email = Some(email);
    }
    for (field, value, most) in [
        ("displayName", &change.display_name, 100),
        ("avatar", &change.avatar, 2_000),
        ("bio", &change.bio, 2_000),
        ("remark", &change.remark, 500),
    ] {
        if let Some(value) = value {
            check::text(field, value, most)?;
        }
    }
    if let Some(group) = &change.group {
        check::word("group", group, 64)?;
    }
    set.display_name.clone_from(&change.display_name);
    set.avatar.clone_from(&change.avatar);
    set.bio.clone_from(&change.bio);
    set.remark.clone_from(&change.remark);
    set.group_name.clone_from(&change.group);
    set.role = change.role;
    set.status = change.status;
    Ok(set)
}

async fn set_balance(app: &App, tx: &mut Tx, actor: &Actor, user_id: i64, balance: Micros) -> Result<Moved> {
    if balance.0 < 0 || balance.0 > crate::money::MAX {
        return Err(Error::invalid("balance", "a balance cannot be set below zero"));
    }
    let (current, _) = User::lock_wallet(tx, user_id).await?.ok_or(Error::NotFound { what: "user" })?;
    let movement = Movement {
        user_id,
        kind: EntryKind::Adjustment,
        amount: balance.minus(current),
        reference: "",
        idem_key: None,
        note: "balance set",
        may_overdraw: true,
    };
    wallet::move_in(app, tx, actor, movement).await
}

/// Removes a person (oneself, or somebody below one's role). Their keys end with them; the ledger stays.
pub async fn delete(app: &App, actor: &Actor, user_id: i64) -> Result<()> {
    let own = actor.signed_in()? == user_id;
    if !own {
        actor.may(Act::ManagePeople)?;
    }
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    lock_roles(&mut tx, &PersonChange { status: Some(UserStatus::Inactive), ..PersonChange::default() }).await?;
    let before = living(&mut tx, user_id).await?;
    if !own {
        may_touch(actor, &before)?;
    }
    // The name and the address become free for others.
    let set = UserChange {
        username_key: Some(format!("{}#{user_id}", fold(&before.username))),
        email_key: Some(None),
        status: Some(UserStatus::Inactive),
        access_digest: Some(None),
        deleted_at: Some(Some(now)),
        ..UserChange::default()
    };
    let after = User::update(&mut tx, user_id, before.version, &set, true, now).await?.ok_or_else(stale)?;
    Session::revoke_user(&mut tx, user_id, now).await?;
    Identity::delete_of_user(&mut tx, user_id).await?;
    keep_a_super_admin(&mut tx, &before, &after).await?;
    let target = Target { kind: "user", id: &user_id.to_string() };
    audit::record(app, &mut tx, actor, "user.delete", target, shown(&before), ()).await?;
    tx.commit().await?;
    app.bus.publish(Event::UserChanged { id: user_id }).await;
    Ok(())
}

/// Links a sign-in by somebody else's word to a person, inside the caller's transaction.
pub async fn link_in(tx: &mut Tx, user_id: i64, link: &NewLink, email: Option<&str>, now: Time) -> Result<()> {
    let new = NewIdentity {
        user_id,
        provider: &link.provider,
        subject: &link.subject,
        email,
        name: &link.name,
        created_at: now,
    };
    Ok(Identity::insert(tx, &new).await?)
}

async fn living(tx: &mut Tx, user_id: i64) -> Result<User> {
    User::find(tx, user_id).await?.filter(|u| u.deleted_at.is_none()).ok_or(Error::NotFound { what: "user" })
}

/// Changes that can cost the last super admin their place are made one after another.
async fn lock_roles(tx: &mut Tx, change: &PersonChange) -> Result<()> {
    if change.role.is_some() || change.status.is_some() {
        crate::model::lock::take(tx, "roles").await?;
    }
    Ok(())
}

async fn keep_a_super_admin(tx: &mut Tx, before: &User, after: &User) -> Result<()> {
    let was = before.role == Role::SuperAdmin && before.is_active();
    let is = after.role == Role::SuperAdmin && after.is_active();
    if was && !is && User::count_active_with_role(tx, Role::SuperAdmin).await? == 0 {
        return Err(Error::conflict("LAST_ADMIN", "the last super admin cannot be removed, suspended or demoted"));
    }
    Ok(())
}

/// Nobody touches a person of their own rank or above, but a super admin.
fn may_touch(actor: &Actor, person: &User) -> Result<()> {
    if actor.is(Role::SuperAdmin) || actor.role.is_some_and(|r| r > person.role) {
        return Ok(());
    }
    Err(Error::forbidden("this person's role is not below yours"))
}

fn may_give(actor: &Actor, role: Role) -> Result<()> {
    if actor.is(Role::SuperAdmin) || actor.role.is_some_and(|r| r > role) {
        return Ok(());
    }
    Err(Error::forbidden("a role is given only by somebody above it"))
}

/// People sign in by either, so nobody's name is another's address, nor the other way round: whoever took it would
/// stand in the other's way.
async fn refuse_doubles(tx: &mut Tx, name: Option<&str>, email: Option<&str>, but: Option<i64>) -> Result<()> {
    let another = |found: Option<User>| found.is_some_and(|other| Some(other.id) != but);
    if let Some(name) = name
        && another(User::by_login(tx, name).await?)
    {
        return Err(Error::conflict("USERNAME_TAKEN", "this username is taken"));
    }
    if let Some(email) = email
        && (another(User::by_email(tx, email).await?) || another(User::by_login(tx, email).await?))
    {
        return Err(Error::conflict("EMAIL_TAKEN", "this e-mail address is registered already"));
    }
    Ok(())
}

/// The loser of a race learns the same as the late comer.
fn doubled(e: impl Into<Error>) -> Error {
    match e.into() {
        Error::Conflict { why, .. } if why.contains("email") => {
            Error::conflict("EMAIL_TAKEN", "this e-mail address is registered already")
        }
        Error::Conflict { why, .. } if why.contains("username") => {
            Error::conflict("USERNAME_TAKEN", "this username is taken")
        }
        other => other,
    }
}

fn stale() -> Error {
    Error::conflict("STALE_VERSION", "somebody changed this in the meantime; read it again")
}

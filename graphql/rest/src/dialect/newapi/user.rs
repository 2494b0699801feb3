//! People: oneself, and everybody for administrators.

mod list;

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use http::request::Parts;
use relay::edge::Origin;
use schema::model::user::{User, UserStatus};
use schema::service::report::{self, Dimension, Range, Sums};
use schema::service::user::{self as people, NewPerson, PersonChange};
use schema::service::{oauth_login, setting, wallet};
use schema::{Actor, App, Error, Micros, Role};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{self, role_number, status_number};
use super::preference;
use super::shape::Shape;
use super::{Body, Caller, Path, Reply, data, message, said};
use crate::dialect::bearer;
pub use list::{list, numbered};

/// How many calls of each of these people were served: this system counts what it took quota for, not what failed.
async fn served(app: &App, caller: &Actor, ids: &[i64]) -> Result<HashMap<i64, i64>, Error> {
    let sums = report::totals_of(app, caller, Dimension::User, ids, &[Range::default()]).await?;
    Ok(sums.into_iter().map(|(id, sums)| (id, sums.first().map_or(0, Sums::served))).collect())
}

/// A person as this system has them, so many of whose calls were served.
fn shown(user: &User, served: i64) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "password": "",
        "original_password": "",
        "display_name": user.display_name,
        "role": role_number(user.role),
        "status": status_number(user.status),
        "email": user.email.as_deref().unwrap_or(""),
        "github_id": "", "oidc_id": "", "wechat_id": "", "telegram_id": "", "linux_do_id": "",
        "verification_code": "",
        "quota": user.balance.quota(),
        "used_quota": user.spent.quota(),
        "request_count": served,
        "group": user.group_name,
        "aff_code": user.aff_code,
        "aff_count": 0, "aff_quota": 0, "aff_history_quota": 0,
        "inviter_id": user.inviter_id.unwrap_or(0),
        "setting": preference::told(&user.prefs.0).to_string(),
        "remark": user.remark,
        "created_at": user.created_at.seconds(),
        "last_login_at": user.last_login_at.map_or(0, |t| t.seconds()),
        "DeletedAt": user.deleted_at.map(|at| at.rfc3339()),
    })
}

/// One person, with who they are elsewhere and what their invitations brought.
async fn whole(app: &App, caller: &Caller, user: &User) -> Result<Value, Error> {
    let calls = served(app, caller, &[user.id]).await?;
    let mut row = shown(user, calls.get(&user.id).copied().unwrap_or(0));
    for identity in oauth_login::identities(app, caller, user.id).await? {
        let field = match identity.provider.as_str() {
            "github" => "github_id",
            "oidc" => "oidc_id",
            "wechat_account" => "wechat_id",
            "telegram" => "telegram_id",
            "linuxdo" => "linux_do_id",
            _ => continue,
        };
        row[field] = identity.subject.into();
    }
    let brought = people::invitations(app, caller, user.id).await?;
    row["aff_count"] = brought.people.into();
    row["aff_history_quota"] = brought.rewards.quota().into();
    Ok(row)
}

pub async fn get_self(State(app): State<App>, caller: Caller) -> Reply {
    let user = people::get(&app, &caller, caller.signed_in()?).await?;
    Ok(data(whole(&app, &caller, &user).await?))
}

#[derive(Deserialize)]
pub struct SelfForm {
    username: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    password: Option<String>,
    original_password: Option<String>,
}

pub async fn change_self(
    State(app): State<App>,
    caller: Caller,
    origin: Origin,
    parts: Parts,
    form: Body<SelfForm>,
) -> Reply {
    let form = form.0;
    let id = caller.signed_in()?;
    if let Some(password) = form.password.filter(|p| !p.is_empty()) {
        let current = form.original_password.unwrap_or_default();
        let name = form.username.as_deref();
        let user = match people::change_own_password(&app, &caller, &current, &password, name).await {
            Ok(user) => user,
            Err(Error::Invalid { field, .. }) if field == "currentPassword" => {
                return Err(Error::conflict("WRONG_PASSWORD", "原密码错误").into());
            }
            Err(e) => return Err(e.into()),
        };
        let done = message("用户信息更新成功");
        // Every other session has ended; a browser's own goes on under the new password.
        let by_cookie = bearer(&parts).is_none();
        return if by_cookie { auth::goes_on(&app, &caller, &origin, &user, done).await } else { Ok(done) };
    }
    let change = PersonChange {
        username: form.username.filter(|n| !n.is_empty()),
        display_name: form.display_name,
        email: form.email.map(Some),
        ..PersonChange::default()
    };
    people::change(&app, &caller, id, change).await?;
    Ok(message("用户信息更新成功"))
}

pub async fn delete_self(State(app): State<App>, caller: Caller) -> Reply {
    people::delete(&app, &caller, caller.signed_in()?).await?;
    Ok(message("用户删除成功"))
}

/// Groups and their ratios; the usual group is always there.
pub fn ratios(app: &App) -> BTreeMap<String, f64> {
    let mut groups = setting::current(app).json::<BTreeMap<String, f64>>(setting::names::GROUP_RATIOS);
    groups.entry("default".into()).or_insert(1.0);
    groups
}

/// Groups; an array as documented, a map with their ratios as deployed.
pub async fn groups(State(app): State<App>, shape: Shape) -> Reply {
    let groups = ratios(&app);
    Ok(match shape {
        Shape::Documented => data(groups.keys().collect::<Vec<_>>()),
        Shape::Deployed => data(described(&app, usable(&app))),
    })
}

/// Groups that people may choose for their keys, and the texts shown for them.
pub fn usable(app: &App) -> BTreeMap<String, String> {
    setting::current(app).json(setting::names::USER_USABLE_GROUPS)
}

fn described(app: &App, groups: BTreeMap<String, String>) -> Value {
    let ratios = ratios(app);
    let ratio = |name: &String| ratios.get(name).copied().unwrap_or(1.0);
    let told = groups.into_iter().map(|(name, text)| {
        let group = json!({ "ratio": ratio(&name), "desc": text });
        (name, group)
    });
    told.collect::<serde_json::Map<_, _>>().into()
}

/// The same for the signed-in, always as a map; their own group is always among them.
pub async fn self_groups(State(app): State<App>, caller: Caller) -> Reply {
    let own = people::get(&app, &caller, caller.signed_in()?).await?.group_name;
    let mut groups = usable(&app);
    groups.entry(own.clone()).or_insert(own);
    Ok(data(described(&app, groups)))
}

/// Every group's name, for administrators.
pub async fn group_names(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    Ok(data(ratios(&app).keys().collect::<Vec<_>>()))
}

fn role(number: i64) -> Result<Role, Error> {
    match number {
        1 => Ok(Role::User),
        10 => Ok(Role::Admin),
        100 => Ok(Role::SuperAdmin),
        _ => Err(Error::invalid("role", "role is 1, 10 or 100")),
    }
}

fn status(number: i64) -> Result<UserStatus, Error> {
    match number {
        1 => Ok(UserStatus::Active),
        2 => Ok(UserStatus::Suspended),
        _ => Err(Error::invalid("status", "status is 1 or 2")),
    }
}

fn quota(field: &str, quota: i64) -> Result<Micros, Error> {
    Micros::from_quota(quota).ok_or_else(|| Error::invalid(field, format!("{field} is beyond all sense")))
}

#[derive(Deserialize)]
pub struct NewUser {
    #[serde(default)]
    username: String,
    password: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    role: Option<i64>,
    quota: Option<i64>,
    group: Option<String>,
    remark: Option<String>,
}

pub async fn create(State(app): State<App>, caller: Caller, form: Body<NewUser>) -> Reply {
    let form = form.0;
    let person = NewPerson {
        username: form.username,
        password: form.password,
        email: form.email,
        display_name: form.display_name.filter(|n| !n.is_empty()),
        role: form.role.map(role).transpose()?,
        group: form.group.filter(|g| !g.is_empty()),
        balance: form.quota.map(|q| quota("quota", q)).transpose()?,
        remark: form.remark,
        ..NewPerson::default()
    };
    let user = people::create(&app, &caller, person).await?;
    Ok(said("用户创建成功", json!({ "id": user.id, "username": user.username })))
}

#[derive(Deserialize)]
pub struct Change {
    id: i64,
    username: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    password: Option<String>,
    role: Option<i64>,
    status: Option<i64>,
    quota: Option<i64>,
    group: Option<String>,
    remark: Option<String>,
}

impl Change {
    /// The deployed system's page leaves what was emptied out of its form. A body with all that the page never
    /// leaves out is the whole form, and what it lacks is empty.
    fn whole(mut self) -> Self {
        if self.username.is_some() && self.quota.is_some() {
            self.display_name = self.display_name.or(Some(String::new()));
            self.remark = self.remark.or(Some(String::new()));
        }
        self
    }
}

pub async fn change(State(app): State<App>, caller: Caller, shape: Shape, form: Body<Change>) -> Reply {
    caller.require(Role::Admin)?;
    let form = if shape == Shape::Deployed { form.0.whole() } else { form.0 };
    let change = PersonChange {
        username: form.username.filter(|n| !n.is_empty()),
        display_name: form.display_name,
        email: form.email.map(Some),
        password: form.password.filter(|p| !p.is_empty()),
        role: form.role.filter(|n| *n != 0).map(role).transpose()?,
        status: form.status.filter(|n| *n != 0).map(status).transpose()?,
        balance: form.quota.map(|q| quota("quota", q)).transpose()?,
        group: form.group.filter(|g| !g.is_empty()),
        remark: form.remark,
        ..PersonChange::default()
    };
    people::change(&app, &caller, form.id, change).await?;
    Ok(message("用户更新成功"))
}

pub async fn get(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    caller.require(Role::Admin)?;
    let user = people::get(&app, &caller, id.0).await?;
    Ok(data(whole(&app, &caller, &user).await?))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    caller.require(Role::Admin)?;
    people::delete(&app, &caller, id.0).await?;
    Ok(message("用户删除成功"))
}

#[derive(Deserialize)]
pub struct Manage {
    id: i64,
    action: String,
    value: Option<i64>,
    mode: Option<String>,
}

/// The switches of the deployed system's user page.
pub async fn manage(State(app): State<App>, caller: Caller, form: Body<Manage>) -> Reply {
    caller.require(Role::Admin)?;
    let form = form.0;
    let mut change = PersonChange::default();
    match form.action.as_str() {
        "enable" => change.status = Some(UserStatus::Active),
        "disable" => change.status = Some(UserStatus::Suspended),
        "promote" => change.role = Some(Role::Admin),
        "demote" => change.role = Some(Role::User),
        "delete" => {
            people::delete(&app, &caller, form.id).await?;
            return Ok(message(""));
        }
        "add_quota" => {
            let amount = quota("value", form.value.unwrap_or(0))?;
            match form.mode.as_deref().unwrap_or("add") {
                "subtract" => wallet::adjust(&app, &caller, form.id, Micros(-amount.0), "", None).await.map(Some)?,
                "override" => wallet::set_balance(&app, &caller, form.id, amount, "").await?,
                _ => wallet::adjust(&app, &caller, form.id, amount, "", None).await.map(Some)?,
            };
            return Ok(message(""));
        }
        _ => return Err(Error::invalid("action", "there is no such action").into()),
    }
    let user = people::change(&app, &caller, form.id, change).await?;
    Ok(data(json!({ "role": role_number(user.role), "status": status_number(user.status) })))
}

#[derive(Deserialize)]
pub struct TopUp {
    #[serde(default)]
    key: String,
}

/// Redeems a code; the answer is what it gave, in quota.
pub async fn top_up(State(app): State<App>, caller: Caller, form: Body<TopUp>) -> Reply {
    let done = schema::service::card::redeem(&app, &caller, &form.0.key).await?;
    Ok(data(done.amount.quota()))
}

/// The invitation code.
pub async fn aff(State(app): State<App>, caller: Caller) -> Reply {
    let user = people::get(&app, &caller, caller.signed_in()?).await?;
    Ok(data(user.aff_code))
}

#[derive(Deserialize)]
pub struct Transfer {
    #[serde(default)]
    quota: i64,
}

/// What invitations bring is in the balance at once, so there is never anything to move.
pub async fn aff_transfer(caller: Caller, form: Body<Transfer>) -> Reply {
    caller.signed_in()?;
    let why = format!("邀请额度不足：可转 0，请求 {}", form.0.quota);
    Err(Error::conflict("NO_REWARDS", why).into())
}

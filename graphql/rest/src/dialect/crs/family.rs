//! The account families: the same verbs over one table of accounts, told apart by a row each.

pub mod checks;
mod cron;
mod form;
pub mod health;
pub mod login;
pub mod row;

use axum::extract::State;
use schema::model::account::{Account, AccountFilter, AccountKind, AccountOrder};
use schema::page::{Direction, Window};
use schema::service::{account, account_group};
use schema::{Actor, App, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::form::{Told, told};
use super::{Admin, Body, Path, Query, Reply, data, flat, message};

/// What sets a family apart.
pub struct Family {
    pub kind: AccountKind,
    /// Its word for the platform.
    pub platform: &'static str,
    /// How its messages name it.
    pub label: &'static str,
    /// The field that holds its address; families that sign in have the vendor's when it is empty.
    pub address: &'static str,
    /// Fields without which none is made, and what is said then.
    pub needs: (&'static [&'static str], &'static str),
}

pub const CLAUDE: usize = 0;
pub const CONSOLE: usize = 1;
pub const CCR: usize = 2;
pub const BEDROCK: usize = 3;
pub const GEMINI: usize = 4;
pub const OPENAI: usize = 5;
pub const AZURE: usize = 6;
pub const RESPONSES: usize = 7;
pub const GEMINI_API: usize = 8;

const fn family(
    kind: AccountKind,
    platform: &'static str,
    label: &'static str,
    address: &'static str,
    needs: (&'static [&'static str], &'static str),
) -> Family {
    Family { kind, platform, label, address, needs }
}

/// All families, in the order of the numbers above.
pub const FAMILIES: [Family; 9] = [
    family(AccountKind::ClaudeOauth, "claude", "Claude", "baseUrl", (&["name"], "Name is required")),
    family(
        AccountKind::ClaudeConsole,
        "claude-console",
        "Claude Console",
        "apiUrl",
        (&["name", "apiUrl", "apiKey"], "Name, API URL and API Key are required"),
    ),
    family(
        AccountKind::Ccr,
        "ccr",
        "CCR",
        "apiUrl",
        (&["name", "apiUrl", "apiKey"], "Name, API URL and API Key are required"),
    ),
    family(AccountKind::Bedrock, "bedrock", "Bedrock", "baseUrl", (&["name"], "Name is required")),
    family(AccountKind::GeminiOauth, "gemini", "Gemini", "baseUrl", (&["name"], "Account name is required")),
    family(AccountKind::OpenaiOauth, "openai", "OpenAI", "baseUrl", (&["name"], "账户名称不能为空")),
    family(
        AccountKind::AzureOpenai,
        "azure_openai",
        "Azure OpenAI",
        "azureEndpoint",
        (
            &["name", "azureEndpoint", "deploymentName", "apiKey"],
            "Name, Azure endpoint, deployment name and API key are required",
        ),
    ),
    family(
        AccountKind::OpenaiResponses,
        "openai-responses",
        "OpenAI-Responses",
        "baseApi",
        (&["name", "baseApi", "apiKey"], "Name, API base and API key are required"),
    ),
    family(
        AccountKind::GeminiKey,
        "gemini-api",
        "Gemini API",
        "baseUrl",
        (&["name", "apiKey"], "Name and API Key are required"),
    ),
];

/// The family of a kind of account; Claude's for kinds this system does not know.
pub fn of_kind(kind: AccountKind) -> &'static Family {
    let kind = match kind {
        AccountKind::Vertex => AccountKind::GeminiKey,
        AccountKind::OpenaiKey | AccountKind::OpenaiCompatible => AccountKind::OpenaiResponses,
        kind => kind,
    };
    FAMILIES.iter().find(|f| f.kind == kind).unwrap_or(&FAMILIES[CLAUDE])
}

/// How a list is narrowed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listing {
    group_id: Option<String>,
}

/// Every account of a family.
pub async fn all(app: &App, actor: &Actor, filter: AccountFilter) -> Result<Vec<Account>, Error> {
    let order = (AccountOrder::CreatedAt, Direction::Desc);
    Ok(account::pages(app, actor, &filter, order, Window { limit: 100_000, offset: 0 }).await?.rows)
}

/// The account of a family under a public id.
pub async fn found<const F: usize>(app: &App, actor: &Actor, uid: &str) -> Result<Account, Error> {
    match account::get_by_uid(app, actor, uid).await {
        Ok(account) if account.kind == FAMILIES[F].kind => Ok(account),
        Ok(_) | Err(Error::NotFound { .. }) => Err(Error::NotFound { what: "Account" }),
        Err(e) => Err(e),
    }
}

pub async fn list<const F: usize>(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let account_group = match query.0.group_id.as_deref() {
        None | Some("" | "all") => None,
        Some("ungrouped") => Some(None),
        Some(uid) => Some(Some(account_group::get_by_uid(&app, &admin, uid).await?.id)),
    };
    let filter = AccountFilter { kinds: vec![FAMILIES[F].kind], account_group, ..AccountFilter::default() };
    let accounts = all(&app, &admin, filter).await?;
    Ok(data(row::rows(&app, &admin, &accounts).await?))
}

pub async fn create<const F: usize>(State(app): State<App>, admin: Admin, form: Body<Told<told::Account>>) -> Reply {
    let draft = form::draft(&app, &admin, &FAMILIES[F], &form.0).await?;
    let account = account::add(&app, &admin, draft).await?;
    let shown = one(&app, &admin, account).await?;
    Ok(flat(json!({ "data": shown, "message": format!("{} account created successfully", FAMILIES[F].label) })))
}

/// One account as lists show it.
pub async fn one(app: &App, actor: &Actor, account: Account) -> Result<Value, Error> {
    Ok(row::rows(app, actor, &[account]).await?.pop().map_or(Value::Null, Value::Object))
}

pub async fn update<const F: usize>(
    State(app): State<App>,
    admin: Admin,
    uid: Path<String>,
    form: Body<Told<told::Account>>,
) -> Reply {
    let before = found::<F>(&app, &admin, &uid.0).await?;
    let change = form::change(&app, &admin, &FAMILIES[F], &before, &form.0).await?;
    let account = account::change(&app, &admin, before.id, change).await?;
    let shown = one(&app, &admin, account).await?;
    Ok(flat(json!({ "message": format!("{} account updated successfully", FAMILIES[F].label), "data": shown })))
}

pub async fn delete<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let unbound = account::delete(&app, &admin, account.id).await?;
    let mut text = format!("{}账号已成功删除", FAMILIES[F].label);
    if unbound > 0 {
        text.push_str(&format!("，{unbound} 个 API Key 已切换为共享池模式"));
    }
    Ok(flat(json!({ "message": text, "unboundKeys": unbound })))
}

pub async fn toggle<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let account = account::toggle(&app, &admin, account.id).await?;
    let text = if account.enabled { "已启用账户" } else { "已禁用账户" };
    let enabled = account.enabled;
    let shown = one(&app, &admin, account).await?;
    Ok(flat(json!({ "isActive": enabled, "message": text, "data": { "account": shown, "enabled": enabled } })))
}

pub async fn toggle_schedulable<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let account = account::toggle_schedulable(&app, &admin, account.id).await?;
    let text = if account.schedulable { "已启用调度" } else { "已禁用调度" };
    Ok(flat(json!({ "schedulable": account.schedulable, "message": text })))
}

pub async fn reset_status<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let account = account::reset_status(&app, &admin, account.id).await?;
    let id = account.uid.clone();
    let shown = one(&app, &admin, account).await?;
    let text = "Account status reset successfully";
    Ok(flat(json!({
        "message": text,
        "data": { "success": true, "accountId": id, "message": text, "account": shown },
    })))
}

pub async fn usage<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let quota = row::quota(&app, &admin, &account).await?;
    let mut answer = quota.clone();
    answer["data"] = quota;
    Ok(flat(answer))
}

pub async fn reset_usage<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    account::reset_usage(&app, &admin, account.id).await?;
    Ok(message("Daily usage reset successfully"))
}

pub async fn reset_all_usage<const F: usize>(State(app): State<App>, admin: Admin) -> Reply {
    account::reset_all_usage(&app, &admin, &[FAMILIES[F].kind]).await?;
    Ok(message("All daily usage reset successfully"))
}

/// The lists of families this product has no accounts of.
pub async fn none(_: Admin) -> Reply {
    Ok(data(Vec::<Value>::new()))
}

const NO_DROID: &str = "accounts of Factory Droid are not served here; add one of the other platforms";

/// Making an account of a platform that is not served.
pub async fn not_made(_: Admin, form: Body<Told<told::Account>>) -> Reply {
    form.0.required("name", "Name is required")?;
    Err(Error::forbidden(NO_DROID).into())
}

/// Changing one, which cannot be there.
pub async fn not_changed(_: Admin, _: Path<String>, _: Body<Told<told::Account>>) -> Reply {
    Err(Error::NotFound { what: "Droid account" }.into())
}

/// Removing one.
pub async fn not_removed(_: Admin, _: Path<String>) -> Reply {
    Err(Error::NotFound { what: "Droid account" }.into())
}

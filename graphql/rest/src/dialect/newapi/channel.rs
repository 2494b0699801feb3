//! Channels: upstream accounts in this system's words.

mod extra;
mod kinds;
mod list;
pub mod many;
pub mod test;

use axum::extract::State;
use schema::model::account::{Account, AccountKind, AccountOptions, Health};
use schema::service::account::{self, AccountChange, AccountDraft, Credentials};
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Body, Caller, Path, Reply, data, message, said, words};
pub use list::list;

/// newapi's priority 0 is the middle of ours; higher goes first in both.
const MIDDLE: i64 = 50;

/// This system's number of what an account does: 1 serves, 2 was switched off, 3 was taken out by its failures.
pub fn status(account: &Account) -> i64 {
    match (account.enabled, account.health) {
        (false, _) => 2,
        (true, Health::Blocked | Health::Expired) => 3,
        (true, _) => 1,
    }
}

/// An account as this system has it, but for its `setting`; its key is never shown.
fn shown(account: &Account) -> Value {
    let options = &account.options.0;
    let info = &account.info.0;
    let number = |name: &str| info.get(name).and_then(Value::as_i64).unwrap_or(0);
    let document =
        |map: &Map<String, Value>| if map.is_empty() { String::new() } else { Value::Object(map.clone()).to_string() };
    let mapping: Map<String, Value> = options.mapping.iter().map(|(k, v)| (k.clone(), v.clone().into())).collect();
    // Text on both sides, as this system's forms write it.
    let statuses: Map<String, Value> =
        options.status_mapping.iter().map(|(from, to)| (from.to_string(), to.to_string().into())).collect();
    let other_info = if account.health_note.is_empty() {
        String::new()
    } else {
        let reason = words::chinese(&account.health_note);
        json!({ "status_reason": reason, "status_time": account.updated_at.seconds() }).to_string()
    };
    let groups = if account.groups.0.is_empty() { "default".to_owned() } else { account.groups.0.join(",") };
    json!({
        "id": account.id,
        "type": options.channel_type.unwrap_or_else(|| kinds::number(account.kind)),
        "key": "",
        "openai_organization": options.organization,
        "test_model": options.test_model,
        "status": status(account),
        "name": account.name,
        "weight": account.weight,
        "created_time": account.created_at.seconds(),
        "test_time": number("test_time"),
        "response_time": number("response_time"),
        "base_url": account.base_url.as_deref().unwrap_or(""),
        "other": options.api_version.as_deref().or(options.region.as_deref()).unwrap_or(""),
        "balance": info.get("balance").and_then(Value::as_f64).unwrap_or(0.0),
        "balance_updated_time": number("balance_updated_time"),
        "models": account.models.0.join(","),
        "group": groups,
        "used_quota": account.spent.quota(),
        "model_mapping": document(&mapping),
        "status_code_mapping": document(&statuses),
        "priority": account.priority - MIDDLE,
        "auto_ban": i64::from(!options.protection_off),
        "other_info": other_info,
        "tag": account.tag,
        "setting": null,
        "param_override": document(&options.body_overrides),
        "header_override": if options.headers.is_empty() { String::new() } else { json!(options.headers).to_string() },
        "remark": account.description,
        "channel_info": { "is_multi_key": false, "multi_key_size": 0, "multi_key_polling_index": 0, "multi_key_mode": "" },
    })
}

/// Channel types, and the catalogue's providers whose models each serves.
pub fn types() -> impl Iterator<Item = (i64, Vec<&'static str>)> {
    kinds::types()
}

pub async fn get(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    let channel = account::get(&app, &caller, id.0).await?;
    Ok(data(whole(&app, &caller, &channel)?))
}

/// A channel with its `setting`.
fn whole(app: &App, caller: &Caller, channel: &Account) -> Result<Value, Error> {
    let mut row = shown(channel);
    row["setting"] = extra::told(app, caller, channel)?.into();
    Ok(row)
}

/// A channel as it is sent, at the top or, in the later form of the request that makes one, inside `channel`.
#[derive(Clone, Default, Deserialize)]
pub struct Form {
    /// `single`, `batch` (a channel a line of the key) or `multi_to_single`; absent in the older form.
    mode: Option<String>,
    channel: Option<Box<Form>>,
    id: Option<i64>,
    #[serde(rename = "type")]
    kind: Option<i64>,
    key: Option<String>,
    name: Option<String>,
    base_url: Option<String>,
    models: Option<String>,
    group: Option<String>,
    status: Option<i64>,
    priority: Option<i64>,
    weight: Option<i64>,
    tag: Option<String>,
    other: Option<String>,
    test_model: Option<String>,
    openai_organization: Option<String>,
    model_mapping: Option<String>,
    status_code_mapping: Option<String>,
    param_override: Option<String>,
    header_override: Option<String>,
    setting: Option<String>,
    auto_ban: Option<i64>,
    remark: Option<String>,
}

fn split(line: &str) -> Vec<String> {
    line.split(',').map(str::trim).filter(|m| !m.is_empty()).map(str::to_owned).collect()
}

/// A document that this system carries as text.
fn document<T: serde::de::DeserializeOwned + Default>(field: &str, text: &str) -> Result<T, Error> {
    if text.trim().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(text).map_err(|_| Error::invalid(field, format!("{field} 不是合法的 JSON")))
}

impl Form {
    /// The options this form names, laid over those there are.
    fn options(&self, mut options: AccountOptions) -> Result<AccountOptions, Error> {
        if let Some(text) = &self.model_mapping {
            options.mapping = document("model_mapping", text)?;
        }
        if let Some(text) = &self.status_code_mapping {
            let map: std::collections::BTreeMap<String, Value> = document("status_code_mapping", text)?;
            let number = |v: &str| {
                v.trim().parse::<u16>().map_err(|_| Error::invalid("status_code_mapping", "状态码必须为数字"))
            };
            options.status_mapping = map
                .iter()
                .map(|(from, to)| Ok((number(from)?, number(to.to_string().trim_matches('"'))?)))
                .collect::<Result<_, Error>>()?;
        }
        if let Some(text) = &self.param_override {
            options.body_overrides = document("param_override", text)?;
        }
        if let Some(text) = &self.header_override {
            options.headers = document("header_override", text)?;
        }
        let word = |text: &String| Some(text.clone()).filter(|t| !t.is_empty());
        if let Some(text) = &self.test_model {
            options.test_model = word(text);
        }
        if let Some(text) = &self.openai_organization {
            options.organization = word(text);
        }
        if let Some(on) = self.auto_ban {
            options.protection_off = on == 0;
        }
        if let Some(kind) = self.kind {
            options.channel_type = Some(kind);
            options.vendor = kinds::vendor(kind).map(str::to_owned);
        }
        if let Some(text) = &self.setting {
            extra::keep(text, &mut options)?;
        }
        if let Some(text) = &self.other {
            let number = self.kind.or(options.channel_type).unwrap_or(0);
            match kinds::kind(number) {
                AccountKind::AzureOpenai => options.api_version = word(text),
                AccountKind::Vertex | AccountKind::Bedrock => options.region = word(text),
                _ => {}
            }
        }
        Ok(options)
    }
}

pub async fn create(State(app): State<App>, caller: Caller, form: Body<Form>) -> Reply {
    let mut form = form.0;
    let mode = form.mode.take();
    if let Some(inner) = form.channel.take() {
        form = *inner;
    }
    let number = form.kind.ok_or_else(|| Error::invalid("type", "type 不能为空"))?;
    let kind = kinds::kind(number);
    let key = form.key.clone().unwrap_or_default();
    if key.trim().is_empty() {
        return Err(Error::invalid("key", "key 不能为空").into());
    }
    // A service account's JSON has lines of its own.
    let lines: Vec<&str> = if key.trim_start().starts_with('{') {
        vec![key.as_str()]
    } else {
        key.lines().map(str::trim).filter(|l| !l.is_empty()).collect()
    };
    let many = lines.len() > 1 && mode.as_deref() != Some("multi_to_single");
    let groups: Vec<Vec<&str>> = if many { lines.iter().map(|l| vec![*l]).collect() } else { vec![lines] };
    let name = form.name.clone().unwrap_or_default();
    // The page copies a channel with its covered setting, and sends the other one's id for the key.
    let copied = match key.trim().parse::<i64>() {
        Ok(id) => account::get(&app, &caller, id).await.ok(),
        Err(_) => None,
    };
    let before = match &copied {
        Some(channel) => account::open(&app, channel)?.proxy,
        None => None,
    };
    let proxy = form.setting.as_deref().map_or(Ok(None), |text| extra::proxy(text, before.as_ref()))?;
    let mut made = Vec::with_capacity(groups.len());
    for (index, keys) in groups.iter().enumerate() {
        let (credentials, region) = kinds::credentials(kind, keys)?;
        let mut options = form.options(AccountOptions::default())?;
        if region.is_some() {
            options.region = region;
        }
        let draft_name = if index == 0 { name.clone() } else { format!("{name}_{}", index + 1) };
        let draft = AccountDraft {
            description: form.remark.clone().unwrap_or_default(),
            base_url: form.base_url.clone().filter(|u| !u.is_empty()).or_else(|| kinds::base_url(number)),
            models: form.models.as_deref().map(split).unwrap_or_default(),
            groups: form.group.as_deref().map(split).unwrap_or_default(),
            priority: form.priority.unwrap_or(0).saturating_add(MIDDLE),
            // This system's pages begin with 0, and so does a channel of which nothing is said.
            weight: form.weight.unwrap_or(0),
            tag: form.tag.clone().unwrap_or_default(),
            enabled: form.status.unwrap_or(1) == 1,
            proxy: proxy.clone(),
            options,
            ..AccountDraft::new(kind, draft_name, credentials)
        };
        made.push(account::add(&app, &caller, draft).await?);
    }
    let first = made.first().map(|a| json!({ "id": a.id, "name": a.name, "type": number }));
    Ok(said("渠道添加成功", first))
}

pub async fn change(State(app): State<App>, caller: Caller, form: Body<Form>) -> Reply {
    let form = form.0;
    let id = form.id.ok_or_else(|| Error::invalid("id", "id 不能为空"))?;
    let old = account::get(&app, &caller, id).await?;
    let kind = form.kind.map(kinds::kind);
    let keys: Vec<&str> = form.key.as_deref().unwrap_or("").lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let credentials: Option<Credentials> = match keys.is_empty() {
        true => None,
        false => Some(kinds::credentials(kind.unwrap_or(old.kind), &keys)?.0),
    };
    let proxy = match &form.setting {
        None => None,
        Some(text) => Some(extra::proxy(text, account::open(&app, &old)?.proxy.as_ref())?),
    };
    let change = AccountChange {
        kind: kind.filter(|k| *k != old.kind),
        name: form.name.clone(),
        description: form.remark.clone(),
        base_url: form.base_url.clone().map(|u| {
            Some(u)
                .filter(|u| !u.is_empty())
                .or_else(|| kinds::base_url(form.kind.or(old.options.channel_type).unwrap_or(0)))
        }),
        credentials,
        models: form.models.as_deref().map(split),
        groups: form.group.as_deref().map(split),
        priority: form.priority.map(|p| p.saturating_add(MIDDLE)),
        weight: form.weight,
        tag: form.tag.clone(),
        // 3 is what failures made of it, and 0 is nothing; neither is anybody's wish.
        enabled: form.status.filter(|s| matches!(s, 1 | 2)).map(|s| s == 1),
        proxy,
        options: Some(form.options(old.options.0.clone())?),
        ..AccountChange::default()
    };
    let changed = account::change(&app, &caller, id, change).await?;
    Ok(said("渠道更新成功", whole(&app, &caller, &changed)?))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    account::delete(&app, &caller, id.0).await?;
    Ok(message("渠道删除成功"))
}

//! Options: settings under this system's names.

use std::collections::BTreeMap;

use axum::extract::State;
use schema::service::setting::{self, names};
use schema::{App, Error};
use serde_json::{Map, Value, json};

use super::shape::Shape;
use super::{Body, Caller, Reply, data, message};

/// (documented name, deployed name, setting).
const NAMES: &[(&str, &str, &str)] = &[
    ("system_name", "SystemName", names::SITE_NAME),
    ("logo", "Logo", names::SITE_LOGO),
    ("footer", "Footer", names::FOOTER),
    ("top_up_link", "TopUpLink", names::TOP_UP_LINK),
    ("chat_link", "ChatLink", names::CHAT_LINK),
    ("notice", "Notice", names::NOTICE),
    ("about", "About", names::ABOUT),
    ("home_page_content", "HomePageContent", names::HOME_PAGE),
    ("register_enabled", "RegisterEnabled", names::REGISTRATION_ENABLED),
    ("group_ratio", "GroupRatio", names::GROUP_RATIOS),
    ("user_usable_groups", "UserUsableGroups", names::USER_USABLE_GROUPS),
];

/// The setting behind a name of either kind; a setting's own name is understood as well.
fn setting_of(name: &str) -> Result<&'static str, Error> {
    let alias = NAMES.iter().find(|(documented, deployed, _)| *documented == name || *deployed == name);
    match alias {
        Some((_, _, setting)) => Ok(setting),
        None => setting::definition(name)
            .map(|d| d.name)
            .ok_or_else(|| Error::invalid(name, format!("没有名为 {name} 的选项"))),
    }
}

pub async fn list(State(app): State<App>, caller: Caller, shape: Shape) -> Reply {
    let shown = setting::list(&app, &caller, None)?;
    let value = |name: &str| shown.iter().find(|s| s.definition.name == name).map_or("", |s| s.value.as_str());
    Ok(match shape {
        Shape::Documented => {
            let mut map: Map<String, Value> = shown
                .iter()
                .filter(|s| !s.definition.secret)
                .map(|s| (s.definition.name.to_owned(), s.value.clone().into()))
                .collect();
            for (documented, _, setting) in NAMES {
                map.insert((*documented).to_owned(), value(setting).into());
            }
            data(map)
        }
        Shape::Deployed => {
            let aliased =
                NAMES.iter().map(|(_, deployed, setting)| json!({ "key": deployed, "value": value(setting) }));
            let own = shown
                .iter()
                .filter(|s| !s.definition.secret)
                .map(|s| json!({ "key": s.definition.name, "value": s.value }));
            let unit = json!({ "key": "QuotaPerUnit", "value": schema::money::QUOTA_PER_DOLLAR.to_string() });
            data(aliased.chain(own).chain([unit]).collect::<Vec<_>>())
        }
    })
}

/// One `{key, value}`, or a map of many; all of them or none.
pub async fn change(State(app): State<App>, caller: Caller, form: Body<Map<String, Value>>) -> Reply {
    let form = form.0;
    let one = form.len() == 2 && form.contains_key("key") && form.contains_key("value");
    let pairs: Vec<(String, Value)> = if one {
        let key = form["key"].as_str().ok_or_else(|| Error::invalid("key", "key 必须为字符串"))?;
        vec![(key.to_owned(), form["value"].clone())]
    } else {
        form.into_iter().collect()
    };
    caller.may(schema::Act::Configure)?;
    let mut changes = BTreeMap::new();
    for (name, value) in pairs {
        let text = match value {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        changes.insert(setting_of(&name)?.to_owned(), text);
    }
    setting::put(&app, &caller, &changes).await?;
    Ok(message("系统选项更新成功"))
}

//! Options: settings under this system's names, in this system's units.

mod name;

use std::collections::BTreeMap;

use axum::extract::State;
use schema::service::setting;
use schema::{App, Error};
use serde_json::{Map, Value, json};

use self::name::{Behind, NAMES, behind, fixed};
use super::shape::Shape;
use super::{Body, Caller, Reply, data, message};

pub async fn list(State(app): State<App>, caller: Caller, shape: Shape) -> Reply {
    let shown = setting::list(&app, &caller, None)?;
    let open = || shown.iter().filter(|s| !s.definition.secret);
    let value = |name: &str| open().find(|s| s.definition.name == name).map(|s| s.value.as_str());
    Ok(match shape {
        Shape::Documented => {
            let mut map: Map<String, Value> =
                open().map(|s| (s.definition.name.to_owned(), s.value.clone().into())).collect();
            for alias in NAMES.iter().filter(|alias| !alias.documented.is_empty()) {
                map.insert(alias.documented.to_owned(), value(alias.setting).unwrap_or_default().into());
            }
            data(map)
        }
        Shape::Deployed => {
            let named = NAMES.iter().filter_map(|alias| {
                let value = alias.unit.told(value(alias.setting)?);
                Some(json!({ "key": alias.deployed, "value": value }))
            });
            let own = open().map(|s| json!({ "key": s.definition.name, "value": s.value }));
            let fixed = fixed(&app).into_iter().map(|(key, value)| json!({ "key": key, "value": value }));
            data(named.chain(own).chain(fixed).collect::<Vec<_>>())
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
        match behind(&app, &name)? {
            Behind::Setting(setting, unit) => {
                let text = text.map(|text| unit.read(&name, &text)).transpose()?;
                changes.insert(setting.to_owned(), text);
            }
            // Pages send whole sections; what says what already is so changes nothing.
            Behind::Fixed(value) if text.as_deref() == Some(value.as_str()) => {}
            Behind::Fixed(_) => {
                return Err(Error::invalid(name.as_str(), format!("{name} 由系统决定，不能修改")).into());
            }
        }
    }
    setting::put(&app, &caller, &changes).await?;
    Ok(message("系统选项更新成功"))
}

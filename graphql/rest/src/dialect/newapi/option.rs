//! Options: settings under this system's names, in this system's units.

mod fixed;
mod heard;
mod name;
mod switch;

use std::collections::BTreeMap;

use axum::extract::State;
use schema::service::catalog::table::{Tables, put_tables};
use schema::service::setting;
use schema::{App, Error};
use serde_json::{Map, Value, json};

use self::name::{Behind, NAMES, Unit, behind};
use super::price;
use super::shape::{self, Shape};
use super::{Body, Caller, Newapi, Reply, data, message};
use crate::dialect::Dialect;

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
                let value = match (value(alias.setting)?, alias.unit) {
                    (value, Unit::Switch) => switch::told(&app, alias.deployed, value),
                    (value, unit) => unit.told(value),
                };
                Some(json!({ "key": alias.deployed, "value": value }))
            });
            let own = open().map(|s| json!({ "key": s.definition.name, "value": s.value }));
            let prices = price::options(&app).map(|(key, value)| json!({ "key": key, "value": value }));
            let fixed = fixed::all(&app).map(|fixed| json!({ "key": fixed.key, "value": fixed.value }));
            data(named.chain(own).chain(prices).chain(fixed).collect::<Vec<_>>())
        }
    })
}

/// One `{key, value}`, or a map of many; all of them or none.
pub async fn change(State(app): State<App>, caller: Caller, form: Body<Map<String, Value>>) -> Reply {
    let form = form.0;
    let option = form.get("key").and_then(Value::as_str).unwrap_or_default().to_owned();
    match put(&app, &caller, form).await {
        Ok(()) => Ok(message("系统选项更新成功")),
        Err(error @ (Error::Invalid { .. } | Error::Conflict { .. }))
            if !option.is_empty() && !heard::in_body(&option) =>
        {
            Ok(shape::aloud(Newapi::refuse(&error)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn put(app: &App, caller: &Caller, form: Map<String, Value>) -> Result<(), Error> {
    // The pages leave out a value that is empty; no option's name is `key`.
    let one = form.contains_key("key") && (form.len() == 1 || (form.len() == 2 && form.contains_key("value")));
    let pairs: Vec<(String, Value)> = if one {
        let key = form["key"].as_str().ok_or_else(|| Error::invalid("key", "key 必须为字符串"))?;
        vec![(key.to_owned(), form.get("value").cloned().unwrap_or(Value::Null))]
    } else {
        form.into_iter().collect()
    };
    caller.may(schema::Act::Configure)?;
    let settings = setting::current(app);
    let (mut changes, mut prices, mut switched) = (BTreeMap::new(), Tables::default(), Vec::new());
    for (name, value) in pairs {
        let text = match value {
            Value::String(text) => Some(text),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        match behind(app, &name)? {
            // Off may be meant to last until it is set up, so it is kept also where it is shown off for now.
            Behind::Setting(setting, Unit::Switch) => {
                changes.insert(setting.to_owned(), text.clone());
                if text.as_deref().is_some_and(switch::is_on) {
                    switched.push(name);
                }
            }
            // Pages send whole sections; what says what already is so changes nothing.
            Behind::Setting(setting, unit)
                if unit != Unit::Same && text.as_deref() == Some(unit.told(settings.text(setting)).as_str()) => {}
            Behind::Setting(setting, unit) => {
                let text = text.map(|text| unit.read(&name, &text)).transpose()?;
                changes.insert(setting.to_owned(), text);
            }
            Behind::Prices => {
                let text = text.ok_or_else(|| Error::invalid(name.as_str(), format!("{name} 不能为空")))?;
                price::lay(&mut prices, &name, &text)?;
            }
            Behind::Fixed(value, _) if text.as_deref().unwrap_or_default() == value => {}
            Behind::Fixed(value, why) => {
                let sentence = format!("{name} 不能修改（当前为 {value}）：{why}");
                return Err(Error::invalid(name.as_str(), sentence));
            }
        }
    }
    if !switched.is_empty() {
        let after = settings.with(&changes);
        switched.iter().try_for_each(|option| switch::check(option, &after))?;
    }
    if prices.is_empty() {
        setting::put(app, caller, &changes).await
    } else {
        put_tables(app, caller, &prices, &changes).await
    }
}

//! Model names, for this system's pickers.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use schema::service::{directory, user};
use schema::{App, Role};
use serde_json::{Value, json};

use super::shape::Shape;
use super::{Caller, Reply, data};

/// Names of the models that accounts serve: to one user group, or to anybody.
fn served(app: &App, group: Option<&str>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut everything = false;
    for view in directory::accounts(app).iter() {
        let account = &view.account;
        let open_to = |g: &str| account.groups.0.is_empty() || account.groups.0.iter().any(|own| own == g);
        if !account.enabled || !group.is_none_or(open_to) {
            continue;
        }
        // An account without a list serves whatever its vendor has.
        everything |= account.models.is_empty();
        names.extend(account.models.iter().cloned());
    }
    if everything {
        names.extend(directory::models(app).iter().filter(|m| m.enabled).map(|m| m.name.clone()));
    }
    names
}

/// Names of the models this person may call.
pub async fn of_user(State(app): State<App>, caller: Caller) -> Reply {
    let me = user::get(&app, &caller, caller.signed_in()?).await?;
    Ok(data(served(&app, Some(&me.group_name))))
}

/// Every model there is, in the form of a model list.
pub async fn all(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let mut names = served(&app, None);
    names.extend(directory::models(&app).iter().map(|m| m.name.clone()));
    let rows: Vec<Value> = names
        .into_iter()
        .map(|name| json!({ "id": name, "object": "model", "created": 1_626_777_600, "owned_by": "tollgate" }))
        .collect();
    Ok(data(rows))
}

/// The models that each of these groups is served, and by whom: names, with the groups they are open to.
pub fn served_by_group<'g>(app: &App, groups: impl Iterator<Item = &'g String>) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for group in groups {
        for name in served(app, Some(group)) {
            found.entry(name).or_default().push(group.clone());
        }
    }
    found
}

/// Names of the models that some channel serves now. The deployed system's page takes every one for a model without a
/// price that its tables do not name; those whose price is known under another spelling are left out there.
pub async fn enabled(State(app): State<App>, caller: Caller, shape: Shape) -> Reply {
    caller.require(Role::Admin)?;
    let mut names = served(&app, None);
    if shape == Shape::Deployed {
        let models = directory::models(&app);
        let in_tables = |name: &str| models.get(name).is_some_and(|model| model.price.is_some());
        names.retain(|name| in_tables(name) || models.price(name).is_none());
    }
    Ok(data(names))
}

/// The models of each channel type, by its number: what the page of a channel offers to fill in.
pub async fn by_type(State(app): State<App>, caller: Caller) -> Reply {
    caller.signed_in()?;
    let mut of_provider: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for model in directory::models(&app).iter().filter(|m| m.enabled) {
        of_provider.entry(model.provider.to_ascii_lowercase()).or_default().insert(model.name.clone());
    }
    let empty = BTreeSet::new();
    let types: serde_json::Map<String, Value> = super::channel::types()
        .map(|(number, providers)| {
            let names: BTreeSet<&String> =
                providers.iter().flat_map(|p| of_provider.get(*p).unwrap_or(&empty)).collect();
            (number.to_string(), json!(names))
        })
        .collect();
    Ok(data(types))
}

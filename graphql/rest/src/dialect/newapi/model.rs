//! Model names, for this system's pickers.

use axum::extract::State;
use schema::{App, Role};
use serde_json::{Value, json};

use super::{Caller, Reply, data};

/// The models of the catalogue, in the form of a model list.
pub async fn models(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::Admin)?;
    let rows: Vec<Value> = schema::service::catalog::all_names(&app)
        .await?
        .into_iter()
        .map(|name| json!({ "id": name, "object": "model", "created": 1_626_777_600, "owned_by": "tollgate" }))
        .collect();
    Ok(data(rows))
}

/// Names of the models this person may call.
pub async fn of_user(State(app): State<App>, caller: Caller) -> Reply {
    let user = schema::service::user::get(&app, &caller, caller.signed_in()?).await?;
    Ok(data(schema::service::catalog::names_for_group(&app, &user.group_name).await?))
}

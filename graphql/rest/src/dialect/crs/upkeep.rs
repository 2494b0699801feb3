//! Cleaning up on demand.

use schema::model::api_key::{KeyFilter, KeyOrder, KeyState, KeyStatus};
use schema::page::{Direction, Window};
use schema::service::{account, api_key};
use schema::{Actor, App, Error};
use serde_json::{Value, json};

/// Switches off keys whose end has passed and ends the rests of accounts that are over.
pub async fn clean(app: &App, actor: &Actor) -> Result<Value, Error> {
    let now = app.clock.now();
    let filter = KeyFilter { state: Some((KeyState::Expired, now)), ..KeyFilter::default() };
    let mut ended = 0;
    loop {
        let window = Window { limit: 200, offset: 0 };
        let keys = api_key::pages(app, actor, &filter, (KeyOrder::ExpiresAt, Direction::Asc), window).await?;
        if keys.rows.is_empty() {
            break;
        }
        for key in keys.rows {
            let change = api_key::KeyChange { status: Some(KeyStatus::Disabled), ..api_key::KeyChange::default() };
            api_key::change(app, actor, key.id, change).await?;
            ended += 1;
        }
    }
    let rested = account::recover_due(app).await?;
    Ok(json!({ "expiredKeysRemoved": ended, "errorAccountsReset": rested }))
}

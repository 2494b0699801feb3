//! What somebody's plan lets them make for themselves.

use crate::App;
use crate::actor::Actor;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::api_key::ApiKey;
use crate::model::user::User;
use crate::service::plan;

/// Refuses so many more keys to somebody whose plan admits fewer. Administrators are not held to plans.
pub async fn more_keys(app: &App, tx: &mut Tx, actor: &Actor, user_id: i64, more: i64) -> Result<()> {
    if actor.is_admin() {
        return Ok(());
    }
    let limits = plan::limits_of(tx, user_id, app.clock.now()).await?;
    if limits.max_api_keys.is_none() {
        return Ok(());
    }
    // Two who ask at once must not both find the last place free.
    User::lock_wallet(tx, user_id).await?.ok_or(Error::NotFound { what: "user" })?;
    let have = ApiKey::count_of_user(tx, user_id).await?;
    limits.admits_key(have + more - 1)
}

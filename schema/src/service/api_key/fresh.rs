//! A new key's secret, kept sealed for a while: some faces' pages make a key, throw the answer away, and
//! let its owner copy the secret from their list afterwards.

use super::IssuedKey;
use crate::App;
use crate::actor::Actor;
use crate::clock::MINUTE;
use crate::error::Result;
use crate::model::api_key::ApiKey;
use crate::secret::Secret;
use crate::service::idempotency;
use crate::service::setting::{self, names};

/// How long it can be read.
fn kept_ms(app: &App) -> i64 {
    setting::current(app).int(names::KEY_SECRET_MINUTES) * MINUTE
}

fn name(key_id: i64) -> String {
    format!("key-secret:{key_id}")
}

/// Keeps the secret of a key that was made this moment.
pub async fn keep_secret(app: &App, issued: &IssuedKey) -> Result<()> {
    let sealed = idempotency::sealed(app, issued.key.id, issued.secret.reveal())?;
    app.kv.put(&name(issued.key.id), &sealed, kept_ms(app), app.clock.now()).await
}

/// The kept secret of the caller's own key, while it is the key's and is kept.
pub async fn kept_secret(app: &App, actor: &Actor, key: &ApiKey) -> Result<Option<Secret<String>>> {
    let now = app.clock.now();
    if actor.user_id != Some(key.user_id) || key.created_at.plus(kept_ms(app)) <= now {
        return Ok(None);
    }
    let Some(sealed) = app.kv.get(&name(key.id), now).await? else { return Ok(None) };
    let (_, secret) = idempotency::unsealed(app, &sealed)?;
    Ok(Some(Secret::new(secret)).filter(|secret| crate::id::digest(secret.reveal()) == key.digest))
}

//! A new key's secret, kept sealed for a few minutes: some faces' pages make a key, throw the answer away, and
//! let its owner copy the secret from their list afterwards.

use super::IssuedKey;
use crate::App;
use crate::actor::Actor;
use crate::clock::MINUTE;
use crate::error::Result;
use crate::model::api_key::ApiKey;
use crate::secret::Secret;
use crate::service::idempotency;

/// How long it can be read.
const KEPT_MS: i64 = 10 * MINUTE;

fn name(key_id: i64) -> String {
    format!("key-secret:{key_id}")
}

/// Keeps the secret of a key that was made this moment.
pub async fn keep_secret(app: &App, issued: &IssuedKey) -> Result<()> {
    let sealed = idempotency::sealed(app, issued.key.id, issued.secret.reveal())?;
    app.kv.put(&name(issued.key.id), &sealed, KEPT_MS, app.clock.now()).await
}

/// The kept secret of the caller's own key, while it is the key's and is kept.
pub async fn kept_secret(app: &App, actor: &Actor, key: &ApiKey) -> Result<Option<Secret<String>>> {
    let now = app.clock.now();
    if actor.user_id != Some(key.user_id) || key.created_at.plus(KEPT_MS) <= now {
        return Ok(None);
    }
    let Some(sealed) = app.kv.get(&name(key.id), now).await? else { return Ok(None) };
    let (_, secret) = idempotency::unsealed(app, &sealed)?;
    Ok(Some(Secret::new(secret)).filter(|secret| crate::id::digest(secret.reveal()) == key.digest))
}

//! The audit row of a change, written in the change's own transaction.

use serde::Serialize;

use crate::App;
use crate::actor::{Act, Actor};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::audit::{AuditEntry, AuditFilter, NewAuditEntry};
use crate::page::{Page, Seek};
use crate::service::idempotency;

/// What was changed: a kind of thing and its id.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub kind: &'a str,
    pub id: &'a str,
}

/// Writes the row, and takes the idempotency key of a guarded request. `before` and `after` are any serialisable views; fields whose names speak of secrets are masked.
pub async fn record(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    action: &str,
    target: Target<'_>,
    before: impl Serialize,
    after: impl Serialize,
) -> Result<()> {
    if let Some(guard) = &actor.guard {
        idempotency::take(app, tx, actor, guard, target).await?;
    }
    let (before, after) = (masked(before), masked(after));
    NewAuditEntry {
        at: app.clock.now(),
        actor_id: actor.user_id,
        actor_name: &actor.name,
        face: actor.face.as_str(),
        ip: &actor.ip,
        request_id: &actor.request_id,
        action,
        target_kind: target.kind,
        target_id: target.id,
        before: &before,
        after: &after,
    }
    .insert(tx)
    .await?;
    Ok(())
}

/// The log, for administrators.
pub async fn list(app: &App, actor: &Actor, filter: &AuditFilter, seek: &Seek) -> Result<Page<AuditEntry>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(AuditEntry::seek(&mut conn, filter, seek).await?, seek))
}

/// How many entries there are.
pub async fn count(app: &App, actor: &Actor, filter: &AuditFilter) -> Result<i64> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(AuditEntry::count(&mut conn, filter).await?)
}

/// One entry.
pub async fn get(app: &App, actor: &Actor, id: i64) -> Result<AuditEntry> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    AuditEntry::find(&mut conn, id).await?.ok_or(Error::NotFound { what: "audit entry" })
}

/// Those of several entries that there are.
pub async fn several(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<AuditEntry>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(AuditEntry::by_ids(&mut conn, ids).await?)
}

fn masked(value: impl Serialize) -> String {
    let mut value = serde_json::to_value(value).unwrap_or(serde_json::Value::Null);
    mask(&mut value);
    value.to_string()
}

/// Words in a field's name that mark its value as a secret.
const SECRET_WORDS: &[&str] =
    &["password", "secret", "token", "credential", "apikey", "api_key", "private", "digest", "hash"];

fn mask(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let name = name.to_ascii_lowercase();
                let counts = name.ends_with("tokens") || name.ends_with("version") || name.ends_with("_at");
                if !counts && !value.is_null() && SECRET_WORDS.iter().any(|w| name.contains(w)) {
                    *value = "***".into();
                } else {
                    mask(value);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_hide() {
        let text = masked(serde_json::json!({
            "name": "a", "password": "p", "nested": [{"apiKey": "k", "inputTokens": 5}], "token_version": 3
        }));
        assert_eq!(
            text,
            r#"{"name":"a","password":"***","nested":[{"apiKey":"***","inputTokens":5}],"token_version":3}"#
        );
    }
}

//! Answers remembered under a client's key, so that a repeated request does its work once.

use crate::actor::Actor;
use crate::clock::DAY;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::idempotency::Remembered;
use crate::{App, id};

/// How an idempotency key stands.
pub enum Claim {
    /// First time: do the work in this transaction, then [`answer`] it.
    Fresh,
    /// Seen before with the same input: the answer it had.
    Answered(String),
}

/// Looks a key up inside the transaction that will do the work. `input` is the whole request as text;
/// the same key with another input is refused.
pub async fn claim(tx: &mut Tx, actor: &Actor, operation: &str, key: &str, input: &str) -> Result<Claim> {
    if key.is_empty() || key.len() > 128 {
        return Err(Error::invalid("clientMutationKey", "an idempotency key has 1 to 128 characters"));
    }
    match Remembered::find(tx, &who(actor), operation, key).await? {
        None => Ok(Claim::Fresh),
        Some(seen) if seen.input_digest == id::digest(input) => Ok(Claim::Answered(seen.answer)),
        Some(_) => Err(Error::conflict("IDEMPOTENCY_KEY_REUSED", "this idempotency key was used with another input")),
    }
}

/// Remembers the answer in the transaction that did the work; a lost race is a conflict, and the
/// transaction is to be dropped.
pub async fn answer(
    app: &App,
    tx: &mut Tx,
    actor: &Actor,
    operation: &str,
    key: &str,
    input: &str,
    answer: String,
) -> Result<()> {
    let now = app.clock.now();
    let row = Remembered {
        actor: who(actor),
        operation: operation.to_owned(),
        idem_key: key.to_owned(),
        input_digest: id::digest(input),
        answer,
        created_at: now,
        expires_at: now.plus(DAY),
    };
    if row.insert(tx).await? {
        return Ok(());
    }
    Err(Error::conflict("IDEMPOTENCY_IN_PROGRESS", "a request with this idempotency key is being worked on; repeat it"))
}

fn who(actor: &Actor) -> String {
    actor.user_id.map_or_else(|| actor.name.clone(), |id| id.to_string())
}

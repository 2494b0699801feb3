//! Requests repeated under a client's key do their work once.
//!
//! A service whose answer cannot be read again keeps the answer itself: [`claim`], then [`answer`], in the
//! transaction that does the work. For everything else a face asks [`begin`]: a fresh request goes on as an
//! actor that carries the guard, and the audit row of the work takes the key in the work's own transaction,
//! so that either both stand or neither. What is remembered then is the thing that was changed, a kind and
//! an id, never the text of an answer; a repeated request is answered by reading that thing again.

use std::sync::Arc;

use crate::actor::{Actor, Guard};
use crate::clock::DAY;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::idempotency::Remembered;
use crate::service::audit::Target;
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
    check(key)?;
    match Remembered::find(tx, &who(actor), operation, key).await? {
        None => Ok(Claim::Fresh),
        Some(seen) if seen.input_digest == id::digest(input) => Ok(Claim::Answered(seen.answer)),
        Some(_) => Err(reused()),
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
    Err(in_progress())
}

/// Where the secrets of remembered answers are sealed.
const ANSWER: &str = "idempotency.answer";

#[derive(serde::Serialize, serde::Deserialize)]
struct Sealed {
    id: i64,
    sealed: Vec<u8>,
}

/// An answer with a secret in it, as it is remembered: the row's id, and the secret sealed.
pub(super) fn sealed(app: &App, id: i64, secret: &str) -> Result<String> {
    let sealed = app.seal.seal(ANSWER, secret.as_bytes())?;
    serde_json::to_string(&Sealed { id, sealed }).map_err(Error::internal)
}

/// Reads what [`sealed`] wrote.
pub(super) fn unsealed(app: &App, answer: &str) -> Result<(i64, String)> {
    let answer: Sealed = serde_json::from_str(answer).map_err(Error::internal)?;
    let secret = String::from_utf8(app.seal.open(ANSWER, &answer.sealed)?).map_err(Error::internal)?;
    Ok((answer.id, secret))
}

/// How a guarded request stands.
pub enum Begun {
    /// First time: do the work as this actor.
    Fresh(Actor),
    /// The work was done before, on this thing.
    Done(Thing),
}

/// What a piece of work was done on: the target of its audit row.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Thing {
    pub kind: String,
    pub id: String,
    nonce: String,
}

impl Thing {
    /// The id as a row's number.
    pub fn row(&self) -> Result<i64> {
        self.id.parse().map_err(|_| Error::internal(format!("{} {} was remembered under a key", self.kind, self.id)))
    }
}

/// Looks a key up before the work. `input` is the whole request as text; the same key with another
/// input is refused.
pub async fn begin(app: &App, actor: &Actor, operation: &str, key: &str, input: &str) -> Result<Begun> {
    check(key)?;
    let input_digest = id::digest(input);
    let mut conn = app.db.conn().await?;
    if let Some(seen) = Remembered::find(&mut conn, &who(actor), operation, key).await? {
        if seen.expires_at > app.clock.now() {
            if seen.input_digest != input_digest {
                return Err(reused());
            }
            let thing = serde_json::from_str(&seen.answer).map_err(Error::internal)?;
            return Ok(Begun::Done(thing));
        }
        Remembered::delete_expired(&mut conn, app.clock.now()).await?;
    }
    let guard = Guard { operation: operation.to_owned(), key: key.to_owned(), input_digest, nonce: id::uuid() };
    Ok(Begun::Fresh(Actor { guard: Some(Arc::new(guard)), ..actor.clone() }))
}

/// Takes the key in the transaction that does the work. Losing the race to another request of the same
/// key is a conflict, and the transaction is to be dropped.
pub(super) async fn take(app: &App, tx: &mut Tx, actor: &Actor, guard: &Guard, target: Target<'_>) -> Result<()> {
    let now = app.clock.now();
    let thing = Thing { kind: target.kind.to_owned(), id: target.id.to_owned(), nonce: guard.nonce.clone() };
    let row = Remembered {
        actor: who(actor),
        operation: guard.operation.clone(),
        idem_key: guard.key.clone(),
        input_digest: guard.input_digest.clone(),
        answer: serde_json::to_string(&thing).map_err(Error::internal)?,
        created_at: now,
        expires_at: now.plus(DAY),
    };
    if row.insert(tx).await? {
        return Ok(());
    }
    // A second audit row of the same work finds its own.
    let seen = Remembered::find(tx, &row.actor, &row.operation, &row.idem_key).await?;
    match seen.and_then(|seen| serde_json::from_str::<Thing>(&seen.answer).ok().map(|thing| (seen, thing))) {
        Some((_, thing)) if thing.nonce == guard.nonce => Ok(()),
        Some((seen, _)) if seen.input_digest != guard.input_digest => Err(reused()),
        _ => Err(in_progress()),
    }
}

fn check(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > 128 || key.contains('\0') {
        return Err(Error::invalid("clientMutationKey", "an idempotency key has 1 to 128 characters"));
    }
    Ok(())
}

/// The same request is being worked on.
pub(super) fn in_progress() -> Error {
    Error::conflict("IDEMPOTENCY_IN_PROGRESS", "a request with this idempotency key is being worked on; repeat it")
}

/// The key was used with another input.
pub(super) fn reused() -> Error {
    Error::conflict("IDEMPOTENCY_KEY_REUSED", "this idempotency key was used with another input")
}

fn who(actor: &Actor) -> String {
    actor.user_id.map_or_else(|| actor.name.clone(), |id| id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Micros;
    use crate::service::wallet;
    use crate::testing::TestApp;

    async fn give(t: &TestApp, admin: &Actor, user: i64, key: &str, input: &str) -> Result<bool> {
        match begin(t, admin, "give", key, input).await? {
            Begun::Done(thing) => {
                assert_eq!((thing.kind.as_str(), thing.row()?), ("user", user));
                Ok(false)
            }
            Begun::Fresh(actor) => wallet::adjust(t, &actor, user, Micros(5), "", None).await.map(|_| true),
        }
    }

    async fn balance(t: &TestApp, user: i64) -> Micros {
        let mut conn = t.db.conn().await.expect("a connection");
        crate::model::user::User::find(&mut conn, user).await.expect("a row").expect("a person").balance
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_repeated_request_does_its_work_once() {
        let t = TestApp::new().await;
        let admin = t.admin().await;
        let ann = t.user("ann").await.user_id.expect("an id");
        assert!(give(&t, &admin, ann, "k", "five").await.expect("given"));
        assert!(!give(&t, &admin, ann, "k", "five").await.expect("repeated"));
        let other = give(&t, &admin, ann, "k", "six").await;
        assert_eq!(other.map_err(|e| e.detail_code()), Err(Some("IDEMPOTENCY_KEY_REUSED")));
        assert_eq!(balance(&t, ann).await, Micros(5));
        t.advance(DAY + 1);
        assert!(give(&t, &admin, ann, "k", "six").await.expect("forgotten after a day"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_at_once_one_does_the_work() {
        let t = TestApp::new().await;
        let admin = t.admin().await;
        let ann = t.user("ann").await.user_id.expect("an id");
        let tries = (0..8).map(|_| give(&t, &admin, ann, "k", "five"));
        let answers = futures_util::future::join_all(tries).await;
        assert_eq!(answers.iter().filter(|a| matches!(a, Ok(true))).count(), 1);
        assert_eq!(balance(&t, ann).await, Micros(5));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refused_request_may_be_tried_again() {
        let t = TestApp::new().await;
        let admin = t.admin().await;
        let ann = t.user("ann").await.user_id.expect("an id");
        let Begun::Fresh(actor) = begin(&t, &admin, "take", "k", "x").await.expect("fresh") else { panic!("fresh") };
        assert!(wallet::adjust(&t, &actor, ann, Micros(-5), "", None).await.is_err());
        assert!(matches!(begin(&t, &admin, "take", "k", "x").await, Ok(Begun::Fresh(_))));
    }
}

//! Lets callers into the graph: bearer tokens to actors, and what each may do before any resolver runs.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_graphql::Request;
use schema::metrics::catalogue::{GRAPHQL_MS, GRAPHQL_OPERATIONS, GRAPHQL_POINTS};
use schema::service::setting::{self, names};
use schema::service::token;
use schema::{Actor, App, Face};

use crate::live::Live;
use crate::loader;
use crate::progress::Progress;
use crate::transport::bucket::Budget;
use crate::transport::{AuthError, Credentials, Gate, OperationInfo, Outcome, Policy, Roots, Texts, note_end};

/// The gate of the management plane.
#[derive(Clone)]
pub struct Door {
    app: App,
    live: Live,
}

/// Who was let in.
#[derive(Clone)]
pub struct Guest {
    actor: Actor,
    /// The user's token version when they were let in.
    version: i64,
}

impl Guest {
    /// Who they are, in one request.
    pub fn actor(&self, request_id: &str) -> Actor {
        Actor { request_id: request_id.to_owned(), ..self.actor.clone() }
    }
}

/// Root fields for people who have not signed in.
const PUBLIC: &[&str] =
    &["__typename", "publicPlans", "publicModels", "publicSettings", "signIn", "register", "refreshSession"];

/// What anybody may ask in words of their own: without it no administrator could sign in to ask freely.
const SIGNING_IN: &[&str] = &["__typename", "signIn", "refreshSession"];

impl Door {
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), live: Live::new(app) }
    }

    /// Points of one caller: as delivered, some fifty ordinary pages at once, refilled within half a minute.
    fn budget(&self) -> Budget {
        let settings = setting::current(&self.app);
        let points = |name: &str| u64::try_from(settings.int(name)).unwrap_or(0).max(1);
        Budget { max: points(names::GRAPHQL_POINTS), restore_rate: points(names::GRAPHQL_POINTS_PER_SECOND) }
    }
}

impl Gate for Door {
    type Principal = Guest;

    async fn authenticate(&self, credentials: Credentials<'_>) -> Result<Guest, AuthError> {
        let peer = credentials.peer.map(|p| p.ip().to_string()).unwrap_or_default();
        let anonymous = Actor::anonymous(Face::Graphql, peer, "");
        let Some(bearer) = credentials.bearer() else {
            if credentials.shows_something() {
                return Err(AuthError::Invalid);
            }
            return Ok(Guest { actor: anonymous, version: 0 });
        };
        match schema::service::session::by_bearer(&self.app, bearer, anonymous).await {
            Ok((actor, user)) => Ok(Guest { actor, version: user.token_version }),
            Err(schema::Error::Forbidden { .. }) => Err(AuthError::Forbidden("this user is disabled")),
            Err(e) if e.is_ours() => Err(AuthError::Unavailable),
            Err(_) => Err(AuthError::Invalid),
        }
    }

    fn policy(&self, guest: &Guest) -> Policy {
        let actor = &guest.actor;
        let texts = if self.app.config.trusted.only && !actor.is_admin() {
            Texts::Trusted { beside: SIGNING_IN }
        } else {
            Texts::Any
        };
        match actor.user_id {
            None => Policy {
                roots: Roots::Only(PUBLIC),
                texts,
                introspection: false,
                bucket: format!("ip:{}", actor.ip),
                budget: self.budget(),
            },
            Some(id) => Policy {
                roots: Roots::All,
                texts,
                introspection: actor.is_admin(),
                bucket: format!("user:{id}"),
                budget: self.budget(),
            },
        }
    }

    fn prepare(&self, guest: &Guest, info: &OperationInfo, request: Request) -> Request {
        let actor = guest.actor(&info.request_id);
        let progress = Progress::default();
        let loaders = loader::loaders(&self.app, &actor, &progress);
        request.data(self.app.clone()).data(actor).data(loaders).data(progress).data(self.live.clone())
    }

    fn on_finish(&self, info: &OperationInfo, outcome: &Outcome) {
        let outcome_word = match outcome.refused {
            Some(code) => code.as_str(),
            None if outcome.errors > 0 => "ERRORS",
            None => "OK",
        };
        let name = known_name(info.name.as_deref().unwrap_or(""));
        GRAPHQL_OPERATIONS.add(&[&info.kind.to_string(), &name, outcome_word]);
        GRAPHQL_MS.note(u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX));
        GRAPHQL_POINTS.add(info.cost);
        note_end(info, outcome);
    }

    async fn still_valid(&self, guest: &Guest) -> bool {
        // A database that is away for a moment ends no connection.
        token::still_valid(&self.app, &guest.actor, guest.version).await.unwrap_or(true)
    }
}

/// An operation's name as metrics know it: callers invent names, and only so many are told apart.
fn known_name(name: &str) -> String {
    const MOST: usize = 200;
    static NAMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if !names.contains(name) {
        if names.len() >= MOST || name.len() > 64 {
            return "other".to_owned();
        }
        names.insert(name.to_owned());
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_names_are_told_apart() {
        let told: BTreeSet<String> = (0..1_000).map(|n| known_name(&format!("Name{n}"))).collect();
        assert!(told.len() <= 201 && told.contains("other"));
        assert_eq!(known_name("Name0"), "Name0");
        assert_eq!(known_name(&"x".repeat(65)), "other");
    }
}

//! Lets callers into the graph: bearer tokens to actors, and what each may do before any resolver runs.

use async_graphql::Request;
use schema::service::token;
use schema::{Actor, App, Face};

use crate::live::Live;
use crate::loader;
use crate::progress::Progress;
use crate::transport::bucket::Budget;
use crate::transport::{AuthError, Credentials, Gate, OperationInfo, Policy, Roots};

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

/// Points of one caller: some fifty ordinary pages at once, refilled within half a minute.
const BUDGET: Budget = Budget { max: 50_000, restore_rate: 2_000 };

/// Root fields for people who have not signed in.
const PUBLIC: &[&str] =
    &["__typename", "publicPlans", "publicModels", "publicSettings", "signIn", "register", "refreshSession"];

impl Door {
    pub fn new(app: &App) -> Self {
        Self { app: app.clone(), live: Live::new(app) }
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
        match actor.user_id {
            None => Policy {
                roots: Roots::Only(PUBLIC),
                introspection: false,
                bucket: format!("ip:{}", actor.ip),
                budget: BUDGET,
            },
            Some(id) => Policy {
                roots: Roots::All,
                introspection: actor.is_admin(),
                bucket: format!("user:{id}"),
                budget: BUDGET,
            },
        }
    }

    fn prepare(&self, guest: &Guest, info: &OperationInfo, request: Request) -> Request {
        let actor = Actor { request_id: info.request_id.to_string(), ..guest.actor.clone() };
        let progress = Progress::default();
        let loaders = loader::loaders(&self.app, &actor, &progress);
        request.data(self.app.clone()).data(actor).data(loaders).data(progress).data(self.live.clone())
    }

    async fn still_valid(&self, guest: &Guest) -> bool {
        // A database that is away for a moment ends no connection.
        token::still_valid(&self.app, &guest.actor, guest.version).await.unwrap_or(true)
    }
}

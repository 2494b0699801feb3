//! The one entrance of a process: notes where each request comes from, and gives the relay what is the relay's before
//! any router looks at it. A model call passes through nothing else on its way in.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use http::Response;
use schema::App;
use tower::ServiceExt;
use tracing::Instrument;

use crate::edge::origin;
use crate::ingress;

/// An entrance; a copy of it costs next to nothing.
#[derive(Clone)]
pub struct Entrance {
    app: App,
    relays: bool,
    rest: Router,
}

impl Entrance {
    /// An entrance behind which model calls are answered, where this process does, and all else is the router's.
    pub fn new(app: &App, relays: bool, rest: Router<App>) -> Self {
        Self { app: app.clone(), relays, rest: rest.with_state(app.clone()) }
    }

    /// Answers a request, and says by which id it is known.
    pub async fn answer(self, mut request: Request) -> Response<Body> {
        let noted = origin::note(&self.app, &mut request);
        let is_call = self.relays && ingress::claims(request.method(), request.uri().path(), request.headers());
        let answered = async {
            if is_call {
                // Boxed, so that an open connection holds no room for a call when it has none.
                Box::pin(ingress::handle(State(self.app), request)).await
            } else {
                self.rest.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
            }
        };
        let mut response = answered.instrument(noted.span).await;
        if let Some(id) = noted.id {
            response.headers_mut().insert(origin::REQUEST_ID, id);
        }
        response
    }
}

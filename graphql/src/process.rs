//! The all-in-one process: what is mounted on the one port, and in which order.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use axum::{Router, middleware};
use relay::entrance::Entrance;
use schema::App;

use crate::budget::SharedBuckets;
use crate::gate::Door;
use crate::{api, download, transport};

/// Everything this process serves, by the roles it was given.
pub fn entrance(app: &App) -> Entrance {
    let mut router: Router<App> = relay::edge::health::router();
    if app.config.roles.management {
        let management = rest::router(app)
            .merge(graph(app).with_state(()))
            .layer(middleware::from_fn_with_state(app.clone(), rest::log::note));
        router = router.merge(management).fallback(elsewhere);
    } else if app.config.roles.relay {
        router = router.merge(relay::router(app));
    }
    Entrance::new(app, app.config.roles.relay, router)
}

/// A path that no management face has: the relay's, if it is a model client's, else nobody's.
async fn elsewhere(State(app): State<App>, request: Request) -> Response {
    let relays = app.config.roles.relay && relay::ingress::may_mean(request.uri().path(), request.headers());
    if relays {
        return relay::ingress::handle(State(app), request).await;
    }
    rest::dialect::home::unknown(request.uri().clone()).await
}

/// The graph and its console.
fn graph(app: &App) -> Router<()> {
    let mut settings = transport::Settings {
        cost: api::cost::rules(),
        origins: app.config.public_url.iter().cloned().collect(),
        trusted: transport::trusted::Trusted::of(app.config.trusted.documents.iter()),
        shutdown: app.stop.clone(),
        ..transport::Settings::default()
    };
    // One process counts its callers' points itself; several count them together.
    if app.config.redis_url.is_some() {
        settings.buckets = Arc::new(SharedBuckets::new(app));
    }
    transport::router(api::graph(), Door::new(app), settings)
        .merge(transport::graphiql::router())
        .merge(download::router(app))
}

/// Makes the first administrator when there is none, and tells the operator where to go: the address that is
/// really listened on.
pub async fn welcome(app: &App, at: SocketAddr) -> schema::Result<()> {
    let first = schema::service::user::ensure_first_admin(app).await?;
    let url = app.config.public_url.clone().unwrap_or_else(|| format!("http://{at}"));
    if let Some(first) = first {
        relay::edge::start::say(&format!("first administrator: {}", first.username));
        if let Some(password) = first.made_up {
            let file = app.config.data_dir.join("admin-password");
            schema::config::write_private(&file, &format!("{password}\n"))
                .map_err(|e| schema::Error::unavailable(format!("{} cannot be written", file.display()), e))?;
            relay::edge::start::say(&format!("password: {password}   (also in {})", file.display()));
        }
    }
    relay::edge::start::say(&format!("serving on http://{at}"));
    if app.config.roles.management {
        relay::edge::start::say(&format!("GraphiQL: {url}/graphiql"));
    }
    Ok(())
}

/// Starts this process's background work; it ends when the application stops.
pub async fn start(app: &App) -> schema::Result<()> {
    schema::service::settle::start(app).await?;
    schema::service::sweep::start(app);
    relay::start(app);
    if app.config.roles.management {
        rest::start(app);
    }
    Ok(())
}

//! The data plane: hears a model call, chooses an account, sends, streams, meters.

pub mod call;
pub mod connect;
pub mod convert;
pub mod edge;
pub mod entrance;
pub mod ingress;
pub mod provider;
pub mod sse;
pub mod task;
pub mod upstream;
pub mod wire;

use axum::Router;
use axum::routing::any;
use schema::App;
use schema::service::sweep;

/// Starts what the relay does in the background; ends when the process stops.
pub fn start(app: &App) {
    task::start(app);
    sweep::start_jobs(app, connect::JOBS);
}

/// Every path of the relay, for a process that serves nothing else.
pub fn router(app: &App) -> Router<App> {
    // Connections, pins and health are the application's; this only makes sure that they are there.
    let _started = call::engine::Engine::of(app);
    Router::new().fallback(any(ingress::handle))
}

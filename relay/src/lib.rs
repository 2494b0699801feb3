//! The data plane: hears a model call, chooses an account, sends, streams, meters.

pub mod call;
pub mod connect;
pub mod convert;
pub mod edge;
pub mod ingress;
pub mod provider;
pub mod sse;
pub mod upstream;
pub mod wire;

use axum::Router;
use axum::routing::any;
use schema::App;

/// Every path of the relay, for a process that serves nothing else.
pub fn router(app: &App) -> Router<App> {
    // Connections, pins and health are the application's; this only makes sure that they are there.
    let _started = call::engine::Engine::of(app);
    Router::new().fallback(any(ingress::handle))
}

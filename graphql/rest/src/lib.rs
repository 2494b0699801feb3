//! The REST faces: five documented dialects over one set of services, the storefront's pages and the
//! payment providers' callbacks.
//!
//! A dialect ([`dialect::Dialect`]) states once how its system says yes, how it says no and whom it
//! believes; the rest is a table of routes, wire structs and handlers of a few lines. Faces translate;
//! every rule is a service's.

#![recursion_limit = "256"]

pub mod asset;
pub mod dialect;
pub mod log;
pub mod openapi;
pub mod pay;
pub mod webhook;

use axum::Router;
use schema::App;

/// Starts the faces' background work; it ends when the process stops.
pub fn start(app: &App) {
    webhook::watch::start(app);
    webhook::own::start(app);
    dialect::crs::start(app);
    dialect::newapi::begin();
}

/// Every REST face on one router, and the description of them all.
pub fn router(app: &App) -> Router<App> {
    dialect::router(app).merge(pay::routes()).merge(openapi::routes())
}

//! What all dialects share: the trait, the extractors that refuse in the dialect's own words, and the
//! `routes!` table.

pub mod commercial;
pub mod crs;
mod extract;
mod fault;
pub mod home;
pub mod ledger;
mod limit;
pub mod massrouter;
mod moment;
pub mod newapi;
mod table;

use axum::Router;
use axum::response::Response;
use http::request::Parts;
use schema::{Actor, App, Error, Face};

pub use extract::{Body, Caller, Maybe, Path, Query, WhoSlot};
pub use fault::{Fault, Reply};
pub use moment::moment;
pub use table::Row;

/// How one documented system speaks.
pub trait Dialect: Copy + Send + Sync + 'static {
    /// Whose tokens it issues, and what the audit log calls it.
    const FACE: Face;
    /// How it says no; the only place where this system's codes and envelopes of errors stand.
    fn refuse(error: &Error) -> Response;
    /// Whom it believes: its header, cookie or query token, turned into the actor.
    fn caller(app: &App, parts: &Parts, anonymous: Actor) -> impl Future<Output = Result<Actor, Error>> + Send;
    /// True when the request carries any credential of this system at all (a wrong one is refused, none is anonymous).
    fn has_credential(parts: &Parts) -> bool {
        parts.headers.contains_key(http::header::AUTHORIZATION)
    }
    /// True when its only credential is one that browsers send by themselves. That claims nothing: one that has ended
    /// must not stand in the way of signing in again.
    fn is_ambient(_parts: &Parts) -> bool {
        false
    }
}

/// The bearer token of a request, whatever the case of the word.
pub fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(http::header::AUTHORIZATION)?.to_str().ok()?.trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return None,
        None => value,
    };
    (!token.is_empty()).then_some(token)
}

/// A cookie of a request.
pub fn cookie<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let lines = parts.headers.get_all(http::header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    lines
        .flat_map(|l| l.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

/// The relay's own door at a path, for calls that our pages make for people.
fn relayed(app: &App, path: &str) -> Result<String, Error> {
    let why = "model calls are served by other processes here, and RELAY_URL does not say where";
    let relay = app.config.relay_url().ok_or_else(|| Error::unavailable(why, "RELAY_URL is not set"))?;
    Ok(format!("{relay}{path}"))
}

/// All dialects.
pub fn router(app: &App) -> Router<App> {
    crs::routes()
        .merge(commercial::routes())
        .merge(massrouter::routes())
        .merge(newapi::routes().route_layer(axum::middleware::from_fn(newapi::soften)))
        .merge(ledger::routes())
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), limit::guard))
}

/// The body of a 405, in the dialect's words.
pub fn wrong_method<D: Dialect>() -> Response {
    D::refuse(&Error::invalid("method", "this path does not take this method"))
}

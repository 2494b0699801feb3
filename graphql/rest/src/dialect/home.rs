//! Which system a path belongs to, known or not: the longest prefix decides, by whole segments.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use schema::service::token;
use schema::{App, Error, Face};
use serde_json::json;

use super::commercial::Commercial;
use super::crs::Crs;
use super::ledger::Ledger;
use super::massrouter::Massrouter;
use super::newapi::Newapi;
use super::{Dialect, bearer};

/// Longest first where one begins with another.
const PREFIXES: &[(&str, Face)] = &[
    ("/api/v1/admin/statistics", Face::Massrouter),
    ("/api/v1/admin/models", Face::Massrouter),
    ("/api/v1/admin", Face::Ledger),
    ("/api/v1", Face::Massrouter),
    ("/api/admin", Face::Ledger),
    ("/api/announcements", Face::Ledger),
    ("/api/system", Face::Ledger),
    ("/admin/subscription-plans", Face::Commercial),
    ("/admin/cardkeys", Face::Commercial),
    ("/admin/revenue", Face::Commercial),
    ("/subscriptions", Face::Commercial),
    ("/credits", Face::Commercial),
    ("/auth", Face::Commercial),
    ("/admin", Face::Crs),
    ("/web", Face::Crs),
    ("/dashboard/billing", Face::Newapi),
    ("/ws", Face::Massrouter),
    ("/api", Face::Newapi),
];

fn within(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The system whose prefix a path has.
fn by_prefix(path: &str) -> Option<Face> {
    PREFIXES.iter().find(|(prefix, _)| within(path, prefix)).map(|(_, face)| *face)
}

/// True when a request for people under the versioned prefix is meant for the ledger: it says so, or
/// its token was issued there.
pub fn means_ledger(app: &App, parts: &Parts) -> bool {
    if let Some(named) = parts.headers.get("x-system") {
        return named.as_bytes().eq_ignore_ascii_case(b"ledger");
    }
    let claims = bearer(parts).and_then(|t| token::read(app, t).ok());
    claims.is_some_and(|c| c.aud == Face::Ledger.as_str())
}

/// The system a request is for, where two share a path.
pub fn face(app: &App, parts: &Parts) -> Option<Face> {
    let path = parts.uri.path();
    if let Some(rest) = path.strip_prefix("/api/v1/admin/users") {
        let rest = rest.trim_end_matches('/');
        let massrouters = (rest.is_empty() && parts.method == Method::GET && !means_ledger(app, parts))
            || (rest.ends_with("/status") && parts.method == Method::PUT);
        return Some(if massrouters { Face::Massrouter } else { Face::Ledger });
    }
    by_prefix(path)
}

/// The answer to a path nobody has, in the words of the system whose prefix it carries.
pub async fn unknown(uri: Uri) -> Response {
    let error = Error::NotFound { what: "path" };
    match by_prefix(uri.path()) {
        Some(Face::Massrouter) => Massrouter::refuse(&error),
        Some(Face::Ledger) => Ledger::refuse(&error),
        Some(Face::Commercial) => Commercial::refuse(&error),
        Some(Face::Crs) => Crs::refuse(&error),
        Some(Face::Newapi) => Newapi::refuse(&error),
        _ => {
            (StatusCode::NOT_FOUND, Json(json!({ "error": "Not found", "message": "path not found" }))).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_decides_by_whole_segments() {
        assert_eq!(by_prefix("/api/v1/models/x/y"), Some(Face::Massrouter));
        assert_eq!(by_prefix("/api/v1/admin/configs/x/y"), Some(Face::Ledger));
        assert_eq!(by_prefix("/api/v1/admin/models/x"), Some(Face::Massrouter));
        assert_eq!(by_prefix("/api/v1/nothing"), Some(Face::Massrouter));
        assert_eq!(by_prefix("/api/v10"), Some(Face::Newapi));
        assert_eq!(by_prefix("/api/administrator"), Some(Face::Newapi));
        assert_eq!(by_prefix("/admin/cardkeys/1/2"), Some(Face::Commercial));
        assert_eq!(by_prefix("/admin/cardkeys2"), Some(Face::Crs));
        assert_eq!(by_prefix("/apis"), None);
    }
}

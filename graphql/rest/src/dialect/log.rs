//! Notes requests for the log, off the request path and as often as the settings say.

use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header;
use schema::model::request_log::{LogKind, NewRequestLog};
use schema::service::request_log;
use schema::{App, Face};

use super::extract::WhoSlot;
use super::home;

/// A header that is a number, or zero.
fn length(headers: &http::HeaderMap) -> Option<i64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Runs a request and notes what became of it.
pub async fn record(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if !request_log::wanted(&app) {
        return next.run(request).await;
    }
    let (at, begun) = (app.clock.now(), Instant::now());
    let slot = WhoSlot::default();
    request.extensions_mut().insert(slot.clone());
    let (parts, body) = request.into_parts();
    let origin = relay::edge::origin::of(&parts);
    let path: String = parts.uri.path().chars().take(500).collect();
    let face = match home::face(&app, &parts) {
        Some(face) => face,
        None if path.starts_with("/graphql") => Face::Graphql,
        None => Face::Page,
    };
    let mut row = NewRequestLog {
        at,
        kind: if face == Face::Page { LogKind::Access } else { LogKind::Api },
        face: face.as_str().to_owned(),
        method: parts.method.to_string(),
        path,
        status: 0,
        user_id: None,
        ip: origin.ip,
        agent: origin.agent,
        duration_ms: 0,
        request_size: length(&parts.headers).unwrap_or(0),
        response_size: 0,
        request_id: origin.request_id,
    };
    let response = next.run(Request::from_parts(parts, body)).await;
    row.status = i64::from(response.status().as_u16());
    row.user_id = slot.0.get().copied();
    row.duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    let exact = response.body().size_hint().exact().and_then(|n| i64::try_from(n).ok());
    row.response_size = length(response.headers()).or(exact).unwrap_or(0);
    app.recorder.note(row);
    response
}

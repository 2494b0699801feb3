//! Notes management requests in the request log, off their path.

use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use relay::edge::Origin;
use schema::metrics::catalogue::{HTTP_MS, HTTP_REQUESTS};
use schema::model::request_log::{LogKind, NewRequestLog};
use schema::service::request_log;
use schema::{App, Face};

use crate::dialect::WhoSlot;

/// The system a path belongs to, by its longest prefix.
pub fn face_of(path: &str) -> Face {
    const PREFIXES: &[(&str, Face)] = &[
        ("/api/v1/admin/statistics", Face::Massrouter),
        ("/api/v1/admin/models", Face::Massrouter),
        ("/api/v1/admin/", Face::Ledger),
        ("/api/v1/", Face::Massrouter),
        ("/api/admin/", Face::Ledger),
        ("/api/announcements", Face::Ledger),
        ("/api/system/", Face::Ledger),
        ("/api/get-key-id", Face::Crs),
        ("/api/user-stats", Face::Crs),
        ("/api/batch-stats", Face::Crs),
        ("/api/batch-model-stats", Face::Crs),
        ("/api/user-model-stats", Face::Crs),
        ("/api/", Face::Newapi),
        ("/dashboard/billing", Face::Newapi),
        ("/subscriptions", Face::Commercial),
        ("/credits", Face::Commercial),
        ("/users/apikeys", Face::Commercial),
        ("/auth/", Face::Commercial),
        ("/admin/subscription-plans", Face::Commercial),
        ("/admin/cardkeys", Face::Commercial),
        ("/admin/revenue", Face::Commercial),
        ("/admin", Face::Crs),
        ("/web/", Face::Crs),
        ("/apiStats", Face::Crs),
        ("/users", Face::Crs),
        ("/graphql", Face::Graphql),
        ("/ws", Face::Massrouter),
    ];
    PREFIXES.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or(Face::Page, |(_, face)| *face)
}

fn size(headers: &header::HeaderMap) -> i64 {
    headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// The size of a body that is already whole.
fn exact(response: &Response) -> i64 {
    response.body().size_hint().exact().and_then(|n| i64::try_from(n).ok()).unwrap_or(0)
}

/// The middleware.
pub async fn note(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let who = WhoSlot::default();
    request.extensions_mut().insert(who.clone());
    let origin = request.extensions().get::<Origin>().cloned();
    let method = request.method().to_string();
    let path: String = request.uri().path().chars().take(300).collect();
    let request_size = size(request.headers());
    let response = next.run(request).await;
    let took = began.elapsed().as_millis() as u64;
    let face = face_of(&path);
    let status = response.status().as_u16();
    HTTP_MS.note(took);
    HTTP_REQUESTS.add(&[face.as_str(), class(status)]);
    if request_log::wanted(&app) {
        app.recorder.note(NewRequestLog {
            at: app.clock.now(),
            kind: if face == Face::Page { LogKind::Access } else { LogKind::Api },
            face: face.as_str().to_owned(),
            method,
            path,
            status: i64::from(status),
            user_id: who.0.get().copied(),
            ip: origin.as_ref().map_or_else(String::new, |o| o.ip.clone()),
            agent: origin.as_ref().map_or_else(String::new, |o| o.agent.clone()),
            duration_ms: i64::try_from(took).unwrap_or(i64::MAX),
            request_size,
            response_size: size(response.headers()).max(exact(&response)),
            request_id: origin.map_or_else(String::new, |o| o.request_id),
        });
    }
    response
}

fn class(status: u16) -> &'static str {
    match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_belong_to_the_longest_prefix() {
        for (path, face) in [
            ("/api/v1/models", Face::Massrouter),
            ("/api/v1/admin/models/x/pricing", Face::Massrouter),
            ("/api/v1/admin/configs", Face::Ledger),
            ("/api/admin/users", Face::Ledger),
            ("/api/user/self", Face::Newapi),
            ("/api/user-stats", Face::Crs),
            ("/admin/revenue/daily", Face::Commercial),
            ("/admin/api-keys", Face::Crs),
            ("/pay/SUB1", Face::Page),
        ] {
            assert_eq!(face_of(path), face, "{path}");
        }
    }
}

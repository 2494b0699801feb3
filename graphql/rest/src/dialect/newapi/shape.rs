//! Which of the two shapes a request is answered in.

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

/// The two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As documented: plain arrays, objects where the document has them.
    Documented,
    /// As the deployed system answers its own web front ends: envelopes with `items`, `total`, `page`.
    Deployed,
}

impl Shape {
    /// Every official front end sends `Cache-Control: no-store`; third-party tools copy the slash form of
    /// collection paths. Neither is found in clients written from the document.
    pub fn of(headers: &HeaderMap, path: &str) -> Self {
        let no_store = headers.get(http::header::CACHE_CONTROL).is_some_and(|v| v.as_bytes() == b"no-store");
        if no_store || path.ends_with('/') { Self::Deployed } else { Self::Documented }
    }
}

impl crate::openapi::Part for Shape {
    fn describe(asked: &mut crate::openapi::Asked) {
        asked.two_shapes = true;
        asked.headers.push(("Cache-Control", "`no-store` asks for the deployed system's shape of lists."));
    }
}

/// A refusal that the page which asked would pass over in the body of a 200.
#[derive(Clone, Copy)]
struct Aloud;

/// Has a refusal told by its status as well, whoever asked.
pub fn aloud(mut refusal: Response) -> Response {
    refusal.extensions_mut().insert(Aloud);
    refusal
}

/// The deployed system says what it refuses in the body of a 200, and its front ends look nowhere else; only who is not
/// signed in, asks too often or meets a fault of ours hears a status. Model calls of its playground are told by theirs.
pub async fn soften(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let soft = Shape::of(request.headers(), path) == Shape::Deployed && path.starts_with("/api/");
    let mut response = next.run(request).await;
    if soft && response.extensions().get::<Aloud>().is_some() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    }
    let told_in_body = matches!(
        response.status(),
        StatusCode::BAD_REQUEST
            | StatusCode::PAYMENT_REQUIRED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::CONFLICT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    if soft && told_in_body {
        *response.status_mut() = StatusCode::OK;
    }
    response
}

impl<S: Sync> FromRequestParts<S> for Shape {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers, parts.uri.path()))
    }
}

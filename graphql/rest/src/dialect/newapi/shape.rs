//! Which of the two shapes a request is answered in.

use axum::extract::FromRequestParts;
use http::request::Parts;

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
    pub fn of(parts: &Parts) -> Self {
        let no_store = parts.headers.get(http::header::CACHE_CONTROL).is_some_and(|v| v.as_bytes() == b"no-store");
        if no_store || parts.uri.path().ends_with('/') { Self::Deployed } else { Self::Documented }
    }
}

impl crate::openapi::Part for Shape {
    fn describe(asked: &mut crate::openapi::Asked) {
        asked.headers.push(("Cache-Control", "`no-store` asks for the deployed system's shape of lists."));
    }
}

impl<S: Sync> FromRequestParts<S> for Shape {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

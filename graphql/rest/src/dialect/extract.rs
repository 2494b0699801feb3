//! Extractors that refuse in the dialect's own words: who calls, and the body, query and path they sent.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use schema::{Actor, App, Error};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Dialect, Fault};
use crate::openapi::probe;

/// Largest body a management request may have.
const BODY_LIMIT: usize = 2 * 1024 * 1024;
/// Largest one that is heard out before it is refused.
const BODY_PATIENCE: usize = 32 * 1024 * 1024;

/// The signed-in caller; refused without a valid credential.
pub struct Caller<D>(pub Actor, PhantomData<D>);

/// The caller, or nobody when no credential came; a wrong one is refused, but for one that came by itself.
pub struct Maybe<D>(pub Actor, PhantomData<D>);

impl<D> Deref for Caller<D> {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl<D> Deref for Maybe<D> {
    type Target = Actor;
    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl<D: Dialect> FromRequestParts<App> for Caller<D> {
    type Rejection = Fault<D>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let anonymous = relay::edge::origin::of(parts).anonymous(D::FACE);
        let actor = D::caller(app, parts, anonymous).await?;
        actor.signed_in()?;
        note_user(parts, &actor);
        Ok(Self(actor, PhantomData))
    }
}

impl<D: Dialect> FromRequestParts<App> for Maybe<D> {
    type Rejection = Fault<D>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let anonymous = relay::edge::origin::of(parts).anonymous(D::FACE);
        if !D::has_credential(parts) {
            return Ok(Self(anonymous, PhantomData));
        }
        match D::caller(app, parts, anonymous.clone()).await {
            Ok(actor) => {
                note_user(parts, &actor);
                Ok(Self(actor, PhantomData))
            }
            Err(Error::Unauthenticated { .. } | Error::Forbidden { .. }) if D::is_ambient(parts) => {
                Ok(Self(anonymous, PhantomData))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A slot the request log left in the request, to learn who it was once the caller is known.
#[derive(Clone, Default)]
pub struct WhoSlot(pub std::sync::Arc<std::sync::OnceLock<i64>>);

fn note_user(parts: &Parts, actor: &Actor) {
    if let (Some(slot), Some(id)) = (parts.extensions.get::<WhoSlot>(), actor.user_id) {
        let _ = slot.0.set(id);
    }
}

/// A JSON body. An empty body reads as `{}`, so that requests whose every field is optional need none.
pub struct Body<D, T>(pub T, pub PhantomData<D>);

impl<D: Dialect, T: DeserializeOwned + 'static> FromRequest<App> for Body<D, T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &App) -> Result<Self, Self::Rejection> {
        let refuse = |error: Error| Fault::<D>::from(error).into_response();
        let json = is_json(request.headers());
        let bytes = whole(request.into_body())
            .await
            .ok_or_else(|| refuse(Error::invalid("body", "the body is larger than 2 MiB or was cut off")))?;
        let empty = bytes.is_empty();
        if !json && !empty {
            let error = Error::invalid("content-type", "the body must be JSON, sent as application/json");
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, refuse(error)).into_response());
        }
        match fitting(if empty { b"{}" } else { &bytes }) {
            Ok(value) => Ok(Self(value, PhantomData)),
            Err(error) => Err(refuse(error)),
        }
    }
}

/// A body of at most the limit. A longer one is heard out as far as is bearable, or whoever sends it would find
/// the connection closed instead of hearing why.
async fn whole(body: HttpBody) -> Option<Vec<u8>> {
    let mut chunks = body.into_data_stream();
    let (mut kept, mut seen) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        seen += chunk.len();
        if seen > BODY_PATIENCE {
            return None;
        }
        if seen <= BODY_LIMIT {
            kept.extend_from_slice(&chunk);
        }
    }
    (seen <= BODY_LIMIT).then_some(kept)
}

/// True when a body says that it is JSON, or says nothing.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

/// True when JSON text holds the character U+0000, which no name or note has and not every database keeps.
fn has_nul(text: &[u8]) -> bool {
    let mut escaped = false;
    text.iter().enumerate().any(|(at, byte)| {
        let begins = escaped && *byte == b'u' && text.get(at + 1..at + 5).is_some_and(|hex| hex == b"0000");
        escaped = *byte == b'\\' && !escaped;
        begins
    })
}

/// Refuses what is encoded as U+0000 in a path or query.
fn without_nul(part: &'static str, text: Option<&str>) -> Result<(), Error> {
    match text {
        Some(text) if text.contains("%00") => Err(Error::invalid(part, format!("the {part} holds a NUL character"))),
        _ => Ok(()),
    }
}

/// Reads JSON; a misfit names what was wanted, never the whole body.
fn fitting<T: DeserializeOwned + 'static>(text: &[u8]) -> Result<T, Error> {
    if std::str::from_utf8(text).is_err() {
        return Err(Error::invalid("body", "the body is not valid UTF-8"));
    }
    if has_nul(text) {
        return Err(Error::invalid("body", "the body holds a NUL character"));
    }
    let value: Value =
        serde_json::from_slice(text).map_err(|e| Error::invalid("body", format!("the body is no valid JSON: {e}")))?;
    if let Some(why) = probe::known::<T>().misfit(&value, "the body") {
        return Err(Error::invalid("body", why));
    }
    T::deserialize(value).map_err(|e| Error::invalid("body", format!("the body does not fit: {e}")))
}

/// The query string.
pub struct Query<D, T>(pub T, pub PhantomData<D>);

impl<D: Dialect, T: DeserializeOwned> FromRequestParts<App> for Query<D, T> {
    type Rejection = Fault<D>;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        without_nul("query", parts.uri.query())?;
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|q| Self(q.0, PhantomData))
            .map_err(|e| Error::invalid("query", e.body_text()).into())
    }
}

/// The path's parameters.
pub struct Path<D, T>(pub T, pub PhantomData<D>);

impl<D: Dialect, T: DeserializeOwned + Send> FromRequestParts<App> for Path<D, T> {
    type Rejection = Fault<D>;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        without_nul("path", Some(parts.uri.path()))?;
        axum::extract::Path::<T>::from_request_parts(parts, app)
            .await
            .map(|p| Self(p.0, PhantomData))
            .map_err(|e| Error::invalid("path", e.body_text()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_found_however_it_is_written() {
        assert!(has_nul(br#"{"a":"x\u0000"}"#));
        assert!(has_nul(br#"{"a":"\\\u0000"}"#));
        assert!(!has_nul(br#"{"a":"\\u0000"}"#), "an escaped backslash and digits");
        assert!(!has_nul(br#"{"a":"u0000"}"#));
        assert!(without_nul("path", Some("/a%00b")).is_err() && without_nul("query", None).is_ok());
    }

    #[test]
    fn json_is_told_from_other_bodies() {
        let says = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
            is_json(&headers)
        };
        assert!(
            says("application/json") && says("Application/JSON; charset=utf-8") && says("application/merge-patch+json")
        );
        assert!(
            !says("text/plain")
                && !says("application/x-www-form-urlencoded")
                && !says("multipart/form-data; boundary=x")
        );
        assert!(is_json(&HeaderMap::new()));
    }
}

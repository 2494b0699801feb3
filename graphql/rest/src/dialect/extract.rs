//! Extractors that refuse in the dialect's own words: who calls, and the body, query and path they sent.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use schema::{Actor, App, Error};
use serde::de::DeserializeOwned;

use super::{Dialect, Fault};

/// Largest body a management request may have.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// The signed-in caller; refused without a valid credential.
pub struct Caller<D>(pub Actor, PhantomData<D>);

/// The caller, or nobody when no credential came; a wrong credential is refused.
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
        let actor = D::caller(app, parts, anonymous).await?;
        note_user(parts, &actor);
        Ok(Self(actor, PhantomData))
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

impl<D: Dialect, T: DeserializeOwned> FromRequest<App> for Body<D, T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &App) -> Result<Self, Self::Rejection> {
        let refuse = |error: Error| Fault::<D>::from(error).into_response();
        let bytes = axum::body::to_bytes(request.into_body(), BODY_LIMIT)
            .await
            .map_err(|_| refuse(Error::invalid("body", "the body is larger than 2 MiB or was cut off")))?;
        let text = if bytes.iter().all(u8::is_ascii_whitespace) { &b"{}"[..] } else { &bytes[..] };
        match serde_path(text) {
            Ok(value) => Ok(Self(value, PhantomData)),
            Err(error) => Err(refuse(error)),
        }
    }
}

/// Reads JSON; a misfit names the line and column, never the whole body.
fn serde_path<T: DeserializeOwned>(text: &[u8]) -> Result<T, Error> {
    if std::str::from_utf8(text).is_err() {
        return Err(Error::invalid("body", "the body is not valid UTF-8"));
    }
    serde_json::from_slice(text).map_err(|e| {
        let what = if e.is_data() { "the body does not fit" } else { "the body is no valid JSON" };
        Error::invalid("body", format!("{what}: {e}"))
    })
}

/// The query string.
pub struct Query<D, T>(pub T, pub PhantomData<D>);

impl<D: Dialect, T: DeserializeOwned> FromRequestParts<App> for Query<D, T> {
    type Rejection = Fault<D>;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
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
        axum::extract::Path::<T>::from_request_parts(parts, app)
            .await
            .map(|p| Self(p.0, PhantomData))
            .map_err(|e| Error::invalid("path", e.body_text()).into())
    }
}

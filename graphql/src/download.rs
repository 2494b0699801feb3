//! The files of exports over plain HTTP, `GET /exports/{id}`: the caller shows the same bearer token as to the
//! graph, and is refused in the graph's words under HTTP's statuses.

use std::net::SocketAddr;

use async_graphql::ID;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, body::Body, routing};
use futures_util::TryStreamExt;
use http::{HeaderValue, Method, StatusCode, header, request::Parts};
use schema::model::export::{Export, ExportFormat};
use schema::service::export as service;
use schema::{App, Error};
use serde_json::json;

use crate::gate::Door;
use crate::node;
use crate::transport::{AuthError, Credentials, Gate, common_headers};

/// Where the file of an export is.
pub fn address(app: &App, id: &ID) -> String {
    let base = app.config.public_url.as_deref().unwrap_or_default();
    format!("{}/exports/{}", base.trim_end_matches('/'), id.as_str())
}

/// The route.
pub fn router(app: &App) -> Router {
    Router::new().route("/exports/{id}", routing::get(serve)).with_state((app.clone(), Door::new(app)))
}

async fn serve(State((app, door)): State<(App, Door)>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let request_id = door.request_id(&parts.headers);
    let mut response = match answer(&app, &door, &parts, &request_id, &ID(id)).await {
        Ok(response) => response,
        Err(error) => refusal(error, &request_id),
    };
    common_headers(response.headers_mut(), &request_id);
    response
}

async fn answer(app: &App, door: &Door, asked: &Parts, request_id: &str, id: &ID) -> Result<Response, Error> {
    let peer = asked.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let credentials = Credentials { headers: &asked.headers, peer, init: None };
    let guest = door.authenticate(credentials).await.map_err(let_in)?;
    let actor = guest.actor(request_id);
    actor.signed_in()?;
    let row = node::row("Export", id, "id").map_err(|fault| fault.0)?;
    // Who only asks about a file has not read it.
    let (export, body) = if asked.method == Method::HEAD {
        (service::ready(app, &actor, row).await?, Body::empty())
    } else {
        let (export, pieces) = service::download(app, &actor, row).await?;
        (export, Body::from_stream(pieces.map_err(|error| std::io::Error::other(error.to_string()))))
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let (kind, _) = form(export.format);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_LENGTH, export.byte_count.into());
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", file_name(&export))) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

fn form(format: ExportFormat) -> (&'static str, &'static str) {
    match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "csv"),
        ExportFormat::Jsonl => ("application/x-ndjson; charset=utf-8", "jsonl"),
    }
}

fn file_name(export: &Export) -> String {
    let at = export.created_at.rfc3339();
    let day = at.get(..10).unwrap_or_default();
    format!("{}-{day}-{}.{}", export.kind.as_str().replace('_', "-"), export.id, form(export.format).1)
}

fn let_in(refused: AuthError) -> Error {
    match refused {
        AuthError::Forbidden(why) => Error::forbidden(why),
        AuthError::Limited(wait) => Error::RateLimited {
            retry_after: wait.as_secs().max(1),
            why: "Too many attempts; try again later.".to_owned(),
        },
        AuthError::Unavailable => Error::unavailable("this cannot be answered right now", "nobody can be let in"),
        AuthError::Invalid => Error::unauthenticated("The credentials are not valid, or no longer."),
    }
}

fn refusal(error: Error, request_id: &str) -> Response {
    if let Some(cause) = error.cause() {
        tracing::error!(request_id, cause, "an export could not be downloaded: {error}");
    }
    let status = match error.detail_code() {
        Some("EXPORT_GONE") => StatusCode::GONE,
        _ => StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
    };
    let told = json!({ "errors": [{ "message": error.to_string(), "extensions": {
        "code": error.code(), "detail": error.detail_code(), "requestId": request_id } }] });
    let mut response = (status, Json(told)).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"graphql\""));
    }
    if let Error::RateLimited { retry_after, .. } = error {
        headers.insert(header::RETRY_AFTER, retry_after.into());
    }
    response
}

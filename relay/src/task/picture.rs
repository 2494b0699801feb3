//! A task's picture by way of this relay, which hides where the vendor keeps it.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, header};
use schema::App;
use schema::service::task;

use super::download::{self, Wanted};
use super::midjourney;
use crate::call::engine::Engine;
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::ingress::refuse::Ear;

/// The largest picture.
const SIZE: usize = 64 << 20;

/// Answers a picture. Whoever knows its task's id may see it: the id cannot be guessed, and a browser that
/// shows the picture has nothing else to present.
pub async fn answer(app: &App, engine: &Engine, id: &str, ear: Ear) -> Response<Body> {
    match find(app, engine, id).await {
        Ok(response) => response,
        Err(fault) => ear.refuse(&fault, None),
    }
}

async fn find(app: &App, engine: &Engine, id: &str) -> Result<Response<Body>, Fault> {
    let none = || Fault::new(Kind::NotFound, "There is no such picture.").with_code("task_not_exist");
    let known = (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !known {
        return Err(none());
    }
    let task = task::by_uid(app, id).await.map_err(|_| none())?;
    let url = midjourney::picture(&task).ok_or_else(none)?;
    let wanted = Wanted { url, what: "picture", most: SIZE, fits: is_picture, range: None };
    let mut response = download::fetch(app, engine, &task, wanted).await?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    Ok(response)
}

/// Whether it is a picture; drawings that can hold scripts are none.
fn is_picture(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let word = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    word.starts_with("image/") && word != "image/svg+xml"
}

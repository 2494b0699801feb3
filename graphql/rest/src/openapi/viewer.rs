//! What is served: the document, made once, and three small files that show it under a strict policy.

use std::sync::LazyLock;

use axum::Router;
use axum::response::{Redirect, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use schema::App;

use crate::asset::Asset;

/// Scripts and styles only from here, nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static DOCUMENT: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("application/json", super::document().to_string().as_bytes()));
static PAGE: LazyLock<Asset> =
    LazyLock::new(|| file("text/html; charset=utf-8", include_str!("../../assets/docs/index.html")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| file("text/javascript; charset=utf-8", include_str!("../../assets/docs/docs.js")));
static STYLE: LazyLock<Asset> =
    LazyLock::new(|| file("text/css; charset=utf-8", include_str!("../../assets/docs/docs.css")));

fn file(kind: &'static str, text: &'static str) -> Asset {
    Asset::of(kind, text.as_bytes())
}

/// The document and its viewer.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(|headers: HeaderMap| async move { open(&DOCUMENT, &headers) }))
        .route("/docs", get(|headers: HeaderMap| async move { PAGE.send(&headers, POLICY) }))
        .route("/docs/", get(|| async { Redirect::permanent("/docs") }))
        .route("/docs/docs.js", get(|headers: HeaderMap| async move { SCRIPT.send(&headers, POLICY) }))
        .route("/docs/docs.css", get(|headers: HeaderMap| async move { STYLE.send(&headers, POLICY) }))
}

/// The document may be read from any page: it holds nothing that is not public.
fn open(asset: &Asset, asked: &HeaderMap) -> Response {
    let mut response = asset.send(asked, POLICY);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    response
}

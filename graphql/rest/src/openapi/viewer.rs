//! What is served: the document, made once, and three small files that show it under a strict policy.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use schema::App;

/// Scripts and styles only from here, nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Something ready to be sent.
struct Served {
    kind: &'static str,
    plain: Bytes,
    /// Smaller, for who takes it.
    gzip: Bytes,
    tag: HeaderValue,
}

impl Served {
    fn new(kind: &'static str, plain: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        plain.hash(&mut hasher);
        let tag = HeaderValue::from_str(&format!("\"{:016x}\"", hasher.finish()));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail; if it did, nobody would be sent the result.
        let gzip = gzip.write_all(&plain).and_then(|()| gzip.finish()).map(Bytes::from).unwrap_or_default();
        Self { kind, plain, gzip, tag: tag.unwrap_or_else(|_| HeaderValue::from_static("\"0\"")) }
    }
}

static DOCUMENT: LazyLock<Served> =
    LazyLock::new(|| Served::new("application/json", Bytes::from(super::document().to_string())));
static PAGE: LazyLock<Served> =
    LazyLock::new(|| file("text/html; charset=utf-8", include_str!("../../assets/docs/index.html")));
static SCRIPT: LazyLock<Served> =
    LazyLock::new(|| file("text/javascript; charset=utf-8", include_str!("../../assets/docs/docs.js")));
static STYLE: LazyLock<Served> =
    LazyLock::new(|| file("text/css; charset=utf-8", include_str!("../../assets/docs/docs.css")));

fn file(kind: &'static str, text: &'static str) -> Served {
    Served::new(kind, Bytes::from_static(text.as_bytes()))
}

/// The document and its viewer.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(|headers: HeaderMap| async move { open(&DOCUMENT, &headers) }))
        .route("/docs", get(|headers: HeaderMap| async move { send(&PAGE, &headers) }))
        .route("/docs/", get(|| async { Redirect::permanent("/docs") }))
        .route("/docs/docs.js", get(|headers: HeaderMap| async move { send(&SCRIPT, &headers) }))
        .route("/docs/docs.css", get(|headers: HeaderMap| async move { send(&STYLE, &headers) }))
}

/// The document may be read from any page: it holds nothing that is not public.
fn open(served: &'static Served, asked: &HeaderMap) -> Response {
    let mut response = send(served, asked);
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn send(served: &'static Served, asked: &HeaderMap) -> Response {
    let lines = |name| asked.get_all(name).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    let known =
        lines(header::IF_NONE_MATCH).any(|tag| tag.trim().trim_start_matches("W/").as_bytes() == served.tag.as_bytes());
    let zipped = !served.gzip.is_empty()
        && lines(header::ACCEPT_ENCODING).any(|coding| {
            let mut pieces = coding.split(';').map(str::trim);
            pieces.next() == Some("gzip") && !pieces.any(|p| matches!(p, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        });
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = if zipped { served.gzip.clone() } else { served.plain.clone() };
        ([(header::CONTENT_TYPE, served.kind)], body).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-cache"),
        ("vary", "accept-encoding"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(header::ETAG, served.tag.clone());
    if zipped && !known {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

//! The page for people: GraphiQL, served from this binary under a strict policy. The page holds nothing and
//! knows nobody; whoever uses it signs in on it, and the graph decides what they may see.
//! Its code is under `assets/src`, what is embedded under `assets/dist`.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rest::asset::{self, Asset};
use serde_json::{Value, json};

struct File {
    path: &'static str,
    kind: &'static str,
    tag: &'static str,
    gzip: &'static [u8],
}

const FILES: &[File] = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/dist/files.rs"));

macro_rules! example {
    ($name:literal) => {
        ($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/examples/", $name, ".graphql")))
    };
}

/// The example operations, in the order of the menu. The first line of each is its title; a second line
/// `# variables: {…}` holds what to fill in.
const EXAMPLES: &[(&str, &str)] = &[
    example!("01-viewer"),
    example!("02-api-keys"),
    example!("03-create-api-key"),
    example!("04-accounts"),
    example!("05-usage-series"),
    example!("06-usage-events"),
    example!("07-dashboard"),
    example!("08-calls"),
    example!("09-explain-route"),
    example!("10-models"),
    example!("11-cards"),
    example!("12-revenue"),
    example!("13-usage-totals"),
    example!("14-export"),
    example!("15-time-cards"),
];

/// Scripts only from here and never inline. Styles may be inline because the editor writes its own.
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
     style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the page: `/graphiql` and what it loads.
pub fn router() -> Router {
    Router::new()
        .route("/graphiql", get(page))
        .route("/graphiql/", get(page))
        .route("/graphiql/examples.json", get(examples))
        .route("/graphiql/{*path}", get(file))
}

async fn page(headers: HeaderMap) -> Response {
    serve("index.html", &headers)
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    serve(&path, &headers)
}

fn serve(path: &str, asked: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.path == path) else {
        return asset::guarded((StatusCode::NOT_FOUND, "There is no such file."), POLICY);
    };
    let asset = Asset {
        kind: file.kind,
        gzip: Bytes::from_static(file.gzip),
        tag: HeaderValue::from_static(file.tag),
        // Files under assets/ are named by their content.
        keep: if path.starts_with("assets/") { asset::KEPT } else { asset::REVALIDATED },
    };
    asset.send(asked, POLICY)
}

async fn examples() -> Response {
    static LIST: LazyLock<Value> = LazyLock::new(|| EXAMPLES.iter().copied().map(described).collect());
    let mut response = axum::Json(&*LIST).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn described((name, text): (&str, &str)) -> Value {
    let mut lines = text.lines().peekable();
    let title = lines.next_if(|line| line.starts_with('#')).map_or(name, |line| line.trim_start_matches('#').trim());
    let variables = lines
        .next_if(|line| line.starts_with("# variables:"))
        .and_then(|line| serde_json::from_str::<Value>(line.trim_start_matches("# variables:")).ok());
    let query: Vec<&str> = lines.collect();
    json!({
        "name": name,
        "title": title,
        "query": query.join("\n"),
        "variables": variables,
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = http::Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let (parts, body) = router().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, body)
    }

    #[tokio::test]
    async fn the_page_is_whole_and_asks_nothing_of_others() {
        for path in ["/graphiql", "/graphiql/"] {
            let (status, headers, body) = get(path, &[]).await;
            assert_eq!(status, StatusCode::OK);
            let policy = headers["content-security-policy"].to_str().unwrap();
            let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src"));
            assert_eq!(scripts.unwrap().trim(), "script-src 'self'");
            assert_eq!(headers["cache-control"], "no-cache");
            let page = std::str::from_utf8(&body).unwrap();
            assert!(!page.contains("<style") && !page.contains("http://unpkg"));
            for reference in page.split('"').filter(|part| part.starts_with('/')) {
                let (status, headers, bytes) = get(reference, &[]).await;
                assert_eq!(status, StatusCode::OK, "{reference}");
                assert!(!bytes.is_empty());
                assert_eq!(headers["cache-control"], "public, max-age=31536000, immutable");
            }
        }
    }

    #[tokio::test]
    async fn files_come_zipped_to_those_who_take_it_and_not_twice() {
        for file in FILES {
            let path = format!("/graphiql/{}", file.path);
            let (_, headers, zipped) = get(&path, &[("accept-encoding", "br, gzip;q=0.8")]).await;
            assert_eq!(headers["content-encoding"], "gzip");
            let (_, headers, plain) = get(&path, &[("accept-encoding", "gzip;q=0")]).await;
            assert!(!headers.contains_key("content-encoding"));
            assert_eq!(asset::unzip(&zipped).unwrap(), plain);
            let (status, headers, body) = get(&path, &[("if-none-match", file.tag)]).await;
            assert_eq!(status, StatusCode::NOT_MODIFIED);
            assert_eq!(headers["etag"], file.tag);
            assert!(body.is_empty());
        }
        let (status, _, _) = get("/graphiql/../Cargo.toml", &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn every_example_is_told_and_can_be_parsed() {
        let (status, headers, body) = get("/graphiql/examples.json", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "application/json");
        let list: Vec<Value> = serde_json::from_slice(&body).unwrap();
        assert_eq!(list.len(), EXAMPLES.len());
        for (example, (name, text)) in list.iter().zip(EXAMPLES) {
            let query = example["query"].as_str().unwrap();
            async_graphql::parser::parse_query(query).unwrap();
            assert_ne!(example["title"], *name, "an example has a title");
            let wants = text.contains("# variables:");
            assert_eq!(example["variables"].is_object(), wants, "{name}");
        }
    }

    #[test]
    fn what_is_embedded_stays_small() {
        let total: usize = FILES.iter().map(|file| file.gzip.len()).sum();
        assert!(total < 2_500_000, "{total} bytes");
    }
}

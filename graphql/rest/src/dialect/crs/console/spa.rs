//! A console of the operator's own choosing, served from `CONSOLE_DIR` at `/admin-next/`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use schema::App;

/// Where visitors begin.
pub async fn home(State(app): State<App>) -> Response {
    if app.config.console_dir.is_some() {
        return found("/admin-next/api-stats");
    }
    found("/graphiql")
}

/// A 302; `Redirect` has none.
fn found(to: &'static str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

pub async fn without_slash() -> Redirect {
    Redirect::permanent("/admin-next/")
}

pub async fn index(State(app): State<App>) -> Response {
    serve(&app, "").await
}

pub async fn file(State(app): State<App>, Path(path): Path<String>) -> Response {
    serve(&app, &path).await
}

/// A file of the console; pages that are none are the console's own to route, missing files are missing.
async fn serve(app: &App, path: &str) -> Response {
    let missing = || (StatusCode::NOT_FOUND, "not found").into_response();
    let Some(folder) = &app.config.console_dir else { return missing() };
    let plain = path.split('/').all(|part| !matches!(part, "." | "..") && !part.contains(['\\', '\0', ':']));
    if !plain || path.starts_with('/') {
        return missing();
    }
    let looks_like_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let name = if looks_like_file { path } else { "index.html" };
    let file = folder.join(name);
    // A link inside the folder must not lead out of it.
    let (Ok(real), Ok(root)) = (tokio::fs::canonicalize(&file).await, tokio::fs::canonicalize(folder).await) else {
        return missing();
    };
    if !real.starts_with(&root) {
        return missing();
    }
    let Ok(bytes) = tokio::fs::read(&real).await else { return missing() };
    let kept = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, kind_of(name)),
        (header::CACHE_CONTROL, kept),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

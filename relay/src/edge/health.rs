//! `/healthz`, `/readyz` and `/metrics`.

use std::sync::OnceLock;
use std::time::Instant;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use schema::App;

/// When this process began to serve.
static BEGAN: OnceLock<Instant> = OnceLock::new();

/// Seconds since this process began to serve.
pub fn uptime_seconds() -> u64 {
    BEGAN.get_or_init(Instant::now).elapsed().as_secs()
}

/// The three routes.
pub fn router() -> Router<App> {
    BEGAN.get_or_init(Instant::now);
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready)).route("/metrics", get(metrics))
}

async fn alive() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

/// What a process can reach.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// Whether the database answers and is migrated; else why not.
    pub database: Result<(), String>,
    /// Whether the shared counters (Redis, where used) answer; else why not.
    pub counters: Result<(), String>,
    /// Whether the process is on its way out.
    pub stopping: bool,
}

impl Readiness {
    /// True when calls can be served.
    pub fn is_fine(&self) -> bool {
        self.database.is_ok() && self.counters.is_ok() && !self.stopping
    }
}

/// Looks at what this process needs.
pub async fn look(app: &App) -> Readiness {
    let database = match app.db.ping().await {
        Err(e) => Err(e.to_string()),
        Ok(()) => match schema::db::pending(&app.db).await {
            Ok(0) => Ok(()),
            Ok(n) => Err(format!("{n} migrations are pending")),
            Err(e) => Err(e.to_string()),
        },
    };
    let counters = app.kv.ping().await.map_err(|e| e.to_string());
    Readiness { database, counters, stopping: app.stop.is_cancelled() }
}

/// Ready when the database answers and is migrated, and Redis (where used) answers.
async fn ready(State(app): State<App>) -> Response {
    let found = look(&app).await;
    let fine = found.is_fine();
    let Readiness { database, counters, stopping } = found;
    let word = |r: &Result<(), String>| match r {
        Ok(()) => "ok".to_owned(),
        Err(why) => why.clone(),
    };
    let body = serde_json::json!({
        "status": if fine { "ready" } else { "not ready" },
        "database": word(&database),
        "counters": word(&counters),
        "stopping": stopping,
    });
    (if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body)).into_response()
}

async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], schema::metrics::render())
}

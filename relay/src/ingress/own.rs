//! What the holder of a key may ask about it, in the words of each legacy system, and whether a door is open.

use axum::body::Body;
use http::{Response, StatusCode};
use schema::App;
use schema::service::directory::{self, KeyView};
use serde_json::{Value, json};

use super::refuse::{Ear, plain};
use super::route::{Mount, Own};
use crate::convert::Fault;
use crate::convert::fault::Kind;

/// Answers a question about a key.
pub async fn answer(_app: &App, view: &KeyView, ear: Ear, own: Own, _query: &str) -> Response<Body> {
    match own {
        Own::Me => said(&me(view)),
        _ => ear.refuse(&Fault::new(Kind::NotFound, "There is nothing here."), None),
    }
}

/// Whether a door is open: with the accounts behind it, without a key.
pub async fn health(app: &App, mount: Mount) -> Response<Body> {
    let accounts = directory::accounts(app);
    let service = mount.service();
    let now = app.clock.now();
    let behind =
        accounts.iter().filter(|account| service.is_none_or(|service| account.account.kind.service() == service));
    let (mut total, mut active) = (0, 0);
    for account in behind {
        total += 1;
        let well = account.live.state(now).health == schema::model::account::Health::Ok;
        active += i32::from(well && account.account.enabled && account.account.schedulable);
    }
    let healthy = app.db.ping().await.is_ok();
    let body = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "service": "tollgate",
        "version": env!("CARGO_PKG_VERSION"),
        "healthy": healthy,
        "activeAccounts": active,
        "totalAccounts": total,
        "timestamp": now.rfc3339(),
    });
    let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status, body.to_string().into_bytes())
}

fn me(view: &KeyView) -> Value {
    json!({
        "id": format!("user_{}", view.key.uid),
        "type": "user",
        "display_name": view.key.name,
        "created_at": view.key.created_at.rfc3339(),
    })
}

fn said(body: &Value) -> Response<Body> {
    plain(StatusCode::OK, body.to_string().into_bytes())
}

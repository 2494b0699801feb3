//! massrouter: its one envelope around everything it documents.

use harness::app::ADMIN_PASSWORD;
use harness::fake_upstream::Vendor;
use harness::{Client, at};
use rest::dialect::massrouter::TABLE;
use schema::Micros;
use schema::service::wallet;
use serde_json::{Value, json};

use super::Walk;
use crate::massrouter::sign_in;
use crate::world::text;

/// As [`Walk::step`], within this system's envelope; what it holds.
async fn told(
    w: &mut Walk,
    who: &Client,
    line: (&str, &str),
    parameters: &[&str],
    body: Value,
    wanted: &[&str],
) -> Value {
    let said = w.step(who, line, parameters, body, &["data", "message", "timestamp"]).await;
    assert!(said["timestamp"].as_str().is_some_and(|t| t.ends_with('Z')) && said["message"].is_string(), "{said}");
    super::has(&said["data"], wanted);
    said["data"].clone()
}

async fn sessions(w: &mut Walk) -> Client {
    let nobody = w.w.t.anonymous();
    let form = json!({ "email": "user@example.com", "username": "username", "password": "secure_password",
        "confirm_password": "secure_password" });
    told(w, &nobody, ("POST", "/api/v1/auth/register"), &[], form, &[]).await;
    let form = json!({ "email": "user@example.com", "password": "secure_password" });
    let pair: &[&str] = &["user.id", "tokens.access_token", "tokens.refresh_token", "tokens.expires_in"];
    let signed = told(w, &nobody, ("POST", "/api/v1/auth/login"), &[], form, pair).await;
    assert_eq!(at(&signed, "tokens.expires_in"), &json!(3600));
    let refresh = w.w.t.anonymous().bearer(&text(at(&signed, "tokens.refresh_token")));
    let fresh = told(w, &refresh, ("POST", "/api/v1/auth/refresh"), &[], Value::Null, pair).await;
    let spent = w.w.call_as(&refresh, "POST", "/api/v1/auth/refresh", &[], Value::Null).await;
    assert_eq!(spent.status, 401, "a refresh token is good once: {}", spent.text);
    assert_ne!(at(&signed, "tokens.refresh_token"), at(&fresh, "tokens.refresh_token"));
    w.w.set(&[("sign_in_github_client_id", "id"), ("sign_in_github_client_secret", "secret")]).await;
    let begun = w.w.call_as(&nobody, "GET", "/api/v1/auth/oauth/{provider}", &["github"], Value::Null).await;
    assert!(begun.status.is_redirection() && begun.header("location").contains("state="), "{}", begun.text);
    // Somebody who was signed in before the spent token was shown again: the theft ended that session.
    sign_in(&w.w.t, "user@example.com", "secure_password").await
}

async fn own(w: &mut Walk, ann: &Client) -> String {
    let me: &[&str] = &["user.id", "user.email", "user.username", "user.status", "user.created_at"];
    told(w, ann, ("GET", "/api/v1/users/me"), &[], Value::Null, me).await;
    let changed = told(w, ann, ("PUT", "/api/v1/users/me"), &[], json!({ "display_name": "Ann" }), me).await;
    assert_eq!(at(&changed, "user.display_name"), &json!("Ann"));
    let form =
        json!({ "name": "Production Key", "permissions": ["read", "write"], "expires_at": "2999-12-31T23:59:59Z" });
    let key: &[&str] = &["api_key.id", "api_key.key", "api_key.permissions", "api_key.expires_at"];
    let made = told(w, ann, ("POST", "/api/v1/users/me/api-keys"), &[], form, key).await;
    let row: &[&str] = &["api_keys.0.id", "api_keys.0.name", "api_keys.0.status", "pagination.total_pages"];
    told(w, ann, ("GET", "/api/v1/users/me/api-keys"), &[], Value::Null, row).await;
    let id = text(at(&made, "api_key.id"));
    let secret = text(at(&made, "api_key.key"));
    let answer = w.w.t.anonymous().bearer(&secret).get("/api/v1/users/me").await;
    assert_eq!(answer.status, 200, "a key stands for its owner: {}", answer.text);
    told(w, ann, ("DELETE", "/api/v1/users/me/api-keys/{key_id}"), &[&id], Value::Null, &[]).await;
    text(at(&changed, "user.id"))
}

async fn models(w: &mut Walk, ann: &Client) {
    let row: &[&str] =
        &["models.0.id", "models.0.provider", "models.0.category", "models.0.pricing.input_price", "pagination.total"];
    let query = "page=1&limit=2&category=chat&provider=openai&search=gpt&sort_by=name&order=asc";
    for path in ["/api/v1/models", "/api/v1/models/search"] {
        let list = told(w, ann, ("GET", &format!("{path}?{query}")), &[], Value::Null, row).await;
        let models = list["models"].as_array().expect("models");
        assert!(models.len() == 2 && models.iter().all(|m| m["provider"] == "openai"), "{list}");
    }
    let one: &[&str] = &["model.id", "model.pricing.output_price", "model.pricing.currency", "model.available"];
    let found = told(w, ann, ("GET", "/api/v1/models/{model_id}"), &["gpt-4o"], Value::Null, one).await;
    assert_eq!(at(&found, "model.id"), &json!("gpt-4o"));
}

async fn money(w: &mut Walk, ann: &Client) {
    w.w.set(&[("bank_transfer_enabled", "true")]).await;
    told(w, ann, ("GET", "/api/v1/billing/balance"), &[], Value::Null, &["balance", "currency"]).await;
    let form = json!({ "amount": 100.0, "currency": "CNY", "payment_method": "bank_transfer" });
    let payment: &[&str] =
        &["payment.id", "payment.amount", "payment.status", "payment.payment_url", "payment.expires_at"];
    let placed = told(w, ann, ("POST", "/api/v1/billing/payments"), &[], form, payment).await;
    let id = text(at(&placed, "payment.id"));
    let seen = told(w, ann, ("GET", "/api/v1/billing/payments/{payment_id}"), &[&id], Value::Null, payment).await;
    assert_eq!((at(&seen, "payment.status"), at(&seen, "payment.currency")), (&json!("pending"), &json!("CNY")));
    let row: &[&str] = &["transactions", "pagination.total"];
    for kind in ["payment", "consumption", "refund"] {
        let path = format!("/api/v1/billing/transactions?type={kind}&start_date=2020-01-01&end_date=2999-01-01");
        told(w, ann, ("GET", &path), &[], Value::Null, row).await;
    }
}

/// Calls of a model show up in every figure.
async fn figures(w: &mut Walk, ann: &Client, root: &Client) {
    let url = format!("{}/v1", w.w.fake.url_of(Vendor::OpenAi));
    let channel = json!({ "name": "c", "type": 1, "key": Vendor::OpenAi.key(), "base_url": url, "models": "gpt-4o",
        "group": "default", "status": 1 });
    let made = w.w.admin.with("new-api-user", "1").post("/api/channel", channel).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let form = json!({ "name": "k", "permissions": ["read", "write"] });
    let key = told(w, ann, ("POST", "/api/v1/users/me/api-keys"), &[], form, &["api_key.key"]).await;
    let caller = w.w.t.anonymous().bearer(&text(at(&key, "api_key.key")));
    let body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Say hello." }] });
    let answer = caller.post("/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    w.w.booked(1).await;
    let board = told(
        w,
        ann,
        ("GET", "/api/v1/statistics/leaderboard?period=day&category=chat&limit=10"),
        &[],
        Value::Null,
        &["leaderboard.0.rank", "leaderboard.0.share_percent", "leaderboard.0.provider"],
    );
    assert_eq!(at(&board.await, "leaderboard.0.model_id"), &json!("gpt-4o"));
    let sums: &[&str] = &["usage.requests", "usage.total_tokens", "usage.cost_usd", "daily"];
    let of_model = ("GET", "/api/v1/statistics/models/{model_id}/usage");
    let seen = told(w, ann, of_model, &["gpt-4o"], Value::Null, sums).await;
    let mine = told(w, ann, ("GET", "/api/v1/statistics/users/me/usage"), &[], Value::Null, sums).await;
    assert_eq!((at(&seen, "usage.requests"), at(&mine, "usage.requests")), (&json!(1), &json!(1)));
    let spent = told(w, ann, ("GET", "/api/v1/billing/transactions?type=consumption"), &[], Value::Null, &[]).await;
    assert!(at(&spent, "pagination.total").as_i64().is_some_and(|n| n >= 1), "{spent}");
    let glance: &[&str] = &["users.total", "usage.total.requests", "usage.today.cost_usd", "models.total"];
    let glance = told(w, root, ("GET", "/api/v1/admin/statistics/dashboard"), &[], Value::Null, glance).await;
    assert_eq!(at(&glance, "usage.today.requests"), &json!(1));
}

async fn administrators(w: &mut Walk, root: &Client, id: &str) {
    let row: &[&str] = &["users.0.id", "users.0.email", "users.0.status", "pagination.limit"];
    told(w, root, ("GET", "/api/v1/admin/users?limit=5"), &[], Value::Null, row).await;
    let line = ("PUT", "/api/v1/admin/users/{id}/status");
    let put = told(w, root, line, &[id], json!({ "status": "active" }), &["user.id"]).await;
    assert_eq!(at(&put, "user.status"), &json!("active"));
    let price = json!({ "input_price": 7.2, "output_price": 14.4, "currency": "CNY" });
    let line = ("PUT", "/api/v1/admin/models/{model_id}/pricing");
    let priced = told(w, root, line, &["gpt-4o"], price, &["model.pricing.input_price"]).await;
    assert_eq!(at(&priced, "model.pricing.usd.output_price"), &json!(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_what_it_promises() {
    let mut w = Walk::new("massrouter", TABLE).await;
    let ann = sessions(&mut w).await;
    let root = sign_in(&w.w.t, "admin", ADMIN_PASSWORD).await;
    let id = own(&mut w, &ann).await;
    let number = id.parse().expect("a number");
    wallet::adjust(&w.w.t.app, &w.w.t.system(), number, Micros(10_000_000), "", None).await.expect("funded");
    models(&mut w, &ann).await;
    money(&mut w, &ann).await;
    figures(&mut w, &ann, &root).await;
    administrators(&mut w, &root, &id).await;
    // A provider's answer and the socket have tests of their own; the last two are the ledger's.
    let elsewhere = [
        "GET /api/v1/auth/oauth/{provider}/callback",
        "GET /ws",
        "POST /api/v1/admin/users",
        "PATCH /api/v1/admin/users/{id}/status",
    ];
    let missed: Vec<String> =
        w.w.missed(TABLE).into_iter().filter(|line| !elsewhere.contains(&line.as_str())).collect();
    assert!(missed.is_empty(), "nobody called {missed:#?}");
}

//! Signing in and staying signed in, and the words in which things are refused.

use harness::app::ADMIN_PASSWORD;
use harness::{TestApp, at};
use rest::dialect::massrouter::TABLE;
use schema::{Micros, Role};
use serde_json::{Value, json};

use super::{refused, sign_in, told};

/// Paths anybody may ask for.
fn open(method: &str, path: &str) -> bool {
    path.starts_with("/api/v1/auth/")
        || (method == "GET" && path.starts_with("/api/v1/models"))
        || path == "/api/v1/statistics/leaderboard"
}

/// The ledger's part of this table is tested with the ledger.
fn ledgers(method: &str, path: &str) -> bool {
    path.starts_with("/api/v1/admin/users") && matches!(method, "POST" | "PATCH")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_nobody_or_no_administrator_is_told_so_everywhere() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let body =
        json!({ "name": "n", "amount": 1.0, "payment_method": "alipay", "status": "active", "input_price": 1.0 });
    for row in TABLE.iter().filter(|r| !open(r.method, r.path) && !ledgers(r.method, r.path)) {
        let path: String =
            row.path.split('/').map(|p| if p.starts_with('{') { "1" } else { p }).collect::<Vec<_>>().join("/");
        let body = if row.method == "GET" { Value::Null } else { body.clone() };
        let what = format!("{} {path}", row.method);
        refused(&app.anonymous().call(row.method, &path, body.clone()).await, 401, "ERR_002", &what);
        refused(&app.anonymous().bearer("eyJx").call(row.method, &path, body.clone()).await, 401, "ERR_002", &what);
        if path.starts_with("/api/v1/admin/") {
            refused(&ann.call(row.method, &path, body).await, 403, "ERR_003", &what);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_fit_and_things_nobody_has_are_refused() {
    let app = TestApp::new().await;
    let admin = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    for row in TABLE.iter().filter(|r| matches!(r.method, "POST" | "PUT") && !ledgers(r.method, r.path)) {
        if row.path == "/api/v1/auth/refresh" {
            continue;
        }
        let path: String =
            row.path.split('/').map(|p| if p.starts_with('{') { "1" } else { p }).collect::<Vec<_>>().join("/");
        let request = admin.request(row.method.parse().expect("a method"), &path);
        let answer = admin.send(request.header("content-type", "application/json").body("{\"a\":")).await;
        refused(&answer, 400, "ERR_001", &format!("{} {path} with half a body", row.method));
        assert_eq!(at(&answer.json(), "error.details.field"), &json!("body"));
    }
    for (method, path) in [
        ("DELETE", "/users/me/api-keys/987654"),
        ("DELETE", "/users/me/api-keys/abc"),
        ("GET", "/models/nothing"),
        ("GET", "/billing/payments/nothing"),
        ("GET", "/statistics/models/nothing/usage"),
        ("PUT", "/admin/users/987654/status"),
        ("PUT", "/admin/users/abc/status"),
        ("PUT", "/admin/models/nothing/pricing"),
        ("GET", "/auth/oauth/myspace"),
        ("GET", "/models/a/b/c"),
    ] {
        let body = if method == "PUT" { json!({ "status": "active", "input_price": 1.0 }) } else { Value::Null };
        refused(&admin.call(method, &format!("/api/v1{path}"), body).await, 404, "ERR_004", path);
    }
    for path in ["/models?page=0", "/models?limit=101", "/models?limit=x", "/billing/transactions?start_date=x"] {
        refused(&admin.get(&format!("/api/v1{path}")).await, 400, "ERR_001", path);
    }
    refused(&admin.call("DELETE", "/api/v1/models", Value::Null).await, 405, "ERR_001", "a wrong method");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_turn_over_and_one_used_twice_ends_them_all() {
    let app = TestApp::new().await;
    let form = json!({ "email": "ann@example.com", "username": "ann", "password": "secure_password",
        "confirm_password": "secure_password" });
    let first = told(&app.anonymous().post("/api/v1/auth/register", form.clone()).await);
    let lives = at(&first, "tokens.expires_in").as_i64();
    assert!(
        lives.is_some_and(|seconds| (3_590..=3_600).contains(&seconds)),
        "an hour, but for the time this took: {lives:?}"
    );
    refused(&app.anonymous().post("/api/v1/auth/register", form).await, 409, "ERR_001", "twice");
    let other = json!({ "email": "b@example.com", "username": "b", "password": "secure_password", "confirm_password": "other" });
    refused(&app.anonymous().post("/api/v1/auth/register", other).await, 400, "ERR_001", "two passwords");
    let wrong = json!({ "email": "ann@example.com", "password": "wrong-password" });
    refused(&app.anonymous().post("/api/v1/auth/login", wrong).await, 401, "ERR_002", "a wrong password");

    let token = |from: &Value, which: &str| at(from, &format!("tokens.{which}")).as_str().unwrap_or("").to_owned();
    let refresh = |token: String| {
        let client = app.anonymous().bearer(&token);
        async move { client.post("/api/v1/auth/refresh", json!({})).await }
    };
    let second = told(&refresh(token(&first, "refresh_token")).await);
    assert_ne!(token(&second, "refresh_token"), token(&first, "refresh_token"));
    let ann = app.anonymous().bearer(&token(&second, "access_token"));
    told(&ann.get("/api/v1/users/me").await);
    refused(&refresh(token(&second, "access_token")).await, 401, "ERR_002", "an access token");
    refused(&app.anonymous().post("/api/v1/auth/refresh", json!({})).await, 401, "ERR_002", "none");
    // Whoever brings an old one has stolen it, or was stolen from: neither goes on.
    refused(&refresh(token(&first, "refresh_token")).await, 401, "ERR_002", "used twice");
    refused(&refresh(token(&second, "refresh_token")).await, 401, "ERR_002", "its successor");
}

#[tokio::test(flavor = "multi_thread")]
async fn business_codes_say_what_is_wrong() {
    let app = TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    app.person("ann", Role::User, Micros::ZERO).await;
    let ann = sign_in(&app, "ann", harness::PASSWORD).await;
    let admin = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let model = schema::service::catalog::get(&app.app, &app.system(), "gpt-4o-mini").await.expect("a model");
    let off = schema::service::catalog::ModelChange { enabled: Some(false), ..Default::default() };
    schema::service::catalog::change(&app.app, &app.system(), model.id, off).await.expect("switched off");
    refused(&ann.get("/api/v1/models/gpt-4o-mini").await, 404, "MODEL_001", "a model that is switched off");
    refused(&ann.get("/api/v1/statistics/models/gpt-4o-mini/usage").await, 404, "MODEL_001", "the same");
    told(&admin.get("/api/v1/models/gpt-4o-mini").await);

    let form = json!({ "name": "k", "expires_at": "2023-11-14T22:13:30Z" });
    let made = told(&ann.post("/api/v1/users/me/api-keys", form).await);
    let by_key = app.anonymous().bearer(at(&made, "api_key.key").as_str().unwrap_or(""));
    told(&by_key.get("/api/v1/users/me").await);
    app.app.clock.advance(20_000);
    refused(&by_key.get("/api/v1/users/me").await, 401, "APIKEY_001", "a key that has ended");

    let id = at(&told(&ann.get("/api/v1/users/me").await), "user.id").as_str().unwrap_or("").to_owned();
    let path = format!("/api/v1/admin/users/{id}/status");
    let seen = told(&admin.call("PUT", &path, json!({ "status": "inactive" })).await);
    assert_eq!(at(&seen, "user.status"), &json!("inactive"));
    let form = json!({ "email": "ann", "password": harness::PASSWORD });
    refused(&app.anonymous().post("/api/v1/auth/login", form).await, 403, "USER_001", "somebody stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_across_processes() {
    // Without Redis there is one process.
    if !harness::scaled() {
        return;
    }
    let app = TestApp::new().await;
    let small = [("massrouter_anonymous_limit".to_owned(), Some("7".to_owned()))].into();
    schema::service::setting::put(&app.app, &app.system(), &small).await.expect("set");
    let peer = app.peer().await;
    let calls = (0..20).map(|n| {
        let client = if n % 2 == 0 { app.anonymous() } else { peer.anonymous() };
        async move { client.get("/api/v1/models?limit=1").await.status.as_u16() }
    });
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 7, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_have_their_own_limits() {
    let app = TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let mut new = schema::service::api_key::NewKey { name: "k".into(), owner: Some(ann.id), ..Default::default() };
    new.limits.rpm = 3;
    let issued = schema::service::api_key::issue(&app.app, &app.system(), new).await.expect("a key");
    let by_key = app.anonymous().bearer(issued.secret.reveal());
    let calls = (0..5).map(|_| by_key.get("/api/v1/users/me"));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 3);
    let over = by_key.get("/api/v1/users/me").await;
    refused(&over, 429, "ERR_003", "the key's own limit");
    assert_eq!(over.header("ratelimit-limit"), "3");
    let wait = over.header("retry-after").parse::<u32>().expect("seconds");
    assert!(wait <= 60 && (wait == 60 || harness::scaled()), "{wait}");
    // Its owner, signed in, has a limit of their own.
    told(&sign_in(&app, "ann", harness::PASSWORD).await.get("/api/v1/users/me").await);
}

//! massrouter over HTTP: its envelope, its refusals, what it shares with the ledger, and its limits.

mod entry;
mod figures;
mod live;
mod words;

use harness::app::ADMIN_PASSWORD;
use harness::{Answer, Client, TestApp, at};
use schema::{Micros, Role};
use serde_json::{Value, json};

pub async fn sign_in(app: &TestApp, name: &str, password: &str) -> Client {
    let form = json!({ "email": name, "password": password });
    let answer = app.anonymous().post("/api/v1/auth/login", form).await;
    let token = at(&answer.json(), "data.tokens.access_token").as_str().map(str::to_owned);
    app.anonymous().bearer(&token.unwrap_or_else(|| panic!("{name} signs in: {}", answer.text)))
}

pub fn refused(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text);
    let body = answer.json();
    assert_eq!(at(&body, "error.code"), &json!(code), "{what}: {body}");
    assert!(at(&body, "error.details").is_object() && body["timestamp"].is_string(), "{what}: {body}");
}

pub fn told(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let body = answer.json();
    for key in ["success", "data", "message", "timestamp"] {
        assert!(body.get(key).is_some(), "{key} is missing: {body}");
    }
    body["data"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_refuses_strangers_and_weaker_roles() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let rows: &[(&str, &str, bool)] = &[
        ("GET", "/users/me", false),
        ("PUT", "/users/me", false),
        ("GET", "/users/me/api-keys", false),
        ("POST", "/users/me/api-keys", false),
        ("DELETE", "/users/me/api-keys/1", false),
        ("GET", "/billing/balance", false),
        ("GET", "/billing/transactions", false),
        ("POST", "/billing/payments", false),
        ("GET", "/billing/payments/x", false),
        ("GET", "/admin/users", true),
        ("PUT", "/admin/users/1/status", true),
    ];
    let body = json!({ "name": "n", "amount": 1.0, "payment_method": "alipay", "status": "active" });
    for (method, path, admin) in rows {
        let path = format!("/api/v1{path}");
        let body = if *method == "GET" { Value::Null } else { body.clone() };
        refused(&app.anonymous().call(method, &path, body.clone()).await, 401, "ERR_002", &path);
        if *admin {
            refused(&ann.call(method, &path, body).await, 403, "ERR_003", &path);
        }
    }
    refused(&ann.get("/api/v1/users/nobody").await, 404, "ERR_004", "an unknown path");
    refused(&ann.call("DELETE", "/api/v1/users/me", Value::Null).await, 405, "ERR_001", "a wrong method");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_and_change_themselves_and_their_keys() {
    let app = TestApp::new().await;
    app.person("ann", Role::User, Micros(10_000_000)).await;
    let ann = sign_in(&app, "ann@example.com", harness::PASSWORD).await;
    let me = told(&ann.call("PUT", "/api/v1/users/me", json!({ "display_name": "Ann" })).await);
    assert_eq!((at(&me, "user.display_name"), at(&me, "user.username")), (&json!("Ann"), &json!("ann")));
    refused(&ann.call("PUT", "/api/v1/users/me", json!({ "email": "no" })).await, 400, "ERR_001", "a bad address");

    let form = json!({ "name": "Production Key", "permissions": ["read"], "expires_at": "2999-12-31T23:59:59Z" });
    let made = told(&ann.post("/api/v1/users/me/api-keys", form).await);
    let secret = at(&made, "api_key.key").as_str().map(str::to_owned).expect("a key");
    assert!(secret.starts_with("sk-"));
    let list = ann.get("/api/v1/users/me/api-keys").await;
    assert!(!list.text.contains(&secret), "the key is told once");
    assert_eq!(at(&told(&list), "api_keys.0.permissions"), &json!(["read"]));
    let bad = json!({ "name": "x", "permissions": ["fly"] });
    refused(&ann.post("/api/v1/users/me/api-keys", bad).await, 400, "ERR_001", "an odd permission");

    // A key stands for its owner: it may look, and write only when it may write.
    let by_key = app.anonymous().bearer(&secret);
    assert_eq!(at(&told(&by_key.get("/api/v1/users/me").await), "user.username"), &json!("ann"));
    let write = by_key.call("PUT", "/api/v1/users/me", json!({ "bio": "x" })).await;
    refused(&write, 403, "ERR_003", "a key that may only read");

    let id = at(&made, "api_key.id").as_str().unwrap_or("").to_owned();
    let bob = app.user("bob").await;
    let path = format!("/api/v1/users/me/api-keys/{id}");
    refused(&bob.call("DELETE", &path, Value::Null).await, 404, "ERR_004", "somebody else's key");
    told(&ann.call("DELETE", &path, Value::Null).await);
    refused(&by_key.get("/api/v1/users/me").await, 401, "ERR_002", "a removed key");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_shown_in_yuan_and_paid_in() {
    let app = TestApp::new().await;
    app.person("ann", Role::User, Micros(10_000_000)).await;
    let ann = sign_in(&app, "ann", harness::PASSWORD).await;
    let balance = told(&ann.get("/api/v1/billing/balance").await);
    assert_eq!((&balance["balance"], &balance["currency"]), (&json!(72.0), &json!("CNY")));
    let rows = told(&ann.get("/api/v1/billing/transactions?type=payment").await);
    assert_eq!(at(&rows, "transactions.0.amount"), &json!(72.0));
    let none = told(&ann.get("/api/v1/billing/transactions?type=refund&start_date=2020-01-01").await);
    assert_eq!(at(&none, "pagination.total"), &json!(0));
    refused(&ann.get("/api/v1/billing/transactions?type=gift").await, 400, "ERR_001", "an odd type");

    let form = json!({ "amount": 100.0, "currency": "CNY", "payment_method": "bank_transfer" });
    refused(&ann.post("/api/v1/billing/payments", form.clone()).await, 400, "ERR_001", "a way that is not offered");
    let on = std::collections::BTreeMap::from([("bank_transfer_enabled".to_owned(), Some("true".to_owned()))]);
    schema::service::setting::put(&app.app, &app.system(), &on).await.expect("switched on");
    let paid = told(&ann.post("/api/v1/billing/payments", form).await);
    let id = at(&paid, "payment.id").as_str().unwrap_or("").to_owned();
    let seen = told(&ann.get(&format!("/api/v1/billing/payments/{id}")).await);
    assert_eq!((at(&seen, "payment.status"), at(&seen, "payment.amount")), (&json!("pending"), &json!(100.0)));
    let bob = app.user("bob").await;
    refused(&bob.get(&format!("/api/v1/billing/payments/{id}")).await, 404, "ERR_004", "somebody else's payment");
    let odd = json!({ "amount": -1.0, "payment_method": "bank_transfer" });
    refused(&ann.post("/api/v1/billing/payments", odd).await, 400, "ERR_001", "less than nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_paths_answer_in_the_shape_of_whoever_asks() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let ours = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let ledgers = super::ledger::sign_in(&app, "admin", ADMIN_PASSWORD).await;
    // A1: by the audience of the token, or by the header.
    let path = "/api/v1/admin/users";
    assert_eq!(at(&told(&ours.get(path).await), "pagination.total_pages"), &json!(1));
    for caller in [ledgers.clone(), ours.with("x-system", "ledger")] {
        let list = caller.get(path).await.json();
        assert_eq!(at(&list, "data.pagination.totalPages"), &json!(1), "{list}");
        assert!(list.get("timestamp").is_none());
    }
    refused(&app.anonymous().get(path).await, 401, "ERR_002", "nobody");
    // A2: making somebody is the ledger's.
    let form = json!({ "name": "n", "email": "n@example.com", "password": "long-enough" });
    let made = ledgers.post(path, form).await.json();
    assert!(at(&made, "data.user.createdAt").is_string(), "{made}");
    // A3: PUT is massrouter's, PATCH the ledger's.
    let put = ours.call("PUT", &format!("{path}/{}/status", ann.id), json!({ "status": "suspended" })).await;
    assert_eq!(at(&told(&put), "user.status"), &json!("suspended"));
    let patch = ledgers.call("PATCH", &format!("{path}/{}/status", ann.uid), json!({ "isActive": true })).await;
    assert_eq!(at(&patch.json(), "data.user.isActive"), &json!(true), "{}", patch.text);
    let odd = ours.call("PUT", &format!("{path}/{}/status", ann.id), json!({ "status": "gone" })).await;
    refused(&odd, 400, "ERR_001", "an odd status");
    refused(&ours.call("PUT", &format!("{path}/999/status"), json!({ "status": "active" })).await, 404, "ERR_004", "?");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_has_so_many_requests_and_no_more() {
    let app = TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    let small = [("massrouter_anonymous_limit", "3"), ("massrouter_user_limit", "5")];
    let small = small.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).into();
    schema::service::setting::put(&app.app, &app.system(), &small).await.expect("set");
    let ann = app.user("ann").await;
    let statuses = |answers: Vec<Answer>| answers.iter().filter(|a| a.status == 429).count();
    let calls = (0..6).map(|_| {
        let nobody = app.anonymous();
        async move { nobody.get("/api/v1/users/me").await }
    });
    assert_eq!(statuses(futures_util::future::join_all(calls).await), 3, "three of six strangers");
    let calls = (0..8).map(|_| ann.get("/api/v1/users/me"));
    assert_eq!(statuses(futures_util::future::join_all(calls).await), 3, "five of eight, beside the strangers");
    let over = ann.get("/api/v1/users/me").await;
    refused(&over, 429, "ERR_003", "the ninth");
    assert_eq!(over.header("ratelimit-remaining"), "0");
    let wait = over.header("retry-after").parse::<u32>().expect("seconds");
    assert!(wait <= 3_600 && (wait == 3_600 || harness::scaled()), "{wait}");
    assert_eq!(ann.get("/api/announcements").await.status, 200, "other systems are not touched");
    // Redis keeps time of its own, which no test can move.
    if !harness::scaled() {
        app.app.clock.advance(3_600_000);
        told(&ann.get("/api/v1/users/me").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_are_listed_priced_and_counted() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let admin = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let all = told(&app.anonymous().get("/api/v1/models?limit=5&sort_by=price&order=desc").await);
    assert_eq!(at(&all, "models").as_array().map(Vec::len), Some(5));
    let found = told(&app.anonymous().get("/api/v1/models/search?search=gpt-4o-mini").await);
    assert!(at(&found, "models.0.id").as_str().is_some_and(|id| id.contains("gpt-4o-mini")), "{found}");
    refused(&app.anonymous().get("/api/v1/models?sort_by=size").await, 400, "ERR_001", "an odd order");
    refused(&app.anonymous().get("/api/v1/models?category=cake").await, 400, "ERR_001", "an odd category");
    refused(&app.anonymous().get("/api/v1/models/nothing").await, 404, "ERR_004", "an unknown model");

    let price = json!({ "input_price": 7.2, "currency": "CNY" });
    let path = "/api/v1/admin/models/gpt-4o-mini/pricing";
    refused(&app.anonymous().call("PUT", path, price.clone()).await, 401, "ERR_002", "nobody");
    refused(&ann.call("PUT", path, price.clone()).await, 403, "ERR_003", "a user");
    refused(&admin.call("PUT", path, json!({})).await, 400, "ERR_001", "no price");
    told(&admin.call("PUT", path, price).await);
    let seen = told(&ann.get("/api/v1/models/gpt-4o-mini").await);
    assert_eq!(at(&seen, "model.pricing.usd.input_price"), &json!(1.0), "{seen}");
    assert!(at(&seen, "model.pricing.output_price").as_f64().is_some_and(|p| p > 0.0), "what is not named stays");

    let board = told(&app.anonymous().get("/api/v1/statistics/leaderboard?period=month").await);
    assert!(board["leaderboard"].is_array());
    refused(&app.anonymous().get("/api/v1/statistics/leaderboard?period=age").await, 400, "ERR_001", "an age");
    for path in ["/statistics/models/gpt-4o-mini/usage", "/statistics/users/me/usage"] {
        let path = format!("/api/v1{path}");
        refused(&app.anonymous().get(&path).await, 401, "ERR_002", &path);
        assert_eq!(at(&told(&ann.get(&path).await), "usage.requests"), &json!(0));
    }
    refused(&ann.get("/api/v1/admin/statistics/dashboard").await, 403, "ERR_003", "a user");
    let glance = told(&admin.get("/api/v1/admin/statistics/dashboard").await);
    assert_eq!(at(&glance, "users.total"), &json!(2));
}

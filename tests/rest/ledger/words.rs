//! Refusals everywhere in this system's words, the versioned aliases, and the limits of lists and calls.

use harness::{TestApp, at};
use rest::dialect::ledger::TABLE;
use schema::Role;
use serde_json::{Value, json};

use super::{cast, refused, sign_in};

/// The weakest role that may; `None` is anybody.
fn needed(method: &str, path: &str) -> Option<Role> {
    let tail = path.trim_start_matches("/api").trim_start_matches("/v1").trim_start_matches("/admin");
    match tail {
        "/auth/login" | "/system/config" => None,
        _ if tail.starts_with("/announcements") && !path.contains("/admin/") => Some(Role::User),
        _ if tail.starts_with("/configs") || (tail.starts_with("/users") && method != "GET") => Some(Role::SuperAdmin),
        _ => Some(Role::Admin),
    }
}

fn filled(path: &str, with: &str) -> String {
    path.split('/').map(|p| if p.starts_with('{') { with } else { p }).collect::<Vec<_>>().join("/")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_asks_who_calls_and_may() {
    let c = cast().await;
    let more = std::collections::BTreeMap::from([
        ("ledger_admin_limit".to_owned(), Some("10000".to_owned())),
        ("ledger_batch_limit".to_owned(), Some("10000".to_owned())),
    ]);
    schema::service::setting::put(&c.app.app, &c.app.system(), &more).await.expect("set");
    // One body that every form accepts, so that what refuses is the role.
    let body = json!({ "name": "n", "email": "n@example.com", "password": "long-enough", "newPassword": "long-enough",
        "isActive": true, "value": "v", "configs": [], "title": "t", "content": "c", "config": { "apiKey": "k" },
        "announcementIds": [] });
    for row in TABLE {
        let Some(role) = needed(row.method, row.path) else { continue };
        let path = filled(row.path, "x");
        let what = format!("{} {path}", row.method);
        let body = if row.method == "GET" { Value::Null } else { body.clone() };
        refused(&c.nobody.call(row.method, &path, body.clone()).await, 401, "UNAUTHORIZED", &what);
        let forged = c.nobody.bearer("eyJhbGciOiJIUzI1NiJ9.e30.x");
        refused(&forged.call(row.method, &path, body.clone()).await, 401, "UNAUTHORIZED", &what);
        if role > Role::User {
            refused(&c.user.call(row.method, &path, body.clone()).await, 403, "FORBIDDEN", &what);
        }
        if role > Role::Admin {
            refused(&c.admin.call(row.method, &path, body).await, 403, "FORBIDDEN", &what);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_fit_and_ids_nobody_has_are_refused() {
    let c = cast().await;
    let more = std::collections::BTreeMap::from([
        ("ledger_admin_limit".to_owned(), Some("10000".to_owned())),
        ("ledger_login_limit".to_owned(), Some("10000".to_owned())),
    ]);
    schema::service::setting::put(&c.app.app, &c.app.system(), &more).await.expect("set");
    for row in TABLE.iter().filter(|r| matches!(r.method, "POST" | "PUT" | "PATCH")) {
        let bodiless = ["/logout", "/publish", "/unpublish", "/read"];
        if bodiless.iter().any(|end| row.path.ends_with(end)) {
            continue;
        }
        let path = filled(row.path, "x");
        let request = c.root.request(row.method.parse().expect("a method"), &path);
        let answer = c.root.send(request.header("content-type", "application/json").body("{\"a\":")).await;
        refused(&answer, 400, "VALIDATION_ERROR", &format!("{} {path} with half a body", row.method));
    }
    let body = json!({ "name": "n", "newPassword": "long-enough", "isActive": true, "value": "v", "title": "t" });
    for row in TABLE.iter().filter(|r| r.path.contains('{')) {
        let path = filled(row.path, "00000000-0000-4000-8000-000000000009");
        let body = if row.method == "GET" { Value::Null } else { body.clone() };
        refused(&c.root.call(row.method, &path, body).await, 404, "NOT_FOUND", &format!("{} {path}", row.method));
    }
    for path in [
        "/users?limit=101",
        "/users?page=0",
        "/llm/logs?limit=1001",
        "/llm/logs?isSuccess=maybe",
        "/llm/logs?startDate=x",
        "/llm/stats?period=1y",
        "/llm/stats?groupBy=moon",
        "/logs/llm?limit=1001",
        "/logs/access?limit=1001",
        "/announcements?status=GONE",
        "/announcements?type=CAKE",
    ] {
        refused(&c.root.get(&format!("/api/admin{path}")).await, 400, "VALIDATION_ERROR", path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_versioned_paths_answer_as_the_others_do() {
    let c = cast().await;
    for path in [
        "/auth/verify",
        "/configs",
        "/llm/config",
        "/announcements",
        "/llm/logs",
        "/llm/stats",
        "/logs/llm",
        "/dashboard/charts",
    ] {
        let old = c.root.get(&format!("/api/admin{path}")).await;
        let new = c.root.get(&format!("/api/v1/admin{path}")).await;
        assert_eq!((old.status.as_u16(), old.json()), (200, new.json()), "{path}");
    }
    let verified = c.admin.get("/api/v1/admin/auth/verify").await.json();
    assert_eq!(at(&verified, "data.admin.role"), &json!("ADMIN"));
    let out = c.admin.post("/api/v1/admin/auth/logout", json!({})).await;
    assert_eq!(out.json(), json!({ "success": true, "message": "登出成功" }));
    refused(&c.admin.get("/api/admin/auth/verify").await, 401, "UNAUTHORIZED", "after signing out");
    let form = json!({ "username": "ann", "password": harness::PASSWORD });
    let entered = c.nobody.post("/api/v1/admin/auth/login", form).await;
    refused(&entered, 403, "FORBIDDEN", "a user at the administrators' door");
    let form = json!({ "username": "ada", "password": "wrong-password" });
    refused(&c.nobody.post("/api/admin/auth/login", form).await, 401, "UNAUTHORIZED", "a wrong password");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_has_a_hundred_calls_a_minute() {
    let app = TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    let calls = (0..105).map(|_| root.get("/api/admin/auth/verify"));
    let answers = futures_util::future::join_all(calls).await;
    let over: Vec<_> = answers.iter().filter(|a| a.status == 429).collect();
    assert_eq!(over.len(), 5, "a hundred of a hundred and five at one moment");
    refused(over[0], 429, "RATE_LIMIT_EXCEEDED", "over the limit");
    assert_eq!((over[0].header("ratelimit-limit"), over[0].header("ratelimit-remaining")), ("100", "0"));
    assert!(!over[0].header("retry-after").is_empty());
    assert_eq!(app.anonymous().get("/api/system/config").await.status, 200, "the user side is not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_in_a_hundred_requests_are_logged() {
    let c = cast().await;
    let share = |percent: &str| {
        let app = c.app.app.clone();
        let change = [("log_sample_percent".to_owned(), Some(percent.to_owned()))].into();
        async move { schema::service::setting::put(&app, &schema::Actor::system(), &change).await.expect("set") }
    };
    share("0").await;
    assert_eq!(c.nobody.get("/api/system/config?unseen").await.status, 200);
    share("100").await;
    assert_eq!(c.nobody.get("/api/home_page_content").await.status, 200);
    for _ in 0..100 {
        let logs = c.admin.get("/api/admin/logs/api?endpoint=home_page_content").await.json();
        if at(&logs, "data.pagination.total") == &json!(1) {
            let unseen = c.admin.get("/api/admin/logs/api?endpoint=/api/system/config").await.json();
            assert_eq!(at(&unseen, "data.pagination.total"), &json!(0), "{unseen}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the request was never noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_in_the_log_of_visits_and_calls_are_not() {
    let c = cast().await;
    let visitor = c.nobody.with("user-agent", "a-browser/1");
    assert_eq!(visitor.get("/pay/NOTHING").await.status.as_u16() / 100, 4);
    assert_eq!(visitor.get("/api/system/config").await.status, 200);
    for _ in 0..100 {
        let logs = c.admin.get("/api/admin/logs/access?path=/pay/NOTHING").await.json();
        if at(&logs, "data.logs.0").is_object() {
            let row = at(&logs, "data.logs.0");
            assert_eq!((&row["method"], &row["userAgent"]), (&json!("GET"), &json!("a-browser/1")), "{row}");
            assert!(row["ip"].is_string() && row["duration"].is_i64() && row["userId"].is_null(), "{row}");
            let calls = c.admin.get("/api/admin/logs/access?path=/api/system/config").await.json();
            assert_eq!(at(&calls, "data.pagination.total"), &json!(0), "{calls}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the visit was never noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_end_and_are_withdrawn() {
    let app = TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    let ann = app.user("ann").await;
    let post = |form: Value| {
        let root = root.clone();
        async move {
            let made = root.post("/api/admin/announcements", form).await.json();
            let id = at(&made, "data.announcement.id").as_str().map(str::to_owned).expect("an id");
            assert_eq!(root.post(&format!("/api/admin/announcements/{id}/publish"), json!({})).await.status, 200);
            id
        }
    };
    // A minute long, and without an end.
    let short = post(json!({ "title": "short", "content": "c", "expiresAt": "2023-11-14T22:14:20Z" })).await;
    let long = post(json!({ "title": "long", "content": "c", "type": "SYSTEM", "priority": 5 })).await;
    assert_eq!(at(&ann.get("/api/announcements").await.json(), "data.unreadCount"), &json!(2));
    app.app.clock.advance(61_000);
    let board = ann.get("/api/announcements").await.json();
    assert_eq!((at(&board, "data.unreadCount"), at(&board, "data.announcements.0.id")), (&json!(1), &json!(long)));
    let read = ann.post(&format!("/api/announcements/{short}/read"), json!({})).await;
    refused(&read, 404, "NOT_FOUND", "what is over");
    schema::service::announcement::expire_due(&app.app).await.expect("swept");
    let over = root.get("/api/admin/announcements?status=EXPIRED").await.json();
    assert_eq!(at(&over, "data.announcements.0.id"), &json!(short), "{over}");
    let again = root.post(&format!("/api/admin/announcements/{short}/publish"), json!({})).await;
    refused(&again, 400, "VALIDATION_ERROR", "an end that has passed");
    root.post(&format!("/api/admin/announcements/{long}/unpublish"), json!({})).await;
    let withdrawn = root.get("/api/admin/announcements?status=DRAFT&type=SYSTEM&search=long").await.json();
    assert_eq!(at(&withdrawn, "data.announcements.0.id"), &json!(long), "{withdrawn}");
    assert_eq!(at(&ann.get("/api/announcements").await.json(), "data.unreadCount"), &json!(0));
    let late = root.post("/api/admin/announcements", json!({ "title": "t", "content": "c", "expiresAt": "x" })).await;
    refused(&late, 400, "VALIDATION_ERROR", "no date");
}

//! The ledger over HTTP: its shapes, its refusals, its permission matrix and its limits.

mod calls;
mod people;
mod words;

use harness::app::ADMIN_PASSWORD;
use harness::{Client, PASSWORD, TestApp, at};
use schema::{Micros, Role};
use serde_json::{Value, json};

/// Somebody signed in through this system's own door.
pub async fn sign_in(app: &TestApp, name: &str, password: &str) -> Client {
    let form = json!({ "username": name, "password": password });
    let answer = app.anonymous().post("/api/admin/auth/login", form).await;
    let token = at(&answer.json(), "data.token").as_str().map(str::to_owned);
    app.anonymous().bearer(&token.unwrap_or_else(|| panic!("{name} signs in: {}", answer.text)))
}

struct Cast {
    app: TestApp,
    root: Client,
    admin: Client,
    user: Client,
    nobody: Client,
}

async fn cast() -> Cast {
    let app = TestApp::new().await;
    app.person("ada", Role::Admin, Micros::ZERO).await;
    let root = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let admin = sign_in(&app, "ada", PASSWORD).await;
    let user = app.user("ann").await;
    let nobody = app.anonymous();
    Cast { app, root, admin, user, nobody }
}

fn refused(answer: &harness::Answer, status: u16, code: &str, what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text);
    let body = answer.json();
    assert_eq!(body["success"], json!(false), "{what}");
    assert_eq!(at(&body, "error.code"), &json!(code), "{what}: {body}");
    assert!(at(&body, "error.details").is_string(), "{what}: details are a sentence");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_refuses_strangers_and_weaker_roles() {
    let c = cast().await;
    let rows: &[(&str, &str, bool)] = &[
        ("GET", "/dashboard/overview", false),
        ("GET", "/dashboard/charts", false),
        ("GET", "/users", false),
        ("GET", "/users/x", false),
        ("POST", "/users", true),
        ("PUT", "/users/x", true),
        ("POST", "/users/x/reset-password", true),
        ("PATCH", "/users/x/status", true),
        ("DELETE", "/users/x", true),
        ("GET", "/configs", true),
        ("PUT", "/configs/site_name", true),
        ("POST", "/configs/batch", true),
        ("GET", "/llm/config", false),
        ("PUT", "/llm/config", false),
        ("POST", "/llm/test", false),
        ("GET", "/announcements", false),
        ("GET", "/announcements/x", false),
        ("POST", "/announcements", false),
        ("PUT", "/announcements/x", false),
        ("POST", "/announcements/x/publish", false),
        ("POST", "/announcements/x/unpublish", false),
        ("DELETE", "/announcements/x", false),
        ("GET", "/announcements/x/stats", false),
        ("GET", "/logs/access", false),
        ("GET", "/logs/api", false),
    ];
    // One body that every form accepts, so that what refuses is the role.
    let body = json!({ "name": "n", "email": "n@example.com", "password": "long-enough", "newPassword": "long-enough",
        "isActive": true, "value": "v", "configs": [], "title": "t", "content": "c", "config": { "apiKey": "k" } });
    for (method, path, super_only) in rows {
        let body = if *method == "GET" { Value::Null } else { body.clone() };
        for base in ["/api/admin", "/api/v1/admin"] {
            let path = format!("{base}{path}");
            let shared = path == "/api/v1/admin/users" && *method == "GET";
            let answer = c.nobody.call(method, &path, body.clone()).await;
            let code = if shared { "ERR_002" } else { "UNAUTHORIZED" };
            assert_eq!(at(&answer.json(), "error.code"), &json!(code), "{method} {path}: {}", answer.text);
            assert_eq!(answer.status, 401, "{method} {path}");
        }
        let path = format!("/api/admin{path}");
        refused(&c.user.call(method, &path, body.clone()).await, 403, "FORBIDDEN", &path);
        if *super_only {
            refused(&c.admin.call(method, &path, body.clone()).await, 403, "FORBIDDEN", &path);
        }
    }
    refused(&c.nobody.get("/api/announcements").await, 401, "UNAUTHORIZED", "the board");
    refused(&c.nobody.bearer("eyJx").get("/api/announcements").await, 401, "UNAUTHORIZED", "a bad token");
    refused(&c.admin.get("/api/admin/nothing").await, 404, "NOT_FOUND", "an unknown path");
    refused(&c.admin.get("/api/v1/admin/nothing/at/all").await, 404, "NOT_FOUND", "an unknown alias");
    assert_eq!(c.admin.call("PATCH", "/api/admin/users", json!({})).await.status, 405);
    drop(c.app);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_made_changed_stopped_and_removed() {
    let c = cast().await;
    let form = json!({ "name": "张三", "email": "zhang@example.com", "password": "temporary_password" });
    let made = c.root.post("/api/admin/users", form.clone()).await;
    let id = at(&made.json(), "data.user.id").as_str().map(str::to_owned).expect("an id");
    refused(&c.root.post("/api/admin/users", form).await, 400, "VALIDATION_ERROR", "the same address twice");
    refused(&c.root.post("/api/admin/users", json!({ "name": "x" })).await, 400, "VALIDATION_ERROR", "half a form");

    let list = c.admin.get("/api/admin/users?search=zhang&status=active&sort=name&order=asc").await.json();
    assert_eq!(at(&list, "data.users.0.name"), &json!("张三"));
    assert_eq!(at(&list, "data.pagination"), &json!({ "page": 1, "limit": 20, "total": 1, "totalPages": 1 }));
    refused(&c.admin.get("/api/admin/users?limit=101").await, 400, "VALIDATION_ERROR", "101 people");
    refused(&c.admin.get("/api/admin/users?sort=age").await, 400, "VALIDATION_ERROR", "an odd order");

    let one = format!("/api/admin/users/{id}");
    let changed = c.root.call("PUT", &one, json!({ "name": "李四", "bio": "b" })).await.json();
    assert_eq!(at(&changed, "data.user.email"), &json!("zhang@example.com"), "what is not named stays");
    let seen = c.admin.get(&one).await.json();
    assert_eq!((at(&seen, "data.user.name"), at(&seen, "data.user.bio")), (&json!("李四"), &json!("b")));
    assert_eq!(at(&seen, "data.user.stats.transactionCount"), &json!(0));

    let stop = c.root.call("PATCH", &format!("{one}/status"), json!({ "isActive": false })).await.json();
    assert_eq!(at(&stop, "data.user.isActive"), &json!(false));
    let inactive = c.admin.get("/api/admin/users?status=inactive").await.json();
    assert_eq!(at(&inactive, "data.pagination.total"), &json!(1));
    let reset = c.root.post(&format!("{one}/reset-password"), json!({ "newPassword": "short" })).await;
    refused(&reset, 400, "VALIDATION_ERROR", "a short password");
    assert_eq!(c.root.call("DELETE", &one, Value::Null).await.status, 200);
    refused(&c.admin.get(&one).await, 404, "NOT_FOUND", "somebody removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_typed_and_a_batch_is_all_or_nothing() {
    let c = cast().await;
    let list = c.root.get("/api/admin/configs?category=user").await.json();
    let configs = at(&list, "data.configs").as_array().cloned().unwrap_or_default();
    let registration = configs.iter().find(|s| s["key"] == "registration_enabled").expect("the setting");
    assert_eq!(registration["type"], json!("BOOLEAN"));
    assert_eq!(registration["value"], json!("true"));
    let bad = json!({ "configs": [
        { "key": "registration_enabled", "value": "false" }, { "key": "llm_enabled", "value": "perhaps" },
    ] });
    refused(&c.root.post("/api/admin/configs/batch", bad).await, 400, "VALIDATION_ERROR", "a bad value");
    let public = c.nobody.get("/api/system/config").await.json();
    assert_eq!(public["data"], json!({ "registrationEnabled": true, "llmEnabled": true }), "nothing was changed");
    let put = c.root.call("PUT", "/api/admin/configs/registration_enabled", json!({ "value": "false" })).await.json();
    assert_eq!(at(&put, "data.config.value"), &json!("false"));
    let public = c.nobody.get("/api/system/config").await.json();
    assert_eq!(at(&public, "data.registrationEnabled"), &json!(false));
    let unknown = c.root.call("PUT", "/api/admin/configs/nothing", json!({ "value": "1" })).await;
    refused(&unknown, 404, "NOT_FOUND", "an unknown setting");
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_live_are_read_and_counted() {
    let c = cast().await;
    let form = json!({ "title": "t", "content": "c", "summary": "s", "type": "MAINTENANCE", "priority": 1,
        "expiresAt": "2999-01-07T00:00:00Z" });
    let made = c.admin.post("/api/admin/announcements", form).await.json();
    let id = at(&made, "data.announcement.id").as_str().map(str::to_owned).expect("an id");
    assert_eq!(at(&made, "data.announcement.status"), &json!("DRAFT"));
    let big = json!({ "title": "t", "content": "x".repeat(50 * 1024 + 1) });
    refused(&c.admin.post("/api/admin/announcements", big).await, 400, "VALIDATION_ERROR", "more than 50 KB");

    let board = c.user.get("/api/announcements").await.json();
    assert_eq!(at(&board, "data.unreadCount"), &json!(0), "a draft is nobody's business");
    let published = c.admin.post(&format!("/api/admin/announcements/{id}/publish"), json!({})).await.json();
    assert!(at(&published, "data.publishedAt").is_string(), "{published}");
    let board = c.user.get("/api/announcements?unreadOnly=true").await.json();
    assert_eq!(at(&board, "data.announcements.0.isRead"), &json!(false));
    assert_eq!(at(&board, "data.unreadCount"), &json!(1));
    assert_eq!(c.user.post(&format!("/api/announcements/{id}/read"), json!({})).await.status, 200);
    let batch = json!({ "announcementIds": [id, "unknown"] });
    assert_eq!(c.user.post("/api/announcements/read-batch", batch).await.status, 200);
    let stats = c.admin.get(&format!("/api/admin/announcements/{id}/stats")).await.json();
    assert_eq!(at(&stats, "data.readCount"), &json!(1), "reading twice counts once");
    assert_eq!(at(&stats, "data.readTrend.0.count"), &json!(1));
    let seen = c.admin.get(&format!("/api/admin/announcements/{id}")).await.json();
    assert_eq!(at(&seen, "data.announcement.stats.readRate"), at(&stats, "data.readRate"));
    let put = c.admin.call("PUT", &format!("/api/admin/announcements/{id}"), json!({ "title": "u" })).await.json();
    assert_eq!(at(&put, "data.announcement.content"), &json!("c"), "what is not named stays");
    assert_eq!(c.admin.post(&format!("/api/admin/announcements/{id}/unpublish"), json!({})).await.status, 200);
    refused(&c.user.post(&format!("/api/announcements/{id}/read"), json!({})).await, 404, "NOT_FOUND", "withdrawn");
    assert_eq!(c.admin.call("DELETE", &format!("/api/admin/announcements/{id}"), Value::Null).await.status, 200);
    refused(&c.admin.get(&format!("/api/admin/announcements/{id}")).await, 404, "NOT_FOUND", "removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_service_keeps_its_key_to_itself() {
    let c = cast().await;
    let upstream = harness::fake_upstream::FakeUpstream::start(harness::fake_upstream::Vendor::OpenAi).await;
    let key = harness::fake_upstream::Vendor::OpenAi.key();
    let config = json!({ "provider": "openai", "apiKey": key, "model": "gpt-4o-mini", "baseURL": upstream.url() });
    let set = c.admin.call("PUT", "/api/admin/llm/config", json!({ "enabled": true, "config": config })).await;
    assert_eq!(at(&set.json(), "data.config.apiKey"), &json!("sk-***"), "{}", set.text);
    let again = json!({ "enabled": false, "config": { "apiKey": "sk-***", "model": "gpt-4o" } });
    let set = c.admin.call("PUT", "/api/admin/llm/config", again).await;
    let seen = c.admin.get("/api/admin/llm/config").await;
    assert!(!set.text.contains(key) && !seen.text.contains(key));
    assert_eq!(at(&seen.json(), "data.enabled"), &json!(false));
    assert_eq!(at(&seen.json(), "data.config.model"), &json!("gpt-4o"));
    let tested = c.admin.post("/api/admin/llm/test", json!({})).await.json();
    assert_eq!(at(&tested, "data.connected"), &json!(true), "{tested}");
    assert!(at(&tested, "data.latency").is_i64());
    let gone =
        json!({ "config": { "provider": "openai", "apiKey": "sk-x", "model": "m", "baseURL": "http://127.0.0.1:1" } });
    let tested = c.admin.post("/api/admin/llm/test", gone).await.json();
    assert_eq!(at(&tested, "data.connected"), &json!(false), "{tested}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_and_the_logs_count_what_happened() {
    let c = cast().await;
    let overview = c.admin.get("/api/admin/dashboard/overview").await.json();
    assert_eq!(at(&overview, "data.userStats.totalUsers"), &json!(3));
    assert!(at(&overview, "data.systemStats.uptime").is_string());
    let charts = c.admin.get("/api/admin/dashboard/charts?period=30d&metrics=users,visits").await.json();
    assert_eq!(at(&charts, "data.users").as_array().map(Vec::len), Some(30));
    assert_eq!(at(&charts, "data.users.29.value"), &json!(3));
    assert!(at(&charts, "data.transactions").is_null(), "only what was asked for");
    refused(&c.admin.get("/api/admin/dashboard/charts?period=1y").await, 400, "VALIDATION_ERROR", "a year");
    refused(&c.admin.get("/api/admin/logs/api?limit=1001").await, 400, "VALIDATION_ERROR", "1001 rows");
    for _ in 0..50 {
        let logs = c.admin.get("/api/admin/logs/api?endpoint=/dashboard/overview&statusCode=200").await.json();
        if at(&logs, "data.logs.0").is_object() {
            assert_eq!(at(&logs, "data.logs.0.userName"), &json!("ada"), "{logs}");
            assert_eq!(at(&logs, "data.pagination.limit"), &json!(50));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the request was never noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_and_batches_are_limited_exactly() {
    let app = TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    let root = sign_in(&app, "admin", ADMIN_PASSWORD).await;
    let form = json!({ "username": "admin", "password": ADMIN_PASSWORD });
    for left in (0..4).rev() {
        let answer = app.anonymous().post("/api/admin/auth/login", form.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.header("ratelimit-remaining")), (200, left.to_string().as_str()));
    }
    let answer = app.anonymous().post("/api/admin/auth/login", form.clone()).await;
    refused(&answer, 429, "RATE_LIMIT_EXCEEDED", "the sixth sign-in");
    assert_eq!(answer.header("ratelimit-limit"), "5");
    // Redis keeps time of its own, in which the first sign-in was a moment ago.
    let wait = answer.header("retry-after").parse::<u32>().expect("seconds");
    assert!(wait <= 60 && (wait == 60 || harness::scaled()), "{wait}");
    // Other faces and other rules are not touched by it.
    let batch = json!({ "configs": [{ "key": "site_name", "value": "x" }] });
    let calls = (0..15).map(|_| root.post("/api/admin/configs/batch", batch.clone()));
    let answers = futures_util::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|a| a.status == 429).count(), 5, "ten of fifteen at one moment");
    // Redis keeps time of its own, which no test can move.
    if !harness::scaled() {
        app.app.clock.advance(60_000);
        assert_eq!(app.anonymous().post("/api/admin/auth/login", form).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn model_calls_are_logged_and_summed() {
    use schema::model::usage::{Counts, Recorded, Settlement};
    let c = cast().await;
    for path in ["/llm/logs", "/llm/stats", "/llm/logs/x", "/logs/llm"] {
        let path = format!("/api/admin{path}");
        refused(&c.nobody.get(&path).await, 401, "UNAUTHORIZED", &path);
        refused(&c.user.get(&path).await, 403, "FORBIDDEN", &path);
    }
    let empty = c.admin.get("/api/admin/llm/logs").await.json();
    assert_eq!(at(&empty, "data.stats.totalCalls"), &json!(0));
    let ann = schema::service::user::pages(
        &c.app.app,
        &c.app.system(),
        &schema::model::user::UserFilter { search: Some("ann".into()), ..Default::default() },
        Default::default(),
        schema::page::Window { limit: 1, offset: 0 },
    )
    .await
    .expect("people")
    .rows
    .remove(0);
    let call = Settlement {
        call_id: "call-1".into(),
        at: c.app.app.clock.now(),
        user_id: ann.id,
        model: "gpt-4o-mini".into(),
        status: 200,
        counts: Counts { input: 150, output: 200, ..Counts::default() },
        cost: 17_500,
        duration_ms: 2_500,
        meta: json!({ "accountBookId": "b1", "accountBookName": "个人账本" }).to_string(),
        content: Some(Recorded { user_message: "question".into(), ..Recorded::default() }),
        ..Settlement::default()
    };
    let quiet = Settlement { call_id: "call-0".into(), user_id: 0, ..call.clone() };
    schema::service::settle::record(&c.app.app, quiet, None).await.expect("recorded");
    let on = std::collections::BTreeMap::from([("record_content".to_owned(), Some("true".to_owned()))]);
    schema::service::setting::put(&c.app.app, &c.app.system(), &on).await.expect("switched on");
    schema::service::settle::record(&c.app.app, call, None).await.expect("recorded");
    for _ in 0..100 {
        let path = "/api/admin/llm/logs?accountBookId=b1&isSuccess=true&sort=totalTokens";
        let all = c.admin.get(path).await.json();
        if at(&all, "data.pagination.total") == &json!(2) {
            let quiet = c.admin.get("/api/admin/llm/logs/call-0").await.json();
            assert!(at(&quiet, "data.log.userMessage").is_null(), "said before recording was switched on: {quiet}");
            let logs = c.admin.get(&format!("{path}&userId={}", ann.uid)).await.json();
            assert_eq!(at(&logs, "data.logs.0.totalTokens"), &json!(350), "{logs}");
            assert_eq!(at(&logs, "data.logs.0.accountBookName"), &json!("个人账本"));
            assert_eq!(at(&logs, "data.logs.0.userMessage"), &json!("question"));
            assert_eq!(at(&logs, "data.logs.0.cost"), &json!(0.0175));
            let one = c.admin.get("/api/admin/llm/logs/call-1").await.json();
            assert!(at(&one, "data.log.errorMessage").is_null(), "{one}");
            let brief = c.admin.get("/api/admin/logs/llm").await.json();
            assert!(at(&brief, "data.logs.0").get("userMessage").is_none(), "{brief}");
            let stats = c.admin.get("/api/admin/llm/stats?period=30d").await.json();
            assert_eq!(at(&stats, "data.overview.totalCalls"), &json!(2), "{stats}");
            assert_eq!(at(&stats, "data.providerStats.0.model"), &json!("gpt-4o-mini"));
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the call was never booked");
}

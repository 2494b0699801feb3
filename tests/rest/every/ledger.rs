//! The ledger, under both of its prefixes.

use harness::app::ADMIN_PASSWORD;
use harness::fake_upstream::Vendor;
use harness::{Client, at};
use rest::dialect::ledger::TABLE;
use schema::{Micros, Role};
use serde_json::{Value, json};

use super::Walk;
use crate::ledger::sign_in;
use crate::world::text;

const CHAT: &str = "gpt-4o-mini";

/// A line of the table under a prefix.
fn line(base: &str, rest: &str) -> String {
    format!("{base}{rest}")
}

async fn people(w: &mut Walk, root: &Client, base: &str) {
    // Where the two systems share a path, the ledger's callers are known by their tokens.
    let email = format!("new{}@example.com", base.len());
    let form = json!({ "name": "新用户", "email": email, "password": "temporary_password" });
    let made = w.step(root, ("POST", &line(base, "/users")), &[], form, &["data.user.id"]).await;
    let id = text(at(&made, "data.user.id"));
    w.step(root, ("GET", &line(base, "/users?search=new&status=active&sort=name&order=asc")), &[], Value::Null, &[])
        .await;
    let one = line(base, "/users/{id}");
    w.step(root, ("GET", &one), &[&id], Value::Null, &["data.user.isActive"]).await;
    let form = json!({ "name": "更新后的名字", "bio": "更新的简介" });
    let changed = w.step(root, ("PUT", &one), &[&id], form, &["data.user.email"]).await;
    assert_eq!(
        (at(&changed, "data.user.name"), at(&changed, "data.user.email")),
        (&json!("更新后的名字"), &json!(email))
    );
    let form = json!({ "newPassword": "new_password" });
    w.step(root, ("POST", &line(base, "/users/{id}/reset-password")), &[&id], form, &[]).await;
    let login = json!({ "email": email, "password": "new_password" });
    let signed = w.w.t.anonymous().post("/api/v1/auth/login", login).await;
    assert_eq!(signed.status, 200, "the new password holds: {}", signed.text);
    let form = json!({ "isActive": false });
    let off = w.step(root, ("PATCH", &line(base, "/users/{id}/status")), &[&id], form, &[]).await;
    assert_eq!(at(&off, "data.user.isActive"), &json!(false));
    w.step(root, ("DELETE", &one), &[&id], Value::Null, &[]).await;
}

async fn configs(w: &mut Walk, root: &Client, base: &str) {
    w.step(root, ("GET", &line(base, "/configs?category=user")), &[], Value::Null, &[]).await;
    let put = line(base, "/configs/{id}");
    let config: &[&str] = &["data.config.key", "data.config.type", "data.config.isEditable"];
    let said = w.step(root, ("PUT", &put), &["site_name"], json!({ "value": "Mine" }), config).await;
    assert_eq!(at(&said, "data.config.value"), &json!("Mine"));
    let form = json!({ "configs": [{ "key": "registration_enabled", "value": "false" },
        { "key": "llm_enabled", "value": "true" }] });
    let both = w.step(root, ("POST", &line(base, "/configs/batch")), &[], form, &["data.configs.1.value"]).await;
    assert_eq!(at(&both, "data.configs").as_array().map(Vec::len), Some(2));
    let nobody = w.w.t.anonymous();
    let open = w.step(&nobody, ("GET", "/api/system/config"), &[], Value::Null, &[]).await;
    assert_eq!(open["data"], json!({ "registrationEnabled": false, "llmEnabled": true }));
    w.w.set(&[("registration_enabled", "true")]).await;
}

async fn notices(w: &mut Walk, root: &Client, reader: &Client, base: &str) {
    let form = json!({ "title": "新公告标题", "content": "详细内容", "summary": "简短摘要", "type": "GENERAL",
        "priority": 0, "expiresAt": "2999-01-07T00:00:00Z" });
    let all = line(base, "/announcements");
    let made = w.step(root, ("POST", &all), &[], form, &["data.announcement.id"]).await;
    assert_eq!(at(&made, "data.announcement.status"), &json!("DRAFT"));
    let id = text(at(&made, "data.announcement.id"));
    let one = line(base, "/announcements/{id}");
    w.step(root, ("PUT", &one), &[&id], json!({ "title": "更新后的标题", "priority": 1 }), &[]).await;
    w.step(root, ("POST", &line(base, "/announcements/{id}/publish")), &[&id], Value::Null, &[]).await;
    let shown = w.step(root, ("GET", &one), &[&id], Value::Null, &[]).await;
    assert_eq!(at(&shown, "data.announcement.title"), &json!("更新后的标题"));
    w.step(root, ("GET", &all), &[], Value::Null, &[]).await;
    let board = w.step(reader, ("GET", "/api/announcements"), &[], Value::Null, &[]).await;
    assert_eq!((at(&board, "data.announcements.0.isRead"), at(&board, "data.unreadCount")), (&json!(false), &json!(1)));
    w.step(reader, ("POST", "/api/announcements/{id}/read"), &[&id], Value::Null, &[]).await;
    let form = json!({ "announcementIds": [id] });
    w.step(reader, ("POST", "/api/announcements/read-batch"), &[], form, &[]).await;
    let stats = w.step(root, ("GET", &line(base, "/announcements/{id}/stats")), &[&id], Value::Null, &[]).await;
    assert_eq!(at(&stats, "data.readCount"), &json!(1), "read twice, counted once");
    assert!(
        at(&stats, "data.readTrend").as_array().is_some_and(|days| days.iter().any(|d| d["count"] == 1)),
        "{stats}"
    );
    w.step(root, ("POST", &line(base, "/announcements/{id}/unpublish")), &[&id], Value::Null, &[]).await;
    let board = w.step(reader, ("GET", "/api/announcements"), &[], Value::Null, &[]).await;
    assert_eq!(at(&board, "data.announcements"), &json!([]));
    w.step(root, ("DELETE", &one), &[&id], Value::Null, &[]).await;
}

/// The service's account, a call through it, and that call in every list and figure.
async fn calls(w: &mut Walk, root: &Client, base: &str, secret: &str, before: i64) {
    let url = format!("{}/v1", w.w.fake.url_of(Vendor::OpenAi));
    let config = json!({ "provider": "openai", "apiKey": Vendor::OpenAi.key(), "model": CHAT, "baseURL": url });
    let path = line(base, "/llm/config");
    let form = json!({ "enabled": true, "config": config });
    let put = w.step(root, ("PUT", &path), &[], form, &["data.config.apiKey"]).await;
    assert!(!put.to_string().contains(Vendor::OpenAi.key()), "{put}");
    let shown = w.step(root, ("GET", &path), &[], Value::Null, &[]).await;
    assert_eq!(at(&shown, "data.config.model"), &json!(CHAT));
    let tried = w.step(root, ("POST", &line(base, "/llm/test")), &[], json!({ "config": config }), &[]).await;
    assert_eq!(at(&tried, "data.connected"), &json!(true), "{tried}");

    let caller = w.w.t.anonymous().bearer(secret).with("x-account-book-id", "b1");
    let body = json!({ "model": CHAT, "messages": [{ "role": "user", "content": "Say hello." }] });
    let answer = caller.post("/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    w.w.booked(before + 1).await;
    let logs = w.step(root, ("GET", &line(base, "/llm/logs?isSuccess=true")), &[], Value::Null, &[]).await;
    let id = text(at(&logs, "data.logs.0.id"));
    assert_eq!(at(&logs, "data.logs.0.accountBookId"), &json!("b1"));
    let one = w.step(root, ("GET", &line(base, "/llm/logs/{id}")), &[&id], Value::Null, &[]).await;
    assert_eq!(at(&one, "data.log.userMessage"), &Value::Null, "nothing is recorded unless asked");
    let brief = w.step(root, ("GET", &line(base, "/logs/llm")), &[], Value::Null, &["data.logs.0.totalTokens"]).await;
    assert_eq!(at(&brief, "data.pagination.total"), &json!(before + 1));
    let stats = w.step(root, ("GET", &line(base, "/llm/stats?period=7d")), &[], Value::Null, &[]).await;
    assert_eq!(at(&stats, "data.overview.totalCalls"), &json!(before + 1));
}

async fn overviews(w: &mut Walk, root: &Client, base: &str) {
    w.step(root, ("GET", &line(base, "/dashboard/overview")), &[], Value::Null, &[]).await;
    let charts = line(base, "/dashboard/charts?period=7d&metrics=users,transactions,visits");
    w.step(root, ("GET", &charts), &[], Value::Null, &[]).await;
    for rest in ["/logs/access", "/logs/api"] {
        w.step(root, ("GET", &line(base, rest)), &[], Value::Null, &["data.pagination.total"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_what_it_promises_under_both_prefixes() {
    let mut w = Walk::new("ledger", TABLE).await;
    w.w.set(&[("ledger_login_limit", "100"), ("ledger_admin_limit", "10000"), ("ledger_batch_limit", "100")]).await;
    let ann = w.w.t.person("ann", Role::User, Micros(10_000_000)).await;
    let new = schema::service::api_key::NewKey { owner: Some(ann.id), name: "k".into(), ..Default::default() };
    let issued = schema::service::api_key::issue(&w.w.t.app, &w.w.t.system(), new).await.expect("a key");
    let secret = issued.secret.reveal().clone();
    for (turn, base) in ["/api/admin", "/api/v1/admin"].into_iter().enumerate() {
        let nobody = w.w.t.anonymous();
        let form = json!({ "username": "admin", "password": ADMIN_PASSWORD });
        w.step(&nobody, ("POST", &line(base, "/auth/login")), &[], form, &["data.token"]).await;
        let root = sign_in(&w.w.t, "admin", ADMIN_PASSWORD).await;
        // A reader for each turn, who has read nothing yet.
        let reader = w.w.t.user(&format!("reader{turn}")).await;
        w.step(&root, ("GET", &line(base, "/auth/verify")), &[], Value::Null, &[]).await;
        people(&mut w, &root, base).await;
        configs(&mut w, &root, base).await;
        notices(&mut w, &root, &reader, base).await;
        calls(&mut w, &root, base, &secret, i64::try_from(turn).unwrap_or(0)).await;
        overviews(&mut w, &root, base).await;
        w.step(&root, ("POST", &line(base, "/auth/logout")), &[], Value::Null, &[]).await;
        assert_eq!(root.get(&line(base, "/auth/verify")).await.status, 401, "signed out");
    }
    w.end();
}

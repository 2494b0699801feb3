//! crs: what its console sets up does what it says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use harness::fake_mail::{self, FakeMail, Manner};
use harness::fake_upstream::Step;
use harness::{TestApp, at};
use http::StatusCode;
use schema::clock::MINUTE;
use schema::model::account::Health;
use schema::service::account::{self, Mark};
use schema::{Role, Time};
use serde_json::{Value, json};

use crate::world::{World, text};

/// A request that a server was sent.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

type Ears = Arc<Mutex<Vec<Heard>>>;

async fn hear(State((ears, answers)): State<(Ears, Arc<Vec<String>>)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let headers = parts.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap_or("").to_owned())).collect();
    let number = {
        let mut all = ears.lock().expect("a lock");
        all.push(Heard { path: parts.uri.to_string(), headers, body: String::from_utf8_lossy(&body).into_owned() });
        all.len() - 1
    };
    let answer = answers.get(number).or(answers.last()).cloned().unwrap_or_default();
    match answer.strip_prefix('!') {
        Some("302") => (StatusCode::FOUND, [("location", "http://127.0.0.1:1/")]).into_response(),
        Some(code) => StatusCode::from_u16(code.parse().expect("a status")).expect("a status").into_response(),
        None => answer.into_response(),
    }
}

/// A server that gives these answers in order (`!500` for a status), the last of them from then on.
pub async fn server(answers: Vec<String>) -> (String, Ears) {
    let ears = Ears::default();
    let router = Router::new().fallback(hear).with_state((ears.clone(), Arc::new(answers)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, ears)
}

/// The host and port of an address.
pub fn host(url: &str) -> String {
    url.trim_start_matches("http://").split('/').next().unwrap_or("").to_owned()
}

/// What a server was sent, once it is so much.
pub async fn heard(ears: &Ears, count: usize) -> Vec<Heard> {
    for _ in 0..500 {
        let all = ears.lock().expect("a lock").clone();
        if all.len() >= count {
            return all;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} requests did not come: {:?}", ears.lock().expect("a lock"));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_signed_and_nothing_inside_is_reached() {
    let w = World::new().await;
    let (url, ears) = server(vec!["ok".into()]).await;
    let body = json!({ "type": "custom", "url": url, "enableSign": true, "secret": "s3cret" });
    let refused = w.admin.post("/admin/webhook/test", body.clone()).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("not on the public network"), "{}", refused.text);
    for inside in ["http://169.254.169.254/latest/", "http://localhost:1/", "http://[::ffff:127.0.0.1]:1/"] {
        let refused = w.admin.post("/admin/webhook/test", json!({ "type": "custom", "url": inside })).await;
        assert!(refused.status == 400 && refused.text.contains("not on the public network"), "{}", refused.text);
    }
    assert!(ears.lock().expect("a lock").is_empty());
    w.set(&[("webhook_allowed_hosts", &host(&url))]).await;
    let sent = w.admin.post("/admin/webhook/test", body).await;
    assert_eq!((sent.status.as_u16(), &sent.json()["success"]), (200, &json!(true)), "{}", sent.text);
    let got = heard(&ears, 1).await.remove(0);
    assert_eq!(got.path, "/hook");
    let signed = format!("{}.{}", got.headers["x-webhook-timestamp"], got.body);
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s3cret");
    let wanted = schema::id::hex(ring::hmac::sign(&key, signed.as_bytes()).as_ref());
    assert_eq!(got.headers["x-webhook-signature"], format!("sha256={wanted}"));
    assert!(!got.body.contains("s3cret") && !sent.text.contains("s3cret"));

    let (away, ears) = server(vec!["!302".into()]).await;
    w.set(&[("webhook_allowed_hosts", &host(&away))]).await;
    let refused = w.admin.post("/admin/webhook/test", json!({ "type": "custom", "url": away })).await;
    assert!(refused.status == 400 && refused.text.contains("302"), "{}", refused.text);
    assert_eq!(ears.lock().expect("a lock").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_go_by_mail_and_to_no_server_inside() {
    let w = World::new().await;
    let fake = FakeMail::start(Manner::StartTls).await;
    let form = |to: &str| {
        json!({ "type": "smtp", "name": "post", "host": "127.0.0.1", "port": fake.port, "user": fake_mail::USER,
            "pass": fake_mail::PASSWORD, "from": "Tollgate <robot@example.com>", "to": to, "enabled": true })
    };
    let two = "ann@example.com, bob@example.com";
    let inside = w.admin.post("/admin/webhook/test", form(two)).await;
    assert!(inside.status == 400 && inside.text.contains("not on the public network"), "{}", inside.text);
    w.set(&[("webhook_allowed_hosts", &format!("127.0.0.1:{}", fake.port))]).await;
    let stranger = w.admin.post("/admin/webhook/test", form(two)).await;
    assert!(stranger.status == 400 && stranger.text.contains("trusted"), "{}", stranger.text);
    w.set(&[("smtp_certificates", fake_mail::AUTHORITY)]).await;
    for (bad, why) in [("", "host, user, pass and to"), ("nobody", "no mail address"), ("a@b.c\r\nRCPT", "no mail")] {
        let refused = w.admin.post("/admin/webhook/test", form(bad)).await;
        assert!(refused.status == 400 && refused.text.contains(why), "{bad}: {}", refused.text);
    }
    assert!(fake.letters().is_empty());
    let sent = w.admin.post("/admin/webhook/test", form(two)).await;
    assert_eq!((sent.status.as_u16(), &sent.json()["success"]), (200, &json!(true)), "{}", sent.text);
    let letter = fake.letters().remove(0);
    assert_eq!((letter.from.as_str(), letter.to.len(), letter.encrypted), ("robot@example.com", 2, true));
    assert!(letter.text.contains("This is a test."), "{}", letter.text);

    let added = w.admin.post("/admin/webhook/platforms", form(two)).await;
    assert_eq!(added.status, 200, "{}", added.text);
    assert!(!added.text.contains(fake_mail::PASSWORD), "{}", added.text);
    let on = w.admin.post("/admin/webhook/config", json!({ "enabled": true })).await;
    assert!(on.status == 200 && !on.text.contains(fake_mail::PASSWORD), "{}", on.text);
    let told = w.admin.post("/admin/webhook/test-notification", json!({ "message": "again" })).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert!(fake.letters()[1].text.contains("again"), "the password that is covered is still known");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_stops_is_told_of_once_and_again_after_a_failure() {
    let mut w = World::new().await;
    let id = w.console_account("mine").await;
    let (url, ears) = server(vec!["!500".into(), "ok".into()]).await;
    w.set(&[("webhook_allowed_hosts", &host(&url))]).await;
    let peer = w.t.peer().await;
    let platform = json!({ "type": "custom", "name": "ours", "url": url, "enabled": true });
    let config = json!({
        "enabled": true, "platforms": [platform], "notificationTypes": { "accountAnomaly": true, "rateLimitRecovery": false },
        "retrySettings": { "maxRetries": 2, "retryDelay": 20, "timeout": 5_000 },
    });
    w.step("POST", "/admin/webhook/config", &[], config).await;
    let found = account::get_by_uid(&w.t.app, &w.t.system(), &id).await.expect("the account");
    let mark = Mark { health: Health::Blocked, cool_until: None, note: "the key was revoked", status: 401 };
    account::mark(&w.t.app, found.id, mark).await.expect("marked");
    let all = heard(&ears, 2).await;
    let told: Value = serde_json::from_str(&all[1].body).expect("JSON");
    assert_eq!((&told["type"], &told["data"]["account"]), (&json!("accountAnomaly"), &json!("mine")), "{told}");
    assert_eq!(told["data"]["reason"], "the key was revoked");
    // Neither the other process nor the recovery, which nobody wants to hear of, says anything more.
    account::reset_status(&w.t.app, &w.t.system(), found.id).await.expect("well again");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(ears.lock().expect("a lock").len(), 2);
    drop(peer);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sets_up_webhooks_may_configure_and_secrets_stay() {
    let w = World::new().await;
    w.t.person("helper", Role::Admin, schema::Micros::ZERO).await;
    let helper = w.t.sign_in("helper", harness::PASSWORD).await;
    assert_eq!(helper.get("/admin/webhook/config").await.status, 403);
    assert_eq!(helper.post("/admin/webhook/config", json!({ "enabled": true })).await.status, 403);
    let body = json!({ "type": "slack", "name": "room", "url": "https://hooks.slack.com/services/T/B/SECRET" });
    let added = w.admin.post("/admin/webhook/platforms", body).await;
    assert_eq!(added.status, 200, "{}", added.text);
    let shown = w.admin.get("/admin/webhook/config").await;
    assert!(!shown.text.contains("SECRET") && !added.text.contains("SECRET"), "{}", shown.text);
    let platforms = at(&shown.json(), "config.platforms").clone();
    let kept = w.admin.post("/admin/webhook/config", json!({ "platforms": platforms })).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let stored = rest::webhook::read(&w.t.app);
    assert_eq!(stored.platforms[0].url, "https://hooks.slack.com/services/T/B/SECRET", "what was covered is kept");
    for (body, status) in [
        (json!({ "type": "smtp", "url": "https://a.example" }), 400),
        (json!({ "type": "custom", "url": "nonsense" }), 400),
        (json!({ "type": "telegram", "botToken": "1:a" }), 400),
    ] {
        let refused = w.admin.post("/admin/webhook/platforms", body).await;
        assert_eq!(refused.status, status, "{}", refused.text);
    }
    let config = json!({ "notificationTypes": { "gossip": true } });
    assert_eq!(w.admin.post("/admin/webhook/config", config).await.status, 400);
    assert_eq!(w.admin.call("DELETE", "/admin/webhook/platforms/nobody", Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_relays_switches_do_what_they_say() {
    let mut w = World::new().await;
    w.console_account("mine").await;
    let body = json!({ "name": "k", "concurrencyLimit": 1 });
    let secret = text(&w.step("POST", "/admin/api-keys", &[], body).await["data"]["apiKey"]);

    let shown = w.step("PUT", "/admin/claude-relay-config", &[], json!({ "claudeCodeOnlyEnabled": true })).await;
    assert_eq!(at(&shown, "config.claudeCodeOnlyEnabled"), &json!(true));
    assert_eq!(at(&shown, "config.updatedBy"), &json!("admin"));
    let refused = w.say_hello(&secret).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert_eq!(w.say_as_claude_code(&secret).await.status, 200);
    w.step("PUT", "/admin/claude-relay-config", &[], json!({ "claudeCodeOnlyEnabled": false })).await;
    assert_eq!(w.say_hello(&secret).await.status, 200);

    let slowly = || Step::answer().on("/v1/messages").after(Duration::from_millis(400));
    w.fake.script([slowly(), slowly()]);
    let (one, two) = tokio::join!(w.say_hello(&secret), w.say_hello(&secret));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 429], "{} {}", one.text, two.text);
    let queue = json!({ "concurrentRequestQueueEnabled": true, "concurrentRequestQueueTimeoutMs": 5_000 });
    w.step("PUT", "/admin/claude-relay-config", &[], queue).await;
    w.fake.script([slowly(), slowly()]);
    let (one, two) = tokio::join!(w.say_hello(&secret), w.say_hello(&secret));
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200), "{} {}", one.text, two.text);
    let stats = w.step("GET", "/admin/concurrency-queue/stats", &[], Value::Null).await;
    assert_eq!((at(&stats, "data.stats.success"), at(&stats, "data.totalWaiting")), (&json!(1), &json!(0)), "{stats}");

    w.step("PUT", "/admin/claude-relay-config", &[], json!({ "requestDetailCaptureEnabled": true })).await;
    assert_eq!(w.say_hello(&secret).await.status, 200);
    w.booked(6).await;
    let details = w.step("GET", "/admin/request-details", &[], Value::Null).await;
    assert_eq!(at(&details, "data.captureEnabled"), &json!(true));
    let call = text(at(&details, "data.records.0.id"));
    let one = w.step("GET", "/admin/request-details/{requestId}", &[&call], Value::Null).await;
    assert!(at(&one, "data.record.requestBody.user").to_string().contains("Say hello."), "{one}");
    what_the_page_of_calls_reads(&details, &one);
    w.step("POST", "/admin/request-details/body-preview-purge", &[], Value::Null).await;
    let one = w.step("GET", "/admin/request-details/{requestId}", &[&call], Value::Null).await;
    assert_eq!((at(&one, "data.record.requestBodySnapshot"), at(&one, "data.record.id")), (&Value::Null, &json!(call)));

    let body = json!({
        "globalSessionBindingEnabled": true, "sessionBindingTtlDays": 7, "sessionBindingErrorMessage": "Anew, please.",
        "userMessageQueueEnabled": true, "userMessageQueueDelayMs": 300, "userMessageQueueTimeoutMs": 5000,
    });
    let kept = w.step("PUT", "/admin/claude-relay-config", &[], body.clone()).await;
    for (name, value) in body.as_object().expect("switches") {
        assert_eq!(&kept["config"][name], value, "{name}");
    }
    let settings = schema::service::setting::current(&w.t.app);
    assert!(settings.bool("session_binding") && settings.bool("user_turns"), "the relay's own settings");
    let health = "concurrentRequestQueueHealthCheckEnabled";
    let refused = w.call("PUT", "/admin/claude-relay-config", &[], json!({ health: true })).await;
    assert!(refused.status == 400 && refused.text.contains("concurrentRequestQueueMaxSize"), "{}", refused.text);
    let kept = w.call("PUT", "/admin/claude-relay-config", &[], json!({ health: false })).await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let refused = w.call("PUT", "/admin/claude-relay-config", &[], json!({ "concurrentRequestQueueMaxSize": 0 })).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_tested_when_they_are_due() {
    let start = Time::parse("2026-03-01T07:59:30Z").expect("a time");
    let mut w = World::of(TestApp::builder().clock_at(start).start().await).await;
    w.set(&[("time_zone", "+08:00")]).await;
    let (access, refresh) = w.fake.issue_tokens(harness::fake_upstream::Vendor::Anthropic);
    let body = json!({
        "name": "c", "baseUrl": w.fake.url_of(harness::fake_upstream::Vendor::Anthropic),
        "claudeAiOauth": { "accessToken": access, "refreshToken": refresh, "expiresAt": 4_102_444_800_000_i64 },
    });
    let id = text(&w.step("POST", "/admin/claude-accounts", &[], body).await["data"]["id"]);
    let config = "/admin/claude-accounts/{accountId}/test-config";
    let refused = w.call("PUT", config, &[&id], json!({ "cronExpression": "61 * * * *" })).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let body = json!({ "enabled": true, "cronExpression": "0 16 * * *" });
    let kept = w.step("PUT", config, &[&id], body).await;
    assert_eq!(at(&kept, "data.config.cronExpression"), &json!("0 16 * * *"));
    assert_eq!(rest::dialect::crs::test_due(&w.t.app).await.expect("a round"), 0, "not yet four in the afternoon");
    w.t.app.clock.advance(MINUTE);
    assert_eq!(rest::dialect::crs::test_due(&w.t.app).await.expect("a round"), 1);
    assert_eq!(rest::dialect::crs::test_due(&w.t.app).await.expect("a round"), 0, "once in its minute");
    let history = w.step("GET", "/admin/claude-accounts/{accountId}/test-history", &[&id], Value::Null).await;
    assert_eq!(at(&history, "data.history.0.success"), &json!(true), "{history}");
    let shown = w.step("GET", config, &[&id], Value::Null).await;
    assert_eq!(at(&shown, "data.config.enabled"), &json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_tell_how_accounts_really_do() {
    let mut w = World::of(TestApp::builder().clock_at(Time(1_772_359_200_000)).start().await).await;
    let id = w.console_account("mine").await;
    let found = account::get_by_uid(&w.t.app, &w.t.system(), &id).await.expect("the account");
    let until = w.t.app.clock.now().plus(10 * MINUTE);
    let mark = Mark { health: Health::Cooling, cool_until: Some(until), note: "overloaded", status: 529 };
    account::mark(&w.t.app, found.id, mark).await.expect("marked");
    w.t.app.clock.advance(3 * MINUTE);
    let list = w.step("GET", "/admin/claude-console-accounts", &[], Value::Null).await;
    let row = &list["data"][0];
    assert_eq!(at(row, "overloadStatus.isOverloaded"), &json!(true), "{row}");
    assert_eq!(at(row, "rateLimitStatus.minutesSinceRateLimit"), &json!(3), "{row}");
    assert_eq!(at(row, "rateLimitStatus.minutesRemaining"), &json!(7), "{row}");
    let resting = w.step("GET", "/admin/temp-unavailable", &[], Value::Null).await;
    assert_eq!(resting["data"][format!("claude-console:{id}")]["statusCode"], 529, "{resting}");

    account::reset_status(&w.t.app, &w.t.system(), found.id).await.expect("well again");
    let facts =
        json!({ "claude_usage": { "fiveHour": { "resetsAt": w.t.app.clock.now().plus(60 * MINUTE).rfc3339() } } });
    account::learn(&w.t.app, found.id, facts.as_object().expect("an object")).await.expect("learned");
    let body = json!({ "name": "k" });
    let secret = text(&w.step("POST", "/admin/api-keys", &[], body).await["data"]["apiKey"]);
    assert_eq!(w.say_hello(&secret).await.status, 200);
    w.booked(1).await;
    w.step("PUT", "/admin/claude-console-accounts/{accountId}", &[&id], json!({ "dailyQuota": 0.000_001 })).await;
    let list = w.step("GET", "/admin/claude-console-accounts", &[], Value::Null).await;
    let row = &list["data"][0];
    assert_eq!(at(row, "overloadStatus.isOverloaded"), &json!(false));
    assert_eq!(at(row, "sessionWindow.progress"), &json!(80), "{row}");
    assert_eq!(at(row, "usage.sessionWindow.totalRequests"), &json!(1), "{row}");
    assert!(at(row, "usage.sessionWindow.modelUsage.claude-sonnet-4-5.requests") == &json!(1), "{row}");
    assert!(at(row, "quotaStoppedAt").is_string(), "the quota is spent: {row}");
    let summary = w.step("GET", "/admin/accounts/balance/summary", &[], Value::Null).await;
    assert_eq!((at(&summary, "data.totalBalance"), at(&summary, "data.lowBalanceCount")), (&json!(0.0), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_failures_and_what_is_left_at_its_vendor_are_shown() {
    let mut w = World::of(TestApp::builder().clock_at(Time(1_772_359_200_000)).start().await).await;
    let id = w.console_account("failing").await;
    let secret = text(&w.step("POST", "/admin/api-keys", &[], json!({ "name": "k" })).await["data"]["apiKey"]);
    w.fake.script([Step::refuse(400)]);
    assert_eq!(w.say_hello(&secret).await.status, 400);
    w.booked(1).await;
    let (errors, place) = ("/admin/accounts/{accountType}/{accountId}/error-history", ["claude-console", id.as_str()]);
    let shown = w.step("GET", errors, &place, Value::Null).await;
    let row = &shown["data"][0];
    assert_eq!((&row["status"], at(row, "context.apiKeyName")), (&json!(400), &json!("k")), "{shown}");
    assert!(at(row, "context.model").is_string() && row["time"].is_string(), "{shown}");
    let beyond = w.step("GET", &format!("{errors}?offset=1&limit=5"), &place, Value::Null).await;
    assert_eq!(beyond["data"], json!([]));
    w.t.app.clock.advance(1_000);
    w.step("DELETE", errors, &place, Value::Null).await;
    assert_eq!(w.step("GET", errors, &place, Value::Null).await["data"], json!([]), "out of sight");
    let rows = w.step("GET", "/admin/dashboard", &[], Value::Null).await;
    assert!(rows["data"].is_object(), "the call itself stays");

    let (url, _ears) = server(vec!["{\"hard_limit_usd\":20}".into(), "{\"total_usage\":550}".into()]).await;
    let address = url.trim_end_matches("/hook");
    let form = json!({ "name": "told", "baseApi": format!("{address}/v1"), "apiKey": "sk-of-it" });
    let made = w.step("POST", "/admin/openai-responses-accounts", &[], form).await;
    let told = text(&made["data"]["id"]);
    let path = "/admin/accounts/{accountId}/balance";
    assert!(w.step("GET", path, &[&told], Value::Null).await["data"]["balance"].is_null(), "nobody asked");
    w.step("POST", &format!("{path}/refresh"), &[&told], json!({})).await;
    let left = w.step("GET", path, &[&told], Value::Null).await;
    assert_eq!((at(&left, "data.balance.amount"), at(&left, "data.source")), (&json!(14.5), &json!("api")), "{left}");
    let all = w.step("GET", "/admin/accounts/balance/platform/{platform}", &["openai-responses"], Value::Null).await;
    assert_eq!(at(&all, "data.0.data.balance.amount"), &json!(14.5), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_and_releases_are_asked_of_the_configured_addresses() {
    let w = World::new().await;
    let (url, _) = server(vec![r#"{"tag_name":"v99.0.0","name":"n","html_url":"https://r.example"}"#.into()]).await;
    let shown = w.admin.get("/admin/check-updates").await.json();
    assert_eq!((at(&shown, "data.hasUpdate"), at(&shown, "data.error")), (&json!(false), &json!(true)), "{shown}");
    w.set(&[("releases_url", &url)]).await;
    let shown = w.admin.get("/admin/check-updates").await.json();
    assert_eq!((at(&shown, "data.latest"), at(&shown, "data.hasUpdate")), (&json!("99.0.0"), &json!(true)), "{shown}");
    assert_eq!(at(&w.admin.get("/admin/check-updates").await.json(), "data.cached"), &json!(true));

    let (url, _) =
        server(vec!["!500".into(), "nonsense".into(), r#"{"m":{"input_cost_per_token":1e-6}}"#.into()]).await;
    w.set(&[("prices_url", &url)]).await;
    assert_eq!(w.admin.post("/admin/models/pricing/refresh", Value::Null).await.status, 502);
    assert_eq!(w.admin.post("/admin/models/pricing/refresh", Value::Null).await.status, 400);
    let done = w.admin.post("/admin/models/pricing/refresh", Value::Null).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(at(&done.json(), "data.lastUpdated").is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_is_served_from_its_folder_and_nothing_else_is() {
    let folder = std::env::temp_dir().join(format!("tollgate-console-{}", std::process::id()));
    let assets = folder.join("site/assets");
    std::fs::create_dir_all(&assets).expect("a folder");
    std::fs::write(folder.join("secret.txt"), "secret").expect("a file");
    std::fs::write(folder.join("site/index.html"), "<html>console</html>").expect("a file");
    std::fs::write(assets.join("app.js"), "run()").expect("a file");
    let site = folder.join("site").to_string_lossy().into_owned();
    let app = TestApp::builder().env("CONSOLE_DIR", &site).start().await;
    let visitor = app.anonymous();
    let home = visitor.get("/").await;
    assert_eq!((home.status.as_u16(), home.header("location")), (302, "/admin-next/api-stats"));
    for page in ["/admin-next/", "/admin-next/dashboard", "/admin-next/a/b/c"] {
        let shown = visitor.get(page).await;
        assert!(shown.status == 200 && shown.text.contains("console"), "{page}: {}", shown.text);
        assert_eq!(shown.header("cache-control"), "no-cache");
    }
    let script = visitor.get("/admin-next/assets/app.js").await;
    assert_eq!((script.text.as_str(), script.header("content-type")), ("run()", "text/javascript; charset=utf-8"));
    assert!(script.header("cache-control").contains("immutable"));
    for bad in ["/admin-next/assets/gone.js", "/admin-next/..%2fsecret.txt", "/admin-next/%2e%2e/secret.txt"] {
        let refused = visitor.get(bad).await;
        assert!(refused.status == 404 || !refused.text.contains("secret"), "{bad}: {}", refused.text);
    }
    assert_eq!(TestApp::new().await.anonymous().get("/admin-next/").await.status, 404);
    std::fs::remove_dir_all(&folder).expect("removed");
}

/// The figures above the console's list of calls, the columns of a row, and the parts of what one cost.
fn what_the_page_of_calls_reads(details: &Value, one: &Value) {
    let (summary, record) = (at(details, "data.summary"), at(details, "data.records.0"));
    let records = at(details, "data.records").as_array().expect("records");
    for field in ["inputTokens", "outputTokens"] {
        let sum: i64 = records.iter().filter_map(|record| record[field].as_i64()).sum();
        assert!(sum > 0 && summary[field] == json!(sum), "{field}: {summary}");
    }
    assert!(summary["avgDurationMs"].is_i64() && summary["cacheHitRate"].is_number(), "{summary}");
    assert_eq!(record["accountTypeName"], json!("Claude Console"), "{record}");
    assert_eq!((&record["method"], &record["stream"]), (&json!("POST"), &json!(false)), "{record}");
    assert!(record["cacheHitDenominator"].as_i64().is_some_and(|n| n > 0), "{record}");
    assert_eq!(at(details, "data.availableFilters.endpoints.0"), &record["endpoint"]);
    let record = at(one, "data.record");
    let parts = &record["realCostBreakdown"];
    let sum: f64 =
        ["input", "output", "cacheRead", "cacheCreate"].iter().filter_map(|part| parts[*part].as_f64()).sum();
    assert!((sum - parts["total"].as_f64().expect("a total")).abs() < 1e-5 && sum > 0.0, "{record}");
    assert!(at(record, "requestBodySnapshot.user").is_string(), "{record}");
    assert_eq!(at(one, "data.bodyPreviewEnabled"), &json!(true));
}

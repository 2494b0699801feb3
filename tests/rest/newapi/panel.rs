//! What the dashboard shows beside the figures: set on the page of settings, told to everybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::get;
use axum::{Json, Router};
use harness::at;
use serde_json::{Value, json};

use super::{Cast, cast, deployed, refused, told};

async fn put(c: &Cast, key: &str, value: &Value) -> harness::Answer {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    deployed(&c.root).call("PUT", "/api/option/", json!({ "key": key, "value": value })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn panels_are_told_once_they_are_switched_on() {
    let c = cast().await;
    let info =
        json!([{ "id": 1, "url": "https://api.example.com", "route": "CN2", "description": "fast", "color": "blue" }]);
    let news = |count: usize| {
        let day = |n: usize| {
            json!({ "id": n, "content": format!("news {n}"), "publishDate": format!("2025-07-{n:02}T08:00:00.000Z"),
                "type": "ongoing", "extra": "" })
        };
        Value::from((1..=count).map(day).collect::<Vec<_>>())
    };
    let asked = json!([{ "id": 1, "question": "why?", "answer": "because" }]);
    for (name, list) in [("api_info", &info), ("announcements", &news(25)), ("faq", &asked)] {
        let before = told(&c.nobody.get("/api/status").await);
        assert_eq!((&before[format!("{name}_enabled")], before.get(name)), (&json!(false), None));
        told(&put(&c, &format!("console_setting.{name}"), list).await);
        told(&put(&c, &format!("console_setting.{name}_enabled"), &json!("true")).await);
        let after = told(&c.nobody.get("/api/status").await);
        assert_eq!((&after[format!("{name}_enabled")], after[name].is_array()), (&json!(true), true), "{name}");
    }
    let status = told(&c.nobody.get("/api/status").await);
    assert_eq!((&status["api_info"], &status["faq"]), (&info, &asked));
    let shown = status["announcements"].as_array().expect("announcements");
    assert_eq!((shown.len(), &shown[0]["content"], &shown[19]["content"]), (20, &json!("news 25"), &json!("news 6")));
    let options = told(&deployed(&c.root).get("/api/option/").await);
    let kept = options.as_array().expect("options").iter().find(|o| o["key"] == "console_setting.faq");
    assert_eq!(kept.map(|o| o["value"].clone()), Some(json!(asked.to_string())));

    for (name, bad) in [
        ("api_info", json!([{ "url": "ftp://x", "route": "r", "description": "d", "color": "blue" }])),
        ("announcements", json!([{ "content": "c", "publishDate": "yesterday" }])),
        ("faq", json!([{ "question": "", "answer": "a" }])),
        ("uptime_kuma_groups", json!([{ "categoryName": "c", "url": "https://x.example", "slug": "../x" }])),
        ("faq", json!("no JSON")),
    ] {
        refused(&put(&c, &format!("console_setting.{name}"), &bad).await, 200, name);
    }
    assert_eq!(told(&c.nobody.get("/api/status").await)["faq"], asked, "what was refused changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_page_is_read_once_a_minute() {
    let c = cast().await;
    assert_eq!(told(&c.nobody.get("/api/uptime/status").await), json!([]));
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&reads);
    let listed = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async {
            Json(json!({ "publicGroupList": [{ "name": "core", "monitorList": [{ "id": 3, "name": "relay" }] }] }))
        }
    };
    let beats = || async {
        Json(json!({ "heartbeatList": { "3": [{ "status": 0 }, { "status": 1 }] }, "uptimeList": { "3_24": 0.99 } }))
    };
    let router =
        Router::new().route("/api/status-page/main", get(listed)).route("/api/status-page/heartbeat/main", get(beats));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let pages = |slug: &str| json!([{ "categoryName": "All", "url": format!("http://{host}"), "slug": slug }]);
    told(&put(&c, "console_setting.uptime_kuma_groups", &pages("main")).await);
    assert_eq!(told(&c.nobody.get("/api/uptime/status").await), json!([]), "switched off");
    told(&put(&c, "console_setting.uptime_kuma_enabled", &json!("true")).await);
    assert_eq!(told(&c.nobody.get("/api/status").await)["uptime_kuma_enabled"], json!(true));
    let inside = told(&c.nobody.get("/api/uptime/status").await);
    assert_eq!(at(&inside, "0.monitors"), &json!([]), "nothing inside is reached unasked");
    assert_eq!(reads.load(Ordering::SeqCst), 0);

    let allowed = [("webhook_allowed_hosts".to_owned(), Some(host.clone()))].into();
    schema::service::setting::put(&c.app.app, &c.app.system(), &allowed).await.expect("settings");
    let again = json!([{ "categoryName": "Ours", "url": format!("http://{host}/"), "slug": "main" }]);
    told(&put(&c, "console_setting.uptime_kuma_groups", &again).await);
    for _ in 0..3 {
        let groups = told(&c.nobody.get("/api/uptime/status").await);
        assert_eq!((groups[0]["categoryName"].clone(), groups.as_array().map(Vec::len)), (json!("Ours"), Some(1)));
        let monitor = json!({ "name": "relay", "uptime": 0.99, "status": 1, "group": "core" });
        assert_eq!(at(&groups, "0.monitors.0"), &monitor);
    }
    assert_eq!(reads.load(Ordering::SeqCst), 1, "whoever asks, it is read once");
}

//! newapi, in the shape of its document and in that of the deployed system's front end.

use harness::app::ADMIN_PASSWORD;
use harness::fake_upstream::Vendor;
use harness::{Client, PASSWORD, at};
use rest::dialect::newapi::TABLE;
use schema::{Micros, Role};
use serde_json::{Value, json};

use super::Walk;
use crate::newapi::sign_in;
use crate::world::text;

/// The caller of a step: everybody, the document's reader and the front end.
struct Cast {
    nobody: Client,
    root: Client,
    /// The same through the deployed front end.
    pages: Client,
    ann: Client,
}

const PAGE: &[&str] = &["data.items", "data.total", "data.page", "data.page_size"];
const USER: &[&str] = &["data.items.0.aff_code", "data.items.0.request_count", "data.items.0.DeletedAt"];
const TOKEN: &[&str] = &["data.items.0.key", "data.items.0.model_limits_enabled", "data.items.0.accessed_time"];
const CHANNEL: &[&str] =
    &["data.items.0.test_model", "data.items.0.balance", "data.items.0.auto_ban", "data.type_counts"];
const LOG: &[&str] = &["data.items.0.channel", "data.items.0.use_time", "data.items.0.other", "data.items.0.is_stream"];

async fn walk() -> (Walk, Cast) {
    let w = Walk::new("newapi", TABLE).await;
    w.w.set(&[("bank_transfer_enabled", "true")]).await;
    let person = w.w.t.person("ann", Role::User, Micros(20_000_000)).await;
    assert!(person.id > 1);
    let root = sign_in(&w.w.t, "admin", ADMIN_PASSWORD).await;
    let pages = root.with("cache-control", "no-store");
    let ann = sign_in(&w.w.t, "ann", PASSWORD).await;
    let nobody = w.w.t.anonymous();
    (w, Cast { nobody, root, pages, ann })
}

async fn system(w: &mut Walk, c: &Cast) {
    for (path, wanted) in [
        ("/api/status", &["data.quota_per_unit", "data.chats", "data.pay_methods", "data.setup"][..]),
        ("/api/about", &[]),
        ("/api/notice", &[]),
        ("/api/home_page_content", &[]),
        ("/api/setup", &["data.status", "data.database_type"]),
        ("/api/user/groups", &[]),
        ("/api/uptime/status", &["data"]),
        ("/api/oauth/state", &["data"]),
        ("/api/pricing", &["data", "group_ratio.default", "usable_group.default"]),
    ] {
        w.step(&c.nobody, ("GET", path), &[], Value::Null, wanted).await;
    }
    for path in ["/api/group", "/api/group/"] {
        let names = w.step(&c.root, ("GET", path), &[], Value::Null, &[]).await;
        assert_eq!(names["data"], json!(["default"]));
    }
    let config = w.step(&c.root, ("GET", "/api/ratio_config"), &[], Value::Null, &["data.model_price"]).await;
    assert_eq!(config["data"]["model_ratio"]["gpt-4o"], json!(1.25));
    for path in ["/api/option", "/api/option/"] {
        let put = json!({ "key": "SystemName", "value": "One" });
        w.step(&c.root, ("PUT", path), &[], put, &[]).await;
        w.step(&c.root, ("GET", path), &[], Value::Null, &[]).await;
    }
    w.step(&c.root, ("POST", "/api/option/rest_model_ratio"), &[], Value::Null, &[]).await;
}

async fn people(w: &mut Walk, c: &Cast) {
    let form =
        json!({ "username": "testuser", "password": "password123", "email": "test@example.com", "aff_code": "" });
    w.step(&c.nobody, ("POST", "/api/user/register"), &[], form, &[]).await;
    let form = json!({ "username": "testuser", "password": "password123" });
    let signed = w.step(&c.nobody, ("POST", "/api/user/login"), &[], form, &["data.display_name", "data.status"]).await;
    let test = sign_in(&w.w.t, "testuser", "password123").await;
    w.step(&test, ("GET", "/api/user/self"), &[], Value::Null, &["data.setting", "data.aff_quota"]).await;
    w.step(&test, ("PUT", "/api/user/self"), &[], json!({ "display_name": "新显示名称" }), &[]).await;
    let token = w.step(&test, ("GET", "/api/user/token"), &[], Value::Null, &[]).await;
    assert_eq!(token["data"].as_str().map(str::len), Some(32));
    w.step(&test, ("GET", "/api/user/models"), &[], Value::Null, &[]).await;
    w.step(&test, ("GET", "/api/user/self/groups"), &[], Value::Null, &["data.default.ratio"]).await;
    w.step(&test, ("GET", "/api/user/aff"), &[], Value::Null, &[]).await;
    let refused = w.w.call_as(&test, "POST", "/api/user/aff_transfer", &[], json!({ "quota": 500_000 })).await;
    assert!(refused.json()["success"] == false && refused.text.contains("邀请额度不足"), "{}", refused.text);
    let wish = json!({ "notify_type": "webhook", "quota_warning_threshold": 500_000, "webhook_url": "https://example.com/hook" });
    w.step(&test, ("PUT", "/api/user/setting"), &[], wish, &[]).await;
    let me = w.step(&test, ("GET", "/api/user/self"), &[], Value::Null, &[]).await;
    assert!(text(&me["data"]["setting"]).contains("notify_type"), "{me}");
    w.step(&test, ("GET", "/api/user/logout"), &[], Value::Null, &[]).await;

    let id = at(&signed, "data.id").to_string();
    for path in ["/api/user/{id}", "/api/user/{id}/"] {
        w.step(&c.root, ("GET", path), &[&id], Value::Null, &["data.username", "data.group"]).await;
    }
    w.step(&c.root, ("GET", "/api/user?username=testuser&group=default"), &[], Value::Null, &["total"]).await;
    let list = w.step(&c.pages, ("GET", "/api/user/?p=0&page_size=10"), &[], Value::Null, PAGE).await;
    super::has(&list, USER);
    w.step(&c.pages, ("GET", "/api/user/search?keyword=test&group="), &[], Value::Null, PAGE).await;
    for (path, name) in [("/api/user", "newuser"), ("/api/user/", "another")] {
        let form = json!({ "username": name, "password": "password123", "role": 1, "quota": 1000, "group": "default" });
        let made = w.step(&c.root, ("POST", path), &[], form, &["data.id"]).await;
        let made = at(&made, "data.id").clone();
        let form = json!({ "id": made, "quota": 2000, "status": 1, "remark": "r" });
        w.step(&c.root, ("PUT", path), &[], form, &[]).await;
        let shown = w.step(&c.root, ("GET", "/api/user/{id}"), &[&made.to_string()], Value::Null, &[]).await;
        assert_eq!((at(&shown, "data.quota"), at(&shown, "data.username")), (&json!(2000), &json!(name)));
        let form = json!({ "id": made, "action": "disable" });
        w.step(&c.root, ("POST", "/api/user/manage"), &[], form, &["data.status", "data.role"]).await;
        let one = if path.ends_with('/') { "/api/user/{id}/" } else { "/api/user/{id}" };
        w.step(&c.root, ("DELETE", one), &[&made.to_string()], Value::Null, &[]).await;
    }
    let leaving = sign_in(&w.w.t, "testuser", "password123").await;
    w.step(&leaving, ("DELETE", "/api/user/self"), &[], Value::Null, &[]).await;
}

async fn tokens(w: &mut Walk, c: &Cast) -> String {
    let mut secret = String::new();
    for path in ["/api/token", "/api/token/"] {
        let form = json!({ "name": "我的Token", "remain_quota": 1_000_000, "unlimited_quota": false, "expired_time": -1,
            "group": "default" });
        let made = w.step(&c.ann, ("POST", path), &[], form, &["data.id", "data.key"]).await;
        let id = at(&made, "data.id").to_string();
        w.step(&c.ann, ("PUT", path), &[], json!({ "id": made["data"]["id"], "name": "b" }), &[]).await;
        w.step(&c.ann, ("GET", &format!("{path}?p=1&size=10")), &[], Value::Null, &[]).await;
        let one = if path.ends_with('/') { "/api/token/{id}/" } else { "/api/token/{id}" };
        let shown = w.step(&c.ann, ("GET", one), &[&id], Value::Null, &["data.remain_quota"]).await;
        assert_eq!((at(&shown, "data.name"), at(&shown, "data.remain_quota")), (&json!("b"), &json!(1_000_000)));
        if secret.is_empty() {
            secret = text(at(&made, "data.key"));
        } else {
            w.step(&c.ann, ("DELETE", one), &[&id], Value::Null, &[]).await;
        }
    }
    let pages = c.ann.with("cache-control", "no-store");
    let list = w.step(&pages, ("GET", "/api/token/?p=1&size=10"), &[], Value::Null, PAGE).await;
    super::has(&list, TOKEN);
    w.step(&pages, ("GET", "/api/token/search?keyword=b&token=&p=1&size=10"), &[], Value::Null, PAGE).await;
    w.step(&pages, ("GET", "/api/token/search?keyword=b&token="), &[], Value::Null, &["data.0.key"]).await;
    let form = json!({ "name": "leaving", "unlimited_quota": true });
    let made = w.step(&c.ann, ("POST", "/api/token"), &[], form.clone(), &[]).await;
    let batch = json!({ "ids": [made["data"]["id"]] });
    let gone = w.step(&c.ann, ("POST", "/api/token/batch"), &[], batch, &[]).await;
    assert_eq!(gone["message"], json!("成功删除 1 个Token"));
    let made = w.step(&c.ann, ("POST", "/api/token"), &[], form, &[]).await;
    w.step(&c.ann, ("DELETE", "/api/token/{id}"), &[&at(&made, "data.id").to_string()], Value::Null, &[]).await;
    secret
}

async fn channels(w: &mut Walk, c: &Cast) {
    let url = format!("{}/v1", w.w.fake.url_of(Vendor::OpenAi));
    let key = Vendor::OpenAi.key();
    let flat = json!({ "name": "新渠道", "type": 1, "key": key, "base_url": url, "models": "gpt-4o", "group": "default",
        "status": 1 });
    let made = w.step(&c.root, ("POST", "/api/channel"), &[], flat.clone(), &["data.id"]).await;
    let id = at(&made, "data.id").clone();
    let one = id.to_string();
    let form = json!({ "mode": "single", "channel": flat });
    w.step(&c.pages, ("POST", "/api/channel/"), &[], form, &[]).await;
    w.step(&c.root, ("GET", "/api/channel"), &[], Value::Null, &["data.0.weight"]).await;
    for path in
        ["/api/channel/?p=1&page_size=10&id_sort=false&tag_mode=false", "/api/channel/search?keyword=&group=&model="]
    {
        let list = w.step(&c.pages, ("GET", path), &[], Value::Null, PAGE).await;
        super::has(&list, CHANNEL);
    }
    for path in ["/api/channel/{id}", "/api/channel/{id}/"] {
        w.step(&c.root, ("GET", path), &[&one], Value::Null, &["data.model_mapping", "data.priority"]).await;
    }
    for path in ["/api/channel", "/api/channel/"] {
        w.step(&c.root, ("PUT", path), &[], json!({ "id": id, "name": "更新的渠道名称", "status": 1 }), &[]).await;
    }
    for path in ["/api/channel/test/{id}", "/api/channel/test/{id}/"] {
        let tested = w.step(&c.root, ("GET", &format!("{path}?model=gpt-4o")), &[&one], Value::Null, &["time"]).await;
        assert_eq!(at(&tested, "data.status"), &json!("success"));
    }
    for path in ["/api/channel/models", "/api/channel/models_enabled", "/api/models"] {
        w.step(&c.root, ("GET", path), &[], Value::Null, &["data"]).await;
    }
    let found = w.step(&c.root, ("GET", "/api/channel/fetch_models/{id}"), &[&one], Value::Null, &["data.0"]).await;
    assert!(found["data"].as_array().is_some_and(|all| all.contains(&json!("gpt-4o"))), "{found}");
    let form = json!({ "base_url": url, "type": 1, "key": key });
    let found = w.step(&c.root, ("POST", "/api/channel/fetch_models"), &[], form, &["data.0"]).await;
    assert!(found["data"].as_array().is_some_and(|all| all.contains(&json!("gpt-4o"))), "{found}");
    // A vendor that does not tell balances: the refusal is in words, and is no fault of the caller's.
    for path in ["/api/channel/update_balance/{id}", "/api/channel/update_balance/{id}/"] {
        let told = w.w.call_as(&c.root, "GET", path, &[&one], Value::Null).await;
        assert!(told.status == 200 && told.json()["message"].is_string(), "{path}: {}", told.text);
    }
    for path in ["/api/channel/update_balance", "/api/channel/update_balance/"] {
        w.step(&c.root, ("GET", path), &[], Value::Null, &[]).await;
    }
    let asked = w.step(&c.root, ("GET", "/api/ratio_sync/channels"), &[], Value::Null, &["data.0.base_url"]).await;
    let form = json!({ "upstreams": [{ "id": asked["data"][0]["id"], "name": "x", "base_url": url }], "timeout": 5 });
    let compared = &["data.differences", "data.test_results.0.status"];
    w.step(&c.root, ("POST", "/api/ratio_sync/fetch"), &[], form, compared).await;
    let copied = w.step(&c.root, ("POST", "/api/channel/copy/{id}"), &[&one], Value::Null, &["data.id"]).await;
    let copied = at(&copied, "data.id").clone();
    let tagged =
        w.step(&c.root, ("POST", "/api/channel/batch/tag"), &[], json!({ "ids": [copied], "tag": "x" }), &[]).await;
    assert_eq!(tagged["data"], json!(1));
    for (method, path, body) in [
        ("PUT", "/api/channel/tag", json!({ "tag": "x", "new_tag": "y", "priority": 3 })),
        ("POST", "/api/channel/tag/disabled", json!({ "tag": "y" })),
        ("POST", "/api/channel/tag/enabled", json!({ "tag": "y" })),
        ("GET", "/api/channel/tag/models?tag=y", Value::Null),
        ("POST", "/api/channel/fix", Value::Null),
        ("POST", "/api/channel/tag/disabled", json!({ "tag": "y" })),
    ] {
        w.step(&c.root, (method, path), &[], body, &[]).await;
    }
    let gone = w.step(&c.root, ("DELETE", "/api/channel/disabled"), &[], Value::Null, &[]).await;
    assert_eq!(gone["data"], json!(1));
    for path in ["/api/channel/{id}", "/api/channel/{id}/"] {
        let made = w.step(&c.root, ("POST", "/api/channel"), &[], flat.clone(), &[]).await;
        w.step(&c.root, ("DELETE", path), &[&at(&made, "data.id").to_string()], Value::Null, &[]).await;
    }
    let made = w.step(&c.root, ("POST", "/api/channel"), &[], flat, &[]).await;
    w.step(&c.root, ("POST", "/api/channel/batch"), &[], json!({ "ids": [made["data"]["id"]] }), &[]).await;
}

/// Every channel, in the background: the second who asks is told so, the last finds it done.
async fn tests_of_all(w: &mut Walk, c: &Cast) {
    for path in ["/api/channel/test", "/api/channel/test/"] {
        for _ in 0..500 {
            let progress = w.step(&c.root, ("GET", "/api/channel/test/progress"), &[], Value::Null, &["data.running"]);
            if at(&progress.await, "data.running") == &json!(false) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        w.step(&c.root, ("GET", path), &[], Value::Null, &[]).await;
    }
}

async fn logs(w: &mut Walk, c: &Cast, secret: &str) {
    let body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Say hello." }] });
    let said = w.w.t.anonymous().bearer(secret).post("/v1/chat/completions", body).await;
    assert_eq!(said.status, 200, "{}", said.text);
    w.w.booked(1).await;
    w.step(&c.ann, ("GET", "/api/log/self"), &[], Value::Null, &["data.0.channel_id"]).await;
    w.step(&c.root, ("GET", "/api/log"), &[], Value::Null, &["data.0.channel_id", "data.0.username"]).await;
    let ann = c.ann.with("cache-control", "no-store");
    for (who, path) in [
        (&c.pages, "/api/log/?p=1&page_size=10&type=0&username=&token_name=&model_name=&channel=&group="),
        (&c.pages, "/api/log/search?keyword="),
        (&ann, "/api/log/self/?p=1&page_size=10&type=2"),
        (&ann, "/api/log/self/search?keyword="),
    ] {
        let list = w.step(who, ("GET", path), &[], Value::Null, PAGE).await;
        super::has(&list, LOG);
    }
    for (who, path) in [(&c.root, "/api/log/stat?type=2"), (&c.ann, "/api/log/self/stat?type=2")] {
        let sums = w.step(who, ("GET", path), &[], Value::Null, &["data.rpm", "data.tpm"]).await;
        assert!(at(&sums, "data.quota").as_i64().is_some_and(|n| n > 0), "{sums}");
    }
    let by_key = format!("/api/log/token?key={secret}");
    w.step(&c.nobody, ("GET", &by_key), &[], Value::Null, &["data.0.model_name"]).await;
    for path in ["/api/data/self", "/api/data"] {
        w.step(&c.root, ("GET", path), &[], Value::Null, &["data"]).await;
    }
    for (who, path) in [(&c.pages, "/api/data/"), (&ann, "/api/data/self/")] {
        let path = format!("{path}?start_timestamp={}&end_timestamp={}", now(w) - 86_400, now(w) + 3_600);
        let hours = w.step(who, ("GET", &path), &[], Value::Null, &["data.0.token_used", "data.0.count"]).await;
        assert_eq!(at(&hours, "data.0.model_name"), &json!("gpt-4o"));
    }
    let days = w.step(&c.ann, ("GET", "/api/data/self"), &[], Value::Null, &["data.0.request_count"]).await;
    assert!(days["data"].as_array().is_some_and(|days| days.iter().any(|d| d["request_count"] == 1)), "{days}");
    for path in ["/api/task", "/api/task/", "/api/mj", "/api/mj/"] {
        w.step(&c.pages, ("GET", path), &[], Value::Null, PAGE).await;
    }
    for path in ["/api/task/self", "/api/task/self/", "/api/mj/self", "/api/mj/self/"] {
        w.step(&ann, ("GET", path), &[], Value::Null, PAGE).await;
    }
    let talk = json!({ "model": "gpt-4o", "group": "default", "stream": false,
        "messages": [{ "role": "user", "content": "Say hello." }] });
    let said = w.w.call_as(&c.ann, "POST", "/pg/chat/completions", &[], talk).await;
    assert_eq!(said.status, 200, "{}", said.text);
    for path in ["/api/log", "/api/log/"] {
        w.step(&c.root, ("DELETE", &format!("{path}?target_timestamp=1")), &[], Value::Null, &[]).await;
    }
}

fn now(w: &Walk) -> i64 {
    w.w.t.app.clock.now().seconds()
}

async fn codes(w: &mut Walk, c: &Cast) {
    let form = json!({ "name": "活动兑换码", "quota": 500, "count": 2 });
    let made = w.step(&c.root, ("POST", "/api/redemption"), &[], form.clone(), &[]).await;
    let id = at(&made, "data.id").clone();
    let listed = w.step(&c.pages, ("POST", "/api/redemption/"), &[], form.clone(), &["data.1"]).await;
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2), "a code each");
    w.step(&c.root, ("GET", "/api/redemption"), &[], Value::Null, &["data.0.used_count"]).await;
    for path in ["/api/redemption/?p=1&page_size=10", "/api/redemption/search?keyword=活动"] {
        let list = w.step(&c.pages, ("GET", path), &[], Value::Null, PAGE).await;
        super::has(&list, &["data.items.0.redeemed_time", "data.items.0.used_user_id"]);
    }
    for path in ["/api/redemption", "/api/redemption/"] {
        w.step(&c.root, ("PUT", path), &[], json!({ "id": id, "name": "n" }), &[]).await;
    }
    for path in ["/api/redemption/{id}", "/api/redemption/{id}/"] {
        w.step(&c.root, ("GET", path), &[&id.to_string()], Value::Null, &["data.key", "data.quota"]).await;
    }
    let paid = w.step(&c.ann, ("POST", "/api/user/topup"), &[], json!({ "key": made["data"]["key"] }), &[]).await;
    assert_eq!(paid["data"], json!(500));
    for path in ["/api/redemption/{id}", "/api/redemption/{id}/"] {
        let made = w.step(&c.root, ("POST", "/api/redemption"), &[], form.clone(), &[]).await;
        w.step(&c.root, ("DELETE", path), &[&at(&made, "data.id").to_string()], Value::Null, &[]).await;
    }
    let made = w.step(&c.root, ("POST", "/api/redemption"), &[], form.clone(), &[]).await;
    let off = json!({ "id": at(&made, "data.id"), "status": 2 });
    w.step(&c.root, ("PUT", "/api/redemption"), &[], off, &[]).await;
    let swept = w.step(&c.root, ("DELETE", "/api/redemption/invalid"), &[], Value::Null, &[]).await;
    assert_eq!(swept["data"], json!(1));
    w.step(&c.ann, ("GET", "/api/user/topup/info"), &[], Value::Null, &["data.pay_methods", "data.min_topup"]).await;
    w.step(&c.ann, ("GET", "/api/user/topup/self"), &[], Value::Null, &["data"]).await;
    let cost = w.w.call_as(&c.ann, "POST", "/api/user/amount", &[], json!({ "amount": 10, "top_up_code": "" })).await;
    assert!(cost.status == 200 && cost.json()["message"] == "success", "{}", cost.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_what_it_promises() {
    let (mut w, c) = walk().await;
    system(&mut w, &c).await;
    people(&mut w, &c).await;
    let secret = tokens(&mut w, &c).await;
    channels(&mut w, &c).await;
    logs(&mut w, &c, &secret).await;
    tests_of_all(&mut w, &c).await;
    codes(&mut w, &c).await;
    // Their successes need a letter, a payment or another system, which tests of their own bring.
    let elsewhere = [
        "GET /api/verification",
        "GET /api/reset_password",
        "POST /api/user/reset",
        "GET /api/oauth/email/bind",
        "GET /api/oauth/github",
        "GET /api/oauth/oidc",
        "GET /api/oauth/linuxdo",
        "GET /api/oauth/wechat",
        "GET /api/oauth/wechat/bind",
        "GET /api/oauth/telegram/login",
        "GET /api/oauth/telegram/bind",
        "POST /api/user/pay",
        "GET /api/user/epay/notify",
    ];
    let missed: Vec<String> =
        w.w.missed(TABLE).into_iter().filter(|line| !elsewhere.contains(&line.as_str())).collect();
    assert!(missed.is_empty(), "nobody called {missed:#?}");
}

//! What the windows of the console's pages send beyond the lists: people's keys and calls, an account's failures
//! and balance, and what was said in calls.

use harness::{TestApp, at};
use schema::clock::HOUR;
use schema::service::settle;
use schema::{Micros, Role, Time};
use serde_json::{Value, json};

use super::has;
use crate::world::{World, text};

/// The page of people: who has how many keys, their use, their rank, and switching them off.
pub async fn people(w: &mut World) {
    let eve = w.t.person("eve", Role::User, Micros(5_000_000)).await;
    let uid = eve.uid.clone();
    let made = w.step("POST", "/admin/api-keys", &[], json!({ "name": "eve's" })).await;
    let secret = text(&made["data"]["apiKey"]);
    w.step("PUT", "/admin/api-keys/{keyId}", &[&text(&made["data"]["id"])], json!({ "ownerId": uid })).await;

    let list = w.step("GET", "/users?search=eve", &[], Value::Null).await;
    let row = at(&list, "users.0");
    assert_eq!((&row["username"], &row["apiKeyCount"]), (&json!("eve"), &json!(1)), "{row}");
    has(&list, &["users.0.totalUsage.requests", "users.0.totalUsage.totalCost"]);
    let overview = w.step("GET", "/users/stats/overview", &[], Value::Null).await;
    assert!(at(&overview, "stats.totalApiKeys").as_i64().is_some_and(|n| n > 0), "{overview}");

    let said = w.say_hello(&secret).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let mut one = Value::Null;
    for _ in 0..500 {
        settle::flush(&w.t.app).await.expect("the journal is carried");
        one = w.step("GET", "/users/{userId}", &[&uid], Value::Null).await;
        if at(&one, "user.apiKeys.0.usage.requests") == &json!(1) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let key = at(&one, "user.apiKeys.0");
    assert_eq!((&key["name"], &key["isActive"], at(key, "usage.requests")), (&json!("eve's"), &json!(true), &json!(1)));
    assert!(key["keyPreview"].as_str().is_some_and(|hint| !secret.is_empty() && hint != secret), "{key}");
    for period in ["", "day", "week", "month", "quarter"] {
        let path = format!("/users/{{userId}}/usage-stats?period={period}&model=");
        let stats = w.step("GET", &path, &[&uid], Value::Null).await;
        assert_eq!(at(&stats, "stats.totalRequests"), &json!(1), "{period}: {stats}");
        has(
            &stats,
            &["stats.totalInputTokens", "stats.totalOutputTokens", "stats.totalCost", "stats.dailyStats.0.date"],
        );
        has(&stats, &["stats.modelStats.0.model", "user.displayName"]);
    }
    let refused = w.call("GET", "/users/{userId}/usage-stats?period=eon", &[&uid], Value::Null).await;
    assert_eq!(refused.status, 400, "{}", refused.text);

    let off = w.step("PATCH", "/users/{userId}/status", &[&uid], json!({ "isActive": false })).await;
    assert_eq!(at(&off, "user.isActive"), &json!(false));
    assert_ne!(w.say_hello(&secret).await.status, 200, "a suspended person's key does not serve");
    w.step("PATCH", "/users/{userId}/status", &[&uid], json!({ "isActive": true })).await;
    let risen = w.step("PATCH", "/users/{userId}/role", &[&uid], json!({ "role": "admin" })).await;
    assert_eq!(at(&risen, "user.role"), &json!("admin"));
    w.step("PATCH", "/users/{userId}/role", &[&uid], json!({ "role": "user" })).await;
    for (method, path, body) in [
        ("PATCH", "/users/{userId}/status", json!({ "isActive": "no" })),
        ("PATCH", "/users/{userId}/role", json!({ "role": "emperor" })),
    ] {
        let refused = w.call(method, path, &[&uid], body).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.text);
    }
    let done = w.step("POST", "/users/{userId}/disable-keys", &[&uid], Value::Null).await;
    assert_eq!(done["disabledCount"], json!(1), "{done}");
    assert_ne!(w.say_hello(&secret).await.status, 200, "no key of theirs serves");
    let again = w.step("POST", "/users/{userId}/disable-keys", &[&uid], Value::Null).await;
    assert_eq!(again["disabledCount"], json!(0));
    for path in ["/users/{userId}", "/users/{userId}/usage-stats"] {
        let none = w.call("GET", path, &["nobody"], Value::Null).await;
        assert_eq!(none.status, 404, "{path}: {}", none.text);
    }
}

/// The windows of an account: its failures, put out of sight, and its balance, asked anew; and what was said in calls.
pub async fn accounts_and_contents(w: &mut World) {
    let id = w.console_account("watched").await;
    let errors = "/admin/accounts/{accountType}/{accountId}/error-history";
    let place = ["claude-console", id.as_str()];
    let none = w.step("GET", &format!("{errors}?offset=0&limit=50"), &place, Value::Null).await;
    assert_eq!(none["data"], json!([]), "{none}");
    w.step("DELETE", errors, &place, Value::Null).await;
    let unknown = w.call("GET", errors, &["claude", "nobody"], Value::Null).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);

    let body = json!({ "platform": "claude-console" });
    let told = w.step("POST", "/admin/accounts/{accountId}/balance/refresh", &[&id], body).await;
    has(&told, &["data.statistics.dailyCost", "data.quota.unlimited", "data.balance", "data.status"]);

    let gone = w.step("POST", "/admin/request-details/body-preview-purge", &[], Value::Null).await;
    assert!(gone["message"].is_string() && at(&gone, "data.purgedCount").is_i64(), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_without_rates_of_their_own_are_told_of() {
    let mut w = World::new().await;
    let said =
        w.step("PUT", "/admin/service-rates", &[], json!({ "rates": { "codex": 2, "azure": 3, "ccr": 1 } })).await;
    let words = text(&said["message"]);
    assert!(words.contains("azure") && words.contains("codex") && !words.contains("ccr"), "{words}");
    assert_eq!(at(&said, "data.rates.azure"), &json!(2.0));
    let said = w.step("PUT", "/admin/service-rates", &[], json!({ "rates": { "codex": 4, "azure": 2 } })).await;
    assert!(!text(&said["message"]).contains("azure"), "it came back as it was shown: {said}");

    let form = json!({ "name": "k", "serviceRates": { "claude": 2, "ccr": 3 } });
    let made = w.step("POST", "/admin/api-keys", &[], form).await;
    assert!(text(&made["message"]).contains("ccr"), "{made}");
    assert_eq!(at(&made, "data.serviceRates"), &json!({ "claude": 2.0 }));
    let id = text(at(&made, "data.id"));
    let form = json!({ "serviceRates": { "azure": 0.5 } });
    let said = w.step("PUT", "/admin/api-keys/{keyId}", &[&id], form).await;
    assert!(text(&said["message"]).contains("azure"), "{said}");
    let unknown = json!({ "serviceRates": { "telex": 2 } });
    let refused = w.call("PUT", "/admin/api-keys/{keyId}", &[&id], unknown).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_counted_from_the_hour_its_account_begins_anew() {
    let start = Time::parse("2026-03-01T08:10:00Z").expect("a time");
    let mut w = World::of(TestApp::builder().clock_at(start).start().await).await;
    w.set(&[("time_zone", "+00:00")]).await;
    let id = w.console_account("mine").await;
    let form = json!({ "dailyQuota": 5, "quotaResetTime": "09:00" });
    w.step("PUT", "/admin/claude-console-accounts/{accountId}", &[&id], form).await;
    let secret = text(&w.step("POST", "/admin/api-keys", &[], json!({ "name": "k" })).await["data"]["apiKey"]);
    let said = w.say_hello(&secret).await;
    assert_eq!(said.status, 200, "{}", said.text);
    w.booked(1).await;
    let path = "/admin/accounts/{accountId}/balance";
    let mut before = Value::Null;
    for _ in 0..500 {
        before = w.step("GET", path, &[&id], Value::Null).await;
        if at(&before, "data.quota.used") != &json!(0.0) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(at(&before, "data.quota.resetAt"), &json!("2026-03-01T09:00:00.000Z"));
    assert!(at(&before, "data.quota.used").as_f64().is_some_and(|used| used > 0.0), "{before}");

    w.t.app.clock.advance(HOUR);
    let after = w.step("GET", path, &[&id], Value::Null).await;
    assert_eq!(at(&after, "data.quota.resetAt"), &json!("2026-03-02T09:00:00.000Z"));
    assert_eq!((at(&after, "data.quota.used"), at(&after, "data.quota.remaining")), (&json!(0.0), &json!(5.0)));
    assert!(at(&after, "data.statistics.dailyCost").as_f64().is_some_and(|cost| cost > 0.0), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_key_tells_who_served_it_last() {
    let mut w = World::new().await;
    w.console_account("mine").await;
    let made = w.step("POST", "/admin/api-keys", &[], json!({ "name": "k" })).await;
    let (id, secret) = (text(at(&made, "data.id")), text(at(&made, "data.apiKey")));
    let unused = text(at(&w.step("POST", "/admin/api-keys", &[], json!({ "name": "u" })).await, "data.id"));
    let said = w.say_hello(&secret).await;
    assert_eq!(said.status, 200, "{}", said.text);
    w.booked(1).await;
    let last = w.step("POST", "/admin/api-keys/batch-last-usage", &[], json!({ "keyIds": [id] })).await;
    let living = last["data"][&id].clone();
    assert_eq!((&living["accountName"], &living["accountCategory"]), (&json!("mine"), &json!("claude")), "{last}");
    for id in [&id, &unused] {
        w.step("DELETE", "/admin/api-keys/{keyId}", &[id], Value::Null).await;
    }
    let bin = w.step("GET", "/admin/api-keys/deleted", &[], Value::Null).await;
    let rows = bin["apiKeys"].as_array().expect("keys");
    let of = |id: &str| rows.iter().find(|row| row["id"] == id).map(|row| row["lastUsage"].clone());
    assert_eq!((of(&id), of(&unused)), (Some(living), Some(Value::Null)), "{bin}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_model_of_a_family_is_offered_first() {
    let mut w = World::new().await;
    let price = |mode: &str| json!({ "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "mode": mode });
    let list = json!({
        "claude-2.0": price("chat"), "claude-opus-99-5": price("chat"), "gemini-1.0-pro": price("chat"),
        "gemini-99.5-flash": price("chat"), "gemini-99.5-flash-preview-05-20": price("chat"),
        "gpt-4-0613": price("chat"), "gpt-98.1": price("chat"), "o99-mini": price("chat"),
        "gpt-99-embedding": price("embedding"), "of-nobody": price("chat"),
    });
    let (url, _) = crate::crs_console::server(vec![list.to_string()]).await;
    w.set(&[("prices_url", &url)]).await;
    w.step("POST", "/admin/models/pricing/refresh", &[], Value::Null).await;
    let shown = w.t.anonymous().get("/apiStats/models").await.json();
    let names = |family: &str| -> Vec<String> {
        shown["data"][family].as_array().expect("models").iter().map(|model| text(&model["value"])).collect()
    };
    assert_eq!(names("claude")[0], "claude-opus-99-5");
    assert_eq!(names("gemini")[..2], ["gemini-99.5-flash", "gemini-99.5-flash-preview-05-20"]);
    assert_eq!(names("openai")[..2], ["o99-mini", "gpt-98.1"]);
    assert!(names("openai").contains(&"gpt-4-0613".to_owned()) && names("other").contains(&"of-nobody".to_owned()));
    assert!(!names("other").contains(&"o99-mini".to_owned()));
    assert!(!names("all").contains(&"gpt-99-embedding".to_owned()), "nobody can talk with it");
    assert_eq!(shown["data"]["platforms"]["bedrock"], shown["data"]["claude"]);
}

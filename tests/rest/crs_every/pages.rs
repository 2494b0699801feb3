//! What the windows of the console's pages send beyond the lists: people's keys and calls, an account's failures
//! and balance, and what was said in calls.

use harness::at;
use schema::service::settle;
use schema::{Micros, Role};
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

//! One thing seen through every face: what was made, spent, redeemed and bought is the same everywhere.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use harness::{Client, TestApp, at};
use schema::service::order::{self, Confirmation};
use schema::table::{ledger_entries, usage, users};
use schema::{Micros, Role, Time};
use serde_json::{Value, json};

use crate::world::{World, text};

/// What the database says of a person: balance, sum of the entries, and what calls have cost.
async fn stored(w: &World, user_id: i64) -> (i64, i64, i64) {
    let mut conn = w.t.app.db.conn().await.expect("a connection");
    let balance: Micros =
        schema::on!(&mut conn, |c| users::table.find(user_id).select(users::balance).first(c).await).expect("a person");
    let entries: Vec<Micros> = schema::on!(&mut conn, |c| ledger_entries::table
        .filter(ledger_entries::user_id.eq(user_id))
        .select(ledger_entries::amount)
        .load(c)
        .await)
    .expect("entries");
    let costs: Vec<Micros> =
        schema::on!(&mut conn, |c| usage::table.filter(usage::user_id.eq(user_id)).select(usage::cost).load(c).await)
            .expect("calls");
    (balance.0, entries.iter().map(|m| m.0).sum(), costs.iter().map(|m| m.0).sum())
}

async fn newapi(w: &World, name: &str) -> Client {
    let body = json!({ "username": name, "password": harness::PASSWORD });
    let answer = w.t.anonymous().post("/api/user/login", body).await;
    let cookie = answer.header("set-cookie").split(';').next().unwrap_or("").to_owned();
    let id = at(&answer.json(), "data.id").to_string();
    w.t.anonymous().with("cookie", &cookie).with("new-api-user", &id)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_and_five_views() {
    let mut w = World::new().await;
    w.set(&[("bank_transfer_enabled", "true")]).await;
    w.console_account("at work").await;
    let person = w.t.person("ann", Role::User, Micros(5_000_000)).await;
    let ann = w.t.sign_in("ann", harness::PASSWORD).await;

    // Made through one face …
    let made = ann.post("/users/apikeys", json!({ "name": "shared" })).await.json();
    let secret = text(at(&made, "apiKey.key"));
    // … spent with through the relay, …
    for _ in 0..3 {
        assert_eq!(w.say_hello(&secret).await.status, 200);
    }
    w.booked(3).await;
    // … filled up with a card made through another, …
    let card =
        w.step("POST", "/admin/cardkeys/generate", &[], json!({ "count": 1, "type": "credit", "creditAmount": 2000 }));
    let code = text(at(&card.await, "cardKeys.0.code"));
    let redeemed = ann.post("/credits/redeem", json!({ "code": code })).await;
    assert_eq!(redeemed.status, 200, "{}", redeemed.text);
    // … and a plan bought.
    w.step("POST", "/admin/subscription-plans/init-defaults", &[], json!({})).await;
    let order =
        ann.post("/subscriptions/orders", json!({ "planId": "pro", "paymentMethod": "bank_transfer" })).await.json();
    let (app, id) = (&w.t.app, text(&order["orderId"]));
    order::confirm_bank_transfer(app, &w.t.system(), &id, Confirmation::default()).await.expect("confirmed");

    let (balance, entries, spent) = stored(&w, person.id).await;
    assert!(spent > 0, "calls cost something");
    assert_eq!((balance, entries), (5_000_000 - spent + 2_000_000, balance), "the ledger is the balance");

    // commercial.
    let credits = ann.get("/credits/balance").await.json();
    assert_eq!((&credits["credits"], &credits["usedToday"]), (&json!(balance / 1_000), &json!(3)));
    assert_eq!(ann.get("/subscriptions/").await.json()["planId"], "pro");
    let keys = ann.get("/users/apikeys").await.json();
    assert_eq!((&keys["total"], at(&keys, "apiKeys.0.name")), (&json!(1), &json!("shared")));

    // crs.
    let rows = w.step("GET", "/admin/api-keys", &[], Value::Null).await;
    let row = &rows["data"][0];
    assert_eq!((&row["name"], at(row, "usage.total.requests")), (&json!("shared"), &json!(3)), "{row}");
    assert_eq!(at(row, "usage.total.cost"), &json!(Micros(spent).dollars()));
    let id = w.t.anonymous().post("/api/get-key-id", json!({ "apiKey": secret })).await.json();
    assert_eq!(at(&id, "data.id"), &row["id"]);
    let stats = w.t.anonymous().post("/api/user-stats", json!({ "apiKey": secret })).await.json();
    assert_eq!(at(&stats, "data.usage.total.requests"), &json!(3));
    let costs = w.step("GET", "/admin/usage-costs?period=today", &[], Value::Null).await;
    assert_eq!(at(&costs, "data.totalCosts.totalCost"), &json!(Micros(spent).dollars()));

    // newapi: a quota is half a million to the dollar.
    let her = newapi(&w, "ann").await;
    let me = her.get("/api/user/self").await.json();
    assert_eq!(at(&me, "data.quota"), &json!(balance / 2), "{me}");
    assert_eq!(at(&me, "data.request_count"), &json!(3), "{me}");
    let tokens = her.get("/api/token?p=1&size=10").await;
    assert!(tokens.text.contains("\"shared\""), "{}", tokens.text);

    // GraphQL.
    let query = "{ viewer { username balance } apiKeys { nodes { name } totalCount } }";
    let graph = ann.data(query, json!({})).await;
    assert_eq!(at(&graph, "viewer.balance"), &json!(format!("{}.{:06}", balance / 1_000_000, balance % 1_000_000)));
    assert_eq!((at(&graph, "apiKeys.totalCount"), at(&graph, "apiKeys.nodes.0.name")), (&json!("1"), &json!("shared")));

    // Deleted through one, it is gone for all and for the relay.
    let gone = w.step("DELETE", "/admin/api-keys/{keyId}", &[&text(&row["id"])], Value::Null).await;
    assert_eq!(gone["success"], true);
    assert_eq!(ann.get("/users/apikeys").await.json()["total"], 0);
    assert_eq!(w.say_hello(&secret).await.status, 401);
}

/// Midnight in Shanghai is four in the afternoon in Greenwich; the calls of one hour before and after it belong to
/// different days there.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_day_is_the_same_through_every_endpoint() {
    let start = Time::parse("2026-03-01T15:20:00Z").expect("a time");
    let mut w = World::of(TestApp::builder().clock_at(start).start().await).await;
    w.set(&[("time_zone", "Asia/Shanghai")]).await;
    w.console_account("at work").await;
    let made = w.step("POST", "/admin/api-keys", &[], json!({ "name": "k" })).await;
    let (id, secret) = (text(&made["data"]["id"]), text(&made["data"]["apiKey"]));
    assert_eq!(w.say_hello(&secret).await.status, 200);
    w.booked(1).await;
    w.t.app.clock.advance(3_600_000);
    for _ in 0..2 {
        assert_eq!(w.say_hello(&secret).await.status, 200);
    }
    w.booked(3).await;

    let day = "2026-03-02";
    let dashboard = w.step("GET", "/admin/dashboard", &[], Value::Null).await;
    let today = at(&dashboard, "data.recentActivity").clone();
    assert_eq!((&today["requestsToday"], at(&dashboard, "data.systemTimezone")), (&json!(2), &json!(8.0)), "{today}");
    let (tokens, cost) = (today["allTokensToday"].clone(), today["costToday"].clone());
    let same = |what: &str, shown: &Value, tokens_at: &str, cost_at: &str| {
        assert_eq!((at(shown, tokens_at), at(shown, cost_at)), (&tokens, &cost), "{what}: {shown}");
    };
    let trend = w.step("GET", "/admin/usage-trend?days=2", &[], Value::Null).await;
    assert_eq!((at(&trend, "data.1.date"), at(&trend, "data.1.requests")), (&json!(day), &json!(2)), "{trend}");
    assert_eq!(at(&trend, "data.0.requests"), &json!(1), "{trend}");
    same("usage-trend", &trend, "data.1.totalTokens", "data.1.cost");
    let span = format!("startDate={day}&endDate={day}");
    let models = w.step("GET", &format!("/admin/model-stats?{span}"), &[], Value::Null).await;
    same("model-stats", &models, "data.0.allTokens", "data.0.costs.total");
    let costs = w.step("GET", "/admin/usage-costs?period=today", &[], Value::Null).await;
    assert_eq!(at(&costs, "data.totalCosts.totalCost"), &cost, "{costs}");
    let stats = w.step("GET", "/admin/usage-stats?period=daily", &[], Value::Null).await;
    same("usage-stats", &stats, "data.stats.0.usage.allTokens", "data.stats.0.usage.cost");
    let keys = w.step("GET", "/admin/api-keys?timeRange=today", &[], Value::Null).await;
    same("api-keys", &keys, "data.0.usage.daily.allTokens", "data.0.usage.daily.cost");
    same("api-keys", &keys, "data.0.usage.total.allTokens", "data.0.usage.total.cost");
    let trend = w.step("GET", "/admin/api-keys-usage-trend?days=1", &[], Value::Null).await;
    let of_key = trend["data"][0]["apiKeys"][&id].clone();
    same("api-keys-usage-trend", &of_key, "tokens", "cost");
    let trend = w.step("GET", "/admin/account-usage-trend?days=1&group=claude", &[], Value::Null).await;
    let account = text(at(&trend, "topAccounts.0"));
    same("account-usage-trend", &trend["data"][0]["accounts"][&account], "allTokens", "cost");
    let history = w.step("GET", "/admin/accounts/{accountId}/usage-history?days=2", &[&account], Value::Null).await;
    same("usage-history", &history, "data.history.1.tokens", "data.history.1.cost");
    let public = w.t.anonymous().post("/api/batch-stats", json!({ "apiIds": [id] })).await.json();
    same("batch-stats", &public, "data.aggregated.dailyUsage.allTokens", "data.aggregated.dailyUsage.cost");
    let hours = w.step("GET", "/admin/usage-trend?granularity=hour", &[], Value::Null).await;
    let last = hours["data"].as_array().and_then(|h| h.last()).cloned().unwrap_or_default();
    same("hours", &last, "totalTokens", "cost");
    assert_eq!(last["label"], "03/02 00:00");

    let query = "{ usageSums(filter: { period: TODAY }) { requests tokens cost } }";
    let graph = w.admin.data(query, json!({})).await;
    assert_eq!(at(&graph, "usageSums.requests"), &json!("2"), "{graph}");
    assert_eq!(at(&graph, "usageSums.tokens"), &json!(tokens.to_string()), "{graph}");
    let dollars: f64 = at(&graph, "usageSums.cost").as_str().and_then(|c| c.parse().ok()).expect("a cost");
    assert_eq!(json!(dollars), cost, "{graph}");
}

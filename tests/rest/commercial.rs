//! commercial: every line of the table, its refusals to the letter, and what plans allow.

use std::collections::BTreeSet;

use harness::{Client, TestApp, at};
use rest::dialect::commercial::TABLE;
use schema::Time;
use schema::service::order::{self, Confirmation};
use serde_json::{Value, json};

use crate::world::{World, text};

const NOW: &str = "2026-03-01T10:00:00Z";

struct Shop {
    w: World,
    ann: Client,
}

impl Shop {
    async fn open() -> Self {
        let app = TestApp::builder().clock_at(Time::parse(NOW).expect("a time")).start().await;
        let mut w = World::of(app).await;
        w.set(&[("bank_transfer_enabled", "true"), ("bank_transfer_instructions", "Account 42, {order}")]).await;
        w.step("POST", "/admin/subscription-plans/init-defaults", &[], json!({})).await;
        let body = json!({ "username": "ann@example.com", "password": "a-good-password" });
        let made = w.t.anonymous().post("/auth/register", body).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let ann = w.t.anonymous().bearer(&text(&made.json()["token"]));
        Self { w, ann }
    }

    async fn ann(&mut self, method: &str, pattern: &str, body: Value) -> Value {
        let ann = self.ann.clone();
        let answer = self.w.call_as(&ann, method, pattern, &[], body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["success"]),
            (200, &json!(true)),
            "{pattern}: {}",
            answer.text
        );
        answer.json()
    }

    async fn transferred(&self, order_id: &str) {
        let app = &self.w.t.app;
        order::confirm_bank_transfer(app, &self.w.t.system(), order_id, Confirmation::default())
            .await
            .expect("confirmed");
    }
}

/// Clients send the token they have with every request, the one for a new token included.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_may_send_a_token_that_has_ended() {
    let app = TestApp::new().await;
    let late = app.anonymous().bearer("eyJhbGciOiJIUzI1NiJ9.e30.x");
    let admin = json!({ "username": "admin", "password": harness::app::ADMIN_PASSWORD });
    let bob = json!({ "username": "bob@example.com", "password": "a-good-password" });
    let carl = json!({ "username": "carl", "password": "a-good-password" });
    let ways = [
        ("/web/auth/login", &admin, "token"),
        ("/auth/register", &bob, "token"),
        ("/auth/login", &bob, "token"),
        ("/api/user/register", &carl, "success"),
        ("/api/user/login", &carl, "success"),
    ];
    for (path, form, told) in ways {
        let answer = late.post(path, form.clone()).await;
        let said = answer.json();
        assert!(said[told].is_string() || said[told] == json!(true), "{path}: {} {}", answer.status, answer.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_what_it_promises() {
    let mut s = Shop::open().await;
    let nobody = s.w.t.anonymous();
    let body = json!({ "username": "bob@example.com", "password": "a-good-password" });
    let bob = s.w.call_as(&nobody, "POST", "/auth/register", &[], body.clone()).await;
    assert_eq!(at(&bob.json(), "user.email"), &json!("bob@example.com"), "{}", bob.text);
    let bob = s.w.call_as(&nobody, "POST", "/auth/login", &[], body).await;
    assert!(at(&bob.json(), "token").is_string(), "{}", bob.text);

    let plans = s.w.call_as(&nobody, "GET", "/subscriptions/plans", &[], Value::Null).await.json();
    let ids: Vec<&str> = plans["plans"].as_array().expect("plans").iter().filter_map(|p| p["id"].as_str()).collect();
    assert!(ids.contains(&"free") && ids.contains(&"pro"), "{ids:?}");
    for field in ["price", "currency", "billingCycle", "dailyRequests", "maxApiKeys", "service", "features"] {
        assert!(!plans["plans"][0][field].is_null(), "{field}");
    }

    // What anybody has before they buy.
    let held = s.ann("GET", "/subscriptions/", Value::Null).await;
    assert_eq!((&held["planId"], &held["isFree"]), (&json!("free"), &json!(true)));
    s.ann("GET", "/subscriptions", Value::Null).await;

    let body = json!({ "planId": "pro", "paymentMethod": "bank_transfer" });
    let order = s.ann("POST", "/subscriptions/orders", body).await;
    let id = text(&order["orderId"]);
    assert!(id.starts_with("SUB17723592") && id.len() == 22, "SUB, milliseconds and six characters: {id}");
    assert_eq!((&order["planId"], &order["currency"]), (&json!("pro"), &json!("CNY")));
    for url in ["paymentUrl", "qrCode"] {
        let path = text(&order[url]).replace(&s.w.t.url, "");
        assert_eq!(nobody.get(&path[path.find("/pay/").expect("our page")..]).await.status, 200, "{url}: {path}");
    }
    let list = s.ann("GET", "/subscriptions/orders?status=pending", Value::Null).await;
    assert_eq!((&list["total"], at(&list, "orders.0.id")), (&json!(1), &json!(id)));
    s.transferred(&id).await;
    let held = s.ann("GET", "/subscriptions/", Value::Null).await;
    assert_eq!((&held["planId"], &held["status"], &held["isFree"]), (&json!("pro"), &json!("active"), &json!(false)));

    let on = s.ann("PUT", "/subscriptions/auto-renew", json!({ "autoRenew": true })).await;
    assert_eq!((&on["message"], at(&on, "subscription.autoRenew")), (&json!("已开启自动续费"), &json!(true)));
    let body = json!({ "newPlanId": "enterprise", "paymentMethod": "bank_transfer" });
    let up = s.ann("POST", "/subscriptions/upgrade", body).await;
    let plan = plans["plans"].as_array().expect("plans").iter().find(|p| p["id"] == "enterprise").expect("a plan");
    let pro = plans["plans"].as_array().expect("plans").iter().find(|p| p["id"] == "pro").expect("a plan");
    // Bought this moment, so all of what was paid counts.
    let difference = plan["price"].as_f64().expect("a price") - pro["price"].as_f64().expect("a price");
    assert!((up["amount"].as_f64().expect("an amount") - difference).abs() < 0.02, "{up}");
    s.transferred(&text(&up["orderId"])).await;
    assert_eq!(s.ann("GET", "/subscriptions/", Value::Null).await["planId"], "enterprise");
    let ended = s.ann("POST", "/subscriptions/cancel", json!({})).await;
    assert_eq!(ended["message"], "Subscription cancelled. Your plan will remain active until expiry date.");
    assert_eq!(s.ann("GET", "/subscriptions/", Value::Null).await["status"], "cancelled");

    let body = json!({ "name": "My Production Key", "description": "d", "expiresAt": "2027-01-01T00:00:00.000Z" });
    let key = s.ann("POST", "/users/apikeys", body).await["apiKey"].clone();
    assert!(text(&key["key"]).starts_with("claude-relay-"), "{key}");
    assert_eq!((&key["permissions"], &key["source"]), (&json!("claude"), &json!("commercial")));
    let keys = s.ann("GET", "/users/apikeys", Value::Null).await;
    assert_eq!((&keys["total"], at(&keys, "apiKeys.0.key")), (&json!(1), &Value::Null));
    let ann = s.ann.clone();
    let gone = s.w.call_as(&ann, "DELETE", "/users/apikeys/{id}", &[&text(&key["id"])], Value::Null).await;
    assert_eq!(gone.status, 200, "{}", gone.text);

    cards(&mut s).await;
    plans_are_kept(&mut s).await;
    revenue(&mut s).await;
    let missed = s.w.missed(TABLE);
    assert!(missed.is_empty(), "nobody called {missed:#?}");
}

async fn cards(s: &mut Shop) {
    let body = json!({
        "count": 3, "type": "credit", "creditAmount": 1000, "expiresInDays": 30, "prefix": "CRD", "note": "双11活动卡密",
    });
    let made = s.w.step("POST", "/admin/cardkeys/generate", &[], body).await;
    let codes: Vec<String> = (0..3).map(|i| text(&made["cardKeys"][i]["code"])).collect();
    assert!(codes.iter().all(|c| c.starts_with("CRD-") && c.len() == 18), "{codes:?}");
    let body = json!({ "count": 1, "type": "plan", "planId": "pro", "planDuration": 30, "prefix": "PRO" });
    let plan_card = s.w.step("POST", "/admin/cardkeys/generate", &[], body).await;

    let before = s.ann("GET", "/credits/balance", Value::Null).await["credits"].as_i64().expect("credits");
    let done = s.ann("POST", "/credits/redeem", json!({ "code": codes[0] })).await;
    assert_eq!(
        (&done["message"], &done["type"], &done["amount"], &done["newBalance"]),
        (&json!("成功兑换 1000 积分"), &json!("credit"), &json!(1000), &json!(before + 1000))
    );
    let ann = s.ann.clone();
    let again = s.w.call_as(&ann, "POST", "/credits/redeem", &[], json!({ "code": codes[0] })).await;
    assert_eq!(again.status, 400);
    assert_eq!(again.json(), json!({ "success": false, "message": "卡密已被使用" }), "to the letter");
    let balance = s.ann("GET", "/credits/balance", Value::Null).await;
    assert_eq!((&balance["credits"], &balance["usedToday"]), (&json!(before + 1000), &json!(0)));
    assert_eq!(balance["resetTime"], "2026-03-02T00:00:00.000Z");
    let history = s.ann("GET", "/credits/history?limit=1", Value::Null).await;
    let record = &history["records"][0];
    assert_eq!((&record["type"], &record["amount"]), (&json!("cardkey_redeem"), &json!(1000)));
    assert_eq!(record["description"], format!("兑换卡密: {}***", &codes[0][..8]), "the code is not told again");

    let got = s.ann("POST", "/credits/redeem", json!({ "code": plan_card["cardKeys"][0]["code"] })).await;
    // A dearer plan is running already: what the card is worth becomes time on that one.
    assert_eq!((&got["type"], &got["amount"]), (&json!("plan"), &json!(30)), "{got}");

    let stats = s.w.step("GET", "/admin/cardkeys/stats", &[], Value::Null).await;
    assert_eq!(
        at(&stats, "stats"),
        &json!({ "total": 4, "active": 2, "used": 2, "expired": 0, "disabled": 0, "byType": { "credit": 3, "plan": 1, "time": 0 } })
    );
    let unused = s.w.step("GET", "/admin/cardkeys?includeUsed=false", &[], Value::Null).await;
    assert_eq!(unused["total"], 2);
    let one = text(&made["cardKeys"][1]["id"]);
    s.w.step("DELETE", "/admin/cardkeys/{id}", &[&one], Value::Null).await;
    let used = text(&made["cardKeys"][0]["id"]);
    let refused = s.w.call("DELETE", "/admin/cardkeys/{id}", &[&used], Value::Null).await;
    assert!(refused.status.is_client_error(), "used cards stay: {}", refused.text);
    let body = json!({ "cardKeyIds": [used, text(&made["cardKeys"][2]["id"]), "ck_999999"] });
    let done = s.w.step("POST", "/admin/cardkeys/delete-batch", &[], body).await;
    assert_eq!((&done["deletedCount"], &done["failedCount"]), (&json!(1), &json!(2)), "{done}");
}

async fn plans_are_kept(s: &mut Shop) {
    let body = json!({
        "planId": "custom", "name": "Custom", "displayName": "定制版", "description": "企业定制套餐", "price": 1999,
        "currency": "CNY", "billingCycle": "monthly", "billingCycleDays": 30, "isActive": true, "isVisible": true,
        "features": { "dailyRequests": 100_000, "dailyCost": 500, "maxApiKeys": 50, "services": ["claude"],
            "models": ["claude-sonnet-4-5", "claude-opus-4"], "support": "dedicated" },
    });
    s.w.step("POST", "/admin/subscription-plans", &[], body.clone()).await;
    let twice = s.w.call("POST", "/admin/subscription-plans", &[], body).await;
    assert!(twice.status.is_client_error(), "{}", twice.text);
    let change = json!({ "price": 1599, "originalPrice": 1999, "promotionEndDate": "2026-12-31" });
    s.w.step("PUT", "/admin/subscription-plans/{planId}", &["custom"], change).await;
    let all = s.w.step("GET", "/admin/subscription-plans", &[], Value::Null).await;
    let custom =
        all["plans"].as_array().expect("plans").iter().find(|p| p["planId"] == "custom").expect("a plan").clone();
    assert_eq!((&custom["price"], at(&custom, "limits.dailyCost")), (&json!(1599.0), &json!(500.0)), "{custom}");
    assert_eq!(at(&custom, "promotion.discount"), &json!(20), "{custom}");
    s.w.step("PUT", "/admin/subscription-plans/{planId}", &["custom"], json!({ "isActive": false })).await;
    for (query, there) in [("", false), ("?includeInactive=true", true)] {
        let listed = s.w.step("GET", &format!("/admin/subscription-plans{query}"), &[], Value::Null).await;
        assert_eq!(listed.to_string().contains("\"custom\""), there, "{listed}");
    }
    s.w.step("DELETE", "/admin/subscription-plans/{planId}", &["custom"], Value::Null).await;
    let shown = s.w.t.anonymous().get("/subscriptions/plans").await;
    assert!(!shown.text.contains("\"custom\""), "deleted softly, and no longer offered");
    let again = s.w.call("DELETE", "/admin/subscription-plans/{planId}", &["custom"], Value::Null).await;
    assert_eq!(again.status, 404, "{}", again.text);
    let body = json!({ "planId": "custom", "paymentMethod": "bank_transfer" });
    let refused = s.ann.post("/subscriptions/orders", body).await;
    assert_eq!(refused.status, 404, "{}", refused.text);
    assert_eq!(
        refused.json(),
        json!({ "error": "Plan not found", "message": "Plan not found or inactive" }),
        "to the letter"
    );
}

async fn revenue(s: &mut Shop) {
    let orders = s.ann("GET", "/subscriptions/orders", Value::Null).await;
    let paid: Vec<&Value> =
        orders["orders"].as_array().expect("orders").iter().filter(|o| !o["paidAt"].is_null()).collect();
    let total: f64 = paid.iter().filter_map(|o| o["amount"].as_f64()).sum();
    let count = paid.len();
    assert_eq!(count, 2);
    let close = |value: &Value| (value.as_f64().unwrap_or(-1.0) - total).abs() < 0.01;
    let daily = s.w.step("GET", "/admin/revenue/daily", &[], Value::Null).await;
    let day = daily["dailyRevenue"]
        .as_array()
        .expect("days")
        .iter()
        .find(|d| d["date"] == "2026-03-01")
        .expect("today")
        .clone();
    assert!(close(&day["totalRevenue"]) && day["orderCount"] == 2, "{day}");
    assert_eq!(day["avgOrderValue"], json!((total / 2.0 * 100.0).round() / 100.0));
    let worded =
        s.w.step("GET", "/admin/revenue/daily?startDate=30%20days%20ago&endDate=today", &[], Value::Null).await;
    assert_eq!(worded["dailyRevenue"], daily["dailyRevenue"], "as the document words its defaults");
    let monthly = s.w.step("GET", "/admin/revenue/monthly?year=2026", &[], Value::Null).await;
    let month = monthly["monthlyRevenue"]
        .as_array()
        .expect("months")
        .iter()
        .find(|m| m["month"] == "2026-03")
        .expect("this month")
        .clone();
    assert!(close(&month["totalRevenue"]), "{month}");
    let plans = s.w.step("GET", "/admin/revenue/by-plan", &[], Value::Null).await;
    assert!(close(&plans["totalRevenue"]), "{plans}");
    let shares: f64 =
        plans["revenueByPlan"].as_array().expect("plans").iter().filter_map(|p| p["percentage"].as_f64()).sum();
    assert!((shares - 100.0).abs() < 0.2, "{plans}");
    let all = s.w.step("GET", "/admin/revenue/overview", &[], Value::Null).await;
    assert!(close(at(&all, "overview.today.revenue")) && close(at(&all, "overview.thisMonth.revenue")), "{all}");
    assert_eq!(at(&all, "overview.users.activeSubscribers"), &json!(1), "{all}");
    assert_eq!(at(&all, "overview.today.cardKeysRedeemed"), &json!(2), "{all}");

    let file = s.w.call("GET", "/admin/revenue/export?startDate=2026-03-01", &[], Value::Null).await;
    assert!(file.header("content-type").starts_with("text/csv"), "{}", file.text);
    assert!(file.header("content-disposition").contains("attachment"));
    assert!(file.text.starts_with('\u{feff}') && file.text.lines().count() == 3, "{}", file.text);
    let rows = s.w.step("GET", "/admin/revenue/export?format=json", &[], Value::Null).await;
    assert_eq!(rows["total"], 2, "{rows}");
    assert_eq!(s.w.admin.get("/admin/revenue/export?format=xml").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_nobody_or_no_administrator_is_told_so_everywhere() {
    let s = Shop::open().await;
    let nobody = s.w.t.anonymous();
    let public: BTreeSet<&str> = BTreeSet::from(["/subscriptions/plans", "/auth/login", "/auth/register"]);
    for row in TABLE.iter().filter(|r| !public.contains(r.path)) {
        let path: Vec<&str> = row.path.split('/').map(|p| if p.starts_with('{') { "x" } else { p }).collect();
        let path = path.join("/");
        let refused = nobody.call(row.method, &path, json!({})).await;
        assert_eq!(refused.status, 401, "{} {path}: {}", row.method, refused.text);
        assert!(refused.json()["error"].is_string() && refused.json()["message"].is_string(), "{}", refused.text);
        if path.starts_with("/admin/") {
            // Bodies that fit, so that only the role can be what is wrong.
            let body = match row.path {
                "/admin/cardkeys/generate" => json!({ "count": 1, "type": "credit", "creditAmount": 1 }),
                "/admin/cardkeys/delete-batch" => json!({ "cardKeyIds": [] }),
                "/admin/subscription-plans" if row.method == "POST" => {
                    json!({ "planId": "x", "name": "x", "price": 1, "features": {} })
                }
                _ if row.method == "GET" => Value::Null,
                _ => json!({}),
            };
            let refused = s.ann.call(row.method, &path, body).await;
            assert_eq!(refused.status, 403, "{} {path}: {}", row.method, refused.text);
            assert_eq!(refused.json()["error"], "Access denied", "{}", refused.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unknown_or_does_not_fit_is_refused() {
    let s = Shop::open().await;
    let admin = &s.w.admin;
    for (who, method, path, body, status) in [
        (admin, "PUT", "/admin/subscription-plans/nowhere", json!({ "price": 1 }), 404),
        (admin, "DELETE", "/admin/subscription-plans/nowhere", Value::Null, 404),
        (admin, "DELETE", "/admin/cardkeys/ck_99999", Value::Null, 404),
        (admin, "DELETE", "/admin/cardkeys/nonsense", Value::Null, 404),
        (&s.ann, "DELETE", "/users/apikeys/key_99999", Value::Null, 404),
        (&s.ann, "DELETE", "/users/apikeys/nonsense", Value::Null, 404),
        (
            &s.ann,
            "POST",
            "/subscriptions/orders",
            json!({ "planId": "nowhere", "paymentMethod": "bank_transfer" }),
            404,
        ),
        (&s.ann, "POST", "/subscriptions/orders", json!({ "planId": "pro", "paymentMethod": "cowries" }), 400),
        (&s.ann, "POST", "/subscriptions/orders", json!({}), 400),
        (&s.ann, "POST", "/subscriptions/upgrade", json!({ "newPlanId": 5 }), 400),
        (&s.ann, "PUT", "/subscriptions/auto-renew", json!({ "autoRenew": "perhaps" }), 400),
        (&s.ann, "GET", "/subscriptions/orders?status=lost", Value::Null, 400),
        (&s.ann, "GET", "/subscriptions/orders?limit=0", Value::Null, 400),
        (&s.ann, "POST", "/credits/redeem", json!({ "code": "CRD-0000-0000-0000" }), 400),
        (&s.ann, "POST", "/credits/redeem", json!({}), 400),
        (&s.ann, "POST", "/credits/redeem", json!([1]), 400),
        (&s.ann, "GET", "/credits/history?limit=100000", Value::Null, 400),
        (&s.ann, "POST", "/users/apikeys", json!({ "name": "" }), 400),
        (&s.ann, "POST", "/users/apikeys", json!({ "name": "k", "expiresAt": "some day" }), 400),
        (admin, "POST", "/admin/cardkeys/generate", json!({ "count": 0, "type": "credit", "creditAmount": 1 }), 400),
        (
            admin,
            "POST",
            "/admin/cardkeys/generate",
            json!({ "count": 10_001, "type": "credit", "creditAmount": 1 }),
            400,
        ),
        (admin, "POST", "/admin/cardkeys/generate", json!({ "count": 1, "type": "credit", "creditAmount": 0 }), 400),
        (admin, "POST", "/admin/cardkeys/generate", json!({ "count": 1, "type": "plan" }), 400),
        (admin, "POST", "/admin/cardkeys/generate", json!({ "count": 1, "type": "gold" }), 400),
        (admin, "POST", "/admin/cardkeys/delete-batch", json!({}), 400),
        (admin, "GET", "/admin/cardkeys?status=lost", Value::Null, 400),
        (admin, "POST", "/admin/subscription-plans", json!({ "planId": "x" }), 400),
        (admin, "GET", "/admin/revenue/daily?startDate=never", Value::Null, 400),
        (admin, "GET", "/admin/revenue/daily?limit=0", Value::Null, 400),
        (admin, "GET", "/admin/revenue/monthly?year=many", Value::Null, 400),
    ] {
        let refused = who.call(method, path, body.clone()).await;
        assert_eq!(refused.status, status, "{method} {path} {body}: {}", refused.text);
        let said = refused.json();
        let worded = said["error"].is_string() || said["success"] == false;
        assert!(worded && said["message"].is_string(), "{method} {path}: {}", refused.text);
    }
    for (path, body) in
        [("/auth/login", json!({})), ("/auth/login", json!({ "username": "ann@example.com", "password": "x" }))]
    {
        let refused = s.w.t.anonymous().post(path, body).await;
        assert!(matches!(refused.status.as_u16(), 400 | 401), "{}", refused.text);
    }
    for body in [json!({ "username": "x" }), json!({ "username": "ann@example.com", "password": "a-good-password" })] {
        let refused = s.w.t.anonymous().post("/auth/register", body).await;
        assert!(refused.status.is_client_error(), "{}", refused.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_limits_its_keys_and_ten_thousand_cards_are_one_call() {
    let s = Shop::open().await;
    let body = |n: i32| json!({ "name": format!("k{n}") });
    assert_eq!(s.ann.post("/users/apikeys", body(1)).await.status, 200);
    let refused = s.ann.post("/users/apikeys", body(2)).await;
    assert!(refused.status.is_client_error(), "the free plan has one key: {}", refused.text);
    let body = json!({ "count": 10_000, "type": "credit", "creditAmount": 5 });
    let made = s.w.admin.post("/admin/cardkeys/generate", body).await.json();
    let codes: BTreeSet<&str> =
        made["cardKeys"].as_array().expect("cards").iter().filter_map(|c| c["code"].as_str()).collect();
    assert_eq!((codes.len(), &made["count"]), (10_000, &json!(10_000)));
}

//! Buying quota as this system's pages do it: through Epay, and through other providers by the order's own page.

use std::collections::BTreeMap;

use harness::fake_pay::epay::KEY;
use harness::fake_pay::{FakeEpay, FakePay, FakeTime};
use harness::{Client, TestApp, at};
use schema::payment::ProviderConfig;
use schema::service::setting;
use serde_json::{Value, json};

use super::{Cast, cast, deployed, refused, told};

async fn set(app: &TestApp, changes: &[(&str, &str)]) {
    let changes: BTreeMap<String, Option<String>> =
        changes.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned()))).collect();
    setting::put(&app.app, &app.system(), &changes).await.expect("settings");
}

/// A gateway, set up as the settings page does it.
async fn gateway(c: &Cast) -> FakeEpay {
    let fake = FakeEpay::start(FakeTime::default()).await;
    for (key, value) in [("PayAddress", fake.url()), ("EpayId", "1001"), ("EpayKey", KEY), ("Price", "7.3")] {
        told(&c.root.call("PUT", "/api/option/", json!({ "key": key, "value": value })).await);
    }
    told(&c.root.call("PUT", "/api/option/", json!({ "MinTopUp": "2" })).await);
    fake
}

async fn quota(person: &Client) -> i64 {
    told(&person.get("/api/user/self").await)["quota"].as_i64().expect("a quota")
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_is_bought_through_the_gateway_and_counted_once() {
    let c = cast().await;
    let off = told(&c.nobody.get("/api/status").await);
    assert_eq!((&off["enable_online_topup"], &off["pay_methods"]), (&json!(false), &json!([])));
    let fake = gateway(&c).await;
    let on = told(&c.nobody.get("/api/status").await);
    assert_eq!((&on["enable_online_topup"], &on["min_topup"], &on["price"]), (&json!(true), &json!(2), &json!(7.3)));
    assert_eq!(at(&on, "pay_methods.0.type"), &json!("alipay"));
    let info = told(&c.ann.get("/api/user/topup/info").await);
    assert_eq!((&info["enable_online_topup"], &info["min_topup"]), (&json!(true), &json!(2)));
    let list = c.root.get("/api/option/").await;
    assert!(!list.text.contains(KEY), "the key is not shown");

    let ann = deployed(&c.ann);
    let cost = ann.post("/api/user/amount", json!({ "amount": 10, "top_up_code": "" })).await.json();
    assert_eq!((&cost["message"], &cost["data"]), (&json!("success"), &json!("73.00")));
    let form = json!({ "amount": 10, "payment_method": "wxpay", "top_up_code": "" });
    let order = ann.post("/api/user/pay", form).await.json();
    assert_eq!((&order["message"], &order["url"]), (&json!("success"), &json!(format!("{}/submit.php", fake.url()))));
    let fields = order["data"].as_object().expect("fields of a form");
    assert_eq!((&fields["money"], &fields["type"], &fields["pid"]), (&json!("73.00"), &json!("wxpay"), &json!("1001")));
    let number = fields["out_trade_no"].as_str().expect("a number").to_owned();

    // The payer's browser sends the form; the gateway takes it from an address as well.
    let pairs: Vec<(&str, &str)> = fields.iter().filter_map(|(n, v)| Some((n.as_str(), v.as_str()?))).collect();
    let page = reqwest::Url::parse_with_params(&format!("{}/submit.php", fake.url()), &pairs).expect("an address");
    let cashier = harness::fake_pay::http_client().get(page).send().await.expect("the page answers");
    assert_eq!(cashier.text().await.expect("a text"), "the cashier");

    let before = quota(&c.ann).await;
    fake.mark_paid(&number);
    for (said, answer) in [
        (fake.notice(&number, "guess", |_| {}), "fail"),
        (fake.notice(&number, KEY, |f| drop(f.insert("pid".into(), "1002".into()))), "fail"),
        (String::new(), "fail"),
        // Genuine, and not what was asked for: heard, and nothing comes of it.
        (fake.notice(&number, KEY, |f| drop(f.insert("money".into(), "0.01".into()))), "success"),
        (fake.notice(&number, KEY, |f| drop(f.insert("out_trade_no".into(), "PAY404404".into()))), "success"),
    ] {
        let heard = c.nobody.get(&format!("/api/user/epay/notify?{said}")).await;
        assert_eq!((heard.status.as_u16(), heard.text.as_str()), (200, answer), "{said}");
        assert_eq!(quota(&c.ann).await, before, "{said}");
    }
    let said = fake.notice(&number, KEY, |_| {});
    for path in ["/api/user/epay/notify", "/pay/notify/epay", "/api/user/epay/notify"] {
        let heard = c.nobody.get(&format!("{path}?{said}")).await;
        assert_eq!((heard.status.as_u16(), heard.text.as_str()), (200, "success"), "{path}");
        assert_eq!(quota(&c.ann).await, before + 10 * 500_000, "ten dollars, once");
    }

    let orders = told(&ann.get("/api/user/topup/self?p=1&page_size=10").await);
    assert_eq!(orders["total"], json!(1));
    let row = &orders["items"][0];
    assert_eq!((&row["trade_no"], &row["status"]), (&json!(number), &json!("success")));
    assert_eq!((&row["amount"], &row["money"]), (&json!(10.0), &json!(73.0)));
    assert_eq!(told(&c.admin.get("/api/user/topup/self").await)["total"], json!(0), "one's own alone");
    let log = told(&deployed(&c.ann).get("/api/log/self/?type=1&p=1&page_size=10").await);
    assert_eq!(at(&log, "items.0.quota"), &json!(5_000_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_bought_is_said_in_the_pages_words() {
    let c = cast().await;
    let ann = deployed(&c.ann);
    let off = ann.post("/api/user/pay", json!({ "amount": 10, "payment_method": "alipay" })).await;
    assert_eq!((off.status.as_u16(), &off.json()["message"]), (200, &json!("error")), "no provider is set up");
    for path in ["/api/user/epay/notify", "/pay/notify/epay"] {
        assert_eq!(c.nobody.get(path).await.status, 404, "{path}: nothing is heard either");
    }
    let _fake = gateway(&c).await;
    for (form, why) in [
        (json!({ "amount": 1, "payment_method": "alipay" }), "充值数量不能小于 2"),
        (json!({ "amount": -5, "payment_method": "alipay" }), "充值数量不能小于 2"),
        (json!({ "amount": i64::MAX, "payment_method": "alipay" }), "充值数量过大"),
        (json!({ "amount": 10, "payment_method": "cash" }), "支付方式不存在"),
        (json!({ "amount": 10 }), "支付方式不存在"),
    ] {
        let answer = ann.post("/api/user/pay", form.clone()).await;
        let body = answer.json();
        assert_eq!((&body["success"], &body["message"], &body["data"]), (&json!(false), &json!("error"), &json!(why)));
        let documented = c.ann.post("/api/user/pay", form).await;
        assert_eq!(documented.status, 400, "a status for whoever reads one: {}", documented.text);
    }
    let little = ann.post("/api/user/amount", json!({ "amount": 1 })).await.json();
    assert_eq!((&little["message"], &little["data"]), (&json!("error"), &json!("充值数量不能小于 2")));
    let much = ann.post("/api/user/pay", json!({ "amount": 100_000, "payment_method": "alipay" })).await.json();
    assert_eq!(much["message"], json!("error"), "more than one top-up may be: {much}");
    assert_eq!(told(&ann.get("/api/user/topup/self").await)["total"], json!(0), "no order came of it");
    refused(&c.nobody.post("/api/user/pay", json!({ "amount": 10 })).await, 401, "nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_providers_are_reached_by_the_orders_own_page() {
    let c = cast().await;
    let pay = FakePay::start().await;
    let ProviderConfig::Alipay(config) = pay.alipay.config() else { panic!("Alipay's settings") };
    set(
        &c.app,
        &[
            ("alipay_enabled", "true"),
            ("alipay_app_id", &config.app_id),
            ("alipay_private_key", &config.private_key),
            ("alipay_public_key", &config.alipay_public_key),
            ("alipay_gateway_url", &config.gateway_url),
        ],
    )
    .await;
    let info = told(&c.ann.get("/api/user/topup/info").await);
    assert_eq!(at(&info, "pay_methods.0.type"), &json!("alipay"));
    assert_eq!(info["pay_methods"].as_array().map(Vec::len), Some(1));
    // Older pages have a word of their own for it.
    let order = c.ann.post("/api/user/pay", json!({ "amount": 3, "payment_method": "zfb" })).await.json();
    assert_eq!((&order["message"], &order["data"]), (&json!("success"), &json!({})), "{order}");
    let url = order["url"].as_str().expect("an address");
    let path = format!("/pay/{}", url.rsplit('/').next().expect("a number"));
    let posted = c.nobody.post(&path, Value::Null).await;
    assert_eq!((posted.status.as_u16(), posted.header("location")), (302, path.as_str()));
    let page = c.nobody.get(&path).await;
    assert!(page.text.contains("21.60 CNY"), "{}", page.text);
    assert_eq!(c.nobody.post("/pay/PAY404404404", Value::Null).await.status, 404);
    assert_eq!(c.nobody.get("/pay/notify/alipay").await.status, 404, "it says it in a body");
    assert_eq!(c.nobody.post("/pay/notify/bank_transfer", Value::Null).await.status, 404);
}

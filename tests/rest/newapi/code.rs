//! The page of redemption codes: made, changed by their form, removed one by one and swept.

use harness::at;
use serde_json::{Value, json};

use super::{cast, deployed, refused, told};

/// A refusal as the page hears it.
fn no(answer: &harness::Answer, part: &str) {
    refused(answer, 200, part);
    assert!(answer.text.contains(part), "{part}: {}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_changed_by_their_form_and_swept() {
    let c = cast().await;
    let admin = deployed(&c.admin);
    let form = json!({ "name": "codes", "quota": 1_000, "count": 3, "expired_time": 0 });
    let keys = told(&admin.post("/api/redemption/", form).await);
    let list = told(&admin.get("/api/redemption/?p=1&page_size=10").await);
    let id = |n: usize| at(&list, &format!("items.{n}.id")).as_i64().expect("an id");
    let mut form = told(&admin.get(&format!("/api/redemption/{}", id(0))).await);
    form["quota"] = json!(2_000);
    told(&admin.call("PUT", "/api/redemption/", form).await);
    assert_eq!(told(&admin.get(&format!("/api/redemption/{}", id(0))).await)["quota"], json!(2_000));
    let key = told(&admin.get(&format!("/api/redemption/{}", id(0))).await)["key"].clone();
    assert_eq!(told(&c.ann.post("/api/user/topup", json!({ "key": key })).await), json!(2_000));
    // Redeemed: its worth stays, its name may change, and saving its form does not switch it off.
    let mut form = told(&admin.get(&format!("/api/redemption/{}", id(0))).await);
    form["name"] = json!("redeemed");
    assert_eq!(told(&admin.call("PUT", "/api/redemption/", form.clone()).await)["status"], json!(3));
    form["quota"] = json!(9_000);
    no(&admin.call("PUT", "/api/redemption/", form).await, "已被兑换");
    for (count, why) in [(0, "兑换码个数必须大于0"), (101, "一次兑换码批量生成的个数不能大于 100")]
    {
        let form = json!({ "name": "codes", "quota": 1_000, "count": count, "expired_time": 0 });
        no(&admin.post("/api/redemption/", form).await, why);
    }

    told(&admin.call("PUT", "/api/redemption/?status_only=true", json!({ "id": id(1), "status": 2 })).await);
    let used = async || {
        let stats = schema::service::card::stats(&c.app.app, &c.app.system()).await.expect("figures");
        (stats.used, told(&c.ann.get("/api/log/self?type=1").await).as_array().map(Vec::len))
    };
    let before = used().await;
    // The redeemed one and the one that is switched off.
    assert_eq!(told(&admin.call("DELETE", "/api/redemption/invalid", Value::Null).await), json!(2), "{keys}");
    let list = told(&admin.get("/api/redemption/?p=1&page_size=10").await);
    assert_eq!((&list["total"], at(&list, "items.0.id")), (&json!(1), &json!(id(2))), "{list}");
    no(&admin.get(&format!("/api/redemption/{}", id(0))).await, "兑换码不存在");
    no(&admin.call("PUT", "/api/redemption/", json!({ "id": id(0), "status": 1 })).await, "兑换码不存在");
    // One by one it is the same.
    let key = told(&admin.get(&format!("/api/redemption/{}", id(2))).await)["key"].clone();
    told(&c.ann.post("/api/user/topup", json!({ "key": key })).await);
    told(&admin.call("DELETE", &format!("/api/redemption/{}/", id(2)), Value::Null).await);
    no(&admin.call("DELETE", &format!("/api/redemption/{}/", id(2)), Value::Null).await, "兑换码不存在");
    assert_eq!(told(&admin.get("/api/redemption/?p=1&page_size=10").await)["total"], json!(0));
    let after = (before.0 + 1, before.1.map(|rows| rows + 1));
    assert_eq!(used().await, after, "what was redeemed stays in the books");
    refused(&deployed(&c.ann).call("DELETE", "/api/redemption/invalid", Value::Null).await, 200, "somebody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_has_run_out_is_known_by_its_time() {
    let app = harness::TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    let root = deployed(&super::sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await);
    let form = json!({ "name": "codes", "quota": 1_000, "count": 2, "expired_time": 1_700_000_060 });
    told(&root.post("/api/redemption/", form).await);
    let list = told(&root.get("/api/redemption/?p=1&page_size=10").await);
    let form = json!({ "id": at(&list, "items.0.id"), "status": 2 });
    told(&root.call("PUT", "/api/redemption/?status_only=true", form).await);
    app.app.clock.advance(61_000);
    let list = told(&root.get("/api/redemption/?p=1&page_size=10").await);
    assert_eq!((at(&list, "items.0.status"), at(&list, "items.1.status")), (&json!(2), &json!(1)), "{list}");
    assert_eq!(at(&list, "items.1.expired_time"), &json!(1_700_000_060));
}

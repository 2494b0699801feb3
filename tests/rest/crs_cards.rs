//! crs: cards that make the life of a key longer, alone or together with money.

use harness::{Answer, TestApp, at};
use schema::Time;
use schema::clock::{DAY, HOUR};
use serde_json::{Value, json};

use crate::world::{World, text};

const START: Time = Time(1_772_359_200_000);

async fn world() -> World {
    World::of(TestApp::builder().clock_at(START).start().await).await
}

async fn key(w: &mut World, form: Value) -> String {
    text(at(&w.step("POST", "/admin/api-keys", &[], form).await, "data.id"))
}

/// Fresh codes.
async fn codes(w: &mut World, form: Value) -> Vec<String> {
    let minted = w.step("POST", "/admin/quota-cards", &[], form).await;
    minted["data"].as_array().expect("cards").iter().map(|card| text(&card["code"])).collect()
}

async fn redeem(w: &World, key: &str, code: &str) -> Answer {
    w.t.anonymous().post("/apiStats/api/redeem-card", json!({ "apiId": key, "code": code })).await
}

async fn shown(w: &mut World, key: &str) -> Value {
    let list = w.step("GET", "/admin/api-keys", &[], Value::Null).await;
    let rows = list["data"].as_array().expect("keys").clone();
    rows.into_iter().find(|row| row["id"] == key).expect("the key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_of_time_makes_a_key_live_longer_once() {
    let mut w = world().await;
    let end = START.plus(2 * DAY);
    let id = key(&mut w, json!({ "name": "k", "expiresAt": end.rfc3339() })).await;
    let form = json!({ "type": "time", "timeAmount": 12, "timeUnit": "hours", "count": 2 });
    let minted = w.step("POST", "/admin/quota-cards", &[], form).await;
    let card = &minted["data"][0];
    assert_eq!((&card["type"], &card["timeAmount"], &card["timeUnit"]), (&json!("time"), &json!(12), &json!("hours")));
    let first = text(&card["code"]);
    let done = redeem(&w, &id, &first).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let done = done.json()["data"].clone();
    assert_eq!(
        (&done["timeAdded"], &done["timeUnit"], &done["quotaAdded"]),
        (&json!(12), &json!("hours"), &json!(0.0))
    );
    assert_eq!(done["expiresAt"], json!(end.plus(12 * HOUR).rfc3339()));
    assert_eq!(redeem(&w, &id, &first).await.status, 400, "once");
    assert_eq!(shown(&mut w, &id).await["expiresAt"], json!(end.plus(12 * HOUR).rfc3339()));

    // A key that has ended lives on from now.
    w.t.app.clock.advance(5 * DAY);
    w.admin = w.t.admin().await;
    let second = text(&minted["data"][1]["code"]);
    assert_eq!(redeem(&w, &id, &second).await.status, 200);
    assert_eq!(shown(&mut w, &id).await["expiresAt"], json!(START.plus(5 * DAY + 12 * HOUR).rfc3339()));
    let all = w.step("GET", "/admin/redemptions", &[], Value::Null).await;
    assert_eq!((at(&all, "data.total"), at(&all, "data.redemptions.0.timeAdded")), (&json!(2), &json!(12)));
    let one = text(at(&all, "data.redemptions.0.id"));

    let back = w.step("POST", "/admin/redemptions/{id}/revoke", &[&one], json!({ "reason": "by mistake" })).await;
    assert_eq!(at(&back, "data.actualDeducted"), &json!(0.0));
    assert_eq!(at(&back, "data.expiresAt"), &json!(START.plus(5 * DAY).rfc3339()), "twelve hours less");
    assert_eq!(shown(&mut w, &id).await["expiresAt"], json!(START.plus(5 * DAY).rfc3339()));
    let twice = w.call("POST", "/admin/redemptions/{id}/revoke", &[&one], json!({})).await;
    assert_eq!(twice.status, 400, "{}", twice.text);
    let all = w.step("GET", "/admin/redemptions", &[], Value::Null).await;
    assert_eq!(at(&all, "data.redemptions.0.status"), &json!("revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_of_both_brings_both_or_neither() {
    let mut w = world().await;
    let form = json!({ "type": "combo", "quotaAmount": 1.5, "timeAmount": 1, "timeUnit": "months", "count": 2 });
    let codes = codes(&mut w, form).await;
    let list = w.step("GET", "/admin/quota-cards", &[], Value::Null).await;
    let row = at(&list, "data.cards.0");
    assert_eq!((&row["type"], &row["timeAmount"], &row["quotaAmount"]), (&json!("combo"), &json!(30), &json!(1.5)));

    let endless = key(&mut w, json!({ "name": "endless" })).await;
    let refused = redeem(&w, &endless, &codes[0]).await;
    assert!(refused.status == 400 && refused.text.contains("never ends"), "{}", refused.text);
    let stats = w.step("GET", "/admin/quota-cards/stats", &[], Value::Null).await;
    assert_eq!(at(&stats, "data.unused"), &json!(2), "the card is still worth something");

    // A life that has not begun is longer when it does.
    let waiting = json!({ "name": "waiting", "expirationMode": "activation", "activationDays": 2 });
    let waiting = key(&mut w, waiting).await;
    let done = redeem(&w, &waiting, &codes[0]).await;
    assert_eq!(done.json()["data"]["quotaAdded"], json!(1.5), "{}", done.text);
    assert_eq!(shown(&mut w, &waiting).await["activationDays"], json!(32));

    // Taken back, the money and the time are gone together.
    let all = w.step("GET", "/admin/redemptions", &[], Value::Null).await;
    let one = text(at(&all, "data.redemptions.0.id"));
    let back = w.step("POST", "/admin/redemptions/{id}/revoke", &[&one], json!({})).await;
    assert_eq!(at(&back, "data.actualDeducted"), &json!(1.5));
    assert_eq!(shown(&mut w, &waiting).await["activationDays"], json!(2));

    // Somebody's wallet alone cannot take it.
    let ann = w.t.user("ann").await;
    let refused = ann.post("/credits/redeem", json!({ "code": codes[1] })).await;
    assert!(refused.status.is_client_error(), "{} {}", refused.status, refused.text);
    let stats = w.step("GET", "/admin/quota-cards/stats", &[], Value::Null).await;
    assert_eq!(at(&stats, "data.unused"), &json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_that_make_no_sense_are_not_made() {
    let mut w = world().await;
    for form in [
        json!({ "type": "gift", "quotaAmount": 1 }),
        json!({ "type": "time" }),
        json!({ "type": "time", "timeAmount": 0 }),
        json!({ "type": "time", "timeAmount": 1.5 }),
        json!({ "type": "time", "timeAmount": 1, "timeUnit": "years" }),
        json!({ "type": "time", "timeAmount": 200, "timeUnit": "months" }),
        json!({ "type": "time", "timeAmount": i64::MAX }),
        json!({ "type": "combo", "timeAmount": 1 }),
        json!({ "type": "combo", "timeAmount": 1, "quotaAmount": 0 }),
        json!({ "type": "quota", "timeAmount": 1 }),
        json!({ "type": "time", "timeAmount": "x" }),
    ] {
        let refused = w.call("POST", "/admin/quota-cards", &[], form.clone()).await;
        assert_eq!(refused.status, 400, "{form}: {}", refused.text);
    }
    let limits = json!({ "enabled": true, "maxExpiryDays": 10, "maxTotalCostLimit": 5 });
    w.step("PUT", "/admin/quota-cards/limits", &[], limits).await;
    for form in
        [json!({ "type": "time", "timeAmount": 11 }), json!({ "type": "combo", "timeAmount": 1, "quotaAmount": 6 })]
    {
        let refused = w.call("POST", "/admin/quota-cards", &[], form.clone()).await;
        assert_eq!(refused.status, 400, "{form}: {}", refused.text);
    }
    codes(&mut w, json!({ "type": "combo", "timeAmount": 10, "quotaAmount": 5 })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_redeemed_for_a_key_is_shown_to_its_holder_alone() {
    let mut w = world().await;
    let end = START.plus(2 * DAY).rfc3339();
    let mine = key(&mut w, json!({ "name": "mine", "expiresAt": end })).await;
    let other = key(&mut w, json!({ "name": "other" })).await;
    let code = codes(&mut w, json!({ "type": "quota", "quotaAmount": 1.5 })).await.remove(0);
    let done = redeem(&w, &mine, &code).await;
    assert_eq!(done.status, 200, "{}", done.text);

    let history = async |id: &str| {
        let answer = w.t.anonymous().get(&format!("/apiStats/api/redemption-history?apiId={id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    };
    let told = history(&mine).await;
    let row = at(&told, "data.records.0");
    assert_eq!(
        (&row["cardType"], &row["quotaAdded"], &row["status"]),
        (&json!("quota"), &json!(1.5), &json!("active"))
    );
    assert_eq!((&row["timeAmount"], &row["timeUnit"]), (&json!(0), &json!("days")));
    assert!(row["id"].is_string() && row["redeemedAt"].is_string() && row.get("cardCode").is_none(), "{row}");
    assert_eq!(at(&told, "data.records"), at(&told, "data.redemptions"));
    let others = history(&other).await;
    assert_eq!((at(&others, "data.records"), at(&others, "data.total")), (&json!([]), &json!(0)));

    let all = w.step("GET", "/admin/redemptions", &[], Value::Null).await;
    let row = at(&all, "data.redemptions.0");
    assert_eq!((&row["cardCode"], &row["username"]), (&json!(code), &json!("admin")), "{row}");
    assert_eq!((&row["apiKeyName"], &row["apiKeyId"]), (&json!("mine"), &json!(mine)), "{row}");
    let cards = w.step("GET", "/admin/quota-cards", &[], Value::Null).await;
    assert_eq!(at(&cards, "data.cards.0.redeemedByUsername"), &json!("admin"));

    // The money is taken back, and the key's life is as long as it was.
    let one = text(&row["id"]);
    let back = w.step("POST", "/admin/redemptions/{id}/revoke", &[&one], json!({})).await;
    assert_eq!((at(&back, "data.actualDeducted"), at(&back, "data.expiresAt")), (&json!(1.5), &Value::Null));
    assert_eq!(shown(&mut w, &mine).await["expiresAt"], json!(end));
}

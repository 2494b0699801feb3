//! Requests repeated under a client's key: what moves money or makes a secret is done once and answered alike.

use harness::{Client, PASSWORD, TestApp, at};
use schema::{Micros, Role};
use serde_json::{Value, json};

use crate::world::{a_key, a_person, id};

/// Every mutation that takes a key.
const KEYED: &[&str] = &[
    "accessTokenCreate",
    "apiKeyCreate",
    "apiKeyRotate",
    "apiKeysCreate",
    "cardRedeem",
    "cardRedemptionTakeBack",
    "cardsGenerate",
    "exportCreate",
    "orderConfirm",
    "orderCreate",
    "orderRefund",
    "subscriptionGrant",
    "userCreate",
    "walletAdjust",
    "walletSet",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_moves_money_or_makes_a_secret_takes_a_key() {
    let app = TestApp::new().await;
    let query = "{ __schema { mutationType { fields { name args { type { name ofType { name } } } } } \
                 types { name kind inputFields { name type { name ofType { name } } } } } }";
    let schema = app.admin().await.data(query, json!({})).await;
    let types = at(&schema, "__schema.types").as_array().unwrap();
    let named = |ty: &Value| ty["name"].as_str().or(ty["ofType"]["name"].as_str()).unwrap_or_default().to_owned();
    let fields = |name: &str| {
        let ty = types.iter().find(|ty| ty["name"] == name);
        ty.and_then(|ty| ty["inputFields"].as_array()).cloned().unwrap_or_default()
    };
    // In the input itself, or in the one part it has.
    let keyed = |input: &str| {
        let own = fields(input);
        let inner = own.iter().flat_map(|field| fields(&named(&field["type"])));
        own.iter().chain(&inner.collect::<Vec<_>>()).any(|field| field["name"] == "clientMutationKey")
    };
    let mutations = at(&schema, "__schema.mutationType.fields").as_array().unwrap();
    let mut found: Vec<&str> = mutations
        .iter()
        .filter(|m| m["args"].as_array().is_some_and(|args| args.iter().any(|arg| keyed(&named(&arg["type"])))))
        .filter_map(|m| m["name"].as_str())
        .collect();
    found.sort_unstable();
    assert_eq!(found, KEYED);
}

/// Asks twice alike, and once with another input.
async fn thrice(client: &Client, query: &str, field: &str, input: Value, other: Option<Value>) -> Value {
    let under_the_key = |mut input: Value| {
        input["clientMutationKey"] = json!("the-key");
        json!({ "i": input })
    };
    let first = client.data(query, under_the_key(input.clone())).await;
    assert_eq!(at(&first, &format!("{field}.userErrors")), &json!([]), "{first}");
    assert_eq!(client.data(query, under_the_key(input)).await, first, "the same answer");
    if let Some(other) = other {
        let refused = client.data(query, under_the_key(other)).await;
        assert_eq!(at(&refused, &format!("{field}.userErrors.0.code")), "IDEMPOTENCY_KEY_REUSED", "{refused}");
    }
    at(&first, field).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_made_once_and_told_again() {
    let app = TestApp::new().await;
    let ann = app.user("ann").await;
    let who = at(&ann.data("{ viewer { databaseId } }", json!({})).await, "viewer.databaseId").clone();
    let key = a_key(&app, who.as_str().unwrap().parse().unwrap(), "k").await;
    let rotate = "mutation ($i: ApiKeyRotateInput!) { apiKeyRotate(input: $i) { \
                  apiKey { version maskedKey } secret userErrors { code } } }";
    let input = json!({ "id": id("ApiKey", key.id), "expectedVersion": key.version.to_string() });
    let without = json!({ "id": id("ApiKey", key.id) });
    let rotated = thrice(&ann, rotate, "apiKeyRotate", input, Some(without.clone())).await;
    assert_eq!(rotated["apiKey"]["version"], json!((key.version + 1).to_string()), "turned once");
    let fresh = ann.data(rotate, json!({ "i": without })).await;
    assert_ne!(at(&fresh, "apiKeyRotate.secret"), &rotated["secret"], "without a key it is turned again");

    let token = "mutation ($i: AccessTokenCreateInput) { accessTokenCreate(input: $i) { token userErrors { code } } }";
    let made = thrice(&ann, token, "accessTokenCreate", json!({}), None).await;
    let who = app.anonymous().bearer(made["token"].as_str().unwrap());
    assert_eq!(who.data("{ viewer { username } }", json!({})).await, json!({ "viewer": { "username": "ann" } }));
    let fresh = ann.data(token, json!({})).await;
    assert_ne!(at(&fresh, "accessTokenCreate.token"), &made["token"]);
    // Somebody else's keys are their own.
    let bob = app.user("bob").await;
    let own = bob.data(token, json!({ "i": { "clientMutationKey": "the-key" } })).await;
    assert_ne!(at(&own, "accessTokenCreate.token"), &made["token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_set_once_whatever_moved_since() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let (ann, bob) = (a_person(&app, "ann").await, a_person(&app, "bob").await);
    let set = "mutation ($i: WalletSetInput!) { walletSet(input: $i) { \
               ledgerEntry { id amount } user { username } userErrors { code } } }";
    let input = json!({ "userId": id("User", ann), "balance": "4", "note": "so" });
    let other = json!({ "userId": id("User", ann), "balance": "5", "note": "so" });
    let done = thrice(&admin, set, "walletSet", input.clone(), Some(other)).await;
    assert_eq!(done["ledgerEntry"]["amount"], "-6.000000");
    schema::service::wallet::adjust(&app.app, &app.system(), ann, Micros(1_000_000), "", None).await.unwrap();
    let mut again = input;
    again["clientMutationKey"] = json!("the-key");
    assert_eq!(admin.data(set, json!({ "i": again })).await, json!({ "walletSet": done }));
    let balance = admin.data("query ($u: ID!) { user(id: $u) { balance } }", json!({ "u": id("User", ann) })).await;
    assert_eq!(at(&balance, "user.balance"), "5.000000");

    // Nothing had to move: that is remembered too.
    let same = json!({ "i": { "userId": id("User", bob), "balance": "10", "clientMutationKey": "another" } });
    let first = admin.data(set, same.clone()).await;
    assert_eq!(first["walletSet"], json!({ "ledgerEntry": null, "user": { "username": "bob" }, "userErrors": [] }));
    schema::service::wallet::adjust(&app.app, &app.system(), bob, Micros(1_000_000), "", None).await.unwrap();
    assert_eq!(admin.data(set, same).await, first);
    let balance = admin.data("query ($u: ID!) { user(id: $u) { balance } }", json!({ "u": id("User", bob) })).await;
    assert_eq!(at(&balance, "user.balance"), "11.000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_card_brought_is_taken_back_once() {
    let app = TestApp::new().await;
    let (admin, ann) = (app.admin().await, app.user("ann").await);
    let generate = "mutation { cardsGenerate(input: { count: 1, value: \"5\" }) { issued { code } } }";
    let code = at(&admin.data(generate, json!({})).await, "cardsGenerate.issued.0.code").clone();
    let redeem = "mutation ($c: String!) { cardRedeem(input: { code: $c }) { userErrors { code } } }";
    ann.data(redeem, json!({ "c": code })).await;
    let redeemed = admin.data("{ cardRedemptions { nodes { id } } }", json!({})).await;
    let what = at(&redeemed, "cardRedemptions.nodes.0.id").clone();
    let take = "mutation ($i: CardRedemptionTakeBackInput!) { cardRedemptionTakeBack(input: $i) { \
                ledgerEntry { id amount } user { username balance } userErrors { code detail } } }";
    let input = |note: &str| json!({ "id": what, "note": note });
    let done = thrice(&admin, take, "cardRedemptionTakeBack", input("a mistake"), Some(input("another"))).await;
    assert_eq!(done["ledgerEntry"]["amount"], "-5.000000");
    assert_eq!(done["user"], json!({ "username": "ann", "balance": "0.000000" }));
    let again = admin.data(take, json!({ "i": input("a mistake") })).await;
    assert_eq!(at(&again, "cardRedemptionTakeBack.userErrors.0.detail"), "CARD_REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_note_is_another_movement() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let ann = a_person(&app, "ann").await;
    let adjust = "mutation ($i: WalletAdjustInput!) { walletAdjust(input: $i) { \
                  ledgerEntry { id } user { balance } userErrors { code } } }";
    let input = |note: &str| json!({ "userId": id("User", ann), "amount": "1", "note": note });
    let done = thrice(&admin, adjust, "walletAdjust", input("gift"), Some(input("bonus"))).await;
    assert_eq!(done["user"]["balance"], "11.000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_a_setting_one_has_read_an_old_one() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let put = "mutation ($i: SettingsPutInput!) { settingsPut(input: $i) { settings { value version } \
               userErrors { code } } }";
    let change = async |value: Value, version: &str| {
        let one = json!({ "name": "site_name", "value": value, "expectedVersion": version });
        admin.data(put, json!({ "i": { "settings": [one] } })).await["settingsPut"].clone()
    };
    let stale = json!({ "settings": null, "userErrors": [{ "code": "STALE_VERSION" }] });
    let first = change(json!("One"), "0").await;
    assert_eq!(first, json!({ "settings": [{ "value": "One", "version": "1" }], "userErrors": [] }));
    assert_eq!(change(json!("Two"), "0").await, stale);
    assert_eq!(change(json!(null), "0").await, stale);
    assert_eq!(change(json!("Two"), "1").await["settings"][0]["version"], "2");
    assert_eq!(change(json!("Three"), "1").await, stale);
    assert_eq!(change(json!(null), "1").await, stale);
    assert_eq!(change(json!(null), "2").await["userErrors"], json!([]));
    assert_eq!(change(json!(null), "0").await["userErrors"], json!([]), "it has its default as it was read");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_used_is_no_way_to_anothers_secret() {
    let app = TestApp::new().await;
    app.person("bob", Role::Admin, Micros::ZERO).await;
    let (root, bob) = (app.admin().await, app.sign_in("bob", PASSWORD).await);
    let ann = a_person(&app, "ann").await;
    let key = a_key(&app, ann, "k").await;
    let rotate = "mutation ($i: ApiKeyRotateInput!) { apiKeyRotate(input: $i) { secret userErrors { code } } }";
    let input = json!({ "i": { "id": id("ApiKey", key.id), "clientMutationKey": "the-key" } });
    let first = root.data(rotate, input.clone()).await;
    let second = bob.data(rotate, input).await;
    assert!(at(&second, "apiKeyRotate.secret").is_string());
    assert_ne!(at(&first, "apiKeyRotate.secret"), at(&second, "apiKeyRotate.secret"));
}

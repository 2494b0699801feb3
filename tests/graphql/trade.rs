//! Plans, cards, orders and subscriptions: each thing happens once, and one winner takes what there is one of.

use harness::{PASSWORD, TestApp, at};
use schema::{Micros, Role};
use serde_json::{Value, json};

const GENERATE: &str = "mutation ($i: CardsGenerateInput!) { cardsGenerate(input: $i) { issued { code card { id maskedCode status } } userErrors { field code } } }";
const REDEEM: &str = "mutation ($i: CardRedeemInput!) { cardRedeem(input: $i) { amount balance subscription { plan { slug } } userErrors { code } } }";
const ORDER: &str = "mutation ($i: OrderCreateInput!) { orderCreate(input: $i) { order { id number status kind amount { amount currency } plan { slug } } userErrors { field code detail } } }";

async fn plan(admin: &harness::Client, slug: &str, price: &str) -> Value {
    let make = "mutation ($i: PlanCreateInput!) { planCreate(input: $i) { plan { id price { amount currency } } userErrors { field message } } }";
    let input = json!({ "i": { "slug": slug, "name": slug, "price": { "amount": price, "currency": "USD" }, "cycle": "MONTHLY" } });
    let made = admin.data(make, input).await;
    assert_eq!(at(&made, "planCreate.userErrors"), &json!([]));
    at(&made, "planCreate.plan.id").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_are_made_once_under_a_key() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let input = json!({ "i": { "count": 3, "value": "5", "clientMutationKey": "k" } });
    let made = admin.data(GENERATE, input.clone()).await;
    assert_eq!(at(&made, "cardsGenerate.issued").as_array().unwrap().len(), 3);
    assert_eq!(admin.data(GENERATE, input).await, made);
    let stats = admin.data("{ cardStats { total active } cards { totalCount nodes { code } } }", json!({})).await;
    assert_eq!(at(&stats, "cardStats"), &json!({ "total": "3", "active": "3" }));
    let refused = admin.data(GENERATE, json!({ "i": { "count": 0, "value": "5" } })).await;
    assert_eq!(at(&refused, "cardsGenerate.userErrors.0.field"), &json!(["count"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_with_one_card_one_wins() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let made = admin.data(GENERATE, json!({ "i": { "count": 1, "value": "5" } })).await;
    let code = at(&made, "cardsGenerate.issued.0.code").clone();
    let people = [app.user("ann").await, app.user("bob").await, app.user("cid").await];
    let tries = people.iter().map(|p| p.data(REDEEM, json!({ "i": { "code": code } })));
    let answers = futures_util::future::join_all(tries).await;
    let won: Vec<&Value> = answers.iter().filter(|a| at(a, "cardRedeem.amount").is_string()).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    assert_eq!(at(won[0], "cardRedeem.balance"), &json!("5.000000"));
    let lost = answers.iter().filter(|a| at(a, "cardRedeem.userErrors.0.code") == &json!("CARD_USED")).count();
    assert_eq!(lost, 2, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redemption_that_is_asked_again_tells_what_it_brought() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let plan = plan(&admin, "pro", "20").await;
    let ann = app.user("ann").await;
    for (card, brought) in
        [(json!({ "count": 1, "value": "5" }), "amount"), (json!({ "count": 1, "planId": plan }), "subscription")]
    {
        let made = admin.data(GENERATE, json!({ "i": card })).await;
        let input = json!({ "i": { "code": at(&made, "cardsGenerate.issued.0.code"), "clientMutationKey": brought } });
        let first = ann.data(REDEEM, input.clone()).await;
        assert!(!at(&first, &format!("cardRedeem.{brought}")).is_null(), "{first}");
        assert_eq!(ann.data(REDEEM, input).await, first);
    }
    let mine = ann
        .data("{ cardRedemptions { totalCount nodes { value card { maskedCode } plan { slug } } } }", json!({}))
        .await;
    assert_eq!(at(&mine, "cardRedemptions.totalCount"), &json!("2"));
    // The whole code is for administrators.
    let code = ann.graphql("{ cardRedemptions { nodes { card { code } } } }", json!({})).await;
    assert_eq!(at(&code, "errors.0.extensions.code"), &json!("FORBIDDEN"));
    assert_eq!(at(&code, "data.cardRedemptions.nodes.0.card"), &json!({ "code": null }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_of_time_makes_the_life_of_one_of_ones_own_keys_longer() {
    const DAY: i64 = 86_400_000;
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let (ann, bob) = (app.user("ann").await, app.user("bob").await);
    let end = app.app.clock.now().plus(DAY);
    let make = "mutation ($i: ApiKeyCreateInput!) { apiKeyCreate(input: $i) { apiKey { id } userErrors { code } } }";
    let key = ann.data(make, json!({ "i": { "name": "short", "expiresAt": end.rfc3339() } })).await;
    let key = at(&key, "apiKeyCreate.apiKey.id").clone();
    let endless = ann.data(make, json!({ "i": { "name": "endless" } })).await;
    let endless = at(&endless, "apiKeyCreate.apiKey.id").clone();
    let code = async |card: Value| {
        let made = admin.data(GENERATE, json!({ "i": card })).await;
        assert_eq!(at(&made, "cardsGenerate.userErrors"), &json!([]), "{made}");
        at(&made, "cardsGenerate.issued.0.code").clone()
    };
    let redeem = "mutation ($i: CardRedeemInput!) { cardRedeem(input: $i) { amount balance apiKey { id expiresAt } \
                  userErrors { code detail } } }";
    let refused = async |client: &harness::Client, input: Value| {
        let answer = client.data(redeem, json!({ "i": input })).await;
        assert!(at(&answer, "cardRedeem.apiKey").is_null(), "{answer}");
        at(&answer, "cardRedeem.userErrors.0").clone()
    };
    let days = |n: i64| json!((n * DAY).to_string());
    // Time and money together: for a key, and nobody else's.
    let both = code(json!({ "count": 1, "value": "5", "keyMs": days(30) })).await;
    assert_eq!(refused(&ann, json!({ "code": both })).await, json!({ "code": "CONFLICT", "detail": "CARD_NEEDS_KEY" }));
    assert_eq!(refused(&bob, json!({ "code": both, "apiKeyId": key })).await["code"], "NOT_FOUND");
    let never = refused(&ann, json!({ "code": both, "apiKeyId": endless })).await;
    assert_eq!(never, json!({ "code": "CONFLICT", "detail": "KEY_NEVER_ENDS" }));
    let input = json!({ "i": { "code": both, "apiKeyId": key, "clientMutationKey": "k" } });
    let done = ann.data(redeem, input.clone()).await;
    let after = json!({ "id": key, "expiresAt": end.plus(30 * DAY).rfc3339() });
    assert_eq!(at(&done, "cardRedeem.apiKey"), &after, "{done}");
    assert_eq!(
        (at(&done, "cardRedeem.amount"), at(&done, "cardRedeem.balance")),
        (&json!("5.000000"), &json!("5.000000"))
    );
    assert_eq!(ann.data(redeem, input).await, done, "the same request again");
    let other = json!({ "code": both, "apiKeyId": endless, "clientMutationKey": "k" });
    assert_eq!(refused(&ann, other).await["code"], "IDEMPOTENCY_KEY_REUSED");
    // Time alone moves no money.
    let time = code(json!({ "count": 1, "keyMs": days(1) })).await;
    let done = ann.data(redeem, json!({ "i": { "code": time, "apiKeyId": key } })).await;
    assert_eq!(at(&done, "cardRedeem.apiKey.expiresAt"), &json!(end.plus(31 * DAY).rfc3339()));
    assert_eq!(
        (at(&done, "cardRedeem.amount"), at(&done, "cardRedeem.balance")),
        (&json!("0.000000"), &json!("5.000000"))
    );
    let mine =
        ann.data("{ cardRedemptions { nodes { keyMs takenBackAt apiKey { id } card { kind } } } }", json!({})).await;
    let newest = json!({ "keyMs": days(1), "takenBackAt": null, "apiKey": { "id": key }, "card": { "kind": "TIME" } });
    assert_eq!(at(&mine, "cardRedemptions.nodes.0"), &newest);
    for wrong in [
        json!({ "count": 1, "keyMs": "1" }),
        json!({ "count": 1, "keyMs": days(4_000) }),
        json!({ "count": 1, "keyMs": "-3600000", "value": "5" }),
    ] {
        let made = admin.data(GENERATE, json!({ "i": wrong })).await;
        let field = json!({ "code": "INVALID", "field": ["keyMs"] });
        assert_eq!(at(&made, "cardsGenerate.userErrors.0"), &field, "{made}");
    }
    let made = admin.graphql(GENERATE, json!({ "i": { "count": 1, "keyMs": days(1), "planId": "UGxhbjox" } })).await;
    assert_eq!(at(&made, "errors.0.extensions.code"), &json!("BAD_USER_INPUT"), "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_paid_from_the_wallet_is_in_effect_at_once_and_once() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let settings = "mutation { settingsPut(input: { settings: [{ name: \"wallet_payment_enabled\", value: \"true\" }] }) { userErrors { code } } }";
    let _ = admin.graphql(settings, json!({})).await;
    let plan = plan(&admin, "pro", "20").await;
    app.person("ann", Role::User, Micros(50_000_000)).await;
    let ann = app.sign_in("ann", PASSWORD).await;
    let offered = ann.data("{ paymentMethods publicPlans { slug } }", json!({})).await;
    assert!(at(&offered, "paymentMethods").as_array().unwrap().contains(&json!("WALLET")), "{offered}");
    let input = json!({ "i": { "planId": plan, "method": "WALLET", "clientMutationKey": "k" } });
    let bought = ann.data(ORDER, input.clone()).await;
    assert_eq!(at(&bought, "orderCreate.order.status"), &json!("ACTIVATED"), "{bought}");
    assert_eq!(ann.data(ORDER, input).await, bought);
    let mine = ann
        .data("{ viewer { balance plan { plan { slug } subscription { autoRenew } } orders { totalCount } subscriptions { totalCount } ledgerEntries { nodes { kind amount } } } }", json!({}))
        .await;
    assert_eq!(at(&mine, "viewer.balance"), &json!("30.000000"));
    assert_eq!(at(&mine, "viewer.plan.plan.slug"), &json!("pro"));
    assert_eq!(at(&mine, "viewer.orders.totalCount"), &json!("1"));
    assert_eq!(at(&mine, "viewer.ledgerEntries.nodes.0"), &json!({ "kind": "PURCHASE", "amount": "-20.000000" }));
    let renew = "mutation { subscriptionSetAutoRenew(input: { autoRenew: true }) { subscription { autoRenew } userErrors { code } } }";
    assert_eq!(at(&ann.data(renew, json!({})).await, "subscriptionSetAutoRenew.subscription.autoRenew"), &json!(true));

    let bob = app.user("bob").await;
    let number = at(&bought, "orderCreate.order.number");
    let foreign = bob.data("query ($n: String) { order(number: $n) { id } }", json!({ "n": number })).await;
    assert_eq!(foreign, json!({ "order": null }));
    let poor = bob.data(ORDER, json!({ "i": { "planId": plan, "method": "WALLET" } })).await;
    assert_eq!(at(&poor, "orderCreate.userErrors.0.code"), &json!("QUOTA_EXCEEDED"), "{poor}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_given_once_under_a_key() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let plan = plan(&admin, "pro", "20").await;
    app.person("ann", Role::User, Micros::ZERO).await;
    let who = admin.data("{ users(filter: { search: \"ann\" }) { nodes { id } } }", json!({})).await;
    let grant = "mutation ($i: SubscriptionGrantInput!) { subscriptionGrant(input: $i) { subscription { id expiresAt user { username } } userErrors { code } } }";
    let input = json!({ "i": { "userId": at(&who, "users.nodes.0.id"), "planId": plan, "days": 10, "clientMutationKey": "k" } });
    let first = admin.data(grant, input.clone()).await;
    assert_eq!(at(&first, "subscriptionGrant.subscription.user.username"), &json!("ann"));
    assert_eq!(admin.data(grant, input).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_reach_everybody_and_know_their_readers() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let ann = app.user("ann").await;
    let make = "mutation ($i: AnnouncementCreateInput!) { announcementCreate(input: $i) { announcement { id status } userErrors { code } } }";
    let made = admin.data(make, json!({ "i": { "title": "Hello", "content": "World" } })).await;
    let id = at(&made, "announcementCreate.announcement.id").clone();
    let mine = "{ announcements(filter: { unread: true }) { totalCount nodes { title isRead } } }";
    assert_eq!(at(&ann.data(mine, json!({})).await, "announcements.totalCount"), &json!("0"));
    let publish = "mutation ($i: AnnouncementInput!) { announcementPublish(input: $i) { announcement { status } userErrors { detail } } }";
    admin.data(publish, json!({ "i": { "id": id } })).await;
    let again = admin.data(publish, json!({ "i": { "id": id } })).await;
    assert_eq!(at(&again, "announcementPublish.userErrors.0.detail"), &json!("ALREADY_PUBLISHED"));
    let unread = ann.data(mine, json!({})).await;
    assert_eq!(at(&unread, "announcements.nodes"), &json!([{ "title": "Hello", "isRead": false }]));
    let read = "mutation ($i: AnnouncementsMarkReadInput!) { announcementsMarkRead(input: $i) { newlyReadCount } }";
    assert_eq!(
        at(&ann.data(read, json!({ "i": { "ids": [id] } })).await, "announcementsMarkRead.newlyReadCount"),
        &json!("1")
    );
    assert_eq!(at(&ann.data(mine, json!({})).await, "announcements.totalCount"), &json!("0"));
    let stats = admin.data("{ announcements { nodes { readCount stats { userCount readRate } } } }", json!({})).await;
    assert_eq!(at(&stats, "announcements.nodes.0.readCount"), &json!("1"));
}

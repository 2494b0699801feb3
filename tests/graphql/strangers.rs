//! Things are their owner's: read by the owner and administrators, null to others; nobody else changes them.

#![expect(clippy::unwrap_used, reason = "tests")]

use harness::{Client, PASSWORD, TestApp, at};
use schema::model::account::{AccountKind, Health};
use schema::money::Micros;
use schema::service::account::{self, Mark};
use schema::service::card::{CodeForm, Mint, Worth};
use schema::service::task::{self, Begun};
use schema::service::{card, plan, subscription, wallet};
use schema::{Actor, Role};
use serde_json::{Value, json};

use crate::world::{a_call, a_key, a_person, an_account, book, id, mutate, mutate_as, refused};

/// One thing of each kind, of ann where it has an owner.
struct Things {
    own: Vec<String>,
    for_admins: Vec<String>,
    user: i64,
    key: i64,
    call: String,
    task: i64,
    /// Of a card that nobody redeemed.
    code: String,
}

async fn things(app: &TestApp) -> Things {
    let system = Actor::system();
    let user = a_person(app, "ann").await;
    let key = a_key(app, user, "k").await.id;
    let account = an_account(app, AccountKind::OpenaiKey, "a", None).await.id;
    let call = a_call(user, key, account, app.app.clock.now());
    let call_id = call.call_id.clone();
    book(app, [call]).await;
    wallet::adjust(&app.app, &system, user, Micros(5), "", None).await.unwrap();
    let begun = Begun {
        uid: "t-1".into(),
        call_id: call_id.clone(),
        user_id: user,
        key_id: key,
        account_id: account,
        platform: "suno".into(),
        action: "music".into(),
        model: "suno".into(),
        request: serde_json::Map::new(),
        cost: Micros(0),
        from_wallet: false,
        notify_url: None,
        poll_at: app.app.clock.now().plus(3_600_000),
    };
    let task = task::begin(&app.app, begun).await.unwrap().id;
    let plan = plan::init_defaults(&app.app, &system).await.unwrap().pop().unwrap();
    let held = subscription::grant(&app.app, &system, user, plan.id, Some(30)).await.unwrap();
    let mint = Mint {
        count: 1,
        worth: Worth::Credit(Micros(5)),
        form: CodeForm::Hex,
        uses: 1,
        expires_at: None,
        name: String::new(),
        note: String::new(),
    };
    let minted = card::mint(&app.app, &system, mint).await.unwrap().remove(0);
    let mark = Mark { health: Health::Blocked, cool_until: None, note: "refused", status: 401 };
    assert!(account::mark(&app.app, account, mark).await.unwrap());
    Things {
        own: vec![
            id("User", user),
            id("ApiKey", key),
            id("UsageRecord", &call_id),
            id("Task", task),
            id("LedgerEntry", 1),
            id("PlanSubscription", held.0.id),
        ],
        for_admins: vec![
            id("Account", account),
            id("AccountEvent", 1),
            id("Card", minted.card.id),
            id("AuditEntry", 1),
        ],
        code: minted.code,
        user,
        key,
        call: call_id,
        task,
    }
}

async fn seen(client: &Client, ids: &[String]) -> Vec<bool> {
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }";
    let nodes = client.data(query, json!({ "ids": ids })).await;
    let nodes = at(&nodes, "nodes").as_array().unwrap().clone();
    nodes.iter().zip(ids).map(|(node, id)| node["id"] == **id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_shown_to_their_owner_and_to_administrators() {
    let app = TestApp::new().await;
    let mut things = things(&app).await;
    let ann = app.sign_in("ann", PASSWORD).await;
    assert_eq!(mutate(&ann, "cardRedeem", json!({ "code": things.code })).await, [""; 0]);
    things.own.push(id("CardRedemption", 1));
    let bob = app.user("bob").await;
    app.person("bea", Role::Admin, Micros::ZERO).await;
    let bea = app.sign_in("bea", PASSWORD).await;
    let all = |n: usize, yes: bool| vec![yes; n];
    assert_eq!(seen(&ann, &things.own).await, all(things.own.len(), true));
    assert_eq!(seen(&bob, &things.own).await, all(things.own.len(), false));
    assert_eq!(seen(&bea, &things.own).await, all(things.own.len(), true));
    assert_eq!(seen(&ann, &things.for_admins).await, all(things.for_admins.len(), false));
    assert_eq!(seen(&bea, &things.for_admins).await, all(things.for_admins.len(), true));
    let setting = [id("Setting", "site_name")];
    assert_eq!(seen(&bea, &setting).await, [false]);
    assert_eq!(seen(&app.admin().await, &setting).await, [true]);

    let query = "query ($key: ID!, $call: ID!, $task: ID!, $user: ID!) { apiKey(id: $key) { id } \
         usageRecord(id: $call) { id } task(id: $task) { id } byUid: task(uid: \"t-1\") { id } user(id: $user) { id } }";
    let ids = json!({ "key": id("ApiKey", things.key), "call": id("UsageRecord", &things.call),
        "task": id("Task", things.task), "user": id("User", things.user) });
    let empty = json!({ "apiKey": null, "usageRecord": null, "task": null, "byUid": null, "user": null });
    assert_eq!(bob.data(query, ids.clone()).await, empty);
    for client in [&ann, &bea] {
        let told = client.data(query, ids.clone()).await;
        assert!(told.as_object().unwrap().values().all(|v| v["id"].is_string()), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_what_is_somebody_elses() {
    let app = TestApp::new().await;
    let things = things(&app).await;
    let ann = app.sign_in("ann", PASSWORD).await;
    let bob = app.user("bob").await;
    let state = "{ viewer { username version subscriptions { nodes { status autoRenew version } } \
         apiKeys { nodes { name enabled version maskedKey } } } }";
    let before = ann.data(state, json!({})).await;
    let (user, key) = (id("User", things.user), id("ApiKey", things.key));
    for (field, kind, input) in [
        ("apiKeyChange", "ApiKeyChangeInput", json!({ "id": key, "name": "mine" })),
        ("apiKeyRotate", "ApiKeyRotateInput", json!({ "id": key })),
        ("apiKeyActivate", "ApiKeyInput", json!({ "id": key })),
        ("apiKeyDelete", "ApiKeyInput", json!({ "id": key })),
        ("apiKeysDelete", "ApiKeysInput", json!({ "ids": [key] })),
        ("apiKeysChange", "ApiKeysChangeInput", json!({ "ids": [key], "name": "mine" })),
        ("userChange", "UserChangeInput", json!({ "id": user, "displayName": "mine" })),
        ("userDelete", "UserDeleteInput", json!({ "id": user })),
        ("subscriptionCancel", "SubscriptionCancelInput", json!({ "userId": user })),
        ("subscriptionSetAutoRenew", "SubscriptionSetAutoRenewInput", json!({ "userId": user, "autoRenew": true })),
    ] {
        let told = mutate_as(&bob, field, kind, input).await;
        assert!(told == ["NOT_FOUND"] || told == ["FORBIDDEN"], "{field}: {told:?}");
    }
    let forged = mutate(&bob, "apiKeyCreate", json!({ "name": "k", "ownerId": user })).await;
    assert!(forged == ["FORBIDDEN"] || forged == ["NOT_FOUND"], "{forged:?}");
    assert_eq!(ann.data(state, json!({})).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_somebody_else_are_refused() {
    let app = TestApp::new().await;
    let things = things(&app).await;
    let bob = app.user("bob").await;
    let user: Value = id("User", things.user).into();
    for query in [
        "query ($u: ID!) { usageRecords(filter: { userId: $u }) { totalCount } }",
        "query ($u: ID!) { usageRecordStats(filter: { userId: $u }) { requests } }",
        "query ($u: ID!) { usageSums(filter: { userIds: [$u] }) { requests } }",
        "query ($u: ID!) { usageSeries(grain: DAY, filter: { userIds: [$u] }) { points { label } } }",
        "query ($u: ID!) { usageLeaderboard(by: MODEL, filter: { userIds: [$u] }) { place } }",
        "query ($u: ID!) { usageCosts(filter: { userIds: [$u] }) { total { total } } }",
        "query ($u: ID!) { tasks(filter: { userId: $u }) { totalCount } }",
        "query ($u: ID!) { apiKeys(filter: { ownerId: $u }) { totalCount } }",
        "query ($u: ID!) { ledgerEntries(userId: $u) { totalCount } }",
        "query ($u: ID!) { subscriptions(userId: $u) { totalCount } }",
        "query ($u: ID!) { cardRedemptions(userId: $u) { totalCount } }",
        "query ($u: ID!) { orders(userId: $u) { totalCount } }",
    ] {
        let told = refused(&bob, query, json!({ "u": user })).await;
        assert!(told == ["NOT_FOUND"] || told == ["FORBIDDEN"], "{query}: {told:?}");
    }
    // Accounts are nobody's business but the administrators'.
    let account = id("Account", 1);
    for query in [
        "query ($a: ID!) { usageRecords(filter: { accountId: $a }) { totalCount } }",
        "query ($a: ID!) { usageSums(filter: { accountIds: [$a] }) { requests } }",
        "query ($a: ID!) { tasks(filter: { accountId: $a }) { totalCount } }",
    ] {
        assert_eq!(refused(&bob, query, json!({ "a": account })).await, ["FORBIDDEN"], "{query}");
    }
    assert_eq!(refused(&bob, "{ usageLeaderboard(by: ACCOUNT) { place } }", json!({})).await, ["FORBIDDEN"]);
    assert_eq!(
        refused(&bob, "{ usageSeries(grain: DAY, by: ACCOUNT) { groupCount } }", json!({})).await,
        ["FORBIDDEN"]
    );
    // What bob may see of everybody's calls is his own: nothing.
    let own = bob
        .data("{ usageRecords { totalCount } usageSums { requests } usageLeaderboard(by: USER) { place } }", json!({}));
    assert_eq!(
        own.await,
        json!({ "usageRecords": { "totalCount": "0" }, "usageSums": { "requests": "0" }, "usageLeaderboard": [] })
    );
}

//! Subscriptions, over both roads, in every process.

use std::time::{Duration, Instant};

use harness::{TestApp, at};
use schema::bus::{Event, UsedCall};
use schema::model::task::TaskStatus;
use schema::service::task::{self, Begun, News};
use schema::service::wallet;
use schema::{Micros, Role};
use serde_json::json;

fn call(user: i64, id: &str) -> Event {
    Event::Used(Box::new(UsedCall {
        call_id: id.to_owned(),
        at: 1_760_000_000_000,
        user_id: user,
        key_id: 3,
        account_id: 9,
        model: "claude".to_owned(),
        dialect: "anthropic".to_owned(),
        status: 200,
        input: 10,
        output: 20,
        cost: 1_500,
        ..UsedCall::default()
    }))
}

const CALLS: &str = "subscription { usageEvents { model inputTokens cost missed } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reaches_its_watchers_within_a_second_on_both_roads() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let mut socket = admin.watch(CALLS, json!({})).await;
    let mut stream = admin.stream(CALLS, json!({})).await;
    let start = Instant::now();
    app.app.bus.publish(call(1, "a")).await;
    let wanted =
        json!({ "usageEvents": { "model": "claude", "inputTokens": "10", "cost": "0.001500", "missed": false } });
    assert_eq!(socket.event().await, wanted);
    assert_eq!(stream.event().await, wanted);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_hear_of_their_own_calls_alone() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let client = app.sign_in("ann", harness::PASSWORD).await;
    let mut socket = client.watch(CALLS, json!({})).await;
    app.app.bus.publish(call(ann.id + 1, "foreign")).await;
    app.app.bus.publish(call(ann.id, "own")).await;
    socket.event().await;
    assert!(socket.is_quiet(Duration::from_millis(200)).await);
    for (query, code) in [
        ("subscription { systemAlerts { code } }", "FORBIDDEN"),
        ("subscription { usageEvents(filter: { accountId: \"QWNjb3VudDox\" }) { id } }", "FORBIDDEN"),
        ("subscription { walletChanged(userId: \"VXNlcjox\") { balance } }", "NOT_FOUND"),
        ("subscription { usageTotals(every: 0) { requests } }", "BAD_USER_INPUT"),
        ("subscription { usageTotals(every: 61) { requests } }", "BAD_USER_INPUT"),
    ] {
        let told = client.watch(query, json!({})).await.hear().await;
        assert_eq!(told["type"], "error", "{query}: {told}");
        assert_eq!(told["payload"][0]["extensions"]["code"], code, "{query}: {told}");
    }
    let mut admin = app.admin().await.watch("subscription { usageEvents { accountId } }", json!({})).await;
    app.app.bus.publish(call(ann.id, "x")).await;
    assert!(at(&admin.event().await, "usageEvents.accountId").is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_tick_with_or_without_calls() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let query = "subscription { usageTotals(every: 1) { seconds requests errors cost totalRequests missed } }";
    let mut all = app.admin().await.watch(query, json!({})).await;
    let mut own = app.sign_in("ann", harness::PASSWORD).await.watch(query, json!({})).await;
    assert_eq!(at(&all.event().await, "usageTotals.seconds"), &json!(0));
    own.event().await;
    for (user, id) in [(ann.id, "a"), (ann.id + 1, "b")] {
        app.app.bus.publish(call(user, id)).await;
    }
    let tick = all.event().await;
    assert_eq!(
        at(&tick, "usageTotals"),
        &json!({ "seconds": 1, "requests": "2", "errors": "0", "cost": "0.003000", "totalRequests": "2", "missed": false })
    );
    assert_eq!(at(&own.event().await, "usageTotals.requests"), &json!("1"));
    let quiet = all.event().await;
    assert_eq!(
        (at(&quiet, "usageTotals.requests"), at(&quiet, "usageTotals.totalRequests")),
        (&json!("0"), &json!("2"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_that_moves_is_told_and_read_afresh_after_a_loss() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let query = "subscription { walletChanged { balance amount kind missed user { username } } }";
    let mut socket = app.sign_in("ann", harness::PASSWORD).await.watch(query, json!({})).await;
    wallet::adjust(&app.app, &app.system(), ann.id, Micros(2_000_000), "", None).await.unwrap();
    assert_eq!(
        socket.event().await["walletChanged"],
        json!({ "balance": "2.000000", "amount": "2.000000", "kind": "ADJUSTMENT", "missed": false, "user": { "username": "ann" } })
    );
    app.app.bus.publish(Event::Resync).await;
    let afresh = socket.event().await;
    assert_eq!(at(&afresh, "walletChanged.balance"), &json!("2.000000"));
    assert_eq!(
        (at(&afresh, "walletChanged.amount"), at(&afresh, "walletChanged.missed")),
        (&json!(null), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_loss_the_next_event_says_so() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let mut calls = admin.watch(CALLS, json!({})).await;
    let mut alerts = admin.watch("subscription { systemAlerts { code level missed } }", json!({})).await;
    app.app.bus.publish(Event::Resync).await;
    app.app.bus.publish(call(1, "a")).await;
    app.app.bus.publish(call(1, "b")).await;
    assert_eq!(at(&calls.event().await, "usageEvents.missed"), &json!(true));
    assert_eq!(at(&calls.event().await, "usageEvents.missed"), &json!(false));
    let alert = Event::Alert { level: "warning".into(), code: "DISK".into(), message: "full".into(), at: 0 };
    app.app.bus.publish(alert).await;
    assert_eq!(alerts.event().await["systemAlerts"], json!({ "code": "DISK", "level": "warning", "missed": true }));
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_a_subscription() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let mut socket = admin.watch(CALLS, json!({})).await;
    admin.data("mutation { signOut { signedOut } }", json!({})).await;
    let told = socket.hear().await;
    assert_eq!(told["type"], "closed", "{told}");
    assert!(told.to_string().contains("4403"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_of_a_deployment_hears_of_every_call() {
    if !harness::scaled() {
        return;
    }
    let app = TestApp::new().await;
    let peer = app.peer().await;
    let mut here = app.admin().await.watch(CALLS, json!({})).await;
    let mut there = peer.admin().await.stream(CALLS, json!({})).await;
    let start = Instant::now();
    app.app.bus.publish(call(1, "a")).await;
    here.event().await;
    there.event().await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_spends_is_told_together_at_most_once_a_second() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let client = app.sign_in("ann", harness::PASSWORD).await;
    let create = "mutation { apiKeyCreate(input: { name: \"k\" }) { apiKey { id databaseId } } }";
    let made = client.data(create, json!({})).await;
    let key: i64 = at(&made, "apiKeyCreate.apiKey.databaseId").as_str().unwrap().parse().unwrap();
    let of_key = |id: &str, key_id: i64| match call(ann.id, id) {
        Event::Used(used) => Event::Used(Box::new(UsedCall { key_id, ..*used })),
        other => other,
    };
    let query = "subscription ($k: ID!) { apiKeySpend(apiKeyId: $k) { requests cost totalRequests totalCost missed apiKey { name } } }";
    let variables = json!({ "k": at(&made, "apiKeyCreate.apiKey.id") });
    let mut socket = client.watch(query, variables.clone()).await;
    let mut stream = client.stream(query, variables.clone()).await;
    app.app.bus.publish(of_key("a", key)).await;
    let first = json!({ "requests": "1", "cost": "0.001500", "totalRequests": "1", "totalCost": "0.001500", "missed": false,
        "apiKey": { "name": "k" } });
    assert_eq!(socket.event().await["apiKeySpend"], first);
    assert_eq!(stream.event().await["apiKeySpend"], first);
    for (id, key) in [("b", key), ("c", key), ("d", key + 1)] {
        app.app.bus.publish(of_key(id, key)).await;
    }
    let second = socket.event().await;
    assert_eq!(
        (at(&second, "apiKeySpend.requests"), at(&second, "apiKeySpend.totalCost")),
        (&json!("2"), &json!("0.004500"))
    );
    let told = app.user("bob").await.watch(query, variables).await.hear().await;
    assert_eq!(at(&told, "payload.0.extensions.code"), "NOT_FOUND", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_and_orders_are_told_to_their_owners() {
    let app = TestApp::new().await;
    let ann = app.person("ann", Role::User, Micros::ZERO).await;
    let bob = app.person("bob", Role::User, Micros::ZERO).await;
    let client = app.sign_in("ann", harness::PASSWORD).await;
    let begun = Begun {
        uid: "t-1".into(),
        call_id: "c-1".into(),
        user_id: ann.id,
        key_id: 1,
        account_id: 1,
        platform: "suno".into(),
        action: "music".into(),
        model: "suno".into(),
        request: serde_json::Map::new(),
        cost: Micros::ZERO,
        from_wallet: false,
        notify_url: None,
        poll_at: app.app.clock.now().plus(3_600_000),
    };
    let begun = task::begin(&app.app, begun).await.unwrap();
    let query = "subscription { taskChanged { status progress missed task { uid status user { username } } } }";
    let mut own = client.watch(query, json!({})).await;
    let mut foreign = app.sign_in("bob", harness::PASSWORD).await.watch(query, json!({})).await;
    let news = News { status: Some(TaskStatus::Running), progress: Some(40), ..News::default() };
    task::advance(&app.app, &begun, news).await.unwrap();
    assert_eq!(
        own.event().await["taskChanged"],
        json!({ "status": "RUNNING", "progress": 40, "missed": false,
            "task": { "uid": "t-1", "status": "RUNNING", "user": { "username": "ann" } } })
    );
    assert!(foreign.is_quiet(Duration::from_millis(200)).await);

    let mut orders = client.stream("subscription { orderChanged { number status missed } }", json!({})).await;
    for (no, user_id) in [("FOREIGN", bob.id), ("OWN", ann.id)] {
        app.app.bus.publish(Event::OrderChanged { no: no.into(), user_id, status: "paid".into() }).await;
    }
    assert_eq!(orders.event().await["orderChanged"], json!({ "number": "OWN", "status": "PAID", "missed": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_are_told_as_far_as_one_may_see_them() {
    let app = TestApp::new().await;
    let admin = app.admin().await;
    let ann = app.user("ann").await;
    let query = "subscription { announcementChanged { change announcement { title } missed } }";
    let mut hers = ann.watch(query, json!({})).await;
    let create = "mutation ($i: AnnouncementCreateInput!) { announcementCreate(input: $i) { announcement { id } \
         userErrors { field message } } }";
    let made = admin.data(create, json!({ "i": { "title": "News", "content": "All is well." } })).await;
    assert_eq!(at(&made, "announcementCreate.userErrors"), &json!([]), "{made}");
    let publish = "mutation ($i: AnnouncementInput!) { announcementPublish(input: $i) { userErrors { message } } }";
    admin.data(publish, json!({ "i": { "id": at(&made, "announcementCreate.announcement.id") } })).await;
    let told = loop {
        let event = hers.event().await;
        if at(&event, "announcementChanged.change") == "SHOWN" {
            break event;
        }
        assert_eq!(at(&event, "announcementChanged.announcement"), &json!(null), "a draft is not shown");
    };
    assert_eq!(at(&told, "announcementChanged.announcement.title"), "News");
}

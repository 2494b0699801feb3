//! Subscriptions, over both roads, in every process.

use std::time::{Duration, Instant};

use harness::{TestApp, at};
use schema::bus::{Event, UsedCall};
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

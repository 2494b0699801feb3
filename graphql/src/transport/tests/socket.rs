//! Websockets: the conversation, every close code, and those who do not keep to it.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::*;

type Wire = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn handshake(
    site: &Site,
    headers: &[(&'static str, &str)],
) -> Result<Wire, tokio_tungstenite::tungstenite::Error> {
    let mut request = format!("ws://{}/graphql", site.at).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    connect_async(request).await.map(|(wire, _)| wire)
}

const SPEAKS: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");

async fn open(site: &Site) -> Wire {
    handshake(site, &[SPEAKS]).await.unwrap()
}

async fn ready(site: &Site) -> Wire {
    let mut wire = open(site).await;
    say(&mut wire, json!({"type": "connection_init", "payload": {"authorization": "Bearer admin"}})).await;
    assert_eq!(hear(&mut wire).await, json!({"type": "connection_ack"}));
    wire
}

async fn say(wire: &mut Wire, message: Value) {
    wire.send(Message::text(message.to_string())).await.unwrap();
}

async fn ask(wire: &mut Wire, id: &str, query: &str) {
    say(wire, json!({"id": id, "type": "subscribe", "payload": {"query": query}})).await;
}

/// The next message of the protocol; a close is told as its code and reason.
async fn hear(wire: &mut Wire) -> Value {
    let listening = async {
        loop {
            match wire.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert!(frame.reason.len() <= 123);
                    return json!([u16::from(frame.code), frame.reason.as_str()]);
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return json!(format!("{other:?}")),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listening).await.expect("something is heard in time")
}

async fn closed(wire: &mut Wire) -> u64 {
    let close = hear(wire).await;
    close[0].as_u64().unwrap_or_else(|| panic!("not a close: {close}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_run_side_by_side() {
    let site = site(Limits::default()).await;
    let mut wire = ready(&site).await;
    ask(&mut wire, "slow", "{ sleep(ms: 200) }").await;
    ask(&mut wire, "quick", "{ caller }").await;
    let first = hear(&mut wire).await;
    assert_eq!(first["id"], "quick");
    assert_eq!(first["type"], "next");
    assert_eq!(first["payload"]["data"], json!({"caller": "Admin"}));
    assert_eq!(first["payload"]["extensions"]["cost"]["requested"], 1);
    assert_eq!(hear(&mut wire).await, json!({"id": "quick", "type": "complete"}));
    assert_eq!(hear(&mut wire).await["id"], "slow");
    assert_eq!(hear(&mut wire).await, json!({"id": "slow", "type": "complete"}));
    ask(&mut wire, "quick", "subscription { ticks(count: 2, every: 1) }").await;
    for index in 0..2 {
        assert_eq!(
            hear(&mut wire).await,
            json!({"id": "quick", "type": "next", "payload": {"data": {"ticks": index}}})
        );
    }
    assert_eq!(hear(&mut wire).await["type"], "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_run_is_one_error_message() {
    let site = site(Limits::default()).await;
    let mut wire = ready(&site).await;
    for (query, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { denied }", "FORBIDDEN"),
        ("subscription { ticks ticks }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { a: ticks b: ticks }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { ...F } fragment F on Subscriptions { ticks }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ explode }", "INTERNAL_SERVER_ERROR"),
        ("query ($a: Int!) { sleep(ms: $a) }", "BAD_USER_INPUT"),
    ] {
        ask(&mut wire, "x", query).await;
        let told = hear(&mut wire).await;
        assert_eq!(told["type"], "error", "{query}: {told}");
        assert_eq!(told["payload"][0]["extensions"]["code"], code, "{query}");
        assert!(told["payload"][0]["extensions"]["requestId"].is_string());
    }
    ask(&mut wire, "x", "{ greeting }").await;
    assert_eq!(hear(&mut wire).await["type"], "next", "the id is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_does_not_end_the_subscription_but_a_panic_does() {
    let site = site(Limits::default()).await;
    let mut wire = ready(&site).await;
    ask(&mut wire, "x", "subscription { falters }").await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(hear(&mut wire).await);
    }
    assert_eq!(told[0]["payload"]["data"], json!({"falters": 1}));
    assert_eq!(told[1]["type"], "next");
    assert_eq!(told[1]["payload"]["errors"][0]["message"], "Internal error.");
    assert_eq!(told[2]["payload"]["data"], json!({"falters": 3}));
    assert_eq!(told[3]["type"], "complete");
    ask(&mut wire, "x", "subscription { explodes }").await;
    assert_eq!(hear(&mut wire).await["payload"]["data"]["explodes"], 1);
    let told = hear(&mut wire).await;
    assert_eq!(told["type"], "error");
    assert_eq!(told["payload"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR");
    ask(&mut wire, "x", "{ greeting }").await;
    assert_eq!(hear(&mut wire).await["type"], "next", "the socket lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_operation_falls_silent() {
    let site = site(Limits::default()).await;
    let mut wire = ready(&site).await;
    ask(&mut wire, "x", "subscription { ticks(count: 100000, every: 1) }").await;
    hear(&mut wire).await;
    say(&mut wire, json!({"id": "x", "type": "complete"})).await;
    // What was on its way when the complete arrived may still come; then nothing, and no echo.
    say(&mut wire, json!({"type": "ping", "payload": {"a": 1}})).await;
    loop {
        let told = hear(&mut wire).await;
        if told["type"] == "pong" {
            assert_eq!(told["payload"], json!({"a": 1}));
            break;
        }
        assert_eq!(told["type"], "next");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(site.running.load(Ordering::SeqCst), 0);
    say(&mut wire, json!({"type": "ping"})).await;
    assert_eq!(hear(&mut wire).await, json!({"type": "pong"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_its_operations_along() {
    let site = site(Limits::default()).await;
    let mut wire = ready(&site).await;
    ask(&mut wire, "x", "subscription { ticks(count: 100000, every: 3600000) }").await;
    hear(&mut wire).await;
    assert_eq!(site.running.load(Ordering::SeqCst), 1);
    drop(wire);
    for _ in 0..100 {
        if site.running.load(Ordering::SeqCst) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the subscription goes on without its socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_s_close_is_answered() {
    let site = site(Limits::default()).await;
    let mut wire = ready(&site).await;
    ask(&mut wire, "x", "subscription { ticks(count: 100000, every: 3600000) }").await;
    hear(&mut wire).await;
    wire.send(Message::Close(Some(CloseFrame { code: 1000.into(), reason: "Normal Closure".into() }))).await.unwrap();
    assert_eq!(hear(&mut wire).await, json!([1000, "Normal Closure"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_rules_close_the_socket_with_their_codes() {
    let limits = Limits { init_time: Duration::from_millis(200), ..Limits::default() };
    let site = site(limits).await;
    assert_eq!(closed(&mut open(&site).await).await, 4408);
    let mut wire = open(&site).await;
    ask(&mut wire, "x", "{ greeting }").await;
    assert_eq!(closed(&mut wire).await, 4401);
    let mut wire = ready(&site).await;
    say(&mut wire, json!({"type": "connection_init"})).await;
    assert_eq!(closed(&mut wire).await, 4429);
    let mut wire = handshake(&site, &[]).await.unwrap();
    assert_eq!(closed(&mut wire).await, 4406);
    for (token, code) in [("wrong", 4403), ("banned", 4403), ("unsure", 4500)] {
        let mut wire = open(&site).await;
        let payload = json!({"Authorization": format!("Bearer {token}")});
        say(&mut wire, json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(closed(&mut wire).await, code, "{token}");
    }
    let mut wire = ready(&site).await;
    let long = "é".repeat(500);
    ask(&mut wire, &long, "subscription { ticks(every: 3600000) }").await;
    hear(&mut wire).await;
    ask(&mut wire, &long, "{ greeting }").await;
    assert_eq!(closed(&mut wire).await, 4409);
    for message in [
        "",
        "hello",
        "[]",
        "{}",
        "{\"type\":1}",
        "{\"type\":\"start\"}",
        "{\"type\":\"connection_ack\"}",
        "{\"type\":\"subscribe\",\"payload\":{\"query\":\"{greeting}\"}}",
        "{\"type\":\"subscribe\",\"id\":\"\",\"payload\":{\"query\":\"{greeting}\"}}",
        "{\"type\":\"subscribe\",\"id\":1,\"payload\":{\"query\":\"{greeting}\"}}",
        "{\"type\":\"subscribe\",\"id\":\"x\"}",
        "{\"type\":\"subscribe\",\"id\":\"x\",\"payload\":{}}",
        "{\"type\":\"subscribe\",\"id\":\"x\",\"payload\":[]}",
        "{\"type\":\"complete\"}",
        "{\"type\":\"ping\",\"payload\":1}",
    ] {
        let mut wire = ready(&site).await;
        wire.send(Message::text(message)).await.unwrap();
        assert_eq!(closed(&mut wire).await, 4400, "{message}");
    }
    let mut wire = ready(&site).await;
    wire.send(Message::binary(&b"{\"type\":\"ping\"}"[..])).await.unwrap();
    assert_eq!(closed(&mut wire).await, 4400);
    let mut wire = ready(&site).await;
    say(&mut wire, json!({"type": "ping", "payload": {"x": "x".repeat(1 << 20)}})).await;
    assert_eq!(closed(&mut wire).await, 1009);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_gate_is_closed_4500() {
    let site = site(Limits::default()).await;
    let mut wire = open(&site).await;
    let payload = json!({"authorization": "Bearer panic"});
    say(&mut wire, json!({"type": "connection_init", "payload": payload})).await;
    assert_eq!(closed(&mut wire).await, 4500);
    refused(&site.post_as(Some("panic"), json!({"query": "{ greeting }"})).await, 500, "INTERNAL_SERVER_ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_are_refused_the_handshake() {
    let site = site(Limits::default()).await;
    let own = format!("http://{}", site.at);
    assert!(handshake(&site, &[SPEAKS, ("origin", &own)]).await.is_ok());
    let refused = handshake(&site, &[SPEAKS, ("origin", "https://evil.example")]).await;
    assert!(refused.unwrap_err().to_string().contains("403"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handshake_s_own_token_counts_too() {
    let site = site(Limits::default()).await;
    let mut wire = handshake(&site, &[SPEAKS, ("authorization", "Bearer user3")]).await.unwrap();
    say(&mut wire, json!({"type": "connection_init"})).await;
    hear(&mut wire).await;
    ask(&mut wire, "x", "{ caller }").await;
    assert_eq!(hear(&mut wire).await["payload"]["data"]["caller"], "User(\"user3\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_closes_its_socket() {
    let limits = Limits { recheck: Duration::from_millis(50), ..Limits::default() };
    let site = site(limits).await;
    let mut idle = ready(&site).await;
    site.door.open.store(false, Ordering::SeqCst);
    assert_eq!(closed(&mut idle).await, 4403);
    // And at once when it asks for something, whatever the pause between checks.
    let site = super::site(Limits { recheck: Duration::from_secs(3600), ..Limits::default() }).await;
    let mut wire = ready(&site).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    site.door.open.store(false, Ordering::SeqCst);
    ask(&mut wire, "x", "{ greeting }").await;
    assert_eq!(closed(&mut wire).await, 4403);
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_one_socket_are_counted() {
    let limits = Limits { socket_operations: 3, ..Limits::default() };
    let site = site(limits).await;
    let mut wire = ready(&site).await;
    for id in ["a", "b", "c"] {
        ask(&mut wire, id, "subscription { ticks(every: 3600000) }").await;
        assert_eq!(hear(&mut wire).await["type"], "next");
    }
    ask(&mut wire, "d", "{ greeting }").await;
    let told = hear(&mut wire).await;
    assert_eq!((&told["id"], &told["type"]), (&json!("d"), &json!("error")));
    assert_eq!(told["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    say(&mut wire, json!({"id": "a", "type": "complete"})).await;
    ask(&mut wire, "d", "{ greeting }").await;
    assert_eq!(hear(&mut wire).await["type"], "next");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_does_not_read_is_dropped() {
    let limits = Limits { slow_reader: Duration::from_millis(100), ..Limits::default() };
    let site = site(limits).await;
    let mut wire = ready(&site).await;
    ask(&mut wire, "x", "subscription { flood(size: 100000) }").await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        if site.running.load(Ordering::SeqCst) == 0 {
            // It ran at all: something of it is there to be read.
            assert_eq!(hear(&mut wire).await["type"], "next");
            return;
        }
    }
    panic!("the flood goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_go_out_and_silence_ends_the_socket() {
    let limits = Limits { keepalive: Duration::from_millis(50), ..Limits::default() };
    let site = site(limits).await;
    let mut wire = ready(&site).await;
    // Reading answers the pings by itself; the socket outlives many of them.
    let mut pings = 0;
    let until = tokio::time::Instant::now() + Duration::from_millis(400);
    while let Ok(Some(Ok(message))) = tokio::time::timeout_at(until, wire.next()).await {
        pings += usize::from(message.is_ping());
    }
    assert!(pings >= 3, "{pings}");
    // Not reading does not answer them.
    ask(&mut wire, "x", "subscription { ticks(every: 3600000) }").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(site.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_goodbye() {
    let site = site(Limits::default()).await;
    let mut wire = ready(&site).await;
    site.settings.shutdown.cancel();
    assert_eq!(closed(&mut wire).await, 1001);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sockets_take_and_leave_at_once() {
    let site = Arc::new(site(Limits::default()).await);
    let visits: Vec<_> = (0..40)
        .map(|_| {
            let site = site.clone();
            tokio::spawn(async move {
                let mut wire = ready(&site).await;
                for round in 0..10 {
                    let id = format!("{round}");
                    ask(&mut wire, &id, "subscription { ticks(count: 2, every: 1) }").await;
                    for kind in ["next", "next", "complete"] {
                        assert_eq!(hear(&mut wire).await["type"], kind);
                    }
                }
            })
        })
        .collect();
    for visit in visits {
        visit.await.unwrap();
    }
    assert_eq!(site.running.load(Ordering::SeqCst), 0);
}

//! Event streams.

use std::{sync::atomic::Ordering, time::Duration};

use super::*;

async fn open(site: &Site, query: &str) -> Told {
    let headers =
        [("content-type", "application/json"), ("accept", "text/event-stream"), ("authorization", "Bearer admin")];
    let body = json!({ "query": query }).to_string();
    site.send(Method::POST, "/graphql", &headers, body).await
}

fn events(told: &Told) -> Vec<String> {
    String::from_utf8(told.body.to_vec())
        .unwrap()
        .split("\n\n")
        .filter(|event| !event.is_empty() && !event.starts_with(':'))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_events_and_a_complete() {
    let site = site(Limits::default()).await;
    let told = open(&site, "subscription { ticks(count: 2, every: 5) }").await;
    assert_eq!(told.status, 200);
    assert_eq!(told.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(told.header("x-accel-buffering"), "no");
    assert_eq!(told.header("cache-control"), "no-store");
    assert_eq!(
        events(&told),
        [
            "event: next\ndata: {\"data\":{\"ticks\":0}}",
            "event: next\ndata: {\"data\":{\"ticks\":1}}",
            "event: complete\ndata:",
        ]
    );
}

async fn open_parts(site: &Site, query: &str) -> Told {
    let accept = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9";
    let headers = [("content-type", "application/json"), ("accept", accept), ("authorization", "Bearer admin")];
    site.send(Method::POST, "/graphql", &headers, json!({ "query": query }).to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_comes_in_parts_where_that_is_asked_for() {
    let limits = Limits { keepalive: Duration::from_millis(100), ..Limits::default() };
    let site = site(limits).await;
    let told = open_parts(&site, "subscription { ticks(count: 2, every: 350) }").await;
    assert_eq!(told.status, 200);
    assert_eq!(told.header("content-type"), "multipart/mixed; boundary=\"graphql\"; subscriptionSpec=1.0");
    let text = String::from_utf8(told.body.to_vec()).unwrap();
    let body = text.strip_prefix("\r\n--graphql").and_then(|rest| rest.strip_suffix("--\r\n"));
    let parts: Vec<Value> = body
        .expect("an opening and an end")
        .split_terminator("\r\n--graphql")
        .map(|part| part.strip_prefix("\r\ncontent-type: application/json\r\n\r\n").expect("a part's head"))
        .map(|json| serde_json::from_str(json).unwrap())
        .collect();
    let events: Vec<&Value> = parts.iter().filter(|part| **part != json!({})).collect();
    assert_eq!(
        events,
        [&json!({"payload": {"data": {"ticks": 0}}}), &json!({"payload": {"data": {"ticks": 1}}})],
        "{text}"
    );
    assert!(parts.len() > 2, "signs of life in between: {text}");
    // What is refused before it begins is told by status; what fails later, in a part. A query is one answer.
    refused(&open_parts(&site, "subscription {").await, 400, "GRAPHQL_PARSE_FAILED");
    let unknown = open_parts(&site, "subscription { nothing }").await;
    let unknown = String::from_utf8(unknown.body.to_vec()).unwrap();
    assert!(unknown.contains("GRAPHQL_VALIDATION_FAILED") && unknown.ends_with("--graphql--\r\n"), "{unknown}");
    let denied = open_parts(&site, "subscription { denied }").await;
    let denied = String::from_utf8(denied.body.to_vec()).unwrap();
    assert!(denied.contains("{\"payload\":{\"errors\":[") && denied.contains("FORBIDDEN"), "{denied}");
    let query = open_parts(&site, "{ greeting }").await;
    assert_eq!(query.header("content-type"), "application/graphql-response+json; charset=utf-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_and_mutations_stream_too() {
    let site = site(Limits::default()).await;
    for query in ["{ greeting }", "mutation { bump }"] {
        let events = events(&open(&site, query).await);
        assert_eq!(events.len(), 2);
        assert!(events[0].contains("\"data\""), "{events:?}");
        assert_eq!(events[1], "event: complete\ndata:");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_by_status_and_failures_as_events() {
    let site = site(Limits::default()).await;
    refused(&open(&site, "{").await, 400, "GRAPHQL_PARSE_FAILED");
    let told = open(&site, "subscription { denied }").await;
    let denied = events(&told);
    assert!(denied[0].contains("FORBIDDEN") && !denied[0].contains("data\":{"));
    assert_eq!(denied.len(), 2);
    let explodes = events(&open(&site, "subscription { explodes }").await);
    assert!(explodes[0].contains("{\"explodes\":1}"));
    assert!(explodes[1].contains("INTERNAL_SERVER_ERROR"));
    assert_eq!(explodes.len(), 3);
    let told = site.query("subscription { ticks }").await;
    refused(&told, 400, "BAD_REQUEST");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_stream_is_kept_alive_and_ends_with_its_session() {
    let limits =
        Limits { keepalive: Duration::from_millis(20), recheck: Duration::from_millis(50), ..Limits::default() };
    let site = site(limits).await;
    let open_flag = site.door.open.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        open_flag.store(false, Ordering::SeqCst);
    });
    let told = open(&site, "subscription { ticks(count: 2, every: 3600000) }").await;
    let text = String::from_utf8_lossy(&told.body);
    assert!(text.matches(":\n\n").count() >= 4, "{text}");
    assert!(text.contains("UNAUTHENTICATED") && text.ends_with("event: complete\ndata:\n\n"));
    assert_eq!(site.running.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_completes_streams() {
    let site = site(Limits::default()).await;
    let stop = site.settings.shutdown.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
    });
    let told = open(&site, "subscription { ticks(count: 2, every: 3600000) }").await;
    assert_eq!(events(&told).last().unwrap(), "event: complete\ndata:");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_leave_or_do_not_read_are_dropped() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let limits = Limits { slow_reader: Duration::from_millis(100), ..Limits::default() };
    let site = site(limits).await;
    let connect = async |query: &str| {
        let mut stream = tokio::net::TcpStream::connect(site.at).await.unwrap();
        let body = json!({ "query": query }).to_string();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer admin\r\naccept: text/event-stream\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let gone = async || {
        for _ in 0..100 {
            if site.running.load(Ordering::SeqCst) == 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    let mut leaver = connect("subscription { ticks(count: 1000, every: 5) }").await;
    leaver.read_exact(&mut [0; 64]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(site.running.load(Ordering::SeqCst), 1);
    drop(leaver);
    assert!(gone().await, "the leaver's subscription goes on");
    let sleeper = connect("subscription { flood(size: 100000) }").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(gone().await, "the sleeper's subscription goes on");
    drop(sleeper);
}

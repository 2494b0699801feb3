//! Responses that are made in the background: answered at once, booked once and whole when they are done.

use std::time::Duration;

use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use http::Method;
use schema::model::account::AccountKind;
use serde_json::{Value, json};

use crate::world::{CHAT, CLAUDE, Caller, World, openai};

fn ask(stream: bool) -> Value {
    json!({"model": CHAT, "input": "Say hello.", "background": true, "stream": stream})
}

/// What the vendor says that a response came to.
async fn usage(ann: &Caller, id: &str) -> Value {
    for _ in 0..200 {
        let found = ann.http.get(&format!("/v1/responses/{id}")).await.json();
        if found["usage"].is_object() {
            return found["usage"].clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} was never done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_in_the_background_is_booked_when_it_is_done() {
    let (world, _fake, ann) = openai().await;
    let begun = ann.http.post("/v1/responses", ask(false)).await.json();
    assert_eq!((begun["status"].as_str(), &begun["usage"]), (Some("queued"), &Value::Null), "{begun}");
    let usage = usage(&ann, begun["id"].as_str().unwrap()).await;
    // Asking after it costs nothing and is no second bill.
    let row = wait_for_one(&world).await;
    assert_eq!((&row["input"], &row["output"]), (&usage["input_tokens"], &usage["output_tokens"]), "{row:?}");
    assert_eq!((&row["estimated"], row["cost"].as_i64() > Some(0)), (&json!(false), true), "{row:?}");
}

/// The only response in the books, once it is there.
async fn wait_for_one(world: &World) -> std::collections::HashMap<String, Value> {
    for _ in 0..200 {
        let rows = world.booked().await;
        let mut responses: Vec<_> = rows.into_iter().filter(|row| row["operation"] == "responses").collect();
        assert!(responses.len() < 2, "{responses:?}");
        if let Some(row) = responses.pop() {
            return row;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the response was not booked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_before_it_came_to_anything_costs_nothing() {
    let (world, _fake, ann) = openai().await;
    let begun = ann.http.post("/v1/responses", ask(false)).await.json();
    let path = format!("/v1/responses/{}/cancel", begun["id"].as_str().unwrap());
    let cancelled = ann.http.post(&path, json!({})).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.json()["status"].as_str()), (200, Some("cancelled")));
    let row = wait_for_one(&world).await;
    assert_eq!((row["cost"].as_i64(), row["output"].as_i64()), (Some(0), Some(0)), "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_a_stream_of_it_owes_the_whole() {
    let (world, fake, ann) = openai().await;
    world.set(&[("client_gone_seconds", "0")]).await;
    fake.script([Step::answer().gap(Duration::from_millis(80))]);
    let mut answer = ann.http.request(Method::POST, "/v1/responses").json(&ask(true)).send().await.unwrap();
    let first = answer.chunk().await.unwrap().unwrap();
    let first = String::from_utf8_lossy(&first).into_owned();
    let id = first.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    drop(answer);
    let usage = usage(&ann, &id).await;
    let row = wait_for_one(&world).await;
    assert_eq!((&row["output"], &row["estimated"]), (&usage["output_tokens"], &json!(false)), "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_comes_as_a_stream_where_that_is_asked_for() {
    let (world, fake, ann) = openai().await;
    let made = ann.http.post("/v1/responses", json!({"model": CHAT, "input": "Say hello."})).await.json();
    fake.script([Step::answer().on("stream").gap(Duration::from_secs(30))]);
    let path = format!("/v1/responses/{}?stream=true&starting_after=0", made["id"].as_str().unwrap());
    let mut answer = ann.http.request(Method::GET, &path).send().await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    // Each event goes on when it comes: the vendor is silent behind the first.
    let first = tokio::time::timeout(Duration::from_secs(10), answer.chunk()).await.expect("in time");
    assert!(String::from_utf8_lossy(&first.unwrap().unwrap()).contains("response.created"));
    drop(answer);
    let rows = world.booked_when(1).await;
    assert_eq!(rows.iter().filter(|row| row["cost"] != 0).count(), 1, "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vendors_without_a_background_say_so() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    world.account(&fake, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let ann = world.caller("ann").await;
    let body = json!({"model": CLAUDE, "input": "Say hello.", "background": true});
    let refused = ann.http.post("/v1/responses", body).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["param"]), (400, &json!("background")));
}

//! Streams that are cut anywhere, break off, or lose their client.

use std::time::Duration;

use futures_util::StreamExt;
use harness::fake_upstream::{FakeUpstream, Outcome, Split, Step, Vendor};
use http::Method;
use schema::model::account::AccountKind;
use serde_json::json;

use crate::world::{CHAT, World, chat, events, messages, said};

async fn one() -> (World, FakeUpstream) {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    (world, fake)
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_may_end_anywhere() {
    let (world, fake) = one().await;
    let ann = world.caller("ann").await;
    for split in [Split::Events, Split::Nowhere, Split::Every(1), Split::Every(7), Split::Awkward] {
        fake.script([Step::answer().split(split.clone())]);
        let answer = ann.http.post("/v1/chat/completions", chat(true)).await;
        assert!(said(&answer).ends_with("世界! 🌍 This answer is complete."), "{split:?}: {}", answer.text);
        assert!(!answer.text.contains('\u{fffd}'));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_body_for_a_wish_for_a_stream_is_told_as_a_stream() {
    let (world, fake) = one().await;
    let ann = world.caller("ann").await;
    let whole = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "All at once."}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
    .to_string();
    let mut wants_usage = chat(true);
    wants_usage["stream_options"] = json!({"include_usage": true});
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
    let asked = [
        ("/v1/chat/completions", wants_usage, "data: [DONE]"),
        (
            "/v1/messages",
            json!({"model": CHAT, "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "?"}]}),
            "message_stop",
        ),
        ("/v1/responses", json!({"model": CHAT, "stream": true, "input": "?"}), "response.completed"),
        ("/v1beta/models/gpt-4o:streamGenerateContent?alt=sse", gemini.clone(), "\"finishReason\":\"STOP\""),
    ];
    for (nth, (path, body, last)) in asked.into_iter().enumerate() {
        fake.script([Step::raw(200, "application/json", whole.clone())]);
        let answer = ann.http.post(path, body).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/event-stream"), "{path}");
        assert!(answer.text.contains("All at once.") && answer.text.contains(last), "{path}: {}", answer.text);
        assert!(answer.text.lines().all(|line| line.is_empty() || line.contains(": ")), "{path}: {}", answer.text);
        let booked = world.booked_when(nth + 1).await;
        assert!(
            booked
                .iter()
                .all(|row| row["input"] == 7 && row["output"] == 3 && row["estimated"].as_bool() == Some(false))
        );
    }
    fake.script([Step::raw(200, "application/json", whole)]);
    let array = ann.http.post("/v1beta/models/gpt-4o:streamGenerateContent", gemini).await;
    assert_eq!(array.header("content-type"), "application/json");
    assert!(array.json().as_array().is_some_and(|list| !list.is_empty()), "{}", array.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_off_ends_in_an_error_and_is_billed() {
    let (world, fake) = one().await;
    let ann = world.caller("ann").await;
    fake.script([Step::answer().cut_after(600)]);
    let answer = ann.http.post("/v1/chat/completions", chat(true)).await;
    assert_eq!(answer.status, 200);
    assert!(
        events(&answer).last().unwrap()["error"]["message"].as_str().unwrap().contains("broke off"),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("[DONE]"), "no end is made up: {}", answer.text);
    let booked = world.booked_when(1).await;
    assert_eq!((booked[0]["error"].as_str(), booked[0]["estimated"].as_bool()), (Some("upstream_cut"), Some(true)));
    assert!(booked[0]["output"].as_i64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anthropic_stream_breaks_off_in_its_own_words() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    world.account(&fake, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let ann = world.caller("ann").await;
    fake.script([Step::answer().cut_after(700)]);
    let answer = ann.http.with("anthropic-version", "2023-06-01").post("/v1/messages", messages(true)).await;
    let last = events(&answer).pop().unwrap();
    assert_eq!(
        (last["type"].as_str(), last["error"]["type"].as_str()),
        (Some("error"), Some("api_error")),
        "{}",
        answer.text
    );
    assert!(!answer.text.contains("message_stop"));
    // What the vendor announced at the start is known to have been used.
    let booked = world.booked_when(1).await;
    assert!(booked[0]["input"].as_i64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_is_billed_for_what_came() {
    let (world, fake) = one().await;
    let ann = world.caller("ann").await;
    fake.script([Step::answer().gap(Duration::from_millis(20))]);
    let request = ann.http.request(Method::POST, "/v1/chat/completions").json(&chat(true));
    let mut body = request.send().await.unwrap().bytes_stream();
    body.next().await.unwrap().unwrap();
    drop(body);
    let booked = world.booked_when(1).await;
    assert_eq!((booked[0]["status"].as_i64(), booked[0]["error"].as_str()), (Some(499), Some("client_gone")));
    // The vendor was read a little longer, and said what it cost.
    assert_eq!((booked[0]["estimated"].as_bool(), fake.last().outcome()), (Some(false), Outcome::Sent));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_after_the_last_word_had_all_of_it() {
    let (world, fake) = one().await;
    let ann = world.caller("ann").await;
    world.set(&[("client_gone_seconds", "0")]).await;
    fake.script([Step::answer().stall_after(usize::MAX, Duration::from_secs(60))]);
    let request = ann.http.request(Method::POST, "/v1/chat/completions").json(&chat(true));
    let mut body = request.send().await.unwrap().bytes_stream();
    let mut heard = Vec::new();
    while !heard.ends_with(b"data: [DONE]\n\n") {
        heard.extend_from_slice(&body.next().await.unwrap().unwrap());
    }
    drop(body);
    let booked = world.booked_when(1).await;
    assert_eq!((booked[0]["status"].as_i64(), booked[0]["error"].as_str()), (Some(200), Some("")));
    assert_eq!(booked[0]["estimated"].as_bool(), Some(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_not_read_for_ever_after_its_client() {
    let (world, fake) = one().await;
    world.set(&[("client_gone_seconds", "0")]).await;
    let ann = world.caller("ann").await;
    fake.script([Step::answer().gap(Duration::from_millis(200))]);
    let request = ann.http.request(Method::POST, "/v1/chat/completions").json(&chat(true));
    let mut body = request.send().await.unwrap().bytes_stream();
    body.next().await.unwrap().unwrap();
    drop(body);
    let booked = world.booked_when(1).await;
    assert_eq!(booked[0]["error"], "client_gone");
    for _ in 0..500 {
        if fake.last().outcome() == Outcome::ClientGone {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the vendor was read on: {:?}", fake.last().outcome());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_is_kept_alive_where_the_dialect_knows_how() {
    let (world, fake) = one().await;
    world.set(&[("keep_alive_seconds", "1")]).await;
    let ann = world.caller("ann").await;
    let stalls = || Step::answer().stall_after(600, Duration::from_millis(1_600));
    fake.script([stalls()]);
    let kept = ann.http.post("/v1/chat/completions", chat(true)).await;
    assert!(kept.text.contains("\n\n: keep-alive\n\n") && said(&kept).contains("世界"), "{}", kept.text);
    // Google's own clients take a comment for a broken answer.
    fake.script([stalls()]);
    let ask = serde_json::json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
    let google = ann.http.post("/v1beta/models/gpt-4o:streamGenerateContent?alt=sse", ask).await;
    assert!(
        google.status == 200 && google.text.lines().all(|line| line.is_empty() || line.starts_with("data: ")),
        "{}",
        google.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_choose_to_keep_clients_alive_before_the_vendor_speaks() {
    let (world, fake) = one().await;
    world.set(&[("keep_alive_seconds", "1"), ("early_keep_alive", "true")]).await;
    let ann = world.caller("ann").await;
    fake.script([Step::answer().after(Duration::from_millis(1_300))]);
    let answer = ann.http.post("/v1/chat/completions", chat(true)).await;
    assert!(answer.text.starts_with(": keep-alive\n\n") && said(&answer).contains("世界"), "{}", answer.text);
    // The status is given away by then; what goes wrong is told inside.
    fake.script([Step::refuse(400).after(Duration::from_millis(1_300))]);
    let answer = ann.http.post("/v1/chat/completions", chat(true)).await;
    assert_eq!(answer.status, 200);
    assert!(events(&answer).last().is_some_and(|event| event["error"]["message"].is_string()), "{}", answer.text);
    let booked = world.booked_when(2).await;
    assert_eq!((booked[0]["status"].as_i64(), booked[1]["status"].as_i64()), (Some(200), Some(400)));
}

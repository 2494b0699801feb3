//! Streams that end at any byte: either another account serves the whole, or the client is told that it broke;
//! nothing is half served in silence, and what is billed is what the wallet lost.

use std::time::Duration;

use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use http::Method;
use schema::model::account::AccountKind;
use serde_json::{Value, json};

use crate::tongue::{Tongue, Wish};
use crate::world::{CHAT, CLAUDE, Caller, World};

const KINDS: [(AccountKind, Vendor, &str); 5] = [
    (AccountKind::OpenaiKey, Vendor::OpenAi, CHAT),
    (AccountKind::OpenaiResponses, Vendor::OpenAi, CHAT),
    (AccountKind::ClaudeConsole, Vendor::Anthropic, CLAUDE),
    (AccountKind::Bedrock, Vendor::Bedrock, CLAUDE),
    (AccountKind::GeminiKey, Vendor::Gemini, "gemini-2.5-flash"),
];

/// The events of a stream and whether its connection ended as it should, or the status of a refusal.
async fn stream(
    tongue: Tongue,
    caller: &Caller,
    model: &str,
    words: &str,
) -> Result<(Vec<(String, Value)>, bool), u16> {
    let wish = Wish { model: model.into(), stream: true, turns: vec![tongue.user(words)], ..Wish::default() };
    let request = caller.http.request(Method::POST, &tongue.path(&wish)).json(&tongue.body(&wish));
    let mut answer = request.send().await.expect("an answer");
    if answer.status() != 200 {
        return Err(answer.status().as_u16());
    }
    let mut bytes = Vec::new();
    let sound = loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    Ok((tongue.events(&bytes), sound))
}

fn is_error((name, data): &(String, Value)) -> bool {
    data.get("error").is_some_and(|error| !error.is_null())
        || data["type"] == "error"
        || name == "response.failed"
        || name.ends_with("Exception")
}

/// Whether the dialect's own end has come.
fn is_end((name, data): &(String, Value)) -> bool {
    *data == "[DONE]"
        || ["message_stop", "response.completed", "metadata"].contains(&name.as_str())
        || data["candidates"][0]["finishReason"].is_string()
}

/// A product with one account, which stays in service whatever it does.
async fn at(kind: AccountKind, vendor: Vendor) -> (World, FakeUpstream, Caller) {
    let world = World::new().await;
    let fake = FakeUpstream::start(vendor).await;
    world
        .account_with(&fake, kind, vendor, |draft| {
            draft.priority = 90;
            draft.options.region = Some("us-east-1".into());
            draft.options.protection_off = true;
        })
        .await;
    let ann = world.caller("ann").await;
    (world, fake, ann)
}

/// What was booked is what the wallet lost, and each call is booked once.
async fn books_are_true(world: &World, caller: &Caller, calls: usize, place: &str) {
    let booked = world.booked_when(calls).await;
    assert_eq!(booked.len(), calls, "{place}: {booked:?}");
    let person =
        schema::service::user::get(&world.t.app, &world.t.system(), caller.key.user_id).await.expect("the caller");
    let spent: i64 = booked.iter().map(|row| row["cost"].as_i64().unwrap_or_default()).sum();
    assert_eq!(person.balance.0, 10_000_000 - spent, "{place}: {booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_whole_or_said_to_be_broken() {
    for (kind, vendor, model) in KINDS {
        let (world, fake, ann) = at(kind, vendor).await;
        let (mut calls, mut broken) = (0, 0);
        for tongue in Tongue::ALL {
            for cut in [1, 200, 700, 900, 1_200, 1_800, 2_400] {
                let place = format!("{kind} to {tongue:?}, cut after {cut}");
                fake.script([Step::answer().cut_after(cut)]);
                calls += 1;
                match stream(tongue, &ann, model, "Say hello.").await {
                    // Nothing had come that the client could use.
                    Err(status) => assert_eq!(status, 503, "{place}"),
                    // It had said all by then.
                    Ok((events, true)) if events.iter().any(is_end) && !events.iter().any(is_error) => {}
                    Ok((events, sound)) => {
                        let errors = events.iter().filter(|event| is_error(event)).count();
                        assert!(sound && errors == 1 && is_error(events.last().unwrap()), "{place}: {events:?}");
                        assert!(!events.iter().any(is_end), "{place}: {events:?}");
                        broken += 1;
                    }
                }
            }
            calls += 1;
            let (events, sound) = stream(tongue, &ann, model, "Say hello.").await.expect("a stream");
            assert!(
                sound && events.iter().any(is_end) && !events.iter().any(is_error),
                "{kind} to {tongue:?}: {events:?}"
            );
        }
        assert!(broken >= 6, "{kind}: {broken} streams broke");
        books_are_true(&world, &ann, calls, &kind.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_byte_another_account_serves_all() {
    for (kind, vendor, model) in KINDS {
        let (world, first, ann) = at(kind, vendor).await;
        let second = FakeUpstream::start(vendor).await;
        world
            .account_with(&second, kind, vendor, |draft| {
                draft.priority = 10;
                draft.options.region = Some("us-east-1".into());
            })
            .await;
        let mut calls = 0;
        for tongue in Tongue::ALL {
            for step in [Step::cut(), Step::answer().cut_after(0), Step::answer().cut_after(20), Step::empty_stream()] {
                let place = format!("{kind} to {tongue:?}, {step:?}");
                first.script([step]);
                calls += 1;
                // Another conversation each time, for the second account keeps those it served.
                let words = format!("Say hello, {calls}.");
                let (events, sound) = stream(tongue, &ann, model, &words).await.expect("a stream");
                assert!(sound && events.iter().any(is_end) && !events.iter().any(is_error), "{place}: {events:?}");
                assert_eq!((first.steps_left(), second.requests().len()), (0, calls), "{place}");
            }
        }
        books_are_true(&world, &ann, calls, &kind.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_own_error_within_a_stream_is_told_in_the_clients_words() {
    for (kind, vendor, model) in KINDS {
        let (world, fake, ann) = at(kind, vendor).await;
        // Google's events are the fewest. Behind its sixth a chat has said why it ends, and still an error is one.
        let places: &[usize] = if vendor == Vendor::Gemini { &[3] } else { &[5, 6] };
        for tongue in Tongue::ALL {
            for place in places {
                fake.script([Step::answer().error_after_events(*place)]);
                let (events, sound) = stream(tongue, &ann, model, "Say hello.").await.expect("a stream");
                let place = format!("{kind} to {tongue:?}, behind {place}: {events:?}");
                assert!(sound && events.iter().filter(|event| is_error(event)).count() == 1, "{place}");
                assert!(!events.iter().any(is_end), "{place}");
            }
        }
        let calls = Tongue::ALL.len() * places.len();
        let booked = world.booked_when(calls).await;
        assert!(booked.iter().all(|row| row["error"] == "upstream_error"), "{kind}: {booked:?}");
        assert!(booked.iter().all(|row| row["output"].as_i64().unwrap() > 0), "{kind}: {booked:?}");
        books_are_true(&world, &ann, calls, &kind.to_string()).await;
    }
}

/// A chat in five events: the third says why it ends, the fourth what it cost.
fn chat_events() -> Vec<String> {
    let chunk = |choices: Value, usage: Value| {
        let head = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": CHAT});
        let mut chunk = head;
        chunk["choices"] = choices;
        chunk["usage"] = usage;
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, why: Value| json!([{"index": 0, "delta": delta, "finish_reason": why}]);
    vec![
        chunk(delta(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null),
        chunk(delta(json!({"content": "Hello there, this is said."}), Value::Null), Value::Null),
        chunk(delta(json!({}), "stop".into()), Value::Null),
        chunk(json!([]), json!({"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16})),
        "data: [DONE]\n\n".into(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_has_said_why_it_ends_is_ended_as_its_clients_expect() {
    let (world, fake, ann) = at(AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let events = chat_events();
    let whole = events.concat();
    let ends: Vec<usize> = (1..=events.len()).map(|count| events[..count].concat().len()).collect();
    let (mut calls, mut told, mut guessed) = (0, 0, 0);
    for asked in [true, false] {
        for at in ends.iter().flat_map(|end| [end - 9, *end, end + 9]).filter(|at| *at <= whole.len()) {
            for broken in [true, false] {
                let (came, place) = (&whole[..at], format!("asked {asked}, {at} bytes, broken {broken}"));
                // A connection that breaks, and one that ends as if all had been said.
                fake.script([match broken {
                    true => Step::raw(200, "text/event-stream", whole.clone()).cut_after(at),
                    false => Step::raw(200, "text/event-stream", came.to_owned()),
                }]);
                calls += 1;
                let body = json!({
                    "model": CHAT, "stream": true, "stream_options": {"include_usage": asked},
                    "messages": [{"role": "user", "content": "Say hello."}],
                });
                let answer = ann.http.post("/v1/chat/completions", body).await;
                if at < ends[0] {
                    assert_eq!(answer.status, 503, "{place}: {}", answer.text);
                    continue;
                }
                let heard = Tongue::Chat.events(answer.text.as_bytes());
                let (ended, failed) = (heard.iter().filter(|e| is_end(e)).count(), heard.iter().any(is_error));
                // The last bytes of an event are its blank line, which it may lack.
                if at >= ends[2] {
                    assert!(ended == 1 && !failed && is_end(heard.last().unwrap()), "{place}: {heard:?}");
                    assert_eq!(heard.iter().any(|e| e.1["usage"].is_object()), asked && at >= ends[3], "{place}");
                } else {
                    assert!(ended == 0 && is_error(heard.last().unwrap()), "{place}: {heard:?}");
                }
                // Who has heard no word owes nothing.
                told += usize::from(at >= ends[3]);
                guessed += usize::from((ends[1]..ends[3]).contains(&at));
            }
        }
    }
    let booked = world.booked_when(calls).await;
    let as_told = booked.iter().filter(|row| row["estimated"] == false && row["output"] == 9 && row["input"] == 7);
    let as_guessed = booked.iter().filter(|row| row["estimated"] == true && row["output"].as_i64().unwrap() > 0);
    assert_eq!((as_told.count(), as_guessed.count()), (told, guessed), "{booked:?}");
    books_are_true(&world, &ann, calls, "a chat").await;
}

/// A message in six events: the fifth says why it ends and what it cost.
fn message_events() -> Vec<String> {
    let delta = json!({"type": "text_delta", "text": "Hello there, this is said."});
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": CLAUDE, "content": [], "stop_reason": null,
        "stop_sequence": null, "usage": {"input_tokens": 7, "output_tokens": 1},
    });
    let why = json!({"stop_reason": "end_turn", "stop_sequence": null});
    let events = [
        json!({"type": "message_start", "message": message}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": why, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ];
    events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_has_said_why_it_ends_is_ended_as_its_clients_expect() {
    let (world, fake, ann) = at(AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let events = message_events();
    let whole = events.concat();
    let ends: Vec<usize> = (1..=events.len()).map(|count| events[..count].concat().len()).collect();
    let mut calls = 0;
    for tongue in Tongue::ALL {
        for at in ends[3..].iter().flat_map(|end| [end - 9, *end, end + 9]).filter(|at| *at <= whole.len()) {
            for broken in [true, false] {
                let place = format!("{tongue:?}, {at} bytes, broken {broken}");
                // A connection that breaks, and one that ends as if all had been said.
                fake.script([match broken {
                    true => Step::raw(200, "text/event-stream", whole.clone()).cut_after(at),
                    false => Step::raw(200, "text/event-stream", whole[..at].to_owned()),
                }]);
                calls += 1;
                let (heard, sound) = stream(tongue, &ann, CLAUDE, "Say hello.").await.expect("a stream");
                let (ended, failed) = (heard.iter().filter(|e| is_end(e)).count(), heard.iter().any(is_error));
                assert!(sound, "{place}: {heard:?}");
                match at >= ends[4] {
                    true => assert!(ended == 1 && !failed && is_end(heard.last().unwrap()), "{place}: {heard:?}"),
                    false => assert!(ended == 0 && is_error(heard.last().unwrap()), "{place}: {heard:?}"),
                }
            }
        }
    }
    let booked = world.booked_when(calls).await;
    let (told, cut): (Vec<_>, Vec<_>) = booked.iter().partition(|row| row["error"] == "");
    assert!(told.iter().all(|row| row["estimated"] == false && row["output"] == 9 && row["input"] == 7), "{told:?}");
    assert!(cut.iter().all(|row| row["error"] == "upstream_cut"), "{cut:?}");
    books_are_true(&world, &ann, calls, "a message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_go_at_any_moment() {
    for (kind, vendor, model) in KINDS {
        let (world, fake, ann) = at(kind, vendor).await;
        let turns = vec![Tongue::Chat.user("Say hello.")];
        let body = Tongue::Chat.body(&Wish { model: model.into(), stream: true, turns, ..Wish::default() });
        for (calls, wait) in [(1, 0), (2, 80), (3, 150)] {
            fake.script([Step::answer().after(Duration::from_millis(60)).gap(Duration::from_millis(10))]);
            let request = ann.http.request(Method::POST, "/v1/chat/completions").json(&body).send();
            let reading = tokio::spawn(async move {
                let mut answer = request.await.expect("an answer");
                while let Ok(Some(_)) = answer.chunk().await {}
            });
            fake.wait_for(calls).await;
            tokio::time::sleep(Duration::from_millis(wait)).await;
            reading.abort();
            books_are_true(&world, &ann, calls, &format!("{kind}, gone after {wait} ms")).await;
        }
        let booked = world.booked_when(3).await;
        // The vendor was read a little longer, and said what it cost.
        assert!(
            booked.iter().all(|row| row["estimated"] == false && row["output"].as_i64().unwrap() > 0),
            "{booked:?}"
        );
    }
}

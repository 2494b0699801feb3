//! Sessions that stay with their account, and messages that take turns, where the operator wants it so.

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Answer, at};
use schema::Actor;
use schema::model::account::AccountKind;
use schema::service::account;
use serde_json::{Value, json};

use crate::world::{CLAUDE, Caller, World, chat, messages};

const WORDS: &str = "Begin anew, please.";

/// Three accounts, any of which could serve.
async fn three(world: &World) -> Vec<FakeUpstream> {
    let mut fakes = Vec::new();
    for _ in 0..3 {
        let fake = FakeUpstream::start(Vendor::OpenAi).await;
        world.account(&fake, AccountKind::OpenaiKey, Vendor::OpenAi).await;
        fakes.push(fake);
    }
    fakes
}

async fn say(caller: &Caller, session: &str) -> Answer {
    caller.http.with("session-id", session).post("/v1/chat/completions", chat(false)).await
}

/// The account that served last.
async fn served(world: &World, calls: usize) -> i64 {
    let rows = world.booked_when(calls).await;
    rows.iter().rfind(|row| row["status"] == 200).and_then(|row| row["account"].as_i64()).expect("an account")
}

async fn toggle(world: &World, id: i64) {
    account::toggle(&world.t.app, &Actor::system(), id).await.expect("switched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_session_stays_with_its_account_or_is_refused() {
    let world = World::new().await;
    let _fakes = three(&world).await;
    let ann = world.caller("ann").await;
    world.set(&[("session_binding", "true"), ("session_binding_message", WORDS)]).await;
    assert_eq!(say(&ann, "s1").await.status, 200);
    let first = served(&world, 1).await;
    for _ in 0..4 {
        assert_eq!(say(&ann, "s1").await.status, 200);
    }
    let rows = world.booked_when(5).await;
    assert!(rows.iter().all(|row| row["account"] == first), "{rows:?}");

    toggle(&world, first).await;
    let refused = say(&ann, "s1").await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let body = refused.json();
    assert_eq!(at(&body, "error.code"), &json!("session_binding_error"));
    assert_eq!(at(&body, "error.message"), &json!(WORDS));
    // Other sessions, calls without one, and the same name under another key are served elsewhere.
    let bob = world.caller("bob").await;
    for answer in
        [say(&ann, "s2").await, say(&bob, "s1").await, ann.http.post("/v1/chat/completions", chat(false)).await]
    {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    // Switched off, it moves on; switched on again, it is bound as before.
    world.set(&[("session_binding", "false")]).await;
    assert_eq!(say(&ann, "s1").await.status, 200);
    world.set(&[("session_binding", "true")]).await;
    assert_eq!(say(&ann, "s1").await.status, 403);
    toggle(&world, first).await;
    assert_eq!(say(&ann, "s1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_outlive_the_process_and_end_with_their_account() {
    let world = World::new().await;
    let _fakes = three(&world).await;
    let ann = world.caller("ann").await;
    world.set(&[("session_binding", "true")]).await;
    assert_eq!(say(&ann, "s1").await.status, 200);
    let first = served(&world, 1).await;
    let token = ann.http.token.clone();
    let world = World { t: world.t.restart().await };
    let ann = Caller { http: harness::Client::new(&world.t.url, token.as_deref()), key: ann.key };
    toggle(&world, first).await;
    let refused = say(&ann, "s1").await;
    assert_eq!((refused.status.as_u16(), at(&refused.json(), "error.code")), (403, &json!("session_binding_error")));
    account::delete(&world.t.app, &Actor::system(), first).await.expect("deleted");
    for _ in 0..3 {
        assert_eq!(say(&ann, "s1").await.status, 200, "bound to another account now");
    }
}

/// A turn in which a tool's finding is told.
fn found() -> Value {
    json!({
        "model": CLAUDE, "max_tokens": 64,
        "tools": [{ "name": "look", "input_schema": { "type": "object" } }],
        "messages": [
            { "role": "user", "content": "Look." },
            { "role": "assistant", "content": [{ "type": "tool_use", "id": "toolu_1", "name": "look", "input": {} }] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "content": "a tree" }] },
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_people_take_turns_and_findings_of_tools_do_not() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    world.account(&fake, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let ann = world.caller("ann").await;
    let ask = |body: Value| ann.http.post("/v1/messages", body);
    world.set(&[("user_turns", "true"), ("user_turn_pause_ms", "0")]).await;
    for answer in futures_util::future::join_all((0..6).map(|turn| ask(messages(turn % 2 == 0)))).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    // A long pause and little patience: whoever asks within the pause is told to come back.
    world.set(&[("user_turn_pause_ms", "10000"), ("user_turn_wait_ms", "1000")]).await;
    assert_eq!(ask(messages(false)).await.status, 200);
    let late = ask(messages(false)).await;
    assert_eq!(late.status, 503, "{}", late.text);
    assert!(!late.header("retry-after").is_empty());
    let tool = ask(found()).await;
    assert_eq!(tool.status, 200, "{}", tool.text);
    world.set(&[("user_turns", "false")]).await;
    assert_eq!(ask(messages(false)).await.status, 200, "nobody waits when nobody takes turns");
}

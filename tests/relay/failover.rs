//! Before the first byte a call goes to another account; the caller's own faults go nowhere.

use std::time::Duration;

use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use schema::model::account::{AccountKind, Health};
use schema::service::directory;

use crate::world::{World, chat, said};

async fn two() -> (World, FakeUpstream, FakeUpstream, i64) {
    let world = World::new().await;
    let (first, second) = (FakeUpstream::start(Vendor::OpenAi).await, FakeUpstream::start(Vendor::OpenAi).await);
    let kind = AccountKind::OpenaiCompatible;
    let account = world.account_with(&first, kind, Vendor::OpenAi, |draft| draft.priority = 90).await;
    world.account(&second, kind, Vendor::OpenAi).await;
    (world, first, second, account.id)
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_cuts_and_empty_streams_move_on() {
    for (stream, step) in [
        (false, Step::refuse(500)),
        (false, Step::refuse(429)),
        (false, Step::refuse(401)),
        (false, Step::cut()),
        (true, Step::refuse(503)),
        (true, Step::cut()),
        (true, Step::empty_stream()),
        (true, Step::answer().error_after_events(0)),
    ] {
        let (world, first, second, _) = two().await;
        first.script([step.clone()]);
        let ann = world.caller("ann").await;
        let answer = ann.http.post("/v1/chat/completions", chat(stream)).await;
        assert_eq!(answer.status, 200, "{step:?}: {}", answer.text);
        assert_eq!((first.requests().len(), second.requests().len()), (1, 1), "{step:?}");
        let booked = world.booked_when(1).await;
        assert_eq!((booked.len(), booked[0]["status"].as_i64()), (1, Some(200)), "{step:?}: booked once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_vendor_is_left_for_another() {
    let (world, first, second, _) = two().await;
    world.set(&[("first_byte_seconds", "1")]).await;
    first.script([Step::hang()]);
    let ann = world.caller("ann").await;
    let answer = ann.http.post("/v1/chat/completions", chat(true)).await;
    assert!(said(&answer).contains("世界"), "{}", answer.text);
    assert_eq!(second.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_kept_to_and_told() {
    let (world, first, second, account) = two().await;
    first.script([Step::refuse(429).retry_after(40)]);
    second.always(Some(Step::refuse(429).retry_after(20)));
    let ann = world.caller("ann").await;
    let answer = ann.http.post("/v1/chat/completions", chat(false)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((15..=21).contains(&wait), "the earliest of the two ends: {wait}");
    // While they rest nobody asks them.
    let again = ann.http.post("/v1/chat/completions", chat(false)).await;
    assert_eq!((again.status.as_u16(), first.requests().len(), second.requests().len()), (503, 1, 1));
    let view = directory::account(&world.t.app, account).unwrap();
    assert_eq!(view.live.state(world.t.app.clock.now()).health, Health::Cooling);
    let person = schema::service::user::get(&world.t.app, &world.t.system(), ann.key.user_id).await.unwrap();
    assert_eq!(person.balance.0, 10_000_000, "nothing was served, nothing is owed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callers_fault_passes_through_and_blames_nobody() {
    let (world, first, second, account) = two().await;
    for status in [400, 413, 422] {
        first.script([Step::raw(
            status,
            "application/json",
            r#"{"error":{"message":"bad field","type":"invalid_request_error"}}"#,
        )]);
        let ann = world.caller(&format!("ann{status}")).await;
        let answer = ann.http.post("/v1/chat/completions", chat(false)).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["error"]["message"], "bad field");
    }
    assert!(second.requests().is_empty());
    let view = directory::account(&world.t.app, account).unwrap();
    assert_eq!(view.live.state(world.t.app.clock.now()).health, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_words_hold_no_secret() {
    let (world, first, ..) = two().await;
    let leak = format!(
        r#"{{"error":{{"message":"bad request with {} at {}","type":"invalid_request_error"}}}}"#,
        Vendor::OpenAi.key(),
        first.url()
    );
    first.script([Step::raw(400, "application/json", leak)]);
    let ann = world.caller("ann").await;
    let answer = ann.http.post("/v1/chat/completions", chat(false)).await;
    assert!(!answer.text.contains(Vendor::OpenAi.key()) && !answer.text.contains(&first.url()), "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_stays_with_its_account_and_keys_share_none() {
    let world = World::new().await;
    let fakes = [FakeUpstream::start(Vendor::OpenAi).await, FakeUpstream::start(Vendor::OpenAi).await];
    for fake in &fakes {
        world.account(fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    }
    let ann = world.caller("ann").await;
    for _ in 0..6 {
        ann.http.post("/v1/chat/completions", chat(false)).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let counts = [fakes[0].requests().len(), fakes[1].requests().len()];
    assert!(counts.contains(&6) && counts.contains(&0), "one conversation, one account: {counts:?}");
    // Another key with the same words begins anew: the account that rested longest.
    let bob = world.caller("bob").await;
    bob.http.post("/v1/chat/completions", chat(false)).await;
    let counts = [fakes[0].requests().len(), fakes[1].requests().len()];
    assert!(counts.contains(&6) && counts.contains(&1), "{counts:?}");
}

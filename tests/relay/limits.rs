//! Limits hold under concurrency, and nothing is spent that is not there.

use std::time::Duration;

use futures_util::future::join_all;
use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use schema::model::account::AccountKind;
use schema::{Micros, Role};

use crate::world::{World, chat};

async fn slow() -> (World, FakeUpstream) {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.always(Some(Step::answer().after(Duration::from_millis(300))));
    world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    (world, fake)
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_is_exact_and_given_back() {
    let (world, fake) = slow().await;
    let ann = world.caller_with("ann", |new| new.limits.concurrency = 2).await;
    let answers = join_all((0..8).map(|_| ann.http.post("/v1/chat/completions", chat(false)))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((served, fake.requests().len()), (2, 2));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!((refused.header("retry-after"), refused.json()["error"]["code"].as_str()), ("1", Some("concurrency")));
    world.booked_when(2).await;
    assert_eq!(ann.http.post("/v1/chat/completions", chat(false)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_counts_each_request_once() {
    let (world, fake) = slow().await;
    let ann = world
        .caller_with("ann", |new| {
            new.limits.window_ms = 60_000;
            new.limits.window_requests = 3;
        })
        .await;
    let answers = join_all((0..10).map(|_| ann.http.post("/v1/chat/completions", chat(false)))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
    assert_eq!(fake.requests().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_cannot_be_overdrawn_by_many_at_once() {
    let (world, fake) = slow().await;
    let person = world.t.person("ann", Role::User, Micros(90_000)).await;
    let ann = world.key_of(person.id, |_| {}).await;
    // Each call holds back about four cents: 4096 output tokens at $10 a million.
    let answers = join_all((0..8).map(|_| ann.http.post("/v1/chat/completions", chat(false)))).await;
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((served, fake.requests().len()), (2, 2));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap();
    assert_eq!(
        (refused.json()["error"]["code"].as_str(), refused.header("x-should-retry")),
        (Some("insufficient_quota"), "false")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_no_more_calls_than_it_may() {
    let world = World::new().await;
    let fakes = [FakeUpstream::start(Vendor::OpenAi).await, FakeUpstream::start(Vendor::OpenAi).await];
    for (fake, priority) in fakes.iter().zip([90, 10]) {
        fake.always(Some(Step::answer().after(Duration::from_millis(300))));
        world
            .account_with(fake, AccountKind::OpenaiCompatible, Vendor::OpenAi, |draft| {
                draft.max_concurrency = 2;
                draft.priority = priority;
            })
            .await;
    }
    let ann = world.caller("ann").await;
    let answers = join_all((0..5).map(|_| ann.http.post("/v1/chat/completions", chat(false)))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 4);
    assert_eq!([fakes[0].requests().len(), fakes[1].requests().len()], [2, 2]);
}

//! Limits hold under concurrency, and nothing is spent that is not there.

use std::time::Duration;

use futures_util::future::join_all;
use harness::fake_upstream::{FakeUpstream, Step, Usage, Vendor};
use schema::model::account::AccountKind;
use schema::model::api_key::KeyStatus;
use schema::model::plan::{Cycle, PlanFeatures};
use schema::service::api_key::{self, Expiry};
use schema::service::plan::{self, PlanDraft};
use schema::service::subscription;
use schema::{Micros, Role};

use crate::world::{World, chat, messages};

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

/// A product whose clock is moved by hand, at a time of day that leaves room on both sides.
async fn timed() -> (World, FakeUpstream) {
    let clock = schema::Time::from_seconds(1_760_011_200);
    let world = World { t: harness::TestApp::builder().clock_at(clock).start().await };
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.report_usage(Usage { input: 1_000, output: 1_000, ..Usage::default() });
    world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    (world, fake)
}

fn small() -> serde_json::Value {
    let mut body = chat(false);
    body["max_tokens"] = 16.into();
    body
}

type Bend = fn(&mut schema::service::api_key::NewKey);

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_refuses_in_its_own_words_and_ends_when_it_says() {
    // A call holds back a few tokens, and comes to 2,000 tokens and $0.0125.
    let limits: [(&str, Bend, usize, i64); 8] = [
        (
            "rate_limit_requests",
            |new| (new.limits.window_ms, new.limits.window_requests) = (3_600_000, 2),
            2,
            3_600_000,
        ),
        (
            "rate_limit_tokens",
            |new| (new.limits.window_ms, new.limits.window_tokens) = (3_600_000, 3_000),
            2,
            3_600_000,
        ),
        (
            "rate_limit_cost",
            |new| (new.limits.window_ms, new.limits.window_cost) = (3_600_000, Micros(20_000)),
            2,
            3_600_000,
        ),
        ("rpm", |new| new.limits.rpm = 2, 2, 60_000),
        ("tpm", |new| new.limits.tpm = 3_000, 2, 60_000),
        ("daily_requests", |new| new.limits.daily_requests = 2, 2, 86_400_000),
        ("daily_cost", |new| new.limits.daily_cost = Micros(20_000), 2, 86_400_000),
        ("total_cost", |new| new.budget = Some(Micros(20_000)), 2, 0),
    ];
    let (world, fake) = timed().await;
    let mut total = 0;
    for (at, (name, bend, most, after)) in limits.into_iter().enumerate() {
        let ann = world.caller_with(&format!("ann{at}"), bend).await;
        fake.forget();
        for n in 0..most {
            let answer = ann.http.post("/v1/chat/completions", small()).await;
            assert_eq!(answer.status, 200, "{name}, call {n}: {}", answer.text);
            total += 1;
            world.booked_when(total).await;
        }
        let answer = ann.http.post("/v1/chat/completions", small()).await;
        assert_eq!((answer.status.as_u16(), fake.requests().len()), (429, most), "{name}: {}", answer.text);
        let error = &answer.json()["error"];
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 20), "{name}: {}", answer.text);
        if after == 0 {
            assert_eq!(error["type"], "insufficient_quota", "{name}");
            continue;
        }
        let wait: i64 =
            answer.header("retry-after").parse().unwrap_or_else(|_| panic!("{name} says when: {:?}", answer.headers));
        assert!((1..=after / 1_000).contains(&wait), "{name}: {wait}");
        world.t.app.clock.advance(wait * 1_000 + 1_000);
        let answer = ann.http.post("/v1/chat/completions", small()).await;
        assert_eq!(answer.status, 200, "{name} has ended: {}", answer.text);
        total += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_end_and_are_bound_to_addresses_and_models() {
    let (world, fake) = timed().await;
    let now = world.t.app.clock.now();
    let status = |caller: crate::world::Caller| async move {
        caller.http.post("/v1/chat/completions", small()).await.status.as_u16()
    };
    let ending = world.caller_with("ann", |new| new.expiry = Expiry::At(now.plus(60_000))).await;
    let fresh = world.caller_with("bob", |new| new.expiry = Expiry::FromFirstUse(60_000)).await;
    let (ann, bob, first_used) = (ending.http.clone(), fresh.http.clone(), fresh.key.id);
    assert_eq!((status(ending).await, status(fresh).await), (200, 200));
    let elsewhere = world.caller_with("cyd", |new| new.rules.ips = vec!["10.0.0.0/8".into()]).await;
    let here = world.caller_with("dan", |new| new.rules.ips = vec!["127.0.0.0/8".into()]).await;
    assert_eq!((status(elsewhere).await, status(here).await), (403, 200));
    let others = |new: &mut schema::service::api_key::NewKey| {
        new.rules.limit_models = true;
        new.rules.allowed_models = vec!["claude-*".into()];
    };
    assert_eq!(status(world.caller_with("eve", others).await).await, 403);
    let asked = fake.requests().len();
    // The first use of a key is noted beside the call.
    for _ in 0..500 {
        if api_key::get(&world.t.app, &world.t.system(), first_used).await.unwrap().activated_at.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.t.app.clock.advance(61_000);
    for client in [ann, bob] {
        let answer = client.post("/v1/chat/completions", small()).await;
        assert_eq!(answer.status, 401, "{}", answer.text);
    }
    let lists = world.caller("fay").await;
    let change = schema::service::api_key::KeyChange { status: Some(KeyStatus::Disabled), ..Default::default() };
    assert_eq!(lists.http.post("/v1/chat/completions", small()).await.status, 200);
    api_key::change(&world.t.app, &world.t.system(), lists.key.id, change).await.unwrap();
    assert_eq!(lists.http.post("/v1/chat/completions", small()).await.status, 401, "at once");
    assert_eq!(fake.requests().len(), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_bounds_its_owners_day_whatever_the_key() {
    let (world, fake) = timed().await;
    let plan = |slug: &str, requests: Option<i64>, cost: Option<Micros>| {
        let features = PlanFeatures { daily_requests: requests, daily_cost: cost, ..PlanFeatures::default() };
        PlanDraft {
            slug: slug.into(),
            name: slug.into(),
            display_name: slug.into(),
            description: String::new(),
            price: 1_000,
            original_price: None,
            currency: "USD".into(),
            cycle: Cycle::Monthly,
            cycle_days: None,
            features,
            selling_points: Vec::new(),
            recommended: false,
            promotion_ends_at: None,
            is_active: true,
            is_visible: true,
            sort: 0,
        }
    };
    let mut total = 0;
    // A call comes to $0.0125.
    for (name, kind, draft) in [
        ("ann", "rate_limit_error", plan("few", Some(2), None)),
        ("bob", "insufficient_quota", plan("cheap", None, Some(Micros(20_000)))),
    ] {
        let plan = plan::create(&world.t.app, &world.t.system(), draft).await.unwrap();
        let person = world.t.person(name, Role::User, Micros(10_000_000)).await;
        subscription::grant(&world.t.app, &world.t.system(), person.id, plan.id, Some(30)).await.unwrap();
        let keys =
            [world.key_of(person.id, |_| {}).await, world.key_of(person.id, |new| new.name = "other".into()).await];
        fake.forget();
        for key in &keys {
            let answer = key.http.post("/v1/chat/completions", small()).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text);
            total += 1;
            world.booked_when(total).await;
        }
        for key in &keys {
            let answer = key.http.post("/v1/chat/completions", small()).await;
            assert_eq!((answer.status.as_u16(), fake.requests().len()), (429, 2), "{name}: {}", answer.text);
            let error = &answer.json()["error"];
            assert_eq!(error["type"], kind, "{name}: {}", answer.text);
            assert!(error["message"].as_str().unwrap().contains("plan"), "{name}: {}", answer.text);
            let wait: i64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=86_400).contains(&wait), "{name}: {wait}");
        }
        // Whoever is on no such plan goes on.
        let other = world.caller(&format!("friend-of-{name}")).await;
        assert_eq!(other.http.post("/v1/chat/completions", small()).await.status, 200, "{name}");
        total += 1;
        let wait: i64 = keys[0].http.post("/v1/chat/completions", small()).await.header("retry-after").parse().unwrap();
        world.t.app.clock.advance(wait * 1_000 + 1_000);
        let answer = keys[0].http.post("/v1/chat/completions", small()).await;
        assert_eq!(answer.status, 200, "{name}, the next day: {}", answer.text);
        total += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_claude_is_bounded_and_begins_anew() {
    let (world, openai) = timed().await;
    let claude = FakeUpstream::start(Vendor::Anthropic).await;
    claude.report_usage(Usage { input: 1_000, output: 1_000, ..Usage::default() });
    // Before the other, which is compatible with everything.
    world.account_with(&claude, AccountKind::ClaudeConsole, Vendor::Anthropic, |draft| draft.priority = 90).await;
    let mut asked = messages(false);
    asked["max_tokens"] = 16.into();
    // A call comes to $0.018.
    let ann = world.caller_with("ann", |new| new.limits.weekly_cost = Micros(20_000)).await;
    for n in 1..=2 {
        let answer = ann.http.post("/v1/messages", asked.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        world.booked_when(n).await;
    }
    let refused = ann.http.post("/v1/messages", asked.clone()).await;
    assert_eq!((refused.status.as_u16(), claude.requests().len()), (402, 2), "{}", refused.text);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("weekly"), "{}", refused.text);
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=7 * 86_400).contains(&wait), "{wait}");
    // Other models are none of that limit's business.
    assert_eq!(ann.http.post("/v1/chat/completions", small()).await.status, 200);
    assert_eq!(openai.requests().len(), 1);
    world.t.app.clock.advance(wait * 1_000 + 1_000);
    let answer = ann.http.post("/v1/messages", asked).await;
    assert_eq!(answer.status, 200, "the next week: {}", answer.text);
}

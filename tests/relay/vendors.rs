//! What each vendor says no with, and what follows: another account, a rest of the right length, and an account
//! that comes back.

use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use schema::Time;
use schema::model::account::{Account, AccountKind, Health};
use schema::service::account::Credentials;
use schema::service::{account, directory};

use crate::tongue::{Tongue, Wish};
use crate::world::{CHAT, CLAUDE, World};

const KINDS: [(AccountKind, Vendor, &str); 8] = [
    (AccountKind::OpenaiKey, Vendor::OpenAi, CHAT),
    (AccountKind::OpenaiCompatible, Vendor::OpenAi, CHAT),
    (AccountKind::OpenaiResponses, Vendor::OpenAi, CHAT),
    (AccountKind::AzureOpenai, Vendor::Azure, CHAT),
    (AccountKind::ClaudeConsole, Vendor::Anthropic, CLAUDE),
    (AccountKind::Ccr, Vendor::Ccr, CLAUDE),
    (AccountKind::Bedrock, Vendor::Bedrock, CLAUDE),
    (AccountKind::GeminiKey, Vendor::Gemini, "gemini-2.5-flash"),
];

async fn two(world: &World, kind: AccountKind, vendor: Vendor) -> (FakeUpstream, FakeUpstream, Account) {
    let (first, second) = (FakeUpstream::start(vendor).await, FakeUpstream::start(vendor).await);
    let region = |draft: &mut account::AccountDraft, priority| {
        draft.priority = priority;
        draft.options.region = Some("us-east-1".into());
        draft.credentials = Credentials::lines(vendor.key());
    };
    let tried = world.account_with(&first, kind, vendor, |draft| region(draft, 90)).await;
    world.account_with(&second, kind, vendor, |draft| region(draft, 10)).await;
    (first, second, tried)
}

fn health(world: &World, account: &Account) -> (Health, Option<Time>) {
    let view = directory::account(&world.t.app, account.id).expect("the account");
    let state = view.live.state(world.t.app.clock.now());
    (state.health, state.cool_until)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vendors_refusals_move_on_and_leave_their_mark() {
    for (kind, vendor, model) in KINDS {
        let world = World::new().await;
        let (first, second, tried) = two(&world, kind, vendor).await;
        let ann = world.caller("ann").await;
        let mut calls = 0;
        for tongue in [Tongue::Chat, Tongue::Messages] {
            for status in [401, 403, 429, 500, 503, 529] {
                for stream in [false, true] {
                    let place = format!("{kind} says {status} to {tongue:?}, stream {stream}");
                    let ask = |calls| {
                        let turns = vec![tongue.user(&format!("Say hello, {calls}."))];
                        Wish { model: model.into(), stream, turns, ..Wish::default() }
                    };
                    first.script([Step::refuse(status)]);
                    let asked = first.requests().len();
                    for _ in 0..2 {
                        // Another conversation each time, for the second account keeps those it served.
                        let heard = tongue.ask(&ann, &ask(calls)).await;
                        calls += 1;
                        assert_eq!(heard.status, 200, "{place}: {:?}", heard.raw);
                    }
                    // The second call finds the first account at rest, or doubtful.
                    assert_eq!((first.requests().len(), second.requests().len()), (asked + 1, calls), "{place}");
                    // A 403 may be about the model alone.
                    let blocked = health(&world, &tried).0 == Health::Blocked;
                    assert!(blocked == (status == 401) || status == 403, "{place}");
                    // The operator looks after it, and it serves again.
                    account::reset_status(&world.t.app, &world.t.system(), tried.id).await.expect("well again");
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            }
        }
        let booked = world.booked_when(calls).await;
        assert_eq!(booked.len(), calls, "{kind}: each call is booked once");
        assert!(booked.iter().all(|row| row["account"] != tried.id), "{kind}: at the account that served it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rest_ends_to_the_second() {
    let begin = Time::from_seconds(1_760_000_000);
    let world = World { t: harness::TestApp::builder().clock_at(begin).start().await };
    let (first, second, tried) = two(&world, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let ann = world.caller("ann").await;
    let ask = |n: usize| {
        let turns = vec![Tongue::Messages.user(&format!("Say hello, {n}."))];
        Wish { model: CLAUDE.into(), turns, ..Wish::default() }
    };
    first.script([Step::refuse(429).retry_after(40)]);
    assert_eq!(Tongue::Messages.ask(&ann, &ask(1)).await.status, 200);
    world.t.app.clock.advance(39_000);
    assert_eq!(Tongue::Messages.ask(&ann, &ask(2)).await.status, 200);
    assert_eq!((first.requests().len(), second.requests().len()), (1, 2), "not a second early");
    world.t.app.clock.advance(1_500);
    assert_eq!(Tongue::Messages.ask(&ann, &ask(3)).await.status, 200);
    assert_eq!((first.requests().len(), second.requests().len()), (2, 2));
    assert_eq!(health(&world, &tried).0, Health::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_fails_in_a_row_rests_and_one_call_tries_it_again() {
    let begin = Time::from_seconds(1_760_000_000);
    let world = World { t: harness::TestApp::builder().clock_at(begin).start().await };
    let (first, second, tried) = two(&world, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    let ask = |n: usize| {
        let turns = vec![Tongue::Chat.user(&format!("Say hello, {n}."))];
        Wish { model: CHAT.into(), turns, ..Wish::default() }
    };
    first.always(Some(Step::refuse(500)));
    let mut asked = 0;
    loop {
        assert_eq!(Tongue::Chat.ask(&ann, &ask(asked)).await.status, 200);
        asked += 1;
        assert!(asked < 30, "it never rests");
        if health(&world, &tried).0 != Health::Ok {
            break;
        }
        // Between two failures the account is doubtful for a while; then it is asked again.
        world.t.app.clock.advance(20_000);
    }
    let (_, until) = health(&world, &tried);
    let before = first.requests().len();
    assert_eq!(Tongue::Chat.ask(&ann, &ask(100)).await.status, 200);
    assert_eq!(first.requests().len(), before, "it rests");
    first.always(None);
    world.t.app.clock.advance(until.expect("an end").0 - world.t.app.clock.now().0 + 1_000);
    let calls = (200..206).map(|n| {
        let (ann, wish) = (&ann, ask(n));
        async move { Tongue::Chat.ask(ann, &wish).await.status }
    });
    let statuses = futures_util::future::join_all(calls).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(health(&world, &tried).0, Health::Ok);
    assert!(first.requests().len() > before && second.requests().len() > asked);
}

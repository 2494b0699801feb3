use std::sync::Arc;

use super::*;
use crate::clock::MINUTE;
use crate::kv::admission::Counters;
use crate::model::usage::batch::Settlement;
use crate::money::Micros;
use crate::service::settle::tests::{a_call, a_key};
use crate::service::wallet;
use crate::testing::TestApp;

/// An application, its user with a dollar, and a key of theirs.
async fn ground() -> (TestApp, i64, i64) {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    wallet::adjust(&t, &admin, ann, Micros(1_000_000), "start", None).await.expect("money");
    let key = a_key(&t, ann, "k").await;
    settle::start(&t).await.expect("started");
    (t, ann, key)
}

fn ask(t: &App, user_id: i64, key_id: i64) -> Ask {
    Ask { key_id, user_id, now: t.clock.now(), ..Ask::default() }
}

/// Asks 300 times at once; the tickets that were given.
async fn crowd(t: &App, ask: &Ask) -> Vec<Ticket> {
    let asks: Vec<_> = (0..300)
        .map(|_| {
            let (app, ask) = (t.clone(), ask.clone());
            tokio::spawn(async move { admit(&app, &ask).await })
        })
        .collect();
    let mut tickets = Vec::new();
    for asked in asks {
        match asked.await.expect("a task") {
            Ok(ticket) => tickets.push(ticket),
            Err(Denied::Refused(_)) => {}
            Err(Denied::Failed(error)) => panic!("{error:?}"),
        }
    }
    tickets
}

fn refusal(denied: Result<Ticket, Denied>) -> (Limit, i64, i64, Option<Time>) {
    match denied {
        Err(Denied::Refused(r)) => (r.kind, r.limit, r.current, r.resets_at),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_is_exact_in_a_crowd() {
    let (t, ann, key) = ground().await;
    every_limit(&t, ann, key).await;
}

/// What both arms must do.
async fn every_limit(t: &App, ann: i64, first_key: i64) {
    let now = t.clock.now();
    let window = |w: WindowLimits| Some(WindowLimits { length_ms: 10 * MINUTE, ..w });
    let base = |key: i64| Ask { key_id: first_key + 1000 + key, user_id: ann, now, ..Ask::default() };
    let cases: Vec<(Ask, usize, Limit, Option<Time>)> = vec![
        (Ask { concurrency: Some(17), ..base(1) }, 17, Limit::Concurrency, None),
        (
            Ask { window: window(WindowLimits { requests: Some(23), ..Default::default() }), ..base(2) },
            23,
            Limit::WindowRequests,
            Some(now.plus(10 * MINUTE)),
        ),
        (
            Ask {
                window: window(WindowLimits { tokens: Some(1000), ..Default::default() }),
                estimate_tokens: 100,
                ..base(3)
            },
            10,
            Limit::WindowTokens,
            Some(now.plus(10 * MINUTE)),
        ),
        (
            Ask { window: window(WindowLimits { cost: Some(1000), ..Default::default() }), estimate: 30, ..base(4) },
            33,
            Limit::WindowCost,
            Some(now.plus(10 * MINUTE)),
        ),
        (Ask { requests_per_minute: Some(9), ..base(5) }, 9, Limit::RequestsPerMinute, Some(now.plus(MINUTE))),
        (
            Ask { tokens_per_minute: Some(500), estimate_tokens: 50, ..base(6) },
            10,
            Limit::TokensPerMinute,
            Some(now.plus(MINUTE)),
        ),
        (Ask { daily_cost: Some(500), estimate: 90, ..base(7) }, 5, Limit::DailyCost, Some(day_of(t, now).end)),
        (
            Ask { weekly_cost: Some(500), estimate: 200, week_begins: (1, 0), ..base(8) },
            2,
            Limit::WeeklyCost,
            // 2025-10-11 is a Saturday.
            Time::parse("2025-10-13"),
        ),
        (Ask { daily_requests: Some(12), ..base(11) }, 12, Limit::DailyRequests, Some(day_of(t, now).end)),
        (Ask { total_tokens: Some(300), estimate_tokens: 7, ..base(12) }, 43, Limit::TotalTokens, None),
        (Ask { total_cost: Some(1000), estimate: 10, ..base(9) }, 100, Limit::TotalCost, None),
        (Ask { wallet: true, estimate: 9_000, ..base(10) }, 111, Limit::Balance, None),
        (Ask { person: person(Some(14), None), ..base(13) }, 14, Limit::UserRequests, Some(now.plus(10 * MINUTE))),
        (Ask { person: person(None, Some(8)), ..base(14) }, 8, Limit::UserServed, Some(now.plus(10 * MINUTE))),
    ];
    for (ask, most, kind, resets_at) in cases {
        let tickets = crowd(t, &ask).await;
        assert_eq!(tickets.len(), most, "{kind}");
        let refused = refusal(admit(t, &ask).await);
        assert_eq!((refused.0, refused.3), (kind, resets_at), "{kind}");
        for ticket in tickets {
            cancel(t, ticket).await.expect("let go");
        }
        let again = admit(t, &ask).await.unwrap_or_else(|e| panic!("{kind}: {e:?}"));
        finish(t, again).await.expect("let go");
        assert_eq!(open_calls(t, ask.key_id).await.expect("a count"), 0, "{kind}");
    }
}

fn person(requests: Option<i64>, served: Option<i64>) -> Option<PersonLimits> {
    Some(PersonLimits { length_ms: 10 * MINUTE, requests, served })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_counted_over_all_keys() {
    let (t, ann, key) = ground().await;
    let t = &*t;
    let one = Ask { person: person(Some(4), Some(1)), ..ask(t, ann, key) };
    let other = Ask { key_id: key + 1, ..one.clone() };
    let end = Some(one.now.plus(10 * MINUTE));
    let over = async |ask: &Ask, ticket, status| {
        let call = Settlement { status, ..a_call(ann, ask.key_id, ask.now, 0) };
        settle::record(t, call, Some(ticket)).await.expect("durable");
    };
    let first = admit(t, &one).await.expect("admitted");
    assert_eq!(refusal(admit(t, &other).await), (Limit::UserServed, 1, 1, end), "an open call may succeed");
    over(&one, first, 500).await;
    let second = admit(t, &other).await.expect("a failure is none of those that succeed");
    over(&other, second, 200).await;
    assert_eq!(refusal(admit(t, &one).await), (Limit::UserServed, 1, 1, end));
    // Refused calls were not counted, and one that nobody could serve is not either.
    let all = Ask { person: person(Some(3), None), ..one.clone() };
    cancel(t, admit(t, &all).await.expect("the third")).await.expect("let go");
    let third = admit(t, &all).await.expect("the third again");
    assert_eq!(refusal(admit(t, &all).await), (Limit::UserRequests, 3, 3, end));
    // What another limit refuses is not counted.
    let poor = Ask { person: person(Some(4), None), concurrency: Some(1), ..all.clone() };
    assert_eq!(refusal(admit(t, &poor).await).0, Limit::Concurrency);
    drop(admit(t, &Ask { concurrency: None, ..poor.clone() }).await.expect("the fourth"));
    assert_eq!(refusal(admit(t, &Ask { concurrency: None, ..poor }).await).0, Limit::UserRequests);
    let later = Ask { now: one.now.plus(10 * MINUTE), ..all };
    drop(admit(t, &later).await.expect("another window"));
    // It was of the old window.
    over(&one, third, 500).await;
    let twice = Ask { person: person(Some(2), Some(1)), ..later };
    drop(admit(t, &twice).await.expect("the second of the new window"));
    assert_eq!(refusal(admit(t, &twice).await).0, Limit::UserRequests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_counts_all_keys_of_a_user() {
    let (t, ann, key) = ground().await;
    let one = Ask { plan_daily_requests: Some(6), ..ask(&t, ann, key) };
    let other = Ask { key_id: key + 1, ..one.clone() };
    let held = crowd(&t, &one).await;
    assert_eq!(held.len(), 6);
    let (kind, limit, current, resets_at) = refusal(admit(&t, &other).await);
    assert_eq!((kind, limit, current, resets_at), (Limit::PlanRequests, 6, 6, Some(day_of(&t, one.now).end)));
    drop(held);
    assert!(admit(&t, &other).await.is_err(), "calls that ended were still calls");

    let cost = Ask { plan_daily_requests: None, plan_daily_cost: Some(100), estimate: 60, ..other };
    let held = admit(&t, &cost).await.expect("admitted");
    assert_eq!(refusal(admit(&t, &cost).await).0, Limit::PlanCost);
    drop(held);
    assert!(admit(&t, &cost).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_counts_at_once_and_stays_counted() {
    let (t, ann, key) = ground().await;
    spent_counts(&t, ann, key).await;
}

async fn spent_counts(t: &App, ann: i64, key: i64) {
    let asked = Ask {
        daily_cost: Some(1_000),
        wallet: true,
        estimate: 400,
        window: Some(WindowLimits { length_ms: MINUTE, tokens: Some(17), ..Default::default() }),
        ..ask(t, ann, key)
    };
    let ticket = admit(t, &asked).await.expect("admitted");
    let call = a_call(ann, key, asked.now, 700);
    settle::record(t, call, Some(ticket)).await.expect("durable");
    // Not in the database yet, or just now: it counts the same.
    assert_eq!(refusal(admit(t, &asked).await).0, Limit::WindowTokens, "17 tokens were used");
    let asked = Ask { window: None, ..asked };
    let (kind, _, current, _) = refusal(admit(t, &asked).await);
    assert_eq!((kind, current), (Limit::DailyCost, 700));
    settle::flush(t).await.expect("carried");
    let (kind, _, current, _) = refusal(admit(t, &asked).await);
    assert_eq!((kind, current), (Limit::DailyCost, 700), "neither forgotten nor counted twice");
    let free = Ask { daily_cost: None, estimate: 1_000_000, ..asked.clone() };
    let (kind, _, current, _) = refusal(admit(t, &free).await);
    assert_eq!((kind, current), (Limit::Balance, 999_300));

    // The day after, the day's limit is fresh; the wallet is not.
    let tomorrow = asked.now.plus(DAY);
    let next = admit(t, &Ask { now: tomorrow, ..asked }).await.expect("admitted");
    drop(next);
    assert!(admit(t, &Ask { now: tomorrow, ..free }).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_knows_what_the_old_one_counted() {
    let (t, ann, key) = ground().await;
    for n in 0..5 {
        let mut call = a_call(ann, key, t.clock.now().plus(n), 100);
        call.model = if n == 0 { "gpt".to_owned() } else { "claude-x".to_owned() };
        settle::record(&t, call, None).await.expect("durable");
    }
    settle::flush(&t).await.expect("carried");
    t.advance(MINUTE);
    let second = t.neighbour().await;
    settle::start(&second).await.expect("started");
    let base = ask(&second, ann, key);
    for (asked, kind) in [
        (Ask { daily_cost: Some(500), ..base.clone() }, Limit::DailyCost),
        (Ask { daily_requests: Some(5), ..base.clone() }, Limit::DailyRequests),
        (Ask { total_tokens: Some(85), ..base.clone() }, Limit::TotalTokens),
        (Ask { weekly_cost: Some(400), ..base.clone() }, Limit::WeeklyCost),
        (Ask { total_cost: Some(500), ..base.clone() }, Limit::TotalCost),
        (Ask { plan_daily_requests: Some(5), ..base.clone() }, Limit::PlanRequests),
        (Ask { plan_daily_cost: Some(500), ..base.clone() }, Limit::PlanCost),
    ] {
        let denied = admit(&second, &asked).await;
        assert!(denied.is_err(), "{kind}: {denied:?}");
        assert_eq!(refusal(denied).0, kind);
    }
    let windowed = Ask {
        key_id: key,
        window: Some(WindowLimits { length_ms: 5 * MINUTE, requests: Some(5), ..Default::default() }),
        ..base
    };
    second.counters.forget_key(key).await.expect("forgotten");
    let (kind, _, current, resets_at) = refusal(admit(&second, &windowed).await);
    assert_eq!((kind, current), (Limit::WindowRequests, 5));
    assert_eq!(resets_at, Some(windowed.now.plus(4 * MINUTE)), "the window began with the first call");
    second.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_filled_elsewhere_is_known_at_once() {
    let (t, ann, key) = ground().await;
    let admin = t.user("boss").await;
    let admin = crate::Actor { role: Some(crate::Role::SuperAdmin), ..admin };
    let dear = Ask { wallet: true, estimate: 5_000_000, ..ask(&t, ann, key) };
    assert_eq!(refusal(admit(&t, &dear).await).0, Limit::Balance);
    wallet::adjust(&t, &admin, ann, Micros(4_000_000), "more", None).await.expect("money");
    let mut tries = 0;
    while admit(&t, &dear).await.is_err() {
        tries += 1;
        assert!(tries < 100, "the counters never heard of it");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_spends_never_overdraws() {
    let (t, ann, key) = ground().await;
    let asked = Ask { wallet: true, estimate: 10_000, concurrency: Some(8), ..ask(&t, ann, key) };
    let served = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let people: Vec<_> = (0..16)
        .map(|_| {
            let (app, asked, served) = (t.app.clone(), asked.clone(), served.clone());
            tokio::spawn(async move {
                loop {
                    match admit(&app, &asked).await {
                        Ok(ticket) => {
                            let call = Settlement { ..a_call(asked.user_id, asked.key_id, asked.now, 10_000) };
                            served.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            settle::record(&app, call, Some(ticket)).await.expect("durable");
                        }
                        Err(Denied::Refused(r)) if r.kind == Limit::Balance => return,
                        Err(Denied::Refused(_)) => tokio::task::yield_now().await,
                        Err(Denied::Failed(error)) => panic!("{error:?}"),
                    }
                }
            })
        })
        .collect();
    for person in people {
        person.await.expect("a task");
    }
    settle::flush(&t).await.expect("carried");
    assert_eq!(served.load(std::sync::atomic::Ordering::SeqCst), 100, "to the last cent and not beyond");
    let mut conn = t.db.conn().await.expect("a connection");
    assert_eq!(crate::model::rollup::balance(&mut conn, ann).await.expect("a query").map(|b| b.0), Some(0));
    assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_stickiness_and_days_of_accounts() {
    let (t, ann, key) = ground().await;
    accounts(&t, ann, key).await;
}

async fn accounts(t: &App, ann: i64, key: i64) {
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(take_slot(t, 7, 3).await.expect("an answer").expect("a slot"));
    }
    assert!(take_slot(t, 7, 3).await.expect("an answer").is_none());
    assert_eq!(slots_taken(t, 7).await.expect("a count"), 3);
    held.pop();
    let mut tries = 0;
    while take_slot(t, 7, 3).await.expect("an answer").is_none() {
        tries += 1;
        assert!(tries < 100, "a dropped slot is free");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }

    stick(t, key, "talk", 42).await.expect("kept");
    assert_eq!(stuck(t, key, "talk").await.expect("an answer"), Some(42));
    assert_eq!(stuck(t, key + 1, "talk").await.expect("an answer"), None, "keys share no conversation");
    unstick(t, key, "talk").await.expect("forgotten");
    assert_eq!(stuck(t, key, "talk").await.expect("an answer"), None);

    let since = day_of(t, t.clock.now()).start;
    let day = [(91, since), (92, since)];
    assert_eq!(accounts_spent(t, &day).await.expect("costs"), [0, 0]);
    let mut call = a_call(ann, key, t.clock.now(), 70);
    call.account_id = 92;
    settle::record(t, call, None).await.expect("durable");
    let mut tries = 0;
    while accounts_spent(t, &day).await.expect("costs") != [0, 70] {
        tries += 1;
        assert!(tries < 100, "the day moves with what is settled");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_dropped_lets_go() {
    let (t, ann, key) = ground().await;
    let asked = Ask { concurrency: Some(1), estimate: 5, daily_cost: Some(5), ..ask(&t, ann, key) };
    let ticket = admit(&t, &asked).await.expect("admitted");
    assert_eq!(refusal(admit(&t, &asked).await).0, Limit::Concurrency);
    drop(ticket);
    assert!(admit(&t, &asked).await.is_ok());
    assert!(matches!(t.counters, Counters::Memory(_)));
}

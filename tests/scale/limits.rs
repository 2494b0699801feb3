//! Limits that two processes share.

use schema::App;
use schema::clock::{DAY, MINUTE, Time};
use schema::kv::admission::LEASE_MS;
use schema::model::usage::batch::Settlement;
use schema::service::admission::{self, Ask, Denied, Limit, PersonLimits, Ticket, WindowLimits};
use schema::service::settle;

use crate::{Pair, call};

/// Asks 200 times at once, half of it in each process.
async fn crowd(pair: &Pair, ask: &Ask) -> Vec<(App, Ticket)> {
    let asks: Vec<_> = (0..200)
        .map(|n| {
            let app = if n % 2 == 0 { pair.one.clone() } else { pair.two.clone() };
            let ask = ask.clone();
            tokio::spawn(async move {
                let ticket = admission::admit(&app, &ask).await;
                (app, ticket)
            })
        })
        .collect();
    let mut tickets = Vec::new();
    for asked in asks {
        match asked.await.expect("a task") {
            (app, Ok(ticket)) => tickets.push((app, ticket)),
            (_, Err(Denied::Refused(_))) => {}
            (_, Err(Denied::Failed(error))) => panic!("{error:?}"),
        }
    }
    tickets
}

async fn refused(app: &App, ask: &Ask) -> (Limit, i64, Option<Time>) {
    match admission::admit(app, ask).await {
        Err(Denied::Refused(r)) => (r.kind, r.current, r.resets_at),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_is_exact_in_a_crowd_over_two_processes() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000_000).await;
    let now = pair.clock.now();
    let base = |key_id: i64| Ask { key_id, user_id, now, ..Ask::default() };
    let person = |requests, served| Some(PersonLimits { length_ms: 10 * MINUTE, requests, served });
    let window = |w: WindowLimits| Some(WindowLimits { length_ms: 10 * MINUTE, ..w });
    let end = Some(now.plus(10 * MINUTE));
    let tomorrow = Some(admission::day_of(&pair.one, now).end);
    let monday = Time::parse("2025-10-13");
    let cases: Vec<(Ask, usize, Limit, Option<Time>)> = vec![
        (Ask { concurrency: Some(17), ..base(1) }, 17, Limit::Concurrency, None),
        (
            Ask { window: window(WindowLimits { requests: Some(23), ..Default::default() }), ..base(2) },
            23,
            Limit::WindowRequests,
            end,
        ),
        (
            Ask {
                window: window(WindowLimits { tokens: Some(1000), ..Default::default() }),
                estimate_tokens: 100,
                ..base(3)
            },
            10,
            Limit::WindowTokens,
            end,
        ),
        (
            Ask { window: window(WindowLimits { cost: Some(1000), ..Default::default() }), estimate: 30, ..base(4) },
            33,
            Limit::WindowCost,
            end,
        ),
        (Ask { requests_per_minute: Some(9), ..base(5) }, 9, Limit::RequestsPerMinute, Some(now.plus(MINUTE))),
        (
            Ask { tokens_per_minute: Some(500), estimate_tokens: 50, ..base(6) },
            10,
            Limit::TokensPerMinute,
            Some(now.plus(MINUTE)),
        ),
        (Ask { daily_requests: Some(12), ..base(7) }, 12, Limit::DailyRequests, tomorrow),
        (Ask { daily_cost: Some(500), estimate: 90, ..base(8) }, 5, Limit::DailyCost, tomorrow),
        (Ask { weekly_cost: Some(500), estimate: 200, ..base(9) }, 2, Limit::WeeklyCost, monday),
        (Ask { total_cost: Some(1000), estimate: 10, ..base(10) }, 100, Limit::TotalCost, None),
        (Ask { total_tokens: Some(300), estimate_tokens: 7, ..base(11) }, 43, Limit::TotalTokens, None),
        (Ask { wallet: true, estimate: 9_000, ..base(12) }, 111, Limit::Balance, None),
        (Ask { plan_daily_cost: Some(500), estimate: 90, ..base(13) }, 5, Limit::PlanCost, tomorrow),
        (Ask { person: person(Some(14), None), ..base(16) }, 14, Limit::UserRequests, end),
        (Ask { person: person(None, Some(8)), ..base(17) }, 8, Limit::UserServed, end),
    ];
    for (ask, most, kind, resets_at) in cases {
        let tickets = crowd(&pair, &ask).await;
        assert_eq!(tickets.len(), most, "{kind}");
        let told = refused(&pair.two, &ask).await;
        assert_eq!((told.0, told.2), (kind, resets_at), "{kind}");
        for (app, ticket) in tickets {
            admission::cancel(&app, ticket).await.expect("let go");
        }
        let again = admission::admit(&pair.two, &ask).await.unwrap_or_else(|e| panic!("{kind}: {e:?}"));
        admission::finish(&pair.two, again).await.expect("let go");
        assert_eq!(admission::open_calls(&pair.one, ask.key_id).await.expect("a count"), 0, "{kind}");
    }
    let other = pair.user("bob", 0).await;
    let ask = Ask { user_id: other, plan_daily_requests: Some(6), ..base(14) };
    assert_eq!(crowd(&pair, &ask).await.len(), 6);
    assert_eq!(refused(&pair.one, &Ask { key_id: 15, ..ask }).await.0, Limit::PlanRequests);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_one_process_is_free_in_the_other() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000_000).await;
    let now = pair.clock.now();
    let person = Some(PersonLimits { length_ms: 10 * MINUTE, requests: Some(3), served: Some(1) });
    let ask = Ask { key_id: 1, user_id, now, person, ..Ask::default() };
    let other = Ask { key_id: 2, ..ask.clone() };
    let first = admission::admit(&pair.one, &ask).await.expect("admitted");
    let end = Some(now.plus(10 * MINUTE));
    assert_eq!(refused(&pair.two, &other).await, (Limit::UserServed, 1, end), "an open call may succeed");
    let failed = Settlement { status: 500, ..call(user_id, 1, now, 0) };
    settle::record(&pair.one, failed, Some(first)).await.expect("durable");
    let second = admission::admit(&pair.two, &other).await.expect("a failure is none of those that succeed");
    settle::record(&pair.two, call(user_id, 2, now, 0), Some(second)).await.expect("durable");
    assert_eq!(refused(&pair.one, &ask).await, (Limit::UserServed, 1, end));
    let all = Ask { person: person.map(|p| PersonLimits { served: None, ..p }), ..ask };
    let third = admission::admit(&pair.one, &all).await.expect("the third");
    assert_eq!(refused(&pair.two, &all).await, (Limit::UserRequests, 3, end));
    admission::cancel(&pair.one, third).await.expect("let go");
    let again = admission::admit(&pair.two, &all).await.expect("what nobody could serve was not counted");
    admission::finish(&pair.two, again).await.expect("let go");
    let later = Ask { now: now.plus(10 * MINUTE), ..all };
    let next = admission::admit(&pair.one, &later).await.expect("another window");
    admission::finish(&pair.one, next).await.expect("let go");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_spends_the_other_counts() {
    let Some(mut pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000_000).await;
    let now = pair.clock.now();
    let ask = Ask {
        key_id: 1,
        user_id,
        now,
        daily_cost: Some(1_000),
        weekly_cost: Some(5_000),
        wallet: true,
        estimate: 400,
        window: Some(WindowLimits { length_ms: MINUTE, tokens: Some(17), ..Default::default() }),
        ..Ask::default()
    };
    let ticket = admission::admit(&pair.one, &ask).await.expect("admitted");
    settle::record(&pair.one, call(user_id, 1, now, 700), Some(ticket)).await.expect("durable");
    assert_eq!(refused(&pair.two, &ask).await.0, Limit::WindowTokens);
    let ask = Ask { window: None, ..ask };
    assert_eq!(refused(&pair.two, &ask).await.1, 700);
    settle::flush(&pair.one).await.expect("carried");
    assert_eq!(refused(&pair.two, &ask).await.1, 700, "neither forgotten nor counted twice");
    let dear = Ask { daily_cost: None, weekly_cost: None, estimate: 1_000_000, ..ask.clone() };
    assert_eq!(refused(&pair.two, &dear).await, (Limit::Balance, 999_300, None));

    // Redis forgets everything; the books do not.
    let client = redis::Client::open(pair.redis.url.as_str()).expect("an address");
    let mut conn = client.get_multiplexed_async_connection().await.expect("a connection");
    redis::cmd("FLUSHDB").query_async::<()>(&mut conn).await.expect("flushed");
    assert_eq!(refused(&pair.two, &ask).await.1, 700);
    assert_eq!(refused(&pair.one, &dear).await, (Limit::Balance, 999_300, None));

    // The week goes on when the day is over.
    let tomorrow = now.plus(DAY);
    let third = pair.another().await;
    let next = Ask { now: tomorrow, weekly_cost: Some(1_000), ..ask };
    assert_eq!(refused(&third, &next).await, (Limit::WeeklyCost, 700, Time::parse("2025-10-13")));
    drop(admission::admit(&third, &Ask { weekly_cost: None, ..next }).await.expect("a fresh day"));
    third.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_died_lets_go_and_a_living_one_does_not() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000).await;
    let ask = |now: Time| Ask {
        key_id: 1,
        user_id,
        now,
        concurrency: Some(2),
        wallet: true,
        estimate: 500,
        ..Ask::default()
    };
    let dead = admission::admit(&pair.one, &ask(pair.clock.now())).await.expect("admitted");
    std::mem::forget(dead);
    let slot = admission::take_slot(&pair.one, 7, 2).await.expect("an answer").expect("a slot");
    std::mem::forget(slot);
    let living = admission::admit(&pair.two, &ask(pair.clock.now())).await.expect("admitted");
    let kept = admission::take_slot(&pair.two, 7, 2).await.expect("an answer").expect("a slot");
    assert_eq!(refused(&pair.two, &ask(pair.clock.now())).await.0, Limit::Concurrency);

    pair.clock.advance(LEASE_MS - 1_000);
    pair.two.counters.renew(pair.clock.now()).await.expect("renewed");
    pair.clock.advance(2_000);
    let again = admission::admit(&pair.one, &ask(pair.clock.now())).await.expect("the dead one's place and money");
    assert_eq!(refused(&pair.one, &ask(pair.clock.now())).await.0, Limit::Concurrency, "the living one's is taken");
    assert_eq!(admission::slots_taken(&pair.one, 7).await.expect("a count"), 1);
    drop((living, again, kept));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_over_two_processes_never_overdraws() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000_000).await;
    let ask = Ask { key_id: 1, user_id, now: pair.clock.now(), wallet: true, estimate: 10_000, ..Ask::default() };
    let people: Vec<_> = (0..16)
        .map(|n| {
            let app = if n % 2 == 0 { pair.one.clone() } else { pair.two.clone() };
            let ask = ask.clone();
            tokio::spawn(async move {
                let mut served = 0;
                let mut dry = 0;
                loop {
                    match admission::admit(&app, &ask).await {
                        Ok(ticket) => {
                            served += 1;
                            dry = 0;
                            let call = call(ask.user_id, 1, ask.now, 10_000);
                            settle::record(&app, call, Some(ticket)).await.expect("durable");
                        }
                        // What others hold may still come back; nothing does once all of it is spent.
                        Err(Denied::Refused(_)) if dry > 20 => return served,
                        Err(Denied::Refused(_)) => {
                            dry += 1;
                            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                        }
                        Err(Denied::Failed(error)) => panic!("{error:?}"),
                    }
                }
            })
        })
        .collect();
    let mut served = 0;
    for person in people {
        served += person.await.expect("a task");
    }
    settle::flush(&pair.one).await.expect("carried");
    settle::flush(&pair.two).await.expect("carried");
    assert_eq!(served, 100);
    let mut conn = pair.one.db.conn().await.expect("a connection");
    let user = schema::model::user::User::find(&mut conn, user_id).await.expect("a query").expect("a user");
    assert_eq!((user.balance.0, user.request_count), (0, 100));
    assert!(schema::service::wallet::check_ledger(&pair.one).await.expect("a check").is_empty());
}

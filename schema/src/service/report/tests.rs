use super::*;
use crate::clock::{DAY, HOUR};
use crate::model::rollup::{Slice, Sums};
use crate::model::usage::{Counts, Settlement};
use crate::page::{Direction, Seek, Window};
use crate::service::settle::tests::a_call;
use crate::service::usage::{self, Stat};
use crate::service::{setting, settle};
use crate::testing::{START, TestApp};
use crate::{model, money::DOLLAR};

/// Books calls right away.
async fn book(t: &TestApp, calls: Vec<Settlement>) {
    settle::start(t).await.expect("started");
    for call in calls {
        settle::submit(t, call, None).expect("taken");
    }
    settle::flush(t).await.expect("carried");
}

async fn zone(t: &TestApp, admin: &Actor, name: &str) {
    let change = [("time_zone".to_owned(), Some(name.to_owned()))].into();
    setting::put(t, admin, &change).await.expect("set");
}

fn of_model(call: Settlement, model: &str) -> Settlement {
    Settlement { model: model.to_owned(), ..call }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_are_cut_in_the_administrators_zone() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    zone(&t, &admin, "Asia/Shanghai").await;
    // START is 18:00 on the 11th in Shanghai; 17:00Z is one o'clock on the 12th.
    let calls = vec![
        a_call(ann, 1, START.plus(-19 * HOUR), 1),
        a_call(ann, 1, START, 10),
        a_call(ann, 1, START.plus(5 * HOUR), 100),
        a_call(ann, 1, START.plus(7 * HOUR), 1_000),
    ];
    book(&t, calls).await;
    let slice = Slice { from: Some(START.plus(-2 * DAY)), until: Some(START.plus(DAY)), ..Slice::default() };
    let days = series(&t, &admin, &slice, Grain::Day).await.expect("a series");
    let told: Vec<(&str, i64)> = days.iter().map(|p| (p.label.as_str(), p.sums.cost)).collect();
    assert_eq!(told, [("2025-10-09", 0), ("2025-10-10", 1), ("2025-10-11", 110), ("2025-10-12", 1_000)]);
    let hours = Slice { from: Some(START), until: Some(START.plus(2 * HOUR)), ..Slice::default() };
    let hours = series(&t, &admin, &hours, Grain::Hour).await.expect("a series");
    let told: Vec<(&str, i64)> = hours.iter().map(|p| (p.label.as_str(), p.sums.cost)).collect();
    assert_eq!(told, [("10/11 18:00", 10), ("10/11 19:00", 0)]);
    let months = Slice { from: Some(START.plus(-40 * DAY)), until: Some(START.plus(DAY)), ..Slice::default() };
    let months = series(&t, &admin, &months, Grain::Month).await.expect("a series");
    let told: Vec<(&str, i64)> = months.iter().map(|p| (p.label.as_str(), p.sums.requests)).collect();
    assert_eq!(told, [("2025-09", 0), ("2025-10", 4)]);
    // The same day by another way.
    let today = range(&t, Period::Today).of(&Slice { until: None, ..Slice::default() });
    assert_eq!(totals(&t, &admin, &today).await.expect("sums").cost, 1_110, "today and what comes after");
    let yesterday = range(&t, Period::Yesterday).of(&Slice::default());
    assert_eq!(totals(&t, &admin, &yesterday).await.expect("sums").cost, 1);
    let endless = Slice { from: Some(Time(0)), until: Some(START), ..Slice::default() };
    assert!(series(&t, &admin, &endless, Grain::Hour).await.is_err(), "no series without end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_on_which_clocks_are_changed_is_one_day() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    zone(&t, &admin, "Europe/Berlin").await;
    let at = |text: &str| Time::parse(text).expect("a time");
    // 2025-10-26 has 25 hours in Berlin, from 22:00Z on the 25th to 23:00Z on the 26th.
    let calls = vec![
        a_call(ann, 1, at("2025-10-25T21:30:00Z"), 1),
        a_call(ann, 1, at("2025-10-25T22:30:00Z"), 10),
        a_call(ann, 1, at("2025-10-26T22:30:00Z"), 100),
        a_call(ann, 1, at("2025-10-26T23:30:00Z"), 1_000),
    ];
    book(&t, calls).await;
    let slice =
        Slice { from: Some(at("2025-10-24T22:00:00Z")), until: Some(at("2025-10-27T23:00:00Z")), ..Slice::default() };
    let days = series(&t, &admin, &slice, Grain::Day).await.expect("a series");
    let told: Vec<(&str, i64)> = days.iter().map(|p| (p.label.as_str(), p.sums.cost)).collect();
    assert_eq!(told, [("2025-10-25", 1), ("2025-10-26", 110), ("2025-10-27", 1_000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_lines_and_pages_agree_with_the_totals() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await;
    let bob = t.user("bob").await;
    let (a, b) = (ann.user_id.expect("an id"), bob.user_id.expect("an id"));
    let mut calls = Vec::new();
    for n in 0..30_i64 {
        let mut call = a_call(if n % 3 == 0 { a } else { b }, n % 5 + 1, START.plus(n * HOUR), n);
        call.account_id = n % 2 + 1;
        call.dialect = if n % 2 == 0 { "openai".into() } else { "anthropic".into() };
        calls.push(of_model(call, ["x", "y", "z"][n as usize % 3]));
    }
    book(&t, calls).await;
    let all = Slice { from: Some(START), until: Some(START.plus(2 * DAY)), ..Slice::default() };
    let sums = totals(&t, &admin, &all).await.expect("sums");
    assert_eq!((sums.requests, sums.cost, sums.tokens()), (30, 435, 30 * 17));
    for by in [Dimension::Key, Dimension::Account, Dimension::User, Dimension::Model, Dimension::Dialect] {
        let found = groups(&t, &admin, &all, by, Measure::Cost, 100).await.expect("groups");
        assert_eq!(found.iter().map(|g| g.sums.cost).sum::<i64>(), 435, "{by:?}");
        assert!(found.windows(2).all(|w| w[0].sums.cost >= w[1].sums.cost), "{by:?}");
        assert_eq!(group_count(&t, &admin, &all, by).await.expect("a count"), found.len() as i64);
        let split = split_series(&t, &admin, &all, Grain::Day, by, Measure::Cost, 2).await.expect("a series");
        assert_eq!((split.groups, split.lines.len(), split.steps.len()), (found.len() as i64, 2, 3), "{by:?}");
        for (line, group) in split.lines.iter().zip(&found) {
            assert_eq!((&line.key, line.total), (&group.key, group.sums));
            assert_eq!(line.sums.iter().map(|s| s.cost).sum::<i64>(), group.sums.cost, "{by:?}");
        }
        assert_eq!(split.steps.iter().map(|p| p.sums.cost).sum::<i64>(), 435);
    }
    // A page of keys over two ranges in one statement.
    let ranges = [Range::default(), Range { from: Some(START), until: Some(START.plus(5 * HOUR)) }];
    let page = totals_of(&t, &admin, Dimension::Key, &[1, 2, 99], &ranges).await.expect("sums");
    assert_eq!(page[&1].iter().map(|s| s.cost).collect::<Vec<_>>(), [5 + 10 + 15 + 20 + 25, 0]);
    assert_eq!(page[&2].iter().map(|s| s.requests).collect::<Vec<_>>(), [6, 1]);
    assert_eq!(page[&99], [Sums::default(); 2]);

    // Everybody sees their own calls and nobody else's.
    let own = totals(&t, &ann, &all).await.expect("sums");
    assert_eq!((own.requests, own.cost), (10, 135));
    let theirs = Slice { users: Some(vec![b]), ..all.clone() };
    assert_eq!(totals(&t, &ann, &theirs).await.map_err(|e| e.code()), Err("NOT_FOUND"));
    let stranger = Actor::anonymous(crate::Face::Graphql, "", "");
    assert_eq!(totals(&t, &stranger, &all).await.map_err(|e| e.code()), Err("UNAUTHENTICATED"));
    let page = totals_of(&t, &bob, Dimension::Key, &[1], &ranges).await.expect("sums");
    assert_eq!(page[&1][0].requests, 4, "of a key, one's own calls");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_cost_add_up_and_models_are_ranked() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let mut calls =
        vec![of_model(a_call(ann, 1, START, 3), "rare"), of_model(a_call(ann, 1, START.plus(-30 * DAY), 3), "often")];
    for n in 0..3 {
        let mut call = of_model(a_call(ann, 1, START.plus(n), 186), "often");
        call.counts =
            Counts { input: 12, output: 9, cache_write_5m: 2, cache_write_1h: 1, cache_read: 5, ..Counts::default() };
        calls.push(call);
    }
    book(&t, calls).await;
    let today = range(&t, Period::Today).of(&Slice::default());
    let report = costs(&t, &admin, &today).await.expect("costs");
    assert_eq!(report.models.iter().map(|m| m.model.as_str()).collect::<Vec<_>>(), ["often", "rare"]);
    let often = report.models[0].costs;
    // 36 + 135 + 7.5 + 6 + 1.5, three times.
    assert_eq!((often.input, often.output, often.cache_write(), often.cache_read), (108, 406, 40, 4));
    assert_eq!(often.total, 558);
    assert_eq!(often.input + often.output + often.cache_write() + often.cache_read + often.other, often.total);
    assert_eq!(report.total.total, 561);

    let board = leaderboard(&t, &admin, Period::Today, None, 10).await.expect("a board");
    let told: Vec<(i64, &str, i64)> = board.iter().map(|r| (r.place, r.model.as_str(), r.sums.requests)).collect();
    assert_eq!(told, [(1, "often", 3), (2, "rare", 1)]);
    assert_eq!(board[0].share, 75.0);
    let chat = Some(model::catalog::Category::ALL[0]);
    assert!(leaderboard(&t, &admin, Period::Today, chat, 10).await.expect("a board").is_empty(), "nothing is known");
    assert_eq!(split(&Sums { cost: DOLLAR, ..Sums::default() }, None).other, DOLLAR, "a cost without tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dashboard_shows_now_and_ever() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await;
    let id = ann.user_id.expect("an id");
    let mut failed = a_call(id, 1, START, 4);
    failed.status = 502;
    book(&t, vec![a_call(id, 1, START.plus(-40 * DAY), 1), a_call(id, 2, START.plus(-DAY), 2), failed]).await;
    let seen = overview(&t, &admin).await.expect("an overview");
    assert_eq!((seen.all.requests, seen.month.requests, seen.yesterday.requests, seen.today.requests), (3, 2, 1, 1));
    assert_eq!((seen.today.errors, seen.active_keys, seen.active_users, seen.active_accounts), (1, 1, 1, 0));
    assert_eq!(seen.average_rpm, 1.0 / 600.0, "one call since midnight, ten hours ago");
    assert!(overview(&t, &ann).await.is_err());
    let mut tries = 0;
    loop {
        let now = realtime(&t, &admin, 5).await.expect("figures");
        if now.requests == 3 && !now.historical {
            assert_eq!((now.rpm(), now.tpm()), (0.6, 3.0 * 17.0 / 5.0));
            break;
        }
        tries += 1;
        assert!(tries < 100, "{now:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    t.advance(10 * 60_000);
    assert!(realtime(&t, &admin, 5).await.expect("figures").historical);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_calls_are_listed_counted_and_removed() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await;
    let bob = t.user("bob").await;
    let (a, b) = (ann.user_id.expect("an id"), bob.user_id.expect("an id"));
    let mut calls = Vec::new();
    for n in 0..25_i64 {
        let mut call = a_call(if n < 20 { a } else { b }, 1, START.plus(-n * 60_000), n);
        call.duration_ms = 1_000 - n;
        call.meta = format!(r#"{{"accountBookId": "b{}"}}"#, n % 2);
        if n == 3 {
            call.error_code = "boom".into();
        }
        calls.push(call);
    }
    let third = calls[3].call_id.clone();
    book(&t, calls).await;
    let mut seek = Seek { take: 10, ..Seek::default() };
    let mut costs = Vec::new();
    loop {
        let page = usage::list(&t, &ann, &usage_filter(), &seek).await.expect("a page");
        costs.extend(page.rows.iter().map(|r| r.cost.0));
        if !page.has_next {
            break;
        }
        seek.after = page.rows.last().map(model::usage::UsageRow::cursor);
    }
    assert_eq!(costs, (0..20).collect::<Vec<_>>(), "newest first, one's own, none twice");
    let back = Seek { take: 3, after: seek.after.clone(), backward: true };
    let back = usage::list(&t, &ann, &usage_filter(), &back).await.expect("a page");
    assert_eq!(back.rows.iter().map(|r| r.cost.0).collect::<Vec<_>>(), [6, 7, 8]);

    let by = |f: model::usage::UsageFilter| {
        let (app, actor) = (t.app.clone(), admin.clone());
        async move {
            let window = Window { limit: 2, offset: 1 };
            let order = (model::usage::UsageOrder::Duration, Direction::Asc);
            let page = usage::pages(&app, &actor, &f, order, window).await.expect("a page");
            (page.total, page.rows.iter().map(|r| r.cost.0).collect::<Vec<_>>())
        }
    };
    assert_eq!(by(usage_filter()).await, (25, vec![23, 22]));
    let failed = model::usage::UsageFilter { failed: Some(true), ..usage_filter() };
    assert_eq!(by(failed).await.0, 1);
    let book = model::usage::UsageFilter { meta: Some(("accountBookId".into(), "b1".into())), ..usage_filter() };
    assert_eq!(by(book).await, (12, vec![21, 19]));
    let found = model::usage::UsageFilter { search: Some("boo".into()), ..usage_filter() };
    assert_eq!(by(found).await.0, 1);
    let from = model::usage::UsageFilter { from: Some(START.plus(-5 * 60_000)), ..usage_filter() };
    assert_eq!(by(from).await.0, 6, "counted from single calls where an hour is too coarse");

    let stat = usage::stat(&t, &admin, &usage_filter()).await.expect("figures");
    assert_eq!((stat.sums.requests, stat.sums.cost, stat.sums.errors), (25, 300, 1));
    assert_eq!((stat.rpm, stat.tpm), (2, 34));
    assert_ne!(stat, Stat::default());

    assert_eq!(usage::get(&t, &ann, &third).await.expect("a call").error_code, "boom");
    assert_eq!(usage::get(&t, &bob, &third).await.map(|_| ()).map_err(|e| e.code()), Err("NOT_FOUND"));
    assert!(usage::contents(&t, &admin, std::slice::from_ref(&third)).await.expect("contents").is_empty());
    assert!(usage::contents(&t, &ann, &[third]).await.is_err());

    t.advance(181 * DAY);
    let gone = usage::purge_due(&t).await.expect("purged");
    assert_eq!(gone, 25);
    let after = usage::stat(&t, &admin, &usage_filter()).await.expect("figures");
    assert_eq!(after.sums.requests, 0);
    assert_eq!(totals(&t, &admin, &Slice::default()).await.expect("sums").requests, 25, "the sums stay");
}

fn usage_filter() -> model::usage::UsageFilter {
    model::usage::UsageFilter::default()
}

//! Two processes that carry their journals into one database.

use schema::model::usage::Recorded;
use schema::service::{journal, settle, wallet};
use schema::{App, bus::Event};

use crate::{Pair, call};

/// Usage rows, hourly requests, hourly cost, totals' requests, contents.
async fn books(app: &App) -> Vec<i64> {
    let url = app.config.database.url.reveal();
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
    let task = tokio::spawn(connection);
    let row = client
        .query_one(
            "SELECT (SELECT count(*) FROM usage), (SELECT coalesce(sum(requests), 0)::bigint FROM usage_hourly), \
             (SELECT coalesce(sum(cost), 0)::bigint FROM usage_hourly), \
             (SELECT coalesce(sum(requests), 0)::bigint FROM usage_totals), (SELECT count(*) FROM call_contents)",
            &[],
        )
        .await
        .expect("sums");
    task.abort();
    (0..5).map(|i| row.get(i)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_settle_the_same_calls_book_each_once() {
    let Some(pair) = Pair::start().await else { return };
    let mut users = Vec::new();
    for name in ["ann", "bob", "cat", "dan"] {
        users.push(pair.user(name, 1_000_000).await);
    }
    let mut listener = pair.two.bus.listen();
    let now = pair.clock.now();
    let calls: Vec<_> = (0..2_000)
        .map(|n| {
            let user = users[n % users.len()];
            let mut call = call(user, user * 10 + (n % 3) as i64, now.plus(n as i64 * 1_000), 5);
            call.content = (n % 100 == 0).then(|| Recorded { user_message: "hello".into(), ..Recorded::default() });
            call
        })
        .collect();
    let shares: Vec<_> = [&pair.one, &pair.two]
        .into_iter()
        .map(|app| {
            let (app, calls) = (app.clone(), calls.clone());
            tokio::spawn(async move {
                for call in calls {
                    settle::submit(&app, call, None).expect("taken");
                }
                settle::flush(&app).await.expect("carried");
            })
        })
        .collect();
    for share in shares {
        share.await.expect("a task");
    }
    assert_eq!(books(&pair.one).await, [2_000, 2_000, 10_000, 2_000, 0], "and nothing said is kept unasked");
    assert!(wallet::check_ledger(&pair.one).await.expect("a check").is_empty());
    let mut conn = pair.one.db.conn().await.expect("a connection");
    for id in users {
        let user = schema::model::user::User::find(&mut conn, id).await.expect("a query").expect("a user");
        assert_eq!((user.balance.0, user.spent.0, user.request_count), (997_500, 2_500, 500));
    }
    // What the first process settled is told in the second.
    let mut from_other = 0;
    while let Ok(Some(event)) = tokio::time::timeout(std::time::Duration::from_millis(300), listener.next()).await {
        from_other += i64::from(matches!(&*event, Event::Used(_)));
    }
    assert!(from_other > 2_000, "{from_other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_booked_does_not_hold_up_the_others() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 1_000).await;
    let url = pair.one.config.database.url.reveal();
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
    let task = tokio::spawn(connection);
    client
        .batch_execute("ALTER TABLE usage ADD CONSTRAINT odd CHECK (operation <> 'odd')")
        .await
        .expect("a rule no call should break");
    let mut odd = call(user_id, 1, pair.clock.now(), 1);
    odd.operation = "odd".into();
    for n in 0..5 {
        settle::submit(&pair.one, call(user_id, 1, pair.clock.now().plus(n), 1), None).expect("taken");
    }
    settle::submit(&pair.one, odd.clone(), None).expect("taken");
    for n in 5..10 {
        settle::submit(&pair.one, call(user_id, 1, pair.clock.now().plus(n), 1), None).expect("taken");
    }
    settle::flush(&pair.one).await.expect("carried");
    assert_eq!(books(&pair.one).await[..2], [10, 10]);
    let aside = std::fs::read_to_string(pair.one.config.data_dir.join("journal/refused.jsonl")).expect("set aside");
    let kept: settle::Settlement = serde_json::from_str(aside.trim()).expect("the call");
    assert_eq!(kept, odd, "and a person can look at it");
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_and_comes_back_loses_nothing() {
    let Some(pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 10_000).await;
    let url = pair.one.config.database.url.reveal().to_owned();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.expect("a connection");
    let task = tokio::spawn(connection);
    for n in 0..300 {
        settle::record(&pair.one, call(user_id, 1, pair.clock.now().plus(n), 1), None).await.expect("durable");
        if n % 50 == 0 {
            // Every other session is cut, the writer's in the middle of whatever it does.
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE datname = current_database() AND pid <> pg_backend_pid()";
            client.batch_execute(cut).await.expect("cut");
        }
    }
    settle::flush(&pair.one).await.expect("carried");
    assert_eq!(books(&pair.one).await[..3], [300, 300, 300]);
    assert!(wallet::check_ledger(&pair.one).await.expect("a check").is_empty());
    task.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_process_of_a_machine_carries_what_a_dead_one_left() {
    let Some(mut pair) = Pair::start().await else { return };
    let user_id = pair.user("ann", 10_000).await;
    let third = pair.another().await;
    third.shut_down().await;
    // The folder of a process that died with calls in its journal.
    let dir = third.config.data_dir.join("journal");
    let (slot, _) = journal::claim(&dir).expect("a slot");
    let dead =
        journal::Journal::open(slot, journal::Bounds::default(), |_: &[settle::Settlement]| {}).expect("a journal");
    for n in 0..100 {
        dead.submit(call(user_id, 1, pair.clock.now().plus(n), 1)).expect("taken");
    }
    dead.close().await;
    drop(dead);
    let again = App::connect_at(third.config.clone(), pair.clock.clone()).await.expect("the application connects");
    settle::start(&again).await.expect("started");
    assert_eq!(books(&again).await[..3], [100, 100, 100]);
    again.shut_down().await;
}

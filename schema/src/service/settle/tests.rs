use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::*;
use crate::clock::{HOUR, Time};
use crate::model::api_key::{ApiKey, ExpiryMode, KeyStatus, NewApiKey, Permissions};
use crate::money::Micros;
use crate::on;
use crate::service::wallet;
use crate::table::{call_contents, usage, usage_hourly, usage_totals};
use crate::testing::TestApp;

pub(crate) async fn a_key(t: &TestApp, user_id: i64, name: &str) -> i64 {
    let now = t.clock.now();
    let new = NewApiKey {
        uid: crate::id::uuid(),
        user_id,
        name: name.to_owned(),
        description: String::new(),
        digest: crate::id::digest(&crate::id::uuid()),
        prefix: "sk-".to_owned(),
        hint: "sk-…".to_owned(),
        source: "test".to_owned(),
        status: KeyStatus::Active,
        permissions: Permissions::All,
        group_name: None,
        bindings: Default::default(),
        limits: Default::default(),
        rules: Default::default(),
        tags: Default::default(),
        budget: None,
        expires_at: None,
        expiry_mode: ExpiryMode::Fixed,
        activate_ms: None,
        created_by: String::new(),
        extra: Default::default(),
        created_at: now,
        updated_at: now,
    };
    let mut conn = t.db.conn().await.expect("a connection");
    ApiKey::insert(&mut conn, &new).await.expect("a key").id
}

pub(crate) fn a_call(user_id: i64, key_id: i64, at: Time, cost: i64) -> Settlement {
    Settlement {
        call_id: crate::id::uuid(),
        at,
        user_id,
        key_id,
        account_id: 0,
        model: "m".to_owned(),
        dialect: "openai".to_owned(),
        operation: "chat".to_owned(),
        status: 200,
        counts: Counts { input: 10, output: 5, cache_read: 2, ..Counts::default() },
        cost,
        raw_cost: cost,
        from_wallet: true,
        duration_ms: 40,
        ..Settlement::default()
    }
}

/// Calls, their summed cost, hourly requests and cost, total requests, contents.
async fn books(app: &App) -> (i64, i64, i64, i64, i64, i64) {
    let mut conn = app.db.conn().await.expect("a connection");
    let rows: Vec<i64> = on!(&mut conn, |c| usage::table.select(usage::cost).load(c).await).expect("rows");
    let hourly: Vec<(i64, i64)> =
        on!(&mut conn, |c| usage_hourly::table.select((usage_hourly::requests, usage_hourly::cost)).load(c).await)
            .expect("rows");
    let totals: Vec<i64> =
        on!(&mut conn, |c| usage_totals::table.select(usage_totals::requests).load(c).await).expect("rows");
    let contents: i64 = on!(&mut conn, |c| call_contents::table.count().get_result(c).await).expect("a count");
    (
        rows.len() as i64,
        rows.iter().sum(),
        hourly.iter().map(|h| h.0).sum(),
        hourly.iter().map(|h| h.1).sum(),
        totals.iter().sum(),
        contents,
    )
}

async fn user(t: &TestApp, id: i64) -> crate::model::user::User {
    let mut conn = t.db.conn().await.expect("a connection");
    crate::model::user::User::find(&mut conn, id).await.expect("a query").expect("a user")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_moves_everything_once_and_the_ledger_adds_up() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let key = a_key(&t, ann, "k").await;
    wallet::adjust(&t, &admin, ann, Micros(1_000), "start", None).await.expect("money");
    start(&t).await.expect("started");
    let mut listener = t.bus.listen();
    let now = t.clock.now();
    let mut calls: Vec<Settlement> = (0..20).map(|n| a_call(ann, key, now.plus(n), 7)).collect();
    calls[0].status = 500;
    calls[1].at = now.plus(HOUR);
    calls[2].from_wallet = false;
    for call in &calls {
        record(&t, call.clone(), None).await.expect("durable");
    }
    // The same calls again, at once and later, change nothing.
    for call in &calls {
        submit(&t, call.clone(), None).expect("taken");
    }
    flush(&t).await.expect("carried");
    record(&t, calls[3].clone(), None).await.expect("durable");
    flush(&t).await.expect("carried");

    assert_eq!(books(&t).await, (20, 140, 20, 140, 20, 0));
    let ann = user(&t, ann).await;
    assert_eq!((ann.balance, ann.spent, ann.request_count), (Micros(1_000 - 133), Micros(140), 20));
    assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
    let mut conn = t.db.conn().await.expect("a connection");
    let key = ApiKey::find(&mut conn, key).await.expect("a query").expect("a key");
    assert_eq!((key.spent, key.request_count), (Micros(140), 20));
    assert_eq!(key.last_used_at, Some(now.plus(HOUR)));

    let (mut used, mut moved) = (0, 0);
    while (used, moved) != (41, -133)
        && let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(5), listener.next()).await
    {
        match &*event {
            Event::Used(_) => used += 1,
            Event::WalletChanged(w) => moved += w.amount,
            _ => {}
        }
    }
    // Nothing is told twice.
    while let Ok(Some(event)) = tokio::time::timeout(Duration::from_millis(100), listener.next()).await {
        assert!(!matches!(&*event, Event::Used(_) | Event::WalletChanged(_)), "{event:?}");
    }
    assert_eq!(used, 41, "told when settled, not when booked");
    assert_eq!(moved, -133);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_database_loses_nothing() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let dir = t.config.data_dir.join("journal");
    // A process that wrote its journal and died before its writer came to it.
    let (slot, _) = journal::claim(&dir).expect("a slot");
    let dead: Journal<Settlement> = Journal::open(slot, journal::Bounds::default(), |_| {}).expect("a journal");
    for n in 0..1200 {
        dead.submit(a_call(ann, 1, t.clock.now().plus(n), 3)).expect("taken");
    }
    dead.close().await;
    drop(dead);

    start(&t).await.expect("started");
    assert_eq!(books(&t).await, (1200, 3600, 1200, 3600, 1200, 0), "carried before the first new call");
    assert_eq!(user(&t, ann).await.balance, Micros(-3600));
    assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_commit_books_nothing_twice() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let calls: Vec<Settlement> = (0..50).map(|n| a_call(ann, 1, t.clock.now().plus(n), 3)).collect();
    let dir = t.config.data_dir.join("journal");
    let (slot, _) = journal::claim(&dir).expect("a slot");
    let dead: Journal<Settlement> = Journal::open(slot, journal::Bounds::default(), |_| {}).expect("a journal");
    for call in &calls {
        dead.submit(call.clone()).expect("taken");
    }
    dead.sync().await.expect("durable");
    // Booked, but the note in the journal never came.
    let (taken, _) = dead.take(1000).await.expect("records");
    assert_eq!(taken, calls);
    carry::book(&t, &Arc::new(taken)).await.expect("booked");
    dead.close().await;
    drop(dead);

    start(&t).await.expect("started");
    assert_eq!(books(&t).await, (50, 150, 50, 150, 50, 0));
    assert_eq!(user(&t, ann).await.balance, Micros(-150));
    stop(&t).await;
    let (own, left) = journal::claim(&dir).expect("a slot");
    assert!(left.is_empty() && journal::Slot::first(&own).expect("readable").is_none(), "and nothing is left to carry");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_carries_what_is_left_and_refuses_the_rest() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let refused = record(&t, a_call(ann, 1, t.clock.now(), 1), None).await;
    assert_eq!(refused.map_err(|e| e.code()), Err("UNAVAILABLE"), "before the start");
    start(&t).await.expect("started");
    for n in 0..30 {
        submit(&t, a_call(ann, 1, t.clock.now().plus(n), 1), None).expect("taken");
    }
    t.app.shut_down().await;
    assert_eq!(books(&t).await.0, 30);
    let refused = record(&t, a_call(ann, 1, t.clock.now(), 1), None).await;
    assert_eq!(refused.map_err(|e| e.code()), Err("UNAVAILABLE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_holds_nobody_up_and_loses_nothing() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    start(&t).await.expect("started");
    // Somebody holds the one writer's place.
    let blocking = t.db.begin().await.expect("a transaction");
    for n in 0..600 {
        record(&t, a_call(ann, 1, t.clock.now().plus(n), 1), None).await.expect("durable all the same");
        if n == 100 {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
    assert_eq!(books(&t).await.0, 0);
    blocking.rollback().await.expect("let go");
    flush(&t).await.expect("carried");
    assert_eq!(books(&t).await.0, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_journal_refuses_new_calls_but_books_those_under_way() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let bounds = journal::Bounds { most_bytes: 4_000, ..journal::Bounds::default() };
    start_with(&t, bounds).await.expect("started");
    let mut listener = t.bus.listen();
    let blocking = t.db.begin().await.expect("a transaction");
    for n in 0..20 {
        record(&t, a_call(ann, 1, t.clock.now().plus(n), 1), None).await.expect("durable");
    }
    assert_eq!(accepts(&t).map_err(|e| e.code()), Err("UNAVAILABLE"));
    blocking.rollback().await.expect("let go");
    flush(&t).await.expect("carried");
    assert_eq!(books(&t).await.0, 20);
    let mut alarmed = false;
    while !alarmed && let Ok(Some(event)) = tokio::time::timeout(Duration::from_secs(5), listener.next()).await {
        alarmed = matches!(&*event, Event::Alert { code, .. } if code == "JOURNAL_FILLING");
    }
    assert!(alarmed, "the administrator was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_from_a_vendor_is_made_to_fit() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    start(&t).await.expect("started");
    let mut call = a_call(ann, 1, t.clock.now(), -5);
    call.model = format!("m\0{}", "é".repeat(500));
    call.counts.output = i64::MAX;
    call.meta = "not json".to_owned();
    call.content = Some(Recorded { user_message: "secret".into(), ..Recorded::default() });
    record(&t, call, None).await.expect("durable");
    flush(&t).await.expect("carried");
    let (calls, cost, .., contents) = books(&t).await;
    assert_eq!((calls, cost, contents), (1, 0, 0), "and nothing said is kept while recording is off");

    let admin = t.admin().await;
    let changes = [(names::RECORD_CONTENT, "true"), (names::RECORD_CONTENT_CHARS, "100")];
    let changes = changes.map(|(n, v)| (n.to_owned(), Some(v.to_owned()))).into();
    setting::put(&t, &admin, &changes).await.expect("set");
    let mut call = a_call(ann, 1, t.clock.now(), 5);
    call.content = Some(Recorded { user_message: "long ".repeat(100), ..Recorded::default() });
    record(&t, call, None).await.expect("durable");
    flush(&t).await.expect("carried");
    let mut conn = t.db.conn().await.expect("a connection");
    let said: Vec<String> =
        on!(&mut conn, |c| call_contents::table.select(call_contents::user_message).load(c).await).expect("rows");
    assert_eq!(said.iter().map(String::len).collect::<Vec<_>>(), [100]);
}

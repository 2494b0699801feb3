use super::*;
use crate::model::rollup::Slice;
use crate::model::task::TaskFilter;
use crate::page::Seek;
use crate::service::settle::tests::{a_call, a_key};
use crate::service::{report, settle};
use crate::testing::TestApp;

fn a_begun(t: &TestApp, user_id: i64) -> Begun {
    Begun {
        uid: String::new(),
        call_id: String::new(),
        user_id,
        key_id: 1,
        account_id: 1,
        platform: "midjourney".into(),
        action: "imagine".into(),
        model: "mj_imagine".into(),
        request: serde_json::Map::new(),
        cost: Micros::ZERO,
        from_wallet: true,
        notify_url: None,
        poll_at: t.clock.now(),
    }
}

async fn a_task(t: &TestApp, user_id: i64, key_id: i64, cost: i64) -> (Task, settle::Settlement) {
    let call = a_call(user_id, key_id, t.clock.now(), cost);
    let begun = Begun { call_id: call.call_id.clone(), key_id, cost: Micros(cost), ..a_begun(t, user_id) };
    (begin(t, begun).await.expect("a task"), call)
}

fn in_a_minute(_: &Task, now: Time) -> Time {
    now.plus(60_000)
}

fn failed() -> News {
    News { status: Some(TaskStatus::Failed), fail_reason: Some("no".into()), ..News::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_is_refunded_exactly_once() {
    let t = TestApp::new().await;
    let admin = t.admin().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let key = a_key(&t, ann, "k").await;
    wallet::adjust(&t, &admin, ann, Micros(1_000), "start", None).await.expect("money");
    settle::start(&t).await.expect("started");
    let (task, call) = a_task(&t, ann, key, 300).await;
    let running = News { status: Some(TaskStatus::Running), progress: Some(140), ..News::default() };
    let task = advance(&t, &task, running).await.expect("an answer").expect("moved");
    assert_eq!((task.progress, task.started_at.is_some()), (100, true));

    // It fails before the call is in the books: there is nothing to give back yet.
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let (app, task) = (t.app.clone(), task.clone());
            tokio::spawn(async move { advance(&app, &task, failed()).await.expect("an answer").is_some() })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += i32::from(racer.await.expect("a task"));
    }
    assert_eq!(winners, 1, "one of many who saw it fail");
    assert_eq!(refund_due(&t).await.expect("a round"), 0);
    settle::record(&t, call, None).await.expect("durable");
    settle::flush(&t).await.expect("carried");
    let rounds: Vec<_> = (0..4)
        .map(|_| {
            let app = t.app.clone();
            tokio::spawn(async move { refund_due(&app).await.expect("a round") })
        })
        .collect();
    let mut given = 0;
    for round in rounds {
        given += round.await.expect("a task");
    }
    assert_eq!(given, 1, "refunded once");

    let mut conn = t.db.conn().await.expect("a connection");
    let user = crate::model::user::User::find(&mut conn, ann).await.expect("a query").expect("a user");
    assert_eq!((user.balance, user.spent), (Micros(1_000), Micros(0)));
    let spent = crate::model::rollup::key_spent(&mut conn, key).await.expect("a query");
    assert_eq!(spent, Some(0), "the key's budget too");
    let sums = report::totals(&t, &admin, &Slice::default()).await.expect("sums");
    assert_eq!((sums.requests, sums.cost), (1, 0));
    let by_key = Slice { keys: Some(vec![key]), ..Slice::default() };
    assert_eq!(report::totals(&t, &admin, &by_key).await.expect("sums").cost, 0);
    assert!(wallet::check_ledger(&t).await.expect("a check").is_empty());
    let task = get(&t, &admin, &task.uid).await.expect("a task");
    assert!(task.refunded_at.is_some());
    assert!(advance(&t, &task, News::default()).await.expect("an answer").is_none(), "it has ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn due_tasks_are_claimed_by_one_and_old_ones_fail() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    let bob = t.user("bob").await;
    let id = ann.user_id.expect("an id");
    let (task, _) = a_task(&t, id, 1, 0).await;
    assert_eq!(claim_due(&t, 10, in_a_minute).await.expect("tasks").len(), 1);
    assert!(claim_due(&t, 10, in_a_minute).await.expect("tasks").is_empty(), "held");
    t.advance(61_000);
    let again = claim_due(&t, 10, in_a_minute).await.expect("tasks");
    assert_eq!(again[0].polls, 2);

    assert_eq!(get(&t, &bob, &task.uid).await.map(|_| ()).map_err(|e| e.code()), Err("NOT_FOUND"));
    assert!(of_user(&t, bob.user_id.expect("an id"), &task.uid).await.is_err());
    assert_eq!(of_user(&t, id, &task.uid).await.expect("a task").id, task.id);
    let seek = Seek::default();
    assert_eq!(list(&t, &ann, &TaskFilter::default(), &seek).await.expect("a page").rows.len(), 1);
    assert!(list(&t, &bob, &TaskFilter::default(), &seek).await.expect("a page").rows.is_empty());

    postpone(&t, &task, t.clock.now()).await.expect("a moment");
    assert_eq!(claim_due(&t, 10, in_a_minute).await.expect("tasks").len(), 1, "due again at once");

    assert_eq!(expire_due(&t).await.expect("a round"), 0);
    t.advance(2 * DAY);
    assert_eq!(expire_due(&t).await.expect("a round"), 1);
    assert_eq!(get(&t, &ann, &task.uid).await.expect("a task").status, TaskStatus::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn news_are_told_until_they_arrive_and_newer_news_again() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await.user_id.expect("an id");
    let begun = Begun {
        notify_url: Some("http://example.com/hook".into()),
        uid: "u1".into(),
        call_id: "c1".into(),
        ..a_begun(&t, ann)
    };
    let task = begin(&t, begun).await.expect("a task");
    let silent = begin(&t, Begun { call_id: "c2".into(), ..a_begun(&t, ann) }).await.expect("a task");
    assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "nothing has happened yet");
    let running = || News { status: Some(TaskStatus::Running), ..News::default() };
    advance(&t, &silent, running()).await.expect("an answer");
    let task = advance(&t, &task, running()).await.expect("an answer").expect("moved");
    let first = claim_tellings(&t, 10, 60_000).await.expect("tasks");
    assert_eq!((first.len(), first[0].id), (1, task.id));
    assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "held");
    told(&t, &first[0], false).await.expect("noted");
    assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "not at once");
    t.advance(TELL_AGAIN_MS + 1);
    let again = claim_tellings(&t, 10, 60_000).await.expect("tasks");
    assert_eq!(again[0].notify_tries, 2);
    // It ends while the last news are on their way.
    advance(&t, &task, failed()).await.expect("an answer").expect("moved");
    told(&t, &again[0], true).await.expect("noted");
    let newest = claim_tellings(&t, 10, 60_000).await.expect("tasks");
    assert_eq!((newest[0].status, newest[0].notify_tries), (TaskStatus::Failed, 1));
    told(&t, &newest[0], true).await.expect("noted");
    t.advance(DAY);
    assert!(claim_tellings(&t, 10, 60_000).await.expect("tasks").is_empty(), "all is told");
    let mine = many_of_user(&t, ann, "midjourney", vec!["u1".into(), "x".into()]).await.expect("tasks");
    assert_eq!(mine.len(), 1);
    assert!(many_of_user(&t, ann, "suno", vec!["u1".into()]).await.expect("tasks").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn films_from_pictures_are_found_as_such() {
    let t = TestApp::new().await;
    let ann = t.user("ann").await;
    let id = ann.user_id.expect("an id");
    for (request, pictured) in [
        (serde_json::json!({ "prompt": "a", "image": "https://example.com/a.png" }), true),
        (serde_json::json!({ "images": ["https://example.com/a.png"] }), true),
        (serde_json::json!({ "input_reference": { "image_url": "https://example.com/a.png" } }), true),
        (serde_json::json!({ "metadata": { "image_tail": "x" } }), true),
        (serde_json::json!({ "prompt": "say \"image\":\"x\"", "image": "", "images": [] }), false),
        (serde_json::json!({ "image": null, "ximage": "x" }), false),
        (serde_json::json!({}), false),
    ] {
        let serde_json::Value::Object(request) = request else { panic!("an object") };
        let begun = Begun { call_id: crate::id::uuid(), request, ..a_begun(&t, id) };
        let task = begin(&t, begun).await.expect("a task");
        assert_eq!(task.is_pictured(), pictured, "{:?}", task.request);
    }
    for (pictured, many) in [(true, 4), (false, 3)] {
        let filter = TaskFilter { pictured: Some(pictured), ..TaskFilter::default() };
        let found = list(&t, &ann, &filter, &Seek::default()).await.expect("a page").rows;
        assert_eq!(found.len(), many);
        assert!(found.iter().all(|task| task.is_pictured() == pictured));
    }
}

//! What a task costs is paid once, and given back exactly once when it fails, whatever dies in between.

use std::time::Duration;

use futures_util::future::join_all;
use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use schema::model::task::TaskStatus;
use schema::model::usage::batch::Settlement;
use schema::service::task::{self, Begun};
use schema::service::{settle, wallet};
use schema::{Micros, Time};
use serde_json::json;

use super::{account, balance, finish, imagine, mj_id, row, served, text};
use crate::world::{Caller, World};

async fn sound(world: &World) {
    assert!(wallet::check_ledger(&world.t.app).await.unwrap().is_empty(), "the ledger is whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_many_see_is_refunded_once() {
    let (world, fake, ann) = served(Vendor::Midjourney).await;
    fake.fail_tasks(true);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(mj_id(&imagine(&ann).await));
    }
    world.booked_when(4).await;
    assert_eq!(balance(&world, &ann).await, 9_600_000);
    let peer = world.t.peer().await;
    for _ in 0..12 {
        world.t.app.clock.advance(10_000);
        let rounds = (0..6).map(|n| {
            let app = if n % 2 == 0 { world.t.app.clone() } else { peer.app.clone() };
            async move {
                relay::task::poll::round(&app).await.unwrap();
                task::refund_due(&app).await.unwrap();
            }
        });
        join_all(rounds).await;
    }
    for id in &ids {
        let task = row(&world, id).await;
        assert_eq!((task.status, task.refunded_at.is_some()), (TaskStatus::Failed, true));
        let shown = ann.http.get(&format!("/mj/task/{id}/fetch")).await.json();
        assert_eq!((text(&shown, "/status"), text(&shown, "/data/status")), ("FAILURE", "failed"));
        assert!(text(&shown, "/failReason").contains("Invalid parameter"), "{shown}");
    }
    assert_eq!(balance(&world, &ann).await, 10_000_000, "every one was given back, none twice");
    assert!(world.booked().await.iter().all(|row| row["cost"] == 0), "the books agree");
    sound(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_that_does_not_take_a_task_costs_nothing() {
    let (world, fake, ann) = served(Vendor::Suno).await;
    fake.always(Some(Step::refuse(500)));
    let refused = ann.http.post("/suno/submit/music", json!({"prompt": "a"})).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(refused.json()["code"].is_string() && !refused.header("retry-after").is_empty());
    let booked = world.booked_when(1).await;
    assert_eq!(booked[0]["cost"], 0);
    assert_eq!(balance(&world, &ann).await, 10_000_000);
    // Another account takes it where there is one.
    let second = FakeUpstream::start(Vendor::Suno).await;
    let good = account(&world, &second, Vendor::Suno).await;
    let taken = ann.http.post("/suno/submit/music", json!({"prompt": "a"})).await.json();
    let id = text(&taken, "/data/task_id").to_owned();
    let task = finish(&world, &id).await;
    assert_eq!((task.account_id, task.status), (good.id, TaskStatus::Succeeded));
    // An answer that names no task is no consent.
    second.always(Some(Step::raw(200, "application/json", r#"{"code":"success","data":null}"#)));
    let lost = ann.http.post("/suno/submit/music", json!({"prompt": "a"})).await;
    assert_eq!((lost.status.as_u16(), lost.json()["success"].as_bool()), (502, Some(false)), "{}", lost.text);
    world.booked_when(3).await;
    assert_eq!(balance(&world, &ann).await, 9_900_000, "one was paid");
    sound(&world).await;
}

/// The row that a process leaves which dies while it hands a task in.
async fn orphan(world: &World, ann: &Caller, account_id: i64, call_id: &str) -> String {
    let begun = Begun {
        uid: format!("orphan-{call_id}"),
        call_id: call_id.into(),
        user_id: ann.key.user_id,
        key_id: ann.key.id,
        account_id,
        platform: "midjourney".into(),
        action: "IMAGINE".into(),
        model: "mj_imagine".into(),
        request: serde_json::Map::new(),
        cost: Micros(100_000),
        from_wallet: true,
        notify_url: None,
        poll_at: world.t.app.clock.now().plus(600_000),
    };
    task::begin(&world.t.app, begun).await.unwrap().uid
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_left_is_repaired() {
    let (world, fake, ann) = served(Vendor::Midjourney).await;
    let account_id = schema::service::directory::accounts(&world.t.app).iter().next().unwrap().account.id;
    // One died before it had booked, one after.
    let unbooked = orphan(&world, &ann, account_id, "call-unbooked").await;
    let booked = orphan(&world, &ann, account_id, "call-booked").await;
    let call = Settlement {
        call_id: "call-booked".into(),
        at: world.t.app.clock.now(),
        user_id: ann.key.user_id,
        key_id: ann.key.id,
        account_id,
        model: "mj_imagine".into(),
        dialect: "midjourney".into(),
        operation: "task_submit".into(),
        status: 200,
        cost: 100_000,
        raw_cost: 100_000,
        from_wallet: true,
        ..Settlement::default()
    };
    settle::record(&world.t.app, call, None).await.unwrap();
    world.booked_when(1).await;
    assert_eq!(balance(&world, &ann).await, 9_900_000);
    relay::task::poll::round(&world.t.app).await.unwrap();
    assert_eq!(row(&world, &booked).await.status, TaskStatus::Created, "it may still be under way");
    world.t.app.clock.advance(601_000);
    for id in [&unbooked, &booked] {
        let task = finish(&world, id).await;
        assert_eq!(task.status, TaskStatus::Failed);
    }
    for _ in 0..3 {
        task::refund_due(&world.t.app).await.unwrap();
    }
    assert_eq!(balance(&world, &ann).await, 10_000_000, "what was booked came back, what was not did not");
    assert!(fake.requests().is_empty(), "nobody asked the vendor for what it never had");
    sound(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_asking() {
    let (mut world, fake, ann) = served(Vendor::Kling).await;
    fake.finish_tasks_after(4);
    let asked = json!({"model_name": "kling-v1", "prompt": "a"});
    let body = ann.http.post("/kling/v1/videos/text2video", asked).await.json();
    let id = text(&body, "/data/task_id").to_owned();
    world.t.app.clock.advance(5_000);
    relay::task::poll::round(&world.t.app).await.unwrap();
    assert!(!row(&world, &id).await.status.is_final());
    world.t = world.t.restart().await;
    let task = finish(&world, &id).await;
    assert_eq!(task.status, TaskStatus::Succeeded);
    let ann = harness::Client::new(&world.t.url, ann.http.token.as_deref());
    let done = ann.get(&format!("/kling/v1/videos/text2video/{id}")).await.json();
    assert_eq!(text(&done, "/data/task_status"), "succeed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_never_ends_fails_in_time_and_a_lost_one_sooner() {
    let (world, fake, ann) = served(Vendor::Video).await;
    super::set(&world, "task_patience_minutes", "60").await;
    fake.finish_tasks_after(1_000_000);
    let submit = || ann.http.post("/v1/video/generations", json!({"model": "video-generation", "prompt": "a"}));
    let id = text(&submit().await.json(), "/task_id").to_owned();
    world.booked_when(1).await;
    assert_eq!(balance(&world, &ann).await, 9_800_000);
    // While the vendor is away nothing is decided.
    fake.always(Some(Step::refuse(503)));
    for _ in 0..5 {
        world.t.app.clock.advance(120_000);
        relay::task::poll::round(&world.t.app).await.unwrap();
    }
    fake.always(None);
    assert_eq!(task::expire_due(&world.t.app).await.unwrap(), 0);
    assert!(!row(&world, &id).await.status.is_final());
    world.t.app.clock.advance(61 * 60_000);
    task::expire_due(&world.t.app).await.unwrap();
    let task = row(&world, &id).await;
    assert_eq!((task.status, task.refunded_at.is_some()), (TaskStatus::Failed, true));
    assert_eq!(balance(&world, &ann).await, 10_000_000);

    let id = text(&submit().await.json(), "/task_id").to_owned();
    world.booked_when(2).await;
    let lost = r#"{"code":"task_not_exist","message":"task_not_exist","data":null}"#;
    fake.always(Some(Step::raw(400, "application/json", lost)));
    world.t.app.clock.advance(10_000);
    relay::task::poll::round(&world.t.app).await.unwrap();
    assert!(!row(&world, &id).await.status.is_final(), "a vendor may need a moment to know its tasks");
    let task = finish(&world, &id).await;
    assert!(task.fail_reason.contains("does not know"), "{task:?}");
    assert_eq!(balance(&world, &ann).await, 10_000_000);
    sound(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_has_its_task_all_the_same() {
    let (world, fake, ann) = served(Vendor::Midjourney).await;
    fake.always(Some(Step::answer().after(Duration::from_millis(600)).on("submit")));
    let hasty = tokio::time::timeout(Duration::from_millis(200), imagine(&ann)).await;
    assert!(hasty.is_err());
    let booked = world.booked_when(1).await;
    assert_eq!(booked[0]["cost"], 100_000, "the vendor works on it");
    let filter = schema::model::task::TaskFilter::default();
    let seek = schema::page::Seek::default();
    let tasks = task::list(&world.t.app, &world.t.system(), &filter, &seek).await.unwrap().rows;
    assert_eq!(tasks.len(), 1);
    assert_eq!(finish(&world, &tasks[0].uid).await.status, TaskStatus::Succeeded);
    assert!(tasks[0].created_at > Time(0));
}

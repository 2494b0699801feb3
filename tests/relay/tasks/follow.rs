//! What comes after a first task: follow-ups at the account that holds it, and news on their way.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::routing::post;
use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::Actor;
use schema::model::account::AccountKind;
use schema::model::task::TaskStatus;
use schema::service::account::{self, AccountChange, Credentials};
use serde_json::{Value, json};

use super::{account as add, finish, imagine, mj_id, row, served, set, text, world, world_at};
use crate::world::{Caller, World};

#[tokio::test(flavor = "multi_thread")]
async fn follow_ups_go_to_the_account_that_holds_the_picture() {
    let world = world().await;
    let mut fakes = Vec::new();
    for _ in 0..3 {
        let fake = FakeUpstream::start(Vendor::Midjourney).await;
        let account = add(&world, &fake, Vendor::Midjourney).await;
        fakes.push((account.id, fake));
    }
    let ann = world.caller("ann").await;
    let id = mj_id(&imagine(&ann).await);
    let first = finish(&world, &id).await;
    let upstream = first.upstream_id.clone().unwrap();
    for (_, fake) in &fakes {
        fake.forget();
    }
    let (_, holder) = fakes.iter().find(|(id, _)| *id == first.account_id).unwrap();
    for (path, asked, sent, model) in [
        (
            "/mj/submit/change",
            json!({"taskId": id, "action": "UPSCALE", "content": "U1"}),
            json!({"taskId": upstream, "action": "UPSCALE", "index": 1}),
            "mj_upscale",
        ),
        (
            "/mj/submit/simple-change",
            json!({"content": format!("{id} V2")}),
            json!({"content": format!("{upstream} V2")}),
            "mj_variation",
        ),
        (
            "/mj-relax/mj/submit/action",
            json!({"taskId": id, "customId": "MJ::JOB::upsample::1::abc"}),
            json!({"taskId": upstream, "customId": "MJ::JOB::upsample::1::abc"}),
            "mj_upscale",
        ),
        (
            "/mj/submit/modal",
            json!({"taskId": id, "prompt": "closer"}),
            json!({"taskId": upstream, "prompt": "closer"}),
            "mj_modal",
        ),
    ] {
        let follow = mj_id(&ann.http.post(path, asked).await);
        let seen = holder.requests_to("/submit/").pop().unwrap();
        assert_eq!((seen.path.as_str(), seen.json()), (path, sent));
        let task = row(&world, &follow).await;
        assert_eq!((task.account_id, task.model.as_str()), (first.account_id, model));
        assert_eq!(finish(&world, &follow).await.status, TaskStatus::Succeeded);
    }
    assert_eq!(holder.requests_to("/submit/").len(), 4);
    for (account, fake) in &fakes {
        assert!(*account == first.account_id || fake.requests().is_empty(), "only the holder is asked");
    }
    // Without its account a picture cannot be gone on with, and no other account is asked.
    let off = AccountChange { enabled: Some(false), ..AccountChange::default() };
    account::change(&world.t.app, &Actor::system(), first.account_id, off).await.unwrap();
    let change = json!({"taskId": id, "action": "VARIATION", "index": 1});
    let refused = ann.http.post("/mj/submit/change", change).await;
    assert_eq!((refused.status.as_u16(), refused.json()["code"].as_i64()), (503, Some(3)), "{}", refused.text);
    assert_eq!(holder.requests_to("/submit/").len(), 4);
    // New pictures, and those that build on none, go to the others.
    for (path, asked) in [
        ("/mj/submit/blend", json!({"base64Array": ["data:image/png;base64,AA==", "data:image/png;base64,AA=="]})),
        ("/mj/submit/describe", json!({"base64": "data:image/png;base64,AA=="})),
        ("/mj/submit/shorten", json!({"prompt": "a very long prompt"})),
    ] {
        let id = mj_id(&ann.http.post(path, asked).await);
        assert_ne!(row(&world, &id).await.account_id, first.account_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_is_asked_again_by_the_key_that_it_knows_a_task_by() {
    let keys = ["mj-key-one", "mj-key-two", "mj-key-three"];
    let world = world().await;
    let fake = FakeUpstream::start(Vendor::Midjourney).await;
    fake.accept_only(keys);
    let account = world
        .account_with(&fake, AccountKind::Midjourney, Vendor::Midjourney, |draft| {
            draft.credentials = Credentials::lines(&keys.join("\n"));
        })
        .await;
    let ann = world.caller("ann").await;
    let secret = |seen: &harness::fake_upstream::Seen| seen.header("mj-api-secret").unwrap_or_default().to_owned();
    let mut made = Vec::new();
    for _ in 0..4 {
        let id = mj_id(&imagine(&ann).await);
        made.push((id, secret(&fake.requests_to("/submit/").pop().unwrap())));
    }
    for (id, _) in &made {
        finish(&world, id).await;
    }
    let questions = fake.requests_to("/task/list-by-condition");
    for (id, by) in &made {
        let upstream = row(&world, id).await.upstream_id.unwrap();
        let about = questions.iter().filter(|seen| seen.text().contains(&upstream)).map(secret).collect::<Vec<_>>();
        assert!(!about.is_empty() && about.iter().all(|asked| asked == by), "{by}: {about:?}");
    }
    // The keys stand in another order now, and one of them is new.
    let moved = ["mj-key-three", "mj-key-four", "mj-key-one", "mj-key-two"];
    fake.accept_only(moved);
    let credentials = Some(Credentials::lines(&moved.join("\n")));
    let change = AccountChange { credentials, ..AccountChange::default() };
    account::change(&world.t.app, &Actor::system(), account.id, change).await.unwrap();
    for (id, by) in &made {
        for _ in 0..3 {
            fake.forget();
            let change = json!({"taskId": id, "action": "UPSCALE", "index": 1});
            mj_id(&ann.http.post("/mj/submit/change", change).await);
            assert_eq!(&secret(&fake.requests_to("/submit/").pop().unwrap()), by);
        }
        ann.http.get(&format!("/mj/task/{id}/image-seed")).await;
        assert_eq!(&secret(&fake.requests_to("/image-seed").pop().unwrap()), by);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_goes_on_at_the_account_that_holds_its_clip() {
    let world = world().await;
    let mut fakes = Vec::new();
    for _ in 0..3 {
        let fake = FakeUpstream::start(Vendor::Suno).await;
        let account = add(&world, &fake, Vendor::Suno).await;
        fakes.push((account.id, fake));
    }
    let ann = world.caller("ann").await;
    let song = ann.http.post("/suno/submit/music", json!({"prompt": "a", "mv": "chirp-v3-5"})).await.json();
    let song = text(&song, "/data").to_owned();
    let first = finish(&world, &song).await;
    let shown = ann.http.get(&format!("/suno/fetch/{song}")).await.json();
    let clip = text(&shown, "/data/data/0/id").to_owned();
    let (_, holder) = fakes.iter().find(|(id, _)| *id == first.account_id).unwrap();
    for _ in 0..3 {
        let by_clip = json!({"continue_clip_id": clip, "continue_at": 30});
        let by_clip = ann.http.post("/suno/submit/music", by_clip).await.json();
        let both = json!({"task_id": song, "continue_clip_id": clip, "continue_at": 30});
        let both = ann.http.post("/suno/submit/music", both).await.json();
        for next in [by_clip, both] {
            assert_eq!(row(&world, text(&next, "/data")).await.account_id, first.account_id);
        }
        assert_eq!(holder.last().json()["task_id"].as_str(), first.upstream_id.as_deref());
    }
}

/// A client's own address: what it was told, and how often it refuses first.
#[derive(Clone, Default)]
struct Hook {
    told: Arc<Mutex<Vec<Value>>>,
    refusals: Arc<Mutex<u32>>,
}

impl Hook {
    async fn open(refusals: u32) -> (Self, String) {
        let hook = Self { refusals: Arc::new(Mutex::new(refusals)), ..Self::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?secret=1", listener.local_addr().unwrap());
        let router = axum::Router::new().route("/hook", post(Self::hear)).with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (hook, url)
    }

    async fn hear(State(hook): State<Self>, body: String) -> http::StatusCode {
        let mut left = hook.refusals.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            return http::StatusCode::BAD_GATEWAY;
        }
        hook.told.lock().unwrap().push(serde_json::from_str(&body).unwrap());
        http::StatusCode::OK
    }

    fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }
}

/// Moves the clock until the hook was told that a task has ended.
async fn told_the_end(world: &World, hook: &Hook, ended: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..100 {
        if let Some(last) = hook.told().into_iter().find(|told| ended(told)) {
            return last;
        }
        world.t.app.clock.advance(10_000);
        relay::task::poll::round(&world.t.app).await.unwrap();
        relay::task::tell::round(&world.t.app).await.unwrap();
    }
    panic!("the client was not told: {:?}", hook.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_at_their_own_address() {
    let (world, fake, ann) = served(Vendor::Midjourney).await;
    set(&world, "fetch_allowed_hosts", "127.0.0.1").await;
    let (hook, url) = Hook::open(2).await;
    let asked = json!({"prompt": "a lake", "notifyHook": url, "state": "s"});
    let id = mj_id(&ann.http.post("/mj/submit/imagine", asked).await);
    assert!(fake.last().json().get("notifyHook").is_none(), "the vendor does not learn the client's address");
    let last = told_the_end(&world, &hook, |told| told["status"] == "SUCCESS").await;
    assert_eq!((text(&last, "/id"), text(&last, "/state")), (id.as_str(), "s"));
    let shown = ann.http.get(&format!("/mj/task/{id}/fetch")).await.text;
    assert!(!shown.contains("secret=1"), "{shown}");
    drop(fake);

    let (world, fake, ann) = served(Vendor::Kling).await;
    set(&world, "fetch_allowed_hosts", "127.0.0.1").await;
    fake.fail_tasks(true);
    let (hook, url) = Hook::open(0).await;
    let asked = json!({"model_name": "kling-v1", "prompt": "a", "callback_url": url});
    let body = ann.http.post("/kling/v1/videos/text2video", asked).await.json();
    assert!(fake.last().json().get("callback_url").is_none());
    let last = told_the_end(&world, &hook, |told| told["data"]["task_status"] == "failed").await;
    assert_eq!(text(&last, "/data/task_id"), text(&body, "/data/task_id"));
}

async fn hooked(world: &World, ann: &Caller, fake: &FakeUpstream) -> (String, String) {
    let id = mj_id(&imagine(ann).await);
    let hook = fake.requests_to("/submit/").pop().expect("a submission").json()["notifyHook"]
        .as_str()
        .expect("a callback")
        .to_owned();
    let path = hook.strip_prefix("https://relay.example").expect("the public address").to_owned();
    assert_eq!(row(world, &id).await.status, TaskStatus::Submitted);
    (id, path)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_vendor_tells_of_a_task() {
    let world = world_at(Some("https://relay.example")).await;
    let fake = FakeUpstream::start(Vendor::Midjourney).await;
    add(&world, &fake, Vendor::Midjourney).await;
    let ann = world.caller("ann").await;
    let (id, path) = hooked(&world, &ann, &fake).await;
    let (other, other_path) = hooked(&world, &ann, &fake).await;
    let upstream = row(&world, &id).await.upstream_id.unwrap();
    let news = json!({"id": upstream, "status": "SUCCESS", "progress": "100%", "imageUrl": "http://x/a.png"});
    let vendor = world.t.anonymous();
    let forged = [
        "/mj/notify".to_owned(),
        format!("/mj/notify?task={id}"),
        format!("/mj/notify?task={id}&token={}", "0".repeat(64)),
        path.replace(&id, &other),
    ];
    for forged in forged {
        let refused = vendor.post(&forged, news.clone()).await;
        assert_eq!(refused.status, 401, "{forged}: {}", refused.text);
    }
    assert_eq!(vendor.post(&other_path, news.clone()).await.status, 400, "news of another task");
    assert_eq!(row(&world, &id).await.status, TaskStatus::Submitted);
    let heard = vendor.post(&path, news.clone()).await;
    assert_eq!((heard.status.as_u16(), heard.json()["code"].as_i64()), (200, Some(1)));
    assert_eq!(row(&world, &id).await.status, TaskStatus::Succeeded);
    // Said again, or otherwise, it changes nothing.
    let failed = json!({"id": upstream, "status": "FAILURE"});
    assert_eq!(vendor.post(&path, failed).await.status, 200);
    let task = row(&world, &id).await;
    assert_eq!((task.status, task.refunded_at), (TaskStatus::Succeeded, None));
    let shown = ann.http.get(&format!("/mj/task/{id}/fetch")).await.json();
    assert_eq!(text(&shown, "/imageUrl"), format!("https://relay.example/mj/image/{id}"));
}

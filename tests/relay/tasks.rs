//! Tasks through the whole product, under a clock that the tests move: what is due is asked after at once.

#![expect(clippy::unwrap_used, reason = "tests")]

mod follow;
mod happy;
mod money;
mod refuse;
mod videos;

use harness::fake_upstream::{FakeUpstream, KLING_ACCESS_KEY, KLING_SECRET_KEY, Vendor};
use harness::{Answer, TestApp};
use schema::clock::MINUTE;
use schema::model::account::{Account, AccountKind};
use schema::model::task::Task;
use schema::service::account::Credentials;
use schema::service::{setting, task};
use schema::{Actor, Clock};
use serde_json::{Value, json};

use crate::world::{Caller, World};

/// A product whose clock stands a little in the past, so that signed tokens stay valid while it is moved.
async fn world() -> World {
    world_at(None).await
}

async fn world_at(public_url: Option<&str>) -> World {
    let mut builder = TestApp::builder().clock_at(Clock::System.now().plus(-20 * MINUTE));
    if let Some(url) = public_url {
        builder = builder.env("PUBLIC_URL", url);
    }
    World { t: builder.start().await }
}

async fn account(world: &World, fake: &FakeUpstream, vendor: Vendor) -> Account {
    let kind = match vendor {
        Vendor::Midjourney => AccountKind::Midjourney,
        Vendor::Suno => AccountKind::Suno,
        Vendor::Kling => AccountKind::Kling,
        _ => AccountKind::Video,
    };
    let bend = |draft: &mut schema::service::account::AccountDraft| {
        if vendor == Vendor::Kling {
            let (access, secret) = (KLING_ACCESS_KEY.to_owned(), KLING_SECRET_KEY.to_owned());
            draft.credentials = Credentials::Pair { access, secret };
        }
    };
    world.account_with(fake, kind, vendor, bend).await
}

/// A product with one account of a vendor, and a caller whose key the vendor must never see.
async fn served(vendor: Vendor) -> (World, FakeUpstream, Caller) {
    let world = world().await;
    let fake = FakeUpstream::start(vendor).await;
    account(&world, &fake, vendor).await;
    let ann = world.caller("ann").await;
    fake.forbid(ann.http.token.clone().unwrap());
    (world, fake, ann)
}

async fn set(world: &World, name: &str, value: &str) {
    let change = [(name.to_owned(), Some(value.to_owned()))].into_iter().collect();
    setting::put(&world.t.app, &Actor::system(), &change).await.unwrap();
}

async fn row(world: &World, id: &str) -> Task {
    task::by_uid(&world.t.app, id).await.unwrap()
}

/// Moves the clock and asks the vendors until a task has ended.
async fn finish(world: &World, id: &str) -> Task {
    for _ in 0..40 {
        let task = row(world, id).await;
        if task.status.is_final() {
            return task;
        }
        world.t.app.clock.advance(10_000);
        relay::task::poll::round(&world.t.app).await.unwrap();
    }
    panic!("the task did not end: {:?}", row(world, id).await);
}

async fn balance(world: &World, caller: &Caller) -> i64 {
    let id = caller.key.user_id;
    schema::service::user::get(&world.t.app, &world.t.system(), id).await.unwrap().balance.0
}

async fn imagine(caller: &Caller) -> Answer {
    caller.http.post("/mj/submit/imagine", json!({"prompt": "a lake"})).await
}

/// The id that a Midjourney submission was answered.
fn mj_id(answer: &Answer) -> String {
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), body["code"].as_i64()), (200, Some(1)), "{}", answer.text);
    assert_eq!(body["result"], body["data"]["task_id"]);
    body["result"].as_str().unwrap().to_owned()
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path} of {value}"))
}

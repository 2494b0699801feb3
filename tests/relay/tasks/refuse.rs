//! Refusals of tasks, each in the words of its service; nothing is owed for one.

use futures_util::future::join_all;
use harness::fake_upstream::{Step, Vendor};
use schema::model::api_key::{Permissions, Service};
use schema::{Micros, Role};
use serde_json::{Value, json};

use super::{balance, finish, imagine, mj_id, served, text, world};

const SUBMISSIONS: &[(&str, &str)] = &[
    ("/mj/submit/imagine", r#"{"prompt":"a"}"#),
    ("/suno/submit/music", r#"{"prompt":"a"}"#),
    ("/kling/v1/videos/text2video", r#"{"prompt":"a","model_name":"kling-v1"}"#),
    ("/v1/video/generations", r#"{"prompt":"a","model":"video-generation"}"#),
];

/// Whether a body has the error form of the service at a path.
fn fits(path: &str, body: &Value) -> bool {
    let own = if path.starts_with("/mj") {
        body["code"].is_i64() && body["description"].is_string()
    } else if path.starts_with("/suno") {
        body["code"].is_string() && body["data"].is_null()
    } else if path.starts_with("/kling") {
        body["code"].is_i64() && body["request_id"].is_string()
    } else {
        body["error"]["message"].is_string() && body["error"]["type"].is_string()
    };
    own && body["success"] == false && body["message"].is_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_refuses_in_its_own_form() {
    let world = world().await;
    let ann = world.caller("ann").await;
    let poor = world.t.person("poor", Role::User, Micros(10)).await;
    let poor = world.key_of(poor.id, |_| {}).await;
    for (path, body) in SUBMISSIONS {
        let body: Value = serde_json::from_str(body).unwrap();
        let nobody = world.t.anonymous().post(path, body.clone()).await;
        assert!(nobody.status == 401 && fits(path, &nobody.json()), "{path}: {} {}", nobody.status, nobody.text);
        let empty = ann.http.post(path, json!({})).await;
        assert!(empty.status == 400 && fits(path, &empty.json()), "{path}: {} {}", empty.status, empty.text);
        let list = ann.http.post(path, json!([1])).await;
        assert!(list.status == 400 && fits(path, &list.json()), "{path}: {} {}", list.status, list.text);
        let unserved = ann.http.post(path, body.clone()).await;
        assert!(fits(path, &unserved.json()), "{path}: {}", unserved.text);
        assert!(matches!(unserved.status.as_u16(), 404 | 503), "no account: {path} {}", unserved.status);
        let broke = poor.http.post(path, body).await;
        assert!(broke.status == 429 && fits(path, &broke.json()), "{path}: {} {}", broke.status, broke.text);
        assert!(broke.text.contains("balance"), "{}", broke.text);
    }
    for path in ["/mj/task/1/fetch", "/suno/fetch/x", "/kling/v1/videos/text2video/x", "/v1/video/generations/x"] {
        let unknown = ann.http.get(path).await;
        assert!(unknown.status == 404 && fits(path, &unknown.json()), "{path}: {} {}", unknown.status, unknown.text);
    }
    assert_eq!(ann.http.post("/mj/task/list-by-condition", json!({"ids": 1})).await.status, 400);
    assert_eq!(ann.http.post("/suno/submit/concat", json!({"prompt": "a"})).await.status, 400);
    assert_eq!(world.t.anonymous().get("/mj/image/12345678").await.status, 404);
    assert_eq!(balance(&world, &ann).await, 10_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_refusal_is_passed_on_and_costs_nothing() {
    let (world, fake, ann) = served(Vendor::Midjourney).await;
    let banned = ann.http.post("/mj/submit/imagine", json!({"prompt": "a forbidden-word"})).await;
    assert_eq!((banned.status.as_u16(), banned.json()["code"].as_i64()), (200, Some(24)), "{}", banned.text);
    assert_eq!(fake.requests().len(), 1, "no other account is asked");
    let booked = world.booked_when(1).await;
    assert_eq!((booked[0]["status"].as_i64(), booked[0]["cost"].as_i64()), (Some(400), Some(0)));
    assert_eq!(balance(&world, &ann).await, 10_000_000);

    let (world, _fake, ann) = served(Vendor::Kling).await;
    let asked = json!({"prompt": "a", "model_name": "kling-v1", "mode": "fast"});
    let wrong = ann.http.post("/kling/v1/videos/text2video", asked).await;
    assert_eq!((wrong.status.as_u16(), wrong.json()["code"].as_i64()), (400, Some(1201)), "{}", wrong.text);
    assert_eq!(world.booked_when(1).await[0]["cost"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_other_services_hands_nothing_in() {
    let (world, fake, _) = served(Vendor::Midjourney).await;
    let narrow = world.caller_with("narrow", |new| new.permissions = Permissions::Only(vec![Service::Claude])).await;
    let denied = imagine(&narrow).await;
    assert!(denied.status == 403 && fits("/mj", &denied.json()), "{} {}", denied.status, denied.text);
    let broad = vec![Service::Claude, Service::Midjourney];
    let broad = world.caller_with("broad", |new| new.permissions = Permissions::Only(broad)).await;
    assert_eq!((imagine(&broad).await.status.as_u16(), fake.requests().len()), (200, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_anothers_tasks() {
    let (world, _fake, ann) = served(Vendor::Midjourney).await;
    let bob = world.caller("bob").await;
    let id = mj_id(&imagine(&ann).await);
    finish(&world, &id).await;
    assert_eq!(bob.http.get(&format!("/mj/task/{id}/fetch")).await.status, 404);
    assert_eq!(bob.http.get(&format!("/mj/task/{id}/image-seed")).await.status, 404);
    let list = bob.http.post("/mj/task/list-by-condition", json!({"ids": [id]})).await;
    assert_eq!(list.json(), json!([]));
    let change = json!({"taskId": id, "action": "UPSCALE", "index": 1});
    let change = bob.http.post("/mj/submit/change", change).await;
    assert_eq!((change.status.as_u16(), change.json()["code"].as_i64()), (404, Some(3)), "{}", change.text);
    // Another service's paths do not show it either, and another key of its owner's does.
    assert_eq!(ann.http.get(&format!("/suno/fetch/{id}")).await.status, 404);
    let second = world.key_of(ann.key.user_id, |_| {}).await;
    assert_eq!(second.http.get(&format!("/mj/task/{id}/fetch")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_tasks_too() {
    let (world, fake, _) = served(Vendor::Midjourney).await;
    let bob = world
        .caller_with("bob", |new| {
            new.limits.window_ms = 600_000;
            new.limits.window_requests = 2;
        })
        .await;
    let answers = join_all((0..6).map(|_| imagine(&bob))).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((taken, fake.requests().len()), (2, 2));
    let refused = answers.iter().find(|answer| answer.status == 429).unwrap().json();
    assert_eq!((refused["code"].as_i64(), refused["success"].as_bool()), (Some(23), Some(false)));

    let person = world.t.person("cat", Role::User, Micros(250_000)).await;
    let cat = world.key_of(person.id, |_| {}).await;
    fake.always(Some(Step::answer().after(std::time::Duration::from_millis(200))));
    let answers = join_all((0..6).map(|_| imagine(&cat))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2, "twenty-five cents buy two");
    world.booked_when(4).await;
    assert_eq!(balance(&world, &cat).await, 50_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_inside_the_network_are_not_told_anything() {
    let (_world, fake, ann) = served(Vendor::Midjourney).await;
    for url in ["http://127.0.0.1:1/x", "http://localhost/x", "ftp://example.com/x", "no address", "http://10.0.0.1/"] {
        let asked = json!({"prompt": "a", "notifyHook": url});
        let refused = ann.http.post("/mj/submit/imagine", asked).await;
        assert_eq!((refused.status.as_u16(), refused.json()["code"].as_i64()), (400, Some(4)), "{url}");
        assert!(text(&refused.json(), "/description").contains("notified"), "{}", refused.text);
    }
    assert!(fake.requests().is_empty());
}

//! OpenAI's videos as its SDK asks for them: made, looked at, listed, fetched, made anew, removed.

use harness::fake_upstream::{FakeUpstream, Vendor};
use http::Method;
use schema::model::account::AccountKind;
use serde_json::{Value, json};

use super::{account, balance, finish, row, served, set, text};
use crate::world::{Caller, World};

/// A product with an account, where models without a price are free.
async fn served_free(vendor: Vendor) -> (World, FakeUpstream, Caller) {
    let (world, fake, ann) = served(vendor).await;
    set(&world, "unpriced_models", "free").await;
    (world, fake, ann)
}

/// What the SDK sends: a form, with a picture to begin with where there is one.
async fn create(ann: &Caller, fields: &[(&str, &str)], picture: Option<&[u8]>) -> harness::Answer {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes());
    }
    if let Some(picture) = picture {
        let head = "--b\r\nContent-Disposition: form-data; name=\"input_reference\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n";
        body.extend(head.bytes());
        body.extend(picture);
        body.extend(b"\r\n");
    }
    body.extend(b"--b--\r\n");
    let request = ann.http.request(Method::POST, "/v1/videos");
    ann.http.send(request.header("content-type", "multipart/form-data; boundary=b").body(body)).await
}

async fn made(ann: &Caller, model: &str) -> String {
    // Kling makes films of five or ten seconds.
    let seconds = if model.starts_with("kling") { "5" } else { "8" };
    let fields = [("prompt", "a cat"), ("model", model), ("seconds", seconds), ("size", "1280x720")];
    let answer = create(ann, &fields, None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    text(&answer.json(), "/id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_made_looked_at_and_fetched() {
    let (world, fake, ann) = served_free(Vendor::Video).await;
    for model in ["sora-2", "wan-2"] {
        let fields = [("prompt", "a cat"), ("model", model), ("seconds", "8"), ("size", "1280x720")];
        let answer = create(&ann, &fields, Some(b"\x89PNG\xff")).await;
        let video = answer.json();
        assert_eq!(answer.status, 200, "{}", answer.text);
        let known = (text(&video, "/object"), text(&video, "/status"), text(&video, "/model"));
        assert_eq!(known, ("video", "queued", model));
        assert_eq!(
            (text(&video, "/seconds"), text(&video, "/size"), text(&video, "/prompt")),
            ("8", "1280x720", "a cat")
        );
        let sent = fake.last();
        assert_eq!((sent.path.as_str(), sent.bearer()), ("/v1/video/generations", Some("video-fake")));
        assert_eq!(sent.json()["image"], "data:image/png;base64,iVBOR/8=");
        assert_eq!((sent.json()["duration"].as_i64(), sent.json()["seconds"].as_str()), (Some(8), Some("8")));

        let id = text(&video, "/id").to_owned();
        let path = format!("/v1/videos/{id}");
        let early = ann.http.get(&format!("{path}/content")).await;
        assert_eq!((early.status.as_u16(), text(&early.json(), "/error/code")), (409, "video_not_ready"));
        let task = finish(&world, &id).await;
        let done = ann.http.get(&path).await.json();
        assert_eq!((text(&done, "/status"), done["progress"].as_i64()), ("completed", Some(100)));
        assert!(done["completed_at"].as_i64() >= done["created_at"].as_i64() && done["error"].is_null(), "{done}");

        let wanted = format!("the film of {}", task.upstream_id.unwrap());
        let film = ann.http.get(&format!("{path}/content")).await;
        assert_eq!((film.status.as_u16(), film.header("content-type"), &film.text), (200, "video/mp4", &wanted));
        let part = ann.http.with("range", "bytes=4-7").get(&format!("{path}/content")).await;
        assert_eq!((part.status.as_u16(), part.text.as_str()), (206, "film"));
        assert!(part.header("content-range").starts_with("bytes 4-7/"), "{:?}", part.headers);
        let other = ann.http.get(&format!("{path}/content?variant=thumbnail")).await;
        assert_eq!((other.status.as_u16(), text(&other.json(), "/error/param")), (400, "variant"));
    }
    // The key goes only to the door that it belongs to.
    let fetched = fake.requests_to("/cdn/");
    assert!(!fetched.is_empty() && fetched.iter().all(|seen| seen.bearer().is_none()));
    let booked = world.booked_when(2).await;
    assert!(booked.iter().all(|row| row["operation"] == "task_submit"), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn videos_are_listed_and_removed_by_whose_they_are() {
    let (world, _fake, ann) = served_free(Vendor::Video).await;
    let bob = world.caller("bob").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(made(&ann, "sora-2").await);
    }
    let list = |query: &str| {
        let (http, path) = (ann.http.clone(), format!("/v1/videos{query}"));
        async move {
            let list = http.get(&path).await.json();
            let ids: Vec<String> =
                list["data"].as_array().unwrap().iter().map(|video| text(video, "/id").to_owned()).collect();
            (ids, list["has_more"].as_bool().unwrap())
        }
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    assert_eq!(list("").await, (newest.clone(), false));
    assert_eq!(list("?limit=2").await, (newest[..2].to_vec(), true));
    assert_eq!(list(&format!("?limit=2&after={}", newest[1])).await, (newest[2..].to_vec(), false));
    assert_eq!(list("?order=asc&limit=2").await, (ids[..2].to_vec(), true));
    assert_eq!(list(&format!("?order=asc&after={}", ids[0])).await, (ids[1..].to_vec(), false));
    for wrong in ["?limit=0", "?limit=x", "?order=up", "?after=video_of_nobody"] {
        let refused = ann.http.get(&format!("/v1/videos{wrong}")).await;
        assert!(refused.status.is_client_error() && refused.json()["error"]["message"].is_string(), "{}", refused.text);
    }

    let path = format!("/v1/videos/{}", ids[0]);
    for (method, path) in [("GET", path.clone()), ("GET", format!("{path}/content")), ("DELETE", path.clone())] {
        let stranger = bob.http.call(method, &path, Value::Null).await;
        assert_eq!(stranger.status, 404, "{method} {path}: {}", stranger.text);
        assert!(stranger.json()["error"]["type"].is_string(), "{}", stranger.text);
    }
    assert!(bob.http.get("/v1/videos").await.json()["data"].as_array().unwrap().is_empty());

    let early = ann.http.call("DELETE", &path, Value::Null).await;
    assert_eq!(early.status, 409, "{}", early.text);
    finish(&world, &ids[0]).await;
    world.booked_when(3).await;
    let paid = balance(&world, &ann).await;
    let gone = ann.http.call("DELETE", &path, Value::Null).await.json();
    assert_eq!((text(&gone, "/object"), gone["deleted"].as_bool()), ("video.deleted", Some(true)));
    assert_eq!(ann.http.get(&path).await.status, 404);
    assert_eq!(ann.http.get(&format!("{path}/content")).await.status, 404);
    assert_eq!(ann.http.call("DELETE", &path, Value::Null).await.status, 404);
    assert_eq!(list("").await.0, newest[..2].to_vec());
    // It stays in the books, without what was asked and made.
    let kept = row(&world, &ids[0]).await;
    assert!(kept.result.0.is_empty() && kept.request.0.get("prompt").is_none(), "{kept:?}");
    assert_eq!(balance(&world, &ann).await, paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_made_anew_from_another_where_that_was_made() {
    let (world, first, ann) = served_free(Vendor::Video).await;
    let second = FakeUpstream::start(Vendor::Video).await;
    account(&world, &second, Vendor::Video).await;
    for _ in 0..4 {
        [&first, &second].into_iter().for_each(FakeUpstream::forget);
        let id = made(&ann, "sora-2").await;
        let holder = [&first, &second]
            .into_iter()
            .find(|fake| fake.requests().iter().any(|seen| seen.method == "POST"))
            .unwrap();
        let path = format!("/v1/videos/{id}/remix");
        let answer = ann.http.post(&path, json!({"prompt": "a dog"})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let anew = answer.json();
        assert_eq!((text(&anew, "/remixed_from_video_id"), text(&anew, "/model")), (id.as_str(), "sora-2"));
        let sent = holder.requests_to("/remix").pop().unwrap();
        let upstream = row(&world, &id).await.upstream_id.unwrap();
        assert_eq!(sent.path, format!("/v1/videos/{upstream}/remix"));
        assert_eq!(sent.json()["prompt"], "a dog");
        assert_eq!(text(&anew, "/seconds"), "8");
        finish(&world, text(&anew, "/id")).await;
    }
    let none = ann.http.post("/v1/videos/video_of_nobody/remix", json!({"prompt": "a dog"})).await;
    assert_eq!(none.status, 404, "{}", none.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn kling_makes_videos_for_openais_clients_too() {
    let (world, fake, ann) = served(Vendor::Kling).await;
    let id = made(&ann, "kling-v1").await;
    let sent = fake.last();
    assert_eq!((sent.path.as_str(), sent.json()["aspect_ratio"].as_str()), ("/v1/videos/text2video", Some("16:9")));
    assert_eq!((&sent.json()["duration"], sent.json().get("seconds")), (&json!("5"), None));
    finish(&world, &id).await;
    let done = ann.http.get(&format!("/v1/videos/{id}")).await.json();
    assert_eq!(text(&done, "/status"), "completed");
    let anew = ann.http.post(&format!("/v1/videos/{id}/remix"), json!({"prompt": "a dog"})).await;
    assert_eq!(anew.status, 400, "{}", anew.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_in_openais_words() {
    let (world, fake, ann) = served_free(Vendor::Video).await;
    let before = balance(&world, &ann).await;
    let refused = create(&ann, &[("model", "sora-2")], None).await;
    assert_eq!((refused.status.as_u16(), text(&refused.json(), "/error/param")), (400, "prompt"));
    let stranger = world.t.anonymous().get("/v1/videos").await;
    assert_eq!((stranger.status.as_u16(), text(&stranger.json(), "/error/type")), (401, "invalid_request_error"));
    fake.fail_tasks(true);
    let id = made(&ann, "video-generation").await;
    world.booked_when(1).await;
    assert_eq!(balance(&world, &ann).await, before - 200_000);
    finish(&world, &id).await;
    let failed = ann.http.get(&format!("/v1/videos/{id}")).await.json();
    assert_eq!((text(&failed, "/status"), text(&failed, "/error/message")), ("failed", "the video failed"));
    assert_eq!(balance(&world, &ann).await, before, "what failed is paid back");
    let fetched = ann.http.get(&format!("/v1/videos/{id}/content")).await;
    assert_eq!(fetched.status, 409, "{}", fetched.text);

    let world = super::world().await;
    set(&world, "unpriced_models", "free").await;
    let chats = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&chats, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    let nobody = create(&ann, &[("prompt", "a cat")], None).await;
    assert!(matches!(nobody.status.as_u16(), 404 | 503), "{}", nobody.text);
    assert!(nobody.json()["error"]["code"].is_string() && nobody.json().get("data").is_none(), "{}", nobody.text);
}

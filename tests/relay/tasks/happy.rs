//! Each service from submission to result, in its own words and in the documented ones.

use harness::fake_upstream::{KLING_ACCESS_KEY, Step, Vendor, kling_token_claims};
use schema::bus::Event;
use schema::model::task::TaskStatus;
use serde_json::json;

use super::{balance, finish, imagine, mj_id, row, served, text};

#[tokio::test(flavor = "multi_thread")]
async fn midjourney_makes_a_picture() {
    let (world, fake, ann) = served(Vendor::Midjourney).await;
    let mut events = world.t.app.bus.listen();
    let asked = json!({"prompt": "a lake", "aspect": "16:9", "state": "mine"});
    let answer = ann.http.post("/mj-fast/mj/submit/imagine", asked).await;
    let id = mj_id(&answer);
    assert!(answer.json()["success"].as_bool().unwrap() && id.len() >= 16, "{id}");
    let seen = fake.last();
    assert_eq!(
        (seen.path.as_str(), seen.header("mj-api-secret")),
        ("/mj-fast/mj/submit/imagine", Some("mj-fake-secret"))
    );
    assert_eq!(seen.json(), json!({"prompt": "a lake --ar 16:9", "state": "mine"}));

    let early = ann.http.get(&format!("/mj/task/{id}/fetch")).await.json();
    assert_eq!(
        (text(&early, "/status"), text(&early, "/data/status"), text(&early, "/progress")),
        ("SUBMITTED", "pending", "0%")
    );
    let task = finish(&world, &id).await;
    assert_eq!(task.status, TaskStatus::Succeeded);
    assert_ne!(task.upstream_id.as_deref(), Some(id.as_str()), "the vendor's id stays here");
    let done = ann.http.get(&format!("/mj/task/{id}/fetch")).await.json();
    assert_eq!(
        (text(&done, "/id"), text(&done, "/status"), text(&done, "/action")),
        (id.as_str(), "SUCCESS", "IMAGINE")
    );
    assert_eq!((text(&done, "/data/status"), text(&done, "/data/progress")), ("finished", "100%"));
    assert_eq!((text(&done, "/state"), done["buttons"].as_array().map(Vec::len)), ("mine", Some(2)));
    assert!(done["finishTime"].as_i64().unwrap() > done["submitTime"].as_i64().unwrap());
    let url = text(&done, "/imageUrl");
    assert_eq!(url, format!("{}/mj/image/{id}", world.t.url));
    let picture = world.t.anonymous().get(&format!("/mj/image/{id}")).await;
    assert_eq!((picture.status.as_u16(), picture.header("content-type")), (200, "image/png"));
    assert!(picture.header("content-security-policy").contains("sandbox"));
    assert_eq!(picture.header("x-content-type-options"), "nosniff");
    for kind in ["text/html", "image/svg+xml", "application/octet-stream"] {
        fake.script([Step::raw(200, kind, "<script>alert(1)</script>").on("/mj/image/")]);
        let other = world.t.anonymous().get(&format!("/mj/image/{id}")).await;
        assert_eq!(other.status, 502, "{kind}: {}", other.text);
        assert!(!other.text.contains("alert"), "{kind}: {}", other.text);
    }
    let list = ann.http.post("/mj/task/list-by-condition", json!({"ids": ["1234567890", id]})).await.json();
    assert_eq!((list.as_array().map(Vec::len), text(&list, "/0/id")), (Some(1), id.as_str()));
    let seed = ann.http.get(&format!("/mj/task/{id}/image-seed")).await.json();
    assert_eq!((seed["code"].as_i64(), text(&seed, "/result")), (Some(1), "1234567890"));

    let booked = world.booked_when(1).await;
    assert_eq!((booked.len(), booked[0]["cost"].as_i64()), (1, Some(100_000)), "paid once, when it was taken");
    assert_eq!(
        (booked[0]["model"].as_str(), booked[0]["operation"].as_str()),
        (Some("mj_imagine"), Some("task_submit"))
    );
    assert_eq!(balance(&world, &ann).await, 9_900_000);
    let mut told = Vec::new();
    while told.last().is_none_or(|status| status != "succeeded") {
        let event = tokio::time::timeout(std::time::Duration::from_secs(5), events.next()).await;
        if let Event::TaskChanged { status, .. } = event.expect("an event in time").expect("an event").as_ref() {
            told.push(status.clone());
        }
    }
    assert_eq!(told[..2], ["created", "submitted"], "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_stay_at_the_vendor_where_the_operator_wants_it() {
    let (world, fake, ann) = served(Vendor::Midjourney).await;
    super::set(&world, "forward_pictures", "false").await;
    let id = mj_id(&imagine(&ann).await);
    finish(&world, &id).await;
    let done = ann.http.get(&format!("/mj/task/{id}/fetch")).await.json();
    assert!(text(&done, "/imageUrl").starts_with(&fake.url()), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn suno_makes_a_song() {
    let (world, fake, ann) = served(Vendor::Suno).await;
    let answer = ann.http.post("/suno/submit/music", json!({"prompt": "a song", "style": "pop", "duration": 30})).await;
    let body = answer.json();
    assert_eq!((body["success"].as_bool(), text(&body, "/data/status")), (Some(true), "pending"), "{}", answer.text);
    let id = text(&body, "/data/task_id").to_owned();
    assert_eq!((fake.last().bearer(), fake.last().json()["tags"].as_str()), (Some("suno-fake"), Some("pop")));
    finish(&world, &id).await;
    let done = ann.http.get(&format!("/suno/fetch/{id}")).await.json();
    assert_eq!((text(&done, "/code"), text(&done, "/data/status")), ("success", "finished"));
    assert!(text(&done, "/data/audio_url").ends_with("-1.mp3") && done["data"]["duration"] == 123, "{done}");
    assert_eq!(done["data"]["data"].as_array().map(Vec::len), Some(2), "the clips");

    // The service's own clients hear its own form.
    let own = json!({"gpt_description_prompt": "a song", "mv": "chirp-v3-5"});
    let own = ann.http.post("/suno/submit/music", own).await.json();
    let lyrics = ann.http.post("/suno/submit/lyrics", json!({"prompt": "a poem"})).await.json();
    let (own, lyrics) = (text(&own, "/data").to_owned(), text(&lyrics, "/data").to_owned());
    finish(&world, &own).await;
    finish(&world, &lyrics).await;
    let list = ann.http.post("/suno/fetch", json!({"ids": [lyrics, own], "action": "MUSIC"})).await.json();
    assert_eq!((text(&list, "/code"), text(&list, "/data/0/task_id")), ("success", lyrics.as_str()));
    assert_eq!((text(&list, "/data/0/status"), text(&list, "/data/0/action")), ("SUCCESS", "LYRICS"));
    assert_eq!((text(&list, "/data/1/status"), text(&list, "/data/1/progress")), ("SUCCESS", "100%"));
    let booked = world.booked_when(3).await;
    let mut costs: Vec<_> =
        booked.iter().map(|row| (row["model"].as_str().unwrap(), row["cost"].as_i64().unwrap())).collect();
    costs.sort_unstable();
    assert_eq!(costs, [("suno_lyrics", 10_000), ("suno_music", 100_000), ("suno_music", 100_000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn kling_makes_films_of_texts_and_pictures() {
    let (world, fake, ann) = served(Vendor::Kling).await;
    let asked = json!({"model": "kling-v1", "prompt": "a cat", "duration": 5, "aspect_ratio": "16:9"});
    let answer = ann.http.post("/kling/v1/videos/text2video", asked).await;
    let body = answer.json();
    assert_eq!((body["code"].as_i64(), body["success"].as_bool()), (Some(0), Some(true)), "{}", answer.text);
    assert_eq!((text(&body, "/data/status"), text(&body, "/data/task_status")), ("pending", "submitted"));
    let id = text(&body, "/data/task_id").to_owned();
    let seen = fake.last();
    assert_eq!(seen.path, "/v1/videos/text2video");
    assert_eq!(kling_token_claims(seen.bearer().unwrap()).unwrap()["iss"], KLING_ACCESS_KEY);
    assert_eq!(
        seen.json(),
        json!({"model_name": "kling-v1", "prompt": "a cat", "duration": "5", "aspect_ratio": "16:9"})
    );
    finish(&world, &id).await;
    let done = ann.http.get(&format!("/kling/v1/videos/text2video/{id}")).await.json();
    assert_eq!((text(&done, "/data/task_status"), text(&done, "/data/status")), ("succeed", "finished"));
    let film = text(&done, "/data/task_result/videos/0/url");
    assert_eq!((text(&done, "/data/video_url"), done["data"]["duration"].as_i64()), (film, Some(5)));

    // A picture sent as a file goes out as the bare base64 that the vendor takes.
    let form = "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na cat\r\n--b\r\nContent-Disposition: form-data; name=\"duration\"\r\n\r\n10\r\n--b--\r\n";
    let request = ann.http.request(reqwest::Method::POST, "/kling/v1/videos/image2video");
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(form);
    let body = ann.http.send(request).await.json();
    assert_eq!(body["code"], 0, "{body}");
    let seen = fake.last();
    assert_eq!(seen.path, "/v1/videos/image2video");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.json(), json!({"model_name": "kling-v1", "image": "UE5H", "prompt": "a cat", "duration": "10"}));
    let second = text(&body, "/data/task_id").to_owned();
    assert_eq!(finish(&world, &second).await.action, "image2video");
    let booked = world.booked_when(2).await;
    assert!(booked.iter().all(|row| row["cost"] == 140_000 && row["model"] == "kling-v1"), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn video_makes_a_film() {
    let (world, fake, ann) = served(Vendor::Video).await;
    let asked = json!({"model": "video-generation", "prompt": "a sunset", "duration": 5, "aspect_ratio": "16:9"});
    let answer = ann.http.post("/v1/video/generations", asked.clone()).await;
    let body = answer.json();
    assert_eq!((body["success"].as_bool(), text(&body, "/data/status")), (Some(true), "pending"), "{}", answer.text);
    assert_eq!((text(&body, "/task_id"), text(&body, "/status")), (text(&body, "/data/task_id"), "queued"));
    assert_eq!((fake.last().bearer(), fake.last().json()), (Some("video-fake"), asked));
    let id = text(&body, "/task_id").to_owned();
    finish(&world, &id).await;
    let done = ann.http.get(&format!("/v1/video/generations/{id}")).await.json();
    assert_eq!((text(&done, "/data/status"), text(&done, "/data/progress")), ("finished", "100%"));
    assert!(text(&done, "/data/video_url").ends_with(".mp4") && done["data"]["duration"] == 5, "{done}");
    assert_eq!(done["data"]["url"], done["data"]["video_url"]);

    // A client of the service itself hears its words.
    let own = json!({"model": "video-generation", "prompt": "a", "size": "1280x720"});
    let own = ann.http.post("/v1/video/generations", own).await.json();
    let own = text(&own, "/task_id").to_owned();
    finish(&world, &own).await;
    let done = ann.http.get(&format!("/v1/video/generations/{own}")).await.json();
    assert_eq!((text(&done, "/code"), text(&done, "/data/status")), ("success", "SUCCESS"));
    assert_eq!(row(&world, &own).await.cost.0, 200_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn klings_models_are_made_at_kling_whoever_asks() {
    let (world, fake, ann) = served(Vendor::Kling).await;
    let asked = json!({"model": "kling-v1", "prompt": "a cat", "duration": 5, "size": "1280x720"});
    let body = ann.http.post("/v1/video/generations", asked).await.json();
    assert_eq!((text(&body, "/object"), text(&body, "/status")), ("video", "queued"), "{body}");
    let seen = fake.last();
    assert_eq!(seen.path, "/v1/videos/text2video");
    let sent = json!({"model_name": "kling-v1", "prompt": "a cat", "duration": "5", "aspect_ratio": "16:9"});
    assert_eq!(seen.json(), sent);
    let id = text(&body, "/task_id").to_owned();
    finish(&world, &id).await;
    let done = ann.http.get(&format!("/v1/video/generations/{id}")).await.json();
    assert_eq!((text(&done, "/code"), text(&done, "/data/status")), ("success", "SUCCESS"));
    assert!(text(&done, "/data/video_url").ends_with(".mp4"), "{done}");
    assert_eq!(ann.http.get(&format!("/kling/v1/videos/text2video/{id}")).await.status, 404);
    assert_eq!(world.booked_when(1).await[0]["cost"], 140_000);
}

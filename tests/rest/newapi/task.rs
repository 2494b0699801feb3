//! The pages of tasks and of pictures: films in the words that they know, pictures by way of the relay, and a filter
//! that is free text.

use schema::model::task::{Task, TaskStatus};
use schema::service::task::{self, Begun, News};
use serde_json::{Map, Value, json};

use super::{Cast, cast, deployed, refused, told};

fn document(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

/// A task of ann's that has come to this.
async fn ended(c: &Cast, (platform, action): (&str, &str), request: Value, news: News) -> Task {
    let ann = told(&c.ann.get("/api/user/self").await)["id"].as_i64().expect("an id");
    let begun = Begun {
        uid: String::new(),
        call_id: schema::id::uuid(),
        user_id: ann,
        key_id: 0,
        account_id: 7,
        platform: platform.into(),
        action: action.into(),
        model: "m".into(),
        request: document(request),
        cost: schema::Micros::ZERO,
        from_wallet: false,
        notify_url: None,
        poll_at: c.app.app.clock.now().plus(600_000),
    };
    let begun = task::begin(&c.app.app, begun).await.expect("begun");
    task::advance(&c.app.app, &begun, news).await.expect("moved").expect("nobody was faster")
}

fn made(result: Value) -> News {
    News { status: Some(TaskStatus::Succeeded), result: Some(document(result)), ..News::default() }
}

async fn rows(c: &Cast, query: &str) -> Vec<Value> {
    let page = told(&deployed(&c.admin).get(&format!("/api/task/?p=1&page_size=100&{query}")).await);
    assert_eq!(page["total"], json!(page["items"].as_array().map(Vec::len)), "{query}: {page}");
    page["items"].as_array().cloned().expect("rows")
}

#[tokio::test(flavor = "multi_thread")]
async fn films_are_what_their_page_knows_and_can_be_seen_there() {
    let c = cast().await;
    let of_kling = json!({ "task_result": { "videos": [{ "url": "https://films.example/1.mp4" }] } });
    let at = |url: &str| json!({ "url": url });
    let picture = json!({ "prompt": "a", "image": "https://pictures.example/a.png" });
    let words = json!({ "prompt": "a", "image": "" });
    let mut wanted = Vec::new();
    for (what, request, result, action, seen) in [
        (("kling", "text2video"), &words, of_kling.clone(), "textGenerate", "https://films.example/1.mp4"),
        (("kling", "image2video"), &picture, of_kling.clone(), "generate", "https://films.example/1.mp4"),
        (
            ("video", "generations"),
            &picture,
            at("https://films.example/2.mp4"),
            "generate",
            "https://films.example/2.mp4",
        ),
        (
            ("video", "generations"),
            &words,
            at("https://films.example/3.mp4"),
            "textGenerate",
            "https://films.example/3.mp4",
        ),
        (
            ("openai_video", "create"),
            &json!({ "input_reference": { "image_url": "https://pictures.example/a.png" } }),
            json!({ "status": "SUCCESS", "fail_reason": "https://films.example/4.mp4" }),
            "generate",
            "https://films.example/4.mp4",
        ),
        (("openai_video", "create"), &words, at("https://films.example/v1/videos/8/content"), "textGenerate", ""),
        (("openai_video", "remix"), &words, at("ftp://films.example/5.mp4"), "textGenerate", ""),
        (("suno", "MUSIC"), &words, at("https://songs.example/6.mp3"), "MUSIC", ""),
    ] {
        let task = ended(&c, what, request.clone(), made(result)).await;
        wanted.push((task.uid, action, seen, what.1));
    }
    let late = News {
        status: Some(TaskStatus::Failed),
        fail_reason: Some("the task did not end in time".into()),
        result: Some(document(at("https://films.example/7.mp4"))),
        ..News::default()
    };
    let late = ended(&c, ("kling", "text2video"), words.clone(), late).await;
    wanted.push((late.uid, "textGenerate", "任务未在时限内完成", "text2video"));
    let all = rows(&c, "action=").await;
    let documented = told(&c.ann.get("/api/task/self?p=1&page_size=100").await);
    for (uid, action, seen, own) in &wanted {
        let of = |rows: &[Value]| rows.iter().find(|row| row["task_id"] == *uid).cloned().expect("a row");
        let row = of(&all);
        assert_eq!((&row["action"], &row["fail_reason"]), (&json!(action), &json!(seen)), "{row}");
        let row = of(documented["items"].as_array().expect("rows"));
        assert_eq!(row["action"], json!(own), "the document has no words for it: {row}");
    }
    for action in ["generate", "textGenerate", "MUSIC", "LYRICS"] {
        let found = rows(&c, &format!("action={action}&channel_id=7")).await;
        let many = wanted.iter().filter(|(_, of, ..)| *of == action).count();
        assert_eq!(found.len(), many, "{action}");
        assert!(found.iter().all(|row| row["action"] == action), "{action}: {found:?}");
    }
    let one = told(&c.admin.get("/api/task?action=image2video").await);
    assert_eq!(one["total"], json!(1), "as it is called elsewhere: {one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_forwarded_where_that_is_switched_on() {
    let c = cast().await;
    let vendor = "https://pictures.example/a.png";
    let imagine = ("midjourney", "IMAGINE");
    let made_there = ended(&c, imagine, json!({ "prompt": "a" }), made(json!({ "imageUrl": vendor }))).await;
    let none = ended(&c, imagine, json!({ "prompt": "a" }), made(json!({}))).await;
    let failed = News { status: Some(TaskStatus::Failed), ..made(json!({ "imageUrl": vendor })) };
    let failed = ended(&c, imagine, json!({ "prompt": "a" }), failed).await;
    let ours = format!("{}/mj/image/{}", c.app.url, made_there.uid);
    for (switch, shown, of_failed) in [("true", ours.as_str(), ""), ("false", vendor, vendor)] {
        let form = json!({ "key": "MjForwardUrlEnabled", "value": switch });
        told(&deployed(&c.root).call("PUT", "/api/option/", form).await);
        for page in [
            told(&deployed(&c.admin).get("/api/mj/?p=1&page_size=10&channel_id=&mj_id=").await),
            told(&deployed(&c.ann).get("/api/mj/self/?p=1&page_size=10&mj_id=").await),
        ] {
            let rows = page["items"].as_array().expect("rows");
            let address = |task: &Task| {
                let row = rows.iter().find(|row| row["mj_id"] == task.uid.as_str()).expect("a row");
                row["image_url"].as_str().expect("text").to_owned()
            };
            assert_eq!((address(&made_there).as_str(), address(&none).as_str()), (shown, ""), "{switch}");
            assert_eq!(address(&failed), of_failed, "{switch}");
            assert!(switch == "false" || !page.to_string().contains(vendor), "{page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_no_number_is_none_that_is_looked_for() {
    let c = cast().await;
    ended(&c, ("suno", "MUSIC"), json!({ "prompt": "a" }), made(json!({}))).await;
    ended(&c, ("midjourney", "IMAGINE"), json!({ "prompt": "a" }), made(json!({}))).await;
    for path in ["/api/task/?", "/api/mj/?"] {
        for (text, many) in [("abc", 1), ("", 1), ("7", 1), ("8", 0)] {
            let page = told(&deployed(&c.admin).get(&format!("{path}channel_id={text}")).await);
            assert_eq!(page["total"], json!(many), "{path}{text}: {page}");
        }
    }
    for path in ["/api/log/?", "/api/log/stat?"] {
        told(&deployed(&c.admin).get(&format!("{path}channel=abc")).await);
    }
    for path in
        ["/api/task?channel_id=abc", "/api/mj?channel_id=abc", "/api/log?channel=abc", "/api/log/stat?channel=abc"]
    {
        refused(&c.admin.get(path).await, 400, path);
    }
}

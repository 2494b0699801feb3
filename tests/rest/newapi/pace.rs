//! How many calls a person may make in a while, as the page of settings says.

use harness::fake_upstream::{FakeUpstream, Step, Vendor};
use harness::{Client, PASSWORD, TestApp, at};
use schema::{Micros, Role, Time};
use serde_json::{Value, json};

use super::{refused, sign_in, told};

async fn put(root: &Client, key: &str, value: &str) -> harness::Answer {
    root.call("PUT", "/api/option/", json!({ "key": key, "value": value })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_calls_so_often_in_a_while_whatever_the_key() {
    let app = TestApp::builder().clock_at(Time(1_800_000_000_000)).start().await;
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    let upstream = FakeUpstream::start(Vendor::OpenAi).await;
    let form = json!({ "name": "good", "type": 1, "key": Vendor::OpenAi.key(), "base_url": upstream.url(),
        "models": "gpt-4o", "group": "default,vip" });
    told(&root.post("/api/channel", form).await);
    let mut keys = Vec::new();
    for name in ["ann", "bob", "cy"] {
        app.person(name, Role::User, Micros(50_000_000)).await;
        let own = sign_in(&app, name, PASSWORD).await;
        for n in 0..2 {
            let form = json!({ "name": format!("key {n}"), "unlimited_quota": true, "expired_time": -1 });
            let key = told(&own.post("/api/token", form).await)["key"].as_str().expect("a key").to_owned();
            keys.push(app.anonymous().bearer(&key));
        }
    }
    let call = async |key: &Client| {
        let body = json!({ "model": "gpt-4o", "max_tokens": 8, "messages": [{ "role": "user", "content": "hi" }] });
        key.post("/v1/chat/completions", body).await
    };
    let serves = async |key: &Client| assert_eq!(call(key).await.status, 200);
    let [first, second, other, _, lucky, _] = &keys[..] else { panic!("six keys") };
    for (key, value) in [("ModelRequestRateLimitCount", "2"), ("ModelRequestRateLimitDurationMinutes", "3")] {
        told(&put(&root, key, value).await);
    }
    for _ in 0..3 {
        serves(first).await;
    }
    told(&put(&root, "ModelRequestRateLimitEnabled", "true").await);
    serves(first).await;
    serves(second).await;
    let sent = upstream.requests().len();
    for key in [first, second] {
        let no = call(key).await;
        assert_eq!((no.status.as_u16(), at(&no.json(), "error.code")), (429, &json!("user_requests")), "{}", no.text);
        assert!(no.header("retry-after").parse::<i64>().is_ok_and(|s| (1..=180).contains(&s)), "{:?}", no.headers);
    }
    assert_eq!(upstream.requests().len(), sent, "nothing is sent");
    serves(other).await;
    // Those that succeed have a limit of their own.
    told(&put(&root, "ModelRequestRateLimitCount", "9").await);
    told(&put(&root, "ModelRequestRateLimitSuccessCount", "1").await);
    upstream.script([Step::refuse(400)]);
    assert_eq!(call(lucky).await.status, 400);
    serves(lucky).await;
    let no = call(lucky).await;
    assert_eq!((no.status.as_u16(), at(&no.json(), "error.code")), (429, &json!("user_served")), "{}", no.text);
    let listed = first.get("/v1/models").await;
    assert_eq!(listed.status, 200, "what costs nothing is not counted: {}", listed.text);
    app.app.clock.advance(3 * 60_000 + 1);
    serves(first).await;
    // A group may have another limit, or none.
    told(&put(&root, "ModelRequestRateLimitGroup", "{\"default\":[4,4]}").await);
    serves(other).await;
    for bad in ["[]", "{\"vip\":2}", "{\"vip\":[5,0]}", "{\"vip\":[-1,5]}"] {
        refused(&put(&root, "ModelRequestRateLimitGroup", bad).await, 200, bad);
    }
    refused(&put(&root, "ModelRequestRateLimitCount", "-1").await, 200, "less than none");
    let options: Value = told(&root.get("/api/option/").await);
    let kept = options.as_array().expect("options").iter().find(|o| o["key"] == "ModelRequestRateLimitGroup");
    assert_eq!(kept.map(|o| o["value"].clone()), Some(json!("{\"default\":[4,4]}")));
}

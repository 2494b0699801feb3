//! What a vendor holds is asked for where it is held, by the key that made it and no other.

use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::model::account::AccountKind;
use serde_json::{Value, json};

use crate::world::{CHAT, CLAUDE, Caller, World, events};

async fn three(kind: AccountKind, vendor: Vendor) -> (World, Vec<FakeUpstream>, Caller) {
    let world = World::new().await;
    let mut fakes = Vec::new();
    for _ in 0..3 {
        let fake = FakeUpstream::start(vendor).await;
        world.account(&fake, kind, vendor).await;
        fakes.push(fake);
    }
    let ann = world.caller("ann").await;
    (world, fakes, ann)
}

fn ask(words: &str, more: Value) -> Value {
    let mut body = json!({"model": CHAT, "input": words});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name.as_str()] = value.clone();
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_followed_up_where_they_are_kept() {
    let (world, _fakes, ann) = three(AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let bob = world.caller("bob").await;
    for round in 0..4 {
        let first = ann.http.post("/v1/responses", ask(&format!("Begin {round}."), json!({}))).await;
        let id = first.json()["id"].as_str().unwrap().to_owned();
        let mut last = id.clone();
        for turn in 0..3 {
            let more = json!({"previous_response_id": last, "stream": turn == 1});
            let next = ann.http.post("/v1/responses", ask(&format!("Go on {turn}."), more)).await;
            assert_eq!(next.status, 200, "another account would not know it: {}", next.text);
            last = match turn {
                1 => events(&next).first().unwrap()["response"]["id"].as_str().unwrap().to_owned(),
                _ => next.json()["id"].as_str().unwrap().to_owned(),
            };
        }
        for path in [
            format!("/v1/responses/{id}"),
            format!("/v1/responses/{id}/input_items"),
            format!("/openai/v1/responses/{id}"),
        ] {
            let found = ann.http.get(&path).await;
            assert_eq!(found.status, 200, "{path}: {}", found.text);
        }
        let stranger = bob.http.get(&format!("/v1/responses/{id}")).await;
        assert_eq!(stranger.status, 404, "{}", stranger.text);
        let gone = ann.http.call("DELETE", &format!("/v1/responses/{id}"), Value::Null).await;
        assert_eq!(gone.status, 200, "{}", gone.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_outlive_the_process() {
    let (world, _fakes, ann) = three(AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let mut ids = Vec::new();
    for round in 0..4 {
        let first = ann.http.post("/v1/responses", ask(&format!("Begin {round}."), json!({}))).await;
        ids.push(first.json()["id"].as_str().unwrap().to_owned());
    }
    let token = ann.http.token.clone();
    let world = World { t: world.t.restart().await };
    let ann = harness::Client::new(&world.t.url, token.as_deref());
    for id in ids {
        let next = ann.post("/v1/responses", ask("Go on.", json!({"previous_response_id": id}))).await;
        assert_eq!(next.status, 200, "{}", next.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_continued_where_they_are_kept() {
    let (_world, _fakes, ann) = three(AccountKind::OpenaiKey, Vendor::OpenAi).await;
    for _ in 0..4 {
        let made = ann.http.post("/v1/conversations", json!({})).await;
        assert_eq!(made.status, 200, "{}", made.text);
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let said = ann.http.post("/v1/responses", ask("Say hello.", json!({"conversation": id}))).await;
        assert_eq!(said.status, 200, "{}", said.text);
        let said = ann.http.post("/v1/responses", ask("Again.", json!({"conversation": {"id": id}}))).await;
        assert_eq!(said.status, 200, "{}", said.text);
        let found = ann.http.get(&format!("/v1/conversations/{id}")).await;
        assert_eq!(found.status, 200, "{}", found.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_contents_are_used_where_they_are_kept() {
    let (_world, fakes, ann) = three(AccountKind::GeminiKey, Vendor::Gemini).await;
    for round in 0..4 {
        let contents = json!([{"role": "user", "parts": [{"text": format!("A long text {round}.")}]}]);
        let made = ann
            .http
            .post("/v1beta/cachedContents", json!({"model": "models/gemini-2.5-flash", "contents": contents}))
            .await;
        assert_eq!(made.status, 200, "{}", made.text);
        let name = made.json()["name"].as_str().unwrap().to_owned();
        let holder = fakes.iter().position(|fake| !fake.requests_to("cachedContents").is_empty()).unwrap();
        fakes.iter().for_each(FakeUpstream::forget);
        let body = json!({"cachedContent": name, "contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
        for _ in 0..3 {
            let said = ann.http.post("/v1beta/models/gemini-2.5-flash:generateContent", body.clone()).await;
            assert_eq!(said.status, 200, "{}", said.text);
        }
        assert_eq!(fakes[holder].requests().len(), 3, "all where it is kept");
        let found = ann.http.get(&format!("/v1beta/{name}")).await;
        assert_eq!(found.status, 200, "{}", found.text);
        fakes.iter().for_each(FakeUpstream::forget);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_referred_to_where_they_are_kept() {
    let (world, fakes, ann) = three(AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let asked = |fakes: &[FakeUpstream]| fakes.iter().map(|fake| fake.requests().len()).collect::<Vec<_>>();
    let mut calls = 0;
    for stream in [false, true] {
        for round in 0..4 {
            fakes.iter().for_each(FakeUpstream::forget);
            let first =
                ann.http.post("/v1/responses", ask(&format!("Begin {round}."), json!({"stream": stream}))).await;
            assert_eq!(first.status, 200, "{}", first.text);
            let response = match stream {
                true => events(&first).last().unwrap()["response"].clone(),
                false => first.json(),
            };
            let item = response["output"][0]["id"].as_str().unwrap().to_owned();
            let holder = asked(&fakes).iter().position(|count| *count == 1).unwrap();
            // An item is known a moment after its stream has ended, and before the call is booked.
            calls += 1;
            world.booked_when(calls).await;
            for turn in 0..3 {
                // Nothing else of it tells where it belongs.
                let input = json!([
                    {"role": "user", "content": format!("Go on {round} {turn} {stream}.")},
                    {"type": "item_reference", "id": item},
                    {"role": "user", "content": "And?"},
                ]);
                let next = ann.http.post("/v1/responses", json!({"model": CHAT, "input": input})).await;
                assert_eq!(next.status, 200, "{}", next.text);
                let mut wanted = vec![0; 3];
                wanted[holder] = turn + 2;
                assert_eq!(asked(&fakes), wanted);
                calls += 1;
            }
        }
    }
    // A vendor that holds no such thing is not asked, and nothing is left out in silence.
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    world.account(&fake, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let ann = world.caller("ann").await;
    let input = json!([{"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "Go on."}]);
    let refused = ann.http.post("/v1/responses", json!({"model": CLAUDE, "input": input})).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("send the item itself"), "{}", refused.text);
    assert!(fake.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_go_on_where_they_are_kept() {
    let (_world, fakes, ann) = three(AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let turn = |thread: Value, stream: bool, words: &str| {
        json!({
            "model": CLAUDE, "max_tokens": 64, "stream": stream, "thread": thread,
            "messages": [{"role": "user", "content": words}],
        })
    };
    for round in 0..4 {
        fakes.iter().for_each(FakeUpstream::forget);
        let begun =
            ann.http.post("/v1/messages", turn(json!({"type": "create"}), false, &format!("Begin {round}."))).await;
        assert_eq!(begun.status, 200, "{}", begun.text);
        let mut last = begun.json()["id"].as_str().unwrap().to_owned();
        for stream in [true, false, true] {
            let thread = json!({"type": "continue", "previous_message_id": last});
            let next = ann.http.post("/v1/messages", turn(thread, stream, "Go on.")).await;
            assert_eq!(next.status, 200, "another account would not know it: {}", next.text);
            last = match stream {
                true => events(&next).first().unwrap()["message"]["id"].as_str().unwrap().to_owned(),
                false => next.json()["id"].as_str().unwrap().to_owned(),
            };
        }
        let asked: Vec<usize> = fakes.iter().map(|fake| fake.requests().len()).filter(|count| *count > 0).collect();
        assert_eq!(asked, [4]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_no_threads_says_so_in_anthropics_words() {
    let world = World::new().await;
    let (openai, bedrock) = (FakeUpstream::start(Vendor::OpenAi).await, FakeUpstream::start(Vendor::Bedrock).await);
    world.account(&openai, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    world
        .account_with(&bedrock, AccountKind::Bedrock, Vendor::Bedrock, |draft| {
            draft.options.region = Some("us-east-1".into());
        })
        .await;
    let ann = world.caller("ann").await;
    for model in [CHAT, CLAUDE] {
        for thread in [json!({"type": "create"}), json!({"type": "continue", "previous_message_id": "msg_1"})] {
            let body = json!({
                "model": model, "max_tokens": 64, "thread": thread, "messages": [{"role": "user", "content": "Hi."}],
            });
            let refused = ann.http.post("/v1/messages", body).await;
            assert_eq!(refused.status, 400, "{model}: {}", refused.text);
            // Anthropic's SDKs go on without a thread when they read this.
            let code = refused.json().pointer("/error/details/error_code").cloned();
            assert_eq!(code, Some("thread_unsupported_request".into()), "{}", refused.text);
        }
    }
    assert!(openai.requests().is_empty() && bedrock.requests().is_empty());
}

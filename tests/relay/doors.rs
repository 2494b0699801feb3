//! Every documented door and its dialect, every place a key may be in, and what is told about losses.

use harness::Client;
use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::model::account::AccountKind;
use schema::service::account::Credentials;
use schema::{Micros, Role};
use serde_json::{Value, json};

use crate::world::{CHAT, CLAUDE, Caller, World, chat, messages};

async fn all() -> (World, Vec<FakeUpstream>, Caller) {
    let world = World::new().await;
    let mut fakes = Vec::new();
    for (kind, vendor) in [
        (AccountKind::OpenaiKey, Vendor::OpenAi),
        (AccountKind::ClaudeConsole, Vendor::Anthropic),
        (AccountKind::GeminiKey, Vendor::Gemini),
    ] {
        let fake = FakeUpstream::start(vendor).await;
        world.account(&fake, kind, vendor).await;
        fakes.push(fake);
    }
    let ann = world.caller("ann").await;
    for fake in &fakes {
        fake.forbid(ann.http.token.clone().expect("a key"));
    }
    (world, fakes, ann)
}

fn contents() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_any_origin_may_read_the_answer() {
    let (_world, _fakes, ann) = all().await;
    let page = ann.http.with("origin", "https://app.example");
    let stranger = page.bearer("sk-nobody");
    for (who, status, stream) in [(&page, 200, false), (&page, 200, true), (&stranger, 401, false)] {
        let answer = who.post("/v1/chat/completions", chat(stream)).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (status, "*"));
        // Pages read the request's name, the pause to make, and what was left out.
        assert_eq!(answer.header("access-control-expose-headers"), "*");
    }
    assert_eq!(page.call("DELETE", "/v1/messages", Value::Null).await.header("access-control-allow-origin"), "*");
    assert_eq!(page.call("OPTIONS", "/v1/messages", Value::Null).await.header("access-control-allow-origin"), "*");
    let answer = ann.http.post("/v1/chat/completions", chat(false)).await;
    assert_eq!(answer.header("access-control-allow-origin"), "", "no page, no word of it");
    let head = ann.http.call("HEAD", "/v1/models", Value::Null).await;
    assert_eq!((head.status.as_u16(), head.header("content-type"), head.text.as_str()), (200, "application/json", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_leads_to_its_dialect() {
    let (_world, _fakes, ann) = all().await;
    let mut short = messages(false);
    short.as_object_mut().unwrap().remove("max_tokens");
    let responses = json!({"model": CHAT, "input": "Say hello."});
    let unnamed = json!({"messages": [{"role": "user", "content": "Say hello."}]});
    let invoke = json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": "Say hello."}]});
    let converse = json!({"messages": [{"role": "user", "content": [{"text": "Say hello."}]}]});
    let said = [
        ("/v1/messages", messages(false), "/content/0/text"),
        // The commercial documentation asks for no limit of the output.
        ("/api/messages", short.clone(), "/content/0/text"),
        ("/api/v1/messages", short.clone(), "/content/0/text"),
        ("/claude/messages", short.clone(), "/content/0/text"),
        ("/claude/v1/messages", short.clone(), "/content/0/text"),
        ("/gemini/messages", short.clone(), "/content/0/text"),
        ("/bedrock/messages", short.clone(), "/content/0/text"),
        ("/bedrock/v1/messages", short, "/content/0/text"),
        ("/v1/chat/completions", chat(false), "/choices/0/message/content"),
        ("/api/v1/chat/completions", chat(false), "/choices/0/message/content"),
        ("/claude/v1/chat/completions", chat(false), "/choices/0/message/content"),
        ("/openai/chat/completions", chat(false), "/choices/0/message/content"),
        ("/openai/v1/chat/completions", chat(false), "/choices/0/message/content"),
        ("/openai/claude/v1/chat/completions", chat(false), "/choices/0/message/content"),
        ("/openai/gemini/v1/chat/completions", chat(false), "/choices/0/message/content"),
        ("/v1beta/openai/chat/completions", chat(false), "/choices/0/message/content"),
        ("/azure/chat/completions", chat(false), "/choices/0/message/content"),
        ("/azure/openai/v1/chat/completions", chat(false), "/choices/0/message/content"),
        (
            "/azure/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            chat(false),
            "/choices/0/message/content",
        ),
        (
            "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
            chat(false),
            "/choices/0/message/content",
        ),
        // Azure's clients leave the model to the path, also where another vendor serves it.
        (
            "/azure/openai/deployments/claude-sonnet-4-5/chat/completions?api-version=2024-10-21",
            unnamed,
            "/choices/0/message/content",
        ),
        ("/v1/responses", responses.clone(), "/output/0/content/0/text"),
        ("/openai/responses", responses.clone(), "/output/0/content/0/text"),
        ("/openai/v1/responses", responses.clone(), "/output/0/content/0/text"),
        ("/azure/responses", responses, "/output/0/content/0/text"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", contents(), "/candidates/0/content/parts/0/text"),
        ("/v1/models/gemini-2.5-flash:generateContent", contents(), "/candidates/0/content/parts/0/text"),
        ("/gemini/v1beta/models/gemini-2.5-flash:generateContent", contents(), "/candidates/0/content/parts/0/text"),
        ("/gemini/v1/models/gemini-2.5-flash:generateContent", contents(), "/candidates/0/content/parts/0/text"),
        ("/bedrock/model/claude-sonnet-4-5/converse", converse, "/output/message/content/0/text"),
        ("/bedrock/model/claude-sonnet-4-5/invoke", invoke, "/content/0/text"),
    ];
    for (path, body, place) in said {
        let answer = ann.http.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let json = answer.json();
        let text = json.pointer(place).and_then(Value::as_str).unwrap_or_default();
        assert!(text.contains("世界"), "{path}: {}", answer.text);
    }
    // At the vendor's own path its own rule holds.
    let mut short = messages(false);
    short.as_object_mut().unwrap().remove("max_tokens");
    let answer = ann.http.post("/v1/messages", short).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"]["type"].as_str()), (400, Some("invalid_request_error")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_may_be_in_every_place_that_clients_use() {
    let (world, _fakes, ann) = all().await;
    let key = ann.http.token.clone().expect("a key");
    let nobody = Client::new(&world.t.url, None);
    let bare = key.strip_prefix("sk-").expect("a prefix");
    for (name, value) in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", key.clone()),
        ("authorization", format!("Bearer {bare}")),
        ("x-api-key", key.clone()),
        ("x-goog-api-key", key.clone()),
        ("api-key", key.clone()),
    ] {
        let answer = nobody.with(name, &value).post("/v1/messages", messages(false)).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
    }
    let path = format!("/v1beta/models/gemini-2.5-flash:generateContent?key={key}");
    let answer = nobody.post(&path, contents()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_said_is_named_or_refused() {
    let (_world, fakes, ann) = all().await;
    let mut ask = chat(false);
    ask["model"] = CLAUDE.into();
    ask["seed"] = 7.into();
    ask["logit_bias"] = json!({"50256": -100});
    let answer = ann.http.post("/v1/chat/completions", ask.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let warnings = answer.header("x-tollgate-warnings");
    assert!(warnings.contains("seed") && warnings.contains("logit_bias"), "{warnings}");
    ask["stream"] = true.into();
    let stream = ann.http.post("/v1/chat/completions", ask.clone()).await;
    assert!(stream.header("x-tollgate-warnings").contains("seed"), "{:?}", stream.headers);
    let before = fakes[1].requests().len();
    ask["stream"] = false.into();
    ask["n"] = 2.into();
    let refused = ann.http.post("/v1/chat/completions", ask).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["error"]["param"].as_str()),
        (400, Some("n")),
        "{}",
        refused.text
    );
    assert_eq!(fakes[1].requests().len(), before, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_fetched_for_vendors_that_cannot_and_only_from_outside() {
    let (world, fakes, ann) = all().await;
    let ask = |url: &str| {
        json!({"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": [
            {"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}},
        ]}]})
    };
    // The fake itself lies on this machine, which no prompt may reach.
    let inside = format!("{}/image.png", fakes[0].url());
    let before = fakes[0].requests().len();
    let answer = ann.http.post("/v1/chat/completions", ask(&inside)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert_eq!(fakes[0].requests().len(), before, "nobody knocked");
    // Unless the operator says so.
    let host = fakes[0].address().to_string();
    world.set(&[("fetch_allowed_hosts", &host)]).await;
    fakes[0].always(Some(harness::fake_upstream::Step::raw(200, "image/png", &b"\x89PNG"[..])));
    let answer = ann.http.post("/v1/chat/completions", ask(&inside)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let sent = fakes[2].last().json();
    let parts = sent["contents"][0]["parts"].as_array().unwrap();
    assert!(parts.iter().any(|part| part["inlineData"]["mimeType"] == "image/png"), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_keys_of_an_account_take_turns_and_a_bad_one_is_left() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.accept_only(["sk-good-one", "sk-good-two"]);
    world
        .account_with(&fake, AccountKind::OpenaiKey, Vendor::OpenAi, |draft| {
            draft.credentials = Credentials::lines("sk-good-one\nsk-bad\nsk-good-two");
        })
        .await;
    let ann = world.caller("ann").await;
    let mut served = 0;
    for n in 0..20 {
        let mut body = chat(false);
        body["messages"][0]["content"] = format!("Say hello, {n}.").into();
        served += usize::from(ann.http.post("/v1/chat/completions", body).await.status == 200);
    }
    let bad = fake.requests().iter().filter(|seen| seen.bearer() == Some("sk-bad")).count();
    assert!(served == 20 && bad <= 1, "{served} served, the bad key tried {bad} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialects_clients_find_the_name_of_their_request() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    let stranger = world.t.anonymous();
    let converse = json!({"messages": [{"role": "user", "content": [{"text": "Hi."}]}]});
    let messages = json!({"model": CHAT, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi."}]});
    for (path, body, name) in [
        ("/v1/messages".to_owned(), messages, "request-id"),
        (format!("/bedrock/model/{CHAT}/converse"), converse, "x-amzn-requestid"),
    ] {
        let (good, bad) = (ann.http.post(&path, body.clone()).await, stranger.post(&path, body).await);
        assert_eq!((good.status.as_u16(), bad.status.as_u16()), (200, 401), "{path}: {}", good.text);
        for answer in [good, bad] {
            assert!(!answer.header(name).is_empty(), "{path}: {:?}", answer.headers);
            assert_eq!(answer.header(name), answer.header("x-request-id"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_serves_is_refused_in_the_callers_words() {
    let world = World::new().await;
    let ann = world.caller("ann").await;
    let at = |path: &'static str, name: &'static str, value: &'static str| {
        let http = ann.http.with(name, value);
        async move {
            let answer = http.post(path, json!({})).await;
            assert_eq!(answer.status, 404, "{path}: {}", answer.text);
            answer.json()
        }
    };
    let openai = at("/v1/files", "x-test", "1").await;
    assert_eq!(openai["error"]["code"], "unknown_url", "{openai}");
    for path in ["/v1/files", "/v1/messages/batches", "/v1/skills"] {
        let anthropic = at(path, "anthropic-version", "2023-06-01").await;
        let said = (anthropic["type"].as_str(), anthropic["error"]["type"].as_str());
        assert_eq!(said, (Some("error"), Some("not_found_error")), "{path}: {anthropic}");
    }
    for path in ["/v1/interactions", "/v1beta/files", "/upload/v1beta/files", "/v1beta/batches"] {
        let key: &'static str = Box::leak(ann.http.token.clone().unwrap().into_boxed_str());
        let google = at(path, "x-goog-api-key", key).await;
        assert_eq!(google["error"]["status"], "NOT_FOUND", "{path}: {google}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_name_an_account_behind_their_key() {
    let world = World::new().await;
    let mut fakes = Vec::new();
    for _ in 0..3 {
        let fake = FakeUpstream::start(Vendor::OpenAi).await;
        let account = world.account(&fake, AccountKind::OpenaiKey, Vendor::OpenAi).await;
        fakes.push((fake, account.id));
    }
    let chief = world.t.person("chief", Role::Admin, Micros(10_000_000)).await;
    let (ann, root) = (world.caller("ann").await, world.key_of(chief.id, |_| {}).await);
    let naming = |caller: &Caller, account: i64| {
        caller.http.bearer(&format!("{}-{account}", caller.http.token.as_deref().unwrap()))
    };
    for (fake, account) in &fakes {
        fakes.iter().for_each(|(fake, _)| fake.forget());
        for turn in 0..4 {
            let words = format!("Say hello, {turn}.");
            let body = json!({"model": CHAT, "messages": [{"role": "user", "content": words}]});
            let answer = naming(&root, *account).post("/v1/chat/completions", body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        assert_eq!(fake.requests().len(), 4, "all of them");
    }
    let refused = naming(&ann, fakes[0].1).post("/v1/chat/completions", chat(false)).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (403, &json!("access_denied")));
    let stranger = Client::new(&world.t.url, Some("sk-nobody-has-this-key-1"));
    assert_eq!(stranger.post("/v1/chat/completions", chat(false)).await.status, 401);
    let nowhere = naming(&root, 999_999).post("/v1/chat/completions", chat(false)).await;
    assert_eq!(nowhere.status, 404, "{}", nowhere.text);
}

//! Any dialect in, any kind of account out, and every door to its list of models.

use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::model::account::AccountKind;
use serde_json::{Value, json};

use crate::world::{CLAUDE, World, chat, events, messages, said};

#[tokio::test(flavor = "multi_thread")]
async fn chat_is_served_by_anthropic_both_ways() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    world.account(&fake, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    let ann = world.caller("ann").await;
    let ask = |stream| json!({"model": CLAUDE, "stream": stream, "seed": 7, "messages": [{"role": "user", "content": "Say hello."}]});
    let whole = ann.http.post("/v1/chat/completions", ask(false)).await;
    assert_eq!(whole.status, 200, "{}", whole.text);
    assert_eq!((whole.json()["object"].as_str(), fake.last().path.as_str()), (Some("chat.completion"), "/v1/messages"));
    assert!(whole.header("x-tollgate-warnings").contains("seed"), "{:?}", whole.headers);
    let stream = ann.http.post("/v1/chat/completions", ask(true)).await;
    assert!(said(&stream).contains("世界! 🌍") && stream.text.ends_with("data: [DONE]\n\n"), "{}", stream.text);
    let booked = world.booked_when(2).await;
    assert!(booked.iter().all(|row| row["output"].as_i64().unwrap() > 0 && row["dialect"] == "openai"));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_served_by_openai_and_gemini_by_either() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    let mut body = messages(true);
    body["model"] = "gpt-4o".into();
    let answer = ann.http.with("anthropic-version", "2023-06-01").post("/v1/messages", body).await;
    let kinds: Vec<_> =
        events(&answer).iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(
        (kinds.first().map(String::as_str), kinds.last().map(String::as_str)),
        (Some("message_start"), Some("message_stop"))
    );
    let sent = fake.requests().len();
    let endless = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]});
    let refused = ann.http.post("/v1/messages", endless).await;
    assert_eq!((refused.status.as_u16(), fake.requests().len()), (400, sent), "{}", refused.text);
    assert!(refused.text.contains("max_tokens"), "as Anthropic itself refuses it: {}", refused.text);
    let ask = json!({"contents": [{"role": "user", "parts": [{"text": "Say hello."}]}]});
    let gemini = ann.http.post("/v1beta/models/gpt-4o:streamGenerateContent", ask).await;
    assert_eq!(gemini.header("content-type"), "application/json");
    assert!(gemini.json().is_array(), "without alt=sse the stream is one array: {}", gemini.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_dialect_keeps_unknown_fields() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world
        .account_with(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi, |draft| {
            draft.options.mapping = [("my-model".to_owned(), "gpt-4o".to_owned())].into();
        })
        .await;
    let ann = world.caller("ann").await;
    let mut body = chat(false);
    body["model"] = "my-model".into();
    body["metadata"] = json!({"kept": "as it is"});
    world.set(&[("unpriced_models", "free")]).await;
    let answer = ann.http.post("/v1/chat/completions", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let sent = fake.last().json();
    assert_eq!((sent["model"].as_str(), sent["metadata"]["kept"].as_str()), (Some("gpt-4o"), Some("as it is")));
    let booked = world.booked_when(1).await;
    assert_eq!((booked[0]["model"].as_str(), booked[0]["upstream_model"].as_str()), (Some("my-model"), Some("gpt-4o")));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_client_reads_its_own_list_of_models() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world
        .account_with(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi, |draft| {
            draft.models = vec!["gpt-4o".into(), "text-embedding-3-small".into()]
        })
        .await;
    let ann = world.caller("ann").await;
    let openai = ann.http.get("/v1/models").await.json();
    assert_eq!((openai["object"].as_str(), openai["data"][0]["id"].as_str()), (Some("list"), Some("gpt-4o")));
    let anthropic = ann.http.with("anthropic-version", "2023-06-01").get("/v1/models").await.json();
    assert_eq!((anthropic["data"][0]["type"].as_str(), anthropic["has_more"].as_bool()), (Some("model"), Some(false)));
    let gemini = ann.http.get("/v1beta/models").await.json();
    assert_eq!(gemini["models"][0]["name"], "models/gpt-4o");
    let verbs = |at: usize| gemini["models"][at]["supportedGenerationMethods"][0].clone();
    assert_eq!((verbs(0), verbs(1)), (json!("generateContent"), json!("embedContent")));
    assert_eq!(ann.http.get("/v1/models/gpt-4o").await.json()["id"], "gpt-4o");
    assert_eq!(ann.http.get("/v1/models/nothing").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_attached_for_the_log_stays_here() {
    let world = World::new().await;
    let (anthropic, openai) = (FakeUpstream::start(Vendor::Anthropic).await, FakeUpstream::start(Vendor::OpenAi).await);
    world.account(&anthropic, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    world.account(&openai, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    for (path, body, fake) in
        [("/v1/messages", messages(false), &anthropic), ("/v1/chat/completions", chat(false), &openai)]
    {
        for (sent, arrives) in [
            (json!({"accountBookId": "b1", "user_id": "u"}), json!({"user_id": "u"})),
            (json!({"user_id": "u"}), json!({"user_id": "u"})),
            (json!({"accountBookId": "b1", "accountBookName": "Home"}), Value::Null),
        ] {
            let mut body = body.clone();
            body["metadata"] = sent.clone();
            let answer = ann.http.post(path, body.clone()).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            body.as_object_mut().expect("an object").remove("metadata");
            if !arrives.is_null() {
                body["metadata"] = arrives;
            }
            assert_eq!(fake.last().json(), body, "{path} with {sent}");
        }
    }
}

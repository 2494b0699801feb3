//! Keys that may not, each told in the words of its door.

use harness::Client;
use harness::fake_upstream::{FakeUpstream, Vendor};
use schema::model::account::AccountKind;
use schema::model::api_key::{Permissions, Service};
use serde_json::{Value, json};

use crate::world::{World, chat, messages};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_in_each_dialect() {
    let world = World::new().await;
    let stranger = Client::new(&world.t.url, Some("sk-nobody-has-this-key"));
    let openai = stranger.post("/v1/chat/completions", chat(false)).await;
    assert_eq!((openai.status.as_u16(), openai.header("x-should-retry")), (401, "false"));
    assert!(openai.json()["error"]["message"].as_str().unwrap().starts_with("Incorrect API key provided"));
    // New-API's documented words stand beside the vendor's.
    assert_eq!(openai.json()["success"], false);
    assert_eq!(openai.json()["message"], openai.json()["error"]["message"]);
    let anthropic = stranger.post("/v1/messages", messages(false)).await;
    assert_eq!((anthropic.status.as_u16(), anthropic.header("x-should-retry")), (401, "false"));
    assert_eq!(anthropic.json()["error"]["type"], "authentication_error");
    assert_eq!(
        (anthropic.json()["type"].as_str(), anthropic.json()["success"].as_bool()),
        (Some("error"), Some(false))
    );
    let nobody =
        world.t.anonymous().post("/v1beta/models/gemini-2.5-pro:generateContent", json!({"contents": []})).await;
    assert_eq!((nobody.status.as_u16(), nobody.json()["success"].as_bool()), (403, Some(false)));
    assert_eq!(nobody.json()["error"]["status"], "PERMISSION_DENIED");
    let gemini = stranger.post("/v1beta/models/gemini-2.5-pro:generateContent", json!({"contents": []})).await;
    assert_eq!(
        (gemini.status.as_u16(), gemini.json()["error"]["details"][0]["reason"].as_str()),
        (400, Some("API_KEY_INVALID"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commercial_doors_have_the_documented_bodies() {
    let world = World::new().await;
    let doors = [
        ("/api/messages", "claude"),
        ("/claude/v1/messages", "claude"),
        ("/gemini/v1beta/models/gemini-pro:generateContent", "gemini"),
        ("/openai/chat/completions", "openai"),
        ("/bedrock/messages", "bedrock"),
    ];
    for (path, service) in doors {
        for caller in [world.t.anonymous(), world.t.anonymous().with("x-api-key", "claude-relay-0000000000000000")] {
            let answer = caller.post(path, messages(false)).await;
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(
                answer.json(),
                json!({"error": "Invalid API key", "message": "API key is invalid or expired"}),
                "{path}"
            );
        }
        let (own, word) = if service == "claude" { (Service::Gemini, "gemini") } else { (Service::Claude, "claude") };
        let name = path.replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let caller = world.caller_with(&name, |new| new.permissions = Permissions::Only(vec![own])).await;
        let answer = caller.http.post(path, messages(false)).await;
        let wanted = json!({
            "error": "Access denied",
            "message": format!("This API key does not have permission to access {service} service"),
            "keyPermissions": word,
            "requestedService": service,
        });
        assert_eq!((answer.status.as_u16(), answer.json()), (403, wanted), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claude_key_reaches_no_other_vendor_by_a_neutral_door() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    let ann = world.caller_with("ann", |new| new.permissions = Permissions::Only(vec![Service::Claude])).await;
    let answer = ann.http.post("/v1/chat/completions", chat(false)).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(fake.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn models_clients_and_bodies_are_held_to_the_key() {
    let world = World::new().await;
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    world.account(&fake, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    let status =
        |body: Value, path: &'static str, http: Client| async move { http.post(path, body).await.status.as_u16() };
    let strict = world
        .caller_with("ann", |new| {
            new.rules.restrict_models = true;
            new.rules.restricted_models = vec!["gpt-4o".into()];
        })
        .await;
    assert_eq!(status(chat(false), "/v1/chat/completions", strict.http).await, 403);
    let clients = world
        .caller_with("bob", |new| {
            new.rules.restrict_clients = true;
            new.rules.allowed_clients = vec!["claude_code".into()];
        })
        .await;
    assert_eq!(status(chat(false), "/v1/chat/completions", clients.http).await, 403);
    let small = world.caller_with("cyd", |new| new.rules.body_limit = 10).await;
    assert_eq!(status(chat(false), "/v1/chat/completions", small.http).await, 413);
    let plain = world.caller("dan").await;
    assert_eq!(status(json!({"messages": []}), "/v1/chat/completions", plain.http.clone()).await, 400);
    assert_eq!(status(json!({}), "/v1/nothing", plain.http).await, 404);
    assert!(fake.requests().is_empty());
}

//! Every client dialect at every kind of account: words, tools, thoughts and what came back, whole and streamed,
//! and the usage booked to the token.

use harness::fake_upstream::{ACCESS_KEY, FakeUpstream, SECRET_KEY, Usage, Vendor};
use schema::model::account::AccountKind;
use schema::service::account::Credentials;

use crate::tongue::{Heard, Tongue, Wish};
use crate::world::{CHAT, CLAUDE, Caller, World};

const SAID: &str = "Hello from the fake upstream. Grüße, 世界! 🌍 This answer is complete.";
const GEMINI: &str = "gemini-2.5-flash";
/// A model of OpenAI's that thinks.
const GPT: &str = "gpt-5.1";
/// A model on Bedrock that is not Anthropic's.
const NOVA: &str = "amazon.nova-pro-v1:0";

/// To whom an account shows its model's thoughts.
#[derive(Clone, Copy)]
enum Thoughts {
    Nobody,
    Everybody,
    /// OpenAI shows them in responses only.
    Responses,
}

/// A product with one account, and somebody to call it.
async fn at(kind: AccountKind, vendor: Vendor) -> (World, FakeUpstream, Caller) {
    let world = World::new().await;
    let fake = FakeUpstream::start(vendor).await;
    let cache_read = if vendor == Vendor::Ccr { 0 } else { 5 };
    fake.report_usage(Usage { input: 21, cache_read, output: 13, ..Usage::default() });
    world
        .account_with(&fake, kind, vendor, |draft| match kind {
            AccountKind::Bedrock => {
                draft.credentials = Credentials::Aws {
                    access_key_id: ACCESS_KEY.into(),
                    secret_access_key: SECRET_KEY.into(),
                    session_token: None,
                };
                draft.options.region = Some("us-east-1".into());
                draft.models = vec![CLAUDE.into(), NOVA.into()];
            }
            AccountKind::Vertex => {
                draft.credentials = Credentials::ServiceAccount { json: fake.service_account_json() };
                draft.options.region = Some("us-central1".into());
            }
            _ => {}
        })
        .await;
    let ann = world.caller("ann").await;
    (world, fake, ann)
}

/// Asks in every dialect for words, tools and thoughts, and holds what is heard against what the vendor said.
async fn every_client(kind: AccountKind, vendor: Vendor, model: &str, thoughts: Thoughts) {
    let (world, fake, ann) = at(kind, vendor).await;
    let mut calls = 0;
    for tongue in Tongue::ALL {
        for stream in [false, true] {
            let place = format!("{tongue:?} at {kind} ({model}), stream {stream}");
            let wish = Wish { model: model.into(), stream, turns: vec![tongue.user("Say hello.")], ..Wish::default() };
            let heard = tongue.ask(&ann, &wish).await;
            assert_eq!((heard.status, heard.text.as_str()), (200, SAID), "{place}: {:?}", heard.raw);
            assert!(heard.calls.is_empty() && heard.thinking.is_empty(), "{place}: {heard:?}");
            assert_eq!(heard.stop, ended(tongue, false), "{place}");
            // A gateway's figures may leave the input out; then it is guessed.
            let input = if kind == AccountKind::Ccr { 0 } else { 26 };
            assert_eq!((heard.input, heard.output), (input, 13), "{place}: {:?}", heard.raw);

            let wish = Wish { tools: true, turns: vec![tongue.user("What is the weather in Graz?")], ..wish };
            let heard = tongue.ask(&ann, &wish).await;
            assert_eq!(heard.status, 200, "{place}, tools: {:?}", heard.raw);
            assert_eq!(heard.calls.first().map(|call| call.0.as_str()), Some("weather"), "{place}: {heard:?}");
            assert!(heard.calls.iter().all(|call| call.1["city"].is_string()), "{place}: {heard:?}");
            assert_eq!(heard.stop, ended(tongue, true), "{place}, tools");
            calls += 2;
            if !stream {
                follow_up(tongue, &ann, &wish, &heard, &place).await;
                calls += 1;
            }

            let wish = Wish { tools: false, thinking: true, turns: vec![tongue.user("Think.")], ..wish };
            let heard = tongue.ask(&ann, &wish).await;
            assert_eq!((heard.status, heard.text.as_str()), (200, SAID), "{place}, thinking: {:?}", heard.raw);
            let shown = match thoughts {
                Thoughts::Nobody => false,
                Thoughts::Everybody => true,
                Thoughts::Responses => tongue == Tongue::Responses,
            };
            assert_eq!(!heard.thinking.is_empty(), shown, "{place}, thinking: {heard:?}");
            calls += 1;

            // A thought that led to a tool has to come back as it was, sealed.
            let wish = Wish { tools: true, turns: vec![tongue.user("Think of the weather in Graz.")], ..wish };
            if !stream {
                let heard = tongue.ask(&ann, &wish).await;
                assert_eq!(heard.status, 200, "{place}, thinking and tools: {:?}", heard.raw);
                follow_up(tongue, &ann, &wish, &heard, &format!("{place}, after a thought")).await;
                calls += 2;
            }
        }
    }
    assert_eq!(fake.requests_to("").iter().filter(|seen| !seen.path.ends_with("/token")).count(), calls);
    let booked = world.booked_when(calls).await;
    assert_eq!(booked.len(), calls, "each call is booked once");
    for row in booked {
        let figures = ["input", "cache_read", "output"].map(|name| row[name].as_i64().unwrap_or_default());
        if kind == AccountKind::Ccr {
            assert!(figures[0] > 0 && figures[1..] == [0, 13] && row["estimated"] == true, "{row:?}");
        } else {
            assert_eq!((figures, row["estimated"].as_bool()), ([21, 5, 13], Some(false)), "{row:?}");
        }
        assert!(row["cost"].as_i64().unwrap_or_default() > 0 && row["error"] == "", "{row:?}");
    }
}

async fn follow_up(tongue: Tongue, ann: &Caller, wish: &Wish, heard: &Heard, place: &str) {
    let turns = [wish.turns.clone(), tongue.follow(&heard.raw, "Sunny, 21 °C")].concat();
    let again = tongue.ask(ann, &Wish { turns, ..wish.clone() }).await;
    assert_eq!(again.status, 200, "{place}, follow-up: {:?}", again.raw);
    assert!(again.text.contains("Sunny, 21 °C"), "{place}, follow-up: {again:?}");
}

/// The dialect's word for an answer that is complete, or that waits for tools.
fn ended(tongue: Tongue, tools: bool) -> &'static str {
    match (tongue, tools) {
        (Tongue::Chat, false) => "stop",
        (Tongue::Chat, true) => "tool_calls",
        (Tongue::Responses, _) => "completed",
        (Tongue::Gemini, _) => "STOP",
        (_, false) => "end_turn",
        (_, true) => "tool_use",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_openai_key() {
    every_client(AccountKind::OpenaiKey, Vendor::OpenAi, GPT, Thoughts::Responses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_compatible_vendor() {
    every_client(AccountKind::OpenaiCompatible, Vendor::OpenAi, CHAT, Thoughts::Nobody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_responses_account() {
    every_client(AccountKind::OpenaiResponses, Vendor::OpenAi, GPT, Thoughts::Everybody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_an_azure_resource() {
    every_client(AccountKind::AzureOpenai, Vendor::Azure, GPT, Thoughts::Responses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_claude_console_key() {
    every_client(AccountKind::ClaudeConsole, Vendor::Anthropic, CLAUDE, Thoughts::Everybody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_gateway_for_claude() {
    every_client(AccountKind::Ccr, Vendor::Ccr, CLAUDE, Thoughts::Everybody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_bedrock() {
    every_client(AccountKind::Bedrock, Vendor::Bedrock, CLAUDE, Thoughts::Everybody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_bedrock_with_other_vendors_models() {
    let (world, fake, ann) = at(AccountKind::Bedrock, Vendor::Bedrock).await;
    world.set(&[("unpriced_models", "free")]).await;
    // Only the vendor itself knows what a body for `invoke` is for its models.
    for tongue in Tongue::ALL.into_iter().filter(|tongue| *tongue != Tongue::Invoke) {
        for stream in [false, true] {
            let place = format!("{tongue:?}, stream {stream}");
            let wish = Wish { model: NOVA.into(), stream, turns: vec![tongue.user("Say hello.")], ..Wish::default() };
            let heard = tongue.ask(&ann, &wish).await;
            assert_eq!((heard.status, heard.text.as_str()), (200, SAID), "{place}: {:?}", heard.raw);
            assert_eq!((heard.stop.as_str(), heard.input, heard.output), (ended(tongue, false), 26, 13), "{place}");
            let wish = Wish { tools: true, turns: vec![tongue.user("What is the weather in Graz?")], ..wish };
            let heard = tongue.ask(&ann, &wish).await;
            assert_eq!(heard.status, 200, "{place}, tools: {:?}", heard.raw);
            assert_eq!(heard.calls.first().map(|call| call.0.as_str()), Some("weather"), "{place}: {heard:?}");
            if !stream {
                follow_up(tongue, &ann, &wish, &heard, &place).await;
            }
        }
    }
    assert!(fake.requests_to("").iter().all(|seen| seen.path.contains("/converse")));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_gemini_key() {
    every_client(AccountKind::GeminiKey, Vendor::Gemini, GEMINI, Thoughts::Everybody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_vertex_with_googles_models() {
    every_client(AccountKind::Vertex, Vendor::Vertex, GEMINI, Thoughts::Everybody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_vertex_with_anthropics_models() {
    every_client(AccountKind::Vertex, Vendor::Vertex, CLAUDE, Thoughts::Everybody).await;
}

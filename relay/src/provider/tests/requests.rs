//! Method, address, headers and body of what each vendor is sent.

use super::*;
use serde_json::json;

#[test]
fn no_kind_forwards_the_clients_credentials_and_each_sends_its_own() {
    use Operation::{Generate, Submit};
    for (kind, operation, dialect, path, header, value) in [
        (Kind::OpenaiKey, Generate, Dialect::Chat, "", "authorization", "Bearer k-secret"),
        (Kind::OpenaiResponses, Generate, Dialect::Responses, "", "authorization", "Bearer k-secret"),
        (Kind::OpenaiCompatible, Generate, Dialect::Chat, "", "authorization", "Bearer k-secret"),
        (Kind::AzureOpenai, Generate, Dialect::Chat, "", "api-key", "k-secret"),
        (Kind::OpenaiOauth, Generate, Dialect::Responses, "", "authorization", "Bearer at-secret"),
        (Kind::ClaudeConsole, Generate, Dialect::Messages, "", "authorization", "Bearer k-secret"),
        (Kind::ClaudeOauth, Generate, Dialect::Messages, "", "authorization", "Bearer at-secret"),
        (Kind::Ccr, Generate, Dialect::Messages, "", "authorization", "Bearer k-secret"),
        (Kind::GeminiKey, Generate, Dialect::Gemini, "", "x-goog-api-key", "k-secret"),
        (Kind::GeminiOauth, Generate, Dialect::CodeAssist, "", "authorization", "Bearer at-secret"),
        (Kind::Vertex, Generate, Dialect::Gemini, "", "authorization", "Bearer at-secret"),
        (Kind::Midjourney, Submit, Dialect::Midjourney, "/mj/submit/imagine", "mj-api-secret", "k-secret"),
        (Kind::Suno, Submit, Dialect::Suno, "/suno/submit/music", "authorization", "Bearer k-secret"),
        (Kind::Video, Submit, Dialect::Video, "/v1/video/generations", "authorization", "Bearer k-secret"),
        (Kind::Kling, Submit, Dialect::Kling, "/v1/videos/text2video", "authorization", "Bearer ey"),
        (
            Kind::Bedrock,
            Generate,
            Dialect::Messages,
            "",
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/us-east-1/bedrock/aws4_request, SignedHeaders=",
        ),
    ] {
        for translated in [false, true] {
            let sent = Attempt {
                base: Some("http://127.0.0.1:1"),
                headers: header_map(CLIENT),
                path,
                translated,
                query: "key=client-key&beta=true",
                ..attempt(kind, operation, dialect)
            }
            .send();
            assert!(sent.header(header).starts_with(value), "{kind:?}: {}", sent.header(header));
            assert!(sent.headers[header].is_sensitive(), "{kind:?}");
            for value in sent.headers.values() {
                assert!(!value.to_str().unwrap().contains("client-key") && value != "10.0.0.9", "{kind:?}");
            }
            assert!(!sent.url.contains("client-key") && !sent.url.contains("secret"), "{}", sent.url);
            assert!(
                sent.headers.contains_key("user-agent") && sent.header("content-type") == "application/json",
                "{kind:?}"
            );
            assert_eq!(sent.header("user-agent") == USER_AGENT, translated || kind == Kind::Bedrock, "{kind:?}");
        }
    }
}

#[test]
fn openai_paths() {
    use Operation as O;
    for (operation, dialect, wanted) in [
        (O::Generate, Dialect::Chat, "POST /v1/chat/completions"),
        (O::Generate, Dialect::Responses, "POST /v1/responses"),
        (O::CountTokens, Dialect::Responses, "POST /v1/responses/input_tokens"),
        (O::Compact, Dialect::Responses, "POST /v1/responses/compact"),
        (O::Complete, Dialect::Completions, "POST /v1/completions"),
        (O::Embed, Dialect::Embeddings, "POST /v1/embeddings"),
        (O::ImageGenerate, Dialect::Images, "POST /v1/images/generations"),
        (O::ImageEdit, Dialect::Images, "POST /v1/images/edits"),
        (O::ImageVary, Dialect::Images, "POST /v1/images/variations"),
        (O::Transcribe, Dialect::Audio, "POST /v1/audio/transcriptions"),
        (O::Translate, Dialect::Audio, "POST /v1/audio/translations"),
        (O::Speak, Dialect::Audio, "POST /v1/audio/speech"),
        (O::Moderate, Dialect::Moderations, "POST /v1/moderations"),
        (O::Rerank, Dialect::Rerank, "POST /v1/rerank"),
        (O::ListModels, Dialect::Models, "GET /v1/models"),
        (O::GetModel, Dialect::Models, "GET /v1/models/ft%3Agpt%2F1"),
        (O::Stored, Dialect::Responses, "DELETE /v1/responses/resp_1/x?include=a"),
    ] {
        let sent = Attempt {
            model: "ft:gpt/1",
            method: Method::DELETE,
            path: "/responses/resp_1/x",
            query: "key=k&include=a",
            ..attempt(Kind::OpenaiKey, operation, dialect)
        }
        .send();
        let path = sent.url.strip_prefix("https://api.openai.com").unwrap();
        assert_eq!(format!("{} {path}", sent.method), wanted);
    }
    let climbing = Attempt { path: "/../admin", ..attempt(Kind::OpenaiKey, O::Stored, Dialect::Responses) };
    assert!(matches!(climbing.try_send().map(|sent| sent.url), Err(Refusal::Unsupported { .. })));
    let realtime = Attempt {
        body: None,
        query: "model=asked&intent=x&key=k",
        ..attempt(Kind::OpenaiKey, O::Realtime, Dialect::Realtime)
    }
    .send();
    assert_eq!(
        (realtime.method, realtime.url.as_str()),
        (Method::GET, "wss://api.openai.com/v1/realtime?model=m-1&intent=x")
    );
}

#[test]
fn openai_bodies_keep_what_is_not_touched() {
    let plain = attempt(Kind::OpenaiKey, Operation::Generate, Dialect::Chat);
    assert_eq!(plain.send().body, r#"{"model":"m-1","odd":{"a": 1}}"#);
    let streamed = Attempt {
        stream: true,
        body: Some(r#"{"model":"m-1","stream":true,"stream_options":{"include_obfuscation":false}}"#),
        ..plain
    }
    .send();
    assert_eq!(streamed.json()["stream_options"], json!({"include_obfuscation": false, "include_usage": true}));
    let mistral = AccountOptions { vendor: Some("mistral".into()), ..AccountOptions::default() };
    let sent = Attempt {
        stream: true,
        options: mistral,
        ..attempt(Kind::OpenaiCompatible, Operation::Generate, Dialect::Chat)
    }
    .send();
    assert_eq!(sent.body, r#"{"model":"m-1","odd":{"a": 1}}"#, "this vendor refuses stream_options");
    let responses =
        Attempt { stream: true, ..attempt(Kind::OpenaiKey, Operation::Generate, Dialect::Responses) }.send();
    assert_eq!(responses.json().get("stream_options"), None);
    let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nasked\r\n--b--\r\n";
    let headers = header_map(&[("content-type", "multipart/form-data; boundary=b")]);
    let sent = Attempt {
        raw: Some(form),
        headers,
        translated: true,
        ..attempt(Kind::OpenaiKey, Operation::Transcribe, Dialect::Audio)
    }
    .send();
    assert_eq!(sent.body, form.replace("asked", "m-1"));
    assert_eq!(sent.header("content-type"), "multipart/form-data; boundary=b");
    let options = AccountOptions {
        organization: Some("org".into()),
        project: Some("pro".into()),
        headers: [("x-team".to_owned(), "red".to_owned())].into(),
        ..AccountOptions::default()
    };
    let sent = Attempt { options, ..attempt(Kind::OpenaiKey, Operation::Generate, Dialect::Chat) }.send();
    assert_eq!(
        (sent.header("openai-organization"), sent.header("openai-project"), sent.header("x-team")),
        ("org", "pro", "red")
    );
}

#[test]
fn compatible_vendors_have_their_own_addresses() {
    for (vendor, base, dialect, wanted) in [
        ("custom", Some("https://h/v1"), Dialect::Chat, "https://h/v1/chat/completions"),
        ("custom", Some("https://h/x/chat/completions"), Dialect::Chat, "https://h/x/chat/completions"),
        ("custom", Some("https://h/{model}/run"), Dialect::Chat, "https://h/m-1/run"),
        ("zhipu-v4", None, Dialect::Chat, "https://open.bigmodel.cn/api/paas/v4/chat/completions"),
        ("zhipu-v4", None, Dialect::Messages, "https://open.bigmodel.cn/api/anthropic/v1/messages"),
        ("ali", None, Dialect::Chat, "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions"),
        ("perplexity", None, Dialect::Chat, "https://api.perplexity.ai/chat/completions"),
        ("openrouter", None, Dialect::Messages, "https://openrouter.ai/api/v1/messages"),
        ("deepseek", None, Dialect::Messages, "https://api.deepseek.com/anthropic/v1/messages"),
        (
            "deepseek",
            Some("https://api.deepseek.com/v1"),
            Dialect::Messages,
            "https://api.deepseek.com/anthropic/v1/messages",
        ),
        ("volcengine", None, Dialect::Responses, "https://ark.cn-beijing.volces.com/api/v3/responses"),
        (
            "cloudflare",
            None,
            Dialect::Chat,
            "https://api.cloudflare.com/client/v4/accounts/ac%2F1/ai/v1/chat/completions",
        ),
    ] {
        let options = AccountOptions { vendor: Some(vendor.into()), ..AccountOptions::default() };
        let account_id = Some("ac/1");
        let sent =
            Attempt { base, options, account_id, ..attempt(Kind::OpenaiCompatible, Operation::Generate, dialect) }
                .send();
        assert_eq!(sent.url, wanted, "{vendor}");
    }
    let lost = attempt(Kind::OpenaiCompatible, Operation::Generate, Dialect::Chat);
    assert!(matches!(lost.try_send().map(|sent| sent.url), Err(Refusal::Account(_))));
    let keyless = Attempt { credentials: Credentials::None, base: Some("http://127.0.0.1:11434"), ..lost }.send();
    assert_eq!(keyless.header("authorization"), "");
    let whole = Attempt {
        base: Some("https://h/v1/responses"),
        ..attempt(Kind::OpenaiResponses, Operation::Generate, Dialect::Responses)
    }
    .send();
    assert_eq!(whole.url, "https://h/v1/responses");
}

#[test]
fn anthropic_headers_and_addresses() {
    let headers = header_map(CLIENT);
    let console = Attempt {
        headers: headers.clone(),
        query: "beta=true&key=k",
        credentials: Credentials::Key("sk-ant-api03-x"),
        ..attempt(Kind::ClaudeConsole, Operation::Generate, Dialect::Messages)
    }
    .send();
    assert_eq!(console.url, "https://api.anthropic.com/v1/messages?beta=true");
    assert_eq!((console.header("x-api-key"), console.header("authorization")), ("sk-ant-api03-x", ""));
    assert_eq!(console.header("anthropic-version"), "2026-10-21", "the client's own");
    let bare = Attempt {
        base: Some("http://127.0.0.1:3456/v1/messages"),
        model: "provider,model",
        ..attempt(Kind::Ccr, Operation::CountTokens, Dialect::Messages)
    }
    .send();
    assert_eq!(bare.url, "http://127.0.0.1:3456/v1/messages/count_tokens");
    assert_eq!(
        (bare.header("anthropic-version"), bare.json()["model"].as_str()),
        ("2023-06-01", Some("provider,model"))
    );
    assert!(matches!(
        attempt(Kind::Ccr, Operation::Generate, Dialect::Messages).try_send().map(|s| s.url),
        Err(Refusal::Account(_))
    ));
}

#[test]
fn a_subscription_changes_nothing_but_the_token() {
    let body =
        r#"{"model":"claude-opus-4-5","system":[{"type":"text","text":"x"}],"metadata":{"user_id":"u"}, "odd":1}"#;
    let headers = header_map(CLIENT);
    let claude = Attempt {
        headers: headers.clone(),
        body: Some(body),
        model: "claude-opus-4-5",
        ..attempt(Kind::ClaudeOauth, Operation::Generate, Dialect::Messages)
    }
    .send();
    assert_eq!(claude.body, body, "byte for byte");
    assert_eq!(claude.header("anthropic-beta"), "interleaved-thinking-2025-05-14,other-2026-01-01,oauth-2025-04-20");
    assert_eq!((claude.header("user-agent"), claude.header("x-api-key")), ("client/1", ""));

    let codex = Attempt {
        headers,
        account_id: Some("acc"),
        body: Some(body),
        model: "claude-opus-4-5",
        ..attempt(Kind::OpenaiOauth, Operation::Generate, Dialect::Responses)
    }
    .send();
    assert_eq!(codex.url, "https://chatgpt.com/backend-api/codex/responses");
    assert_eq!(codex.body, body);
    assert_eq!(
        (codex.header("chatgpt-account-id"), codex.header("originator"), codex.header("session-id")),
        ("acc", "codex_exec", "s")
    );
    let side = Attempt {
        method: Method::GET,
        path: "/wham/usage",
        query: "a=1",
        body: None,
        ..attempt(Kind::OpenaiOauth, Operation::Side, Dialect::Responses)
    }
    .send();
    assert_eq!((&side.method, side.url.as_str()), (&Method::GET, "https://chatgpt.com/backend-api/wham/usage?a=1"));
    let list = Attempt {
        body: None,
        query: "client_version=1.2.3",
        ..attempt(Kind::OpenaiOauth, Operation::ListModels, Dialect::Models)
    }
    .send();
    assert_eq!(list.url, "https://chatgpt.com/backend-api/codex/models?client_version=1.2.3");
    let fresh = Attempt {
        credentials: Credentials::Oauth { access_token: None, refresh_token: Some("r") },
        ..attempt(Kind::ClaudeOauth, Operation::Generate, Dialect::Messages)
    };
    assert!(matches!(fresh.try_send().map(|sent| sent.url), Err(Refusal::NoToken)));
}

#[test]
fn tasks_follow_the_clients_path() {
    for (kind, dialect, path, wanted) in [
        (Kind::Midjourney, Dialect::Midjourney, "/mj/submit/imagine", "http://127.0.0.1:1/mj/submit/imagine"),
        (Kind::Suno, Dialect::Suno, "/suno/submit/music", "http://127.0.0.1:1/suno/submit/music"),
        (Kind::Kling, Dialect::Kling, "/v1/videos/image2video", "http://127.0.0.1:1/v1/videos/image2video?a=1"),
        (Kind::Video, Dialect::Video, "/v1/video/generations", "http://127.0.0.1:1/v1/video/generations"),
    ] {
        let body = Some(r#"{"prompt":"x", "model_name":"kling-v1"}"#);
        let sent = Attempt {
            base: Some("http://127.0.0.1:1"),
            path,
            query: "key=k&a=1",
            body,
            ..attempt(kind, Operation::Submit, dialect)
        }
        .send();
        assert_eq!(sent.url, wanted);
        assert_eq!(sent.method, Method::POST);
        let changed = match kind {
            Kind::Kling => r#"{"prompt":"x", "model_name":"m-1"}"#,
            Kind::Video => r#"{"prompt":"x", "model_name":"kling-v1","model":"m-1"}"#,
            _ => r#"{"prompt":"x", "model_name":"kling-v1"}"#,
        };
        assert_eq!(sent.body, changed, "{kind:?}");
        let climbing = Attempt {
            base: Some("http://127.0.0.1:1"),
            path: "/mj/../../etc",
            ..attempt(kind, Operation::Fetch, dialect)
        };
        assert!(climbing.try_send().is_err(), "{kind:?}");
    }
    let fetch = Attempt {
        base: Some("http://127.0.0.1:1"),
        path: "/mj/task/1/fetch",
        method: Method::GET,
        body: None,
        ..attempt(Kind::Midjourney, Operation::Fetch, Dialect::Midjourney)
    }
    .send();
    assert_eq!((&fetch.method, fetch.body.as_str(), fetch.header("content-type")), (&Method::GET, "", ""));
}

#[test]
fn a_call_without_a_clients_name_carries_the_accounts_or_the_relays() {
    let options = || AccountOptions { user_agent: Some("team/2".into()), ..AccountOptions::default() };
    let chat = || attempt(Kind::OpenaiKey, Operation::Generate, Dialect::Chat);
    assert_eq!(chat().send().header("user-agent"), USER_AGENT);
    assert_eq!(Attempt { options: options(), ..chat() }.send().header("user-agent"), "team/2");
    let named = Attempt { options: options(), headers: header_map(CLIENT), ..chat() };
    assert_eq!(named.send().header("user-agent"), "client/1");
}

//! Azure, Bedrock and Google: addresses, envelopes, what is left out.

use super::*;
use serde_json::json;

#[test]
fn azure_addresses() {
    let base = Some("https://res.openai.azure.com/");
    let at = |version: Option<&str>, deployment: Option<&str>, operation, dialect| {
        let options = AccountOptions {
            api_version: version.map(Into::into),
            deployment: deployment.map(Into::into),
            ..AccountOptions::default()
        };
        Attempt { base, options, ..attempt(Kind::AzureOpenai, operation, dialect) }.send()
    };
    let chat = at(Some("2025-01-01-preview"), Some("dep"), Operation::Generate, Dialect::Chat);
    assert_eq!(
        chat.url,
        "https://res.openai.azure.com/openai/deployments/dep/chat/completions?api-version=2025-01-01-preview"
    );
    assert_eq!(chat.json()["model"], "dep");
    assert_eq!(
        at(None, None, Operation::Embed, Dialect::Embeddings).url,
        "https://res.openai.azure.com/openai/deployments/m-1/embeddings?api-version=2024-10-21"
    );
    assert_eq!(
        at(None, None, Operation::Generate, Dialect::Responses).url,
        "https://res.openai.azure.com/openai/responses?api-version=2025-04-01-preview"
    );
    assert_eq!(
        at(Some("v1"), None, Operation::Generate, Dialect::Responses).url,
        "https://res.openai.azure.com/openai/v1/responses"
    );
    assert_eq!(
        at(None, Some("rt"), Operation::Realtime, Dialect::Realtime).url,
        "wss://res.openai.azure.com/openai/realtime?api-version=2024-10-21&deployment=rt"
    );
    let entra = Attempt {
        base,
        credentials: Credentials::Key("eyJhbGciOi.x.y"),
        ..attempt(Kind::AzureOpenai, Operation::Generate, Dialect::Chat)
    }
    .send();
    assert_eq!((entra.header("authorization"), entra.header("api-key")), ("Bearer eyJhbGciOi.x.y", ""));
}

#[test]
fn bedrock_bodies_lose_what_aws_refuses_and_say_so() {
    let body = r#"{"model":"claude-sonnet-4-5","stream":true,"max_tokens":5,"messages":[],"context_management":{},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}},"service_tier":"auto"}"#;
    let base = Attempt {
        body: Some(body),
        model: "claude-sonnet-4-5",
        headers: header_map(CLIENT),
        stream: true,
        ..attempt(Kind::Bedrock, Operation::Generate, Dialect::Messages)
    };
    let sent = base.send();
    assert_eq!(
        sent.url,
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream"
    );
    assert_eq!(
        sent.json(),
        json!({"max_tokens": 5, "messages": [], "output_config": {"format": {"type": "json_schema", "schema": {}}},
               "anthropic_version": "bedrock-2023-05-31", "anthropic_beta": ["interleaved-thinking-2025-05-14"]})
    );
    assert_eq!(
        sent.dropped,
        ["context_management", "service_tier", "output_config.effort", "anthropic-beta: other-2026-01-01"]
    );
    assert_eq!(
        (sent.header("anthropic-version"), sent.header("anthropic-beta"), sent.header("x-amz-security-token")),
        ("", "", "st-secret")
    );
    assert!(
        sent.header("authorization").contains("SignedHeaders=accept;content-type;host;x-amz-date;x-amz-security-token")
    );

    let older = r#"{"max_tokens":5,"messages":[],"output_format":{"type":"json_schema","schema":{}}}"#;
    let older = Attempt {
        body: Some(older),
        model: "claude-sonnet-4-5",
        ..attempt(Kind::Bedrock, Operation::Generate, Dialect::Messages)
    };
    let older = older.send();
    assert_eq!(older.json()["output_config"], json!({"format": {"type": "json_schema", "schema": {}}}));
    assert!(older.json().get("output_format").is_none() && older.dropped.is_empty());

    let begun = r#"{"thread":{"type":"create"},"messages":[]}"#;
    let going_on = r#"{"thread":{"type":"continue","previous_message_id":"m"},"messages":[]}"#;
    for (kind, thread) in
        [(Kind::Bedrock, begun), (Kind::Bedrock, going_on), (Kind::Vertex, begun), (Kind::Vertex, going_on)]
    {
        let refused = Attempt {
            body: Some(thread),
            model: "claude-sonnet-4-5",
            ..attempt(kind, Operation::Generate, Dialect::Messages)
        }
        .try_send();
        assert!(matches!(
            refused.map(|sent| sent.url),
            Err(Refusal::Unsupported { code: Some("thread_unsupported_request"), .. })
        ));
    }

    let options = AccountOptions { region: Some("eu-west-1".into()), ..AccountOptions::default() };
    let bearer = Attempt { credentials: Credentials::Key("ABSKkey"), options, stream: false, ..base }.send();
    assert_eq!(bearer.header("authorization"), "Bearer ABSKkey");
    assert_eq!(
        bearer.url,
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke"
    );

    let converse = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}], "odd":1}"#;
    for (dialect, stream, action) in [
        (Dialect::Converse, false, "converse"),
        (Dialect::Converse, true, "converse-stream"),
        (Dialect::Invoke, true, "invoke-with-response-stream"),
    ] {
        let sent = Attempt {
            body: Some(converse),
            base: Some("http://127.0.0.1:1/aws"),
            model: "amazon.nova-pro-v1:0",
            stream,
            ..attempt(Kind::Bedrock, Operation::Generate, dialect)
        }
        .send();
        assert_eq!(sent.url, format!("http://127.0.0.1:1/aws/model/amazon.nova-pro-v1%3A0/{action}"));
        assert_eq!(sent.body, converse);
    }
    let counted = Attempt {
        body: Some(r#"{"model":"x","messages":[]}"#),
        model: "claude-opus-4-5",
        ..attempt(Kind::Bedrock, Operation::CountTokens, Dialect::Messages)
    }
    .send();
    assert!(counted.url.ends_with("/count-tokens") && counted.json().pointer("/input/invokeModel/body").is_some());
}

#[test]
fn google_addresses_and_envelopes() {
    use Operation as O;
    for (operation, stream, wanted) in [
        (O::Generate, false, "models/gemini-x:generateContent"),
        (O::Generate, true, "models/gemini-x:streamGenerateContent?alt=sse"),
        (O::CountTokens, false, "models/gemini-x:countTokens"),
        (O::Embed, false, "models/gemini-x:embedContent"),
        (O::EmbedBatch, false, "models/gemini-x:batchEmbedContents"),
        (O::ImageGenerate, false, "models/gemini-x:predict"),
        (O::GetModel, false, "models/gemini-x"),
        (O::Stored, false, "cachedContents/1"),
    ] {
        let sent = Attempt {
            model: "models/gemini-x",
            stream,
            path: "/cachedContents/1",
            query: "key=k",
            body: Some(r#"{"contents":[ ]}"#),
            ..attempt(Kind::GeminiKey, operation, Dialect::Gemini)
        }
        .send();
        assert_eq!(sent.url, format!("https://generativelanguage.googleapis.com/v1beta/{wanted}"));
        assert_eq!(sent.body, r#"{"contents":[ ]}"#);
    }
    let door = attempt(Kind::GeminiKey, O::ImageGenerate, Dialect::Images).send();
    assert_eq!(
        (door.url.as_str(), door.header("authorization")),
        ("https://generativelanguage.googleapis.com/v1beta/openai/images/generations", "Bearer k-secret")
    );
    let predicted = Attempt {
        model: "text-embedding-005",
        body: Some(r#"{"instances":[]}"#),
        ..attempt(Kind::Vertex, O::Embed, Dialect::Predict)
    }
    .send();
    assert!(predicted.url.ends_with("/publishers/google/models/text-embedding-005:predict"), "{}", predicted.url);
    assert_eq!(predicted.body, r#"{"instances":[]}"#);

    let project = AccountOptions { project: Some("own".into()), ..AccountOptions::default() };
    let inner = r#"{"contents":[ ], "odd":1}"#;
    let wrapped = Attempt {
        options: project.clone(),
        body: Some(inner),
        stream: true,
        ..attempt(Kind::GeminiOauth, O::Generate, Dialect::Gemini)
    }
    .send();
    assert_eq!(wrapped.url, "https://cloudcode-pa.googleapis.com/v1internal:streamGenerateContent?alt=sse");
    assert_eq!(wrapped.body, format!(r#"{{"model":"m-1","project":"own","request":{inner}}}"#));
    let through = Attempt {
        options: project,
        body: Some(r#"{"model":"a","project":"client","request":{ }}"#),
        ..attempt(Kind::GeminiOauth, O::Generate, Dialect::CodeAssist)
    }
    .send();
    assert_eq!(through.body, r#"{"model":"m-1","project":"own","request":{ }}"#);
    let counted = Attempt {
        body: Some(r#"{"contents":[1],"tools":[]}"#),
        ..attempt(Kind::GeminiOauth, O::CountTokens, Dialect::Gemini)
    }
    .send();
    assert_eq!(counted.json(), json!({"request": {"model": "models/m-1", "contents": [1]}}));
    let side = Attempt { path: ":loadCodeAssist", ..attempt(Kind::GeminiOauth, O::Side, Dialect::CodeAssist) }.send();
    assert_eq!(side.url, "https://cloudcode-pa.googleapis.com/v1internal:loadCodeAssist");

    let global =
        AccountOptions { region: Some("global".into()), project: Some("p".into()), ..AccountOptions::default() };
    let gemini =
        Attempt { options: global, stream: true, ..attempt(Kind::Vertex, O::Generate, Dialect::Gemini) }.send();
    assert_eq!(
        gemini.url,
        "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google/models/m-1:streamGenerateContent?alt=sse"
    );
    let keyed = Attempt { credentials: key(), ..attempt(Kind::Vertex, O::Generate, Dialect::Gemini) }.send();
    assert_eq!(keyed.url, "https://aiplatform.googleapis.com/v1/publishers/google/models/m-1:generateContent");
    assert_eq!((keyed.header("x-goog-api-key"), keyed.header("authorization")), ("k-secret", ""));
    let claude = Attempt {
        model: "claude-opus-4-5-20251101",
        stream: true,
        headers: header_map(CLIENT),
        body: Some(r#"{"model":"x","stream":true,"service_tier":"auto"}"#),
        ..attempt(Kind::Vertex, O::Generate, Dialect::Messages)
    }
    .send();
    assert_eq!(
        claude.url,
        "https://us-central1-aiplatform.googleapis.com/v1/projects/sample/locations/us-central1/publishers/anthropic/models/claude-opus-4-5@20251101:streamRawPredict"
    );
    assert_eq!(claude.json(), json!({"stream": true, "anthropic_version": "vertex-2023-10-16"}));
    assert_eq!((claude.dropped.as_slice(), claude.header("anthropic-version")), (&["service_tier".to_owned()][..], ""));
    assert!(claude.header("anthropic-beta").contains("interleaved"));
}

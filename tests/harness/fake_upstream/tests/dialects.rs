//! Each vendor's form: a good request is answered whole and streamed, a bad one refused in its words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::*;

fn tool() -> Value {
    json!({ "type": "object", "properties": { "city": { "type": "string" }, "days": { "type": "integer" } } })
}

#[tokio::test]
async fn openai_chat_calls_tools_and_counts_when_asked() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let mut body = chat(true);
    body["stream_options"] = json!({ "include_usage": true });
    body["tools"] = json!([{ "type": "function", "function": { "name": "weather", "parameters": tool() } }]);
    let events = post(&fake, "/v1/chat/completions", &[OPENAI], &body).await.events();
    let arguments: String = events
        .iter()
        .filter_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str())
        .collect();
    assert_eq!(serde_json::from_str::<Value>(&arguments).expect("JSON"), json!({ "city": "Zürich 日本", "days": 7 }));
    let last = events.last().expect("an event");
    assert_eq!(last["choices"], json!([]));
    assert!(last["usage"]["prompt_tokens"].as_u64().expect("a number") > 0);
    assert!(events[0]["usage"].is_null() && events[0].get("usage").is_some());

    body["messages"] = json!([{ "role": "tool", "tool_call_id": "x", "content": "1" }]);
    assert_eq!(post(&fake, "/v1/chat/completions", &[OPENAI], &body).await.status, 400);
    let mut foreign = chat(false);
    foreign["stop_sequences"] = json!(["x"]);
    let refused = post(&fake, "/v1/chat/completions", &[OPENAI], &foreign).await.json();
    assert_eq!(refused["error"]["message"], "Unrecognized request argument supplied: stop_sequences");
}

#[tokio::test]
async fn openai_small_and_media_surfaces_answer() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let plain = json!({ "model": "text-embedding-3-small", "input": ["a", "b"] });
    let mut packed = plain.clone();
    packed["encoding_format"] = json!("base64");
    let plain = post(&fake, "/v1/embeddings", &[OPENAI], &plain).await.json();
    let packed = post(&fake, "/v1/embeddings", &[OPENAI], &packed).await.json();
    let bytes = STANDARD.decode(packed["data"][1]["embedding"].as_str().expect("a string")).expect("base64");
    let first = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    assert!((f64::from(first) - plain["data"][1]["embedding"][0].as_f64().expect("a number")).abs() < 1e-6);

    let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\nContent-Disposition: \
                form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n\x01\x02\r\n--b\r\nContent-Disposition: form-data; \
                name=\"response_format\"\r\n\r\nsrt\r\n--b--\r\n";
    let multipart = ("content-type", "multipart/form-data; boundary=b");
    let url = format!("{}/v1/audio/transcriptions", fake.url());
    let got = send("POST", &url, &[OPENAI, multipart], form).await.expect("an answer");
    assert!(got.header("content-type").starts_with("text/plain") && got.text().starts_with("1\n00:00"));
    let parts = fake.last().multipart().expect("parts");
    assert_eq!(parts[1].1.as_deref(), Some("a.wav"));
    let broken = form.replace("--b--", "--b");
    assert_eq!(send("POST", &url, &[OPENAI, multipart], broken).await.expect("an answer").status, 400);

    for (path, body) in [
        ("/v1/completions", json!({ "model": "m", "prompt": "p", "stream": true })),
        ("/v1/moderations", json!({ "input": "kill" })),
        ("/v1/rerank", json!({ "model": "m", "query": "b", "documents": ["a", "b"], "top_n": 1 })),
        (
            "/v1/images/generations",
            json!({ "model": "gpt-image-1", "prompt": "p", "stream": true, "partial_images": 1 }),
        ),
        ("/v1/audio/speech", json!({ "model": "tts-1", "input": "hi", "voice": "alloy" })),
        ("/v1/responses/input_tokens", json!({ "model": "m", "input": "hi" })),
    ] {
        let got = post(&fake, path, &[OPENAI], &body).await;
        assert_eq!((got.status, got.body.is_empty()), (200, false), "{path}");
    }
}

#[tokio::test]
async fn responses_are_stored_and_numbered() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let mut body = json!({
        "model": "gpt-5.1", "input": "hi", "stream": true, "reasoning": { "effort": "low" },
        "tools": [{ "type": "function", "name": "weather", "parameters": tool() }]
    });
    let events = post(&fake, "/v1/responses", &[OPENAI], &body).await.events();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at);
    }
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!((kinds[0], kinds[kinds.len() - 1]), ("response.created", "response.completed"));
    for kind in ["reasoning_summary_text.delta", "output_text.delta", "function_call_arguments.done"] {
        assert!(kinds.contains(&format!("response.{kind}").as_str()), "{kind}");
    }
    let done = &events[events.len() - 1]["response"];
    let id = done["id"].as_str().expect("an id");
    assert_eq!(get(&fake, &format!("/v1/responses/{id}"), &[OPENAI]).await.json(), *done);
    body["previous_response_id"] = json!(id);
    assert_eq!(post(&fake, "/v1/responses", &[OPENAI], &body).await.status, 200);
    body["previous_response_id"] = json!("resp_elsewhere");
    assert_eq!(post(&fake, "/v1/responses", &[OPENAI], &body).await.status, 400);
    body["previous_response_id"] = Value::Null;
    let made = post(&fake, "/v1/conversations", &[OPENAI], &json!({})).await.json();
    body["conversation"] = made["id"].clone();
    assert_eq!(post(&fake, "/v1/responses", &[OPENAI], &body).await.status, 200);
    body["conversation"] = json!({ "id": "conv_elsewhere" });
    assert_eq!(post(&fake, "/v1/responses", &[OPENAI], &body).await.status, 404);
}

#[tokio::test]
async fn realtime_speaks_first_and_reports_usage() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let url = format!("ws://{}/v1/realtime?model=gpt-realtime", fake.address());
    let mut request = url.into_client_request().expect("a request");
    request.headers_mut().insert("authorization", OPENAI.1.parse().expect("a header"));
    request.headers_mut().insert("sec-websocket-protocol", "realtime".parse().expect("a header"));
    let (mut socket, response) = tokio_tungstenite::connect_async(request).await.expect("connects");
    assert_eq!(response.headers()["sec-websocket-protocol"], "realtime");
    let mut next = async |text: Option<Value>| {
        if let Some(text) = text {
            socket.send(Message::text(text.to_string())).await.expect("sends");
        }
        socket.next().await.expect("a message").expect("a good one")
    };
    let read = |message: Message| serde_json::from_str::<Value>(message.to_text().expect("text")).expect("JSON");
    assert_eq!(read(next(None).await)["type"], "session.created");
    let mut event = read(next(Some(json!({ "type": "response.create" }))).await);
    while event["type"] != "response.done" {
        event = read(next(None).await);
    }
    assert!(event["response"]["usage"]["output_tokens"].as_u64().expect("a number") > 0);
    let closed = next(Some(json!({ "type": "fake.close", "code": 4001 }))).await;
    assert!(matches!(closed, Message::Close(Some(frame)) if u16::from(frame.code) == 4001));
}

const ANTHROPIC: [(&str, &str); 2] = [("x-api-key", "sk-ant-api03-fake"), ("anthropic-version", "2023-06-01")];

fn messages() -> Value {
    json!({ "model": "claude-sonnet-4-5", "max_tokens": 2048, "messages": [{ "role": "user", "content": "Hi" }] })
}

#[tokio::test]
async fn anthropic_is_strict_and_its_streams_are_whole() {
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let path = "/v1/messages";
    let refused = post(&fake, path, &ANTHROPIC[..1], &messages()).await.json();
    assert_eq!(refused["error"]["message"], "anthropic-version: header is required");
    let mut body = messages();
    body["frequency_penalty"] = json!(1);
    let refused = post(&fake, path, &ANTHROPIC, &body).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["message"], "frequency_penalty: Extra inputs are not permitted");
    let both = [ANTHROPIC[0], ANTHROPIC[1], ("authorization", "Bearer sk-ant-api03-fake")];
    assert_eq!(post(&fake, path, &both, &messages()).await.status, 400);
    assert!(fake.faults()[0].contains("2 headers at once"));

    body = messages();
    body["stream"] = json!(true);
    body["thinking"] = json!({ "type": "enabled", "budget_tokens": 1024 });
    body["tools"] = json!([{ "name": "weather", "input_schema": tool() }]);
    let events = post(&fake, path, &ANTHROPIC, &body).await.events();
    let thinking: String = events.iter().filter_map(|event| event["delta"]["thinking"].as_str()).collect();
    let signature = events.iter().find_map(|event| event["delta"]["signature"].as_str()).expect("a signature");
    let input: String = events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert_eq!(serde_json::from_str::<Value>(&input).expect("JSON")["days"], 7);
    assert_eq!(events.last().expect("an event")["type"], "message_stop");

    let turn = |signature: &str| {
        let mut body = body.clone();
        body["messages"] = json!([
            { "role": "user", "content": "Hi" },
            { "role": "assistant", "content": [
                { "type": "thinking", "thinking": thinking, "signature": signature },
                { "type": "tool_use", "id": "toolu_1", "name": "weather", "input": {} }
            ] },
            { "role": "user", "content": [{ "type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny" }] }
        ]);
        body["stream"] = json!(false);
        body
    };
    let answered = post(&fake, path, &ANTHROPIC, &turn(signature)).await.json();
    assert_eq!(answered["content"][1]["text"], "The tool said: sunny");
    assert_eq!(post(&fake, path, &ANTHROPIC, &turn("else")).await.status, 400);
    let mut orphan = turn(signature);
    orphan["messages"][2]["content"][0]["tool_use_id"] = json!("toolu_2");
    assert_eq!(post(&fake, path, &ANTHROPIC, &orphan).await.status, 400);
}

#[tokio::test]
async fn anthropic_caches_threads_and_subscriptions() {
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let path = "/v1/messages";
    let mut body = messages();
    body["system"] = json!([{ "type": "text", "text": "long", "cache_control": { "type": "ephemeral", "ttl": "1h" } }]);
    let first = post(&fake, path, &ANTHROPIC, &body).await.json();
    let second = post(&fake, path, &ANTHROPIC, &body).await.json();
    let written = &first["usage"]["cache_creation"]["ephemeral_1h_input_tokens"];
    assert!(written.as_u64().expect("a number") > 0);
    assert_eq!(second["usage"]["cache_read_input_tokens"], *written);

    body = messages();
    body["thread"] = json!({ "type": "create" });
    let id = post(&fake, path, &ANTHROPIC, &body).await.json()["id"].clone();
    body["thread"] = json!({ "type": "continue", "previous_message_id": id });
    assert_eq!(post(&fake, path, &ANTHROPIC, &body).await.status, 200);
    let again = post(&fake, path, &ANTHROPIC, &body).await.json();
    assert_eq!(again["error"]["details"]["error_code"], "thread_already_continued");
    body["thread"]["previous_message_id"] = json!("msg_else");
    assert_eq!(post(&fake, path, &ANTHROPIC, &body).await.status, 404);

    let token = ("authorization", "Bearer sk-ant-oat01-fake-access");
    let beta = ("anthropic-beta", "claude-code-20250219,oauth-2025-04-20");
    assert_eq!(post(&fake, path, &[token, ANTHROPIC[1]], &messages()).await.status, 401);
    assert_eq!(post(&fake, path, &[token, ANTHROPIC[1], beta], &messages()).await.status, 400);
    body = messages();
    body["system"] = json!("You are Claude Code, Anthropic's official CLI for Claude.");
    let got = post(&fake, path, &[token, ANTHROPIC[1], beta], &body).await;
    assert_eq!((got.status, got.header("anthropic-ratelimit-unified-status")), (200, "allowed"));
    fake.script([Step::refuse(429).retry_after(60)]);
    let limited = post(&fake, path, &[token, ANTHROPIC[1], beta], &body).await;
    assert_eq!(limited.header("anthropic-ratelimit-unified-status"), "rejected");
}

#[tokio::test]
async fn bedrock_streams_frames_and_refuses_model_and_stream() {
    let fake = FakeUpstream::start(Vendor::Bedrock).await;
    let key = ("authorization", "Bearer ABSKfakebedrock");
    let model = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0";
    let mut body = messages();
    body["anthropic_version"] = json!("bedrock-2023-05-31");
    let refused = post(&fake, &format!("{model}/invoke"), &[key], &body).await;
    assert_eq!(refused.status, 400);
    assert!(refused.header("x-amzn-errortype").starts_with("ValidationException"));
    assert!(refused.text().contains("extraneous key [model]"));
    body.as_object_mut().expect("an object").remove("model");
    let got = post(&fake, &format!("{model}/invoke"), &[key], &body).await;
    assert_eq!(got.json()["usage"]["output_tokens"].to_string(), got.header("x-amzn-bedrock-output-token-count"));
    let got = post(&fake, &format!("{model}/invoke-with-response-stream"), &[key], &body).await;
    let frames = decode_frames(&got.body).expect("good frames");
    let last: Value = serde_json::from_slice(&frames[frames.len() - 1].payload).expect("JSON");
    let inner = STANDARD.decode(last["bytes"].as_str().expect("bytes")).expect("base64");
    assert!(String::from_utf8_lossy(&inner).contains("amazon-bedrock-invocationMetrics"));

    let converse = json!({ "messages": [{ "role": "user", "content": [{ "text": "Hi" }] }] });
    let got = post(&fake, &format!("{model}/converse-stream"), &[key], &converse).await;
    let kinds: Vec<String> = decode_frames(&got.body)
        .expect("good frames")
        .iter()
        .filter_map(|frame| frame.header(":event-type").map(str::to_owned))
        .collect();
    assert_eq!((kinds[0].as_str(), kinds[kinds.len() - 1].as_str()), ("messageStart", "metadata"));
    let got = post(&fake, &format!("{model}/converse"), &[key], &converse).await.json();
    assert_eq!(got["stopReason"], "end_turn");

    let signed = (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=AKFAKEBEDROCK/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00",
    );
    let got = post(&fake, &format!("{model}/converse"), &[signed, ("x-amz-date", "20260101T000000Z")], &converse).await;
    assert!(got.header("x-amzn-errortype").starts_with("InvalidSignatureException"));
}

#[tokio::test]
async fn gemini_streams_both_ways_and_knows_its_fields() {
    let fake = FakeUpstream::start(Vendor::Gemini).await;
    let key = ("x-goog-api-key", "gm-fake-gemini");
    let body = json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }] });
    let path = "/v1beta/models/gemini-2.5-flash";
    let sse = post(&fake, &format!("{path}:streamGenerateContent?alt=sse"), &[key], &body).await;
    assert!(sse.text().contains("\r\n\r\n"));
    let events = sse.events();
    assert_eq!(events[events.len() - 1]["candidates"][0]["finishReason"], "STOP");
    let array = post(&fake, &format!("{path}:streamGenerateContent"), &[key], &body).await;
    assert_eq!(array.json().as_array().expect("an array").len(), events.len());
    let mut unknown = body.clone();
    unknown["max_tokens"] = json!(1);
    let refused = post(&fake, &format!("{path}:generateContent"), &[key], &unknown).await.json();
    assert!(refused["error"]["message"].as_str().expect("text").contains("Unknown name \"max_tokens\""));
    let mut snake = body.clone();
    snake["generation_config"] = json!({ "max_output_tokens": 1 });
    let cut = post(&fake, &format!("{path}:generateContent"), &[key], &snake).await.json();
    assert_eq!(cut["candidates"][0]["finishReason"], "MAX_TOKENS");
    let bad = post(&fake, &format!("{path}:generateContent"), &[("x-goog-api-key", "no")], &body).await;
    assert_eq!((bad.status, &bad.json()["error"]["details"][0]["reason"]), (400, &json!("API_KEY_INVALID")));
    for (action, body) in [
        ("countTokens", body.clone()),
        ("embedContent", json!({ "content": { "parts": [{ "text": "a" }] } })),
        ("batchEmbedContents", json!({ "requests": [{ "model": "m", "content": { "parts": [{ "text": "a" }] } }] })),
    ] {
        assert_eq!(post(&fake, &format!("{path}:{action}"), &[key], &body).await.status, 200, "{action}");
    }
    let cached =
        post(&fake, "/v1beta/cachedContents", &[key], &json!({ "model": "models/m", "contents": [] })).await.json();
    let mut with_cache = body.clone();
    with_cache["cachedContent"] = cached["name"].clone();
    let got = post(&fake, &format!("{path}:generateContent"), &[key], &with_cache).await.json();
    assert!(got["usageMetadata"]["cachedContentTokenCount"].as_u64().expect("a number") > 0);
    with_cache["cachedContent"] = json!("cachedContents/else");
    assert_eq!(post(&fake, &format!("{path}:generateContent"), &[key], &with_cache).await.status, 403);

    let token = ("authorization", "Bearer ya29.fake-gemini");
    let assist = json!({ "model": "gemini-2.5-pro", "project": "p", "request": body });
    let got = post(&fake, "/v1internal:generateContent", &[token], &assist).await.json();
    assert_eq!(got["response"]["candidates"][0]["finishReason"], "STOP");
}

#[tokio::test]
async fn azure_wants_a_version_and_annotates() {
    let fake = FakeUpstream::start(Vendor::Azure).await;
    let key = ("api-key", "az-fake-azure");
    let path = "/openai/deployments/gpt-4o/chat/completions";
    assert_eq!(post(&fake, path, &[key], &chat(true)).await.json()["error"]["code"], "404");
    let versioned = format!("{path}?api-version=2024-10-21");
    let events = post(&fake, &versioned, &[key], &chat(true)).await.events();
    assert_eq!(events[0]["choices"], json!([]));
    assert!(events[0]["prompt_filter_results"].is_array());
    let gone = versioned.replace("gpt-4o", "gone");
    assert_eq!(post(&fake, &gone, &[key], &chat(true)).await.json()["error"]["code"], "DeploymentNotFound");
    assert_eq!(post(&fake, "/openai/v1/chat/completions", &[key], &chat(false)).await.status, 200);
    let realtime = post(&fake, "/openai/v1/responses", &[key], &json!({ "model": "gpt-5.1", "input": "hi" })).await;
    assert_eq!(realtime.status, 200);
}

#[tokio::test]
async fn codex_takes_compressed_streams_only() {
    let fake = FakeUpstream::start(Vendor::Codex).await;
    let headers = [("authorization", "Bearer codex-fake-access"), ("chatgpt-account-id", ACCOUNT_ID)];
    let path = "/backend-api/codex/responses";
    let mut body = json!({ "model": "gpt-5.1-codex", "stream": true, "store": false, "input": [] });
    let url = format!("{}{path}", fake.url());
    let packed = zstd::encode_all(body.to_string().as_bytes(), 1).expect("compresses");
    let compressed: Vec<_> = headers.into_iter().chain([("content-encoding", "zstd")]).collect();
    let got = send("POST", &url, &compressed, packed).await.expect("an answer");
    assert_eq!(got.events().last().expect("an event")["type"], "response.completed");
    assert_eq!(got.header("x-codex-primary-used-percent"), "12");
    assert_eq!(fake.last().json(), body);
    body["temperature"] = json!(1);
    let refused = post(&fake, path, &headers, &body).await;
    assert_eq!((refused.status, &refused.json()["detail"]), (400, &json!("Unsupported parameter: temperature")));
    assert_eq!(post(&fake, path, &headers[..1], &body).await.status, 403);
}

#[tokio::test]
async fn a_gateway_is_careless() {
    let fake = FakeUpstream::start(Vendor::Ccr).await;
    let key = ("authorization", "Bearer ccr-fake");
    let mut body = messages();
    body["stream"] = json!(true);
    let got = post(&fake, "/v1/messages", &[key], &body).await;
    assert!(got.events().iter().all(|event| event["type"] != "ping"));
    assert_eq!(got.events()[0]["message"]["usage"]["input_tokens"], 0);
    assert_eq!(post(&fake, "/v1/messages/count_tokens", &[key], &messages()).await.status, 404);
}

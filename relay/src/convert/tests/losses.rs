//! What cannot be said: refused with the field's name, or named in a warning. Never silent.

use super::super::rules::{Feature, Rule, rule};
use super::*;

fn chat(more: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn try_one(from: Dialect, to: Dialect, body: &Value) -> Result<Written, HubError> {
    let path = Path { model: "m", stream: false };
    let model = vendor_model(to);
    request(from, to, body.to_string().as_bytes(), path, model, &Limits::default()).map(|(_, written)| written)
}

#[test]
fn requests_that_would_get_another_answer_are_refused_by_name() {
    let part = |part: Value| json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [part]}]});
    let cases: Vec<(Dialect, Dialect, Value, &str)> = vec![
        (Dialect::Chat, Dialect::Messages, chat(json!({"n": 2})), "n"),
        (Dialect::Chat, Dialect::Gemini, chat(json!({"logprobs": true})), "logprobs"),
        (Dialect::Chat, Dialect::Messages, chat(json!({"modalities": ["text", "audio"]})), "modalities"),
        (Dialect::Chat, Dialect::Messages, chat(json!({"audio": {"voice": "x"}})), "audio"),
        (
            Dialect::Chat,
            Dialect::Messages,
            part(json!({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})),
            "messages[0]",
        ),
        (Dialect::Chat, Dialect::Messages, part(json!({"type": "file", "file": {"file_id": "file-1"}})), "messages[0]"),
        (
            Dialect::Chat,
            Dialect::Gemini,
            part(json!({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}})),
            "messages[0]",
        ),
        (Dialect::Chat, Dialect::Messages, part(json!({"type": "hologram"})), "messages[0].content[0].type"),
        (
            Dialect::Messages,
            Dialect::Chat,
            json!({"model": "m", "max_tokens": 9, "messages": [], "thread": {"type": "continue"}}),
            "thread",
        ),
        (Dialect::Messages, Dialect::Chat, json!({"model": "m", "max_tokens": 0, "messages": []}), "max_tokens"),
        (
            Dialect::Messages,
            Dialect::Chat,
            part(json!({"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}})),
            "messages[0]",
        ),
        (
            Dialect::Messages,
            Dialect::Chat,
            part(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
            "messages[0]",
        ),
        (
            Dialect::Messages,
            Dialect::Gemini,
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "tools": [{"type": "bash_20250124", "name": "bash"}]}),
            "tools[0] (bash_20250124)",
        ),
        (Dialect::Gemini, Dialect::Chat, json!({"contents": [], "cachedContent": "cachedContents/1"}), "cachedContent"),
        (
            Dialect::Gemini,
            Dialect::Chat,
            json!({"contents": [], "generationConfig": {"responseModalities": ["IMAGE"]}}),
            "generationConfig.responseModalities",
        ),
        (
            Dialect::Gemini,
            Dialect::Chat,
            json!({"contents": [], "generationConfig": {"candidateCount": 3}}),
            "generationConfig.candidateCount",
        ),
        (
            Dialect::Gemini,
            Dialect::Messages,
            json!({"contents": [{"parts": [{"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.org/a.mp4"}}]}]}),
            "messages[0]",
        ),
        (
            Dialect::Gemini,
            Dialect::Chat,
            json!({"contents": [{"parts": [{"text": "x"}]}], "tools": [{"codeExecution": {}}]}),
            "tools[0] (codeExecution)",
        ),
        (
            Dialect::Responses,
            Dialect::Chat,
            json!({"model": "m", "input": "x", "previous_response_id": "resp_1"}),
            "previous_response_id",
        ),
        (
            Dialect::Responses,
            Dialect::Chat,
            json!({"model": "m", "input": "x", "conversation": "conv_1"}),
            "conversation",
        ),
        (Dialect::Responses, Dialect::Chat, json!({"model": "m", "input": "x", "background": true}), "background"),
        (
            Dialect::Responses,
            Dialect::Messages,
            json!({"model": "m", "input": [{"type": "item_reference", "id": "x"}]}),
            "input[0]",
        ),
        (
            Dialect::Responses,
            Dialect::Messages,
            json!({"model": "m", "input": "x", "tools": [{"type": "file_search"}]}),
            "tools[0] (file_search)",
        ),
        (Dialect::Completions, Dialect::Chat, json!({"model": "m", "prompt": ["a", "b"]}), "prompt"),
        (Dialect::Completions, Dialect::Chat, json!({"model": "m", "prompt": [1, 2]}), "prompt"),
        (Dialect::Completions, Dialect::Chat, json!({"model": "m", "prompt": "a", "suffix": "b"}), "suffix"),
        (Dialect::Completions, Dialect::Chat, json!({"model": "m", "prompt": "a", "logprobs": 3}), "logprobs"),
    ];
    for (from, to, body, want) in cases {
        match try_one(from, to, &body) {
            Err(HubError::Unsupported { field, .. }) => assert_eq!(field, want, "{body}"),
            other => panic!("{body} gave {other:?}"),
        }
    }
}

#[test]
fn malformed_requests_name_the_field() {
    let cases: Vec<(Dialect, Value, &str)> = vec![
        (Dialect::Chat, json!({"messages": []}), "model"),
        (Dialect::Chat, json!({"model": "m"}), "messages"),
        (Dialect::Chat, json!({"model": "m", "messages": [{"role": "king"}]}), "messages[0].role"),
        (Dialect::Chat, json!({"model": "m", "messages": [{"role": "user", "content": 7}]}), "messages[0].content"),
        (Dialect::Chat, chat(json!({"temperature": "hot"})), "temperature"),
        (Dialect::Chat, chat(json!({"tools": [{"type": "function"}]})), "tools[0].function"),
        (Dialect::Chat, chat(json!({"tool_choice": "perhaps"})), "tool_choice"),
        (Dialect::Chat, json!([1]), "body"),
        (
            Dialect::Messages,
            json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "tool_result"}]}]}),
            "messages[0].content[0].tool_use_id",
        ),
        (Dialect::Messages, json!({"model": "m", "max_tokens": -1, "messages": []}), "max_tokens"),
        (Dialect::Chat, chat(json!({"max_tokens": 0})), "max_tokens"),
        (Dialect::Chat, chat(json!({"max_completion_tokens": 0})), "max_completion_tokens"),
        (Dialect::Completions, json!({"model": "m", "prompt": "x", "max_tokens": 0}), "max_tokens"),
        (Dialect::Responses, json!({"model": "m", "input": "x", "max_output_tokens": 0}), "max_output_tokens"),
        (
            Dialect::Gemini,
            json!({"contents": [], "generationConfig": {"maxOutputTokens": 0}}),
            "generationConfig.maxOutputTokens",
        ),
        (Dialect::Converse, json!({"messages": [], "inferenceConfig": {"maxTokens": 0}}), "inferenceConfig.maxTokens"),
        (Dialect::Gemini, json!({}), "contents"),
        (Dialect::Gemini, json!({"contents": [{"parts": [{}]}]}), "contents[0].parts[0]"),
        (Dialect::Responses, json!({"model": "m"}), "input"),
        (Dialect::Responses, json!({"model": "m", "input": [{}]}), "input[0].type"),
        (Dialect::Converse, json!({}), "messages"),
        (Dialect::Completions, json!({"model": "m"}), "prompt"),
    ];
    for (from, body, want) in cases {
        match read(from, body.to_string().as_bytes(), Path::default()) {
            Err(HubError::Invalid { field, .. }) => assert_eq!(field, want, "{body}"),
            other => panic!("{body} gave {other:?}"),
        }
    }
    for from in HEARD {
        assert!(read(from, b"{\"model\":", Path::default()).is_err());
    }
}

#[test]
fn unknown_fields_are_named() {
    for (from, body) in [
        (Dialect::Chat, chat(json!({"brand_new": 1}))),
        (
            Dialect::Messages,
            json!({"model": "m", "max_tokens": 9, "brand_new": 1, "messages": [{"role": "user", "content": "x"}]}),
        ),
        (Dialect::Gemini, json!({"contents": [{"parts": [{"text": "x"}]}], "brand_new": {}})),
        (Dialect::Responses, json!({"model": "m", "input": "x", "brand_new": [1]})),
        (Dialect::Converse, json!({"messages": [{"role": "user", "content": [{"text": "x"}]}], "brand_new": "x"})),
        (Dialect::Completions, json!({"model": "m", "prompt": "x", "brand_new": 1})),
    ] {
        for to in SPOKEN {
            let written = try_one(from, to, &body).unwrap();
            assert!(written.warnings.iter().any(|warning| warning.starts_with("brand_new")), "{from:?} to {to:?}");
            assert!(!String::from_utf8(written.body).unwrap().contains("brand_new"));
        }
    }
}

#[test]
fn sampling_that_a_target_lacks_is_named() {
    let body = chat(json!({"seed": 1, "presence_penalty": 1, "logit_bias": {"1": 1}, "verbosity": "low", "top_k": 3,
        "stop": ["x"], "prompt_cache_key": "k", "metadata": {"a": "b"}, "user": "u", "response_format": {"type": "json_object"}}));
    let warned = |to: Dialect| try_one(Dialect::Chat, to, &body).unwrap().warnings.join("\n");
    for (to, words) in [
        (
            Dialect::Messages,
            vec![
                "seed",
                "presence_penalty",
                "logit_bias",
                "verbosity",
                "prompt_cache_key",
                "metadata",
                "response_format",
            ],
        ),
        (Dialect::Gemini, vec!["logit_bias", "verbosity", "prompt_cache_key", "metadata", "user"]),
        (Dialect::Responses, vec!["seed", "presence_penalty", "logit_bias", "top_k", "stop"]),
    ] {
        let warnings = warned(to);
        for word in words {
            assert!(warnings.contains(word), "{to:?} says nothing of {word}: {warnings}");
        }
    }
}

#[test]
fn the_printed_table_is_the_rule() {
    const FEATURES: [(&str, Feature); 27] = [
        ("TopK", Feature::TopK),
        ("Seed", Feature::Seed),
        ("Penalties", Feature::Penalties),
        ("LogitBias", Feature::LogitBias),
        ("Stop", Feature::Stop),
        ("Verbosity", Feature::Verbosity),
        ("CacheMark", Feature::CacheMark),
        ("JsonMode", Feature::JsonMode),
        ("StrictTool", Feature::StrictTool),
        ("ImageDetail", Feature::ImageDetail),
        ("Audio", Feature::Audio),
        ("Video", Feature::Video),
        ("VendorFile", Feature::VendorFile),
        ("DocumentUrl", Feature::DocumentUrl),
        ("DocumentText", Feature::DocumentText),
        ("DocumentKind", Feature::DocumentKind),
        ("ToolResultMedia", Feature::ToolResultMedia),
        ("ToolError", Feature::ToolError),
        ("MidSystem", Feature::MidSystem),
        ("ForeignThought", Feature::ForeignThought),
        ("User", Feature::User),
        ("CacheKey", Feature::CacheKey),
        ("Metadata", Feature::Metadata),
        ("NoParallel", Feature::NoParallel),
        ("SearchBounds", Feature::SearchBounds),
        ("WebSearch", Feature::WebSearch),
        ("HostedTool", Feature::HostedTool),
    ];
    let printed = include_str!("../../convert.rs");
    for (name, feature) in FEATURES {
        let row = printed.lines().find(|line| line.starts_with(&format!("//! | `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is not in the table"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        for (nth, to) in SPOKEN.into_iter().enumerate() {
            let want = match rule(to, feature) {
                Some(Rule::Refuse(_)) => "refuse",
                Some(Rule::Warn(_)) => "warn",
                Some(Rule::Quiet) | None => "",
            };
            assert_eq!(cells[nth + 2], want, "{name} for {to:?}");
        }
    }
}

#[test]
fn pictures_by_url_are_fetched_only_for_those_who_cannot() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]});
    let mut heard = read(Dialect::Chat, body.to_string().as_bytes(), Path::default()).unwrap();
    for to in [Dialect::Messages, Dialect::Responses] {
        assert!(unfetched(&mut heard.request, to).is_empty(), "{to:?}");
    }
    let mut wanted = unfetched(&mut heard.request, Dialect::Gemini);
    assert_eq!(wanted.len(), 1);
    *wanted.remove(0) = Source::Base64 { media: "image/png".to_owned(), data: "BBBB".to_owned() };
    let written = write(&heard, Dialect::Gemini, "gemini-2.5-pro", &Limits::default()).unwrap();
    assert!(String::from_utf8(written.body).unwrap().contains("BBBB"));
}

#[test]
fn thinking_is_asked_for_in_the_form_the_model_takes() {
    let thinking = |to: Dialect, model: &str, more: Value| {
        let body = chat(more).to_string();
        let heard = read(Dialect::Chat, body.as_bytes(), Path::default()).unwrap();
        let written = write(&heard, to, model, &Limits::default()).unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        (body, written.warnings)
    };
    let high = || json!({"reasoning_effort": "high", "max_tokens": 4000, "temperature": 0.3});
    let (body, warnings) = thinking(Dialect::Messages, "claude-opus-4-6", high());
    assert_eq!((&body["thinking"]["type"], &body["output_config"]), (&json!("adaptive"), &json!({"effort": "high"})));
    assert!(body.get("temperature").is_none() && warnings.len() == 1);
    let (body, _) = thinking(Dialect::Messages, "claude-sonnet-4-5", high());
    assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": 3000}));
    let (body, warnings) =
        thinking(Dialect::Messages, "claude-sonnet-4-5", json!({"reasoning_effort": "high", "max_tokens": 100}));
    assert!(body.get("thinking").is_none() && warnings[0].starts_with("thinking"));
    let (body, _) = thinking(Dialect::Messages, "claude-sonnet-4-5", json!({"reasoning_effort": "none"}));
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    let (body, _) = thinking(Dialect::Gemini, "gemini-3-pro", high());
    assert_eq!(body["generationConfig"]["thinkingConfig"], json!({"includeThoughts": true, "thinkingLevel": "high"}));
    for (model, effort, want) in [
        ("gemini-3-pro", "minimal", json!({"includeThoughts": true, "thinkingLevel": "low"})),
        ("gemini-3-pro-preview", "medium", json!({"includeThoughts": true, "thinkingLevel": "high"})),
        ("gemini-3-flash", "medium", json!({"includeThoughts": true, "thinkingLevel": "medium"})),
        ("gemini-2.5-flash", "xhigh", json!({"includeThoughts": true, "thinkingBudget": 24_576})),
        ("gemini-2.5-pro", "xhigh", json!({"includeThoughts": true, "thinkingBudget": 32_768})),
    ] {
        let (body, warnings) = thinking(Dialect::Gemini, model, json!({"reasoning_effort": effort}));
        assert_eq!(body["generationConfig"]["thinkingConfig"], want, "{model}, {effort}");
        assert!(warnings.is_empty(), "{warnings:?}");
    }
    let much = json!({"reasoning": {"max_tokens": 31_999}});
    let (body, warnings) = thinking(Dialect::Gemini, "gemini-2.5-flash", much);
    assert_eq!(body["generationConfig"]["thinkingConfig"]["thinkingBudget"], 24_576);
    assert!(warnings[0].starts_with("thinking budget: lowered to 24576"), "{warnings:?}");
    let (body, _) = thinking(Dialect::Gemini, "gemini-2.5-flash", json!({"reasoning_effort": "none"}));
    assert_eq!(body["generationConfig"]["thinkingConfig"], json!({"thinkingBudget": 0}));
    let (body, _) = thinking(Dialect::Responses, "gpt-5", high());
    assert_eq!(body["reasoning"], json!({"effort": "high", "summary": "auto"}));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content"]));
}

#[test]
fn converse_clients_may_speak_in_claudes_own_words() {
    let schema = json!({
        "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false
    });
    let body = json!({
        "messages": [{"role": "user", "content": [{"text": "x"}]}],
        "additionalModelRequestFields": {
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}}
        },
    });
    let written = try_one(Dialect::Converse, Dialect::Chat, &body).unwrap();
    let said: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(said["response_format"]["json_schema"]["schema"], schema);
    assert_eq!((&said["reasoning_effort"], written.warnings.len()), (&json!("low"), 0), "{:?}", written.warnings);
}

#[test]
fn schemas_for_claude_are_closed_whoever_sends_them() {
    let open = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]});
    let closed = json!({
        "type": "object", "properties": {"n": {"type": "integer", "description": "minimum: 1"}}, "required": ["n"],
        "additionalProperties": false,
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "a", "schema": open}});
    let tool =
        |strict: bool| json!([{"type": "function", "function": {"name": "t", "strict": strict, "parameters": open}}]);
    let body = chat(json!({"response_format": format, "tools": tool(true)}));
    let written = try_one(Dialect::Chat, Dialect::Messages, &body).unwrap();
    let said: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(said["output_config"]["format"]["schema"], closed);
    assert_eq!(said["tools"][0]["input_schema"], closed);
    let want = ["tools.strict", "response_format"]
        .map(|at| format!("{at}: not enforced here, only told to the model: minimum"));
    assert_eq!(written.warnings, want);
    // A tool that is not strict takes any schema.
    let written = try_one(Dialect::Chat, Dialect::Messages, &chat(json!({"tools": tool(false)}))).unwrap();
    let said: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!((&said["tools"][0]["input_schema"], written.warnings.len()), (&open, 0));
    let config = json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "minimum": 1}}, "required": ["n"]}});
    let body = json!({"contents": [{"parts": [{"text": "x"}]}], "generationConfig": config});
    let written = try_one(Dialect::Gemini, Dialect::Messages, &body).unwrap();
    let said: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(said["output_config"]["format"]["schema"], closed);
}

#[test]
fn other_vendors_models_on_bedrock_keep_their_own_limits_and_tools() {
    let calls = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]});
    let to_nova = |more: Value| {
        let heard = read(Dialect::Chat, chat(more).to_string().as_bytes(), Path::default()).unwrap();
        let written = write(&heard, Dialect::Converse, "amazon.nova-pro-v1:0", &Limits::default()).unwrap();
        let body: Value = serde_json::from_slice(&written.body).unwrap();
        (body, written.warnings.join("; "))
    };
    let (body, _) = to_nova(json!({}));
    assert!(body.get("inferenceConfig").is_none(), "{body}");
    let (body, warnings) = to_nova(json!({"max_tokens": 7, "temperature": 1.5}));
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 7, "temperature": 1.0}));
    assert!(warnings.starts_with("temperature: lowered to 1"), "{warnings}");
    // Refused without tools, whatever the caller says of them now.
    let (body, warnings) = to_nova(calls.clone());
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "weather");
    assert!(warnings.starts_with("tools: those called before were declared"), "{warnings}");
    let mut none = calls;
    none["tool_choice"] = "none".into();
    none["tools"] = json!([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]);
    let (body, warnings) = to_nova(none);
    assert_eq!(body["toolConfig"]["tools"].as_array().map(Vec::len), Some(1));
    assert!(body["toolConfig"].get("toolChoice").is_none(), "{body}");
    assert!(warnings.starts_with("tool_choice: 'none' is not available here after tool calls"), "{warnings}");
}

#[test]
fn what_the_operator_says_first_stands_before_the_conversation() {
    let body = json!({"model": "m", "max_tokens": 9, "system": "a", "messages": [
        {"role": "system", "content": "b"}, {"role": "user", "content": "x"}, {"role": "system", "content": "c"}]});
    let written = try_one(Dialect::Messages, Dialect::Gemini, &body).unwrap();
    let said: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(said["systemInstruction"], json!({"parts": [{"text": "a"}, {"text": "b"}]}));
    assert_eq!(said["contents"], json!([{"role": "user", "parts": [{"text": "x"}, {"text": "c"}]}]));
    assert!(written.warnings.len() == 1 && written.warnings[0].starts_with("messages[1]"), "{:?}", written.warnings);
}

#[test]
fn an_answer_that_is_begun_anew_is_told() {
    let begun = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": "{"}]});
    for (to, told) in [(Dialect::Chat, true), (Dialect::Responses, true), (Dialect::Gemini, false)] {
        let written = try_one(Dialect::Messages, to, &begun).unwrap();
        assert_eq!(written.warnings.iter().any(|warning| warning.contains("answers anew")), told, "{to:?}");
    }
}

//! Clients of every dialect: how each asks, and what each makes of an answer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::fake_upstream::decode_frames;
use http::Method;
use serde_json::{Value, json};

use crate::world::Caller;

/// A client's dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tongue {
    Chat,
    Responses,
    Messages,
    Gemini,
    Converse,
    Invoke,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub model: String,
    pub stream: bool,
    pub tools: bool,
    pub thinking: bool,
    /// The turns in the dialect's own form.
    pub turns: Vec<Value>,
}

/// What the client understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    pub status: u16,
    pub text: String,
    pub thinking: String,
    pub calls: Vec<(String, Value)>,
    /// The dialect's word for why it ended.
    pub stop: String,
    /// All input, cached or not.
    pub input: u64,
    pub output: u64,
    /// The answer as it came: the whole of it, or the last event.
    pub raw: Value,
    pub warnings: String,
}

impl Tongue {
    pub const ALL: [Tongue; 6] =
        [Self::Chat, Self::Responses, Self::Messages, Self::Gemini, Self::Converse, Self::Invoke];

    /// A user's turn.
    pub fn user(self, text: &str) -> Value {
        match self {
            Self::Chat | Self::Messages | Self::Invoke | Self::Responses => json!({"role": "user", "content": text}),
            Self::Gemini => json!({"role": "user", "parts": [{"text": text}]}),
            Self::Converse => json!({"role": "user", "content": [{"text": text}]}),
        }
    }

    pub fn path(self, wish: &Wish) -> String {
        let model = wish.model.replace(':', "%3A");
        match (self, wish.stream) {
            (Self::Chat, _) => "/v1/chat/completions".into(),
            (Self::Responses, _) => "/v1/responses".into(),
            (Self::Messages, _) => "/v1/messages".into(),
            (Self::Gemini, false) => format!("/v1beta/models/{model}:generateContent"),
            (Self::Gemini, true) => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            (Self::Converse, false) => format!("/bedrock/model/{model}/converse"),
            (Self::Converse, true) => format!("/bedrock/model/{model}/converse-stream"),
            (Self::Invoke, false) => format!("/bedrock/model/{model}/invoke"),
            (Self::Invoke, true) => format!("/bedrock/model/{model}/invoke-with-response-stream"),
        }
    }

    pub fn body(self, wish: &Wish) -> Value {
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        let (name, about) = ("weather", "The weather of a city.");
        let mut body = match self {
            Self::Chat => json!({
                "model": wish.model, "messages": wish.turns, "max_completion_tokens": 4096, "stream": wish.stream
            }),
            Self::Responses => {
                json!({"model": wish.model, "input": wish.turns, "max_output_tokens": 4096, "stream": wish.stream})
            }
            Self::Messages => {
                json!({"model": wish.model, "messages": wish.turns, "max_tokens": 4096, "stream": wish.stream})
            }
            Self::Gemini => json!({"contents": wish.turns, "generationConfig": {"maxOutputTokens": 4096}}),
            Self::Converse => json!({"messages": wish.turns, "inferenceConfig": {"maxTokens": 4096}}),
            Self::Invoke => {
                json!({"anthropic_version": "bedrock-2023-05-31", "messages": wish.turns, "max_tokens": 4096})
            }
        };
        if wish.stream && self == Self::Chat {
            body["stream_options"] = json!({"include_usage": true});
        }
        if wish.tools {
            let (field, tools) = match self {
                Self::Chat => (
                    "tools",
                    json!([{"type": "function", "function": {"name": name, "description": about, "parameters": schema}}]),
                ),
                Self::Responses => (
                    "tools",
                    json!([{"type": "function", "name": name, "description": about, "parameters": schema, "strict": false}]),
                ),
                Self::Messages | Self::Invoke => {
                    ("tools", json!([{"name": name, "description": about, "input_schema": schema}]))
                }
                Self::Gemini => (
                    "tools",
                    json!([{"functionDeclarations": [{"name": name, "description": about, "parameters": schema}]}]),
                ),
                Self::Converse => (
                    "toolConfig",
                    json!({"tools": [{"toolSpec": {"name": name, "description": about, "inputSchema": {"json": schema}}}]}),
                ),
            };
            body[field] = tools;
        }
        if wish.thinking {
            let thinking = json!({"type": "enabled", "budget_tokens": 1024});
            match self {
                Self::Chat => body["reasoning_effort"] = "low".into(),
                Self::Responses => body["reasoning"] = json!({"effort": "low", "summary": "auto"}),
                Self::Messages | Self::Invoke => body["thinking"] = thinking,
                Self::Gemini => {
                    body["generationConfig"]["thinkingConfig"] =
                        json!({"includeThoughts": true, "thinkingBudget": 1024});
                }
                Self::Converse => body["additionalModelRequestFields"] = json!({"thinking": thinking}),
            }
        }
        body
    }

    /// Asks and reads to the end. A refusal is the raw answer with its status.
    pub async fn ask(self, caller: &Caller, wish: &Wish) -> Heard {
        let mut request = caller.http.request(Method::POST, &self.path(wish)).json(&self.body(wish));
        if self == Self::Messages {
            request = request.header("anthropic-version", "2023-06-01");
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let warnings =
            answer.headers().get("x-tollgate-warnings").map(|w| String::from_utf8_lossy(w.as_bytes()).into());
        let bytes = answer.bytes().await.expect("a whole body");
        let mut heard = if status == 200 && wish.stream {
            self.streamed(&self.events(&bytes))
        } else {
            let raw = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            if status == 200 { self.whole(raw) } else { Heard { raw, ..Heard::default() } }
        };
        heard.status = status;
        heard.warnings = warnings.unwrap_or_default();
        heard
    }

    /// The events of a stream: their names where the dialect has them, and their data.
    pub fn events(self, bytes: &[u8]) -> Vec<(String, Value)> {
        if matches!(self, Self::Converse | Self::Invoke) {
            let frames = decode_frames(bytes).expect("sound frames");
            let event = |payload: &[u8]| serde_json::from_slice(payload).expect("JSON");
            return frames
                .iter()
                .map(|frame| {
                    let name = frame.header(":event-type").or(frame.header(":exception-type")).unwrap_or_default();
                    let data: Value = event(&frame.payload);
                    match data["bytes"].as_str() {
                        Some(inner) => {
                            let inner: Value = event(&STANDARD.decode(inner).expect("base64"));
                            (inner["type"].as_str().unwrap_or_default().to_owned(), inner)
                        }
                        None => (name.to_owned(), data),
                    }
                })
                .collect();
        }
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        let mut name = String::new();
        let mut events = Vec::new();
        for line in text.lines() {
            if let Some(word) = line.strip_prefix("event: ") {
                word.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data =
                    if data == "[DONE]" { Value::from("[DONE]") } else { serde_json::from_str(data).expect(data) };
                events.push((std::mem::take(&mut name), data));
            } else {
                assert!(line.is_empty() || line.starts_with(':') && self != Self::Gemini, "a stray line: {line}");
            }
        }
        events
    }

    fn whole(self, raw: Value) -> Heard {
        let mut heard = Heard::default();
        match self {
            Self::Chat => {
                let choice = &raw["choices"][0];
                heard.text = text(&choice["message"]["content"]);
                heard.thinking = text(&choice["message"]["reasoning_content"]);
                for call in list(&choice["message"]["tool_calls"]) {
                    let function = &call["function"];
                    heard.calls.push((text(&function["name"]), parsed(&function["arguments"])));
                }
                heard.stop = text(&choice["finish_reason"]);
                heard.input = number(&raw["usage"]["prompt_tokens"]);
                heard.output = number(&raw["usage"]["completion_tokens"]);
            }
            Self::Responses => {
                for item in list(&raw["output"]) {
                    match item["type"].as_str().unwrap_or_default() {
                        "message" => heard.text.extend(list(&item["content"]).iter().map(|part| text(&part["text"]))),
                        "reasoning" => {
                            heard.thinking.extend(list(&item["summary"]).iter().map(|part| text(&part["text"])));
                        }
                        "function_call" => heard.calls.push((text(&item["name"]), parsed(&item["arguments"]))),
                        other => panic!("an item of type {other}"),
                    }
                }
                heard.stop = text(&raw["status"]);
                heard.input = number(&raw["usage"]["input_tokens"]);
                heard.output = number(&raw["usage"]["output_tokens"]);
            }
            Self::Messages | Self::Invoke => {
                for block in list(&raw["content"]) {
                    match block["type"].as_str().unwrap_or_default() {
                        "text" => heard.text += &text(&block["text"]),
                        "thinking" => heard.thinking += &text(&block["thinking"]),
                        "tool_use" => heard.calls.push((text(&block["name"]), block["input"].clone())),
                        "redacted_thinking" => {}
                        other => panic!("a block of type {other}"),
                    }
                }
                heard.stop = text(&raw["stop_reason"]);
                heard.input = messages_input(&raw["usage"]);
                heard.output = number(&raw["usage"]["output_tokens"]);
            }
            Self::Gemini => {
                let candidate = &raw["candidates"][0];
                for part in list(&candidate["content"]["parts"]) {
                    gemini_part(part, &mut heard);
                }
                heard.stop = text(&candidate["finishReason"]);
                gemini_usage(&raw["usageMetadata"], &mut heard);
            }
            Self::Converse => {
                for block in list(&raw["output"]["message"]["content"]) {
                    heard.text += &text(&block["text"]);
                    heard.thinking += &text(&block["reasoningContent"]["reasoningText"]["text"]);
                    if block["toolUse"].is_object() {
                        heard.calls.push((text(&block["toolUse"]["name"]), block["toolUse"]["input"].clone()));
                    }
                }
                heard.stop = text(&raw["stopReason"]);
                converse_usage(&raw["usage"], &mut heard);
            }
        }
        heard.raw = raw;
        heard
    }

    fn streamed(self, events: &[(String, Value)]) -> Heard {
        let mut heard = Heard::default();
        let mut calls: Vec<(String, String)> = Vec::new();
        for (name, data) in events {
            match self {
                Self::Chat => {
                    let choice = &data["choices"][0];
                    heard.text += &text(&choice["delta"]["content"]);
                    heard.thinking += &text(&choice["delta"]["reasoning_content"]);
                    for call in list(&choice["delta"]["tool_calls"]) {
                        let at = usize::try_from(number(&call["index"])).expect("an index");
                        if at == calls.len() {
                            assert!(call["id"].is_string(), "a call begins with its id: {call}");
                            calls.push((text(&call["function"]["name"]), String::new()));
                        }
                        calls[at].1 += &text(&call["function"]["arguments"]);
                    }
                    if choice["finish_reason"].is_string() {
                        heard.stop = text(&choice["finish_reason"]);
                    }
                    heard.input = heard.input.max(number(&data["usage"]["prompt_tokens"]));
                    heard.output = heard.output.max(number(&data["usage"]["completion_tokens"]));
                }
                Self::Responses => {
                    assert_eq!(data["type"], json!(name), "an event is named after its type");
                    match name.as_str() {
                        "response.output_text.delta" => heard.text += &text(&data["delta"]),
                        "response.reasoning_summary_text.delta" => heard.thinking += &text(&data["delta"]),
                        "response.completed" | "response.incomplete" => {
                            let whole = self.whole(data["response"].clone());
                            assert_eq!((&whole.text, &whole.thinking), (&heard.text, &heard.thinking), "{data}");
                            heard = whole;
                        }
                        _ => {}
                    }
                }
                Self::Messages | Self::Invoke => match name.as_str() {
                    "message_start" => heard.input = messages_input(&data["message"]["usage"]),
                    "content_block_start" => {
                        let block = &data["content_block"];
                        if block["type"] == "tool_use" {
                            calls.push((text(&block["name"]), String::new()));
                        }
                    }
                    "content_block_delta" => {
                        let delta = &data["delta"];
                        heard.text += &text(&delta["text"]);
                        heard.thinking += &text(&delta["thinking"]);
                        if let (Some(more), Some(call)) = (delta["partial_json"].as_str(), calls.last_mut()) {
                            call.1 += more;
                        }
                    }
                    "message_delta" => {
                        heard.stop = text(&data["delta"]["stop_reason"]);
                        heard.input = heard.input.max(messages_input(&data["usage"]));
                        heard.output = number(&data["usage"]["output_tokens"]);
                    }
                    _ => {}
                },
                Self::Gemini => {
                    let candidate = &data["candidates"][0];
                    for part in list(&candidate["content"]["parts"]) {
                        gemini_part(part, &mut heard);
                    }
                    if candidate["finishReason"].is_string() {
                        heard.stop = text(&candidate["finishReason"]);
                    }
                    gemini_usage(&data["usageMetadata"], &mut heard);
                }
                Self::Converse => match name.as_str() {
                    "contentBlockStart" if data["start"]["toolUse"].is_object() => {
                        calls.push((text(&data["start"]["toolUse"]["name"]), String::new()));
                    }
                    "contentBlockDelta" => {
                        let delta = &data["delta"];
                        heard.text += &text(&delta["text"]);
                        heard.thinking += &text(&delta["reasoningContent"]["text"]);
                        if let (Some(more), Some(call)) = (delta["toolUse"]["input"].as_str(), calls.last_mut()) {
                            call.1 += more;
                        }
                    }
                    "messageStop" => heard.stop = text(&data["stopReason"]),
                    "metadata" => converse_usage(&data["usage"], &mut heard),
                    _ => {}
                },
            }
        }
        let args = |args: &str| serde_json::from_str(if args.is_empty() { "{}" } else { args }).expect(args);
        heard.calls.extend(calls.into_iter().map(|(name, more)| (name, args(&more))));
        if heard.raw.is_null() {
            heard.raw = events.last().map(|(_, data)| data.clone()).unwrap_or_default();
        }
        heard
    }

    /// The turns that follow a whole answer with tool calls: the model's own words as an SDK echoes them, and
    /// what its tools found.
    pub fn follow(self, answer: &Value, found: &str) -> Vec<Value> {
        match self {
            Self::Chat => {
                let message = &answer["choices"][0]["message"];
                let results = list(&message["tool_calls"])
                    .iter()
                    .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": found}));
                [message.clone()].into_iter().chain(results).collect()
            }
            Self::Responses => {
                let output = list(&answer["output"]);
                let results = output
                    .iter()
                    .filter(|item| item["type"] == "function_call")
                    .map(|call| json!({"type": "function_call_output", "call_id": call["call_id"], "output": found}));
                output.iter().cloned().chain(results).collect()
            }
            Self::Messages | Self::Invoke => {
                let results: Vec<Value> = list(&answer["content"])
                    .iter()
                    .filter(|block| block["type"] == "tool_use")
                    .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": found}))
                    .collect();
                vec![
                    json!({"role": "assistant", "content": answer["content"]}),
                    json!({"role": "user", "content": results}),
                ]
            }
            Self::Gemini => {
                let content = &answer["candidates"][0]["content"];
                let results: Vec<Value> = list(&content["parts"])
                    .iter()
                    .filter(|part| part["functionCall"].is_object())
                    .map(|part| {
                        let call = &part["functionCall"];
                        let mut result = json!({"name": call["name"], "response": {"result": found}});
                        if call["id"].is_string() {
                            result["id"] = call["id"].clone();
                        }
                        json!({"functionResponse": result})
                    })
                    .collect();
                vec![content.clone(), json!({"role": "user", "parts": results})]
            }
            Self::Converse => {
                let message = &answer["output"]["message"];
                let results: Vec<Value> = list(&message["content"])
                    .iter()
                    .filter(|block| block["toolUse"].is_object())
                    .map(|block| {
                        let id = &block["toolUse"]["toolUseId"];
                        json!({"toolResult": {"toolUseId": id, "content": [{"text": found}], "status": "success"}})
                    })
                    .collect();
                vec![message.clone(), json!({"role": "user", "content": results})]
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn parsed(arguments: &Value) -> Value {
    serde_json::from_str(arguments.as_str().expect("arguments are a string")).expect("JSON")
}

fn messages_input(usage: &Value) -> u64 {
    ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].iter().map(|f| number(&usage[*f])).sum()
}

fn gemini_part(part: &Value, heard: &mut Heard) {
    if part["functionCall"].is_object() {
        heard.calls.push((text(&part["functionCall"]["name"]), part["functionCall"]["args"].clone()));
    } else if part["thought"] == true {
        heard.thinking += &text(&part["text"]);
    } else {
        heard.text += &text(&part["text"]);
    }
}

fn gemini_usage(usage: &Value, heard: &mut Heard) {
    if usage.is_object() {
        heard.input = number(&usage["promptTokenCount"]);
        heard.output = number(&usage["candidatesTokenCount"]) + number(&usage["thoughtsTokenCount"]);
    }
}

fn converse_usage(usage: &Value, heard: &mut Heard) {
    heard.input =
        ["inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"].iter().map(|f| number(&usage[*f])).sum();
    heard.output = number(&usage["outputTokens"]);
}

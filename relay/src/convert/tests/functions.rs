//! Chat clients that say `functions` hear `function_call`: what they asked with is all that they read.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::*;

const CALLS: &str = r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[
    {"type":"text","text":"So."},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Graz"}}],
    "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":2}}"#;

fn ask(with: &str) -> Heard {
    let tool = json!({"name": "weather", "parameters": {"type": "object", "properties": {}}});
    let tool = if with == "tools" { json!({"type": "function", "function": tool}) } else { tool };
    let mut body = json!({"model": "c", "messages": [{"role": "user", "content": "x"}]});
    body[with] = json!([tool]);
    read(Dialect::Chat, body.to_string().as_bytes(), Path::default()).unwrap()
}

#[test]
fn whole_answers() {
    let told = |with: &str| -> Value {
        let (body, _) = answer(Dialect::Messages, Dialect::Chat, CALLS.as_bytes(), &ask(with).reply("x", 0)).unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["choices"][0].clone()
    };
    let old = told("functions");
    assert_eq!(old["finish_reason"], "function_call");
    assert_eq!(old["message"]["function_call"], json!({"name": "weather", "arguments": "{\"city\":\"Graz\"}"}));
    assert!(old["message"].get("tool_calls").is_none() && old["message"]["content"] == "So.", "{old}");
    let new = told("tools");
    assert_eq!(new["finish_reason"], "tool_calls");
    assert!(new["message"].get("function_call").is_none() && new["message"]["tool_calls"][0]["id"] == "toolu_1");
}

#[test]
fn streams() {
    let events = [
        r#"{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":1,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"weather","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let sse: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let mut stream = Stream::new(Dialect::Messages, Dialect::Chat, ask("functions").reply("x", 0)).unwrap();
    let out = String::from_utf8(stream.push(Bytes::from(sse))).unwrap();
    let chunks: Vec<Value> =
        out.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let said: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]["function_call"]).collect();
    assert_eq!(said.iter().filter_map(|call| call["name"].as_str()).collect::<Vec<_>>(), ["weather"]);
    assert_eq!(said.iter().filter_map(|call| call["arguments"].as_str()).collect::<String>(), "{\"a\":1}");
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "function_call");
    assert!(!out.contains("tool_calls"), "{out}");
}

#[test]
fn one_function_is_asked_for_at_a_time() {
    let to = |heard: &Heard| -> Value {
        serde_json::from_slice(&write(heard, Dialect::Messages, "claude", &Limits::default()).unwrap().body).unwrap()
    };
    assert_eq!(to(&ask("functions"))["tool_choice"]["disable_parallel_tool_use"], true);
    assert!(to(&ask("tools"))["tool_choice"].is_null());
}

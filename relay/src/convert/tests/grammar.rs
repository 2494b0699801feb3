//! The grammar of each dialect's stream, checked on everything that is written.

use serde_json::Value;

use super::Dialect;
use crate::sse::{Decoder, data_of, event_of};

/// Events as name and data.
pub(super) fn events(to: Dialect, bytes: &[u8]) -> Vec<(Option<String>, String)> {
    if to == Dialect::Converse {
        let text = std::str::from_utf8(bytes).unwrap();
        let event = |line: &str| {
            let (name, data) = line.split_once('\t').unwrap();
            (Some(name.to_owned()), data.to_owned())
        };
        return text.lines().map(event).collect();
    }
    let mut decoder = Decoder::default();
    decoder.push(bytes::Bytes::copy_from_slice(bytes));
    let mut out = Vec::new();
    while let Some(frame) = decoder.next_frame().unwrap() {
        if let Some(data) = data_of(frame.raw()) {
            let name = event_of(frame.raw()).map(str::to_owned);
            out.push((name, String::from_utf8(data.into_owned()).unwrap()));
        }
    }
    assert!(decoder.finish().is_none(), "an event without its blank line");
    out
}

/// Checks a complete stream.
pub(super) fn check(to: Dialect, bytes: &[u8], place: &str) {
    let events = events(to, bytes);
    match to {
        Dialect::Chat | Dialect::Completions => chat(&events, to, place),
        Dialect::Messages => messages(&events, place),
        Dialect::Gemini => gemini(&events, place),
        Dialect::Responses => responses(&events, place),
        Dialect::Converse => converse(&events, place),
    }
}

fn json(data: &str) -> Value {
    serde_json::from_str(data).unwrap()
}

fn chat(events: &[(Option<String>, String)], to: Dialect, place: &str) {
    let (end, chunks) = events.split_last().unwrap();
    assert_eq!(end.1, "[DONE]", "{place}");
    let (usage, chunks) = chunks.split_last().unwrap();
    let usage = json(&usage.1);
    assert_eq!(usage["choices"], serde_json::json!([]), "{place}");
    assert!(usage["usage"]["prompt_tokens"].is_u64(), "{place}");
    let mut calls = 0;
    for (nth, (name, data)) in chunks.iter().enumerate() {
        assert!(name.is_none(), "{place}");
        let chunk = json(data);
        let choice = &chunk["choices"][0];
        let last = nth + 1 == chunks.len();
        assert_eq!(choice["finish_reason"].is_string(), last, "{place}: {data}");
        if to == Dialect::Completions {
            assert!(choice["text"].is_string(), "{place}");
            continue;
        }
        assert_eq!(chunk["object"], "chat.completion.chunk");
        if nth == 0 {
            assert_eq!(choice["delta"]["role"], "assistant", "{place}");
        }
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = call["index"].as_u64().unwrap();
            if call["id"].is_string() {
                assert_eq!(index, calls, "{place}: calls count from 0");
                assert!(call["function"]["name"].is_string() || call["custom"]["name"].is_string(), "{place}");
                calls += 1;
            } else {
                assert!(index < calls, "{place}");
            }
        }
    }
}

fn messages(events: &[(Option<String>, String)], place: &str) {
    let mut open: Option<u64> = None;
    let mut next = 0;
    let mut phase = 0;
    for (name, data) in events {
        let event = json(data);
        let kind = event["type"].as_str().unwrap();
        assert_eq!(name.as_deref(), Some(kind), "{place}");
        match kind {
            "message_start" => {
                assert_eq!(phase, 0, "{place}");
                assert_eq!(event["message"]["content"], serde_json::json!([]));
                assert!(event["message"]["usage"]["input_tokens"].is_u64());
                phase = 1;
            }
            "content_block_start" => {
                assert_eq!((phase, open), (1, None), "{place}: {data}");
                assert_eq!(event["index"], next, "{place}");
                open = Some(next);
                next += 1;
            }
            "content_block_delta" => assert_eq!(event["index"].as_u64(), open, "{place}: {data}"),
            "content_block_stop" => {
                assert_eq!(event["index"].as_u64(), open, "{place}");
                open = None;
            }
            "message_delta" => {
                assert_eq!((phase, open), (1, None), "{place}");
                assert!(event["delta"]["stop_reason"].is_string() && event["usage"]["output_tokens"].is_u64());
                phase = 2;
            }
            "message_stop" => {
                assert_eq!(phase, 2, "{place}");
                phase = 3;
            }
            "ping" => assert!(phase > 0, "{place}"),
            other => panic!("{place}: {other}"),
        }
    }
    assert_eq!(phase, 3, "{place}");
}

fn gemini(events: &[(Option<String>, String)], place: &str) {
    for (nth, (name, data)) in events.iter().enumerate() {
        assert!(name.is_none(), "{place}");
        let chunk = json(data);
        let candidate = &chunk["candidates"][0];
        assert_eq!(candidate["finishReason"].is_string(), nth + 1 == events.len(), "{place}: {data}");
        assert_eq!(candidate["content"]["role"], "model", "{place}");
        for part in candidate["content"]["parts"].as_array().unwrap() {
            if let Some(call) = part.get("functionCall") {
                assert!(call["name"].is_string() && call["args"].is_object(), "{place}: {data}");
            }
        }
    }
    assert!(json(&events.last().unwrap().1)["usageMetadata"]["promptTokenCount"].is_u64(), "{place}");
}

fn responses(events: &[(Option<String>, String)], place: &str) {
    let mut items: Vec<(Value, Option<Value>)> = Vec::new();
    for (nth, (name, data)) in events.iter().enumerate() {
        let event = json(data);
        let kind = event["type"].as_str().unwrap();
        assert_eq!(name.as_deref(), Some(kind), "{place}");
        assert_eq!(event["sequence_number"], nth, "{place}");
        let position = event["output_index"].as_u64().map(|at| usize::try_from(at).unwrap());
        match kind {
            "response.created" => assert_eq!(nth, 0, "{place}"),
            "response.in_progress" => assert_eq!(nth, 1, "{place}"),
            "response.output_item.added" => {
                assert_eq!(position, Some(items.len()), "{place}");
                items.push((event["item"].clone(), None));
            }
            "response.output_item.done" => {
                let item = &mut items[position.unwrap()];
                assert_eq!(item.0["id"], event["item"]["id"], "{place}");
                item.1 = Some(event["item"].clone());
            }
            "response.completed" | "response.incomplete" => {
                assert_eq!(nth + 1, events.len(), "{place}");
                let output = event["response"]["output"].as_array().unwrap();
                let done: Vec<&Value> = items.iter().map(|(_, done)| done.as_ref().unwrap()).collect();
                assert_eq!(output.iter().collect::<Vec<_>>(), done, "{place}");
                assert!(event["response"]["usage"]["input_tokens"].is_u64(), "{place}");
            }
            _ => {
                let (added, done) = &items[position.unwrap()];
                assert_eq!(event["item_id"], added["id"], "{place}: {data}");
                assert!(done.is_none(), "{place}: {data}");
            }
        }
    }
    let last = json(&events.last().unwrap().1);
    assert!(matches!(last["type"].as_str(), Some("response.completed" | "response.incomplete")), "{place}");
}

fn converse(events: &[(Option<String>, String)], place: &str) {
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_deref().unwrap()).collect();
    assert_eq!(names.first(), Some(&"messageStart"), "{place}");
    assert_eq!(names[names.len() - 2..], ["messageStop", "metadata"], "{place}");
    let stops = names.iter().filter(|name| **name == "contentBlockStop").count();
    let mut seen: Vec<u64> = events.iter().filter_map(|(_, data)| json(data)["contentBlockIndex"].as_u64()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..stops as u64).collect::<Vec<_>>(), "{place}");
}

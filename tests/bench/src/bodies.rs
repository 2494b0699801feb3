//! The bodies that go over the wire: requests of a given size, answers of a fixed one.

use bytes::Bytes;
use serde_json::{Value, json};

/// Whose dialect is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    OpenAi,
    Anthropic,
}

impl std::str::FromStr for Dialect {
    type Err = ();

    fn from_str(text: &str) -> Result<Dialect, ()> {
        match text {
            "openai" => Ok(Dialect::OpenAi),
            "anthropic" => Ok(Dialect::Anthropic),
            _ => Err(()),
        }
    }
}

const WORDS: &str = "The quick brown fox jumps over the lazy dog, and nobody at the river minds it at all. ";

/// Requests of about `size` bytes with different first messages, so that they are different conversations to whoever
/// keeps conversations together.
pub(crate) fn requests(dialect: Dialect, model: &str, stream: bool, size: usize, count: usize) -> Vec<Bytes> {
    (0..count).map(|number| request(dialect, model, stream, size, number)).collect()
}

fn request(dialect: Dialect, model: &str, stream: bool, size: usize, number: usize) -> Bytes {
    let mut body = json!({ "model": model, "stream": stream, "max_tokens": 1024 });
    if stream && dialect == Dialect::OpenAi {
        body["stream_options"] = json!({ "include_usage": true });
    }
    let opening = format!("This is conversation {number}. ");
    body["messages"] = json!([{ "role": "user", "content": opening }]);
    let missing = size.saturating_sub(body.to_string().len());
    let filler: String = WORDS.chars().cycle().take(missing).collect();
    body["messages"][0]["content"] = json!(format!("{opening}{filler}"));
    Bytes::from(body.to_string())
}

/// A whole answer of 1.3 KB.
pub(crate) fn answer(dialect: Dialect) -> Bytes {
    let text: String = WORDS.chars().cycle().take(880).collect();
    let body = match dialect {
        Dialect::OpenAi => json!({
            "id": "chatcmpl-mock", "object": "chat.completion", "created": 1_750_000_000, "model": "gpt-4o-mini",
            "choices": [{
                "index": 0, "message": { "role": "assistant", "content": text, "refusal": null }, "logprobs": null,
                "finish_reason": "stop"
            }],
            "usage": usage(200), "service_tier": "default", "system_fingerprint": "fp_mock"
        }),
        Dialect::Anthropic => json!({
            "id": "msg_mock", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
            "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {
                "input_tokens": 300, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                "output_tokens": 200, "service_tier": "standard"
            }
        }),
    };
    Bytes::from(body.to_string())
}

fn usage(output: u64) -> Value {
    json!({
        "prompt_tokens": 300, "completion_tokens": output, "total_tokens": 300 + output,
        "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": 0, "audio_tokens": 0 }
    })
}

/// The frames of a stream with `chunks` pieces of text.
pub(crate) fn frames(dialect: Dialect, chunks: usize, with_usage: bool) -> Vec<Bytes> {
    match dialect {
        Dialect::OpenAi => openai_frames(chunks, with_usage),
        Dialect::Anthropic => anthropic_frames(chunks),
    }
}

fn openai_frames(chunks: usize, with_usage: bool) -> Vec<Bytes> {
    let frame = |choices: Value, usage: Option<Value>| {
        let mut chunk = json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": "gpt-4o-mini",
            "service_tier": "default", "system_fingerprint": "fp_mock", "choices": choices
        });
        if with_usage {
            chunk["usage"] = usage.unwrap_or(Value::Null);
        }
        Bytes::from(format!("data: {chunk}\n\n"))
    };
    let delta = |delta: Value, finish: Value| {
        frame(json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]), None)
    };
    let mut frames = vec![delta(json!({ "role": "assistant", "content": "" }), Value::Null)];
    frames.extend((0..chunks).map(|at| delta(json!({ "content": format!(" word{at}") }), Value::Null)));
    frames.push(delta(json!({}), json!("stop")));
    if with_usage {
        frames.push(frame(json!([]), Some(usage(chunks as u64))));
    }
    frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
    frames
}

fn anthropic_frames(chunks: usize) -> Vec<Bytes> {
    let frame = |event: Value| {
        let name = event["type"].as_str().unwrap_or_default();
        Bytes::from(format!("event: {name}\ndata: {event}\n\n"))
    };
    let usage = json!({
        "input_tokens": 300, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1
    });
    let mut frames = vec![
        frame(json!({ "type": "message_start", "message": {
            "id": "msg_mock", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
            "stop_reason": null, "stop_sequence": null, "usage": usage
        } })),
        frame(json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } })),
    ];
    frames.extend((0..chunks).map(|at| {
        let delta = json!({ "type": "text_delta", "text": format!(" word{at}") });
        frame(json!({ "type": "content_block_delta", "index": 0, "delta": delta }))
    }));
    frames.push(frame(json!({ "type": "content_block_stop", "index": 0 })));
    let delta = json!({ "stop_reason": "end_turn", "stop_sequence": null });
    frames.push(frame(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": chunks } })));
    frames.push(frame(json!({ "type": "message_stop" })));
    frames
}

/// Whether a stream's last bytes are those of a complete one.
pub(crate) fn is_complete(tail: &[u8]) -> bool {
    let tail = tail.trim_ascii_end();
    tail.ends_with(b"data: [DONE]") || tail.windows(14).any(|window| window == b"\"message_stop\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_what_they_are_said_to_be() {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let size = answer(dialect).len();
            assert!((1150..1400).contains(&size), "{dialect:?}: {size}");
            for size in [1400, 262_144] {
                let bodies = requests(dialect, "m", true, size, 12);
                assert!(bodies.iter().all(|body| body.len().abs_diff(size) < 8));
                assert_ne!(bodies[3], bodies[4]);
                assert!(bodies.iter().all(|body| serde_json::from_slice::<Value>(body).is_ok()));
            }
            let frames = frames(dialect, 5, true);
            assert!(is_complete(&frames[frames.len() - 1]));
            assert!(!is_complete(&frames[frames.len() - 2]));
        }
        let frames = openai_frames(3, true);
        assert_eq!(frames.len(), 7);
        assert!(frames[5].windows(12).any(|window| window == b"\"choices\":[]"));
    }
}

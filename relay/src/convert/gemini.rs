//! Google Gemini: `POST …/models/{model}:generateContent` and `:streamGenerateContent`.
//!
//! The model and whether to stream stand in the path, not in the body.

mod answer;
mod request_in;
mod request_out;
pub(crate) mod schema;
mod stream_in;
mod stream_out;

pub(crate) use answer::{read_response, write_response};
pub(crate) use request_in::read_request;
pub(crate) use request_out::write_request;
pub(crate) use stream_in::Reader;
pub(crate) use stream_out::Writer;

use serde_json::{Value, json};

use super::hub::{HubError, Stop, Usage};
use super::json::object;

/// What the vendor's own client sends for a call whose thought it does not have.
const NO_SEAL: &str = "skip_thought_signature_validator";

/// The model's major version, as in `gemini-3-pro`.
fn major(model: &str) -> u32 {
    let digits = model.split("gemini-").nth(1).unwrap_or_default();
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// The hub's reason for a finish reason; some mean that the answer cannot be used.
fn stop_of(reason: &str, called: bool) -> Result<Stop, HubError> {
    Ok(match reason {
        "MAX_TOKENS" => Stop::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Stop::Refusal,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => {
            return Err(HubError::upstream(format!("the model failed to make its tool call ({reason})")));
        }
        _ if called => Stop::ToolUse,
        _ => Stop::End,
    })
}

/// The finish reason for a hub reason.
fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence | Stop::ToolUse | Stop::Pause => "STOP",
        Stop::MaxTokens | Stop::ContextFull => "MAX_TOKENS",
        Stop::Refusal => "SAFETY",
    }
}

/// Usage in Google's words.
fn usage_json(usage: &Usage) -> Value {
    let mut out = object([
        ("promptTokenCount", usage.total_input().into()),
        ("candidatesTokenCount", usage.output.saturating_sub(usage.reasoning).into()),
        ("totalTokenCount", usage.total().into()),
    ]);
    if usage.cache_read > 0 {
        out.insert("cachedContentTokenCount".to_owned(), usage.cache_read.into());
    }
    if usage.reasoning > 0 {
        out.insert("thoughtsTokenCount".to_owned(), usage.reasoning.into());
    }
    let mut details = Vec::new();
    let text = usage.total_input().saturating_sub(usage.audio_in + usage.image_in);
    for (modality, count) in [("TEXT", text), ("AUDIO", usage.audio_in), ("IMAGE", usage.image_in)] {
        if count > 0 {
            details.push(json!({"modality": modality, "tokenCount": count}));
        }
    }
    if !details.is_empty() {
        out.insert("promptTokensDetails".to_owned(), Value::Array(details));
    }
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_any_spelling() {
        for (model, want) in
            [("gemini-3-pro", 3), ("models/gemini-2.5-flash", 2), ("gemini-flash-latest", 0), ("gpt-4", 0)]
        {
            assert_eq!(major(model), want, "{model}");
        }
    }

    #[test]
    fn a_broken_call_is_no_answer() {
        assert!(stop_of("MALFORMED_FUNCTION_CALL", false).is_err());
        assert_eq!(stop_of("STOP", true), Ok(Stop::ToolUse));
        assert_eq!(stop_of("SAFETY", true), Ok(Stop::Refusal));
    }
}

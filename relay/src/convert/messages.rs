//! Anthropic messages: `POST /v1/messages`.

mod answer;
mod request_in;
mod request_out;
mod stream_in;
mod stream_out;
mod thinking;

pub(crate) use answer::{picture_text, read_response, write_response};
pub(crate) use request_in::read_request;
pub(crate) use request_out::write_request;
pub(crate) use stream_in::Reader;
pub(crate) use stream_out::Writer;
pub(crate) use thinking::{Think, decide};

use super::hub::Stop;

/// The hub's reason for a stop reason.
fn stop_of(reason: &str) -> Stop {
    match reason {
        "max_tokens" => Stop::MaxTokens,
        "stop_sequence" => Stop::Sequence,
        "tool_use" => Stop::ToolUse,
        "refusal" => Stop::Refusal,
        "pause_turn" => Stop::Pause,
        "model_context_window_exceeded" => Stop::ContextFull,
        _ => Stop::End,
    }
}

/// The stop reason for a hub reason.
fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::Sequence => "stop_sequence",
        Stop::ToolUse => "tool_use",
        Stop::Refusal => "refusal",
        Stop::Pause => "pause_turn",
        Stop::ContextFull => "model_context_window_exceeded",
    }
}

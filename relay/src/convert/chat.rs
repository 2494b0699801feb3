//! OpenAI chat completions: `POST /v1/chat/completions` and everything that copies it.

mod answer;
mod request_in;
mod request_out;
mod stream_in;
mod stream_out;
mod turns_in;

pub(crate) use answer::{finish_reason, read_response, usage_json, write_response};
pub(crate) use request_in::read_request;
pub(crate) use request_out::{effort, write_request};
pub(crate) use stream_in::Reader;
pub(crate) use stream_out::Writer;

use super::Dialect;

/// Whose seal a `reasoning_details` entry carries, by the published `format` words.
fn origin_of_format(format: &str) -> Dialect {
    if format.starts_with("anthropic") {
        Dialect::Messages
    } else if format.starts_with("google") {
        Dialect::Gemini
    } else if format.starts_with("openai-responses") {
        Dialect::Responses
    } else {
        Dialect::Chat
    }
}

/// The `format` word for a seal.
fn format_of_origin(origin: Dialect) -> &'static str {
    match origin {
        Dialect::Messages | Dialect::Converse => "anthropic-claude-v1",
        Dialect::Gemini => "google-gemini-v1",
        Dialect::Responses => "openai-responses-v1",
        Dialect::Chat | Dialect::Completions => "unknown",
    }
}

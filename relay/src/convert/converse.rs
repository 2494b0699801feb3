//! Bedrock converse: `POST /model/{id}/converse` and `/converse-stream`. The frames of the stream are the
//! transport's business; here an event is its name and its JSON payload.

mod answer;
mod request_in;
mod request_out;
mod stream;

pub(crate) use answer::{read_response, write_response};
pub(crate) use request_in::read_request;
pub(crate) use request_out::write_request;
pub(crate) use stream::{Reader, Writer};

use serde_json::{Value, json};

use super::hub::{HubError, Signature, Source, Stop, Usage};
use super::json::{Obj, object};
use super::{Dialect, media};

/// The hub's reason for a stop reason.
fn stop_of(reason: &str) -> Stop {
    match reason {
        "max_tokens" => Stop::MaxTokens,
        "stop_sequence" => Stop::Sequence,
        "tool_use" => Stop::ToolUse,
        "content_filtered" | "guardrail_intervened" => Stop::Refusal,
        "model_context_window_exceeded" => Stop::ContextFull,
        _ => Stop::End,
    }
}

/// The stop reason for a hub reason.
fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Pause => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::Sequence => "stop_sequence",
        Stop::ToolUse => "tool_use",
        Stop::Refusal => "content_filtered",
        Stop::ContextFull => "model_context_window_exceeded",
    }
}

/// Usage in converse's words.
fn usage_json(usage: &Usage) -> Value {
    let mut out = object([
        ("inputTokens", usage.input.into()),
        ("outputTokens", usage.output.into()),
        ("totalTokens", usage.total().into()),
    ]);
    if usage.cache_read > 0 {
        out.insert("cacheReadInputTokens".to_owned(), usage.cache_read.into());
    }
    if usage.cache_write() > 0 {
        out.insert("cacheWriteInputTokens".to_owned(), usage.cache_write().into());
    }
    Value::Object(out)
}

/// The seal of a visible thought: Claude's, good on every platform that serves Claude.
fn seal(value: String) -> Signature {
    Signature::carried(Dialect::Messages, &value)
}

/// A thought nobody may read; its bytes are the platform's own form.
fn hidden(value: String) -> Signature {
    Signature { origin: Dialect::Converse, value, id: None }
}

/// A picture, document or film: a format word and a source.
fn read_media(mut block: Obj, kind: &str) -> Result<(Source, Option<String>), HubError> {
    let format = block.str("format")?.unwrap_or_default();
    let name = block.str("name")?;
    let at = block.at("source");
    let mut source = block.obj("source")?.ok_or_else(|| HubError::invalid(&at, "required"))?;
    let media = match (kind, format.as_str()) {
        ("document", "txt" | "md") => "text/plain".to_owned(),
        ("document", "html" | "csv") => format!("text/{format}"),
        ("document", other) => format!("application/{other}"),
        (kind, other) => format!("{kind}/{other}"),
    };
    if let Some(data) = source.str("bytes")? {
        return Ok((media::base64(&media, &data), name));
    }
    if let Some(text) = source.str("text")? {
        return Ok((Source::Text(text), name));
    }
    if let Some(mut place) = source.obj("s3Location")? {
        return Ok((Source::File(place.need_str("uri")?), name));
    }
    Err(HubError::unsupported(at, "only bytes and text are available"))
}

/// The format word of a media type.
fn format_word(media: &str) -> &str {
    match media {
        "text/plain" => "txt",
        "text/markdown" => "md",
        other => other.split('/').nth(1).unwrap_or(other),
    }
}

/// A picture in converse's words.
fn image_json(source: &Source) -> Option<Value> {
    match source {
        Source::Base64 { media, data } => {
            Some(json!({"image": {"format": format_word(media), "source": {"bytes": data}}}))
        }
        _ => None,
    }
}

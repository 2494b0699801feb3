//! Clients that speak Bedrock's `invoke`: Anthropic's messages with a few fields moved, edited in place.
//! (What Bedrock as a *vendor* is sent, the providers decide.)

use bytes::Bytes;
use serde_json::json;

use super::edit::{Body, BodyError};
use super::hub::{HubError, Usage};

/// An invoke body (of a client that speaks Bedrock) as a messages body, with the betas for the header.
pub fn from_invoke(body: &Body, model: &str, stream: bool) -> Result<(Bytes, Vec<String>), HubError> {
    let betas: Vec<String> = body.get("anthropic_beta", "a list of texts").map_err(invalid)?.unwrap_or_default();
    let mut edit = body.edit();
    edit.remove("anthropic_version").remove("anthropic_beta").set_str("model", model);
    if stream {
        edit.set_bool("stream", true);
    } else {
        edit.remove("stream");
    }
    Ok((edit.finish(), betas))
}

/// The last event of an invoke stream with the counts the platform adds to it.
pub fn with_metrics(message_stop: &Body, usage: &Usage) -> Bytes {
    let metrics = json!({
        "inputTokenCount": usage.input,
        "outputTokenCount": usage.output,
        "cacheReadInputTokenCount": usage.cache_read,
        "cacheWriteInputTokenCount": usage.cache_write(),
        "invocationLatency": 0,
        "firstByteLatency": 0,
    });
    let mut edit = message_stop.edit();
    edit.set_raw("amazon-bedrock-invocationMetrics", metrics.to_string().into_bytes());
    edit.finish()
}

fn invalid(error: BodyError) -> HubError {
    HubError::invalid("body", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Body {
        Body::scan(Bytes::copy_from_slice(text.as_bytes())).expect("a valid body")
    }

    #[test]
    fn an_invoke_body_becomes_a_messages_body() {
        let text = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"messages":[{"role":"user","content":"hi  "}],"anthropic_beta":["context-1m-2025-08-07"]}"#;
        let (plain, betas) = from_invoke(&body(text), "claude-x", false).expect("translated");
        assert_eq!(betas, ["context-1m-2025-08-07"]);
        assert_eq!(plain, r#"{"max_tokens":5,"messages":[{"role":"user","content":"hi  "}],"model":"claude-x"}"#);
        let (streamed, _) = from_invoke(&body(r#"{"max_tokens":5}"#), "m", true).expect("translated");
        assert_eq!(streamed, r#"{"max_tokens":5,"model":"m","stream":true}"#);
        assert!(from_invoke(&body(r#"{"anthropic_beta":"x"}"#), "m", true).is_err());
    }

    #[test]
    fn the_last_event_gets_its_counts() {
        let usage = Usage { input: 1, output: 2, cache_read: 3, cache_write_1h: 4, ..Usage::default() };
        let event = with_metrics(&body(r#"{"type":"message_stop"}"#), &usage);
        let seen = super::super::usage::of_body(super::super::usage::Form::Anthropic, &event).expect("usage");
        assert_eq!((seen.input, seen.output, seen.cache_read, seen.cache_write_5m), (1, 2, 3, 4));
    }
}

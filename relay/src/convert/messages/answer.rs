//! Whole messages answers, both ways.

use serde_json::{Value, json};

use super::super::hub::{Citation, HubError, Part, Response, Signature, Source, Text, Thinking, ToolUse, Usage};
use super::super::json::{Obj, args_object, object};
use super::super::usage::{self, Form};
use super::super::{Dialect, Reply, media, thoughts};
use super::{stop_of, stop_reason};

/// Reads an answer.
pub(crate) fn read_response(body: &[u8]) -> Result<Response, HubError> {
    read(body).map_err(HubError::in_answer)
}

fn read(body: &[u8]) -> Result<Response, HubError> {
    let usage = usage::of_body(Form::Anthropic, body);
    let mut obj = Obj::parse(body)?;
    if obj.peek_str("type") != Some("message") {
        return Err(HubError::upstream("the answer is not a message"));
    }
    let mut parts = Vec::new();
    for block in obj.objs("content")? {
        parts.extend(part(block)?);
    }
    Ok(Response {
        id: obj.str("id")?.unwrap_or_default(),
        model: obj.str("model")?.unwrap_or_default(),
        parts,
        stop: stop_of(obj.str("stop_reason")?.as_deref().unwrap_or("end_turn")),
        stop_sequence: obj.str("stop_sequence")?,
        usage,
    })
}

fn part(mut block: Obj) -> Result<Option<Part>, HubError> {
    Ok(Some(match block.need_str("type")?.as_str() {
        "text" => {
            let citations = block.objs("citations")?.into_iter().filter_map(citation).collect();
            Part::Text(Text { text: block.need_str("text")?, citations, ..Text::default() })
        }
        "thinking" => {
            let text = block.str("thinking")?.unwrap_or_default();
            let seal = block.str("signature")?.filter(|seal| !seal.is_empty());
            let signature = seal.map(own_seal);
            Part::Thinking(Thinking { text, signature, redacted: false })
        }
        "redacted_thinking" => thoughts::sealed(Signature::hidden(block.need_str("data")?)),
        "tool_use" => {
            let input = block.take("input").unwrap_or_else(|| json!({}));
            let (id, name) = (block.need_str("id")?, block.need_str("name")?);
            Part::ToolUse(ToolUse { id, name, args: input.to_string(), ..ToolUse::default() })
        }
        // What the vendor's own tools did on the way; the findings are in the text.
        _ => return Ok(None),
    }))
}

pub(super) fn own_seal(value: String) -> Signature {
    Signature { origin: Dialect::Messages, value, id: None }
}

/// A citation that names a page; others point into the caller's own documents.
pub(super) fn citation(mut cited: Obj) -> Option<Citation> {
    let url = cited.str("url").ok().flatten()?;
    let title = cited.str("title").ok().flatten().unwrap_or_default();
    Some(Citation { url, title, start: None, end: None })
}

pub(super) fn citation_json(cited: &Citation) -> Value {
    json!({
        "type": "web_search_result_location",
        "url": cited.url,
        "title": cited.title,
        "encrypted_index": "",
        "cited_text": "",
    })
}

/// Writes an answer.
pub(crate) fn write_response(response: &Response, reply: &Reply) -> Value {
    let content: Vec<Value> = thoughts::apart(response.parts.clone()).iter().filter_map(block).collect();
    json!({
        "id": format!("msg_{}", reply.id),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": stop_reason(response.stop),
        "stop_sequence": response.stop_sequence,
        "usage": usage_json(&response.usage.unwrap_or_default()),
    })
}

fn block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) => {
            let mut one = object([("type", "text".into()), ("text", text.text.as_str().into())]);
            if !text.citations.is_empty() {
                one.insert("citations".to_owned(), text.citations.iter().map(citation_json).collect());
            }
            Value::Object(one)
        }
        Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Thinking(thought) => thinking_block(&thought.text, thought.signature.as_ref()),
        Part::ToolUse(call) => {
            let input = if call.custom { Some(json!({"input": call.args})) } else { args_object(&call.args) };
            let input = input.unwrap_or_else(|| json!({"arguments": call.args}));
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input})
        }
        Part::Image { source, .. } => json!({"type": "text", "text": picture_text(source)}),
        Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } | Part::ToolResult(_) => {
            return None;
        }
    })
}

/// A thought as a block; one that only another vendor can read is an empty thought with the seal packed in.
pub(super) fn thinking_block(text: &str, seal: Option<&Signature>) -> Value {
    match seal {
        Some(seal) if seal.is_hidden() => {
            json!({"type": "redacted_thinking", "data": seal.value})
        }
        seal => {
            let signature = seal.map(|seal| seal.carry(Dialect::Messages)).unwrap_or_default();
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
    }
}

/// Pictures the model made, in the only form a text can show them.
pub(crate) fn picture_text(source: &Source) -> String {
    match source {
        Source::Base64 { media, data } => format!("![image]({})", media::data_url(media, data)),
        Source::Url(url) | Source::Text(url) | Source::File(url) => format!("![image]({url})"),
    }
}

/// Usage in Anthropic's words.
pub(crate) fn usage_json(usage: &Usage) -> Value {
    let mut out = object([
        ("input_tokens", usage.input.into()),
        ("cache_creation_input_tokens", usage.cache_write().into()),
        ("cache_read_input_tokens", usage.cache_read.into()),
        (
            "cache_creation",
            json!({
                "ephemeral_5m_input_tokens": usage.cache_write_5m,
                "ephemeral_1h_input_tokens": usage.cache_write_1h,
            }),
        ),
        ("output_tokens", usage.output.into()),
    ]);
    if usage.reasoning > 0 {
        out.insert("output_tokens_details".to_owned(), json!({"thinking_tokens": usage.reasoning}));
    }
    if usage.searches > 0 {
        out.insert("server_tool_use".to_owned(), json!({"web_search_requests": usage.searches}));
    }
    Value::Object(out)
}

//! Whole converse answers, both ways.

use serde_json::{Value, json};

use super::super::hub::{HubError, Part, Response, Thinking, ToolUse};
use super::super::json::{Obj, args_object};
use super::super::messages;
use super::super::usage::{self, Form};
use super::super::{Dialect, Reply, thoughts};
use super::{hidden, image_json, seal, stop_of, stop_reason, usage_json};

/// Reads an answer.
pub(crate) fn read_response(body: &[u8]) -> Result<Response, HubError> {
    read(body).map_err(HubError::in_answer)
}

fn read(body: &[u8]) -> Result<Response, HubError> {
    let usage = usage::of_body(Form::Converse, body);
    let mut obj = Obj::parse(body)?;
    let mut output = obj.obj("output")?.ok_or_else(|| HubError::upstream("the answer has no output"))?;
    let mut message = output.obj("message")?.ok_or_else(|| HubError::upstream("the answer has no message"))?;
    let mut parts = Vec::new();
    for mut block in message.objs("content")? {
        if let Some(text) = block.str("text")? {
            parts.push(Part::text(text));
        } else if let Some(mut call) = block.obj("toolUse")? {
            let input = call.take("input").unwrap_or_else(|| json!({}));
            let (id, name) = (call.need_str("toolUseId")?, call.need_str("name")?);
            parts.push(Part::ToolUse(ToolUse { id, name, args: input.to_string(), ..ToolUse::default() }));
        } else if let Some(mut thought) = block.obj("reasoningContent")? {
            if let Some(mut text) = thought.obj("reasoningText")? {
                let signature = text.str("signature")?.filter(|value| !value.is_empty()).map(seal);
                let text = text.str("text")?.unwrap_or_default();
                parts.push(Part::Thinking(Thinking { text, signature, redacted: false }));
            } else if let Some(data) = thought.str("redactedContent")? {
                parts.push(thoughts::sealed(hidden(data)));
            }
        }
    }
    let stop = stop_of(obj.str("stopReason")?.as_deref().unwrap_or("end_turn"));
    Ok(Response { parts, stop, usage, ..Response::default() })
}

/// Writes an answer.
pub(crate) fn write_response(response: &Response, _reply: &Reply) -> Value {
    let content: Vec<Value> = thoughts::apart(response.parts.clone()).iter().filter_map(block).collect();
    json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason(response.stop),
        "usage": usage_json(&response.usage.unwrap_or_default()),
        "metrics": {"latencyMs": 0},
    })
}

fn block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) => json!({"text": text.text}),
        Part::Refusal(text) => json!({"text": text}),
        Part::Thinking(thought) => match &thought.signature {
            Some(seal) if seal.origin == Dialect::Converse => {
                json!({"reasoningContent": {"redactedContent": seal.value}})
            }
            Some(seal) => {
                let text = json!({"text": thought.text, "signature": seal.carry(Dialect::Messages)});
                json!({"reasoningContent": {"reasoningText": text}})
            }
            None => json!({"reasoningContent": {"reasoningText": {"text": thought.text}}}),
        },
        Part::ToolUse(call) => {
            let input = if call.custom { Some(json!({"input": call.args})) } else { args_object(&call.args) };
            let input = input.unwrap_or_else(|| json!({"arguments": call.args}));
            json!({"toolUse": {"toolUseId": call.id, "name": call.name, "input": input}})
        }
        Part::Image { source, .. } => {
            image_json(source).unwrap_or_else(|| json!({"text": messages::picture_text(source)}))
        }
        Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } | Part::ToolResult(_) => {
            return None;
        }
    })
}

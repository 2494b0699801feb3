//! Whole responses answers, both ways.

use serde_json::{Map, Value, json};

use super::super::fault::{Fault, Kind};
use super::super::hub::{Citation, HubError, Part, Response, Signature, Source, Stop, Text, Thinking, ToolUse, Usage};
use super::super::json::{Obj, object, put};
use super::super::usage::{self, Form};
use super::super::{Dialect, Reply, media, thoughts};

/// Reads an answer.
pub(crate) fn read_response(body: &[u8]) -> Result<Response, HubError> {
    read(body).map_err(HubError::in_answer)
}

fn read(body: &[u8]) -> Result<Response, HubError> {
    let usage = usage::of_body(Form::OpenAi, body);
    let mut obj = Obj::parse(body)?;
    if let Some(mut error) = obj.obj("error")? {
        let message = error.str("message")?.unwrap_or_else(|| "the answer failed".to_owned());
        return Err(HubError::upstream(message));
    }
    if !obj.has("output") {
        return Err(HubError::upstream("the answer has no output"));
    }
    let mut parts = Vec::new();
    for item in obj.objs("output")? {
        read_item(item, &mut parts)?;
    }
    let called = parts.iter().any(|part| matches!(part, Part::ToolUse(_)));
    let stop = stop_of(&mut obj, called)?;
    Ok(Response {
        id: obj.str("id")?.unwrap_or_default(),
        model: obj.str("model")?.unwrap_or_default(),
        parts,
        stop,
        stop_sequence: None,
        usage,
    })
}

/// Why an answer ended, from its state.
pub(super) fn stop_of(obj: &mut Obj, called: bool) -> Result<Stop, HubError> {
    let state = obj.str("status")?;
    let reason = match obj.obj("incomplete_details")? {
        Some(mut details) => details.str("reason")?,
        None => None,
    };
    Ok(match (state.as_deref(), reason.as_deref()) {
        (Some("incomplete"), Some("content_filter")) => Stop::Refusal,
        (Some("incomplete"), _) => Stop::MaxTokens,
        _ if called => Stop::ToolUse,
        _ => Stop::End,
    })
}

fn read_item(mut item: Obj, parts: &mut Vec<Part>) -> Result<(), HubError> {
    match item.need_str("type")?.as_str() {
        "message" => {
            for mut part in item.objs("content")? {
                match part.need_str("type")?.as_str() {
                    "output_text" => {
                        let citations = part.objs("annotations")?.into_iter().filter_map(citation).collect();
                        parts.push(Part::Text(Text { text: part.need_str("text")?, citations, ..Text::default() }));
                    }
                    "refusal" => parts.push(Part::Refusal(part.need_str("refusal")?)),
                    _ => {}
                }
            }
        }
        "function_call" => parts.push(Part::ToolUse(ToolUse {
            id: item.need_str("call_id")?,
            name: item.need_str("name")?,
            args: item.str("arguments")?.unwrap_or_default(),
            ..ToolUse::default()
        })),
        "custom_tool_call" => parts.push(Part::ToolUse(ToolUse {
            id: item.need_str("call_id")?,
            name: item.need_str("name")?,
            args: item.str("input")?.unwrap_or_default(),
            custom: true,
            signature: None,
        })),
        "reasoning" => {
            let text = thought_text(&mut item)?;
            let signature = seal_of(&mut item)?;
            if !text.is_empty() || signature.is_some() {
                parts.push(Part::Thinking(Thinking { redacted: text.is_empty(), text, signature }));
            }
        }
        "image_generation_call" => {
            if let Some(data) = item.str("result")? {
                parts.push(Part::Image { source: media::base64("image/png", &data), detail: None, cache: None });
            }
        }
        // What the vendor's own tools did on the way; the findings are in the text.
        _ => {}
    }
    Ok(())
}

fn thought_text(item: &mut Obj) -> Result<String, HubError> {
    let mut texts = Vec::new();
    for list in ["summary", "content"] {
        for mut one in item.objs(list)? {
            texts.extend(one.str("text")?);
        }
    }
    Ok(texts.join("\n\n"))
}

/// The seal of a reasoning item, which is useless without the item's id.
pub(super) fn seal_of(item: &mut Obj) -> Result<Option<Signature>, HubError> {
    let id = item.str("id")?;
    let seal = item.str("encrypted_content")?.filter(|seal| !seal.is_empty());
    Ok(seal.map(|value| Signature { origin: Dialect::Responses, value, id }))
}

/// A `url_citation`; other annotations point into files of the vendor's.
pub(super) fn citation(mut one: Obj) -> Option<Citation> {
    if one.str("type").ok().flatten().as_deref() != Some("url_citation") {
        return None;
    }
    Some(Citation {
        url: one.str("url").ok().flatten()?,
        title: one.str("title").ok().flatten().unwrap_or_default(),
        start: one.u64("start_index").ok().flatten(),
        end: one.u64("end_index").ok().flatten(),
    })
}

pub(super) fn annotation(cited: &Citation) -> Value {
    json!({
        "type": "url_citation",
        "start_index": cited.start.unwrap_or(0),
        "end_index": cited.end.unwrap_or(0),
        "url": cited.url,
        "title": cited.title,
    })
}

/// Writes an answer.
pub(crate) fn write_response(response: &Response, reply: &Reply) -> Value {
    let parts = thoughts::apart(response.parts.clone());
    let output = parts.iter().enumerate().filter_map(|(nth, part)| item(part, nth, reply)).collect();
    envelope(reply, State::of(response.stop), output, response.usage.as_ref())
}

/// How an answer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    InProgress,
    Completed,
    Incomplete(&'static str),
    Failed(Fault),
}

impl State {
    pub(super) fn of(stop: Stop) -> Self {
        match stop {
            Stop::MaxTokens | Stop::ContextFull => Self::Incomplete("max_output_tokens"),
            Stop::Refusal => Self::Incomplete("content_filter"),
            Stop::End | Stop::Sequence | Stop::ToolUse | Stop::Pause => Self::Completed,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(_) => "failed",
        }
    }
}

/// The response object with everything the vendor's clients expect in it.
pub(super) fn envelope(reply: &Reply, state: State, output: Vec<Value>, usage: Option<&Usage>) -> Value {
    let error = match &state {
        State::Failed(fault) => json!({"code": error_code(fault), "message": fault.message}),
        _ => Value::Null,
    };
    let details = match state {
        State::Incomplete(reason) => json!({"reason": reason}),
        _ => Value::Null,
    };
    let mut out = object([
        ("id", format!("resp_{}", reply.id).into()),
        ("object", "response".into()),
        ("created_at", reply.created.into()),
        ("status", state.word().into()),
        ("background", false.into()),
        ("error", error),
        ("incomplete_details", details),
        ("instructions", Value::Null),
        ("max_output_tokens", Value::Null),
        ("max_tool_calls", Value::Null),
        ("model", reply.model.as_str().into()),
        ("output", Value::Array(output)),
        ("parallel_tool_calls", true.into()),
        ("previous_response_id", Value::Null),
        ("reasoning", json!({"effort": null, "summary": null})),
        ("service_tier", "default".into()),
        ("store", false.into()),
        ("temperature", 1.0.into()),
        ("text", json!({"format": {"type": "text"}})),
        ("tool_choice", "auto".into()),
        ("tools", json!([])),
        ("top_p", 1.0.into()),
        ("truncation", "disabled".into()),
        ("usage", usage.map_or(Value::Null, usage_json)),
        ("user", Value::Null),
        ("metadata", json!({})),
    ]);
    for (field, value) in &reply.echo {
        out.insert(field.clone(), value.clone());
    }
    Value::Object(out)
}

fn error_code(fault: &Fault) -> &'static str {
    match fault.kind {
        Kind::RateLimit | Kind::Billing => "rate_limit_exceeded",
        Kind::InvalidRequest | Kind::TooLarge => "invalid_prompt",
        _ => "server_error",
    }
}

/// A part as an output item, complete. `nth` makes its id.
pub(super) fn item(part: &Part, nth: usize, reply: &Reply) -> Option<Value> {
    Some(match part {
        Part::Text(text) => message_item(&item_id("msg", nth, reply), text_part(&text.text, &text.citations)),
        Part::Refusal(text) => message_item(&item_id("msg", nth, reply), json!({"type": "refusal", "refusal": text})),
        Part::Thinking(thought) => {
            reasoning_item(&item_id("rs", nth, reply), &thought.text, thought.signature.as_ref())
        }
        Part::ToolUse(call) => call_item(call, nth, reply, true),
        Part::Image { source, .. } => picture_item(&item_id("ig", nth, reply), source),
        Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } | Part::ToolResult(_) => {
            return None;
        }
    })
}

/// An item's id: unique in the answer, and across answers by the reply's id.
pub(super) fn item_id(prefix: &str, nth: usize, reply: &Reply) -> String {
    format!("{prefix}_{}_{nth}", reply.id)
}

pub(super) fn text_part(text: &str, citations: &[Citation]) -> Value {
    let annotations: Vec<Value> = citations.iter().map(annotation).collect();
    json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []})
}

pub(super) fn message_item(id: &str, part: Value) -> Value {
    json!({"id": id, "type": "message", "status": "completed", "role": "assistant", "content": [part]})
}

/// A thought as an item. Another vendor's seal travels in the field for the vendor's own.
pub(super) fn reasoning_item(id: &str, text: &str, seal: Option<&Signature>) -> Value {
    let summary = if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": text}]) };
    let mut item = object([("id", id.into()), ("type", "reasoning".into()), ("summary", summary)]);
    put(&mut item, "encrypted_content", seal.map(|seal| seal.carry(Dialect::Responses)));
    Value::Object(item)
}

/// A call as an item; `whole` ones carry their arguments.
pub(super) fn call_item(call: &ToolUse, nth: usize, reply: &Reply, whole: bool) -> Value {
    let state = if whole { "completed" } else { "in_progress" };
    let custom = call.custom || reply.is_custom(&call.name);
    let (prefix, kind, field) =
        if custom { ("ctc", "custom_tool_call", "input") } else { ("fc", "function_call", "arguments") };
    let args = match (whole, custom) {
        (false, _) => String::new(),
        (true, true) => reply.custom_input(call),
        (true, false) if call.args.trim().is_empty() => "{}".to_owned(),
        (true, false) => call.args.clone(),
    };
    let mut item: Map<String, Value> =
        object([("id", item_id(prefix, nth, reply).into()), ("type", kind.into()), ("status", state.into())]);
    item.insert(field.to_owned(), args.into());
    item.insert("call_id".to_owned(), call.id.as_str().into());
    let (name, space) = reply.names(&call.name);
    item.insert("name".to_owned(), name.into());
    put(&mut item, "namespace", space);
    Value::Object(item)
}

pub(super) fn picture_item(id: &str, source: &Source) -> Value {
    let result = match source {
        Source::Base64 { data, .. } => data.clone(),
        Source::Url(url) | Source::Text(url) | Source::File(url) => url.clone(),
    };
    json!({"id": id, "type": "image_generation_call", "status": "completed", "result": result})
}

/// Usage in the responses API's words.
pub(crate) fn usage_json(usage: &Usage) -> Value {
    let mut into = object([("cached_tokens", usage.cache_read.into())]);
    if usage.cache_write() > 0 {
        into.insert("cache_write_tokens".to_owned(), usage.cache_write().into());
    }
    json!({
        "input_tokens": usage.total_input(),
        "input_tokens_details": into,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    })
}

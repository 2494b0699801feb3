//! Whole chat completion answers, both ways.

use serde_json::{Map, Value, json};

use super::super::hub::{Block, Citation, HubError, Part, Response, Signature, Source, Stop, Text, ToolUse, Usage};
use super::super::json::{Obj, args_object, object, put};
use super::super::usage::{self, Form};
use super::super::{Dialect, Reply, media, thoughts};
use super::format_of_origin;

/// Reads an answer. Only the first choice counts: more were never asked for.
pub(crate) fn read_response(body: &[u8]) -> Result<Response, HubError> {
    read(body).map_err(HubError::in_answer)
}

fn read(body: &[u8]) -> Result<Response, HubError> {
    let usage = usage::of_body(Form::OpenAi, body);
    let mut obj = Obj::parse(body)?;
    let mut response = Response {
        id: obj.str("id")?.unwrap_or_default(),
        model: obj.str("model")?.unwrap_or_default(),
        usage,
        ..Response::default()
    };
    let mut choices = obj.objs("choices")?.into_iter();
    let mut choice = choices.next().ok_or_else(|| HubError::upstream("the answer has no choices"))?;
    let mut message = choice.obj("message")?.ok_or_else(|| HubError::upstream("the answer has no message"))?;
    response.parts = parts(&mut message)?;
    let called = response.parts.iter().any(|part| matches!(part, Part::ToolUse(_)));
    response.stop = stop_of(choice.str("finish_reason")?.as_deref().unwrap_or("stop"), called);
    Ok(response)
}

fn parts(message: &mut Obj) -> Result<Vec<Part>, HubError> {
    let mut ignored = Vec::new();
    let mut parts = super::turns_in::thoughts(message)?;
    let mut said = super::turns_in::content(message, &mut ignored)?;
    said.retain(|part| *part != Part::text(""));
    let cited = citations(message)?;
    if let Some(Part::Text(text)) = said.iter_mut().find(|part| matches!(part, Part::Text(_))) {
        text.citations = cited;
    }
    parts.append(&mut said);
    if let Some(refusal) = message.str("refusal")?.filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal(refusal));
    }
    for mut image in message.objs("images")? {
        if let Some(mut inner) = image.obj("image_url")? {
            let source = media::from_url(&inner.need_str("url")?, "images")?;
            parts.push(Part::Image { source, detail: None, cache: None });
        }
    }
    for (nth, mut call) in message.objs("tool_calls")?.into_iter().enumerate() {
        let id = call.str("id")?.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{nth}"));
        let custom = call.str("type")?.as_deref() == Some("custom");
        let signature = google_seal(&mut call)?;
        let inner = call.obj(if custom { "custom" } else { "function" })?;
        let mut inner = inner.ok_or_else(|| HubError::invalid("tool_calls", "a call without a function"))?;
        let name = inner.need_str("name")?;
        let args = inner.take(if custom { "input" } else { "arguments" });
        let args = args.map_or_else(String::new, |args| args.as_str().map_or_else(|| args.to_string(), str::to_owned));
        parts.push(Part::ToolUse(ToolUse { id, name, args, custom, signature }));
    }
    if let Some(mut call) = message.obj("function_call")? {
        let name = call.need_str("name")?;
        let args = call.str("arguments")?.unwrap_or_default();
        parts.push(Part::ToolUse(ToolUse { id: "call_0".to_owned(), name, args, ..ToolUse::default() }));
    }
    Ok(parts)
}

/// The seal of vendors that have none: it only says where the thought comes from.
pub(super) fn chat_seal() -> Signature {
    Signature { origin: Dialect::Chat, value: String::new(), id: None }
}

/// Google's chat endpoint puts its seal beside the call.
pub(super) fn google_seal(call: &mut Obj) -> Result<Option<Signature>, HubError> {
    let Some(mut extra) = call.obj("extra_content")? else {
        return Ok(None);
    };
    let Some(mut google) = extra.obj("google")? else {
        return Ok(None);
    };
    Ok(google.str("thought_signature")?.map(|value| Signature { origin: Dialect::Gemini, value, id: None }))
}

pub(super) fn citations(message: &mut Obj) -> Result<Vec<Citation>, HubError> {
    let mut out = Vec::new();
    for mut one in message.objs("annotations")? {
        if let Some(mut cited) = one.obj("url_citation")? {
            out.push(Citation {
                url: cited.str("url")?.unwrap_or_default(),
                title: cited.str("title")?.unwrap_or_default(),
                start: cited.u64("start_index")?,
                end: cited.u64("end_index")?,
            });
        }
    }
    Ok(out)
}

/// The hub's reason for a finish reason. Some vendors say `stop` although tools are to be called.
pub(crate) fn stop_of(reason: &str, called: bool) -> Stop {
    match reason {
        "length" | "max_tokens" => Stop::MaxTokens,
        "tool_calls" | "function_call" | "tool_use" => Stop::ToolUse,
        "content_filter" | "refusal" => Stop::Refusal,
        _ if called => Stop::ToolUse,
        _ => Stop::End,
    }
}

/// The finish reason for a hub reason.
pub(crate) fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence | Stop::Pause => "stop",
        Stop::MaxTokens | Stop::ContextFull => "length",
        Stop::ToolUse => "tool_calls",
        Stop::Refusal => "content_filter",
    }
}

/// The finish reason that a client reads.
pub(super) fn reason(stop: Stop, reply: &Reply) -> &'static str {
    if reply.old_functions && stop == Stop::ToolUse { "function_call" } else { finish_reason(stop) }
}

/// Writes an answer.
pub(crate) fn write_response(response: &Response, reply: &Reply) -> Value {
    let mut message = object([("role", "assistant".into())]);
    let mut content: Option<String> = None;
    let mut refusal: Option<String> = None;
    let mut plain = String::new();
    let (mut details, mut calls, mut images, mut annotations) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for part in with_text_seals_apart(&response.parts) {
        match part {
            Part::Text(text) => {
                let so_far = content.get_or_insert_default();
                let offset = so_far.chars().count() as u64;
                annotations.extend(text.citations.iter().map(|cited| annotation(cited, offset)));
                so_far.push_str(&text.text);
            }
            Part::Thinking(thought) => {
                plain.push_str(&thought.text);
                details.extend(detail(&thought.text, thought.signature.as_ref(), details.len()));
            }
            Part::ToolUse(call) => calls.push(tool_call(&call, reply)),
            Part::Refusal(text) => refusal.get_or_insert_default().push_str(&text),
            Part::Image { source, .. } => images.push(image(&source)),
            Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } | Part::ToolResult(_) => {}
        }
    }
    if let Some(call) = calls.first().filter(|_| reply.old_functions).and_then(|call| call.get("function")).cloned() {
        message.insert("function_call".to_owned(), call);
        if calls.len() == 1 {
            calls.clear();
        }
    }
    message.insert("content".to_owned(), content.map_or(Value::Null, Value::String));
    message.insert("refusal".to_owned(), refusal.map_or(Value::Null, Value::String));
    if !plain.is_empty() {
        message.insert("reasoning_content".to_owned(), plain.into());
    }
    for (field, list) in
        [("reasoning_details", details), ("tool_calls", calls), ("images", images), ("annotations", annotations)]
    {
        if !list.is_empty() {
            message.insert(field.to_owned(), Value::Array(list));
        }
    }
    let mut out = object([
        ("id", format!("chatcmpl-{}", reply.id).into()),
        ("object", "chat.completion".into()),
        ("created", reply.created.into()),
        ("model", reply.model.as_str().into()),
        (
            "choices",
            json!([{"index": 0, "message": message, "logprobs": null, "finish_reason": reason(response.stop, reply)}]),
        ),
    ]);
    put(&mut out, "usage", response.usage.as_ref().map(usage_json));
    Value::Object(out)
}

/// Chat has a place for seals on calls, but none on words.
fn with_text_seals_apart(parts: &[Part]) -> Vec<Part> {
    let mut out = Vec::new();
    for part in parts.iter().cloned() {
        match part {
            Part::Text(Text { signature: Some(_), .. }) => out.extend(thoughts::apart(vec![part])),
            other => out.push(other),
        }
    }
    out
}

/// A `url_citation` whose positions count from the start of the whole content.
pub(super) fn annotation(cited: &Citation, offset: u64) -> Value {
    let mut inner = Map::new();
    put(&mut inner, "start_index", cited.start.map(|at| at + offset));
    put(&mut inner, "end_index", cited.end.map(|at| at + offset));
    inner.insert("url".to_owned(), cited.url.as_str().into());
    inner.insert("title".to_owned(), cited.title.as_str().into());
    json!({"type": "url_citation", "url_citation": inner})
}

/// A `reasoning_details` entry; thoughts without a real seal need none, `reasoning_content` says it all.
pub(super) fn detail(text: &str, seal: Option<&Signature>, index: usize) -> Option<Value> {
    let seal = seal.filter(|seal| !seal.value.is_empty())?;
    let mut one = object([("index", index.into()), ("format", format_of_origin(seal.origin).into())]);
    put(&mut one, "id", seal.id.as_deref());
    if text.is_empty() {
        one.insert("type".to_owned(), "reasoning.encrypted".into());
        one.insert("data".to_owned(), seal.value.as_str().into());
    } else {
        one.insert("type".to_owned(), "reasoning.text".into());
        one.insert("text".to_owned(), text.into());
        one.insert("signature".to_owned(), seal.value.as_str().into());
    }
    Some(Value::Object(one))
}

fn tool_call(call: &ToolUse, reply: &Reply) -> Value {
    if call.custom || reply.is_custom(&call.name) {
        let input = reply.custom_input(call);
        return json!({"id": call.id, "type": "custom", "custom": {"name": call.name, "input": input}});
    }
    let args = if args_object(&call.args).is_some() && call.args.trim().is_empty() { "{}" } else { &call.args };
    let mut one = object([
        ("id", call.id.as_str().into()),
        ("type", "function".into()),
        ("function", json!({"name": call.name, "arguments": args})),
    ]);
    put(&mut one, "extra_content", extra_content(call.signature.as_ref()));
    Value::Object(one)
}

/// Where a chat client keeps a seal on a call.
pub(super) fn extra_content(seal: Option<&Signature>) -> Option<Value> {
    seal.map(|seal| json!({"google": {"thought_signature": seal.carry(Dialect::Gemini)}}))
}

fn image(source: &Source) -> Value {
    let url = match source {
        Source::Base64 { media, data } => media::data_url(media, data),
        Source::Url(url) | Source::Text(url) | Source::File(url) => url.clone(),
    };
    json!({"type": "image_url", "image_url": {"url": url}})
}

/// A picture the model made, as one stream delta.
pub(super) fn image_of_block(block: &Block) -> Option<Value> {
    match block {
        Block::Image(source) => Some(image(source)),
        _ => None,
    }
}

/// Usage in chat's words.
pub(crate) fn usage_json(usage: &Usage) -> Value {
    let mut into = object([("cached_tokens", usage.cache_read.into())]);
    if usage.cache_write() > 0 {
        into.insert("cache_write_tokens".to_owned(), usage.cache_write().into());
    }
    into.insert("audio_tokens".to_owned(), usage.audio_in.into());
    json!({
        "prompt_tokens": usage.total_input(),
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": into,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_out,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

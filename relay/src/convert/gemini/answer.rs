//! Whole Gemini answers, both ways.

use serde_json::{Value, json};

use super::super::hub::{Citation, HubError, Part, Response, Signature, Source, Stop, Text, Thinking, ToolUse};
use super::super::json::{Obj, args_object, object, put};
use super::super::usage::{self, Form};
use super::super::{Dialect, Reply, media, thoughts};
use super::{finish_reason, stop_of, usage_json};

/// Reads an answer, with or without the Code Assist envelope. `seed` makes the ids of calls that have none.
pub(crate) fn read_response(body: &[u8], seed: &str) -> Result<Response, HubError> {
    read(body, seed).map_err(HubError::in_answer)
}

fn read(body: &[u8], seed: &str) -> Result<Response, HubError> {
    let usage = usage::of_body(Form::Gemini, body);
    let mut obj = open_envelope(Obj::parse(body)?)?;
    let mut response = Response {
        id: obj.str("responseId")?.unwrap_or_default(),
        model: obj.str("modelVersion")?.unwrap_or_default(),
        usage,
        ..Response::default()
    };
    let Some(mut candidate) = obj.objs("candidates")?.into_iter().next() else {
        if blocked(&mut obj)? {
            response.stop = Stop::Refusal;
            return Ok(response);
        }
        return Err(HubError::upstream("the answer has no candidates"));
    };
    let cited = citations(&mut candidate)?;
    if let Some(mut content) = candidate.obj("content")? {
        for part in content.objs("parts")? {
            let count = response.parts.iter().filter(|part| matches!(part, Part::ToolUse(_))).count();
            response.parts.extend(read_part(part, seed, count)?);
        }
    }
    response.parts = thoughts::joined(response.parts);
    if let Some(Part::Text(text)) = response.parts.iter_mut().rev().find(|part| matches!(part, Part::Text(_))) {
        text.citations = cited;
    }
    let called = response.parts.iter().any(|part| matches!(part, Part::ToolUse(_)));
    response.stop = stop_of(candidate.str("finishReason")?.as_deref().unwrap_or("STOP"), called)?;
    Ok(response)
}

/// The Code Assist backend wraps every answer.
pub(super) fn open_envelope(mut obj: Obj) -> Result<Obj, HubError> {
    if obj.has("candidates") || obj.has("error") {
        return Ok(obj);
    }
    Ok(obj.obj("response")?.unwrap_or(obj))
}

/// Whether the prompt itself was refused.
pub(super) fn blocked(obj: &mut Obj) -> Result<bool, HubError> {
    let feedback = obj.obj("promptFeedback")?;
    Ok(feedback.is_some_and(|feedback| feedback.has("blockReason")))
}

/// Sources of a grounded answer. Their positions count bytes, not characters, and are left out.
pub(super) fn citations(candidate: &mut Obj) -> Result<Vec<Citation>, HubError> {
    let Some(mut grounding) = candidate.obj("groundingMetadata")? else {
        return Ok(Vec::new());
    };
    let mut out = Vec::new();
    for mut chunk in grounding.objs("groundingChunks")? {
        if let Some(mut web) = chunk.obj("web")? {
            let url = web.str("uri")?.unwrap_or_default();
            out.push(Citation { url, title: web.str("title")?.unwrap_or_default(), start: None, end: None });
        }
    }
    Ok(out)
}

/// One part of an answer; `count` calls came before it.
pub(super) fn read_part(mut part: Obj, seed: &str, count: usize) -> Result<Option<Part>, HubError> {
    let thought = part.bool("thought")?.unwrap_or(false);
    let seal = part.str("thoughtSignature")?.filter(|seal| !seal.is_empty());
    let signature = seal.map(|value| Signature { origin: Dialect::Gemini, value, id: None });
    if let Some(text) = part.str("text")? {
        if thought {
            return Ok(Some(Part::Thinking(Thinking { text, signature, redacted: false })));
        }
        if text.is_empty() {
            return Ok(signature.map(thoughts::sealed));
        }
        return Ok(Some(Part::Text(Text { text, signature, ..Text::default() })));
    }
    if let Some(mut call) = part.obj("functionCall")? {
        let id = call.str("id")?.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{seed}_{count}"));
        let args = call.take("args").map_or_else(|| "{}".to_owned(), |args| args.to_string());
        let name = call.need_str("name")?;
        return Ok(Some(Part::ToolUse(ToolUse { id, name, args, custom: false, signature })));
    }
    if let Some(mut data) = part.obj("inlineData")? {
        let mime = data.need_str("mimeType")?;
        let source = media::base64(&mime, &data.need_str("data")?);
        return Ok(match mime.split('/').next() {
            Some("image") => Some(Part::Image { source, detail: None, cache: None }),
            _ => None,
        });
    }
    // Code the vendor ran and what came of it: the words around it say so.
    Ok(signature.map(thoughts::sealed))
}

/// Writes an answer.
pub(crate) fn write_response(response: &Response, reply: &Reply) -> Value {
    let mut parts: Vec<Value> = response.parts.iter().filter_map(part).collect();
    if parts.is_empty() {
        parts.push(json!({"text": ""}));
    }
    let mut candidate = object([
        ("content", json!({"parts": parts, "role": "model"})),
        ("finishReason", finish_reason(response.stop).into()),
        ("index", 0.into()),
    ]);
    let cited: Vec<&Citation> = response
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(&text.citations),
            _ => None,
        })
        .flatten()
        .collect();
    put(&mut candidate, "groundingMetadata", grounding(&cited));
    envelope(vec![Value::Object(candidate)], response.usage.as_ref().map(usage_json), reply)
}

/// An answer or a chunk of one.
pub(super) fn envelope(candidates: Vec<Value>, usage: Option<Value>, reply: &Reply) -> Value {
    let mut out = object([("candidates", Value::Array(candidates))]);
    put(&mut out, "usageMetadata", usage);
    out.insert("modelVersion".to_owned(), reply.model.as_str().into());
    out.insert("responseId".to_owned(), reply.id.as_str().into());
    Value::Object(out)
}

/// Sources in Google's words.
pub(super) fn grounding(cited: &[&Citation]) -> Option<Value> {
    if cited.is_empty() {
        return None;
    }
    let chunks: Vec<Value> = cited.iter().map(|one| json!({"web": {"uri": one.url, "title": one.title}})).collect();
    Some(json!({"groundingChunks": chunks}))
}

fn part(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) => sealed(object([("text", text.text.as_str().into())]), text.signature.as_ref()),
        Part::Refusal(text) => json!({"text": text}),
        Part::Thinking(thought) => sealed(
            object([("text", thought.text.as_str().into()), ("thought", true.into())]),
            thought.signature.as_ref(),
        ),
        Part::ToolUse(call) => function_call(call),
        Part::Image { source, .. } => picture(source),
        Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } | Part::ToolResult(_) => {
            return None;
        }
    })
}

/// A call, whole.
pub(super) fn function_call(call: &ToolUse) -> Value {
    let args = if call.custom { Some(json!({"input": call.args})) } else { args_object(&call.args) };
    let args = args.unwrap_or_else(|| json!({"arguments": call.args}));
    let one = object([("functionCall", json!({"id": call.id, "name": call.name, "args": args}))]);
    sealed(one, call.signature.as_ref())
}

/// A picture the model made.
pub(super) fn picture(source: &Source) -> Value {
    match source {
        Source::Base64 { media, data } => json!({"inlineData": {"mimeType": media, "data": data}}),
        Source::Url(url) | Source::Text(url) | Source::File(url) => {
            json!({"fileData": {"mimeType": media::media_of_url(url), "fileUri": url}})
        }
    }
}

fn sealed(mut part: serde_json::Map<String, Value>, seal: Option<&Signature>) -> Value {
    put(&mut part, "thoughtSignature", seal.map(|seal| seal.carry(Dialect::Gemini)));
    Value::Object(part)
}

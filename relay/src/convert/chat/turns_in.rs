//! The messages of a chat completions request (and of an answer, which has the same form) into the hub.

use serde_json::Value;

use super::super::hub::{
    Cache, HubError, Message, Part, Request, Role, Signature, Source, Text, Thinking, ToolResult, ToolUse,
};
use super::super::json::{Obj, text_of};
use super::super::{Dialect, media};
use super::answer::chat_seal;
use super::origin_of_format;

/// Reads one message into the conversation.
pub(super) fn read_message(mut message: Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let role = message.need_str("role")?;
    let path = message.path().to_owned();
    match role.as_str() {
        "system" | "developer" => {
            let parts = content(&mut message, lost)?;
            if request.messages.is_empty() {
                request.system.extend(parts);
            } else {
                request.messages.push(Message { role: Role::System, parts });
            }
        }
        "user" => {
            let parts = content(&mut message, lost)?;
            request.messages.push(Message { role: Role::User, parts });
        }
        "assistant" => {
            let parts = assistant(&mut message, lost)?;
            request.messages.push(Message { role: Role::Assistant, parts });
        }
        "tool" | "function" => {
            let name = message.str("name")?;
            let id = match message.str("tool_call_id")? {
                Some(id) => id,
                // The oldest form has no ids: the function's name is the only link.
                None => name.clone().ok_or_else(|| HubError::invalid(message.at("tool_call_id"), "required"))?,
            };
            let cache = cache(&mut message)?;
            let parts = content(&mut message, lost)?;
            let result = Part::ToolResult(ToolResult { id, name, parts, cache, ..ToolResult::default() });
            match request.messages.last_mut() {
                Some(last)
                    if last.role == Role::User && last.parts.iter().all(|p| matches!(p, Part::ToolResult(_))) =>
                {
                    last.parts.push(result);
                }
                _ => request.messages.push(Message { role: Role::User, parts: vec![result] }),
            }
        }
        _ => {
            return Err(HubError::invalid(
                format!("{path}.role"),
                "expected system, developer, user, assistant or tool",
            ));
        }
    }
    message.rest(lost);
    Ok(())
}

fn assistant(message: &mut Obj, lost: &mut Vec<String>) -> Result<Vec<Part>, HubError> {
    let mut parts = thoughts(message)?;
    parts.extend(content(message, lost)?.into_iter().filter(|part| *part != Part::text("")));
    if let Some(refusal) = message.str("refusal")? {
        parts.push(Part::Refusal(refusal));
    }
    for mut call in message.objs("tool_calls")? {
        let id = call.need_str("id")?;
        let kind = call.str("type")?;
        let mut signature = None;
        if let Some(mut extra) = call.obj("extra_content")?
            && let Some(mut google) = extra.obj("google")?
        {
            signature = google.str("thought_signature")?.map(|text| Signature::carried(Dialect::Gemini, &text));
        }
        let custom = kind.as_deref() == Some("custom");
        let inner = call.obj(if custom { "custom" } else { "function" })?;
        let mut inner = inner.ok_or_else(|| HubError::invalid(call.at("function"), "required"))?;
        let args = inner.take(if custom { "input" } else { "arguments" });
        parts.push(Part::ToolUse(ToolUse {
            id,
            name: inner.need_str("name")?,
            // Some clients send the arguments as an object although they are a text.
            args: args.map_or_else(String::new, |args| args.as_str().map_or_else(|| text_of(&args), str::to_owned)),
            custom,
            signature,
        }));
        inner.rest(lost);
        let _position = call.take("index");
        call.rest(lost);
    }
    if let Some(mut call) = message.obj("function_call")? {
        let name = call.need_str("name")?;
        let args = call.str("arguments")?.unwrap_or_default();
        parts.push(Part::ToolUse(ToolUse { id: name.clone(), name, args, ..ToolUse::default() }));
    }
    Ok(parts)
}

/// What an assistant message says about its thoughts, in OpenAI-compatible vendors' words. Thoughts that nobody
/// sealed bear a seal that says no more than that they come from a vendor of this dialect.
pub(super) fn thoughts(message: &mut Obj) -> Result<Vec<Part>, HubError> {
    let plain = message.str("reasoning_content")?;
    let plain = message.str("reasoning")?.or(plain);
    let mut parts = Vec::new();
    for mut detail in message.objs("reasoning_details")? {
        let kind = detail.str("type")?.unwrap_or_default();
        let origin = origin_of_format(detail.peek_str("format").unwrap_or_default());
        let id = detail.str("id")?;
        let text = detail.str("text")?.or(detail.str("summary")?).unwrap_or_default();
        let seal = detail.str("signature")?.or(detail.str("data")?).filter(|seal| !seal.is_empty());
        if seal.is_none() && text.is_empty() {
            continue;
        }
        let signature = seal.map_or_else(chat_seal, |value| Signature { origin, value, id });
        let redacted = kind == "reasoning.encrypted";
        parts.push(Part::Thinking(Thinking { redacted, text, signature: Some(signature) }));
    }
    if parts.is_empty()
        && let Some(text) = plain.filter(|text| !text.is_empty())
    {
        parts.push(Part::Thinking(Thinking { text, signature: Some(chat_seal()), redacted: false }));
    }
    Ok(parts)
}

/// A message's `content`: a text, or a list of parts.
pub(super) fn content(message: &mut Obj, lost: &mut Vec<String>) -> Result<Vec<Part>, HubError> {
    let at = message.at("content");
    let list = match message.take("content") {
        None => return Ok(Vec::new()),
        Some(Value::String(text)) => return Ok(vec![Part::text(text)]),
        Some(Value::Array(list)) => list,
        Some(_) => {
            return Err(HubError::invalid(at, "expected a string or an array of parts"));
        }
    };
    list.into_iter()
        .enumerate()
        .map(|(nth, value)| match value {
            Value::String(text) => Ok(Part::text(text)),
            other => content_part(Obj::new(other, format!("{at}[{nth}]"))?, lost),
        })
        .collect()
}

fn content_part(mut part: Obj, lost: &mut Vec<String>) -> Result<Part, HubError> {
    let kind = part.need_str("type")?;
    let cache = cache(&mut part)?;
    let missing = |part: &Obj, field: &str| HubError::invalid(part.at(field), "required");
    let read = match kind.as_str() {
        "text" => Part::Text(Text { text: part.need_str("text")?, cache, ..Text::default() }),
        "refusal" => Part::Refusal(part.need_str("refusal")?),
        "image_url" => {
            let at = part.at("image_url");
            let (url, detail) = match part.take("image_url") {
                Some(Value::String(url)) => (url, None),
                Some(other) => {
                    let mut image = Obj::new(other, &at)?;
                    let found = (image.need_str("url")?, image.str("detail")?);
                    image.rest(lost);
                    found
                }
                None => return Err(missing(&part, "image_url")),
            };
            Part::Image { source: media::from_url(&url, &at)?, detail, cache }
        }
        "input_audio" => {
            let mut audio = part.obj("input_audio")?.ok_or_else(|| missing(&part, "input_audio"))?;
            let format = audio.need_str("format")?;
            let source = media::base64(&media::audio_media(&format), &audio.need_str("data")?);
            audio.rest(lost);
            Part::Audio { source }
        }
        "file" => {
            let mut file = part.obj("file")?.ok_or_else(|| missing(&part, "file"))?;
            let name = file.str("filename")?;
            let at = file.at("file_data");
            let source = match (file.str("file_data")?, file.str("file_id")?) {
                (Some(data), _) if data.starts_with("data:") => media::from_url(&data, &at)?,
                (Some(data), _) => media::base64("application/pdf", &data),
                (None, Some(id)) => Source::File(id),
                (None, None) => return Err(missing(&file, "file_data")),
            };
            file.rest(lost);
            Part::Document { source, name, cache }
        }
        "video_url" => {
            let at = part.at("video_url");
            let mut video = part.obj("video_url")?.ok_or_else(|| missing(&part, "video_url"))?;
            Part::Video { source: media::from_url(&video.need_str("url")?, &at)? }
        }
        _ => {
            return Err(HubError::unsupported(part.at("type"), format!("content of type '{kind}' is not known")));
        }
    };
    part.rest(lost);
    Ok(read)
}

/// Anthropic's cache marks, which several gateways accept on chat parts.
pub(super) fn cache(obj: &mut Obj) -> Result<Option<Cache>, HubError> {
    let Some(mut mark) = obj.obj("cache_control")? else {
        return Ok(None);
    };
    Ok(Some(if mark.str("ttl")?.as_deref() == Some("1h") { Cache::Long } else { Cache::Short }))
}

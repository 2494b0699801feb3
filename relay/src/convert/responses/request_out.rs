//! A hub request as a responses body.

use serde_json::{Map, Value, json};

use super::super::hub::{
    Format, HubError, Message, Part, Request, Role, Source, Thinking, Tool, ToolChoice, ToolResult, WebSearch,
};
use super::super::json::{object, put};
use super::super::rules::{Feature, Notes};
use super::super::{Dialect, chat, media};

/// The least limit on an answer the vendor accepts.
const LEAST_OUTPUT: u64 = 16;

/// Writes the body. Nothing is stored at the vendor: the conversation is all in the request.
pub(crate) fn write_request(request: &Request, notes: &mut Notes) -> Result<Value, HubError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), request.model.as_str().into());
    if !request.system.is_empty() {
        let text = super::super::joined_text(&request.system, "\n\n", "system", notes)?;
        body.insert("instructions".to_owned(), text.into());
    }
    body.insert("input".to_owned(), Value::Array(input(request, notes)?));
    super::super::openai::begins_anew(request, notes);
    sampling(request, &mut body, notes)?;
    if let Some(reasoning) = super::super::openai::reasoning(request, notes) {
        let mut out = Map::new();
        let effort = chat::effort(reasoning).map(|word| if word == "max" { "xhigh".to_owned() } else { word });
        put(&mut out, "effort", effort);
        if !reasoning.off {
            put(&mut out, "summary", reasoning.show.unwrap_or(true).then_some("auto"));
            body.insert("include".to_owned(), json!(["reasoning.encrypted_content"]));
        }
        body.insert("reasoning".to_owned(), Value::Object(out));
    }
    let mut text = Map::new();
    match &request.format {
        Format::Text => {}
        Format::Json => put(&mut text, "format", Some(json!({"type": "json_object"}))),
        Format::Schema { name, description, schema, strict } => {
            let mut form =
                object([("type", "json_schema".into()), ("name", name.as_deref().unwrap_or("response").into())]);
            put(&mut form, "description", description.as_deref());
            form.insert("schema".to_owned(), schema.clone());
            // Strict is the default here, unlike in the other dialects.
            let strict = super::super::openai::strict_if_it_fits(*strict, Some(schema));
            form.insert("strict".to_owned(), strict.unwrap_or(false).into());
            text.insert("format".to_owned(), Value::Object(form));
        }
    }
    put(&mut text, "verbosity", request.sampling.verbosity.as_deref());
    if !text.is_empty() {
        body.insert("text".to_owned(), Value::Object(text));
    }
    tools(request, &mut body, notes)?;
    put(&mut body, "user", super::super::openai::short_user(request, notes));
    put(&mut body, "prompt_cache_key", request.cache_key.as_deref());
    if !request.metadata.is_empty() {
        body.insert("metadata".to_owned(), Value::Object(request.metadata.clone()));
    }
    body.insert("store".to_owned(), false.into());
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    Ok(Value::Object(body))
}

fn sampling(request: &Request, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let sampling = &request.sampling;
    if sampling.max_output.is_some_and(|limit| limit < LEAST_OUTPUT) {
        notes.warn("max_tokens: raised to 16, the least there is here");
    }
    put(body, "max_output_tokens", sampling.max_output.map(|limit| limit.max(LEAST_OUTPUT)));
    let (temperature, top_p) = super::super::openai::sampling(request, notes);
    put(body, "temperature", temperature);
    put(body, "top_p", top_p);
    notes.lost_if(sampling.top_k.is_some(), Feature::TopK, "top_k")?;
    notes.lost_if(!sampling.stop.is_empty(), Feature::Stop, "stop")?;
    notes.lost_if(sampling.seed.is_some(), Feature::Seed, "seed")?;
    let penalties = sampling.presence_penalty.is_some() || sampling.frequency_penalty.is_some();
    notes.lost_if(penalties, Feature::Penalties, "presence_penalty, frequency_penalty")?;
    notes.lost_if(sampling.logit_bias.is_some(), Feature::LogitBias, "logit_bias")
}

fn tools(request: &Request, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let mut list = Vec::new();
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => {
                notes.lost_if(function.cache.is_some(), Feature::CacheMark, "cache_control")?;
                let mut one = object([("type", "function".into()), ("name", function.name.as_str().into())]);
                put(&mut one, "description", function.description.as_deref());
                one.insert("parameters".to_owned(), super::super::object_schema(function.schema.clone()));
                let strict = super::super::openai::strict_if_it_fits(function.strict, function.schema.as_ref());
                one.insert("strict".to_owned(), strict.unwrap_or(false).into());
                list.push(Value::Object(one));
            }
            Tool::Custom { name, description, format } => {
                let mut one = object([("type", "custom".into()), ("name", name.as_str().into())]);
                put(&mut one, "description", description.as_deref());
                put(&mut one, "format", format.clone());
                list.push(Value::Object(one));
            }
            Tool::WebSearch(search) => list.push(web_search(search, notes)?),
            Tool::Hosted { kind } => notes.lost(Feature::HostedTool, &format!("tools[{nth}] ({kind})"))?,
        }
    }
    if list.is_empty() {
        return Ok(());
    }
    body.insert("tools".to_owned(), Value::Array(list));
    let named = |name: &str| {
        let custom = request.tools.iter().any(|tool| matches!(tool, Tool::Custom { name: n, .. } if n == name));
        json!({"type": if custom { "custom" } else { "function" }, "name": name})
    };
    let choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Any => json!("required"),
        ToolChoice::Named(name) => named(name),
        ToolChoice::Among { names, must } => {
            let tools: Vec<Value> = names.iter().map(|name| named(name)).collect();
            json!({"type": "allowed_tools", "mode": if *must { "required" } else { "auto" }, "tools": tools})
        }
    });
    put(body, "tool_choice", choice);
    put(body, "parallel_tool_calls", request.parallel_tools);
    Ok(())
}

fn web_search(search: &WebSearch, notes: &mut Notes) -> Result<Value, HubError> {
    notes.lost_if(search.max_uses.is_some() || !search.blocked.is_empty(), Feature::SearchBounds, "web_search")?;
    let mut one = object([("type", "web_search".into())]);
    if !search.allowed.is_empty() {
        one.insert("filters".to_owned(), json!({"allowed_domains": search.allowed}));
    }
    put(&mut one, "search_context_size", search.context_size.as_deref());
    if let Some(place) = &search.location {
        let mut location = object([("type", "approximate".into())]);
        location.extend(place.clone());
        one.insert("user_location".to_owned(), Value::Object(location));
    }
    Ok(Value::Object(one))
}

fn input(request: &Request, notes: &mut Notes) -> Result<Vec<Value>, HubError> {
    let mut items = Vec::new();
    for (nth, message) in request.messages.iter().enumerate() {
        let at = format!("messages[{nth}]");
        match message.role {
            Role::System => {
                let text = super::super::joined_text(&message.parts, "\n\n", &at, notes)?;
                items.push(
                    json!({"type": "message", "role": "developer", "content": [{"type": "input_text", "text": text}]}),
                );
            }
            Role::User => user(message, &at, &mut items, notes)?,
            Role::Assistant => assistant(message, &at, &mut items, notes)?,
        }
    }
    if items.is_empty() {
        return Err(HubError::invalid("messages", "at least one message with content is required"));
    }
    Ok(items)
}

fn user(message: &Message, at: &str, items: &mut Vec<Value>, notes: &mut Notes) -> Result<(), HubError> {
    let mut parts = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolResult(result) => items.push(tool_result(result, at, notes)?),
            other => parts.extend(content_part(other, at, notes)?),
        }
    }
    if !parts.is_empty() {
        items.push(json!({"type": "message", "role": "user", "content": parts}));
    }
    Ok(())
}

fn tool_result(result: &ToolResult, at: &str, notes: &mut Notes) -> Result<Value, HubError> {
    notes.lost_if(result.cache.is_some(), Feature::CacheMark, "cache_control")?;
    notes.lost_if(result.is_error, Feature::ToolError, "is_error")?;
    let plain: Option<Vec<&str>> = result
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Some(text.text.as_str()),
            _ => None,
        })
        .collect();
    let output = match plain {
        Some(texts) => texts.join("\n").into(),
        None => {
            let mut parts = Vec::new();
            for part in &result.parts {
                parts.extend(content_part(part, at, notes)?);
            }
            Value::Array(parts)
        }
    };
    let kind = if result.custom { "custom_tool_call_output" } else { "function_call_output" };
    Ok(json!({"type": kind, "call_id": result.id, "output": output}))
}

fn content_part(part: &Part, at: &str, notes: &mut Notes) -> Result<Option<Value>, HubError> {
    let refused = |feature: Feature, notes: &mut Notes| notes.lost(feature, at).map(|()| None);
    Ok(Some(match part {
        Part::Text(text) => {
            notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
            json!({"type": "input_text", "text": text.text})
        }
        Part::Refusal(text) => json!({"type": "input_text", "text": text}),
        Part::Image { source, detail, cache } => {
            notes.lost_if(cache.is_some(), Feature::CacheMark, "cache_control")?;
            let url = match source {
                Source::Url(url) => url.clone(),
                Source::Base64 { media, data } => media::data_url(media, data),
                Source::File(_) => return refused(Feature::VendorFile, notes),
                Source::Text(_) => return Err(HubError::invalid(at, "a picture cannot be text")),
            };
            json!({"type": "input_image", "image_url": url, "detail": detail.as_deref().unwrap_or("auto")})
        }
        Part::Document { source, name, cache } => {
            notes.lost_if(cache.is_some(), Feature::CacheMark, "cache_control")?;
            match source {
                Source::Url(url) => json!({"type": "input_file", "file_url": url}),
                Source::Base64 { media, data } => {
                    let end = if media == "application/pdf" { "document.pdf" } else { "document" };
                    let file_data = media::data_url(media, data);
                    json!({"type": "input_file", "filename": name.as_deref().unwrap_or(end), "file_data": file_data})
                }
                Source::Text(text) => {
                    notes.lost(Feature::DocumentText, at)?;
                    json!({"type": "input_text", "text": super::super::titled(name.as_deref(), text)})
                }
                Source::File(_) => return refused(Feature::VendorFile, notes),
            }
        }
        Part::Audio { source: Source::Base64 { media, data } } => {
            json!({"type": "input_audio", "input_audio": {"data": data, "format": media::audio_format(media)}})
        }
        Part::Audio { .. } => {
            return Err(HubError::unsupported(at, "audio must be sent as content, not by URL"));
        }
        Part::Video { .. } => return refused(Feature::Video, notes),
        Part::Thinking(_) | Part::ToolUse(_) | Part::ToolResult(_) => {
            return Err(HubError::invalid(at, "this kind of content does not belong to this role"));
        }
    }))
}

fn assistant(message: &Message, at: &str, items: &mut Vec<Value>, notes: &mut Notes) -> Result<(), HubError> {
    for part in &message.parts {
        let said = |content: Value| json!({"type": "message", "role": "assistant", "content": [content]});
        match part {
            Part::Text(text) if text.text.is_empty() => {}
            Part::Text(text) => {
                notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
                items.push(said(json!({"type": "output_text", "text": text.text})));
            }
            Part::Refusal(text) => items.push(said(json!({"type": "refusal", "refusal": text}))),
            Part::Thinking(thought) => match own_item(thought) {
                Some(item) => items.push(item),
                None => notes.lost(Feature::ForeignThought, "thinking")?,
            },
            Part::ToolUse(call) => {
                if call.signature.is_some() {
                    notes.lost(Feature::ForeignThought, "thinking")?;
                }
                let args = if call.args.trim().is_empty() && !call.custom { "{}" } else { &call.args };
                items.push(if call.custom {
                    json!({"type": "custom_tool_call", "call_id": call.id, "name": call.name, "input": args})
                } else {
                    json!({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": args})
                });
            }
            Part::ToolResult(_) => {
                return Err(HubError::invalid(at, "a tool result belongs to the user's turn"));
            }
            Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } => {
                return Err(HubError::unsupported(
                    at,
                    "media in an assistant message are not available with this model",
                ));
            }
        }
    }
    Ok(())
}

/// A thought this vendor sealed, as the item it was.
fn own_item(thought: &Thinking) -> Option<Value> {
    let seal = thought.signature.as_ref().filter(|seal| seal.origin == Dialect::Responses && !seal.value.is_empty())?;
    let mut item = object([("type", "reasoning".into())]);
    put(&mut item, "id", seal.id.as_deref());
    let summary =
        if thought.text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": thought.text}]) };
    item.insert("summary".to_owned(), summary);
    item.insert("encrypted_content".to_owned(), seal.value.as_str().into());
    Some(Value::Object(item))
}

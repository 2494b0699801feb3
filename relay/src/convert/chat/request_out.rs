//! A hub request as a chat completions body.

use serde_json::{Map, Value, json};

use super::super::hub::{
    Format, HubError, Message, Part, Reasoning, Request, Role, Source, Tool, ToolChoice, ToolResult, WebSearch,
};
use super::super::json::{object, put};
use super::super::rules::{Feature, Notes};
use super::super::{Dialect, media};

/// Writes the body. Streams are always asked for their usage: whether the caller sees it is another matter.
pub(crate) fn write_request(request: &Request, notes: &mut Notes) -> Result<Value, HubError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), request.model.as_str().into());
    body.insert("messages".to_owned(), Value::Array(messages(request, notes)?));
    super::super::openai::begins_anew(request, notes);
    sampling(request, &mut body, notes)?;
    if let Some(reasoning) = super::super::openai::reasoning(request, notes) {
        put(&mut body, "reasoning_effort", effort(reasoning));
    }
    tools(request, &mut body, notes)?;
    match &request.format {
        Format::Text => {}
        Format::Json => put(&mut body, "response_format", Some(json!({"type": "json_object"}))),
        Format::Schema { name, description, schema, strict } => {
            let mut inner = object([("name", name.as_deref().unwrap_or("response").into())]);
            put(&mut inner, "description", description.as_deref());
            inner.insert("schema".to_owned(), schema.clone());
            put(&mut inner, "strict", super::super::openai::strict_if_it_fits(*strict, Some(schema)));
            put(&mut body, "response_format", Some(json!({"type": "json_schema", "json_schema": inner})));
        }
    }
    put(&mut body, "user", super::super::openai::short_user(request, notes));
    put(&mut body, "prompt_cache_key", request.cache_key.as_deref());
    if !request.metadata.is_empty() {
        body.insert("metadata".to_owned(), Value::Object(request.metadata.clone()));
    }
    if request.stream {
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    Ok(Value::Object(body))
}

fn sampling(request: &Request, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let sampling = &request.sampling;
    let limit = if super::super::openai::is_reasoner(&request.model) { "max_completion_tokens" } else { "max_tokens" };
    put(body, limit, sampling.max_output);
    let (temperature, top_p) = super::super::openai::sampling(request, notes);
    put(body, "temperature", temperature);
    put(body, "top_p", top_p);
    notes.lost_if(sampling.top_k.is_some(), Feature::TopK, "top_k")?;
    if !sampling.stop.is_empty() && super::super::openai::thinks(request) {
        notes.warn("stop: not available with this model and not sent");
    } else if !sampling.stop.is_empty() {
        body.insert("stop".to_owned(), json!(sampling.stop));
    }
    put(body, "seed", sampling.seed);
    put(body, "presence_penalty", sampling.presence_penalty);
    put(body, "frequency_penalty", sampling.frequency_penalty);
    put(body, "logit_bias", sampling.logit_bias.clone());
    put(body, "verbosity", sampling.verbosity.as_deref());
    Ok(())
}

/// The effort word; a budget in tokens becomes the nearest one.
pub(crate) fn effort(reasoning: &Reasoning) -> Option<String> {
    if reasoning.off {
        return Some("none".to_owned());
    }
    reasoning
        .effort
        .clone()
        .or_else(|| reasoning.budget.map(|budget| super::super::thoughts::effort_of_budget(budget).to_owned()))
}

fn tools(request: &Request, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let mut list = Vec::new();
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => {
                notes.lost_if(function.cache.is_some(), Feature::CacheMark, "cache_control")?;
                let mut inner = object([("name", function.name.as_str().into())]);
                put(&mut inner, "description", function.description.as_deref());
                let empty = || json!({"type": "object", "properties": {}});
                inner.insert("parameters".to_owned(), function.schema.clone().unwrap_or_else(empty));
                put(
                    &mut inner,
                    "strict",
                    super::super::openai::strict_if_it_fits(function.strict, function.schema.as_ref()),
                );
                list.push(json!({"type": "function", "function": inner}));
            }
            Tool::Custom { name, description, format } => {
                let mut inner = object([("name", name.as_str().into())]);
                put(&mut inner, "description", description.as_deref());
                put(&mut inner, "format", format.as_ref().map(nested_grammar));
                list.push(json!({"type": "custom", "custom": inner}));
            }
            // Only the vendor's search models take the option; others refuse the call for it.
            Tool::WebSearch(search) if request.model.contains("search") => {
                body.insert("web_search_options".to_owned(), web_search(search, notes)?);
            }
            Tool::WebSearch(_) => notes.lost(Feature::WebSearch, "web_search")?,
            Tool::Hosted { kind } => notes.lost(Feature::HostedTool, &format!("tools[{nth}] ({kind})"))?,
        }
    }
    if list.is_empty() {
        return Ok(());
    }
    body.insert("tools".to_owned(), Value::Array(list));
    let named = |name: &str| {
        let custom = request.tools.iter().any(|tool| matches!(tool, Tool::Custom { name: n, .. } if n == name));
        let kind = if custom { "custom" } else { "function" };
        json!({"type": kind, kind: {"name": name}})
    };
    let choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Any => json!("required"),
        ToolChoice::Named(name) => named(name),
        ToolChoice::Among { names, must } => {
            let tools: Vec<Value> = names.iter().map(|name| named(name)).collect();
            let mode = if *must { "required" } else { "auto" };
            json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
        }
    });
    put(body, "tool_choice", choice);
    put(body, "parallel_tool_calls", request.parallel_tools);
    Ok(())
}

/// Chat wraps a grammar once more than the hub (and responses) does.
fn nested_grammar(format: &Value) -> Value {
    match format {
        Value::Object(map) if map.get("type").and_then(Value::as_str) == Some("grammar") => {
            let mut inner = map.clone();
            inner.remove("type");
            json!({"type": "grammar", "grammar": inner})
        }
        other => other.clone(),
    }
}

fn web_search(search: &WebSearch, notes: &mut Notes) -> Result<Value, HubError> {
    let bounded = search.max_uses.is_some() || !search.allowed.is_empty() || !search.blocked.is_empty();
    notes.lost_if(bounded, Feature::SearchBounds, "web_search")?;
    let mut out = Map::new();
    put(&mut out, "search_context_size", search.context_size.as_deref());
    if let Some(place) = &search.location {
        out.insert("user_location".to_owned(), json!({"type": "approximate", "approximate": place}));
    }
    Ok(Value::Object(out))
}

fn messages(request: &Request, notes: &mut Notes) -> Result<Vec<Value>, HubError> {
    let mut out = Vec::new();
    if !request.system.is_empty() {
        let text = super::super::joined_text(&request.system, "\n\n", "system", notes)?;
        out.push(json!({"role": "system", "content": text}));
    }
    for (nth, message) in request.messages.iter().enumerate() {
        let at = format!("messages[{nth}]");
        match message.role {
            Role::System => {
                let text = super::super::joined_text(&message.parts, "\n\n", &at, notes)?;
                out.push(json!({"role": "system", "content": text}));
            }
            Role::User => user(message, &at, &mut out, notes)?,
            Role::Assistant => assistant(request, message, &at, &mut out, notes)?,
        }
    }
    Ok(out)
}

fn user(message: &Message, at: &str, out: &mut Vec<Value>, notes: &mut Notes) -> Result<(), HubError> {
    let mut behind = Vec::new();
    for part in &message.parts {
        match part {
            Part::ToolResult(result) => out.push(tool_result(result, at, &mut behind, notes)?),
            other => behind.push(content_part(other, at, notes)?),
        }
    }
    // A plain text stays a text: many compatible vendors know nothing else.
    let only_results = behind.is_empty() && !message.parts.is_empty();
    if only_results {
        return Ok(());
    }
    let content = match behind.as_slice() {
        [] => json!(""),
        [one] if one.get("type") == Some(&json!("text")) => one.get("text").cloned().unwrap_or_default(),
        _ => Value::Array(behind),
    };
    out.push(json!({"role": "user", "content": content}));
    Ok(())
}

fn tool_result(result: &ToolResult, at: &str, behind: &mut Vec<Value>, notes: &mut Notes) -> Result<Value, HubError> {
    notes.lost_if(result.cache.is_some(), Feature::CacheMark, "cache_control")?;
    notes.lost_if(result.is_error, Feature::ToolError, "is_error")?;
    let mut texts = Vec::new();
    for part in &result.parts {
        match part {
            Part::Text(text) => texts.push(text.text.as_str()),
            other => {
                notes.lost(Feature::ToolResultMedia, "tool_result.content")?;
                behind.push(content_part(other, at, notes)?);
            }
        }
    }
    Ok(json!({"role": "tool", "tool_call_id": result.id, "content": texts.join("\n")}))
}

fn content_part(part: &Part, at: &str, notes: &mut Notes) -> Result<Value, HubError> {
    Ok(match part {
        Part::Text(text) => {
            notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
            json!({"type": "text", "text": text.text})
        }
        Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Image { source, detail, cache } => {
            notes.lost_if(cache.is_some(), Feature::CacheMark, "cache_control")?;
            let url = match source {
                Source::Url(url) => url.clone(),
                Source::Base64 { media, data } => media::data_url(media, data),
                Source::Text(_) => return Err(HubError::invalid(at, "a picture cannot be text")),
                Source::File(_) => return Err(vendor_file(at, notes)),
            };
            let mut image = object([("url", url.into())]);
            put(&mut image, "detail", detail.as_deref());
            json!({"type": "image_url", "image_url": image})
        }
        Part::Audio { source } => match source {
            Source::Base64 { media, data } => {
                json!({"type": "input_audio", "input_audio": {"data": data, "format": media::audio_format(media)}})
            }
            Source::File(_) => return Err(vendor_file(at, notes)),
            _ => {
                return Err(HubError::unsupported(at, "audio must be sent as content, not by URL"));
            }
        },
        Part::Document { source, name, cache } => {
            notes.lost_if(cache.is_some(), Feature::CacheMark, "cache_control")?;
            document(source, name.as_deref(), at, notes)?
        }
        Part::Video { .. } => {
            notes.lost(Feature::Video, at)?;
            json!({"type": "text", "text": ""})
        }
        Part::ToolUse(_) | Part::ToolResult(_) | Part::Thinking(_) => {
            return Err(HubError::invalid(at, "this kind of content does not belong to this role"));
        }
    })
}

fn document(source: &Source, name: Option<&str>, at: &str, notes: &mut Notes) -> Result<Value, HubError> {
    Ok(match source {
        Source::Base64 { media, data } if media == "application/pdf" => {
            let file_data = media::data_url(media, data);
            json!({"type": "file", "file": {"filename": name.unwrap_or("document.pdf"), "file_data": file_data}})
        }
        Source::Base64 { media, data } => match super::super::decode_text(media, data) {
            Some(text) => {
                notes.lost(Feature::DocumentText, at)?;
                json!({"type": "text", "text": super::super::titled(name, &text)})
            }
            None => {
                notes.lost(Feature::DocumentKind, at)?;
                json!({"type": "text", "text": ""})
            }
        },
        Source::Text(text) => {
            notes.lost(Feature::DocumentText, at)?;
            json!({"type": "text", "text": super::super::titled(name, text)})
        }
        Source::Url(_) => {
            notes.lost(Feature::DocumentUrl, at)?;
            json!({"type": "text", "text": ""})
        }
        Source::File(_) => return Err(vendor_file(at, notes)),
    })
}

fn vendor_file(at: &str, notes: &mut Notes) -> HubError {
    match notes.lost(Feature::VendorFile, at) {
        Err(refused) => refused,
        Ok(()) => HubError::unsupported(at, "a file id of another vendor"),
    }
}

fn assistant(
    request: &Request,
    message: &Message,
    at: &str,
    out: &mut Vec<Value>,
    notes: &mut Notes,
) -> Result<(), HubError> {
    let mut texts: Vec<&str> = Vec::new();
    let mut thoughts: Vec<&str> = Vec::new();
    let mut calls = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text(text) => {
                notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
                texts.push(&text.text);
            }
            Part::Refusal(text) => texts.push(text),
            // Vendors that show their thoughts in this dialect want them back within a tool loop.
            Part::Thinking(thought) => match &thought.signature {
                Some(seal) if seal.origin == Dialect::Chat && !thought.text.is_empty() => thoughts.push(&thought.text),
                _ => notes.lost(Feature::ForeignThought, "thinking")?,
            },
            Part::ToolUse(call) if call.custom => {
                calls.push(json!({"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.args}}));
            }
            Part::ToolUse(call) => {
                let args = if call.args.is_empty() { "{}" } else { &call.args };
                let mut one = object([
                    ("id", call.id.as_str().into()),
                    ("type", "function".into()),
                    ("function", json!({"name": call.name, "arguments": args})),
                ]);
                // Google's own chat endpoint takes its seals here; nobody else would know the field.
                let seal = call.signature.as_ref().filter(|seal| seal.origin == Dialect::Gemini);
                match seal {
                    Some(seal) if request.model.contains("gemini") => {
                        one.insert("extra_content".to_owned(), json!({"google": {"thought_signature": seal.value}}));
                    }
                    Some(_) => notes.lost(Feature::ForeignThought, "thinking")?,
                    None => {}
                }
                calls.push(Value::Object(one));
            }
            Part::Image { .. } | Part::Document { .. } | Part::Audio { .. } | Part::Video { .. } => {
                return Err(HubError::unsupported(
                    at,
                    "media in an assistant message are not available with this model",
                ));
            }
            Part::ToolResult(_) => {
                return Err(HubError::invalid(at, "a tool result belongs to the user's turn"));
            }
        }
    }
    if texts.is_empty() && calls.is_empty() && thoughts.is_empty() {
        return Ok(());
    }
    let mut one = object([("role", "assistant".into())]);
    let content = match texts.as_slice() {
        [] => Value::Null,
        [text] => json!(text),
        several => Value::Array(several.iter().map(|text| json!({"type": "text", "text": text})).collect()),
    };
    one.insert("content".to_owned(), content);
    if !thoughts.is_empty() {
        one.insert("reasoning_content".to_owned(), thoughts.join("\n").into());
    }
    if !calls.is_empty() {
        one.insert("tool_calls".to_owned(), Value::Array(calls));
    }
    out.push(Value::Object(one));
    Ok(())
}

//! A hub request as a messages body.

use serde_json::{Map, Value, json};

use super::super::closed::closed;
use super::super::hub::{
    Cache, Format, HubError, Part, Request, Role, Source, Text, Tool, ToolChoice, ToolResult, ToolUse,
};
use super::super::json::{args_object, object, put};
use super::super::rules::{Feature, Notes};
use super::super::{Dialect, Limits};
use super::thinking::{Think, decide, refuses_sampling};

/// Writes the body.
pub(crate) fn write_request(request: &Request, limits: &Limits, notes: &mut Notes) -> Result<Value, HubError> {
    let mut body = Map::new();
    body.insert("model".to_owned(), request.model.as_str().into());
    let messages = messages(request, notes)?;
    let (max_tokens, think) = decide(request, limits, notes);
    body.insert("max_tokens".to_owned(), max_tokens.into());
    if let Some(system) = system(request)? {
        body.insert("system".to_owned(), system);
    }
    body.insert("messages".to_owned(), Value::Array(messages));
    thinking(&think, &mut body);
    sampling(request, think.is_on(), &mut body, notes)?;
    tools(request, &mut body, notes)?;
    match &request.format {
        Format::Text => {}
        Format::Json => notes.lost(Feature::JsonMode, "response_format")?,
        Format::Schema { schema, .. } => {
            let schema = closed(schema, "response_format", notes);
            let config = body.entry("output_config").or_insert_with(|| json!({}));
            if let Value::Object(config) = config {
                config.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
            }
        }
    }
    if let Some(user) = &request.user {
        body.insert("metadata".to_owned(), json!({"user_id": user}));
    }
    notes.lost_if(request.cache_key.is_some(), Feature::CacheKey, "prompt_cache_key")?;
    notes.lost_if(!request.metadata.is_empty(), Feature::Metadata, "metadata")?;
    if request.stream {
        body.insert("stream".to_owned(), true.into());
    }
    Ok(Value::Object(body))
}

fn sampling(request: &Request, thinks: bool, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let sampling = &request.sampling;
    let (mut temperature, mut top_p, mut top_k) = (sampling.temperature, sampling.top_p, sampling.top_k);
    if temperature.is_some_and(|t| t > 1.0) {
        notes.warn("temperature: lowered to 1, the most there is here");
        temperature = Some(1.0);
    }
    if refuses_sampling(&request.model) {
        let others = temperature.is_some_and(|t| t != 1.0) || top_k.is_some() || top_p.is_some_and(|p| p != 1.0);
        if others {
            notes.warn("temperature, top_p, top_k: not available with this model and not sent");
        }
        (temperature, top_p, top_k) = (None, None, None);
    } else if thinks {
        if temperature.is_some_and(|t| t != 1.0) || top_k.is_some() || top_p.is_some_and(|p| p < 0.95) {
            notes.warn("temperature, top_p, top_k: not available while thinking and not sent");
        }
        temperature = None;
        top_k = None;
        top_p = top_p.filter(|p| *p >= 0.95);
    }
    // The vendor's newer models refuse the two together.
    if temperature.is_some() && top_p.is_some() {
        if top_p.is_some_and(|p| p < 1.0) {
            notes.warn("top_p: not sent, because temperature is given too");
        }
        top_p = None;
    }
    put(body, "temperature", temperature);
    put(body, "top_p", top_p);
    put(body, "top_k", top_k);
    let (stop, blank): (Vec<&String>, Vec<&String>) = sampling.stop.iter().partition(|stop| !stop.trim().is_empty());
    if !blank.is_empty() {
        notes.warn("stop: sequences of white space are not available here and were not sent");
    }
    if !stop.is_empty() {
        body.insert("stop_sequences".to_owned(), json!(stop));
    }
    notes.lost_if(sampling.seed.is_some(), Feature::Seed, "seed")?;
    let penalties = sampling.presence_penalty.is_some() || sampling.frequency_penalty.is_some();
    notes.lost_if(penalties, Feature::Penalties, "presence_penalty, frequency_penalty")?;
    notes.lost_if(sampling.logit_bias.is_some(), Feature::LogitBias, "logit_bias")?;
    notes.lost_if(sampling.verbosity.is_some(), Feature::Verbosity, "verbosity")
}

/// Writes how to think.
fn thinking(think: &Think, body: &mut Map<String, Value>) {
    let form = match think {
        Think::Unsaid => return,
        Think::Off => json!({"type": "disabled"}),
        Think::Budget(budget) => json!({"type": "enabled", "budget_tokens": budget}),
        Think::Adaptive { show, effort } => {
            if let Some(effort) = effort {
                body.insert("output_config".to_owned(), json!({"effort": effort}));
            }
            json!({"type": "adaptive", "display": if *show { "summarized" } else { "omitted" }})
        }
    };
    body.insert("thinking".to_owned(), form);
}

fn tools(request: &Request, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let allowed: Option<&[String]> = match &request.tool_choice {
        Some(ToolChoice::Among { names, .. }) => Some(names),
        _ => None,
    };
    let may = |name: &str| allowed.is_none_or(|names| names.iter().any(|one| one == name));
    let mut list = Vec::new();
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) if may(&function.name) => {
                let mut one = object([("name", function.name.as_str().into())]);
                put(&mut one, "description", function.description.as_deref());
                let mut schema = super::super::object_schema(function.schema.clone());
                if function.strict == Some(true) {
                    schema = closed(&schema, "tools.strict", notes);
                }
                one.insert("input_schema".to_owned(), schema);
                put(&mut one, "strict", function.strict.filter(|strict| *strict));
                put(&mut one, "cache_control", function.cache.map(cache_control));
                list.push(Value::Object(one));
            }
            Tool::Custom { name, description, format } if may(name) => {
                let mut one = object([("name", name.as_str().into())]);
                put(&mut one, "description", super::super::custom_description(description.as_deref(), format.as_ref()));
                one.insert("input_schema".to_owned(), super::super::custom_schema());
                list.push(Value::Object(one));
            }
            Tool::Function(_) | Tool::Custom { .. } => {}
            Tool::WebSearch(search) => {
                let mut one = object([("type", "web_search_20250305".into()), ("name", "web_search".into())]);
                put(&mut one, "max_uses", search.max_uses);
                if !search.allowed.is_empty() {
                    one.insert("allowed_domains".to_owned(), json!(search.allowed));
                }
                if !search.blocked.is_empty() {
                    one.insert("blocked_domains".to_owned(), json!(search.blocked));
                }
                if let Some(place) = &search.location {
                    let mut location = object([("type", "approximate".into())]);
                    location.extend(place.clone());
                    one.insert("user_location".to_owned(), Value::Object(location));
                }
                list.push(Value::Object(one));
            }
            Tool::Hosted { kind } => notes.lost(Feature::HostedTool, &format!("tools[{nth}] ({kind})"))?,
        }
    }
    if list.is_empty() {
        return Ok(());
    }
    body.insert("tools".to_owned(), Value::Array(list));
    let mut choice = match &request.tool_choice {
        None | Some(ToolChoice::Auto | ToolChoice::Among { must: false, .. }) => object([("type", "auto".into())]),
        Some(ToolChoice::None) => object([("type", "none".into())]),
        Some(ToolChoice::Any | ToolChoice::Among { must: true, .. }) => object([("type", "any".into())]),
        Some(ToolChoice::Named(name)) => object([("type", "tool".into()), ("name", name.as_str().into())]),
    };
    if request.parallel_tools == Some(false) && request.tool_choice != Some(ToolChoice::None) {
        choice.insert("disable_parallel_tool_use".to_owned(), true.into());
    }
    if request.tool_choice.is_some() || choice.len() > 1 {
        body.insert("tool_choice".to_owned(), Value::Object(choice));
    }
    Ok(())
}

fn system(request: &Request) -> Result<Option<Value>, HubError> {
    let mut blocks = Vec::new();
    for part in &request.system {
        match part {
            Part::Text(text) if text.text.trim().is_empty() => {}
            Part::Text(text) => blocks.push(text_block(text)),
            _ => {
                return Err(HubError::unsupported("system", "only text is available in system messages"));
            }
        }
    }
    Ok(match blocks.as_slice() {
        [] => None,
        [Value::Object(one)] if one.len() == 2 => one.get("text").cloned(),
        _ => Some(Value::Array(blocks)),
    })
}

/// The turns, alternating, with tool results first in theirs.
fn messages(request: &Request, notes: &mut Notes) -> Result<Vec<Value>, HubError> {
    let mut turns: Vec<(Role, Vec<Value>, Vec<Value>)> = Vec::new();
    for (nth, message) in request.messages.iter().enumerate() {
        let at = format!("messages[{nth}]");
        let role = match message.role {
            Role::Assistant => Role::Assistant,
            Role::User => Role::User,
            Role::System => {
                notes.lost(Feature::MidSystem, &at)?;
                Role::User
            }
        };
        if turns.last().is_none_or(|(last, _, _)| *last != role) {
            turns.push((role, Vec::new(), Vec::new()));
        }
        let Some((_, results, blocks)) = turns.last_mut() else {
            continue;
        };
        for part in &message.parts {
            match part {
                Part::ToolResult(result) => results.push(tool_result(result, &at, notes)?),
                other => blocks.extend(block(other, &at, notes)?),
            }
        }
    }
    turns.retain(|(_, results, blocks)| !results.is_empty() || !blocks.is_empty());
    if turns.is_empty() {
        return Err(HubError::invalid("messages", "at least one message with content is required"));
    }
    if turns.first().is_some_and(|(role, _, _)| *role == Role::Assistant) {
        notes.warn("messages: a user turn '...' was put first, because the conversation began with the assistant");
        turns.insert(0, (Role::User, Vec::new(), vec![json!({"type": "text", "text": "..."})]));
    }
    // A prefill must not end in white space.
    if let Some((Role::Assistant, _, blocks)) = turns.last_mut()
        && let Some(Value::String(text)) = blocks.last_mut().and_then(|block| block.get_mut("text"))
    {
        text.truncate(text.trim_end().len());
    }
    let message = |(role, mut results, mut blocks): (Role, Vec<Value>, Vec<Value>)| {
        results.append(&mut blocks);
        let content = match results.as_slice() {
            [Value::Object(one)] if one.len() == 2 && one.get("type") == Some(&json!("text")) => {
                one.get("text").cloned().unwrap_or_default()
            }
            _ => Value::Array(results),
        };
        json!({"role": if role == Role::Assistant { "assistant" } else { "user" }, "content": content})
    };
    Ok(turns.into_iter().map(message).collect())
}

fn block(part: &Part, at: &str, notes: &mut Notes) -> Result<Option<Value>, HubError> {
    Ok(Some(match part {
        // The vendor refuses blank text.
        Part::Text(text) if text.text.trim().is_empty() => return Ok(None),
        Part::Text(text) => text_block(text),
        Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Image { source, detail, cache } => {
            let closely = detail.as_deref().is_some_and(|detail| detail != "auto");
            notes.lost_if(closely, Feature::ImageDetail, "image detail")?;
            let source = match source {
                Source::Url(url) => json!({"type": "url", "url": url}),
                Source::Base64 { media, data } => {
                    json!({"type": "base64", "media_type": media, "data": data})
                }
                Source::File(_) => return refused(Feature::VendorFile, at, notes),
                Source::Text(_) => return Err(HubError::invalid(at, "a picture cannot be text")),
            };
            marked(object([("type", "image".into()), ("source", source)]), *cache)
        }
        Part::Document { source, name, cache } => {
            let source = match source {
                Source::Url(url) => json!({"type": "url", "url": url}),
                Source::Base64 { media, data } if media == "application/pdf" => {
                    json!({"type": "base64", "media_type": media, "data": data})
                }
                Source::Base64 { media, data } => match super::super::decode_text(media, data) {
                    Some(text) => json!({"type": "text", "media_type": "text/plain", "data": text}),
                    None => return refused(Feature::DocumentKind, at, notes),
                },
                Source::Text(text) => {
                    json!({"type": "text", "media_type": "text/plain", "data": text})
                }
                Source::File(_) => return refused(Feature::VendorFile, at, notes),
            };
            let mut one = object([("type", "document".into()), ("source", source)]);
            put(&mut one, "title", name.as_deref());
            marked(one, *cache)
        }
        Part::Audio { .. } => return refused(Feature::Audio, at, notes),
        Part::Video { .. } => return refused(Feature::Video, at, notes),
        Part::ToolUse(call) => tool_use(call, notes),
        Part::Thinking(thought) => match &thought.signature {
            Some(seal) if seal.is_hidden() => json!({"type": "redacted_thinking", "data": seal.value}),
            Some(seal) if seal.origin == Dialect::Messages && !seal.value.is_empty() => {
                json!({"type": "thinking", "thinking": thought.text, "signature": seal.value})
            }
            _ => return refused(Feature::ForeignThought, "thinking", notes),
        },
        Part::ToolResult(result) => tool_result(result, at, notes)?,
    }))
}

/// Something that is refused, or left out with a warning, by rule.
fn refused(feature: Feature, at: &str, notes: &mut Notes) -> Result<Option<Value>, HubError> {
    notes.lost(feature, at).map(|()| None)
}

fn tool_use(call: &ToolUse, notes: &mut Notes) -> Value {
    let input = if call.custom { Some(json!({"input": call.args})) } else { args_object(&call.args) };
    let input = input.unwrap_or_else(|| {
        notes.warn("tool call arguments that are no JSON object were wrapped in one");
        json!({"arguments": call.args})
    });
    if call.signature.is_some() {
        notes.warn("thinking: earlier thoughts of another vendor were not sent");
    }
    json!({"type": "tool_use", "id": plain_id(&call.id), "name": call.name, "input": input})
}

fn tool_result(result: &ToolResult, at: &str, notes: &mut Notes) -> Result<Value, HubError> {
    let mut blocks = Vec::new();
    for part in &result.parts {
        blocks.extend(block(part, at, notes)?);
    }
    let mut one = object([("type", "tool_result".into()), ("tool_use_id", plain_id(&result.id).into())]);
    match blocks.as_slice() {
        [] => {}
        [Value::Object(text)] if text.len() == 2 && text.get("type") == Some(&json!("text")) => {
            one.insert("content".to_owned(), text.get("text").cloned().unwrap_or_default());
        }
        _ => {
            one.insert("content".to_owned(), Value::Array(blocks));
        }
    }
    if result.is_error {
        one.insert("is_error".to_owned(), true.into());
    }
    Ok(marked(one, result.cache))
}

/// The vendor allows letters, digits, `_` and `-` in ids; others' ids are mapped the same way in call and result.
fn plain_id(id: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') { letter } else { '_' }
    };
    if id.is_empty() { "_".to_owned() } else { id.chars().map(plain).collect() }
}

fn text_block(text: &Text) -> Value {
    marked(object([("type", "text".into()), ("text", text.text.as_str().into())]), text.cache)
}

fn marked(mut block: Map<String, Value>, cache: Option<Cache>) -> Value {
    put(&mut block, "cache_control", cache.map(cache_control));
    Value::Object(block)
}

fn cache_control(cache: Cache) -> Value {
    match cache {
        Cache::Short => json!({"type": "ephemeral"}),
        Cache::Long => json!({"type": "ephemeral", "ttl": "1h"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_mapped_alike() {
        assert_eq!(plain_id("functions.search:0"), "functions_search_0");
        assert_eq!(plain_id("toolu_01-A"), "toolu_01-A");
        assert_eq!(plain_id(""), "_");
    }
}

//! A hub request as a converse body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::closed::closed;
use super::super::hub::{Cache, Format, HubError, Part, Request, Role, Source, Tool, ToolChoice, ToolResult};
use super::super::json::{args_object, object, put};
use super::super::messages::{Think, decide};
use super::super::rules::{Feature, Notes};
use super::super::{Dialect, Limits};
use super::{format_word, image_json};

/// Writes the body; the model and whether to stream go into the path.
pub(crate) fn write_request(request: &Request, limits: &Limits, notes: &mut Notes) -> Result<Value, HubError> {
    let mut body = object([("messages", Value::Array(messages(request, notes)?))]);
    let mut system = Vec::new();
    for part in &request.system {
        match part {
            Part::Text(text) => {
                system.push(json!({"text": text.text}));
                system.extend(text.cache.map(cache_point));
            }
            _ => {
                return Err(HubError::unsupported("system", "only text is available in system messages"));
            }
        }
    }
    if !system.is_empty() {
        body.insert("system".to_owned(), Value::Array(system));
    }
    let sampling = &request.sampling;
    // Other vendors' models have limits of their own, some of them lower than what Claude's are given.
    let (max_tokens, think) = if request.model.contains("claude") {
        let (limit, think) = decide(request, limits, notes);
        (Some(limit), think)
    } else {
        (sampling.max_output, Think::Unsaid)
    };
    let mut config = Map::new();
    put(&mut config, "maxTokens", max_tokens);
    if think.is_on() && (sampling.temperature.is_some() || sampling.top_p.is_some()) {
        notes.warn("temperature, top_p: not available while thinking and not sent");
    } else {
        if sampling.temperature.is_some_and(|t| t > 1.0) {
            notes.warn("temperature: lowered to 1, the most there is here");
        }
        put(&mut config, "temperature", sampling.temperature.map(|t| t.min(1.0)));
        put(&mut config, "topP", sampling.top_p);
    }
    if !sampling.stop.is_empty() {
        config.insert("stopSequences".to_owned(), json!(sampling.stop));
    }
    if !config.is_empty() {
        body.insert("inferenceConfig".to_owned(), Value::Object(config));
    }
    more_fields(request, &think, &mut body, notes);
    tools(request, &mut body, notes)?;
    match &request.format {
        Format::Text => {}
        Format::Json => notes.lost(Feature::JsonMode, "response_format")?,
        Format::Schema { name, description, schema, .. } => {
            let schema = closed(schema, "response_format", notes);
            let mut inner = object([("schema", schema.to_string().into())]);
            inner.insert("name".to_owned(), name.as_deref().unwrap_or("response").into());
            put(&mut inner, "description", description.as_deref());
            let form = json!({"type": "json_schema", "structure": {"jsonSchema": inner}});
            body.insert("outputConfig".to_owned(), json!({"textFormat": form}));
        }
    }
    notes.lost_if(sampling.seed.is_some(), Feature::Seed, "seed")?;
    let penalties = sampling.presence_penalty.is_some() || sampling.frequency_penalty.is_some();
    notes.lost_if(penalties, Feature::Penalties, "presence_penalty, frequency_penalty")?;
    notes.lost_if(sampling.logit_bias.is_some(), Feature::LogitBias, "logit_bias")?;
    notes.lost_if(sampling.verbosity.is_some(), Feature::Verbosity, "verbosity")?;
    notes.lost_if(request.user.is_some(), Feature::User, "user")?;
    notes.lost_if(request.cache_key.is_some(), Feature::CacheKey, "prompt_cache_key")?;
    notes.lost_if(!request.metadata.is_empty(), Feature::Metadata, "metadata")?;
    Ok(Value::Object(body))
}

/// What only Claude's models on this platform take, in Claude's words.
fn more_fields(request: &Request, think: &Think, body: &mut Map<String, Value>, notes: &mut Notes) {
    let claude = request.model.contains("claude");
    let mut more = Map::new();
    if let Some(top_k) = request.sampling.top_k {
        if claude && !think.is_on() {
            more.insert("top_k".to_owned(), top_k.into());
        } else {
            notes.warn("top_k: not available here and was not sent");
        }
    }
    if !claude && request.reasoning.is_some() {
        notes.warn("reasoning: cannot be chosen with this model and was not sent");
    }
    match think {
        Think::Unsaid => {}
        Think::Off => put(&mut more, "thinking", Some(json!({"type": "disabled"}))),
        Think::Budget(budget) => {
            put(&mut more, "thinking", Some(json!({"type": "enabled", "budget_tokens": budget})));
        }
        Think::Adaptive { effort, .. } => {
            put(&mut more, "thinking", Some(json!({"type": "adaptive"})));
            put(&mut more, "output_config", effort.as_ref().map(|effort| json!({"effort": effort})));
        }
    }
    if !more.is_empty() {
        body.insert("additionalModelRequestFields".to_owned(), Value::Object(more));
    }
}

fn tools(request: &Request, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let allowed: Option<&[String]> = match &request.tool_choice {
        Some(ToolChoice::Among { names, .. }) => Some(names),
        _ => None,
    };
    // A conversation with calls in it is refused without tools.
    let called = called(request);
    // "Call nothing" cannot be said: the tools are left away instead, unless the conversation needs them.
    if request.tool_choice == Some(ToolChoice::None) {
        if called.is_empty() {
            notes.warn("tool_choice: 'none' is not available here; the tools were not sent");
            return Ok(());
        }
        notes.warn("tool_choice: 'none' is not available here after tool calls; the model may call again");
    }
    let may = |name: &str| allowed.is_none_or(|names| names.iter().any(|one| one == name));
    let mut list = Vec::new();
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) if may(&function.name) => {
                notes.lost_if(function.strict == Some(true), Feature::StrictTool, "tools.strict")?;
                let mut spec = object([("name", function.name.as_str().into())]);
                put(&mut spec, "description", function.description.as_deref().filter(|text| !text.is_empty()));
                spec.insert(
                    "inputSchema".to_owned(),
                    json!({"json": super::super::object_schema(function.schema.clone())}),
                );
                list.push(json!({"toolSpec": spec}));
                list.extend(function.cache.map(cache_point));
            }
            Tool::Custom { name, description, format } if may(name) => {
                let mut spec = object([("name", name.as_str().into())]);
                put(
                    &mut spec,
                    "description",
                    super::super::custom_description(description.as_deref(), format.as_ref()),
                );
                spec.insert("inputSchema".to_owned(), json!({"json": super::super::custom_schema()}));
                list.push(json!({"toolSpec": spec}));
            }
            Tool::Function(_) | Tool::Custom { .. } => {}
            Tool::WebSearch(_) => notes.lost(Feature::WebSearch, "web_search")?,
            Tool::Hosted { kind } => notes.lost(Feature::HostedTool, &format!("tools[{nth}] ({kind})"))?,
        }
    }
    if list.is_empty() && !called.is_empty() {
        notes.warn("tools: those called before were declared, because the conversation is refused without them");
        let declared = |name: &&str| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}});
        list.extend(called.iter().map(declared));
    }
    if list.is_empty() {
        return Ok(());
    }
    notes.lost_if(request.parallel_tools == Some(false), Feature::NoParallel, "parallel_tool_calls")?;
    let mut config = object([("tools", Value::Array(list))]);
    let choice = match &request.tool_choice {
        None | Some(ToolChoice::None) => None,
        Some(ToolChoice::Auto | ToolChoice::Among { must: false, .. }) => Some(json!({"auto": {}})),
        Some(ToolChoice::Any | ToolChoice::Among { must: true, .. }) => Some(json!({"any": {}})),
        Some(ToolChoice::Named(name)) => Some(json!({"tool": {"name": name}})),
    };
    put(&mut config, "toolChoice", choice);
    body.insert("toolConfig".to_owned(), Value::Object(config));
    Ok(())
}

/// The tools that the conversation has calls of, each once.
fn called(request: &Request) -> Vec<&str> {
    let mut names = Vec::new();
    for part in request.messages.iter().flat_map(|message| &message.parts) {
        if let Part::ToolUse(call) = part
            && !names.contains(&call.name.as_str())
        {
            names.push(call.name.as_str());
        }
    }
    names
}

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
                Part::ToolResult(result) => {
                    results.push(tool_result(result, &at, notes)?);
                    results.extend(result.cache.map(cache_point));
                }
                other => block(other, &at, blocks, notes)?,
            }
        }
    }
    turns.retain(|(_, results, blocks)| !results.is_empty() || !blocks.is_empty());
    if turns.is_empty() {
        return Err(HubError::invalid("messages", "at least one message with content is required"));
    }
    let message = |(role, mut results, mut blocks): (Role, Vec<Value>, Vec<Value>)| {
        results.append(&mut blocks);
        json!({"role": if role == Role::Assistant { "assistant" } else { "user" }, "content": results})
    };
    Ok(turns.into_iter().map(message).collect())
}

fn block(part: &Part, at: &str, out: &mut Vec<Value>, notes: &mut Notes) -> Result<(), HubError> {
    let (block, cache) = match part {
        Part::Text(text) if text.text.trim().is_empty() => return Ok(()),
        Part::Text(text) => (json!({"text": text.text}), text.cache),
        Part::Refusal(text) => (json!({"text": text}), None),
        Part::Image { source, detail, cache } => {
            let closely = detail.as_deref().is_some_and(|detail| detail != "auto");
            notes.lost_if(closely, Feature::ImageDetail, "image detail")?;
            match (image_json(source), source) {
                (Some(image), _) => (image, *cache),
                (None, Source::File(_)) => return notes.lost(Feature::VendorFile, at),
                (None, _) => {
                    return Err(HubError::unsupported(at, "this URL cannot be passed on; send the content"));
                }
            }
        }
        Part::Document { source, name, cache } => {
            let (format, data) = match source {
                Source::Base64 { media, data } => (format_word(media), data.clone()),
                Source::Text(text) => ("txt", STANDARD.encode(text)),
                Source::File(_) => return notes.lost(Feature::VendorFile, at),
                Source::Url(_) => {
                    return Err(HubError::unsupported(at, "this URL cannot be passed on; send the content"));
                }
            };
            let name = document_name(name.as_deref());
            (json!({"document": {"format": format, "name": name, "source": {"bytes": data}}}), *cache)
        }
        Part::Video { source: Source::Base64 { media, data } } => {
            (json!({"video": {"format": format_word(media), "source": {"bytes": data}}}), None)
        }
        Part::Video { .. } => {
            return Err(HubError::unsupported(at, "films must be sent as content"));
        }
        Part::Audio { .. } => return notes.lost(Feature::Audio, at),
        Part::ToolUse(call) => {
            let input = if call.custom { Some(json!({"input": call.args})) } else { args_object(&call.args) };
            let input = input.unwrap_or_else(|| {
                notes.warn("tool call arguments that are no JSON object were wrapped in one");
                json!({"arguments": call.args})
            });
            (json!({"toolUse": {"toolUseId": plain_id(&call.id), "name": call.name, "input": input}}), None)
        }
        Part::Thinking(thought) => match &thought.signature {
            Some(seal) if seal.origin == Dialect::Messages && !seal.is_hidden() && !seal.value.is_empty() => {
                let text = json!({"text": thought.text, "signature": seal.value});
                (json!({"reasoningContent": {"reasoningText": text}}), None)
            }
            Some(seal) if seal.origin == Dialect::Converse => {
                (json!({"reasoningContent": {"redactedContent": seal.value}}), None)
            }
            _ => return notes.lost(Feature::ForeignThought, "thinking"),
        },
        Part::ToolResult(result) => (tool_result(result, at, notes)?, result.cache),
    };
    out.push(block);
    out.extend(cache.map(cache_point));
    Ok(())
}

fn tool_result(result: &ToolResult, at: &str, notes: &mut Notes) -> Result<Value, HubError> {
    let mut content = Vec::new();
    for part in &result.parts {
        block(part, at, &mut content, notes)?;
    }
    if content.is_empty() {
        content.push(json!({"text": " "}));
    }
    let mut one = object([("toolUseId", plain_id(&result.id).into()), ("content", Value::Array(content))]);
    if result.is_error {
        one.insert("status".to_owned(), "error".into());
    }
    Ok(json!({"toolResult": one}))
}

/// Ids may hold letters, digits, `_` and `-` only.
fn plain_id(id: &str) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') { letter } else { '_' }
    };
    if id.is_empty() { "_".to_owned() } else { id.chars().map(plain).take(64).collect() }
}

/// Names of documents may hold letters, digits, single spaces, hyphens and brackets.
fn document_name(name: Option<&str>) -> String {
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() || "-()[]".contains(letter) { letter } else { ' ' }
    };
    let name: String = name.unwrap_or("document").chars().map(plain).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() { "document".to_owned() } else { name }
}

fn cache_point(cache: Cache) -> Value {
    match cache {
        Cache::Short => json!({"cachePoint": {"type": "default"}}),
        Cache::Long => json!({"cachePoint": {"type": "default", "ttl": "1h"}}),
    }
}

//! A hub request as a Gemini body.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::super::hub::{
    Format, HubError, Message, Part, Reasoning, Request, Role, Signature, Source, Tool, ToolChoice, ToolResult,
};
use super::super::json::{args_object, object, put};
use super::super::rules::{Feature, Notes};
use super::super::{Dialect, media};
use super::{NO_SEAL, major};

/// Writes the body.
pub(crate) fn write_request(request: &Request, notes: &mut Notes) -> Result<Value, HubError> {
    let mut body = Map::new();
    body.insert("contents".to_owned(), Value::Array(contents(request, notes)?));
    if !request.system.is_empty() {
        let parts = request
            .system
            .iter()
            .map(|part| match part {
                Part::Text(text) => {
                    notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
                    Ok(json!({"text": text.text}))
                }
                _ => Err(HubError::unsupported("system", "only text is available in system messages")),
            })
            .collect::<Result<Vec<Value>, HubError>>()?;
        body.insert("systemInstruction".to_owned(), json!({"parts": parts}));
    }
    tools(request, &mut body, notes)?;
    let config = generation_config(request, notes)?;
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), Value::Object(config));
    }
    notes.lost_if(request.user.is_some(), Feature::User, "user")?;
    notes.lost_if(request.cache_key.is_some(), Feature::CacheKey, "prompt_cache_key")?;
    notes.lost_if(!request.metadata.is_empty(), Feature::Metadata, "metadata")?;
    Ok(Value::Object(body))
}

fn generation_config(request: &Request, notes: &mut Notes) -> Result<Map<String, Value>, HubError> {
    let sampling = &request.sampling;
    let mut config = Map::new();
    put(&mut config, "maxOutputTokens", sampling.max_output);
    put(&mut config, "temperature", sampling.temperature);
    put(&mut config, "topP", sampling.top_p);
    put(&mut config, "topK", sampling.top_k);
    if !sampling.stop.is_empty() {
        config.insert("stopSequences".to_owned(), json!(sampling.stop));
    }
    put(&mut config, "seed", sampling.seed);
    put(&mut config, "presencePenalty", sampling.presence_penalty);
    put(&mut config, "frequencyPenalty", sampling.frequency_penalty);
    notes.lost_if(sampling.logit_bias.is_some(), Feature::LogitBias, "logit_bias")?;
    notes.lost_if(sampling.verbosity.is_some(), Feature::Verbosity, "verbosity")?;
    match &request.format {
        Format::Text => {}
        Format::Json => put(&mut config, "responseMimeType", Some("application/json")),
        Format::Schema { schema, .. } => {
            put(&mut config, "responseMimeType", Some("application/json"));
            config.insert("responseJsonSchema".to_owned(), schema.clone());
        }
    }
    if let Some(reasoning) = &request.reasoning {
        config.insert("thinkingConfig".to_owned(), thinking(reasoning, &request.model, notes));
    }
    Ok(config)
}

/// The largest thinking budget that a model takes.
fn most_thoughts(model: &str) -> u64 {
    if model.contains("flash") { 24_576 } else { 32_768 }
}

fn thinking(reasoning: &Reasoning, model: &str, notes: &mut Notes) -> Value {
    let by_level = major(model) >= 3;
    if reasoning.off {
        if by_level {
            notes.warn("thinking: cannot be switched off with this model; the least is used");
            return json!({"thinkingLevel": if model.contains("pro") { "low" } else { "minimal" }});
        }
        if model.contains("pro") {
            notes.warn("thinking: cannot be switched off with this model; the least is used");
            return json!({"thinkingBudget": 128});
        }
        return json!({"thinkingBudget": 0});
    }
    let mut config = object([("includeThoughts", reasoning.show.unwrap_or(true).into())]);
    let most = most_thoughts(model);
    match (reasoning.budget, reasoning.effort.as_deref()) {
        (Some(budget), _) => {
            if budget > most {
                notes.warn(format!("thinking budget: lowered to {most}, the most there is here"));
            }
            put(&mut config, "thinkingBudget", Some(budget.min(most)));
        }
        (None, Some(effort)) if by_level => {
            let level = match effort {
                // The large models know fewer words.
                "minimal" if model.contains("pro") => "low",
                "medium" if model.contains("gemini-3-pro") => "high",
                "minimal" | "low" | "medium" => effort,
                _ => "high",
            };
            put(&mut config, "thinkingLevel", Some(level));
        }
        (None, Some(effort)) => {
            put(&mut config, "thinkingBudget", Some(super::super::thoughts::budget_of_effort(effort).min(most)));
        }
        (None, None) => {}
    }
    Value::Object(config)
}

fn tools(request: &Request, body: &mut Map<String, Value>, notes: &mut Notes) -> Result<(), HubError> {
    let mut declared = Vec::new();
    let mut list = Vec::new();
    let only: Option<&[String]> = match &request.tool_choice {
        Some(ToolChoice::Among { names, must: false }) => Some(names),
        _ => None,
    };
    let may = |name: &str| only.is_none_or(|names| names.iter().any(|one| one == name));
    for (nth, tool) in request.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) if may(&function.name) => {
                notes.lost_if(function.cache.is_some(), Feature::CacheMark, "cache_control")?;
                notes.lost_if(function.strict == Some(true), Feature::StrictTool, "tools.strict")?;
                let mut one = object([("name", function.name.as_str().into())]);
                put(&mut one, "description", function.description.as_deref());
                put(&mut one, "parametersJsonSchema", function.schema.clone());
                declared.push(Value::Object(one));
            }
            Tool::Custom { name, description, format } if may(name) => {
                let mut one = object([("name", name.as_str().into())]);
                put(&mut one, "description", super::super::custom_description(description.as_deref(), format.as_ref()));
                one.insert("parametersJsonSchema".to_owned(), super::super::custom_schema());
                declared.push(Value::Object(one));
            }
            Tool::Function(_) | Tool::Custom { .. } => {}
            Tool::WebSearch(search) => {
                let bounded = search.max_uses.is_some()
                    || search.location.is_some()
                    || search.context_size.is_some()
                    || !search.allowed.is_empty()
                    || !search.blocked.is_empty();
                notes.lost_if(bounded, Feature::SearchBounds, "web_search")?;
                list.push(json!({"googleSearch": {}}));
            }
            Tool::Hosted { kind } => notes.lost(Feature::HostedTool, &format!("tools[{nth}] ({kind})"))?,
        }
    }
    let functions = !declared.is_empty();
    // Before version 3 the vendor refuses search beside functions.
    if functions && !list.is_empty() && (1..3).contains(&major(&request.model)) {
        notes.warn("web_search: not available beside tools with this model and was not offered to it");
        list.clear();
    }
    if functions {
        list.insert(0, json!({"functionDeclarations": declared}));
    }
    if list.is_empty() {
        return Ok(());
    }
    body.insert("tools".to_owned(), Value::Array(list));
    if !functions {
        return Ok(());
    }
    notes.lost_if(request.parallel_tools == Some(false), Feature::NoParallel, "parallel_tool_calls")?;
    let calling = match &request.tool_choice {
        None => return Ok(()),
        Some(ToolChoice::Auto | ToolChoice::Among { must: false, .. }) => json!({"mode": "AUTO"}),
        Some(ToolChoice::None) => json!({"mode": "NONE"}),
        Some(ToolChoice::Any) => json!({"mode": "ANY"}),
        Some(ToolChoice::Named(name)) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
        Some(ToolChoice::Among { names, must: true }) => {
            json!({"mode": "ANY", "allowedFunctionNames": names})
        }
    };
    body.insert("toolConfig".to_owned(), json!({"functionCallingConfig": calling}));
    Ok(())
}

fn contents(request: &Request, notes: &mut Notes) -> Result<Vec<Value>, HubError> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut turns: Vec<(Role, Vec<Value>, Vec<Value>)> = Vec::new();
    for (nth, message) in request.messages.iter().enumerate() {
        let at = format!("messages[{nth}]");
        for part in &message.parts {
            if let Part::ToolUse(call) = part {
                names.insert(&call.id, &call.name);
            }
        }
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
        let Some((_, results, parts)) = turns.last_mut() else {
            continue;
        };
        if role == Role::Assistant {
            model_turn(message, &request.model, &at, parts, notes)?;
            continue;
        }
        for part in &message.parts {
            match part {
                // The vendor wants all responses side by side: media of theirs come behind.
                Part::ToolResult(result) => {
                    results.push(tool_result(result, &names, &at, parts, notes)?);
                }
                other => parts.extend(content_part(other, &at, notes)?),
            }
        }
    }
    turns.retain(|(_, results, parts)| !results.is_empty() || !parts.is_empty());
    if turns.is_empty() {
        return Err(HubError::invalid("messages", "at least one message with content is required"));
    }
    let content = |(role, mut results, mut parts): (Role, Vec<Value>, Vec<Value>)| {
        results.append(&mut parts);
        json!({"role": if role == Role::Assistant { "model" } else { "user" }, "parts": results})
    };
    Ok(turns.into_iter().map(content).collect())
}

/// A turn of the model: a thought's seal goes onto the part it led to.
fn model_turn(
    message: &Message,
    model: &str,
    at: &str,
    out: &mut Vec<Value>,
    notes: &mut Notes,
) -> Result<(), HubError> {
    let own = |seal: Option<&Signature>| {
        seal.filter(|seal| seal.origin == Dialect::Gemini && !seal.value.is_empty()).map(|seal| seal.value.clone())
    };
    let mut pending: Option<String> = None;
    let mut called = false;
    for part in &message.parts {
        match part {
            Part::Thinking(thought) => match own(thought.signature.as_ref()) {
                Some(seal) => pending = Some(seal),
                None => notes.lost(Feature::ForeignThought, "thinking")?,
            },
            Part::Text(text) => {
                notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
                let seal = own(text.signature.as_ref()).or_else(|| pending.take());
                if text.text.is_empty() && seal.is_none() {
                    continue;
                }
                let mut one = object([("text", text.text.as_str().into())]);
                put(&mut one, "thoughtSignature", seal);
                out.push(Value::Object(one));
            }
            Part::Refusal(text) => out.push(json!({"text": text})),
            Part::ToolUse(call) => {
                let args = if call.custom { Some(json!({"input": call.args})) } else { args_object(&call.args) };
                let args = args.unwrap_or_else(|| {
                    notes.warn("tool call arguments that are no JSON object were wrapped in one");
                    json!({"arguments": call.args})
                });
                let mut seal = own(call.signature.as_ref()).or_else(|| pending.take());
                // From version 3 on the first call of a turn must bear a seal; this one says there is none.
                if seal.is_none() && !called && major(model) >= 3 {
                    seal = Some(NO_SEAL.to_owned());
                }
                called = true;
                let mut one = object([("functionCall", json!({"id": call.id, "name": call.name, "args": args}))]);
                put(&mut one, "thoughtSignature", seal);
                out.push(Value::Object(one));
            }
            other => out.extend(content_part(other, at, notes)?),
        }
    }
    if let Some(seal) = pending {
        out.push(json!({"text": "", "thoughtSignature": seal}));
    }
    Ok(())
}

fn tool_result(
    result: &ToolResult,
    names: &HashMap<&str, &str>,
    at: &str,
    beside: &mut Vec<Value>,
    notes: &mut Notes,
) -> Result<Value, HubError> {
    notes.lost_if(result.cache.is_some(), Feature::CacheMark, "cache_control")?;
    let name = names.get(result.id.as_str()).copied().or(result.name.as_deref());
    let name = name.ok_or_else(|| HubError::invalid(at, format!("no tool call has the id '{}'", result.id)))?;
    let mut texts = Vec::new();
    for part in &result.parts {
        match part {
            Part::Text(text) => texts.push(text.text.as_str()),
            other => beside.extend(content_part(other, at, notes)?),
        }
    }
    let text = texts.join("\n");
    let response = if result.is_error {
        json!({"error": text})
    } else {
        match serde_json::from_str::<Value>(&text) {
            Ok(value @ Value::Object(_)) => value,
            _ => json!({"output": text}),
        }
    };
    Ok(json!({"functionResponse": {"id": result.id, "name": name, "response": response}}))
}

fn content_part(part: &Part, at: &str, notes: &mut Notes) -> Result<Option<Value>, HubError> {
    let fetch_first = || HubError::unsupported(at, "this URL cannot be passed on; send the content");
    let refused = |feature: Feature, notes: &mut Notes| notes.lost(feature, at).map(|()| None);
    let (source, cache) = match part {
        Part::Text(text) => {
            notes.lost_if(text.cache.is_some(), Feature::CacheMark, "cache_control")?;
            return Ok((!text.text.is_empty()).then(|| json!({"text": text.text})));
        }
        Part::Refusal(text) => return Ok(Some(json!({"text": text}))),
        Part::Image { source, detail, cache } => {
            let closely = detail.as_deref().is_some_and(|detail| detail != "auto");
            notes.lost_if(closely, Feature::ImageDetail, "image detail")?;
            (source, *cache)
        }
        Part::Document { source, cache, .. } => (source, *cache),
        Part::Audio { source } | Part::Video { source } => (source, None),
        Part::Thinking(_) | Part::ToolUse(_) | Part::ToolResult(_) => {
            return Err(HubError::invalid(at, "this kind of content does not belong to this role"));
        }
    };
    notes.lost_if(cache.is_some(), Feature::CacheMark, "cache_control")?;
    Ok(Some(match source {
        Source::Base64 { media, data } => json!({"inlineData": {"mimeType": media, "data": data}}),
        Source::Text(text) => {
            json!({"inlineData": {"mimeType": "text/plain", "data": STANDARD.encode(text)}})
        }
        Source::Url(url) if super::super::vendor_fetches(Dialect::Gemini, url) => {
            let video = matches!(part, Part::Video { .. });
            let mime = if video { "video/mp4" } else { media::media_of_url(url) };
            json!({"fileData": {"mimeType": mime, "fileUri": url}})
        }
        Source::Url(_) => return Err(fetch_first()),
        Source::File(_) => return refused(Feature::VendorFile, notes),
    }))
}

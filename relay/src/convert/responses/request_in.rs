//! A responses request into the hub.

use serde_json::{Map, Value};

use super::super::hub::{
    Format, Function, HubError, Message, Part, Reasoning, Request, Role, Sampling, Signature, Source, Text, Thinking,
    Tool, ToolChoice, ToolResult, ToolUse, WebSearch,
};
use super::super::json::Obj;
use super::super::{Dialect, media};

/// Reads a request; the second half names the fields nobody took.
pub(crate) fn read_request(body: &[u8], named: &str) -> Result<(Request, Vec<String>), HubError> {
    let mut obj = Obj::parse(body)?;
    let mut lost = Vec::new();
    let mut request = Request {
        model: obj.model(named)?,
        stream: obj.bool("stream")?.unwrap_or(false),
        sampling: Sampling {
            max_output: obj.limit("max_output_tokens")?,
            temperature: obj.f64("temperature")?,
            top_p: obj.f64("top_p")?,
            ..Sampling::default()
        },
        parallel_tools: obj.bool("parallel_tool_calls")?,
        cache_key: obj.str("prompt_cache_key")?,
        ..Request::default()
    };
    let end_user = obj.str("safety_identifier")?;
    request.user = obj.str("user")?.or(end_user);
    if let Some(metadata) = obj.obj("metadata")? {
        request.metadata = metadata.into_map();
    }
    if let Some(instructions) = obj.str("instructions")?.filter(|text| !text.is_empty()) {
        request.system.push(Part::text(instructions));
    }
    what_has_no_hub_word(&mut obj, &mut lost)?;
    request.reasoning = reasoning(&mut obj, &mut lost)?;
    if let Some(mut text) = obj.obj("text")? {
        request.sampling.verbosity = text.str("verbosity")?;
        if let Some(form) = text.obj("format")? {
            request.format = format(form, &mut lost)?;
        }
        text.rest(&mut lost);
    }
    tools(&mut obj, &mut request, &mut lost)?;
    request.tool_choice = tool_choice(&mut obj, &mut request)?;
    let input = obj.take("input").ok_or_else(|| HubError::invalid("input", "required"))?;
    match input {
        Value::String(text) => {
            request.messages.push(Message { role: Role::User, parts: vec![Part::text(text)] });
        }
        Value::Array(items) => {
            for (nth, item) in items.into_iter().enumerate() {
                read_item(Obj::new(item, format!("input[{nth}]"))?, &mut request, &mut lost)?;
            }
        }
        _ => {
            return Err(HubError::invalid("input", "expected a string or an array of items"));
        }
    }
    obj.rest(&mut lost);
    Ok((request, lost))
}

/// The request fields an answer repeats, as the caller gave them.
pub(crate) fn echo(body: &[u8]) -> Map<String, Value> {
    const REPEATED: [&str; 16] = [
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
        "truncation",
        "user",
        "service_tier",
    ];
    let Ok(Value::Object(map)) = serde_json::from_slice::<Value>(body) else {
        return Map::new();
    };
    map.into_iter().filter(|(key, value)| REPEATED.contains(&key.as_str()) && !value.is_null()).collect()
}

fn what_has_no_hub_word(obj: &mut Obj, lost: &mut Vec<String>) -> Result<(), HubError> {
    if obj.bool("background")?.unwrap_or(false) {
        return Err(HubError::unsupported("background", "answers in the background are not available with this model"));
    }
    if obj.u64("top_logprobs")?.is_some_and(|n| n > 0) {
        return Err(HubError::unsupported("top_logprobs", "token probabilities are not available with this model"));
    }
    if obj.bool("store")?.unwrap_or(false) {
        lost.push("store".to_owned());
    }
    for wanted in obj.strs("include")? {
        match wanted.as_str() {
            "reasoning.encrypted_content" => {}
            "message.output_text.logprobs" => {
                return Err(HubError::unsupported("include", "token probabilities are not available with this model"));
            }
            _ => lost.push(format!("include.{wanted}")),
        }
    }
    if obj.str("truncation")?.is_some_and(|how| how != "disabled") {
        lost.push("truncation".to_owned());
    }
    if obj.str("service_tier")?.is_some_and(|tier| tier != "auto" && tier != "default") {
        lost.push("service_tier".to_owned());
    }
    if let Some(options) = obj.obj("stream_options")? {
        options.rest(lost);
    }
    Ok(())
}

fn reasoning(obj: &mut Obj, lost: &mut Vec<String>) -> Result<Option<Reasoning>, HubError> {
    let Some(mut inner) = obj.obj("reasoning")? else {
        return Ok(None);
    };
    let effort = inner.str("effort")?;
    let old = inner.str("generate_summary")?;
    let summary = inner.str("summary")?.or(old).filter(|summary| summary != "none");
    inner.rest(lost);
    if effort.is_none() && summary.is_none() {
        return Ok(None);
    }
    let off = effort.as_deref() == Some("none");
    Ok(Some(Reasoning { off, effort: effort.filter(|_| !off), budget: None, show: Some(summary.is_some()) }))
}

fn format(mut form: Obj, lost: &mut Vec<String>) -> Result<Format, HubError> {
    let read = match form.need_str("type")?.as_str() {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => Format::Schema {
            name: form.str("name")?,
            description: form.str("description")?,
            schema: form.take("schema").ok_or_else(|| HubError::invalid("text.format.schema", "required"))?,
            strict: form.bool("strict")?,
        },
        _ => {
            return Err(HubError::invalid("text.format.type", "expected text, json_object or json_schema"));
        }
    };
    form.rest(lost);
    Ok(read)
}

fn tools(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    for mut tool in obj.objs("tools")? {
        let kind = tool.need_str("type")?;
        match kind.as_str() {
            "function" | "custom" => request.tools.push(callers_tool(&kind, &mut tool)?),
            // Tools under a common name; other vendors have no such roof, so each is offered by a joined name.
            "namespace" => {
                let space = tool.need_str("name")?;
                for mut inner in tool.objs("tools")? {
                    let kind = inner.need_str("type")?;
                    if !matches!(kind.as_str(), "function" | "custom") {
                        request.tools.push(Tool::Hosted { kind });
                        continue;
                    }
                    let mut made = callers_tool(&kind, &mut inner)?;
                    if let Tool::Function(Function { name, .. }) | Tool::Custom { name, .. } = &mut made {
                        *name = request.spaced(&space, name);
                    }
                    request.tools.push(made);
                    inner.rest(lost);
                }
            }
            _ if kind.starts_with("web_search") => {
                let mut search = WebSearch { context_size: tool.str("search_context_size")?, ..WebSearch::default() };
                if let Some(mut filters) = tool.obj("filters")? {
                    search.allowed = filters.strs("allowed_domains")?;
                    search.blocked = filters.strs("blocked_domains")?;
                    filters.rest(lost);
                }
                if let Some(mut place) = tool.obj("user_location")? {
                    let _kind = place.take("type");
                    search.location = Some(place.into_map());
                }
                let _how = tool.take("external_web_access");
                request.tools.push(Tool::WebSearch(search));
            }
            _ => {
                request.tools.push(Tool::Hosted { kind });
                continue;
            }
        }
        tool.rest(lost);
    }
    Ok(())
}

/// A tool that the caller runs itself.
fn callers_tool(kind: &str, tool: &mut Obj) -> Result<Tool, HubError> {
    let (name, description) = (tool.need_str("name")?, tool.str("description")?);
    // Whether it is looked up before it is offered; here every tool is offered at once.
    let _later = tool.take("defer_loading");
    Ok(match kind {
        "custom" => Tool::Custom { name, description, format: tool.take("format") },
        _ => {
            let (schema, strict) = (tool.take("parameters"), tool.bool("strict")?);
            Tool::Function(Function { name, description, schema, strict, cache: None })
        }
    })
}

fn tool_choice(obj: &mut Obj, request: &mut Request) -> Result<Option<ToolChoice>, HubError> {
    let wrong = || HubError::invalid("tool_choice", "expected none, auto, required or a tool");
    let Some(choice) = obj.take("tool_choice") else {
        return Ok(None);
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let mut named = |tool: &Value| {
        let name = text(tool.get("name"))?;
        Some(match text(tool.get("namespace")) {
            Some(space) => request.spaced(&space, &name),
            None => name,
        })
    };
    Ok(Some(match &choice {
        Value::String(word) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Any,
            _ => return Err(wrong()),
        },
        Value::Object(map) => match text(map.get("type")).as_deref() {
            Some("function" | "custom") => ToolChoice::Named(named(&choice).ok_or_else(wrong)?),
            Some("allowed_tools") => {
                let list = map.get("tools").and_then(Value::as_array).ok_or_else(wrong)?;
                let names = list.iter().map(&mut named).collect::<Option<Vec<_>>>();
                let must = text(map.get("mode")).as_deref() == Some("required");
                ToolChoice::Among { names: names.ok_or_else(wrong)?, must }
            }
            Some(kind) => {
                return Err(HubError::unsupported("tool_choice", format!("'{kind}' cannot be demanded of this model")));
            }
            None => return Err(wrong()),
        },
        _ => return Err(wrong()),
    }))
}

/// Adds a part to the conversation; neighbouring items of one speaker are one turn.
fn say(request: &mut Request, role: Role, part: Part) {
    let is_result = matches!(part, Part::ToolResult(_));
    match request.messages.last_mut() {
        Some(last) if last.role == role && (role == Role::Assistant || is_result) => last.parts.push(part),
        _ => request.messages.push(Message { role, parts: vec![part] }),
    }
}

fn read_item(mut item: Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let kind = match item.str("type")? {
        Some(kind) => kind,
        None if item.has("role") => "message".to_owned(),
        None => return Err(HubError::invalid(item.at("type"), "required")),
    };
    // Ids and states of items are the vendor's own; what is needed of them is taken below.
    let id = item.str("id")?;
    let _state = item.take("status");
    match kind.as_str() {
        "message" => {
            let _phase = item.take("phase");
            let role = item.need_str("role")?;
            let parts = content(&mut item, "content", lost)?;
            match role.as_str() {
                "assistant" => parts.into_iter().for_each(|part| say(request, Role::Assistant, part)),
                "user" => request.messages.push(Message { role: Role::User, parts }),
                "system" | "developer" if request.messages.is_empty() => request.system.extend(parts),
                "system" | "developer" => request.messages.push(Message { role: Role::System, parts }),
                _ => {
                    return Err(HubError::invalid(item.at("role"), "expected user, assistant, system or developer"));
                }
            }
        }
        "function_call" | "custom_tool_call" => {
            let custom = kind == "custom_tool_call";
            let name = item.need_str("name")?;
            let name = match item.str("namespace")? {
                Some(space) => request.spaced(&space, &name),
                None => name,
            };
            let call = ToolUse {
                id: item.need_str("call_id")?,
                name,
                args: item.str(if custom { "input" } else { "arguments" })?.unwrap_or_default(),
                custom,
                signature: None,
            };
            say(request, Role::Assistant, Part::ToolUse(call));
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = item.need_str("call_id")?;
            let parts = content(&mut item, "output", lost)?;
            let custom = kind == "custom_tool_call_output";
            let result = ToolResult { id, parts, custom, ..ToolResult::default() };
            say(request, Role::User, Part::ToolResult(result));
        }
        "reasoning" => {
            let mut text = Vec::new();
            for list in ["summary", "content"] {
                for mut one in item.objs(list)? {
                    text.extend(one.str("text")?);
                }
            }
            let seal = item.str("encrypted_content")?.filter(|seal| !seal.is_empty());
            let signature = seal.map(|seal| {
                let mut seal = Signature::carried(Dialect::Responses, &seal);
                if seal.origin == Dialect::Responses {
                    seal.id = id;
                }
                seal
            });
            let text = text.join("\n\n");
            let thought = Thinking { redacted: text.is_empty(), text, signature };
            say(request, Role::Assistant, Part::Thinking(thought));
        }
        "item_reference" => {
            return Err(HubError::unsupported(
                item.path(),
                "it names an item that this model's vendor does not hold; send the item itself",
            ));
        }
        "compaction" | "compaction_summary" => {
            return Err(HubError::unsupported(
                item.path(),
                "only the vendor that compacted a conversation can read it",
            ));
        }
        "web_search_call"
        | "file_search_call"
        | "code_interpreter_call"
        | "image_generation_call"
        | "mcp_call"
        | "mcp_list_tools" => {
            lost.push(format!("{} ({kind})", item.path()));
            return Ok(());
        }
        _ => {
            return Err(HubError::unsupported(
                item.at("type"),
                format!("an item of type '{kind}' is not available with this model"),
            ));
        }
    }
    item.rest(lost);
    Ok(())
}

fn content(item: &mut Obj, field: &str, lost: &mut Vec<String>) -> Result<Vec<Part>, HubError> {
    let at = item.at(field);
    match item.take(field) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(list)) => list
            .into_iter()
            .enumerate()
            .map(|(nth, value)| content_part(Obj::new(value, format!("{at}[{nth}]"))?, lost))
            .collect(),
        Some(_) => Err(HubError::invalid(at, "expected a string or an array of parts")),
    }
}

fn content_part(mut part: Obj, lost: &mut Vec<String>) -> Result<Part, HubError> {
    let kind = part.need_str("type")?;
    let required = |part: &Obj, field: &str| HubError::invalid(part.at(field), "required");
    let read = match kind.as_str() {
        "input_text" | "output_text" | "text" => {
            let _of_an_earlier_answer = (part.take("annotations"), part.take("logprobs"));
            Part::Text(Text { text: part.need_str("text")?, ..Text::default() })
        }
        "refusal" => Part::Refusal(part.need_str("refusal")?),
        "input_image" => {
            let detail = part.str("detail")?;
            let at = part.at("image_url");
            let source = match (part.str("image_url")?, part.str("file_id")?) {
                (Some(url), _) => media::from_url(&url, &at)?,
                (None, Some(id)) => Source::File(id),
                (None, None) => return Err(required(&part, "image_url")),
            };
            Part::Image { source, detail, cache: None }
        }
        "input_file" => {
            let name = part.str("filename")?;
            let at = part.at("file_data");
            let _closely = part.take("detail");
            let source = match (part.str("file_data")?, part.str("file_url")?, part.str("file_id")?) {
                (Some(data), _, _) if data.starts_with("data:") => media::from_url(&data, &at)?,
                (Some(data), _, _) => media::base64("application/pdf", &data),
                (None, Some(url), _) => media::from_url(&url, &at)?,
                (None, None, Some(id)) => Source::File(id),
                (None, None, None) => return Err(required(&part, "file_data")),
            };
            Part::Document { source, name, cache: None }
        }
        "input_audio" => {
            let audio = part.obj("input_audio")?;
            let mut audio = audio.ok_or_else(|| required(&part, "input_audio"))?;
            let format = audio.need_str("format")?;
            Part::Audio { source: media::base64(&media::audio_media(&format), &audio.need_str("data")?) }
        }
        _ => {
            return Err(HubError::unsupported(part.at("type"), format!("content of type '{kind}' is not known")));
        }
    };
    part.rest(lost);
    Ok(read)
}

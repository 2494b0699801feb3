//! A messages request into the hub.

use serde_json::Value;

use super::super::hub::{
    Cache, Format, Function, HubError, Message, Part, Reasoning, Request, Role, Sampling, Signature, Source, Text,
    Thinking, Tool, ToolChoice, ToolResult, ToolUse, WebSearch,
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
            max_output: obj.u64("max_tokens")?,
            temperature: obj.f64("temperature")?,
            top_p: obj.f64("top_p")?,
            top_k: obj.u64("top_k")?,
            stop: obj.strs("stop_sequences")?,
            ..Sampling::default()
        },
        ..Request::default()
    };
    if request.sampling.max_output == Some(0) {
        return Err(HubError::unsupported(
            "max_tokens",
            "filling a prompt cache without an answer cannot be translated",
        ));
    }
    request.system = content(&mut obj, "system", &mut lost)?;
    if let Some(mut metadata) = obj.obj("metadata")? {
        request.user = metadata.str("user_id")?;
        metadata.rest(&mut lost);
    }
    request.reasoning = thinking(&mut obj, &mut lost)?;
    output_config(&mut obj, &mut request, &mut lost)?;
    tools(&mut obj, &mut request, &mut lost)?;
    tool_choice(&mut obj, &mut request, &mut lost)?;
    if obj.str("service_tier")?.is_some_and(|tier| tier != "auto") {
        lost.push("service_tier".to_owned());
    }
    // Betas are named in a header; the beta clients' body field repeats them.
    let _betas = obj.take("betas");
    if !obj.has("messages") {
        return Err(HubError::invalid("messages", "required"));
    }
    for mut message in obj.objs("messages")? {
        let role = match message.need_str("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => Role::System,
            _ => {
                return Err(HubError::invalid(message.at("role"), "expected user, assistant or system"));
            }
        };
        let parts = content(&mut message, "content", &mut lost)?;
        // What the operator says before anybody else is what stands before the conversation.
        if role == Role::System && request.messages.is_empty() {
            request.system.extend(parts);
        } else {
            request.messages.push(Message { role, parts });
        }
        message.rest(&mut lost);
    }
    obj.rest(&mut lost);
    Ok((request, lost))
}

fn thinking(obj: &mut Obj, lost: &mut Vec<String>) -> Result<Option<Reasoning>, HubError> {
    let Some(mut thinking) = obj.obj("thinking")? else {
        return Ok(None);
    };
    let mut read = Reasoning::default();
    match thinking.need_str("type")?.as_str() {
        "disabled" => read.off = true,
        "enabled" | "adaptive" => read.show = Some(true),
        _ => {
            return Err(HubError::invalid("thinking.type", "expected enabled, adaptive or disabled"));
        }
    }
    read.budget = thinking.u64("budget_tokens")?;
    if thinking.str("display")?.as_deref() == Some("omitted") {
        read.show = Some(false);
    }
    thinking.rest(lost);
    Ok(Some(read))
}

/// Effort and the form of the answer; the older place of the form is accepted too.
fn output_config(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let mut form = obj.obj("output_format")?;
    if let Some(mut config) = obj.obj("output_config")? {
        if let Some(effort) = config.str("effort")? {
            // Effort alone does not switch thinking on, but it is the same dial elsewhere.
            request.reasoning.get_or_insert_default().effort = Some(effort);
        }
        form = config.obj("format")?.or(form);
        config.rest(lost);
    }
    let Some(mut form) = form else { return Ok(()) };
    if form.need_str("type")? != "json_schema" {
        return Err(HubError::invalid(form.at("type"), "expected json_schema"));
    }
    let schema = form.take("schema").ok_or_else(|| HubError::invalid(form.at("schema"), "required"))?;
    request.format = Format::Schema { name: form.str("name")?, description: None, schema, strict: Some(true) };
    form.rest(lost);
    Ok(())
}

fn tools(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    for mut tool in obj.objs("tools")? {
        let kind = tool.str("type")?.unwrap_or_else(|| "custom".to_owned());
        if kind == "custom" {
            request.tools.push(Tool::Function(Function {
                name: tool.need_str("name")?,
                description: tool.str("description")?,
                schema: tool.take("input_schema"),
                strict: tool.bool("strict")?,
                cache: cache(&mut tool)?,
            }));
            let _how_it_streams = tool.take("eager_input_streaming");
            tool.rest(lost);
        } else if kind.starts_with("web_search") {
            let mut search = WebSearch {
                allowed: tool.strs("allowed_domains")?,
                blocked: tool.strs("blocked_domains")?,
                max_uses: tool.u64("max_uses")?,
                ..WebSearch::default()
            };
            if let Some(mut place) = tool.obj("user_location")? {
                let _kind = place.take("type");
                search.location = Some(place.into_map());
            }
            let _fixed = (tool.take("name"), tool.take("cache_control"));
            tool.rest(lost);
            request.tools.push(Tool::WebSearch(search));
        } else {
            request.tools.push(Tool::Hosted { kind });
        }
    }
    Ok(())
}

fn tool_choice(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let Some(mut choice) = obj.obj("tool_choice")? else {
        return Ok(());
    };
    request.tool_choice = Some(match choice.need_str("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Any,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.need_str("name")?),
        _ => {
            return Err(HubError::invalid("tool_choice.type", "expected auto, any, tool or none"));
        }
    });
    request.parallel_tools = choice.bool("disable_parallel_tool_use")?.map(|off| !off);
    choice.rest(lost);
    Ok(())
}

/// A text or a list of blocks.
fn content(obj: &mut Obj, field: &str, lost: &mut Vec<String>) -> Result<Vec<Part>, HubError> {
    let at = obj.at(field);
    match obj.take(field) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![Part::text(text)]),
        Some(Value::Array(list)) => {
            let mut parts = Vec::with_capacity(list.len());
            for (nth, value) in list.into_iter().enumerate() {
                parts.extend(block(Obj::new(value, format!("{at}[{nth}]"))?, lost)?);
            }
            Ok(parts)
        }
        Some(_) => Err(HubError::invalid(at, "expected a string or an array of blocks")),
    }
}

fn block(mut block: Obj, lost: &mut Vec<String>) -> Result<Option<Part>, HubError> {
    let kind = block.need_str("type")?;
    let cache = cache(&mut block)?;
    let part = match kind.as_str() {
        "text" => {
            // Citations of an earlier answer are not needed to go on.
            let _citations = block.take("citations");
            Part::Text(Text { text: block.need_str("text")?, cache, ..Text::default() })
        }
        "image" => Part::Image { source: source(&mut block, lost)?, detail: None, cache },
        "document" => {
            if let Some(mut citations) = block.obj("citations")?
                && citations.bool("enabled")?.unwrap_or(false)
            {
                lost.push(block.at("citations"));
            }
            Part::Document { source: source(&mut block, lost)?, name: block.str("title")?, cache }
        }
        "search_result" => {
            let title = block.str("title")?;
            let from = block.str("source")?;
            let _citations = block.take("citations");
            let parts = content(&mut block, "content", lost)?;
            let text = texts(&parts).join("\n");
            let name = title.or(from);
            Part::Document { source: Source::Text(text), name, cache }
        }
        "tool_use" => {
            let input = block.take("input").unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            let _caller = block.take("caller");
            Part::ToolUse(ToolUse {
                id: block.need_str("id")?,
                name: block.need_str("name")?,
                args: input.to_string(),
                ..ToolUse::default()
            })
        }
        "tool_result" => Part::ToolResult(ToolResult {
            id: block.need_str("tool_use_id")?,
            is_error: block.bool("is_error")?.unwrap_or(false),
            parts: content(&mut block, "content", lost)?,
            cache,
            ..ToolResult::default()
        }),
        "thinking" => {
            let text = block.str("thinking")?.unwrap_or_default();
            let seal = block.str("signature")?.filter(|seal| !seal.is_empty());
            let signature = seal.map(|seal| Signature::carried(Dialect::Messages, &seal));
            let redacted = text.is_empty() && signature.as_ref().is_some_and(|seal| seal.origin != Dialect::Messages);
            Part::Thinking(Thinking { text, signature, redacted })
        }
        "redacted_thinking" => {
            let seal = Signature::hidden(block.need_str("data")?);
            Part::Thinking(Thinking { text: String::new(), signature: Some(seal), redacted: true })
        }
        // What another vendor's own tools did in earlier turns; its findings are in the text.
        name if name == "server_tool_use" || name.ends_with("_tool_result") || name == "tool_reference" => {
            lost.push(format!("{} ({name})", block.path()));
            return Ok(None);
        }
        _ => {
            return Err(HubError::unsupported(block.at("type"), format!("content of type '{kind}' is not known")));
        }
    };
    block.rest(lost);
    Ok(Some(part))
}

fn source(block: &mut Obj, lost: &mut Vec<String>) -> Result<Source, HubError> {
    let source = block.obj("source")?;
    let mut source = source.ok_or_else(|| HubError::invalid(block.at("source"), "required"))?;
    let at = source.path().to_owned();
    let read = match source.need_str("type")?.as_str() {
        "base64" => {
            let kind = source.need_str("media_type")?;
            media::base64(&kind, &source.need_str("data")?)
        }
        "url" => media::from_url(&source.need_str("url")?, &at)?,
        "file" => Source::File(source.need_str("file_id")?),
        "text" => {
            let _plain = source.take("media_type");
            Source::Text(source.need_str("data")?)
        }
        "content" => {
            let parts = content(&mut source, "content", lost)?;
            if parts.iter().any(|part| !matches!(part, Part::Text(_))) {
                return Err(HubError::unsupported(at, "a document made of pictures cannot be translated"));
            }
            Source::Text(texts(&parts).join("\n"))
        }
        _ => {
            return Err(HubError::invalid(source.at("type"), "expected base64, url, text, content or file"));
        }
    };
    source.rest(lost);
    Ok(read)
}

fn texts<'a>(parts: &'a [Part]) -> Vec<&'a str> {
    let text = |part: &'a Part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        _ => None,
    };
    parts.iter().filter_map(text).collect()
}

fn cache(obj: &mut Obj) -> Result<Option<Cache>, HubError> {
    let Some(mut mark) = obj.obj("cache_control")? else {
        return Ok(None);
    };
    Ok(Some(if mark.str("ttl")?.as_deref() == Some("1h") { Cache::Long } else { Cache::Short }))
}

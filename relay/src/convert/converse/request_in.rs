//! A converse request into the hub.

use serde_json::json;

use super::super::hub::{
    Cache, Format, Function, HubError, Message, Part, Reasoning, Request, Role, Sampling, Text, Thinking, Tool,
    ToolChoice, ToolResult, ToolUse,
};
use super::super::json::Obj;
use super::super::thoughts;
use super::{hidden, read_media, seal};

/// Reads a request; the second half names the fields nobody took. `model` and `stream` come from the path.
pub(crate) fn read_request(body: &[u8], model: &str, stream: bool) -> Result<(Request, Vec<String>), HubError> {
    let mut obj = Obj::parse(body)?;
    let mut lost = Vec::new();
    let mut request = Request { model: model.to_owned(), stream, ..Request::default() };
    request.system = content(&mut obj, "system", &mut lost)?;
    if let Some(mut config) = obj.obj("inferenceConfig")? {
        request.sampling = Sampling {
            max_output: config.limit("maxTokens")?,
            temperature: config.f64("temperature")?,
            top_p: config.f64("topP")?,
            stop: config.strs("stopSequences")?,
            ..Sampling::default()
        };
        config.rest(&mut lost);
    }
    tools(&mut obj, &mut request, &mut lost)?;
    output_config(&mut obj, &mut request, &mut lost)?;
    if let Some(mut more) = obj.obj("additionalModelRequestFields")? {
        request.sampling.top_k = more.u64("top_k")?;
        if let Some(mut thinking) = more.obj("thinking")? {
            let off = thinking.str("type")?.as_deref() == Some("disabled");
            let budget = thinking.u64("budget_tokens")?;
            let shown = thinking.str("display")?.as_deref() != Some("omitted");
            request.reasoning = Some(Reasoning { off, budget, effort: None, show: Some(!off && shown) });
            thinking.rest(&mut lost);
        }
        claudes_output(&mut more, &mut request, &mut lost)?;
        more.rest(&mut lost);
    }
    for mut message in obj.objs("messages")? {
        let role = match message.need_str("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => {
                return Err(HubError::invalid(message.at("role"), "expected user or assistant"));
            }
        };
        let parts = content(&mut message, "content", &mut lost)?;
        request.messages.push(Message { role, parts });
        message.rest(&mut lost);
    }
    if request.messages.is_empty() {
        return Err(HubError::invalid("messages", "required"));
    }
    obj.rest(&mut lost);
    Ok((request, lost))
}

/// What clients of Claude's models on this platform say in Claude's own words: effort, and the form of the answer.
fn claudes_output(more: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let Some(mut config) = more.obj("output_config")? else {
        return Ok(());
    };
    if let Some(effort) = config.str("effort")? {
        request.reasoning.get_or_insert_default().effort = Some(effort);
    }
    if let Some(mut form) = config.obj("format")? {
        if form.need_str("type")? != "json_schema" {
            return Err(HubError::invalid(form.at("type"), "expected json_schema"));
        }
        let schema = form.take("schema").ok_or_else(|| HubError::invalid(form.at("schema"), "required"))?;
        request.format = Format::Schema { name: form.str("name")?, description: None, schema, strict: Some(true) };
        form.rest(lost);
    }
    config.rest(lost);
    Ok(())
}

fn output_config(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let Some(mut config) = obj.obj("outputConfig")? else {
        return Ok(());
    };
    if let Some(mut form) = config.obj("textFormat")? {
        let _kind = form.take("type");
        if let Some(mut structure) = form.obj("structure")?
            && let Some(mut inner) = structure.obj("jsonSchema")?
        {
            let at = inner.at("schema");
            let text = inner.need_str("schema")?;
            let schema = serde_json::from_str(&text).map_err(|_| HubError::invalid(at, "expected JSON in a string"))?;
            let (name, description) = (inner.str("name")?, inner.str("description")?);
            request.format = Format::Schema { name, description, schema, strict: Some(true) };
        }
        form.rest(lost);
    }
    config.rest(lost);
    Ok(())
}

fn tools(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let Some(mut config) = obj.obj("toolConfig")? else {
        return Ok(());
    };
    for mut tool in config.objs("tools")? {
        if let Some(mut spec) = tool.obj("toolSpec")? {
            let schema = match spec.obj("inputSchema")? {
                Some(mut schema) => schema.take("json"),
                None => None,
            };
            request.tools.push(Tool::Function(Function {
                name: spec.need_str("name")?,
                description: spec.str("description")?,
                schema,
                strict: spec.bool("strict")?,
                cache: None,
            }));
            spec.rest(lost);
        } else if let Some(mark) = tool.obj("cachePoint")?
            && let Some(Tool::Function(function)) = request.tools.last_mut()
        {
            function.cache = Some(ttl(mark)?);
        }
        for (kind, _) in tool.into_map() {
            request.tools.push(Tool::Hosted { kind });
        }
    }
    if let Some(mut choice) = config.obj("toolChoice")? {
        request.tool_choice = if choice.has("any") {
            Some(ToolChoice::Any)
        } else if let Some(mut tool) = choice.obj("tool")? {
            Some(ToolChoice::Named(tool.need_str("name")?))
        } else {
            Some(ToolChoice::Auto)
        };
    }
    config.rest(lost);
    Ok(())
}

fn ttl(mut mark: Obj) -> Result<Cache, HubError> {
    Ok(if mark.str("ttl")?.as_deref() == Some("1h") { Cache::Long } else { Cache::Short })
}

fn content(obj: &mut Obj, field: &str, lost: &mut Vec<String>) -> Result<Vec<Part>, HubError> {
    let mut parts: Vec<Part> = Vec::new();
    for mut block in obj.objs(field)? {
        if let Some(mark) = block.obj("cachePoint")? {
            let wanted = Some(ttl(mark)?);
            match parts.last_mut() {
                Some(Part::Text(Text { cache, .. }) | Part::Image { cache, .. } | Part::Document { cache, .. }) => {
                    *cache = wanted;
                }
                Some(Part::ToolResult(result)) => result.cache = wanted,
                _ => lost.push(block.at("cachePoint")),
            }
            continue;
        }
        parts.push(part(&mut block, lost)?);
        block.rest(lost);
    }
    Ok(parts)
}

fn part(block: &mut Obj, lost: &mut Vec<String>) -> Result<Part, HubError> {
    if let Some(text) = block.str("text")? {
        return Ok(Part::text(text));
    }
    if let Some(value) = block.take("json") {
        return Ok(Part::text(value.to_string()));
    }
    if let Some(image) = block.obj("image")? {
        let (source, _) = read_media(image, "image")?;
        return Ok(Part::Image { source, detail: None, cache: None });
    }
    if let Some(document) = block.obj("document")? {
        let (source, name) = read_media(document, "document")?;
        return Ok(Part::Document { source, name, cache: None });
    }
    if let Some(video) = block.obj("video")? {
        let (source, _) = read_media(video, "video")?;
        return Ok(Part::Video { source });
    }
    if let Some(mut call) = block.obj("toolUse")? {
        let input = call.take("input").unwrap_or_else(|| json!({}));
        let (id, name) = (call.need_str("toolUseId")?, call.need_str("name")?);
        return Ok(Part::ToolUse(ToolUse { id, name, args: input.to_string(), ..ToolUse::default() }));
    }
    if let Some(mut result) = block.obj("toolResult")? {
        let id = result.need_str("toolUseId")?;
        let is_error = result.str("status")?.as_deref() == Some("error");
        let parts = content(&mut result, "content", lost)?;
        return Ok(Part::ToolResult(ToolResult { id, parts, is_error, ..ToolResult::default() }));
    }
    if let Some(mut thought) = block.obj("reasoningContent")? {
        if let Some(mut text) = thought.obj("reasoningText")? {
            let signature = text.str("signature")?.filter(|value| !value.is_empty()).map(seal);
            return Ok(Part::Thinking(Thinking { text: text.need_str("text")?, signature, redacted: false }));
        }
        return Ok(thoughts::sealed(hidden(thought.need_str("redactedContent")?)));
    }
    Err(HubError::unsupported(block.path(), "this kind of content is not known"))
}

//! A chat completions request into the hub.

use serde_json::Value;

use super::super::hub::{Format, Function, HubError, Reasoning, Request, Sampling, Tool, ToolChoice, WebSearch};
use super::super::json::Obj;
use super::turns_in::{cache, read_message};

/// Reads a request; the second half names the fields nobody took.
pub(crate) fn read_request(body: &[u8], named: &str) -> Result<(Request, Vec<String>), HubError> {
    let mut obj = Obj::parse(body)?;
    let mut lost = Vec::new();
    let mut request = Request {
        model: obj.model(named)?,
        stream: obj.bool("stream")?.unwrap_or(false),
        sampling: sampling(&mut obj)?,
        parallel_tools: obj.bool("parallel_tool_calls")?,
        cache_key: obj.str("prompt_cache_key")?,
        ..Request::default()
    };
    if let Some(mut options) = obj.obj("stream_options")? {
        request.include_usage = options.bool("include_usage")?.unwrap_or(false);
        options.rest(&mut lost);
    }
    refuse_what_has_no_hub_word(&mut obj, &mut lost)?;
    let end_user = obj.str("safety_identifier")?;
    request.user = obj.str("user")?.or(end_user);
    if let Some(metadata) = obj.obj("metadata")? {
        request.metadata = metadata.into_map();
    }
    request.format = format(&mut obj, &mut lost)?;
    request.reasoning = reasoning(&mut obj, &mut lost)?;
    request.old_functions = obj.has("functions") && !obj.has("tools");
    if request.old_functions {
        // A `function_call` holds one.
        request.parallel_tools = Some(false);
    }
    request.tools = tools(&mut obj, &mut lost)?;
    request.tool_choice = tool_choice(&mut obj)?;
    if !obj.has("messages") {
        return Err(HubError::invalid("messages", "required"));
    }
    for message in obj.objs("messages")? {
        read_message(message, &mut request, &mut lost)?;
    }
    obj.rest(&mut lost);
    Ok((request, lost))
}

fn sampling(obj: &mut Obj) -> Result<Sampling, HubError> {
    let old_limit = obj.limit("max_tokens")?;
    let stop = match obj.take("stop") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|one| one.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
            texts.ok_or_else(|| HubError::invalid("stop", "expected strings"))?
        }
        Some(_) => {
            return Err(HubError::invalid("stop", "expected a string or an array of strings"));
        }
    };
    Ok(Sampling {
        max_output: obj.limit("max_completion_tokens")?.or(old_limit),
        temperature: obj.f64("temperature")?,
        top_p: obj.f64("top_p")?,
        top_k: obj.u64("top_k")?,
        stop,
        seed: obj.i64("seed")?,
        presence_penalty: obj.f64("presence_penalty")?.filter(|p| *p != 0.0),
        frequency_penalty: obj.f64("frequency_penalty")?.filter(|p| *p != 0.0),
        logit_bias: obj.take("logit_bias").filter(|bias| bias.as_object().is_none_or(|map| !map.is_empty())),
        verbosity: obj.str("verbosity")?,
    })
}

fn refuse_what_has_no_hub_word(obj: &mut Obj, lost: &mut Vec<String>) -> Result<(), HubError> {
    if obj.u64("n")?.is_some_and(|n| n != 1) {
        return Err(HubError::unsupported("n", "only one answer can be translated"));
    }
    if obj.bool("logprobs")?.unwrap_or(false) || obj.u64("top_logprobs")?.is_some_and(|n| n > 0) {
        return Err(HubError::unsupported("logprobs", "token probabilities are not available with this model"));
    }
    if obj.strs("modalities")?.iter().any(|kind| kind != "text") {
        return Err(HubError::unsupported("modalities", "only text output can be translated"));
    }
    if obj.bool("store")?.unwrap_or(false) {
        lost.push("store".to_owned());
    }
    if obj.str("service_tier")?.is_some_and(|tier| tier != "auto" && tier != "default") {
        lost.push("service_tier".to_owned());
    }
    Ok(())
}

fn format(obj: &mut Obj, lost: &mut Vec<String>) -> Result<Format, HubError> {
    let Some(mut format) = obj.obj("response_format")? else {
        return Ok(Format::Text);
    };
    let kind = format.need_str("type")?;
    let read = match kind.as_str() {
        "text" => Format::Text,
        "json_object" => Format::Json,
        "json_schema" => {
            let inner = format.obj("json_schema")?;
            let mut inner = inner.ok_or_else(|| HubError::invalid("response_format.json_schema", "required"))?;
            let read = Format::Schema {
                name: inner.str("name")?,
                description: inner.str("description")?,
                schema: inner.take("schema").unwrap_or_else(|| Value::Object(serde_json::Map::new())),
                strict: inner.bool("strict")?,
            };
            inner.rest(lost);
            read
        }
        _ => {
            return Err(HubError::invalid("response_format.type", "expected text, json_object or json_schema"));
        }
    };
    format.rest(lost);
    Ok(read)
}

/// OpenAI's own word is `reasoning_effort`; the object forms are those of well-known compatible vendors.
fn reasoning(obj: &mut Obj, lost: &mut Vec<String>) -> Result<Option<Reasoning>, HubError> {
    let mut read = Reasoning::default();
    let mut asked = false;
    if let Some(mut inner) = obj.obj("reasoning")? {
        asked = true;
        read.effort = inner.str("effort")?;
        read.budget = inner.u64("max_tokens")?;
        read.off = inner.bool("enabled")? == Some(false);
        read.show = inner.bool("exclude")?.map(|hide| !hide);
        inner.rest(lost);
    }
    if let Some(mut inner) = obj.obj("thinking")? {
        asked = true;
        read.off = inner.peek_str("type") == Some("disabled");
        let _kind = inner.take("type");
        read.budget = inner.u64("budget_tokens")?.or(read.budget);
        inner.rest(lost);
    }
    if let Some(effort) = obj.str("reasoning_effort")? {
        asked = true;
        read.effort = Some(effort);
    }
    if read.effort.as_deref() == Some("none") {
        read.effort = None;
        read.off = true;
    }
    Ok(asked.then_some(read))
}

fn tools(obj: &mut Obj, lost: &mut Vec<String>) -> Result<Vec<Tool>, HubError> {
    let mut tools = Vec::new();
    for mut tool in obj.objs("tools")? {
        let kind = tool.str("type")?.unwrap_or_else(|| "function".to_owned());
        match kind.as_str() {
            "function" => {
                let inner = tool.obj("function")?;
                let mut inner = inner.ok_or_else(|| HubError::invalid(tool.at("function"), "required"))?;
                let mut function = function(&mut inner)?;
                function.cache = cache(&mut tool)?;
                inner.rest(lost);
                tools.push(Tool::Function(function));
            }
            "custom" => {
                let inner = tool.obj("custom")?;
                let mut inner = inner.ok_or_else(|| HubError::invalid(tool.at("custom"), "required"))?;
                tools.push(Tool::Custom {
                    name: inner.need_str("name")?,
                    description: inner.str("description")?,
                    format: inner.take("format").map(flat_grammar),
                });
                inner.rest(lost);
            }
            _ => {
                tools.push(Tool::Hosted { kind });
                continue;
            }
        }
        tool.rest(lost);
    }
    for mut old in obj.objs("functions")? {
        tools.push(Tool::Function(function(&mut old)?));
        old.rest(lost);
    }
    if let Some(mut search) = obj.obj("web_search_options")? {
        let context_size = search.str("search_context_size")?;
        let mut location = None;
        if let Some(mut place) = search.obj("user_location")? {
            let _kind = place.take("type");
            location = place.obj("approximate")?.map(Obj::into_map);
            place.rest(lost);
        }
        search.rest(lost);
        tools.push(Tool::WebSearch(WebSearch { context_size, location, ..WebSearch::default() }));
    }
    Ok(tools)
}

/// A grammar as the hub holds it: without chat's second wrapping.
fn flat_grammar(format: Value) -> Value {
    match format {
        Value::Object(mut map) => match map.remove("grammar") {
            Some(Value::Object(inner)) => {
                map.extend(inner);
                Value::Object(map)
            }
            _ => Value::Object(map),
        },
        other => other,
    }
}

fn function(obj: &mut Obj) -> Result<Function, HubError> {
    Ok(Function {
        name: obj.need_str("name")?,
        description: obj.str("description")?,
        schema: obj.take("parameters"),
        strict: obj.bool("strict")?,
        cache: None,
    })
}

fn tool_choice(obj: &mut Obj) -> Result<Option<ToolChoice>, HubError> {
    let wrong = || HubError::invalid("tool_choice", "expected none, auto, required or a tool");
    let Some(choice) = obj.take("tool_choice").or_else(|| obj.take("function_call")) else {
        return Ok(None);
    };
    let read = match &choice {
        Value::String(word) => match word.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Any,
            _ => return Err(wrong()),
        },
        Value::Object(map) => {
            let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
            let name_in = |one: &Value| {
                let inner = one.get("function").or_else(|| one.get("custom")).unwrap_or(one);
                text(inner.get("name"))
            };
            match map.get("allowed_tools") {
                Some(allowed) => {
                    let list = allowed.get("tools").and_then(Value::as_array).ok_or_else(wrong)?;
                    let names = list.iter().map(name_in).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
                    ToolChoice::Among { names, must: text(allowed.get("mode")).as_deref() == Some("required") }
                }
                None => ToolChoice::Named(name_in(&choice).ok_or_else(wrong)?),
            }
        }
        _ => return Err(wrong()),
    };
    Ok(Some(read))
}

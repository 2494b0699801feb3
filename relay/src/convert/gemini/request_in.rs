//! A Gemini request into the hub. Field names are taken in camel case and in snake case.

use serde_json::{Value, json};

use super::super::hub::{
    Format, Function, HubError, Message, Part, Reasoning, Request, Role, Sampling, Signature, Source, Text, Thinking,
    Tool, ToolChoice, ToolResult, ToolUse, WebSearch,
};
use super::super::json::Obj;
use super::super::{Dialect, media, thoughts};
use super::NO_SEAL;
use super::schema::to_json_schema;

/// Reads a request; the second half names the fields nobody took. `model` and `stream` come from the path.
pub(crate) fn read_request(body: &[u8], model: &str, stream: bool) -> Result<(Request, Vec<String>), HubError> {
    let mut obj = Obj::parse(body)?;
    let mut lost = Vec::new();
    let _named_in_the_path = obj.take("model");
    let mut request = Request { model: model.to_owned(), stream, ..Request::default() };
    let mut calls = Calls::default();
    if let Some(mut system) = system(&mut obj)? {
        let _role = system.take("role");
        for part in system.objs("parts")? {
            request.system.extend(read_part(part, &mut calls, &mut lost)?);
        }
        system.rest(&mut lost);
    }
    if let Some(config) = obj.obj("generationConfig")? {
        generation_config(config, &mut request, &mut lost)?;
    }
    tools(&mut obj, &mut request, &mut lost)?;
    tool_config(&mut obj, &mut request, &mut lost)?;
    if !obj.has("contents") {
        return Err(HubError::invalid("contents", "required"));
    }
    for mut content in contents(&mut obj)? {
        let role = match content.str("role")?.as_deref() {
            None | Some("user" | "function" | "tool") => Role::User,
            Some("model") => Role::Assistant,
            Some("system") => Role::System,
            Some(_) => {
                return Err(HubError::invalid(content.at("role"), "expected user or model"));
            }
        };
        let mut parts = Vec::new();
        for part in content.objs("parts")? {
            parts.extend(read_part(part, &mut calls, &mut lost)?);
        }
        content.rest(&mut lost);
        // Clients that keep a streamed answer as it came give it back chunk by chunk.
        match request.messages.last_mut() {
            Some(last) if last.role == Role::Assistant && role == Role::Assistant => last.parts.extend(parts),
            _ => request.messages.push(Message { role, parts }),
        }
    }
    for message in request.messages.iter_mut().filter(|message| message.role == Role::Assistant) {
        message.parts = thoughts::joined(std::mem::take(&mut message.parts));
    }
    obj.rest(&mut lost);
    Ok((request, lost))
}

/// Instructions may be a text, a content, or a bare part.
fn system(obj: &mut Obj) -> Result<Option<Obj>, HubError> {
    match obj.take("systemInstruction") {
        None => Ok(None),
        Some(Value::String(text)) => Obj::new(json!({"parts": [{"text": text}]}), "systemInstruction").map(Some),
        Some(value) if value.get("text").is_some() => {
            Obj::new(json!({"parts": [value]}), "systemInstruction").map(Some)
        }
        Some(value) => Obj::new(value, "systemInstruction").map(Some),
    }
}

/// A single content need not be a list.
fn contents(obj: &mut Obj) -> Result<Vec<Obj>, HubError> {
    let list = match obj.take("contents") {
        Some(Value::Array(list)) => list,
        Some(one @ Value::Object(_)) => vec![one],
        _ => return Err(HubError::invalid("contents", "expected an array")),
    };
    list.into_iter().enumerate().map(|(nth, value)| Obj::new(value, format!("contents[{nth}]"))).collect()
}

fn generation_config(mut config: Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    request.sampling = Sampling {
        max_output: config.limit("maxOutputTokens")?,
        temperature: config.f64("temperature")?,
        top_p: config.f64("topP")?,
        top_k: config.u64("topK")?,
        stop: config.strs("stopSequences")?,
        seed: config.i64("seed")?,
        presence_penalty: config.f64("presencePenalty")?.filter(|p| *p != 0.0),
        frequency_penalty: config.f64("frequencyPenalty")?.filter(|p| *p != 0.0),
        ..Sampling::default()
    };
    if config.u64("candidateCount")?.is_some_and(|n| n > 1) {
        return Err(HubError::unsupported(config.at("candidateCount"), "only one answer can be translated"));
    }
    if config.bool("responseLogprobs")?.unwrap_or(false) {
        let at = config.at("responseLogprobs");
        return Err(HubError::unsupported(at, "token probabilities are not available with this model"));
    }
    let _without_probabilities = config.take("logprobs");
    if config.strs("responseModalities")?.iter().any(|kind| !kind.eq_ignore_ascii_case("text")) {
        return Err(HubError::unsupported(config.at("responseModalities"), "only text output can be translated"));
    }
    let schema = config.take("responseJsonSchema").or_else(|| config.take("_responseJsonSchema"));
    let schema = schema.or_else(|| config.take("responseSchema").map(to_json_schema));
    let mime = config.str("responseMimeType")?;
    request.format = match (mime.as_deref(), schema) {
        (None | Some("text/plain"), None) => Format::Text,
        (Some("application/json"), None) => Format::Json,
        (None | Some("application/json"), Some(schema)) => {
            Format::Schema { name: None, description: None, schema, strict: Some(true) }
        }
        _ => {
            return Err(HubError::unsupported(config.at("responseMimeType"), "not available with this model"));
        }
    };
    if let Some(mut thinking) = config.obj("thinkingConfig")? {
        let mut reasoning = Reasoning { show: thinking.bool("includeThoughts")?, ..Reasoning::default() };
        match thinking.i64("thinkingBudget")? {
            Some(0) => reasoning.off = true,
            Some(budget) if budget > 0 => reasoning.budget = u64::try_from(budget).ok(),
            _ => {}
        }
        reasoning.effort = thinking.str("thinkingLevel")?.map(|level| level.to_ascii_lowercase());
        thinking.rest(lost);
        request.reasoning = Some(reasoning);
    }
    config.rest(lost);
    Ok(())
}

fn tools(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    for mut tool in obj.objs("tools")? {
        for mut declared in tool.objs("functionDeclarations")? {
            let schema = declared.take("parametersJsonSchema");
            let schema = schema.or_else(|| declared.take("parameters").map(to_json_schema));
            request.tools.push(Tool::Function(Function {
                name: declared.need_str("name")?,
                description: declared.str("description")?,
                schema,
                ..Function::default()
            }));
            // Descriptions of what comes back only help the model a little; no other vendor takes them.
            let _response = (declared.take("response"), declared.take("responseJsonSchema"));
            declared.rest(lost);
        }
        if let Some(mut search) = tool.obj("googleSearch")? {
            let blocked = search.strs("excludeDomains")?;
            search.rest(lost);
            request.tools.push(Tool::WebSearch(WebSearch { blocked, ..WebSearch::default() }));
        }
        for (kind, _) in tool.into_map() {
            request.tools.push(Tool::Hosted { kind });
        }
    }
    Ok(())
}

fn tool_config(obj: &mut Obj, request: &mut Request, lost: &mut Vec<String>) -> Result<(), HubError> {
    let Some(mut config) = obj.obj("toolConfig")? else {
        return Ok(());
    };
    if let Some(mut calling) = config.obj("functionCallingConfig")? {
        let mut names = calling.strs("allowedFunctionNames")?;
        let mode = calling.str("mode")?.unwrap_or_default().to_ascii_uppercase();
        request.tool_choice = match mode.as_str() {
            "NONE" => Some(ToolChoice::None),
            "ANY" if names.len() == 1 => Some(ToolChoice::Named(names.remove(0))),
            "ANY" if names.is_empty() => Some(ToolChoice::Any),
            "ANY" => Some(ToolChoice::Among { names, must: true }),
            "AUTO" | "VALIDATED" if names.is_empty() => Some(ToolChoice::Auto),
            "VALIDATED" => Some(ToolChoice::Among { names, must: false }),
            "" | "AUTO" | "MODE_UNSPECIFIED" => None,
            _ => {
                return Err(HubError::invalid(calling.at("mode"), "expected AUTO, ANY or NONE"));
            }
        };
        calling.rest(lost);
    }
    config.rest(lost);
    Ok(())
}

/// Calls whose results have not come yet: this dialect may leave ids out and link by name and order.
#[derive(Debug, Default)]
struct Calls {
    count: usize,
    waiting: Vec<(String, String)>,
}

impl Calls {
    fn called(&mut self, name: &str, id: Option<String>) -> String {
        let id = id.unwrap_or_else(|| self.fresh());
        self.waiting.push((name.to_owned(), id.clone()));
        id
    }

    fn answered(&mut self, name: &str, id: Option<String>) -> String {
        let at = self.waiting.iter().position(|(called, waiting)| match &id {
            Some(id) => id == waiting,
            None => called == name,
        });
        match (at, id) {
            (Some(at), _) => self.waiting.remove(at).1,
            (None, Some(id)) => id,
            (None, None) => self.fresh(),
        }
    }

    fn fresh(&mut self) -> String {
        self.count += 1;
        format!("call_{}", self.count)
    }
}

fn read_part(mut part: Obj, calls: &mut Calls, lost: &mut Vec<String>) -> Result<Vec<Part>, HubError> {
    let thought = part.bool("thought")?.unwrap_or(false);
    let seal = part.str("thoughtSignature")?.filter(|seal| !seal.is_empty() && seal != NO_SEAL);
    let seal = seal.map(|seal| Signature::carried(Dialect::Gemini, &seal));
    let mut out = Vec::new();
    // Another vendor's seal belongs to a thought, whatever part the client kept it on.
    let (own, foreign) = match seal {
        Some(seal) if seal.origin == Dialect::Gemini => (Some(seal), None),
        other => (None, other),
    };
    if let Some(text) = part.str("text")? {
        if thought || (text.is_empty() && foreign.is_some()) {
            let signature = own.or(foreign);
            out.push(Part::Thinking(Thinking { redacted: text.is_empty(), text, signature }));
        } else {
            out.extend(foreign.map(thoughts::sealed));
            out.push(Part::Text(Text { text, signature: own, ..Text::default() }));
        }
    } else if let Some(mut call) = part.obj("functionCall")? {
        out.extend(foreign.map(thoughts::sealed));
        let name = call.need_str("name")?;
        let given = call.str("id")?.filter(|id| !id.is_empty());
        let id = calls.called(&name, given);
        let args = call.take("args").map_or_else(|| "{}".to_owned(), |args| args.to_string());
        out.push(Part::ToolUse(ToolUse { id, name, args, custom: false, signature: own }));
        call.rest(lost);
    } else if let Some(mut result) = part.obj("functionResponse")? {
        let name = result.need_str("name")?;
        let given = result.str("id")?.filter(|id| !id.is_empty());
        let id = calls.answered(&name, given);
        let (mut parts, is_error) = outcome(result.take("response").unwrap_or_else(|| json!({})));
        for inner in result.objs("parts")? {
            parts.extend(read_part(inner, calls, lost)?);
        }
        let _scheduling = (result.take("willContinue"), result.take("scheduling"));
        out.push(Part::ToolResult(ToolResult { id, name: Some(name), parts, is_error, ..ToolResult::default() }));
        result.rest(lost);
    } else if let Some(mut data) = part.obj("inlineData")? {
        let mime = data.need_str("mimeType")?;
        let source = media::base64(&mime, &data.need_str("data")?);
        out.push(media_part(&mime, source, data.str("displayName")?));
        data.rest(lost);
    } else if let Some(mut file) = part.obj("fileData")? {
        let uri = file.need_str("fileUri")?;
        let mime = file.str("mimeType")?.unwrap_or_else(|| media::media_of_url(&uri).to_owned());
        let held = uri.starts_with("gs://") || uri.contains("googleapis.com/");
        let source = if held { Source::File(uri) } else { Source::Url(uri) };
        out.push(media_part(&mime, source, file.str("displayName")?));
        file.rest(lost);
    } else if part.take("executableCode").is_some() || part.take("codeExecutionResult").is_some() {
        lost.push(format!("{} (code execution)", part.path()));
    } else if let Some(seal) = own.or(foreign) {
        out.push(thoughts::sealed(seal));
    } else {
        return Err(HubError::invalid(part.path(), "a part without content"));
    }
    part.rest(lost);
    Ok(out)
}

fn media_part(mime: &str, source: Source, name: Option<String>) -> Part {
    match mime.split('/').next().unwrap_or_default() {
        "image" => Part::Image { source, detail: None, cache: None },
        "audio" => Part::Audio { source },
        "video" => Part::Video { source },
        _ => Part::Document { source, name, cache: None },
    }
}

/// A function's response object as words: the customary wrappers are taken off.
fn outcome(response: Value) -> (Vec<Part>, bool) {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if let Value::Object(map) = &response {
        if let (1, Some((key, value))) = (map.len(), map.iter().next()) {
            match key.as_str() {
                "output" | "result" => return (vec![Part::text(text(value))], false),
                "error" => return (vec![Part::text(text(value))], true),
                _ => {}
            }
        }
        if map.is_empty() {
            return (Vec::new(), false);
        }
    }
    (vec![Part::text(response.to_string())], false)
}

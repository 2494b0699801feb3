//! Paths of OpenAI's clients and Azure's.

use http::Method;

use super::{CallRoute, Mount, Route, Target, call, decoded, model_paths, service_own};
use crate::provider::{Dialect, Operation};

/// What stands behind OpenAI's `/v1`.
pub(super) fn paths<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    let post = *method == Method::POST;
    if let Some(tail) = rest.strip_prefix("/responses") {
        return responses(method, rest, tail);
    }
    if rest == "/realtime" && *method == Method::GET {
        return Some(call(Dialect::Realtime, Operation::Realtime));
    }
    if let Some(tail) = rest.strip_prefix("/conversations") {
        let fits = tail.is_empty() && post || tail.starts_with('/');
        return fits.then_some(stored(rest));
    }
    if !post {
        return None;
    }
    // The oldest form names the model in the path.
    if let Some(model) = rest.strip_prefix("/engines/").and_then(|tail| tail.strip_suffix("/embeddings")) {
        return Some(Target::Call(CallRoute {
            dialect: Dialect::Embeddings,
            operation: Operation::Embed,
            model: Some(decoded(model)),
            stream: Some(false),
            tail: "",
        }));
    }
    let (dialect, operation) = match rest {
        "/chat/completions" => (Dialect::Chat, Operation::Generate),
        "/completions" => (Dialect::Completions, Operation::Complete),
        "/embeddings" => (Dialect::Embeddings, Operation::Embed),
        "/images/generations" => (Dialect::Images, Operation::ImageGenerate),
        "/images/edits" => (Dialect::Images, Operation::ImageEdit),
        "/images/variations" => (Dialect::Images, Operation::ImageVary),
        "/audio/transcriptions" => (Dialect::Audio, Operation::Transcribe),
        "/audio/translations" => (Dialect::Audio, Operation::Translate),
        "/audio/speech" => (Dialect::Audio, Operation::Speak),
        "/moderations" => (Dialect::Moderations, Operation::Moderate),
        "/rerank" => (Dialect::Rerank, Operation::Rerank),
        _ => return None,
    };
    Some(call(dialect, operation))
}

fn responses<'a>(method: &Method, rest: &'a str, tail: &str) -> Option<Target<'a>> {
    let post = *method == Method::POST;
    match tail {
        "" if post => Some(call(Dialect::Responses, Operation::Generate)),
        "/compact" if post => Some(call(Dialect::Responses, Operation::Compact)),
        "/input_tokens" if post => Some(call(Dialect::Responses, Operation::CountTokens)),
        tail => {
            let id = tail.strip_prefix('/')?;
            let (id, below) = id.split_once('/').unwrap_or((id, ""));
            let fits = match below {
                "" => matches!(*method, Method::GET | Method::DELETE),
                "cancel" => post,
                "input_items" => *method == Method::GET,
                _ => false,
            };
            (fits && !id.is_empty()).then(|| stored(rest))
        }
    }
}

fn stored(rest: &str) -> Target<'_> {
    Target::Call(CallRoute {
        dialect: Dialect::Responses,
        operation: Operation::Stored,
        model: None,
        stream: None,
        tail: rest,
    })
}

/// `/openai/…`: OpenAI's paths with or without `/v1`, Azure's clients, and the other services in OpenAI's dialect.
pub(super) fn openai<'a>(method: &Method, rest: &'a str) -> Route<'a> {
    let (mount, rest) = match rest {
        _ if rest.starts_with("/claude/") => (Mount::Claude, rest.strip_prefix("/claude").unwrap_or(rest)),
        _ if rest.starts_with("/gemini/") => (Mount::Gemini, rest.strip_prefix("/gemini").unwrap_or(rest)),
        _ => (Mount::Openai, rest),
    };
    let inner = rest.strip_prefix("/v1").filter(|inner| inner.starts_with('/')).unwrap_or(rest);
    let target = deployment(method, inner)
        .or_else(|| model_paths(method, inner, Some(Dialect::Chat)))
        .or_else(|| service_own(method, inner))
        .or_else(|| paths(method, inner));
    Route { mount, target: target.unwrap_or(Target::Unknown { dialect: Dialect::Chat }) }
}

/// `/azure/…`: Azure's clients' paths, and the short ones.
pub(super) fn azure<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    if *method == Method::GET && rest == "/health" {
        return Some(Target::Health);
    }
    let inner = rest.strip_prefix("/openai").filter(|inner| inner.starts_with('/')).unwrap_or(rest);
    let inner = inner.strip_prefix("/v1").filter(|inner| inner.starts_with('/')).unwrap_or(inner);
    deployment(method, inner)
        .or_else(|| model_paths(method, inner, Some(Dialect::Chat)))
        .or_else(|| service_own(method, inner))
        .or_else(|| paths(method, inner))
}

/// `/deployments/{deployment}/…`: the deployment stands for the model.
fn deployment<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    let (name, below) = rest.strip_prefix("/deployments/").and_then(|tail| tail.split_at_checked(tail.find('/')?))?;
    match paths(method, below)? {
        Target::Call(call) if call.operation != Operation::Stored && !name.is_empty() => {
            Some(Target::Call(CallRoute { model: Some(decoded(name)), ..call }))
        }
        _ => None,
    }
}

//! What OpenAI's own models refuse that other vendors of their dialects take, and what they want instead.

use serde_json::{Value, json};

use super::hub::{Reasoning, Request, Role};
use super::rules::Notes;

/// Whether an OpenAI model is one that always can think: `o1` and on, `gpt-5` and on, `codex`. These refuse
/// `max_tokens`, which is all that most compatible vendors know.
pub(super) fn is_reasoner(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let digit_after = |prefix: &str| name.strip_prefix(prefix)?.chars().next()?.to_digit(10);
    digit_after("o").is_some() || digit_after("gpt-").is_some_and(|major| major >= 5) || name.starts_with("codex")
}

/// Whether the request makes such a model think.
pub(super) fn thinks(request: &Request) -> bool {
    is_reasoner(&request.model) && !request.reasoning.as_ref().is_some_and(|reasoning| reasoning.off)
}

/// Warns where the caller has begun the answer: these vendors begin it anew.
pub(super) fn begins_anew(request: &Request, notes: &mut Notes) {
    if request.messages.last().is_some_and(|last| last.role == Role::Assistant) {
        notes.warn("the last message, the assistant's: this vendor does not go on with it but answers anew");
    }
}

/// Temperature and nucleus for OpenAI's models, which take no others than 1 while they think.
pub(super) fn sampling(request: &Request, notes: &mut Notes) -> (Option<f64>, Option<f64>) {
    let (temperature, top_p) = (request.sampling.temperature, request.sampling.top_p);
    if !thinks(request) {
        return (temperature, top_p);
    }
    if temperature.is_some_and(|t| t != 1.0) || top_p.is_some_and(|p| p != 1.0) {
        notes.warn("temperature, top_p: not available with this model and not sent");
    }
    (None, None)
}

/// How to think, unless the model is one of OpenAI's that cannot and would refuse the call.
pub(super) fn reasoning<'a>(request: &'a Request, notes: &mut Notes) -> Option<&'a Reasoning> {
    let reasoning = request.reasoning.as_ref()?;
    let name = request.model.rsplit('/').next().unwrap_or(&request.model);
    if ["gpt-3", "gpt-4", "chatgpt-4"].iter().any(|old| name.starts_with(old)) {
        if !reasoning.off {
            notes.warn("thinking: not available with this model and not asked for");
        }
        return None;
    }
    Some(reasoning)
}

/// OpenAI's strict mode, kept only for schemas it accepts: every object closed, every property required.
pub(super) fn strict_if_it_fits(strict: Option<bool>, schema: Option<&Value>) -> Option<bool> {
    fn fits(schema: &Value) -> bool {
        let Value::Object(map) = schema else { return true };
        let closed = match map.get("properties") {
            Some(Value::Object(properties)) => {
                let required = map.get("required").and_then(Value::as_array);
                let all = properties.keys().all(|key| required.is_some_and(|list| list.iter().any(|one| one == key)));
                all && map.get("additionalProperties") == Some(&Value::Bool(false)) && properties.values().all(fits)
            }
            _ => {
                map.get("type") != Some(&json!("object"))
                    || map.get("additionalProperties") == Some(&Value::Bool(false))
            }
        };
        let lists = ["anyOf", "oneOf", "allOf", "prefixItems"];
        let inner = ["items", "$defs", "definitions"];
        closed
            && lists.iter().filter_map(|key| map.get(*key)?.as_array()).flatten().all(fits)
            && inner.iter().filter_map(|key| map.get(*key)).all(|value| match value {
                Value::Object(defs) if !defs.contains_key("type") => defs.values().all(fits),
                other => fits(other),
            })
    }
    match strict {
        Some(true) if schema.is_some_and(fits) => Some(true),
        Some(true) => None,
        other => other,
    }
}

/// An end user's name for OpenAI, which refuses long ones. (Anthropic's own client sends a whole JSON object.)
pub(super) fn short_user(request: &Request, notes: &mut Notes) -> Option<String> {
    const LONGEST: usize = 64;
    let user = request.user.as_ref()?;
    if user.len() > LONGEST {
        notes.warn("user: longer than 64 characters and not sent");
        return None;
    }
    Some(user.clone())
}

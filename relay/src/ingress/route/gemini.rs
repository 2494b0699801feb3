//! Paths of Google's clients.

use http::Method;

use super::{CallRoute, Target, messages, model_paths, service_own};
use crate::provider::{Dialect, Operation};

/// `/gemini/…`: Gemini's paths, Code Assist's, and messages for those who want them there.
pub(super) fn gemini<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    if let Some(action) = rest.strip_prefix("/v1internal").filter(|action| action.starts_with(':')) {
        return code_assist(method, action);
    }
    let inner = ["/v1beta", "/v1"]
        .iter()
        .find_map(|version| rest.strip_prefix(version).filter(|inner| inner.starts_with('/')))
        .unwrap_or(rest);
    model_paths(method, inner, Some(Dialect::Gemini))
        .or_else(|| messages(method, inner))
        .or_else(|| cached(method, inner))
        .or_else(|| service_own(method, inner))
}

/// Code Assist names the model in the body and everything else in the action.
fn code_assist<'a>(method: &Method, action: &'a str) -> Option<Target<'a>> {
    if *method != Method::POST {
        return None;
    }
    let (operation, stream) = match action {
        ":generateContent" => (Operation::Generate, false),
        ":streamGenerateContent" => (Operation::Generate, true),
        ":countTokens" => (Operation::CountTokens, false),
        ":loadCodeAssist"
        | ":onboardUser"
        | ":retrieveUserQuota"
        | ":listExperiments"
        | ":recordCodeAssistMetrics"
        | ":fetchAdminControls" => (Operation::Side, false),
        _ => return None,
    };
    Some(Target::Call(CallRoute {
        dialect: Dialect::CodeAssist,
        operation,
        model: None,
        stream: Some(stream),
        tail: action,
    }))
}

/// Gemini's cached contents.
pub(super) fn cached<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    let tail = rest.strip_prefix("/cachedContents")?;
    let fits = match tail {
        "" => matches!(*method, Method::POST | Method::GET),
        tail => {
            tail.starts_with('/') && tail.len() > 1 && matches!(*method, Method::GET | Method::PATCH | Method::DELETE)
        }
    };
    fits.then_some(Target::Call(CallRoute {
        dialect: Dialect::Gemini,
        operation: Operation::Stored,
        model: None,
        stream: Some(false),
        tail: rest,
    }))
}

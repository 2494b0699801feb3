//! Which call a method and path mean: pure, one table, deny by default.
//!
//! A path is read in two steps: the mount (`/openai`, `/claude/v1`, …) says whose door it is, the rest says
//! what is wanted. Doors that share a dialect share its rows.

mod gemini;
mod openai;

use std::borrow::Cow;

use http::Method;
use schema::model::api_key::Service;

use crate::provider::{Dialect, Operation};
use crate::wire::percent;

/// The door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mount {
    /// The vendors' own paths at the root: `/v1`, `/v1beta`.
    Root,
    /// `/api`.
    Api,
    /// `/claude`.
    Claude,
    /// `/gemini`.
    Gemini,
    /// `/openai`.
    Openai,
    /// `/azure`.
    Azure,
    /// `/bedrock`.
    Bedrock,
    /// `/mj`, `/suno`, `/kling` and video paths.
    Tasks,
}

impl Mount {
    /// The service whose permission this door asks for; the doors at the root ask by the account that serves.
    pub const fn service(self) -> Option<Service> {
        match self {
            Self::Api | Self::Claude => Some(Service::Claude),
            Self::Gemini => Some(Service::Gemini),
            Self::Openai | Self::Azure => Some(Service::Openai),
            Self::Bedrock => Some(Service::Bedrock),
            Self::Root | Self::Tasks => None,
        }
    }

    /// Whether refusals of keys have the body that the commercial documentation fixes.
    pub const fn is_commercial(self) -> bool {
        matches!(self, Self::Api | Self::Claude | Self::Gemini | Self::Openai | Self::Bedrock)
    }
}

/// A model call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRoute<'a> {
    /// The client's dialect.
    pub dialect: Dialect,
    /// What is to be done.
    pub operation: Operation,
    /// The model, where the path names it.
    pub model: Option<Cow<'a, str>>,
    /// Whether the answer streams, where the path says so.
    pub stream: Option<bool>,
    /// The path behind the dialect's root, for calls that follow it.
    pub tail: &'a str,
}

/// What a key's owner may ask about the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// OpenAI's `dashboard/billing/subscription`.
    Subscription,
    /// OpenAI's `dashboard/billing/usage`.
    Usage,
    /// Who the key belongs to.
    Me,
    /// The key's limits, as the Claude door words them.
    KeyInfo,
    /// The key's consumption, as the Claude door words it.
    KeyUsage,
    /// Anthropic-style usage of an organisation.
    OrganizationUsage,
    /// The key's limits, as the other doors word them.
    ServiceKeyInfo,
    /// The key's consumption, as the other doors word it.
    ServiceUsage,
    /// A client's telemetry, taken and forgotten.
    Telemetry,
}

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A model call.
    Call(CallRoute<'a>),
    /// The models a key may call, or one of them; the dialect is decided by what the client sends where the path leaves it open.
    Models {
        /// The form of the list, where the path decides it.
        dialect: Option<Dialect>,
        /// The one asked for.
        id: Option<Cow<'a, str>>,
    },
    /// A question about the key.
    Own(Own),
    /// A task.
    Task(super::task_route::TaskRoute<'a>),
    /// Whether this door is open; the only thing that is answered without a key.
    Health,
    /// Nothing that is served; keys are still checked first, so that a stranger learns nothing.
    Unknown {
        /// The dialect in which that is said.
        dialect: Dialect,
    },
}

/// A request's meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The door.
    pub mount: Mount,
    /// What is behind it.
    pub target: Target<'a>,
}

/// Reads a method and path; `None` for paths that are no business of the relay's.
pub fn read<'a>(method: &Method, path: &'a str) -> Option<Route<'a>> {
    let (head, rest) = split(path);
    let (mount, target) = match head {
        "v1" => (Mount::Root, v1(method, rest)),
        "v1beta" => (Mount::Root, v1beta(method, rest)),
        // Google's files, which nobody serves here.
        "upload" if rest.starts_with("/v1") => (Mount::Root, None),
        "dashboard" if rest.starts_with("/billing/") => (Mount::Root, billing(method, rest)),
        "api" => (Mount::Api, claude(method, rest)),
        "claude" => (Mount::Claude, claude(method, rest)),
        "gemini" => (Mount::Gemini, gemini::gemini(method, rest)),
        "openai" => return Some(openai::openai(method, rest)),
        "azure" => (Mount::Azure, openai::azure(method, rest)),
        "bedrock" => (Mount::Bedrock, bedrock(method, rest)),
        _ => (Mount::Tasks, super::task_route::read(method, path).map(Target::Task)),
    };
    if mount == Mount::Tasks {
        return target.map(|target| Route { mount, target });
    }
    // Tasks live behind the doors of the root, too (`/v1/video/generations`).
    if mount == Mount::Root
        && let Some(task) = super::task_route::read(method, path)
    {
        return Some(Route { mount: Mount::Tasks, target: Target::Task(task) });
    }
    let target = target.unwrap_or(Target::Unknown { dialect: fallback(mount, head, rest) });
    Some(Route { mount, target })
}

/// The first segment without its slashes, and what follows it with its slash.
fn split(path: &str) -> (&str, &str) {
    let bare = path.strip_prefix('/').unwrap_or(path);
    match bare.find('/') {
        Some(at) => bare.split_at(at),
        None => (bare, ""),
    }
}

fn fallback(mount: Mount, head: &str, rest: &str) -> Dialect {
    match mount {
        Mount::Api | Mount::Claude => Dialect::Messages,
        Mount::Gemini => Dialect::Gemini,
        Mount::Bedrock => Dialect::Converse,
        Mount::Root if rest.starts_with("/messages") => Dialect::Messages,
        Mount::Root if rest.contains(':') || head != "v1" && head != "dashboard" => Dialect::Gemini,
        Mount::Root | Mount::Openai | Mount::Azure | Mount::Tasks => Dialect::Chat,
    }
}

fn call<'a>(dialect: Dialect, operation: Operation) -> Target<'a> {
    Target::Call(CallRoute { dialect, operation, model: None, stream: None, tail: "" })
}

fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('%') { Cow::Owned(percent::decode(text, false)) } else { Cow::Borrowed(text) }
}

/// `/v1/…` at the root: OpenAI's paths, Anthropic's, and those of Gemini's clients that say `v1`.
fn v1<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    messages(method, rest)
        .or_else(|| model_paths(method, rest, None))
        .or_else(|| own(method, rest))
        .or_else(|| billing(method, rest.strip_prefix("/dashboard")?))
        .or_else(|| openai::paths(method, rest))
        .or_else(|| gemini::cached(method, rest))
}

/// `/v1beta/…`: Gemini's, and the list in OpenAI's form that Google keeps beside it.
fn v1beta<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    if let Some(rest) = rest.strip_prefix("/openai") {
        return model_paths(method, rest, Some(Dialect::Chat)).or_else(|| openai::paths(method, rest));
    }
    model_paths(method, rest, Some(Dialect::Gemini)).or_else(|| gemini::cached(method, rest))
}

/// `…/messages` and its counting.
fn messages<'a>(method: &Method, rest: &str) -> Option<Target<'a>> {
    if *method != Method::POST {
        return None;
    }
    match rest {
        "/messages" => Some(call(Dialect::Messages, Operation::Generate)),
        "/messages/count_tokens" => Some(call(Dialect::Messages, Operation::CountTokens)),
        _ => None,
    }
}

/// `/models`, `/models/{id}` and `/models/{id}:{action}`.
fn model_paths<'a>(method: &Method, rest: &'a str, form: Option<Dialect>) -> Option<Target<'a>> {
    let tail = rest.strip_prefix("/models")?;
    let named = tail.strip_prefix('/').unwrap_or_default();
    // OpenAI's names hold colons themselves (`ft:gpt-4o:ours`); only Gemini's verbs end one.
    let verb = verb(named).filter(|_| form != Some(Dialect::Chat));
    match (method, verb) {
        (&Method::GET, None) => {
            let id = match tail {
                "" | "/" => None,
                _ => Some(decoded(tail.strip_prefix('/')?)),
            };
            Some(Target::Models { dialect: form, id })
        }
        (&Method::POST, Some((model, operation, stream))) => {
            let model = Some(decoded(model)).filter(|model| !model.is_empty());
            Some(Target::Call(CallRoute { dialect: Dialect::Gemini, operation, model, stream: Some(stream), tail: "" }))
        }
        _ => None,
    }
}

/// The model before one of Gemini's verbs, what the verb asks for, and whether its answer streams.
fn verb(named: &str) -> Option<(&str, Operation, bool)> {
    let (model, verb) = named.rsplit_once(':')?;
    let (operation, stream) = match verb {
        "generateContent" => (Operation::Generate, false),
        "streamGenerateContent" => (Operation::Generate, true),
        "countTokens" => (Operation::CountTokens, false),
        "embedContent" => (Operation::Embed, false),
        "batchEmbedContents" => (Operation::EmbedBatch, false),
        _ => return None,
    };
    Some((model, operation, stream))
}

/// Questions about the key that stand beside Anthropic's and OpenAI's paths.
fn own<'a>(method: &Method, rest: &str) -> Option<Target<'a>> {
    if *method != Method::GET {
        return None;
    }
    let own = match rest {
        "/me" => Own::Me,
        "/key-info" => Own::KeyInfo,
        "/usage" => Own::KeyUsage,
        _ if rest.starts_with("/organizations/") && rest.ends_with("/usage") => Own::OrganizationUsage,
        _ => return None,
    };
    Some(Target::Own(own))
}

/// `/dashboard/billing/…`, given what follows `/dashboard`.
fn billing<'a>(method: &Method, rest: &str) -> Option<Target<'a>> {
    match (method, rest) {
        (&Method::GET, "/billing/subscription") => Some(Target::Own(Own::Subscription)),
        (&Method::GET, "/billing/usage") => Some(Target::Own(Own::Usage)),
        _ => None,
    }
}

/// `/api/…` and `/claude/…`: Anthropic's paths with or without `/v1`, and chat for those who want it there.
fn claude<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    if *method == Method::GET && rest == "/health" {
        return Some(Target::Health);
    }
    if *method == Method::POST && matches!(rest, "/api/event_logging/batch" | "/event_logging/batch") {
        return Some(Target::Own(Own::Telemetry));
    }
    let rest = rest.strip_prefix("/claude").unwrap_or(rest);
    let inner = rest.strip_prefix("/v1").filter(|inner| inner.starts_with('/')).unwrap_or(rest);
    messages(method, inner)
        .or_else(|| {
            model_paths(method, inner, Some(Dialect::Messages)).filter(|target| matches!(target, Target::Models { .. }))
        })
        .or_else(|| own(method, inner))
        .or_else(|| match (method, inner) {
            (&Method::POST, "/chat/completions") => Some(call(Dialect::Chat, Operation::Generate)),
            (&Method::POST, "/completions") => Some(call(Dialect::Completions, Operation::Complete)),
            _ => None,
        })
}

fn service_own<'a>(method: &Method, rest: &str) -> Option<Target<'a>> {
    match (method, rest) {
        (&Method::GET, "/usage") => Some(Target::Own(Own::ServiceUsage)),
        (&Method::GET, "/key-info") => Some(Target::Own(Own::ServiceKeyInfo)),
        _ => None,
    }
}

/// `/bedrock/…`: Bedrock's runtime paths, and messages for those who want them there.
fn bedrock<'a>(method: &Method, rest: &'a str) -> Option<Target<'a>> {
    if let Some(tail) = rest.strip_prefix("/model/") {
        let (model, action) = tail.rsplit_once('/')?;
        let (dialect, operation, stream) = match action {
            _ if *method != Method::POST => return None,
            "invoke" => (Dialect::Invoke, Operation::Generate, false),
            "invoke-with-response-stream" => (Dialect::Invoke, Operation::Generate, true),
            "converse" => (Dialect::Converse, Operation::Generate, false),
            "converse-stream" => (Dialect::Converse, Operation::Generate, true),
            _ => return None,
        };
        let model = Some(decoded(model)).filter(|model| !model.is_empty());
        return Some(Target::Call(CallRoute { dialect, operation, model, stream: Some(stream), tail: "" }));
    }
    let inner = rest.strip_prefix("/v1").filter(|inner| inner.starts_with('/')).unwrap_or(rest);
    messages(method, inner)
        .or_else(|| {
            model_paths(method, inner, Some(Dialect::Messages)).filter(|target| matches!(target, Target::Models { .. }))
        })
        .or_else(|| service_own(method, inner))
}

#[cfg(test)]
mod tests;

//! Hearing a call: the door, the key, the body. Denied unless a route and a key say otherwise.

pub mod answer;
pub mod body;
mod holder;
pub mod key;
pub mod models;
pub mod own;
pub mod refuse;
pub mod route;
pub mod task_route;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use schema::App;
use schema::model::catalog::Category;
use schema::service::directory::{self, KeyView};
use schema::service::routing;
use serde_json::json;

use self::body::Bounds;
use self::holder::holder;
use self::models::Sought;
use self::refuse::{Ear, plain};
use self::route::{CallRoute, Mount, Own, Route, Target};
use crate::call::engine::Engine;
use crate::call::rules::Rules;
use crate::call::socket::Wish;
use crate::call::{self, Call, admit, choose};
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::edge::origin;
use crate::provider::{Dialect, Operation};
use crate::task;

/// Answers every path of the relay's; what is none of them is not found.
pub async fn handle(State(app): State<App>, request: Request) -> Response<Body> {
    if request.method() == Method::OPTIONS {
        return preflight();
    }
    let by_a_page = request.headers().contains_key(header::ORIGIN);
    let mut response = answered(app, request).await;
    if by_a_page {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    }
    response
}

async fn answered(app: App, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if parts.method == Method::HEAD {
        // As for GET; the connection leaves the body out.
        parts.method = Method::GET;
    }
    let path = parts.uri.path().to_owned();
    let Some(route) = route::read(&parts.method, &path) else {
        if let Some(allow) = allowed(&path) {
            let text = format!("{path} does not take {}.", parts.method);
            let body = json!({"error": {"message": text, "type": "invalid_request_error", "param": null, "code": "method_not_allowed"}});
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, body.to_string().into_bytes());
            response.headers_mut().insert(header::ALLOW, allow);
            return response;
        }
        let body = json!({"error": {"message": format!("There is nothing at {path}."), "type": "not_found", "param": null, "code": "not_found"}});
        return plain(StatusCode::NOT_FOUND, body.to_string().into_bytes());
    };
    let origin = origin::of(&parts);
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let dialect = match &route.target {
        Target::Call(call) => call.dialect,
        Target::Models { dialect, .. } => dialect.unwrap_or_else(|| models::dialect(&parts.headers, &query)),
        Target::Own(_) | Target::Health if route.mount == Mount::Gemini => Dialect::Gemini,
        Target::Own(_) | Target::Health if matches!(route.mount, Mount::Api | Mount::Claude | Mount::Bedrock) => {
            Dialect::Messages
        }
        Target::Own(_) | Target::Health => Dialect::Chat,
        Target::Task(task) => task.dialect(),
        // The doors at the root are every vendor's, and each vendor's clients have paths that nobody serves here.
        Target::Unknown { dialect: Dialect::Chat } if route.mount == Mount::Root => {
            models::dialect(&parts.headers, &query)
        }
        Target::Unknown { dialect } => *dialect,
    };
    let ear = Ear { mount: route.mount, dialect };
    let named = own_name(dialect).map(|name| (name, origin.request_id.clone()));
    let mut response = serve(app, route, ear, parts, body, origin, query, &path).await;
    if let Some((name, id)) = named
        && !response.headers().contains_key(&name)
        && let Ok(id) = HeaderValue::from_str(&id)
    {
        response.headers_mut().insert(name, id);
    }
    response
}

/// Where the clients of a dialect look for a request's name, where that is not `x-request-id`.
const fn own_name(dialect: Dialect) -> Option<HeaderName> {
    match dialect {
        Dialect::Messages => Some(HeaderName::from_static("request-id")),
        Dialect::Invoke | Dialect::Converse => Some(HeaderName::from_static("x-amzn-requestid")),
        _ => None,
    }
}

/// Answers a request that is the relay's. The rare ways are boxed: a future is as large as its largest branch, and
/// every call would carry the room of all of them about.
async fn serve(
    app: App,
    route: Route<'_>,
    ear: Ear,
    mut parts: http::request::Parts,
    body: Body,
    origin: origin::Origin,
    query: String,
    path: &str,
) -> Response<Body> {
    if route.target == Target::Health {
        return Box::pin(own::health(&app, route.mount)).await;
    }
    let engine = Engine::of(&app);
    let rules = engine.rules.current(&app);
    if let Target::Task(task) = &route.target
        && task::is_open(task.ask)
    {
        return match heard(
            &app,
            parts,
            body,
            origin,
            query,
            ear,
            Bounds { size: rules.body_limit, patience: rules.slow_client },
            None,
        )
        .await
        {
            Ok(heard) => Box::pin(task::open(&app, &engine, task, heard)).await,
            Err(no) => *no,
        };
    }
    let (view, account) = match holder(&app, ear, &parts.headers, &query, &origin.ip).await {
        Ok(holder) => holder,
        Err(no) => return *no,
    };
    if !rules.open {
        return ear.refuse(&Fault::new(Kind::Unavailable, "Model calls are switched off at the moment."), Some(60));
    }
    match route.target {
        Target::Call(call) if call.operation == Operation::Realtime => {
            let wish = Wish::of(&mut parts);
            Box::pin(realtime(&app, &engine, call, ear, parts, origin, query, view, wish, account)).await
        }
        Target::Call(call) => {
            let limit = bounds(&view, &rules);
            let heard = match heard(&app, parts, body, origin, query, ear, limit, account).await {
                Ok(heard) => heard,
                Err(no) => return *no,
            };
            match Call::read(call.clone(), heard, || default_model(&app, &view, call.operation)) {
                Ok(mut call) => {
                    call.limit_output(rules.limits.default_max_output);
                    call::run(&app, &engine, call, view).await
                }
                Err(unheard) => ear.refuse(&bad_request(&unheard), None),
            }
        }
        Target::Models { id, .. } => models::answer(&app, &view, ear, &Sought { id: id.as_deref(), query: &query }),
        Target::Own(Own::Telemetry) => plain(StatusCode::OK, b"{}".to_vec()),
        Target::Own(own) => Box::pin(own::answer(&app, &view, ear, own, &query)).await,
        Target::Task(task) => {
            let limit = bounds(&view, &rules);
            match heard(&app, parts, body, origin, query, ear, limit, account).await {
                Ok(heard) => Box::pin(task::answer(&app, &engine, &task, heard, view)).await,
                Err(no) => *no,
            }
        }
        Target::Unknown { .. } | Target::Health => {
            let socket =
                parts.headers.get(header::UPGRADE).is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"));
            if socket && is_call(path) { no_socket(ear) } else { nothing_there(ear, &parts.method, path) }
        }
    }
}

/// What a body of a key's may be.
fn bounds(view: &KeyView, rules: &Rules) -> Bounds {
    let own = usize::try_from(view.key.rules.body_limit).ok().filter(|limit| *limit > 0);
    Bounds { size: own.unwrap_or(rules.body_limit), patience: rules.slow_client }
}

/// A request with its body read.
async fn heard(
    app: &App,
    mut parts: http::request::Parts,
    body: Body,
    origin: origin::Origin,
    query: String,
    ear: Ear,
    bounds: Bounds,
    account: Option<i64>,
) -> Result<call::Request, admit::No> {
    let body = match body::read(body, &mut parts.headers, bounds).await {
        Ok(body) => body,
        Err(fault) => return Err(Box::new(ear.refuse(&too_much(&fault), None))),
    };
    let at = app.clock.now();
    Ok(call::Request { origin, ear, method: parts.method, query, headers: parts.headers, body, at, account })
}

/// The methods by which a path means something, if any does.
fn allowed(path: &str) -> Option<HeaderValue> {
    let methods: Vec<&str> = [Method::GET, Method::POST, Method::DELETE]
        .iter()
        .filter(|m| route::read(m, path).is_some_and(|r| !matches!(r.target, Target::Unknown { .. })))
        .map(Method::as_str)
        .collect();
    if methods.is_empty() { None } else { HeaderValue::from_str(&methods.join(", ")).ok() }
}

/// Whether a model call may be posted there.
fn is_call(path: &str) -> bool {
    route::read(&Method::POST, path).is_some_and(|route| matches!(route.target, Target::Call(_)))
}

/// The refusal of a websocket where calls are heard over HTTP alone: clients that offer both then know at once.
fn no_socket(ear: Ear) -> Response<Body> {
    let fault = Fault::new(Kind::InvalidRequest, "This endpoint does not speak websocket; post the request instead.");
    ear.refuse(&Fault { status: Some(426), ..fault.with_code("websocket_not_offered") }, None)
}

/// The refusal of a path that means nothing, or not by this method.
fn nothing_there(ear: Ear, method: &Method, path: &str) -> Response<Body> {
    let text = format!("Invalid URL ({method} {path})");
    let Some(allow) = allowed(path) else {
        return ear.refuse(&Fault::new(Kind::NotFound, text).with_code("unknown_url"), None);
    };
    let fault = Fault { status: Some(405), ..Fault::new(Kind::InvalidRequest, text) };
    let mut response = ear.refuse(&fault.with_code("method_not_allowed"), None);
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// Whether a request is the relay's although other faces live on the same port.
///
/// Everything but `/api` belongs to one side alone. Under `/api` stand the management paths, too: of those
/// only the Claude paths that none of them has are taken here, and the list of models, which both have, by
/// what its caller proves itself with.
pub fn claims(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    match first {
        "v1" | "v1beta" | "claude" | "gemini" | "openai" | "azure" | "bedrock" => true,
        "upload" => path.starts_with("/upload/v1"),
        "api" => {
            let calls = matches!(
                path,
                "/api/messages"
                    | "/api/v1/messages"
                    | "/api/v1/messages/count_tokens"
                    | "/api/v1/chat/completions"
                    | "/api/v1/completions"
            ) || path.starts_with("/api/claude/");
            let asks = matches!(path, "/api/v1/me" | "/api/v1/key-info" | "/api/v1/usage" | "/api/health");
            let lists = path == "/api/v1/models" || path.starts_with("/api/v1/models/");
            match *method {
                Method::GET if lists => comes_for_models(headers),
                Method::GET => asks,
                _ => calls,
            }
        }
        "dashboard" => path.starts_with("/dashboard/billing/"),
        _ => task_route::read(method, path).is_some(),
    }
}

/// Whether a path that no management face has may be the relay's: of `/api` only for who comes with a key.
pub fn may_mean(path: &str, headers: &HeaderMap) -> bool {
    let under_api = path == "/api" || path.starts_with("/api/");
    !under_api && route::read(&Method::POST, path).is_some() || under_api && comes_for_models(headers)
}

/// Whether the caller is a model client rather than a management one.
fn comes_for_models(headers: &HeaderMap) -> bool {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    headers.contains_key("x-api-key")
        || headers.contains_key("anthropic-version")
        || bearer.is_some_and(|token| token.starts_with("claude-relay-") || token.starts_with("cr_"))
}

async fn realtime(
    app: &App,
    engine: &Arc<Engine>,
    route: CallRoute<'_>,
    ear: Ear,
    parts: http::request::Parts,
    origin: origin::Origin,
    query: String,
    view: Arc<KeyView>,
    wish: Option<Wish>,
    account: Option<i64>,
) -> Response<Body> {
    let Some(wish) = wish else {
        let fault = Fault::new(Kind::InvalidRequest, "This endpoint speaks websocket; send a websocket handshake.");
        let mut response = ear.refuse(&Fault { status: Some(426), ..fault }, None);
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return response;
    };
    let heard = call::Request {
        origin,
        ear,
        method: parts.method,
        query,
        headers: parts.headers,
        body: bytes::Bytes::new(),
        at: app.clock.now(),
        account,
    };
    match Call::read(route, heard, || default_model(app, &view, Operation::Realtime)) {
        Ok(call) => call::realtime::run(app, engine, call, view, wish).await,
        Err(unheard) => ear.refuse(&bad_request(&unheard), None),
    }
}

/// The model of a call that names none, where there is a customary one: the first that is served, else the
/// vendor's own default.
fn default_model(app: &App, view: &KeyView, operation: Operation) -> Option<String> {
    let (category, customary) = match operation {
        Operation::Moderate => (Category::Moderation, "omni-moderation-latest"),
        Operation::Rerank => (Category::Rerank, "rerank-v3.5"),
        Operation::ImageGenerate => (Category::Image, "dall-e-3"),
        Operation::ImageEdit => (Category::Image, "gpt-image-1"),
        Operation::ImageVary => (Category::Image, "dall-e-2"),
        Operation::Speak => (Category::Speech, "tts-1"),
        Operation::Transcribe | Operation::Translate => (Category::Transcription, "whisper-1"),
        Operation::Realtime => (Category::Realtime, "gpt-realtime"),
        _ => return None,
    };
    let accounts = directory::accounts(app);
    let served =
        |model: &str| accounts.iter().any(|account| account.account.enabled && routing::serves(account, model));
    if served(customary) {
        return Some(customary.to_owned());
    }
    let kinds = |model: &str| choose::kinds(view, model);
    let models = directory::models(app);
    let mut names: Vec<&str> = models
        .iter()
        .filter(|model| model.enabled && model.category == category && kinds(&model.name) != 0)
        .map(|model| model.name.as_str())
        .collect();
    names.sort_unstable();
    let listed =
        |model: &str| accounts.iter().any(|account| account.account.enabled && account.lists(model) == Some(true));
    Some(names.into_iter().find(|name| listed(name)).unwrap_or(customary).to_owned())
}

fn too_much(fault: &body::BodyFault) -> Fault {
    let kind = match fault {
        body::BodyFault::TooLarge { .. } => Kind::TooLarge,
        body::BodyFault::Slow => Kind::Timeout,
        _ => Kind::InvalidRequest,
    };
    Fault { status: Some(fault.status()), ..Fault::new(kind, fault.to_string()) }
}

fn bad_request(unheard: &call::Unheard) -> Fault {
    let mut fault = Fault::new(Kind::InvalidRequest, unheard.to_string());
    if matches!(unheard, call::Unheard::NoModel | call::Unheard::BadModel) {
        fault.param = Some("model".into());
    }
    fault
}

/// Browsers may call the relay from anywhere: the key alone decides, and no cookie counts.
fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PATCH, DELETE, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, authorization"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

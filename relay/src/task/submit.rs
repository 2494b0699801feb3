//! Handing a task in: what the client says, the row, and the id that it is told.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};
use reqwest::Url;
use schema::model::account::AccountKind;
use schema::model::api_key::Service;
use schema::model::task::{Task, TaskStatus};
use schema::service::directory::{self, KeyView};
use schema::service::routing;
use schema::service::task::{self, Begun, News};
use schema::{App, Micros, Result, Time};
use serde_json::Value;

use super::studio::{Fields, Heard, Order, Taken, bad};
use super::{kling, poll};
use crate::call::engine::Engine;
use crate::call::pins::{Held, Keeper};
use crate::call::{self, Call, Content, Request};
use crate::convert::Fault;
use crate::convert::edit::Body as JsonBody;
use crate::convert::fault::Kind;
use crate::ingress::task_route::{Platform, TaskRoute};
use crate::provider::{Client, Operation};
use crate::upstream::guard::Guard;
use crate::wire::multipart;

/// Longest text of a request that its row keeps.
const KEPT: usize = 4_000;
/// Most fields of a request that its row keeps.
const FIELDS: usize = 60;
/// How long beyond the longest attempt a row may stay without a vendor's id before it has failed.
const MARGIN: i64 = 2 * schema::clock::MINUTE;

/// Serves a submission; `of` is the task that its path builds on.
pub async fn run(
    app: &App,
    engine: &Arc<Engine>,
    route: &TaskRoute<'_>,
    action: &str,
    of: Option<&str>,
    request: Request,
    view: Arc<KeyView>,
) -> Response<Body> {
    let ear = request.ear;
    match prepare(app, engine, route, action, of, &request, &view).await {
        Ok((handing, content)) => {
            let call = Call {
                id: schema::id::timely(request.at),
                at: request.at,
                began: Instant::now(),
                origin: request.origin,
                ear,
                dialect: handing.vendor.dialect(),
                operation: Operation::Submit,
                method: Method::POST,
                tail: handing.order.path.clone(),
                query: String::new(),
                headers: request.headers,
                content,
                model: handing.order.model.clone(),
                stream: false,
                wants_usage: false,
                json_array: false,
                client: Client::Other,
                account: request.account,
            };
            call::hand_in(app, engine, call, view, handing).await
        }
        Err(fault) => ear.refuse(&fault, None),
    }
}

async fn prepare(
    app: &App,
    engine: &Arc<Engine>,
    route: &TaskRoute<'_>,
    action: &str,
    of: Option<&str>,
    request: &Request,
    view: &KeyView,
) -> std::result::Result<(Handing, Content), Fault> {
    let studio = super::studio(route.platform);
    let fields = fields(&request.headers, &request.body, route.platform)?;
    let mut kept = kept(&fields);
    if let Some(id) = of {
        kept.insert("builds_on".into(), id.into());
    }
    let parent = match of.map(str::to_owned).or_else(|| studio.parent(action, &fields)) {
        Some(id) => Some(own(app, view, route.platform, &id).await?),
        None => None,
    };
    let uid = studio.uid();
    let heard = Heard {
        action,
        path: route.tail,
        fields,
        parent: parent.as_ref(),
        callback: poll::callback(app, route.platform, &uid),
        native: wants_own_form(&request.headers),
    };
    let mut order = studio.order(heard)?;
    // What it has of the one that it builds on.
    for name in ["seconds", "size"].into_iter().filter(|_| of.is_some()) {
        if let Some(value) = order.body.get(name) {
            kept.entry(name).or_insert_with(|| value.clone());
        }
    }
    let vendor = vendor(app, route.platform, &order.model);
    if vendor == Platform::Kling && route.platform != Platform::Kling {
        if of.is_some() {
            return Err(bad("The vendor of this film makes no others from it.", "model"));
        }
        order = kling::from_video(order)?;
    }
    if let Some(url) = &order.notify_url {
        check_address(engine.rules.current(app).fetcher.guard(), url).await?;
    }
    let mut pinned = parent.map(|parent| Keeper { account: parent.account_id, key: parent.account_key });
    if pinned.is_none()
        && let Some((scope, name)) = &order.held
    {
        let held = Held { scope, name: name.chars().take(200).collect() };
        pinned = engine.pins.find(app, view.key.id, &held).await.map_err(|error| {
            tracing::error!(cause = error.cause(), "a pin could not be read");
            Fault::new(Kind::Unavailable, "What this builds on cannot be looked up right now.")
        })?;
    }
    let body = serde_json::to_vec(&order.body).map_err(|_| bad("The request cannot be written.", "body"))?;
    let body = JsonBody::scan(body.into()).map_err(|error| bad(error.to_string(), "body"))?;
    Ok((Handing { platform: route.platform, vendor, order, uid, kept, pinned, row: None }, Content::Json(body)))
}

/// The service that makes what is asked for: Kling's own models are made at Kling, where there is an account,
/// also when New-API's words or OpenAI's ask for them.
fn vendor(app: &App, platform: Platform, model: &str) -> Platform {
    let platform = if platform == Platform::OpenaiVideo { Platform::Video } else { platform };
    if platform != Platform::Video || routing::family(model) != Some(Service::Kling) {
        return platform;
    }
    let accounts = directory::accounts(app);
    let serves = |kind| {
        let mut of_kind = accounts.iter().filter(|view| view.account.kind == kind && view.account.enabled);
        of_kind
            .any(|view| view.lists(model) == Some(true) || kind == AccountKind::Kling && routing::serves(view, model))
    };
    if serves(AccountKind::Kling) && !serves(AccountKind::Video) { Platform::Kling } else { platform }
}

/// One of a key's owner's tasks.
pub async fn own(app: &App, view: &KeyView, platform: Platform, id: &str) -> std::result::Result<Task, Fault> {
    let shown: String = id.chars().take(64).collect();
    let none = || Fault::new(Kind::NotFound, format!("The task '{shown}' does not exist.")).with_code("task_not_exist");
    let known = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !known {
        return Err(none());
    }
    match task::of_user(app, view.owner.id, id).await {
        Ok(task) if task.platform == platform.as_str() && !task.is_forgotten() => Ok(task),
        Ok(_) | Err(schema::Error::NotFound { .. }) => Err(none()),
        Err(error) => {
            tracing::error!(cause = error.cause(), "a task could not be read");
            Err(Fault::new(Kind::Unavailable, "Tasks cannot be looked up right now."))
        }
    }
}

/// Web consoles of New-API read the services' own forms; this is what sets them apart from other clients.
fn wants_own_form(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.to_ascii_lowercase().contains("no-store")
}

/// A body's fields, from JSON or a form, whose files become base64.
fn fields(headers: &HeaderMap, body: &Bytes, platform: Platform) -> std::result::Result<Fields, Fault> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Some(boundary) = multipart::boundary(kind) else {
        return match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(bad("The request body must be a JSON object.", "body")),
            Err(_) if body.is_empty() => Err(bad("The request has no body.", "body")),
            Err(error) => Err(bad(format!("The request body is no valid JSON: {error}."), "body")),
        };
    };
    let mut fields = Fields::new();
    for part in multipart::parts(body, boundary) {
        let content = body.get(part.content.clone()).unwrap_or_default();
        let value = if part.file {
            if content.is_empty() {
                return Err(bad(format!("The file '{}' is empty.", part.name), part.name));
            }
            let data = BASE64_STANDARD.encode(content);
            match platform {
                Platform::Kling => data,
                _ => format!("data:{};base64,{data}", part.content_type.unwrap_or("application/octet-stream")),
            }
        } else {
            let text = std::str::from_utf8(content);
            text.map_err(|_| bad(format!("The field '{}' is no text.", part.name), part.name))?.to_owned()
        };
        fields.insert(part.name.to_owned(), typed(part.name, value));
    }
    if fields.is_empty() {
        return Err(bad("The form holds no field.", "body"));
    }
    Ok(fields)
}

/// Forms know texts only; the few fields that are numbers everywhere become them again.
fn typed(name: &str, text: String) -> Value {
    let number = matches!(name, "duration" | "width" | "height" | "fps" | "seed" | "n");
    number.then(|| text.trim().parse::<i64>().ok()).flatten().map_or(Value::String(text), Value::from)
}

/// What of a request its row keeps: no files, and not the client's own address, which may hold a secret.
fn kept(fields: &Fields) -> Fields {
    let small = |value: &Value| match value {
        Value::String(text) => text.len() <= KEPT,
        Value::Array(_) | Value::Object(_) => value.to_string().len() <= KEPT,
        _ => true,
    };
    let open = fields.iter().filter(|(name, value)| {
        !matches!(name.as_str(), "notifyHook" | "notify_hook" | "callback_url") && name.len() <= 100 && small(value)
    });
    open.take(FIELDS).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Refuses an address that nothing can be sent to, or that lies inside this network.
async fn check_address(guard: &Guard, address: &str) -> std::result::Result<(), Fault> {
    let refuse = |why: &str| bad(format!("The address to be notified at cannot be used: {why}."), "notifyHook");
    if address.len() > 2_000 {
        return Err(refuse("it is too long"));
    }
    let url = Url::parse(address).map_err(|_| refuse("it is no address"))?;
    guard.client(&url).await.map(|_| ()).map_err(refuse)
}

/// A task on its way to a vendor.
pub struct Handing {
    /// The service that its client speaks.
    platform: Platform,
    /// The service that makes it.
    vendor: Platform,
    order: Order,
    uid: String,
    kept: Fields,
    pinned: Option<Keeper>,
    row: Option<Task>,
}

impl Handing {
    /// Who holds what this builds on.
    pub fn pinned(&self) -> Option<&Keeper> {
        self.pinned.as_ref()
    }

    /// An account is about to be asked: makes the row, or moves it there. `until` is when its answer must be in.
    pub async fn at(
        &mut self,
        app: &App,
        call: &Call,
        view: &KeyView,
        account_id: i64,
        (cost, from_wallet): (Micros, bool),
        until: Time,
    ) -> Result<()> {
        let poll_at = until.plus(MARGIN);
        let row = match &self.row {
            None => {
                let mut request = self.kept.clone();
                let form = if self.order.native { "native" } else { "documented" };
                request.insert("form".into(), form.into());
                let begun = Begun {
                    uid: self.uid.clone(),
                    call_id: call.id.clone(),
                    user_id: view.owner.id,
                    key_id: view.key.id,
                    account_id,
                    platform: self.platform.as_str().to_owned(),
                    action: self.order.action.clone(),
                    model: self.order.model.clone(),
                    request,
                    cost,
                    from_wallet,
                    notify_url: self.order.notify_url.clone(),
                    poll_at,
                };
                task::begin(app, begun).await?
            }
            Some(row) => {
                let news =
                    News { account_id: Some(account_id), cost: Some(cost), poll_at: Some(poll_at), ..News::default() };
                let moved = task::advance(app, row, news).await?;
                moved.ok_or_else(|| schema::Error::internal("a task was ended while it was being handed in"))?
            }
        };
        self.row = Some(row);
        Ok(())
    }

    /// What a vendor's answer says; `None` where it takes no task.
    pub fn taken(&self, body: &Bytes) -> Option<Taken> {
        super::studio(self.vendor).taken(&serde_json::from_slice(body).ok()?)
    }

    /// Keeps what the vendor said, and the name of the account's key that it was said to; what the client is told,
    /// or `None` where it cannot be kept.
    pub async fn keep(self, app: &App, call: &Call, taken: Taken, key: String) -> Option<Value> {
        let row = self.row?;
        let done = taken.id.is_none();
        let news = News {
            status: Some(if done { TaskStatus::Succeeded } else { TaskStatus::Submitted }),
            account_key: Some(key),
            upstream_id: taken.id,
            cost: (!taken.paid).then_some(Micros::ZERO),
            poll_at: Some(poll::first(app.clock.now())),
            ..News::default()
        };
        match task::advance(app, &row, news).await {
            Ok(Some(task)) => Some(super::studio(self.platform).submitted(&task, &taken.answer)),
            Ok(None) => {
                tracing::error!(call = call.id, task = row.id, "a task was ended while it was being handed in");
                None
            }
            Err(error) => {
                tracing::error!(call = call.id, task = row.id, cause = error.cause(), "a task could not be kept");
                None
            }
        }
    }

    /// No vendor has taken it: nothing is owed for it.
    pub fn abandon(self, app: &App, why: &str) {
        self.end(app, why, Some(Micros::ZERO));
    }

    /// It could not be booked for certain: what the books hold of it after all is given back.
    pub fn undo(self, app: &App, why: &str) {
        self.end(app, why, None);
    }

    fn end(self, app: &App, why: &str, cost: Option<Micros>) {
        let Some(row) = self.row else { return };
        let (app, fail_reason) = (app.clone(), Some(why.replace('_', " ")));
        let ended = app.clone();
        ended.spawn(async move {
            let news = News { status: Some(TaskStatus::Failed), fail_reason, cost, ..News::default() };
            if let Err(error) = task::advance(&app, &row, news).await {
                tracing::warn!(task = row.id, cause = error.cause(), "a task stays open until its time is over");
            }
        });
    }
}

//! Why a call would go where it would go: the choice itself, asked without a call.

use std::time::Instant;

use http::{HeaderMap, Method};
use schema::service::directory;
use schema::service::routing::{Asked, Choice};
use schema::{App, Error, Result};

use super::choose::{self, Wanted};
use super::engine::Engine;
use super::{Call, Content};
use crate::edge::Origin;
use crate::ingress::refuse::Ear;
use crate::ingress::route::Mount;
use crate::provider::{Client, Dialect, Operation};

/// A call that might be made.
#[derive(Clone, Debug)]
pub struct Supposed<'a> {
    /// The digest (hex) of the key it would be made with.
    pub digest: &'a str,
    /// The model it would name.
    pub model: &'a str,
    /// The dialect it would be spoken in.
    pub dialect: Dialect,
    /// What it would ask for.
    pub operation: Operation,
    /// The program it would come from.
    pub client: Client,
    /// The account that is said to have served its conversation before.
    pub sticky: Option<i64>,
}

/// Chooses for a supposed call, and says what was found about every account.
pub async fn explain(app: &App, supposed: &Supposed<'_>) -> Result<Choice> {
    let view = directory::key_by_digest(app, supposed.digest).await?.ok_or(Error::NotFound { what: "api key" })?;
    let engine = Engine::of(app);
    let now = app.clock.now();
    let call = Call {
        id: String::new(),
        at: now,
        began: Instant::now(),
        origin: Origin { ip: String::new(), request_id: String::new(), agent: String::new() },
        ear: Ear { mount: Mount::Root, dialect: supposed.dialect },
        dialect: supposed.dialect,
        operation: supposed.operation,
        method: Method::POST,
        tail: String::new(),
        query: String::new(),
        headers: HeaderMap::new(),
        content: Content::Empty,
        model: supposed.model.to_owned(),
        stream: false,
        wants_usage: false,
        json_array: false,
        client: supposed.client,
        account: None,
    };
    let terms = directory::terms(app);
    let wanted = Wanted {
        call: &call,
        view: &view,
        terms: &terms,
        tried: &[],
        sticky: supposed.sticky,
        pinned: None,
        asked: Asked::All,
    };
    let random = u64::from_le_bytes(schema::id::random::<8>());
    Ok(choose::choose(&engine, &directory::accounts(app), &wanted, now, random))
}

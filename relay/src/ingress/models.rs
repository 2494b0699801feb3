//! The models a key may call, in the form of whoever asks.

use axum::body::Body;
use http::{HeaderMap, Response, StatusCode};
use schema::App;
use schema::model::catalog::Category;
use schema::service::directory::{self, KeyView, ModelView};
use schema::service::routing;
use serde_json::{Value, json};

use super::refuse::{Ear, plain};
use crate::call::choose;
use crate::convert::Fault;
use crate::convert::fault::Kind;
use crate::provider::Dialect;
use crate::wire::percent;

/// When the models of this list are said to have been made: OpenAI's clients want a number, and no vendor's
/// date is known here.
const CREATED: i64 = 1_640_995_200;
const CREATED_TEXT: &str = "2022-01-01T00:00:00Z";

/// What is asked for.
pub struct Sought<'a> {
    /// One model, or all of them.
    pub id: Option<&'a str>,
    /// The query.
    pub query: &'a str,
}

/// The form that a client of `/v1/models` reads, by what it sends.
pub fn dialect(headers: &HeaderMap, query: &str) -> Dialect {
    if headers.contains_key("anthropic-version") {
        Dialect::Messages
    } else if headers.contains_key("x-goog-api-key") || query.contains("key=") {
        Dialect::Gemini
    } else {
        Dialect::Chat
    }
}

/// The list, or one of it.
pub fn answer(app: &App, view: &KeyView, ear: Ear, sought: &Sought<'_>) -> Response<Body> {
    let id = sought.id.map(|id| id.strip_prefix("models/").unwrap_or(id));
    let list = available(app, view);
    if let Some(id) = id {
        return match list.iter().find(|model| model.name == id) {
            Some(model) => plain(StatusCode::OK, one(ear.dialect, model).to_string().into_bytes()),
            None => {
                let text = format!("The model '{id}' does not exist or is not available to this key.");
                ear.refuse(&Fault::new(Kind::NotFound, text).with_code("model_not_found"), None)
            }
        };
    }
    let body = match ear.dialect {
        Dialect::Messages => anthropic(&list, sought.query),
        Dialect::Gemini => gemini(&list, sought.query),
        _ => json!({"object": "list", "data": list.iter().map(|model| one(Dialect::Chat, model)).collect::<Vec<_>>()}),
    };
    plain(StatusCode::OK, body.to_string().into_bytes())
}

/// A model that can be called.
pub struct Available {
    /// Its name.
    pub name: String,
    owner: String,
    context: Option<i64>,
    output: Option<i64>,
    embeds: bool,
}

/// Every model that an enabled account serves and the key may call, by name.
pub fn available(app: &App, view: &KeyView) -> Vec<Available> {
    let accounts = directory::accounts(app);
    let models = directory::models(app);
    let usable: Vec<_> = accounts
        .iter()
        .filter(|account| account.account.enabled && account.account.schedulable && account.opened.is_some())
        .collect();
    let mut names: Vec<&str> = models.iter().filter(|model| model.enabled).map(|model| model.name.as_str()).collect();
    // What an account names or maps is served whether the catalogue knows it or not.
    for account in &usable {
        names.extend(account.account.models.0.iter().map(String::as_str).filter(|name| !name.ends_with('*')));
        names.extend(account.account.options.mapping.keys().map(String::as_str).filter(|name| !name.ends_with('*')));
    }
    names.sort_unstable();
    names.dedup();
    let may = |name: &str| {
        let kinds = choose::kinds(view, name);
        let plan = view.owner.is_admin || view.plan.admits_model(name);
        let known = models.get(name).is_none_or(|model| model.enabled);
        plan && known
            && view.key.rules.admits_model(name)
            && usable
                .iter()
                .any(|account| kinds & account.account.kind.bit() != 0 && serves(account, name, models.get(name)))
    };
    names.into_iter().filter(|name| may(name)).map(|name| describe(name, models.find(name))).collect()
}

/// An account that names no models serves those of its kind that the catalogue knows; one that speaks for any
/// vendor is not taken to have them all.
fn serves(account: &directory::AccountView, name: &str, known: Option<&std::sync::Arc<ModelView>>) -> bool {
    match account.lists(name) {
        Some(listed) => listed,
        None if account.account.options.maps(name) => true,
        None => known.is_some() && routing::family(name) == Some(account.account.kind.service()),
    }
}

fn describe(name: &str, known: Option<&std::sync::Arc<ModelView>>) -> Available {
    let owner = known.map(|model| model.provider.clone()).filter(|owner| !owner.is_empty());
    let family = routing::family(name).map(|service| service.as_str().to_owned());
    Available {
        name: name.to_owned(),
        owner: owner.or(family).unwrap_or_else(|| "custom".to_owned()),
        context: known.and_then(|model| model.context_window),
        output: known.and_then(|model| model.max_output),
        embeds: known.is_some_and(|model| model.category == Category::Embedding) || name.contains("embedding"),
    }
}

/// What Google's clients may ask of a model.
fn methods(model: &Available) -> &'static [&'static str] {
    if model.embeds {
        &["embedContent", "batchEmbedContents", "countTokens"]
    } else {
        &["generateContent", "countTokens"]
    }
}

fn one(dialect: Dialect, model: &Available) -> Value {
    match dialect {
        Dialect::Gemini => json!({
            "name": format!("models/{}", model.name),
            "baseModelId": model.name,
            "version": "001",
            "displayName": model.name,
            "description": "",
            "inputTokenLimit": model.context.unwrap_or(1_048_576),
            "outputTokenLimit": model.output.unwrap_or(65_536),
            "supportedGenerationMethods": methods(model),
        }),
        // Anthropic's form, with what OpenAI's clients look for beside it.
        Dialect::Messages => json!({
            "type": "model",
            "id": model.name,
            "display_name": model.name,
            "created_at": CREATED_TEXT,
            "object": "model",
            "created": CREATED,
            "owned_by": model.owner,
        }),
        _ => json!({"id": model.name, "object": "model", "created": CREATED, "owned_by": model.owner}),
    }
}

fn anthropic(list: &[Available], query: &str) -> Value {
    let limit =
        percent::query_value(query, "limit").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1_000).clamp(1, 1_000);
    let after = percent::query_value(query, "after_id");
    let start = after.and_then(|id| list.iter().position(|model| model.name == id)).map_or(0, |at| at + 1);
    let rest = list.get(start..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    json!({
        "data": page.iter().map(|model| one(Dialect::Messages, model)).collect::<Vec<_>>(),
        "has_more": page.len() < rest.len(),
        "first_id": page.first().map(|model| &model.name),
        "last_id": page.last().map(|model| &model.name),
        "object": "list",
    })
}

fn gemini(list: &[Available], query: &str) -> Value {
    let size =
        percent::query_value(query, "pageSize").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1_000).clamp(1, 1_000);
    let start =
        percent::query_value(query, "pageToken").and_then(|n| n.parse::<usize>().ok()).unwrap_or(0).min(list.len());
    let rest = list.get(start..).unwrap_or_default();
    let page = rest.get(..size).unwrap_or(rest);
    let mut body = json!({"models": page.iter().map(|model| one(Dialect::Gemini, model)).collect::<Vec<_>>()});
    if page.len() < rest.len() {
        body["nextPageToken"] = (start + page.len()).to_string().into();
    }
    body
}

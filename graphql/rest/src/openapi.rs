//! The description of every REST face (OpenAPI 3.1) at `/openapi.json`, and its viewer at `/docs`.
//!
//! It is made out of the tables that serve: what a route takes is told by the types its handler takes
//! ([`part`], [`probe`]), how its system answers by the system's voice ([`voice`]). Documents only explain
//! ([`documented`]).

pub mod documented;
pub mod kind;
pub mod operation;
pub mod part;
pub mod probe;
pub mod relay;
mod viewer;
pub mod voice;

use axum::Router;
use schema::App;
use serde_json::{Map, Value, json};

pub use operation::{Answer, Operation};
pub use part::{Asked, Later, Part};

use self::operation::capital;
use self::voice::{VOICES, Voice};
use crate::dialect::{commercial, crs, ledger, massrouter, newapi};
use crate::pay;

/// `/openapi.json` and `/docs`.
pub fn routes() -> Router<App> {
    viewer::routes()
}

/// Every line of every route table, described.
pub fn operations() -> Vec<Operation> {
    let tables = [
        crs::operations(),
        commercial::operations(),
        massrouter::operations(),
        newapi::operations(),
        ledger::operations(),
        pay::operations(),
    ];
    tables.into_iter().flatten().collect()
}

fn voice(tag: &str) -> &'static Voice {
    VOICES.iter().copied().find(|v| v.tag == tag).unwrap_or(voice::PAGES)
}

/// The document.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut put = |path: String, method: &str, operation: Value| {
        let item = paths.entry(path).or_insert_with(|| json!({}));
        item[method.to_ascii_lowercase()] = operation;
    };
    for operation in operations() {
        let described = operation.describe(voice(operation.voice()));
        put(operation.template(), operation.method, described);
    }
    for call in relay::calls() {
        put(call.path.clone(), &call.method, relay::describe(call));
    }
    let tags: Vec<Value> = VOICES.iter().map(|v| json!({ "name": v.tag, "description": v.about })).collect();
    let mut schemes = Map::new();
    let (mut schemas, mut responses) = (Map::new(), Map::new());
    for voice in VOICES {
        for (name, scheme) in (voice.schemes)() {
            schemes.insert(name.to_owned(), scheme);
        }
        let name = |what: &str| format!("{}{what}", capital(voice.tag));
        schemas.insert(name("Success"), (voice.yes)());
        schemas.insert(name("Refusal"), (voice.no)());
        let schema = json!({ "$ref": format!("#/components/schemas/{}", name("Refusal")) });
        let refused = json!({ "description": "Refused.", "content": { "application/json": { "schema": schema } } });
        responses.insert(name("Refusal"), refused);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tollgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Five documented REST dialects over one set of services, the model calls the relay hears, \
                and the payment pages. Every dialect refuses in its own words; the same thing may be had in several.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": { "securitySchemes": schemes, "schemas": schemas, "responses": responses },
    })
}

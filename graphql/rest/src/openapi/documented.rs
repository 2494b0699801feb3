//! What the systems' own documents say of their endpoints: titles, examples, query parameters.
//!
//! The data is `assets/documented.json`, one line an endpoint. It never decides what is accepted or
//! answered; it explains, and where it shows an answer, that answer's fields are promised.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// One endpoint as its document has it.
#[derive(Debug, Deserialize)]
pub struct Documented {
    pub system: String,
    pub method: String,
    pub path: String,
    /// Other paths of the same endpoint.
    #[serde(default)]
    pub aliases: Vec<String>,
    pub title: String,
    /// True for calls that the relay hears.
    #[serde(default)]
    pub relay: bool,
    /// Bodies the document shows.
    #[serde(default)]
    pub requests: Vec<Value>,
    /// Fields of a multipart body.
    #[serde(default)]
    pub fields: Vec<Part>,
    /// The answer the document shows.
    pub response: Option<Value>,
    /// True when the answer holds what was asked for, and no more than that of what the document shows.
    #[serde(default)]
    pub as_asked: bool,
    /// What the answer is, where it is not JSON alone.
    pub kind: Option<String>,
    #[serde(default)]
    pub query: BTreeMap<String, Parameter>,
    /// Bodies of refusals the document shows.
    #[serde(default)]
    pub errors: Vec<Value>,
}

/// A part of a multipart body.
#[derive(Debug, Deserialize)]
pub struct Part {
    pub name: String,
    pub file: bool,
    pub required: bool,
    pub example: Option<Value>,
}

/// A parameter of a query string.
#[derive(Debug, Deserialize)]
pub struct Parameter {
    pub values: Option<Vec<String>>,
    pub default: Option<Value>,
}

/// Every documented endpoint.
pub fn all() -> &'static [Documented] {
    static ALL: LazyLock<Vec<Documented>> = LazyLock::new(|| {
        let read = serde_json::from_str(include_str!("../../assets/documented.json"));
        read.unwrap_or_else(|error| {
            tracing::error!(%error, "the embedded documents cannot be read");
            Vec::new()
        })
    });
    &ALL
}

/// A path without the names of its parameters.
fn bones(path: &str) -> String {
    let part = |part: &'_ str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    let bare = path.strip_suffix('/').filter(|p| !p.is_empty()).unwrap_or(path);
    bare.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// What is documented of an endpoint, under this path or another of its own.
pub fn of(system: &str, method: &str, path: &str) -> Option<&'static Documented> {
    let path = bones(path);
    let path = path.strip_prefix("/apiStats").filter(|rest| rest.starts_with("/api/")).unwrap_or(&path);
    all().iter().find(|d| {
        !d.relay
            && d.system == system
            && d.method == method
            && (bones(&d.path) == path || d.aliases.iter().any(|a| bones(a) == path))
    })
}

/// What an example promises: its fields are there and of its types, or null.
pub fn promised(example: &Value) -> Value {
    match example {
        Value::Null => json!({}),
        Value::Bool(_) => json!({ "type": ["boolean", "null"] }),
        Value::Number(_) => json!({ "type": ["number", "null"] }),
        Value::String(_) => json!({ "type": ["string", "null"] }),
        Value::Array(items) => match items.iter().map(promised).reduce(|a, b| both(&a, &b)) {
            Some(items) if items != json!({}) => json!({ "type": ["array", "null"], "items": items }),
            _ => json!({ "type": ["array", "null"] }),
        },
        Value::Object(fields) if fields.is_empty() => json!({ "type": ["object", "null"] }),
        Value::Object(fields) => {
            let properties: Map<String, Value> = fields.iter().map(|(k, v)| (k.clone(), promised(v))).collect();
            let required: Vec<&String> = fields.keys().collect();
            json!({ "type": ["object", "null"], "required": required, "properties": properties })
        }
    }
}

/// The same without the promise that anything is there.
pub fn permitted(mut promise: Value) -> Value {
    if let Some(fields) = promise.as_object_mut() {
        fields.remove("required");
        if let Some(inner) = fields.get_mut("properties").and_then(Value::as_object_mut) {
            inner.values_mut().for_each(|schema| *schema = permitted(schema.take()));
        }
        if let Some(items) = fields.get_mut("items") {
            *items = permitted(items.take());
        }
    }
    promise
}

/// What two examples of one thing promise together.
fn both(a: &Value, b: &Value) -> Value {
    if a["type"] != b["type"] {
        return json!({});
    }
    let (Some(one), Some(other)) = (a["properties"].as_object(), b["properties"].as_object()) else {
        return if a == b { a.clone() } else { json!({ "type": a["type"] }) };
    };
    let mut properties = one.clone();
    for (name, schema) in other {
        let merged = one.get(name).map_or_else(|| schema.clone(), |known| both(known, schema));
        properties.insert(name.clone(), merged);
    }
    let required: Vec<&String> = one.keys().filter(|k| other.contains_key(*k)).collect();
    json!({ "type": a["type"], "required": required, "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_can_be_read() {
        let read: Vec<Documented> = serde_json::from_str(include_str!("../../assets/documented.json")).unwrap();
        assert!(read.len() > 250, "{}", read.len());
    }

    #[test]
    fn endpoints_are_found_under_every_path_they_have() {
        assert!(of("ledger", "GET", "/api/v1/admin/users/{id}").is_some());
        assert!(of("newapi", "DELETE", "/api/token/{id}/").is_some());
        assert!(of("crs", "POST", "/apiStats/api/user-stats").is_some());
        assert!(of("crs", "GET", "/admin/nothing").is_none());
    }

    #[test]
    fn examples_promise_what_all_of_them_have() {
        let schema = promised(&json!({ "rows": [{ "id": 1, "a": "x" }, { "id": 2, "b": null }] }));
        let row = &schema["properties"]["rows"]["items"];
        assert_eq!(row["required"], json!(["id"]));
        assert_eq!(row["properties"]["a"]["type"], json!(["string", "null"]));
    }
}

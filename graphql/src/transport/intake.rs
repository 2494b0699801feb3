//! One GraphQL request as it stands in a JSON body, in a query string or in a socket's `subscribe`.

use async_graphql::Variables;
use axum::extract::Query;
use http::Uri;
use serde_json::Value;

use super::code::Fault;

/// How a document is named.
#[derive(Debug)]
pub enum Asked {
    /// By its text.
    Text(String),
    /// By its hash, as the caller wrote it.
    Hash(String),
}

/// A request whose members have the right types.
#[derive(Debug)]
pub struct Call {
    /// The document.
    pub document: Asked,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// Its variables.
    pub variables: Variables,
}

/// Reads a JSON body.
pub fn from_body(body: &[u8]) -> Result<Call, Fault> {
    if body.is_empty() {
        return Err(Fault::bad_request("The request has no body."));
    }
    let value: Value =
        serde_json::from_slice(body).map_err(|error| Fault::bad_request(format!("The body is not JSON: {error}.")))?;
    from_json(value)
}

/// Reads a JSON value.
pub fn from_json(value: Value) -> Result<Call, Fault> {
    let mut members = match value {
        Value::Object(members) => members,
        Value::Array(_) => {
            return Err(Fault::bad_request("Batches are not accepted: send one operation per request."));
        }
        _ => return Err(Fault::bad_request("The request is not a JSON object.")),
    };
    let extensions = match members.remove("extensions") {
        None | Some(Value::Null) => None,
        Some(Value::Object(extensions)) => Some(extensions),
        Some(_) => return Err(Fault::bad_request("`extensions` is not an object.")),
    };
    let operation_name = match members.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(Fault::bad_request("`operationName` is not a string.")),
    };
    let variables = match members.remove("variables") {
        None | Some(Value::Null) => Variables::default(),
        Some(value @ Value::Object(_)) => Variables::from_json(value),
        Some(_) => return Err(Fault::bad_request("`variables` is not an object.")),
    };
    let id = match members.remove("documentId") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => Some(id),
        Some(_) => return Err(Fault::bad_request("`documentId` is not a string.")),
    };
    let document = match members.remove("query") {
        // A text is its own hash, whatever stands beside it.
        Some(Value::String(query)) if !query.trim().is_empty() => Asked::Text(query),
        None | Some(Value::Null | Value::String(_)) => match (id, extensions) {
            (Some(id), _) => Asked::Hash(id),
            (None, Some(extensions)) if extensions.contains_key("persistedQuery") => persisted(&extensions)?,
            _ => return Err(Fault::bad_request("`query` is missing.")),
        },
        Some(_) => return Err(Fault::bad_request("`query` is not a string.")),
    };
    Ok(Call {
        document,
        // Clients that have no name to give send an empty one.
        operation_name: operation_name.filter(|name| !name.is_empty()),
        variables,
    })
}

/// The hash in `extensions.persistedQuery`, as Apollo's clients send it.
fn persisted(extensions: &serde_json::Map<String, Value>) -> Result<Asked, Fault> {
    let asked = &extensions["persistedQuery"];
    match (asked.get("version").and_then(Value::as_u64), asked.get("sha256Hash").and_then(Value::as_str)) {
        (Some(1) | None, Some(hash)) => Ok(Asked::Hash(hash.to_owned())),
        _ => Err(Fault::bad_request("`extensions.persistedQuery` holds a `sha256Hash` of `version` 1.")),
    }
}

/// Reads the query string of a GET.
pub fn from_uri(uri: &Uri) -> Result<Call, Fault> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Fault::bad_request("The query string cannot be read."))?;
    let mut members = serde_json::Map::new();
    for (name, value) in pairs {
        let value = match name.as_str() {
            "query" | "documentId" | "operationName" => Value::String(value),
            "variables" | "extensions" if value.is_empty() => Value::Null,
            "variables" | "extensions" => serde_json::from_str(&value)
                .map_err(|error| Fault::bad_request(format!("`{name}` is not JSON: {error}.")))?,
            _ => continue,
        };
        if members.contains_key(&name) {
            return Err(Fault::bad_request(format!("`{name}` is given twice.")));
        }
        members.insert(name, value);
    }
    from_json(Value::Object(members))
}

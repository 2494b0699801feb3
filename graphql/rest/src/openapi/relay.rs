//! The calls the relay hears, as far as the documents name them.
//!
//! The relay's table is a function, so each documented call is put to it: what it does not know is not
//! described. What a vendor makes of a body is the vendor's; only what every body must be stands here.

use http::Method;
use relay::ingress::route::{self, Target};
use serde_json::{Map, Value, json};

use super::documented::{Documented, all, promised};
use super::operation::{capital, id, numbered};
use super::voice::Voice;

/// How the relay speaks: in the words of whoever is called.
pub const VOICE: &Voice = &Voice {
    tag: "relay",
    about: "Model calls and tasks, in each vendor's own form.",
    schemes: || {
        vec![
            (
                "relayKey",
                json!({ "type": "http", "scheme": "bearer", "description": "An API key, as OpenAI's clients send it." }),
            ),
            (
                "relayHeader",
                json!({ "type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key, as Anthropic's clients send it." }),
            ),
            (
                "relayGoogle",
                json!({ "type": "apiKey", "in": "header", "name": "x-goog-api-key", "description": "An API key, as Google's clients send it." }),
            ),
        ]
    },
    proofs: &[&["relayKey"], &["relayHeader"], &["relayGoogle"]],
    yes: || json!({ "type": "object" }),
    no: || {
        json!({
            "type": "object",
            "description": "In the words of the vendor whose form the call has; refusals of keys at the doors \
                `/api`, `/claude`, `/gemini`, `/openai` and `/bedrock` are `{error, message}`.",
        })
    },
    refuses_in_200: false,
};

/// True for what the relay serves under this method and path.
pub fn hears(method: &str, path: &str) -> bool {
    let Ok(method) = Method::from_bytes(method.as_bytes()) else { return false };
    let path = path.replace(['{', '}'], "");
    route::read(&method, &path).is_some_and(|r| !matches!(r.target, Target::Unknown { .. }))
}

/// The documented calls the relay hears.
pub fn calls() -> impl Iterator<Item = &'static Documented> {
    all().iter().filter(|d| (d.relay || d.path.starts_with("/dashboard/billing/")) && hears(&d.method, &d.path))
}

/// The description of one.
pub fn describe(call: &Documented) -> Value {
    // Google's header is for Google's paths; elsewhere it would be answered as Google answers.
    let google = call.path.contains("/v1beta/") || call.path.starts_with("/gemini/");
    let proofs = VOICE.proofs.iter().filter(|names| google || !names.contains(&"relayGoogle")).map(|names| -> Value {
        names.iter().map(|n| ((*n).to_owned(), json!([]))).collect::<Map<String, Value>>().into()
    });
    let mut out = json!({
        "operationId": id(VOICE.tag, &call.method, &call.path),
        "tags": [VOICE.tag],
        "summary": call.title,
        "responses": responses(call),
        "security": proofs.collect::<Vec<_>>(),
    });
    let names = call.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } }))
        .collect();
    parameters
        .extend(call.query.keys().map(|name| json!({ "name": name, "in": "query", "schema": { "type": "string" } })));
    if !parameters.is_empty() {
        out["parameters"] = parameters.into();
    }
    if call.method != "GET" {
        out["requestBody"] = body(call);
    }
    out
}

fn body(call: &Documented) -> Value {
    if !call.fields.is_empty() {
        let schema = |file: bool| {
            if file { json!({ "type": "string", "format": "binary" }) } else { json!({ "type": "string" }) }
        };
        let properties: Map<String, Value> = call.fields.iter().map(|f| (f.name.clone(), schema(f.file))).collect();
        let shown = call.fields.iter().filter_map(|f| Some((f.name.clone(), f.example.clone()?)));
        let shown: Map<String, Value> = shown.collect();
        return json!({
            "required": true,
            "content": { "multipart/form-data": {
                "schema": { "type": "object", "properties": properties },
                "examples": { "documented": { "value": shown } },
            } },
        });
    }
    json!({
        "required": true,
        "content": { "application/json": { "schema": { "type": "object" }, "examples": numbered(&call.requests) } },
    })
}

fn responses(call: &Documented) -> Value {
    let refusal = json!({ "$ref": format!("#/components/responses/{}Refusal", capital(VOICE.tag)) });
    let mut out = Map::new();
    match (call.kind.as_deref(), &call.response) {
        (Some("websocket"), _) => {
            out.insert("101".into(), json!({ "description": "A WebSocket from here on." }));
        }
        (Some("binary"), _) => {
            out.insert("200".into(), json!({ "description": "The bytes.", "content": { "*/*": {} } }));
        }
        (_, response) => {
            let schema = response.as_ref().map_or_else(|| json!({ "type": "object" }), promised);
            let mut answer = json!({ "schema": schema });
            if let Some(example) = response {
                answer["examples"] = json!({ "documented": { "value": example } });
            }
            let mut content = json!({ "application/json": answer });
            if call.method == "POST" {
                content["text/event-stream"] = json!({ "schema": { "type": "string" } });
            }
            out.insert("200".into(), json!({ "description": "As the vendor answers.", "content": content }));
        }
    }
    out.insert("4XX".into(), refusal.clone());
    out.insert("5XX".into(), refusal);
    out.into()
}

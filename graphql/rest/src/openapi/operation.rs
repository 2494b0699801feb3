//! One endpoint of a route table and its description.

use schema::Face;
use serde_json::{Map, Value, json};

use super::documented::{self, Documented, permitted, promised};
use super::kind::Type;
use super::part::{Asked, Handled, Who, asked};
use super::voice::Voice;

/// What an endpoint answers with when it succeeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// JSON in the system's envelope.
    #[default]
    Json,
    /// JSON without the envelope.
    Bare,
    /// An event stream.
    Events,
    /// An event stream or JSON, as the caller accepts.
    EventsOrJson,
    /// A table or JSON, as the query says.
    TableOrJson,
    /// A page.
    Page,
    /// A picture.
    Picture,
    /// A file of some kind.
    File,
    /// Another address.
    Redirect,
    /// Another address, or JSON for who accepts that.
    RedirectOrJson,
    /// A WebSocket.
    Socket,
    /// Text or JSON in a form that a payment provider fixes.
    Receipt,
}

/// One line of a route table, described.
#[derive(Debug)]
pub struct Operation {
    pub tag: &'static str,
    pub method: &'static str,
    /// As routers write it.
    pub path: &'static str,
    /// The handler's name as the table has it.
    pub handler: &'static str,
    pub asked: Asked,
    pub answer: Answer,
}

impl Operation {
    /// The description of a handler at its place.
    pub fn of<Args, H: Handled<Args>>(
        (tag, method, path): (&'static str, &'static str, &'static str),
        handler: &'static str,
        mounted: &H,
        answer: Answer,
    ) -> Self {
        Self { tag, method, path, handler, asked: asked(mounted), answer }
    }

    /// The path as OpenAPI writes it.
    pub fn template(&self) -> String {
        self.path.replace("{*", "{")
    }

    /// A name of its own: the system, the method and the path.
    pub fn id(&self) -> String {
        id(self.voice(), self.method, self.path)
    }

    /// The system whose words it speaks; not always the one whose table it stands in.
    pub fn voice(&self) -> &'static str {
        self.asked.face.map_or(self.tag, Face::as_str)
    }

    fn documented(&self) -> Option<&'static Documented> {
        documented::of(self.voice(), self.method, self.path)
    }

    /// The operation object.
    pub fn describe(&self, voice: &Voice) -> Value {
        let known = self.documented();
        let mut out = Map::new();
        out.insert("operationId".into(), self.id().into());
        out.insert("tags".into(), json!([voice.tag]));
        out.insert("summary".into(), known.map_or_else(|| named(self.handler), |k| k.title.clone()).into());
        let parameters = self.parameters(known);
        if !parameters.is_empty() {
            out.insert("parameters".into(), parameters.into());
        }
        if let Some(body) = &self.asked.body {
            out.insert("requestBody".into(), request_body(body, known));
        }
        out.insert("responses".into(), self.responses(voice, known));
        out.insert("security".into(), self.security(voice));
        out.into()
    }

    fn parameters(&self, known: Option<&Documented>) -> Vec<Value> {
        let names = self.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'));
        let mut out: Vec<Value> = names
            .enumerate()
            .map(|(index, name)| {
                let schema = self.asked.path.get(index).map_or_else(|| json!({ "type": "string" }), Type::schema);
                let name = name.trim_start_matches('*');
                json!({ "name": name, "in": "path", "required": true, "schema": schema })
            })
            .collect();
        for form in &self.asked.query {
            let Type::Form(fields) = form else { continue };
            for field in fields {
                let mut schema = field.kind.bare().schema();
                let about = known.and_then(|k| k.query.get(field.name));
                if let (Some(parameter), Type::Text) = (about, field.kind.bare())
                    && let Some(values) = &parameter.values
                {
                    schema["examples"] = json!(values);
                }
                if let Some(default) = about.and_then(|p| p.default.as_ref()) {
                    schema["default"] = default.clone();
                }
                let mut parameter = json!({ "name": field.name, "in": "query", "schema": schema });
                if field.required {
                    parameter["required"] = true.into();
                }
                out.push(parameter);
            }
        }
        for (name, about) in &self.asked.headers {
            out.push(json!({ "name": name, "in": "header", "description": about, "schema": { "type": "string" } }));
        }
        out
    }

    fn security(&self, voice: &Voice) -> Value {
        let proof = |names: &&[&str]| -> Value {
            names.iter().map(|n| ((*n).to_owned(), json!([]))).collect::<Map<String, Value>>().into()
        };
        let proofs: Vec<Value> = voice.proofs.iter().map(proof).collect();
        match self.asked.who {
            Who::Anybody => json!([]),
            Who::Known => std::iter::once(json!({})).chain(proofs).collect(),
            Who::SignedIn => proofs.into(),
        }
    }

    fn responses(&self, voice: &Voice, known: Option<&Documented>) -> Value {
        let said = |what: &str, content: Value| json!({ "description": what, "content": content });
        let media = |kind: &str| json!({ kind: { "schema": { "type": "string" } } });
        let json_content = || json!({ "application/json": self.yes(voice, known) });
        let moved =
            json!({ "description": "Elsewhere.", "headers": { "Location": { "schema": { "type": "string" } } } });
        let mut out = Map::new();
        let mut put = |status: &str, what: Value| out.insert(status.to_owned(), what);
        match self.answer {
            Answer::Json | Answer::Bare => {
                put("200", said("Done.", json_content()));
            }
            Answer::Events => {
                put("200", said("Events as they happen.", media("text/event-stream")));
            }
            Answer::EventsOrJson => {
                put(
                    "200",
                    said("Done; as events for who accepts them.", joined(json_content(), media("text/event-stream"))),
                );
            }
            Answer::TableOrJson => {
                put("200", said("The rows.", joined(json_content(), media("text/csv"))));
            }
            Answer::Page => {
                put("200", said("The page.", media("text/html")));
            }
            Answer::Picture => {
                put("200", said("The picture.", media("image/svg+xml")));
            }
            Answer::File => {
                put("200", said("The file.", json!({ "*/*": {} })));
            }
            Answer::Redirect => {
                put("302", moved.clone());
                put("308", moved);
            }
            Answer::RedirectOrJson => {
                put("200", said("For who accepts JSON: where to go.", json_content()));
                put("302", moved);
            }
            Answer::Socket => {
                put("101", json!({ "description": "A WebSocket from here on." }));
            }
            Answer::Receipt => {
                put(
                    "200",
                    said(
                        "What the provider wants to hear.",
                        joined(media("text/plain"), json!({ "application/json": {} })),
                    ),
                );
            }
        }
        match self.answer {
            // What is no JSON on success is refused in kind.
            Answer::Page | Answer::Picture | Answer::File | Answer::Redirect => {
                put("4XX", said("There is no such thing.", json!({ "*/*": {} })));
            }
            Answer::Receipt => {
                put("4XX", said("Not believed.", json!({ "*/*": {} })));
            }
            _ => {
                let no = || json!({ "$ref": format!("#/components/responses/{}Refusal", capital(voice.tag)) });
                put("400", no());
                if self.asked.who != Who::Anybody {
                    put("401", no());
                    put("403", no());
                }
                put("4XX", no());
                put("5XX", no());
            }
        }
        out.into()
    }

    /// A success, with the example its document shows.
    fn yes(&self, voice: &Voice, known: Option<&Documented>) -> Value {
        // Collections with a slash at the end are the other shape's alone.
        let other_shape = self.asked.two_shapes && self.path.ends_with('/');
        let known = known.filter(|_| !other_shape);
        let success = || json!({ "$ref": format!("#/components/schemas/{}Success", capital(voice.tag)) });
        let refusal = || json!({ "$ref": format!("#/components/schemas/{}Refusal", capital(voice.tag)) });
        let Some((known, example)) = known.and_then(|k| Some((k, k.response.as_ref()?))) else {
            return json!({ "schema": if self.answer == Answer::Bare { json!({}) } else { success() } });
        };
        let mut promise = promised(example);
        if known.as_asked {
            promise = permitted(promise);
        }
        // The answer itself is never null, whatever may be inside it.
        promise["type"] = example.is_object().then_some("object").map_or_else(|| promise["type"].clone(), Value::from);
        let schema = if self.answer == Answer::Bare {
            promise
        } else {
            let mut ways = vec![json!({ "allOf": [success(), promise] })];
            if self.asked.two_shapes {
                ways.push(json!({ "allOf": [success()], "description": "The deployed system's shape." }));
            }
            if voice.refuses_in_200 {
                ways.push(refusal());
            }
            if ways.len() == 1 { ways.remove(0) } else { json!({ "anyOf": ways }) }
        };
        json!({ "schema": schema, "examples": { "documented": { "value": example } } })
    }
}

fn request_body(body: &Type, known: Option<&Documented>) -> Value {
    let mut content = json!({ "schema": body.schema() });
    let examples = known.map(|k| k.requests.as_slice()).unwrap_or_default();
    if !examples.is_empty() {
        content["examples"] = numbered(examples);
    }
    json!({ "required": !body.may_be_empty(), "content": { "application/json": content } })
}

/// Examples under names.
pub fn numbered(examples: &[Value]) -> Value {
    let name = |index: usize| if index == 0 { "documented".to_owned() } else { format!("documented{}", index + 1) };
    let all = examples.iter().enumerate().map(|(i, e)| (name(i), json!({ "value": e })));
    all.collect::<Map<String, Value>>().into()
}

fn joined(mut one: Value, other: Value) -> Value {
    if let (Some(fields), Value::Object(more)) = (one.as_object_mut(), other) {
        fields.extend(more);
    }
    one
}

/// A word with a capital.
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A name out of a system, a method and a path.
pub fn id(tag: &str, method: &str, path: &str) -> String {
    let slash = if path.len() > 1 && path.ends_with('/') { "Slash" } else { "" };
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).map(capital);
    let path: String = words.collect();
    format!("{tag}{}{}{slash}", capital(&method.to_ascii_lowercase()), if path.is_empty() { "Root" } else { &path })
}

/// A handler's name as words: `key::rename_tag` is "Key: rename tag".
fn named(handler: &str) -> String {
    let plain = handler.split('<').next().unwrap_or_default();
    let mut words = plain.split("::").map(|w| w.trim().replace('_', " ")).filter(|w| !w.is_empty()).collect::<Vec<_>>();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { capital(&last) } else { format!("{}: {last}", capital(&words.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(id("crs", "GET", "/admin/api-keys/{keyId}"), "crsGetAdminApiKeysKeyId");
        assert_ne!(id("newapi", "GET", "/api/user"), id("newapi", "GET", "/api/user/"));
        assert_eq!(id("crs", "GET", "/"), "crsGetRoot");
        assert_eq!(named("family::reset_status :: < { family::CLAUDE } >"), "Family: reset status");
    }
}

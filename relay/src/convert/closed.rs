//! Schemas as Anthropic's structured output takes them: every object closed, and no bounds on numbers, texts and
//! lists, which its grammar cannot hold. The vendor refuses the call for any of these, so they are told to the
//! model in the descriptions instead.

use serde_json::{Map, Value};

use super::rules::Notes;

/// Keywords that the vendor refuses.
const BOUNDS: [&str; 12] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// The forms of texts that the vendor knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// A schema that the vendor takes; what it does not enforce is noted under `field`.
pub(crate) fn closed(schema: &Value, field: &str, notes: &mut Notes) -> Value {
    let mut told = Vec::new();
    let out = close(schema, &mut told);
    if !told.is_empty() {
        told.sort_unstable();
        told.dedup();
        let words = told.join(", ");
        notes.warn(format!("{field}: not enforced here, only told to the model: {words}"));
    }
    out
}

fn close(schema: &Value, told: &mut Vec<String>) -> Value {
    let Value::Object(map) = schema else { return schema.clone() };
    let mut out = Map::new();
    let mut words = Vec::new();
    for (key, value) in map {
        match key.as_str() {
            "properties" | "$defs" | "definitions" => {
                out.insert(key.clone(), each(value, told));
            }
            "items" => {
                out.insert(key.clone(), close(value, told));
            }
            "anyOf" | "allOf" => {
                out.insert(key.clone(), list(value, told));
            }
            // One of them or any of them: an answer that is one of them is both.
            "oneOf" if !map.contains_key("anyOf") => {
                out.insert("anyOf".to_owned(), list(value, told));
            }
            // A list that has something in it is the one bound that the vendor knows.
            "minItems" if value.as_u64().is_some_and(|least| least <= 1) => {
                out.insert(key.clone(), value.clone());
            }
            "format" if value.as_str().is_some_and(|form| FORMATS.contains(&form)) => {
                out.insert(key.clone(), value.clone());
            }
            bound if bound == "format" || BOUNDS.contains(&bound) => {
                words.push(format!("{key}: {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
                told.push(key.clone());
            }
            "additionalProperties" => {
                // Closed objects are what an open one allows; only what the caller asked for by name is told.
                if value.is_object() || *value == Value::Bool(true) {
                    told.push(key.clone());
                }
                out.insert(key.clone(), false.into());
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    if !words.is_empty() {
        let words = words.join(", ");
        let text = match out.get("description").and_then(Value::as_str) {
            Some(text) if !text.is_empty() => format!("{text} ({words})"),
            _ => words,
        };
        out.insert("description".to_owned(), text.into());
    }
    if is_object(&out) {
        out.insert("additionalProperties".to_owned(), false.into());
    }
    Value::Object(out)
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(word)) => word == "object",
        Some(Value::Array(words)) => words.iter().any(|word| word == "object"),
        _ => schema.contains_key("properties"),
    }
}

fn each(value: &Value, told: &mut Vec<String>) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(key, one)| (key.clone(), close(one, told))).collect()),
        other => other.clone(),
    }
}

fn list(value: &Value, told: &mut Vec<String>) -> Value {
    match value {
        Value::Array(all) => Value::Array(all.iter().map(|one| close(one, told)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Dialect;
    use super::*;

    fn told(schema: &Value) -> (Value, Vec<String>) {
        let mut notes = Notes::new(Dialect::Messages);
        let out = closed(schema, "response_format", &mut notes);
        (out, notes.into_warnings())
    }

    #[test]
    fn a_schema_that_the_vendor_takes_stays_as_it_is() {
        let schema = json!({
            "type": "object",
            "properties": {
                "day": {"type": "string", "format": "date"},
                "minimum": {"type": "integer", "enum": [1, 2]},
                "list": {"type": "array", "items": {"$ref": "#/$defs/a"}, "minItems": 1},
            },
            "required": ["day", "minimum", "list"],
            "additionalProperties": false,
            "$defs": {"a": {"type": "object", "properties": {}, "additionalProperties": false}},
        });
        assert_eq!(told(&schema), (schema, Vec::new()));
    }

    #[test]
    fn objects_are_closed_and_bounds_are_told() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "minLength": 1, "description": "Where."},
                "n": {"type": "integer", "minimum": 0, "maximum": 9, "format": "int32"},
                "who": {"oneOf": [{"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "null"}]},
                "more": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
            },
            "required": ["city"],
        });
        let (out, warnings) = told(&schema);
        let want = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Where. (minLength: 1)"},
                "n": {"type": "integer", "description": "minimum: 0, maximum: 9, format: int32"},
                "who": {"anyOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false},
                    {"type": "null"},
                ]},
                "more": {"type": ["object", "null"], "additionalProperties": false},
            },
            "required": ["city"],
            "additionalProperties": false,
        });
        assert_eq!(out, want);
        let words = "additionalProperties, format, maximum, minLength, minimum";
        assert_eq!(warnings, [format!("response_format: not enforced here, only told to the model: {words}")]);
        // What it has made once it takes as it is.
        assert_eq!(told(&out), (want, Vec::new()));
    }
}

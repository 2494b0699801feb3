//! Google's OpenAPI-like schemas as JSON schemas. The other way is not needed: the API takes JSON schemas in
//! fields of their own.

use serde_json::{Map, Value};

/// Rewrites an OpenAPI-like schema: upper-case types, `nullable`, numbers sent as texts.
pub(crate) fn to_json_schema(schema: Value) -> Value {
    let Value::Object(map) = schema else {
        return schema;
    };
    let nullable = map.get("nullable").and_then(Value::as_bool).unwrap_or(false);
    let mut out = Map::new();
    for (key, value) in map {
        let (key, value) = match key.as_str() {
            "nullable" => continue,
            "propertyOrdering" | "property_ordering" => continue,
            "type" => (key, type_word(value, nullable)),
            "properties" | "$defs" | "defs" => (key, each(value)),
            "items" | "additionalProperties" | "additional_properties" => (camel(&key), to_json_schema(value)),
            "anyOf" | "any_of" | "oneOf" | "allOf" | "prefixItems" => (camel(&key), list(value)),
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" | "min_items"
            | "max_items" | "min_length" | "max_length" | "min_properties" | "max_properties" => {
                (camel(&key), number(value))
            }
            _ => (key, value),
        };
        out.insert(key, value);
    }
    Value::Object(out)
}

fn type_word(value: Value, nullable: bool) -> Value {
    let Value::String(word) = value else {
        return value;
    };
    let word = Value::String(word.to_ascii_lowercase());
    if nullable { Value::Array(vec![word, "null".into()]) } else { word }
}

fn each(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, one)| (key, to_json_schema(one))).collect()),
        other => other,
    }
}

fn list(value: Value) -> Value {
    match value {
        Value::Array(all) => Value::Array(all.into_iter().map(to_json_schema).collect()),
        other => other,
    }
}

/// 64-bit integers travel as texts in Google's JSON.
fn number(value: Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<u64>().ok()) {
        Some(number) => number.into(),
        None => value,
    }
}

fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut up = false;
    for letter in key.chars() {
        if letter == '_' {
            up = true;
        } else if std::mem::take(&mut up) {
            out.push(letter.to_ascii_uppercase());
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_level_is_rewritten_and_names_of_properties_are_not() {
        let google = json!({"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": true},
            "list": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "1"}},
            "required": ["type"], "propertyOrdering": ["type"]});
        assert_eq!(
            to_json_schema(google),
            json!({"type": "object", "properties": {"type": {"type": ["string", "null"]},
                "list": {"type": "array", "items": {"type": "integer"}, "minItems": 1}}, "required": ["type"]})
        );
        let plain = json!({"type": "object", "properties": {"a": {"enum": ["X"]}}});
        assert_eq!(to_json_schema(plain.clone()), plain);
    }
}

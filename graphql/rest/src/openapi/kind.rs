//! What a type reads, as a value: turned into JSON Schema, and held against what was sent.

use serde_json::{Map, Value, json};

/// What a type reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Type {
    /// Anything at all.
    Any,
    Bool,
    /// A whole number in these bounds.
    Int(i128, i128),
    Number,
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    Null,
    /// Something or null.
    Maybe(Box<Type>),
    List(Box<Type>),
    Tuple(Vec<Type>),
    /// Names of the caller's choosing.
    Table(Box<Type>),
    Form(Vec<Field>),
}

/// A named part of a form.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: &'static str,
    pub kind: Type,
    /// Refused without it.
    pub required: bool,
    /// The field this is another spelling of.
    pub same_as: Option<&'static str>,
}

impl Type {
    /// The JSON Schema of it.
    pub fn schema(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Bool => json!({ "type": "boolean" }),
            Self::Int(least, _) if *least == i128::from(i64::MIN) => json!({ "type": "integer", "format": "int64" }),
            Self::Int(least, most) => json!({ "type": "integer", "minimum": bound(*least), "maximum": bound(*most) }),
            Self::Number => json!({ "type": "number" }),
            Self::Text => json!({ "type": "string" }),
            Self::Choice(words) => json!({ "type": "string", "enum": words }),
            Self::Null => json!({ "type": "null" }),
            Self::Maybe(inner) => or_null(inner.schema()),
            Self::List(item) => json!({ "type": "array", "items": item.schema() }),
            Self::Tuple(items) => {
                let items: Vec<Value> = items.iter().map(Self::schema).collect();
                let n = items.len();
                json!({ "type": "array", "prefixItems": items, "minItems": n, "maxItems": n })
            }
            Self::Table(entry) => match entry.schema() {
                any if any == json!({}) => json!({ "type": "object" }),
                entry => json!({ "type": "object", "additionalProperties": entry }),
            },
            Self::Form(fields) => form(fields),
        }
    }
    /// The same without "or null", for places where there is no null.
    pub fn bare(&self) -> &Self {
        match self {
            Self::Maybe(inner) => inner.bare(),
            other => other,
        }
    }
    /// Where a value is no object although one is read there. (Lists of a form's fields in its order would be
    /// read as well, but nobody means them.)
    pub fn misfit(&self, value: &Value, place: &str) -> Option<String> {
        match (self, value) {
            (Self::Form(_), Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                Some(format!("{place} must be an object"))
            }
            (Self::Form(fields), Value::Object(sent)) => fields.iter().find_map(|field| {
                let inside =
                    if place.starts_with("the ") { field.name.to_owned() } else { format!("{place}.{}", field.name) };
                field.kind.misfit(sent.get(field.name)?, &inside)
            }),
            (Self::Maybe(inner), value) if !value.is_null() => inner.misfit(value, place),
            (Self::List(item), Value::Array(sent)) => {
                sent.iter().enumerate().find_map(|(i, one)| item.misfit(one, &format!("{place}[{i}]")))
            }
            (Self::Table(entry), Value::Object(sent)) => {
                sent.iter().find_map(|(name, one)| entry.misfit(one, &format!("{place}.{name}")))
            }
            _ => None,
        }
    }
    /// True when nothing at all is refused for being missing.
    pub fn may_be_empty(&self) -> bool {
        match self {
            Self::Form(fields) => fields.iter().all(|f| !f.required),
            Self::Any | Self::Table(_) | Self::Maybe(_) => true,
            _ => false,
        }
    }
}

fn bound(n: i128) -> Value {
    i64::try_from(n).map_or_else(|_| u64::try_from(n).map_or(Value::Null, Value::from), Value::from)
}

/// A schema that also takes null.
fn or_null(mut schema: Value) -> Value {
    let plain = schema.get("type").and_then(Value::as_str).map(str::to_owned);
    match (plain, schema.get("enum").is_some()) {
        (Some(kind), false) => {
            schema["type"] = json!([kind, "null"]);
            schema
        }
        (Some(_), true) => json!({ "anyOf": [schema, { "type": "null" }] }),
        (None, _) if schema == json!({}) => schema,
        (None, _) => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

fn form(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|f| (f.name.to_owned(), f.kind.schema())).collect();
    let spellings = |of: &'static str| -> Vec<&'static str> {
        fields.iter().filter(|f| f.name == of || f.same_as == Some(of)).map(|f| f.name).collect()
    };
    let needed = || fields.iter().filter(|f| f.required && f.same_as.is_none());
    let plain: Vec<&str> = needed().map(|f| f.name).filter(|n| spellings(n).len() == 1).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !plain.is_empty() {
        schema["required"] = json!(plain);
    }
    let either: Vec<Value> = needed()
        .map(|f| spellings(f.name))
        .filter(|all| all.len() > 1)
        .map(|all| json!({ "anyOf": all.iter().map(|n| json!({ "required": [n] })).collect::<Vec<_>>() }))
        .collect();
    if !either.is_empty() {
        schema["allOf"] = either.into();
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_no_objects() {
        let form = |fields| Type::Form(fields);
        let field = |name, kind| Field { name, kind, required: false, same_as: None };
        let inner = Type::Maybe(Box::new(Type::List(Box::new(form(vec![field("key", Type::Text)])))));
        let outer = form(vec![field("configs", inner)]);
        assert_eq!(outer.misfit(&json!([]), "the body").as_deref(), Some("the body must be an object"));
        let sent = json!({ "configs": [{ "key": "a" }, ["a"]] });
        assert_eq!(outer.misfit(&sent, "the body").as_deref(), Some("configs[1] must be an object"));
        assert_eq!(outer.misfit(&json!({ "configs": null }), "the body"), None);
        assert_eq!(outer.misfit(&json!({ "more": [] }), "the body"), None);
    }
}

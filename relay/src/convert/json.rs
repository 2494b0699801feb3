//! JSON objects that are emptied field by field, so that what nobody took can be named: the means by which a
//! translation knows what it would lose.

use serde_json::{Map, Value};

use super::hub::HubError;

/// A JSON object with its path, for messages.
#[derive(Debug)]
pub(crate) struct Obj {
    map: Map<String, Value>,
    path: String,
}

impl Obj {
    /// Parses a whole body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, HubError> {
        let value: Value =
            serde_json::from_slice(body).map_err(|e| HubError::invalid("body", format!("not valid JSON ({e})")))?;
        Self::new(value, "")
    }

    /// Wraps a value that must be an object.
    pub(crate) fn new(value: Value, path: impl Into<String>) -> Result<Self, HubError> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(HubError::invalid(if path.is_empty() { "body" } else { &path }, "expected an object")),
        }
    }

    /// The path of a field, for messages.
    pub(crate) fn at(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// The object's own path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Takes a field out; `null` counts as absent. A camel-case name is also found in snake case, as Google's
    /// servers do.
    pub(crate) fn take(&mut self, field: &str) -> Option<Value> {
        let found = match self.map.remove(field) {
            Some(value) => Some(value),
            None if field.bytes().any(|b| b.is_ascii_uppercase()) => self.map.remove(&snake(field)),
            None => None,
        };
        found.filter(|value| !value.is_null())
    }

    /// Looks at a text field without taking it.
    pub(crate) fn peek_str(&self, field: &str) -> Option<&str> {
        self.map.get(field).and_then(Value::as_str)
    }

    /// Whether a field is there and not `null`.
    pub(crate) fn has(&self, field: &str) -> bool {
        let there = |name: &str| self.map.get(name).is_some_and(|value| !value.is_null());
        there(field) || there(&snake(field))
    }

    pub(crate) fn str(&mut self, field: &str) -> Result<Option<String>, HubError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(HubError::invalid(self.at(field), "expected a string")),
        }
    }

    pub(crate) fn need_str(&mut self, field: &str) -> Result<String, HubError> {
        let text = self.str(field)?;
        text.ok_or_else(|| HubError::invalid(self.at(field), "required"))
    }

    /// The model, which some doors have in the path alone.
    pub(crate) fn model(&mut self, named: &str) -> Result<String, HubError> {
        let path = (!named.is_empty()).then(|| named.to_owned());
        self.str("model")?.or(path).ok_or_else(|| HubError::invalid(self.at("model"), "required"))
    }

    pub(crate) fn bool(&mut self, field: &str) -> Result<Option<bool>, HubError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(HubError::invalid(self.at(field), "expected a boolean")),
        }
    }

    pub(crate) fn u64(&mut self, field: &str) -> Result<Option<u64>, HubError> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let whole = value.as_u64().or_else(|| {
            let n = value.as_f64()?;
            (n >= 0.0 && n.fract() == 0.0 && n < 9e15).then_some(n as u64)
        });
        whole.map(Some).ok_or_else(|| HubError::invalid(self.at(field), "expected a non-negative integer"))
    }

    /// A limit on the answer: a limit of nothing is what every vendor of such a field refuses.
    pub(crate) fn limit(&mut self, field: &str) -> Result<Option<u64>, HubError> {
        let limit = self.u64(field)?;
        if limit == Some(0) {
            return Err(HubError::invalid(self.at(field), "expected at least 1"));
        }
        Ok(limit)
    }

    pub(crate) fn i64(&mut self, field: &str) -> Result<Option<i64>, HubError> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        value.as_i64().map(Some).ok_or_else(|| HubError::invalid(self.at(field), "expected an integer"))
    }

    pub(crate) fn f64(&mut self, field: &str) -> Result<Option<f64>, HubError> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        value.as_f64().map(Some).ok_or_else(|| HubError::invalid(self.at(field), "expected a number"))
    }

    pub(crate) fn list(&mut self, field: &str) -> Result<Option<Vec<Value>>, HubError> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(HubError::invalid(self.at(field), "expected an array")),
        }
    }

    pub(crate) fn obj(&mut self, field: &str) -> Result<Option<Self>, HubError> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        Self::new(value, self.at(field)).map(Some)
    }

    /// A list of objects, each with its path.
    pub(crate) fn objs(&mut self, field: &str) -> Result<Vec<Self>, HubError> {
        let Some(list) = self.list(field)? else {
            return Ok(Vec::new());
        };
        let path = self.at(field);
        list.into_iter().enumerate().map(|(nth, value)| Self::new(value, format!("{path}[{nth}]"))).collect()
    }

    /// A list of texts.
    pub(crate) fn strs(&mut self, field: &str) -> Result<Vec<String>, HubError> {
        let Some(list) = self.list(field)? else {
            return Ok(Vec::new());
        };
        let wrong = || HubError::invalid(self.at(field), "expected an array of strings");
        list.into_iter().map(|value| value.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    /// Ends the reading: the paths of all fields nobody took.
    pub(crate) fn rest(self, lost: &mut Vec<String>) {
        for (field, value) in &self.map {
            if !value.is_null() {
                lost.push(self.at(field));
            }
        }
    }

    /// The fields nobody took, as an object.
    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.map
    }
}

/// `camelCase` as `camel_case`.
fn snake(field: &str) -> String {
    let mut out = String::with_capacity(field.len() + 4);
    for letter in field.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
            out.push(letter.to_ascii_lowercase());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Sets a field when there is a value for it.
pub(crate) fn put(map: &mut Map<String, Value>, field: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        map.insert(field.to_owned(), value.into());
    }
}

/// The text of a JSON value.
pub(crate) fn text_of(value: &Value) -> String {
    value.to_string()
}

/// A tool call's arguments as an object; empty text means no arguments.
pub(crate) fn args_object(args: &str) -> Option<Value> {
    if args.trim().is_empty() {
        return Some(Value::Object(Map::new()));
    }
    serde_json::from_str::<Value>(args).ok().filter(Value::is_object)
}

/// An object made of pairs, in their order.
pub(crate) fn object<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

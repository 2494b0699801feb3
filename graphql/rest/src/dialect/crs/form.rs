//! Reading crs bodies: loosely typed objects whose misfits are told in sentences.
//!
//! Its consoles send numbers as text, empty text for "nothing" and `null` for "no longer", so fields are
//! read one by one instead of through a struct.

pub mod told;

use schema::{Error, Micros, Time};
use serde::Deserialize;
use serde_json::{Map, Value};

pub use told::Told;

/// A body.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Form(pub Map<String, Value>);

type Read<T> = Result<Option<T>, Error>;

impl Form {
    /// True when the field came at all, be it as `null`.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    /// A field that says something.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|v| !v.is_null() && v.as_str() != Some(""))
    }
    /// True when the field came and says "nothing".
    pub fn emptied(&self, name: &str) -> bool {
        self.has(name) && self.given(name).is_none()
    }
    /// Text.
    pub fn text(&self, name: &str) -> Read<String> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Error::invalid(name, format!("{name} must be a string"))),
        }
    }
    /// Text that may be emptied.
    pub fn clearable(&self, name: &str) -> Read<String> {
        if self.emptied(name) { Ok(Some(String::new())) } else { self.text(name) }
    }
    /// A whole number of at least `least`; "nothing" counts as 0.
    pub fn whole(&self, name: &str, least: i64, sentence: &str) -> Read<i64> {
        let refuse = || Error::invalid(name, sentence);
        let Some(value) = self.given(name) else { return Ok(self.has(name).then_some(0)) };
        let number = match value {
            Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(n) if (least..=1_000_000_000_000).contains(&n) => Ok(Some(n)),
            _ => Err(refuse()),
        }
    }
    /// An amount in dollars, not negative; "nothing" counts as 0.
    pub fn dollars(&self, name: &str, sentence: &str) -> Read<Micros> {
        let refuse = || Error::invalid(name, sentence);
        let Some(value) = self.given(name) else { return Ok(self.has(name).then_some(Micros::ZERO)) };
        let number = match value {
            Value::Number(n) => n.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let amount = number.filter(|n| *n >= 0.0).and_then(Micros::from_dollars);
        Ok(Some(amount.ok_or_else(refuse)?))
    }
    /// A switch.
    pub fn switch(&self, name: &str) -> Read<bool> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(*on)),
            Some(Value::String(word)) if word == "true" || word == "false" => Ok(Some(word == "true")),
            Some(_) => Err(Error::invalid(name, format!("{name} must be a boolean"))),
        }
    }
    /// A list of texts.
    pub fn words(&self, name: &str, sentence: &str) -> Read<Vec<String>> {
        let refuse = || Error::invalid(name, sentence);
        let Some(value) = self.given(name) else { return Ok(self.has(name).then(Vec::new)) };
        let list = value.as_array().ok_or_else(refuse)?;
        let words: Option<Vec<String>> = list.iter().map(|v| v.as_str().map(|s| s.trim().to_owned())).collect();
        Ok(Some(words.ok_or_else(refuse)?))
    }
    /// A moment.
    pub fn time(&self, name: &str) -> Read<Time> {
        let refuse = || Error::invalid(name, "Invalid expiration date format");
        match self.given(name) {
            None => Ok(None),
            Some(Value::String(text)) => Time::parse(text).map(Some).ok_or_else(refuse),
            Some(Value::Number(ms)) => ms.as_i64().filter(|ms| *ms >= 0).map(|ms| Some(Time(ms))).ok_or_else(refuse),
            Some(_) => Err(refuse()),
        }
    }
    /// A nested object as a form of its own.
    pub fn object(&self, name: &str) -> Read<Form> {
        match self.given(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Form(fields.clone()))),
            Some(_) => Err(Error::invalid(name, format!("{name} must be an object"))),
        }
    }
    /// Text that has to be there.
    pub fn required(&self, name: &str, sentence: &str) -> Result<String, Error> {
        match self.given(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            _ => Err(Error::invalid(name, sentence)),
        }
    }
    /// The first of several spellings of a field that says something.
    pub fn any_text(&self, names: &[&str]) -> Read<String> {
        for name in names {
            if let Some(text) = self.text(name)? {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
    /// Those of these fields that came, as they came.
    pub fn pick(&self, names: &[&str]) -> Map<String, Value> {
        names.iter().filter_map(|n| self.0.get(*n).map(|v| ((*n).to_owned(), v.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(value: Value) -> Form {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn numbers_come_as_text_and_nothing_counts_as_none() {
        let f = form(serde_json::json!({ "a": "12", "b": 3.0, "c": "", "d": null, "e": -1, "f": 1.5, "g": "x" }));
        assert_eq!(f.whole("a", 0, "no").unwrap(), Some(12));
        assert_eq!(f.whole("b", 0, "no").unwrap(), Some(3));
        assert_eq!((f.whole("c", 0, "no").unwrap(), f.whole("d", 0, "no").unwrap()), (Some(0), Some(0)));
        assert_eq!(f.whole("absent", 0, "no").unwrap(), None);
        for bad in ["e", "f", "g"] {
            assert_eq!(f.whole(bad, 0, "no").unwrap_err().to_string(), "no", "{bad}");
        }
        assert_eq!(f.dollars("f", "no").unwrap(), Some(Micros(1_500_000)));
        assert!(f.dollars("e", "no").is_err());
    }

    #[test]
    fn what_is_emptied_is_not_what_is_absent() {
        let f = form(serde_json::json!({ "a": "", "b": "x" }));
        assert!(f.emptied("a") && !f.emptied("b") && !f.emptied("c"));
        assert_eq!(f.clearable("a").unwrap(), Some(String::new()));
        assert_eq!(f.clearable("c").unwrap(), None);
        assert!(f.required("a", "needed").is_err());
        assert!(f.switch("b").is_err());
    }
}

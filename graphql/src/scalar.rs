//! Scalars: moments, money and counts beyond 32 bits, each exact; and documents of free shape.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use schema::{Micros, Time};

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub Time);

/// A moment: RFC 3339, UTC, with milliseconds (`2026-01-31T12:00:00.000Z`). A plain date is read as its midnight.
#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) if text.contains('T') || text.len() == 10 => Time::parse(text)
                .filter(|t| t.0 >= 0)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("this is no moment such as 2026-01-31T12:00:00Z")),
            _ => Err(InputValueError::custom("a moment is a string such as 2026-01-31T12:00:00Z")),
        }
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.rfc3339())
    }
}

/// An amount of US dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub Micros);

/// An amount as a decimal string with up to six decimals (`"12.500000"`), never rounded.
#[Scalar(specified_by_url = "https://en.wikipedia.org/wiki/Decimal")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Micros::parse(text).map(Self).ok_or_else(|| {
                InputValueError::custom("this is no amount such as \"12.50\", with at most six decimals")
            }),
            _ => Err(InputValueError::custom("an amount is a string such as \"12.50\"")),
        }
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.decimal())
    }
}

/// A whole number of up to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigInt(pub i64);

/// A whole number of up to 64 bits, as a string, so that no client rounds it. Small ones may be sent as numbers.
#[Scalar(specified_by_url = "https://scalars.graphql.org/apollographql/big-int")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        let bad = || InputValueError::custom("this is no whole number of up to 64 bits");
        match &value {
            Value::String(text) => text.parse().map(Self).map_err(|_| bad()),
            Value::Number(number) => number.as_i64().map(Self).ok_or_else(bad),
            _ => Err(bad()),
        }
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

impl From<BigInt> for i64 {
    fn from(number: BigInt) -> Self {
        number.0
    }
}

/// A document of free shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(pub serde_json::Value);

/// A JSON document whose shape is free: what a vendor told, what one face alone knows about.
#[Scalar(name = "JSON", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        let bad = |_| InputValueError::custom("this is no JSON document");
        value.into_json().map(Self).map_err(bad)
    }
    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

impl Json {
    /// A document's members; `None` for what is no object.
    pub fn into_object(self) -> Option<serde_json::Map<String, serde_json::Value>> {
        match self.0 {
            serde_json::Value::Object(map) => Some(map),
            _ => None,
        }
    }
    /// A document kept as text; text that is none is shown as it is.
    pub fn of_text(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
    }
}

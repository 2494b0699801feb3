//! Scalars: moments, money and counts beyond 32 bits, each exact.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use schema::{Micros, Time};

/// A moment: RFC 3339, UTC, with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(pub Time);

#[Scalar(specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) if text.contains('T') || text.len() == 10 => Time::parse(text)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("this is no moment such as 2026-01-31T12:00:00Z")),
            _ => Err(InputValueError::custom("a moment is a string such as 2026-01-31T12:00:00Z")),
        }
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.rfc3339())
    }
}

/// An amount of US dollars as a decimal string with up to six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub Micros);

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

/// A whole number of up to 64 bits, as a string, so that no client rounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigInt(pub i64);

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

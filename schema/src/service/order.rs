//! Orders: how they are made, paid, put into effect, closed and given back.

use crate::clock::Time;
use crate::id;
use crate::model::order::OrderKind;

/// A fresh order number: what it is for, the moment, and six letters or digits.
pub(crate) fn number(kind: OrderKind, now: Time) -> String {
    let prefix = if kind == OrderKind::Topup { "PAY" } else { "SUB" };
    format!("{prefix}{:013}{}", now.0.clamp(0, 9_999_999_999_999), id::code(id::CODE_ALPHABET, 6))
}

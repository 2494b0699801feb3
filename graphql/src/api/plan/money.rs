//! Amounts of the currencies plans and orders are paid in.

use async_graphql::{InputObject, SimpleObject};
use schema::{Micros, money};

use crate::fault::Result;
use crate::scalar::Decimal;

/// An amount of some currency.
#[derive(SimpleObject, Clone)]
pub struct Money {
    /// How much, in the currency's main unit.
    pub amount: Decimal,
    /// Which currency, by its three letters.
    pub currency: String,
}

/// An amount of some currency.
#[derive(InputObject, Clone)]
pub struct MoneyInput {
    /// How much, in the currency's main unit; no more decimals than it has.
    pub amount: Decimal,
    /// Which currency, by its three letters.
    pub currency: String,
}

fn scale(currency: &str) -> i64 {
    10_i64.pow(6_u32.saturating_sub(money::minor_digits(currency)))
}

impl Money {
    /// From minor units.
    pub fn of(minor: i64, currency: &str) -> Self {
        Self { amount: Decimal(Micros(minor.saturating_mul(scale(currency)))), currency: currency.to_owned() }
    }
}

/// A decimal figure in minor units of its currency.
pub fn minor(amount: Decimal, currency: &str, field: &str) -> Result<i64> {
    let scale = scale(currency);
    if amount.0.0 % scale != 0 {
        return Err(schema::Error::invalid(field, format!("{currency} has no such small amounts")).into());
    }
    Ok(amount.0.0 / scale)
}

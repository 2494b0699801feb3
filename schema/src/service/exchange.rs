//! What a currency's money is worth in the wallet's micro-dollars, by the rates of the settings.
//!
//! A rate is kept in millionths, so that the arithmetic is whole numbers; what is given is rounded
//! down and what is asked for is rounded up, so that no rounding can be farmed.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::money::{DOLLAR, MAX, Micros, minor_digits};
use crate::service::setting::{Settings, names};

/// Units of each currency for one dollar, in millionths.
#[derive(Clone, Debug)]
pub struct Rates(BTreeMap<String, i128>);

const MILLION: f64 = 1_000_000.0;

impl Rates {
    /// The rates of the moment: the dollar, the yuan, and what the operator added.
    pub fn of(settings: &Settings) -> Self {
        let mut rates = BTreeMap::new();
        for (code, rate) in settings.json::<BTreeMap<String, f64>>(names::CURRENCY_RATES) {
            rates.insert(code.to_ascii_uppercase(), rate);
        }
        rates.insert("CNY".to_owned(), settings.number(names::CNY_PER_USD));
        rates.insert("USD".to_owned(), 1.0);
        Self(
            rates
                .into_iter()
                .filter(|(_, rate)| rate.is_finite() && (1e-6..=1e9).contains(rate))
                .map(|(code, rate)| (code, (rate * MILLION).round() as i128))
                .collect(),
        )
    }

    /// True for a currency whose worth is known.
    pub fn knows(&self, currency: &str) -> bool {
        self.0.contains_key(currency)
    }

    /// Dollars-per-nothing arithmetic: numerator and denominator that turn minor units into micro-dollars.
    fn ratio(&self, currency: &str) -> Option<(i128, i128)> {
        let rate = self.0.get(currency)?;
        let unit = 10_i128.pow(minor_digits(currency));
        Some((i128::from(DOLLAR) * 1_000_000, unit * rate))
    }

    /// What a payment of so many minor units gives, rounded down.
    pub fn credit(&self, minor: i64, currency: &str) -> Result<Micros> {
        let (up, down) = self.ratio(currency).ok_or_else(|| unknown(currency))?;
        within(i128::from(minor) * up / down)
    }

    /// What a price of so many minor units takes, rounded up.
    pub fn price(&self, minor: i64, currency: &str) -> Result<Micros> {
        let (up, down) = self.ratio(currency).ok_or_else(|| unknown(currency))?;
        within((i128::from(minor) * up + down - 1) / down)
    }

    /// Minor units of another currency, to the nearest; for reports. `None` without a rate.
    pub fn convert(&self, minor: i64, from: &str, to: &str) -> Option<i64> {
        if from == to {
            return Some(minor);
        }
        let ((up, down), (to_up, to_down)) = (self.ratio(from)?, self.ratio(to)?);
        // Both ratios share their numerator, the dollar.
        debug_assert_eq!(up, to_up);
        let (n, half) = (i128::from(minor) * to_down, down / 2);
        i64::try_from(if n < 0 { (n - half) / down } else { (n + half) / down }).ok()
    }

    /// The least payment in minor units whose worth is at least so many micro-dollars.
    pub fn minor(&self, micros: Micros, currency: &str) -> Result<i64> {
        let (up, down) = self.ratio(currency).ok_or_else(|| unknown(currency))?;
        i64::try_from((i128::from(micros.0) * down + up - 1) / up)
            .map_err(|_| Error::invalid("amount", "the amount is beyond all sense"))
    }
}

fn within(micros: i128) -> Result<Micros> {
    i64::try_from(micros)
        .ok()
        .filter(|m| m.abs() <= MAX)
        .map(Micros)
        .ok_or_else(|| Error::invalid("amount", "the amount is beyond all sense"))
}

fn unknown(currency: &str) -> Error {
    Error::invalid("currency", format!("there is no exchange rate for {currency}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates() -> Rates {
        Rates(BTreeMap::from([
            ("USD".to_owned(), 1_000_000),
            ("CNY".to_owned(), 7_200_000),
            ("JPY".to_owned(), 150_000_000),
        ]))
    }

    #[test]
    fn gives_rounded_down_and_takes_rounded_up() {
        let r = rates();
        assert_eq!(r.credit(720, "CNY").expect("known"), Micros(DOLLAR));
        assert_eq!(r.credit(1, "CNY").expect("known"), Micros(1_388));
        assert_eq!(r.price(1, "CNY").expect("known"), Micros(1_389));
        assert_eq!(r.credit(150, "JPY").expect("known"), Micros(DOLLAR), "the yen has no cents");
        assert_eq!(r.minor(Micros(DOLLAR), "CNY").expect("known"), 720);
        assert_eq!(r.minor(Micros(DOLLAR + 1), "CNY").expect("known"), 721);
        assert_eq!(r.credit(1, "EUR").map_err(|e| e.code()), Err("BAD_USER_INPUT"));
        assert!(r.credit(i64::MAX, "USD").is_err(), "beyond 64 bits is refused, not wrapped");
    }

    #[test]
    fn reports_convert_to_the_nearest() {
        let r = rates();
        assert_eq!(r.convert(100, "USD", "CNY"), Some(720));
        assert_eq!(r.convert(720, "CNY", "USD"), Some(100));
        assert_eq!(r.convert(-720, "CNY", "JPY"), Some(-150));
        assert_eq!(r.convert(5, "EUR", "EUR"), Some(5));
        assert_eq!(r.convert(5, "EUR", "CNY"), None);
    }
}

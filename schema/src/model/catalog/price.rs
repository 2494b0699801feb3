//! A price: whole micro-dollars for a million of what is counted.

use serde::{Deserialize, Serialize};

/// What tokens cost, in micro-dollars a million tokens. A missing rate falls back as `service::price` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rates {
    pub input: i64,
    pub output: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<i64>,
}

/// Rates that hold for the whole call once its input is longer than so many tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steps {
    pub above: i64,
    #[serde(flatten)]
    pub rates: Rates,
}

/// What a model costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Price {
    #[serde(flatten)]
    pub rates: Rates,
    /// Lowest threshold first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub long: Vec<Steps>,
    /// Rates of the vendor's faster and slower service tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flex: Option<Rates>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_input: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_output: Option<i64>,
    /// Micro-dollars a million characters.
    #[serde(skip_serializing_if = "zero")]
    pub characters: i64,
    /// Micro-dollars a million seconds.
    #[serde(skip_serializing_if = "zero")]
    pub seconds: i64,
    /// Micro-dollars a million pictures made.
    #[serde(skip_serializing_if = "zero")]
    pub images: i64,
    /// Micro-dollars a million searches of the web.
    #[serde(skip_serializing_if = "zero")]
    pub searches: i64,
    /// Micro-dollars a million calls.
    #[serde(skip_serializing_if = "zero")]
    pub calls: i64,
}

/// What administrators say of a model's price, in place of the vendor's list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnPrice {
    /// That it has none, whatever the list says, until somebody sets one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    #[serde(flatten)]
    pub price: Price,
}

impl OwnPrice {
    /// How one that is withdrawn begins in the form it is stored in.
    pub(super) const WITHDRAWN: &str = "{\"withdrawn\":true%";

    /// No price.
    pub fn withdrawn() -> Self {
        Self { withdrawn: true, price: Price::default() }
    }
    /// The price, unless it says that there is none.
    pub fn price(&self) -> Option<&Price> {
        (!self.withdrawn).then_some(&self.price)
    }
}

impl From<Price> for OwnPrice {
    fn from(price: Price) -> Self {
        Self { withdrawn: false, price }
    }
}

fn zero(n: &i64) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_withdrawn_is_told_by_its_beginning_and_prices_are_stored_as_ever() {
        let text = serde_json::to_string(&OwnPrice::withdrawn()).unwrap();
        assert!(text.starts_with(OwnPrice::WITHDRAWN.trim_end_matches('%')), "{text}");
        assert_eq!(serde_json::from_str::<OwnPrice>(&text).unwrap(), OwnPrice::withdrawn());
        assert_eq!(OwnPrice::withdrawn().price(), None);
        let rates = Rates { input: 7, cache_read: Some(1), ..Rates::default() };
        let long = vec![Steps { above: 9, rates }];
        let price = Price { rates, long, calls: 3, ..Price::default() };
        let stored = serde_json::to_string(&price).unwrap();
        assert_eq!(serde_json::to_string(&OwnPrice::from(price.clone())).unwrap(), stored);
        assert_eq!(serde_json::from_str::<OwnPrice>(&stored).unwrap().price(), Some(&price));
    }
}

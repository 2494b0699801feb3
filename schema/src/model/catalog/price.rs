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

fn zero(n: &i64) -> bool {
    *n == 0
}

//! An account's lesser settings, kept in one document.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::mapping;
use crate::clock::Time;
use crate::text_enum;

text_enum! {
    /// Which of several keys a call takes.
    pub enum KeyMode {
        Random = "random",
        /// One after the other.
        Polling = "polling",
    }
}

/// What an account's relay behaviour is tuned by. Nothing secret belongs here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountOptions {
    /// Model asked for → model sent; chains are followed, and `*` at the end stands for any rest.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub mapping: BTreeMap<String, String>,
    /// Headers set on every request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Fields set in every request body.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub body_overrides: serde_json::Map<String, serde_json::Value>,
    /// Status received → status answered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub status_mapping: BTreeMap<u16, u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The row of the compatible vendors that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// newapi's channel type number it was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel_type: Option<i64>,
    /// Which path it speaks, where a kind knows several (`responses`, `auto`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// Longest wait for the first byte of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<i64>,
    /// How long it rests after a refusal that names no end; 0 = it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limit_minutes: Option<i64>,
    /// When failures are not to take it out of service.
    #[serde(skip_serializing_if = "off")]
    pub protection_off: bool,
    /// The subscription's own warning already pauses it.
    #[serde(skip_serializing_if = "off")]
    pub stop_on_warning: bool,
    /// `HH:MM` in the administrator's time zone at which the daily quota starts anew; midnight when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_reset_time: Option<String>,
    /// Only what was spent after this counts against the daily quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_since: Option<Time>,
    /// Its token is a setup token, good for inference only.
    #[serde(skip_serializing_if = "off")]
    pub setup_token: bool,
    /// Which of a vendor's logins it came by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_provider: Option<String>,
    /// The only client programs it serves, by their ids; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_mode: Option<KeyMode>,
    /// Numbers (from 0) of keys, among several, that are not used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disabled_keys: Vec<u32>,
    /// What only one face knows about; kept for it, never acted on here.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

fn off(b: &bool) -> bool {
    !*b
}

impl AccountOptions {
    /// The model that is sent for a model asked for, at the end of the chain.
    pub fn mapped<'a>(&'a self, model: &'a str) -> Cow<'a, str> {
        mapping::resolve(&self.mapping, model)
    }
    /// Whether a model is one that is renamed here.
    pub fn maps(&self, model: &str) -> bool {
        mapping::applies(&self.mapping, model)
    }
    /// A name in a mapping chain that leads back to itself.
    pub fn mapping_circle(&self) -> Option<&str> {
        mapping::circle(&self.mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_document_is_the_default() {
        let empty: AccountOptions = serde_json::from_str("{}").expect("options");
        assert_eq!(empty, AccountOptions::default());
        assert_eq!(serde_json::to_string(&empty).expect("JSON"), "{}");
    }
}

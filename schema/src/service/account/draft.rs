//! What an account is to be, and what of one is to change.

use super::{Credentials, Proxy};
use crate::clock::Time;
use crate::model::account::{AccountKind, AccountOptions, Sharing};
use crate::money::Micros;

/// An account to be added.
#[derive(Clone, Debug)]
pub struct AccountDraft {
    pub kind: AccountKind,
    pub name: String,
    pub description: String,
    pub base_url: Option<String>,
    pub credentials: Credentials,
    pub proxy: Option<Proxy>,
    /// Models it serves; empty means what its kind serves.
    pub models: Vec<String>,
    /// User groups it serves; empty means all.
    pub groups: Vec<String>,
    pub sharing: Sharing,
    /// Account groups it is a member of.
    pub group_ids: Vec<i64>,
    /// Higher is asked first.
    pub priority: i64,
    pub weight: i64,
    pub max_concurrency: i64,
    pub daily_quota: Option<Micros>,
    pub tag: String,
    pub options: AccountOptions,
    pub info: serde_json::Map<String, serde_json::Value>,
    pub enabled: bool,
    pub schedulable: bool,
    pub subscription_expires_at: Option<Time>,
}

impl AccountDraft {
    /// An account with everything at its default.
    pub fn new(kind: AccountKind, name: impl Into<String>, credentials: Credentials) -> Self {
        Self {
            kind,
            name: name.into(),
            description: String::new(),
            base_url: None,
            credentials,
            proxy: None,
            models: Vec::new(),
            groups: Vec::new(),
            sharing: Sharing::Shared,
            group_ids: Vec::new(),
            priority: 50,
            weight: 1,
            max_concurrency: 0,
            daily_quota: None,
            tag: String::new(),
            options: AccountOptions::default(),
            info: serde_json::Map::new(),
            enabled: true,
            schedulable: true,
            subscription_expires_at: None,
        }
    }
}

/// What of an account changes; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct AccountChange {
    pub kind: Option<AccountKind>,
    pub name: Option<String>,
    pub description: Option<String>,
    /// `Some(None)` returns to the vendor's own address.
    pub base_url: Option<Option<String>>,
    pub credentials: Option<Credentials>,
    pub proxy: Option<Option<Proxy>>,
    pub models: Option<Vec<String>>,
    pub groups: Option<Vec<String>>,
    pub sharing: Option<Sharing>,
    pub group_ids: Option<Vec<i64>>,
    pub priority: Option<i64>,
    pub weight: Option<i64>,
    pub max_concurrency: Option<i64>,
    pub daily_quota: Option<Option<Micros>>,
    pub tag: Option<String>,
    /// All options anew.
    pub options: Option<AccountOptions>,
    /// Single options by their stored names, laid over the others; `null` returns one to its default.
    pub options_patch: serde_json::Map<String, serde_json::Value>,
    /// Laid over what is known; `null` removes a field.
    pub info: serde_json::Map<String, serde_json::Value>,
    pub enabled: Option<bool>,
    pub schedulable: Option<bool>,
    pub subscription_expires_at: Option<Option<Time>>,
    pub expected_version: Option<i64>,
}

//! What a key is to be, and what of one is to change.

use serde::Serialize;

use super::TagChange;
use crate::clock::Time;
use crate::model::api_key::{ApiKey, Binding, BoundTo, KeyLimits, KeyRules, KeyStatus, Permissions, Slot};
use crate::money::Micros;
use crate::secret::Secret;
use crate::{id, text_enum};

text_enum! {
    /// How a key's secret begins.
    pub enum KeyPrefix {
        Cr = "cr_",
        ClaudeRelay = "claude-relay-",
        Sk = "sk-",
    }
}

impl KeyPrefix {
    /// A fresh secret: 128 random bits or more behind the prefix.
    pub(super) fn secret(self) -> String {
        let random = match self {
            Self::Cr => id::hex(&id::random::<32>()),
            Self::ClaudeRelay => id::hex(&id::random::<16>()),
            Self::Sk => id::code(id::TOKEN_ALPHABET, 48),
        };
        format!("{self}{random}")
    }
}

/// When a key ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Expiry {
    #[default]
    Never,
    At(Time),
    /// So many milliseconds after its first use.
    FromFirstUse(i64),
}

/// A key to be issued.
#[derive(Clone, Debug, Serialize)]
pub struct NewKey {
    /// The actor themselves when `None`.
    pub owner: Option<i64>,
    pub name: String,
    pub description: String,
    pub prefix: KeyPrefix,
    /// The face it comes from; the actor's when `None`.
    pub source: Option<String>,
    pub permissions: Permissions,
    /// The user group it uses; its owner's when `None`.
    pub group: Option<String>,
    pub bindings: Vec<Binding>,
    pub limits: KeyLimits,
    pub rules: KeyRules,
    pub tags: Vec<String>,
    pub budget: Option<Micros>,
    pub expiry: Expiry,
    pub status: KeyStatus,
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// A repeated request with the same key answers with the key issued first.
    #[serde(skip)]
    pub idem_key: Option<String>,
}

impl Default for NewKey {
    fn default() -> Self {
        Self {
            owner: None,
            name: String::new(),
            description: String::new(),
            prefix: KeyPrefix::Sk,
            source: None,
            permissions: Permissions::All,
            group: None,
            bindings: Vec::new(),
            limits: KeyLimits::default(),
            rules: KeyRules::default(),
            tags: Vec::new(),
            budget: None,
            expiry: Expiry::Never,
            status: KeyStatus::Active,
            extra: serde_json::Map::new(),
            idem_key: None,
        }
    }
}

/// A fresh key and its secret, which is told this once.
#[derive(Clone, Debug)]
pub struct IssuedKey {
    pub key: ApiKey,
    pub secret: Secret<String>,
}

/// What of a key changes; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: Option<KeyStatus>,
    pub owner: Option<i64>,
    pub permissions: Option<Permissions>,
    /// `Some(None)` returns to the owner's group.
    pub group: Option<Option<String>>,
    /// All bindings anew.
    pub bindings: Option<Vec<Binding>>,
    /// Single slots bound anew, or freed.
    pub rebind: Vec<(Slot, Option<BoundTo>)>,
    pub limits: LimitsChange,
    pub rules: RulesChange,
    pub tags: Option<TagChange>,
    /// All it may ever spend; `Some(None)` lifts the limit.
    pub budget: Option<Option<Micros>>,
    /// What it may spend from now on; wins over `budget`.
    pub remaining: Option<Option<Micros>>,
    pub expiry: Option<Expiry>,
    /// Fields of the faces' own; `null` removes one.
    pub extra: serde_json::Map<String, serde_json::Value>,
    pub expected_version: Option<i64>,
}

/// Declares the partial form of a document: each field optional, and how it is laid over the whole.
macro_rules! partial {
    ($(#[$meta:meta])* $name:ident of $whole:ident { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name { $(pub $field: Option<$type>),+ }
        impl $name {
            /// True when nothing changes.
            pub fn is_empty(&self) -> bool { true $(&& self.$field.is_none())+ }
            /// The whole of a new key's: everything else at its default.
            pub fn whole(&self) -> $whole { self.over(&$whole::default()) }
            pub(super) fn over(&self, whole: &$whole) -> $whole {
                let mut whole = whole.clone();
                $(if let Some(value) = &self.$field { whole.$field = value.clone(); })+
                whole
            }
        }
    };
}

partial! {
    /// Limits that change; 0 lifts one.
    LimitsChange of KeyLimits {
        window_ms: i64, window_requests: i64, window_tokens: i64, window_cost: Micros, concurrency: i64,
        daily_requests: i64, daily_cost: Micros, weekly_cost: Micros, week_start_day: i64, week_start_hour: i64,
        rpm: i64, tpm: i64,
    }
}
partial! {
    /// Rules that change.
    RulesChange of KeyRules {
        restrict_models: bool, restricted_models: Vec<String>, limit_models: bool, allowed_models: Vec<String>,
        restrict_clients: bool, allowed_clients: Vec<String>, ips: Vec<String>, body_limit: i64,
        service_rates: std::collections::BTreeMap<String, i64>,
    }
}

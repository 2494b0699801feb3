//! A key as it is stored, made and changed.

use diesel::prelude::*;

use super::{Binding, KeyLimits, KeyRules, Permissions};
use crate::clock::Time;
use crate::money::Micros;
use crate::table::api_keys;
use crate::text_enum;
use crate::value::{Doc, Words};

text_enum! {
    /// Whether a key is switched on; whether it still lives is told by [`ApiKey::state`].
    pub enum KeyStatus {
        Active = "active",
        Disabled = "disabled",
    }
}

text_enum! {
    /// How a key stands at a moment.
    pub enum KeyState {
        Active = "active",
        Disabled = "disabled",
        Expired = "expired",
        /// Its budget is spent.
        Exhausted = "exhausted",
        Deleted = "deleted",
    }
}

text_enum! {
    /// How a key's end is decided.
    pub enum ExpiryMode {
        /// At a fixed time, or never.
        Fixed = "fixed",
        /// So long after its first use.
        Activation = "activation",
    }
}

/// A key.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct ApiKey {
    pub id: i64,
    pub uid: String,
    pub user_id: i64,
    pub name: String,
    pub description: String,
    pub digest: String,
    pub prefix: String,
    pub hint: String,
    /// The face through which it was made.
    pub source: String,
    pub status: KeyStatus,
    pub permissions: Permissions,
    /// The user group whose accounts and prices it uses; its owner's when `None`.
    pub group_name: Option<String>,
    pub bindings: Doc<Vec<Binding>>,
    pub limits: Doc<KeyLimits>,
    pub rules: Doc<KeyRules>,
    pub tags: Words,
    /// All it may ever spend.
    pub budget: Option<Micros>,
    pub spent: Micros,
    pub request_count: i64,
    pub expires_at: Option<Time>,
    pub expiry_mode: ExpiryMode,
    /// How long it lives from its first use.
    pub activate_ms: Option<i64>,
    pub activated_at: Option<Time>,
    pub last_used_at: Option<Time>,
    pub created_by: String,
    /// What only one face knows about; kept for it, never acted on here.
    pub extra: Doc<serde_json::Map<String, serde_json::Value>>,
    pub created_at: Time,
    pub updated_at: Time,
    pub deleted_at: Option<Time>,
    pub deleted_by: Option<String>,
    pub version: i64,
}

/// A key to be made.
#[derive(Debug, Insertable)]
#[diesel(table_name = api_keys)]
pub struct NewApiKey {
    pub uid: String,
    pub user_id: i64,
    pub name: String,
    pub description: String,
    pub digest: String,
    pub prefix: String,
    pub hint: String,
    pub source: String,
    pub status: KeyStatus,
    pub permissions: Permissions,
    pub group_name: Option<String>,
    pub bindings: Doc<Vec<Binding>>,
    pub limits: Doc<KeyLimits>,
    pub rules: Doc<KeyRules>,
    pub tags: Words,
    pub budget: Option<Micros>,
    pub expires_at: Option<Time>,
    pub expiry_mode: ExpiryMode,
    pub activate_ms: Option<i64>,
    pub created_by: String,
    pub extra: Doc<serde_json::Map<String, serde_json::Value>>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of a key changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = api_keys)]
pub struct ApiKeyChange {
    pub user_id: Option<i64>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub digest: Option<String>,
    pub prefix: Option<String>,
    pub hint: Option<String>,
    pub status: Option<KeyStatus>,
    pub permissions: Option<Permissions>,
    pub group_name: Option<Option<String>>,
    pub bindings: Option<Doc<Vec<Binding>>>,
    pub limits: Option<Doc<KeyLimits>>,
    pub rules: Option<Doc<KeyRules>>,
    pub tags: Option<Words>,
    pub budget: Option<Option<Micros>>,
    pub expires_at: Option<Option<Time>>,
    pub expiry_mode: Option<ExpiryMode>,
    pub activate_ms: Option<Option<i64>>,
    pub activated_at: Option<Option<Time>>,
    pub extra: Option<Doc<serde_json::Map<String, serde_json::Value>>>,
    pub deleted_at: Option<Option<Time>>,
    pub deleted_by: Option<Option<String>>,
}

//! An account as it is stored, added and changed.

use diesel::prelude::*;

use super::{AccountKind, AccountOptions};
use crate::clock::Time;
use crate::money::Micros;
use crate::table::accounts;
use crate::text_enum;
use crate::value::{Doc, Words};

text_enum! {
    /// Whether an account can serve.
    pub enum Health {
        Ok = "ok",
        /// Resting until a moment; after it, one call tries again.
        Cooling = "cooling",
        /// Refused by its vendor until somebody looks after it.
        Blocked = "blocked",
        /// Its credentials have run out.
        Expired = "expired",
    }
}

text_enum! {
    /// Who may be sent to an account.
    pub enum Sharing {
        /// Every key.
        Shared = "shared",
        /// Keys bound to it.
        Dedicated = "dedicated",
        /// Keys bound to a group it is a member of.
        Group = "group",
    }
}

/// An account.
#[derive(Clone, Debug, Queryable, Selectable, Identifiable)]
pub struct Account {
    pub id: i64,
    pub uid: String,
    pub kind: AccountKind,
    pub name: String,
    pub description: String,
    pub enabled: bool,
    pub schedulable: bool,
    pub health: Health,
    pub health_note: String,
    pub cool_until: Option<Time>,
    pub base_url: Option<String>,
    /// Sealed; opened by `service::account::open` alone.
    pub credentials: Vec<u8>,
    pub proxy: Option<Vec<u8>>,
    /// The masked key or token, for recognising it.
    pub hint: String,
    /// Models it serves; empty means what its kind serves.
    pub models: Doc<Vec<String>>,
    /// User groups it serves; empty means all.
    pub groups: Words,
    pub sharing: Sharing,
    /// Higher is asked first.
    pub priority: i64,
    pub weight: i64,
    /// Calls at the same time; 0 means no limit.
    pub max_concurrency: i64,
    /// What it may spend upstream in a day.
    pub daily_quota: Option<Micros>,
    pub tag: String,
    pub options: Doc<AccountOptions>,
    /// What was learned about it: subscription, windows, the last probe.
    pub info: Doc<serde_json::Map<String, serde_json::Value>>,
    pub token_expires_at: Option<Time>,
    pub subscription_expires_at: Option<Time>,
    pub last_used_at: Option<Time>,
    pub spent: Micros,
    pub created_at: Time,
    pub updated_at: Time,
    pub deleted_at: Option<Time>,
    pub version: i64,
}

/// An account to be added.
#[derive(Debug, Insertable)]
#[diesel(table_name = accounts)]
pub struct NewAccount {
    pub uid: String,
    pub kind: AccountKind,
    pub name: String,
    pub description: String,
    pub enabled: bool,
    pub schedulable: bool,
    pub health: Health,
    pub health_note: String,
    pub base_url: Option<String>,
    pub credentials: Vec<u8>,
    pub proxy: Option<Vec<u8>>,
    pub hint: String,
    pub models: Doc<Vec<String>>,
    pub groups: Words,
    pub sharing: Sharing,
    pub priority: i64,
    pub weight: i64,
    pub max_concurrency: i64,
    pub daily_quota: Option<Micros>,
    pub tag: String,
    pub options: Doc<AccountOptions>,
    pub info: Doc<serde_json::Map<String, serde_json::Value>>,
    pub token_expires_at: Option<Time>,
    pub subscription_expires_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// What of an account changes; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, AsChangeset)]
#[diesel(table_name = accounts)]
pub struct AccountRowChange {
    pub kind: Option<AccountKind>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub enabled: Option<bool>,
    pub schedulable: Option<bool>,
    pub base_url: Option<Option<String>>,
    pub credentials: Option<Vec<u8>>,
    pub proxy: Option<Option<Vec<u8>>>,
    pub hint: Option<String>,
    pub models: Option<Doc<Vec<String>>>,
    pub groups: Option<Words>,
    pub sharing: Option<Sharing>,
    pub priority: Option<i64>,
    pub weight: Option<i64>,
    pub max_concurrency: Option<i64>,
    pub daily_quota: Option<Option<Micros>>,
    pub tag: Option<String>,
    pub options: Option<Doc<AccountOptions>>,
    pub info: Option<Doc<serde_json::Map<String, serde_json::Value>>>,
    pub token_expires_at: Option<Option<Time>>,
    pub subscription_expires_at: Option<Option<Time>>,
    pub deleted_at: Option<Option<Time>>,
}

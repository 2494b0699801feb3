//! What is told of an account that is added or changed.

use std::collections::BTreeMap;

use async_graphql::{ID, InputObject, MaybeUndefined, OneofObject};
use schema::model::account as model;
use schema::service::account as service;
use serde_json::{Map, Value};

use crate::api::account::{AccountKeyMode, AccountKind, AccountSharing, ProxyKind};
use crate::fault::Result;
use crate::node;
use crate::scalar::{BigInt, DateTime, Decimal, Json};

/// What opens an account: exactly one of these. It is sealed, and never shown again.
#[derive(OneofObject, Clone)]
pub enum AccountCredentialsInput {
    /// One key, or several that take turns.
    #[graphql(secret)]
    Keys(Vec<String>),
    /// Tokens of an OAuth login.
    #[graphql(secret)]
    Oauth(OauthTokensInput),
    /// An AWS access key.
    #[graphql(secret)]
    Aws(AwsKeyInput),
    /// A Google service account's JSON key.
    #[graphql(secret)]
    ServiceAccount(String),
    /// An access key and its secret, from which short-lived tokens are signed.
    #[graphql(secret)]
    Pair(KeyPairInput),
}

/// Tokens of an OAuth login.
#[derive(InputObject, Clone)]
pub struct OauthTokensInput {
    /// The access token.
    #[graphql(secret)]
    pub access_token: Option<String>,
    /// The refresh token.
    #[graphql(secret)]
    pub refresh_token: Option<String>,
    /// The id token.
    #[graphql(secret)]
    pub id_token: Option<String>,
    /// When the access token ends.
    pub expires_at: Option<DateTime>,
    /// What it admits.
    pub scopes: Option<Vec<String>>,
}

/// An AWS access key.
#[derive(InputObject, Clone)]
pub struct AwsKeyInput {
    /// Its id.
    #[graphql(secret)]
    pub access_key_id: String,
    /// Its secret.
    #[graphql(secret)]
    pub secret_access_key: String,
    /// The token of a session.
    #[graphql(secret)]
    pub session_token: Option<String>,
}

/// An access key and its secret.
#[derive(InputObject, Clone)]
pub struct KeyPairInput {
    /// The access key.
    #[graphql(secret)]
    pub access: String,
    /// Its secret.
    #[graphql(secret)]
    pub secret: String,
}

impl From<AccountCredentialsInput> for service::Credentials {
    fn from(given: AccountCredentialsInput) -> Self {
        match given {
            AccountCredentialsInput::Keys(keys) => Self::Keys { keys },
            AccountCredentialsInput::Oauth(t) => Self::Oauth(service::OauthTokens {
                access_token: t.access_token.unwrap_or_default(),
                refresh_token: t.refresh_token,
                id_token: t.id_token,
                expires_at: t.expires_at.map(|t| t.0),
                scopes: t.scopes.unwrap_or_default(),
            }),
            AccountCredentialsInput::Aws(k) => Self::Aws {
                access_key_id: k.access_key_id,
                secret_access_key: k.secret_access_key,
                session_token: k.session_token,
            },
            AccountCredentialsInput::ServiceAccount(json) => Self::ServiceAccount { json },
            AccountCredentialsInput::Pair(p) => Self::Pair { access: p.access, secret: p.secret },
        }
    }
}

/// A proxy an account is reached through.
#[derive(InputObject, Clone)]
pub struct AccountProxyInput {
    /// What it speaks.
    pub kind: ProxyKind,
    /// Its host.
    pub host: String,
    /// Its port.
    #[graphql(validator(minimum = 1, maximum = 65535))]
    pub port: i32,
    /// Who we are to it.
    pub username: Option<String>,
    /// The password.
    #[graphql(secret)]
    pub password: Option<String>,
}

impl From<AccountProxyInput> for service::Proxy {
    fn from(p: AccountProxyInput) -> Self {
        Self {
            kind: p.kind.into(),
            host: p.host,
            port: u16::try_from(p.port).unwrap_or_default(),
            username: p.username,
            password: p.password,
        }
    }
}

/// A name that stands for another.
#[derive(InputObject, Clone)]
pub struct NamePairInput {
    /// The name asked for.
    pub from: String,
    /// The name sent.
    pub to: String,
}

/// A status that stands for another.
#[derive(InputObject, Clone)]
pub struct StatusPairInput {
    /// The status received.
    #[graphql(validator(minimum = 100, maximum = 599))]
    pub from: i32,
    /// The status answered.
    #[graphql(validator(minimum = 100, maximum = 599))]
    pub to: i32,
}

/// How the relay is to treat an account. What is absent stays as it is; null returns to the default.
#[derive(InputObject, Clone, Default)]
pub struct AccountOptionsInput {
    /// Models asked for and sent; chains are followed.
    pub model_mapping: MaybeUndefined<Vec<NamePairInput>>,
    /// Headers set on every request.
    pub headers: MaybeUndefined<Vec<NamePairInput>>,
    /// Fields set in every request body; an object.
    pub body_overrides: MaybeUndefined<Json>,
    /// Statuses received and answered.
    pub status_mapping: MaybeUndefined<Vec<StatusPairInput>>,
    /// The vendor's region.
    pub region: MaybeUndefined<String>,
    /// The vendor's project.
    pub project: MaybeUndefined<String>,
    /// The vendor's organization.
    pub organization: MaybeUndefined<String>,
    /// The version of the vendor's API.
    pub api_version: MaybeUndefined<String>,
    /// The vendor's deployment.
    pub deployment: MaybeUndefined<String>,
    /// The row of the compatible vendors that it follows.
    pub vendor: MaybeUndefined<String>,
    /// Which path it speaks, where its kind knows several.
    pub endpoint: MaybeUndefined<String>,
    /// The model sent when none fits.
    pub default_model: MaybeUndefined<String>,
    /// The model it is tested with.
    pub test_model: MaybeUndefined<String>,
    /// The user agent it is reached with.
    pub user_agent: MaybeUndefined<String>,
    /// Milliseconds the first byte of an answer is waited for.
    pub first_byte_ms: MaybeUndefined<BigInt>,
    /// Minutes it rests after a refusal that names no end; 0 means it does not.
    pub rate_limit_minutes: MaybeUndefined<BigInt>,
    /// True when failures are not to take it out of service.
    pub protection_off: MaybeUndefined<bool>,
    /// True when the subscription's warning is to pause it already.
    pub stop_on_warning: MaybeUndefined<bool>,
    /// `HH:MM` at which its daily quota starts anew.
    pub quota_reset_time: MaybeUndefined<String>,
    /// True when its token is good for inference only.
    pub setup_token: MaybeUndefined<bool>,
    /// Which of several keys a call takes.
    pub key_mode: MaybeUndefined<AccountKeyMode>,
    /// Numbers, from 0, of keys that are not to be used.
    pub disabled_keys: MaybeUndefined<Vec<i32>>,
}

impl AccountOptionsInput {
    /// By their stored names; null returns one to its default.
    pub(super) fn patch(self) -> Map<String, Value> {
        let mut patch = Map::new();
        let mut put = |name: &str, value: MaybeUndefined<Value>| match value {
            MaybeUndefined::Undefined => {}
            MaybeUndefined::Null => drop(patch.insert(name.to_owned(), Value::Null)),
            MaybeUndefined::Value(value) => drop(patch.insert(name.to_owned(), value)),
        };
        let names = |pairs: Vec<NamePairInput>| {
            let map: BTreeMap<String, String> = pairs.into_iter().map(|p| (p.from, p.to)).collect();
            serde_json::json!(map)
        };
        let statuses = |pairs: Vec<StatusPairInput>| {
            let map: BTreeMap<String, i32> = pairs.into_iter().map(|p| (p.from.to_string(), p.to)).collect();
            serde_json::json!(map)
        };
        put("mapping", self.model_mapping.map_value(names));
        put("headers", self.headers.map_value(names));
        put("body_overrides", self.body_overrides.map_value(|j| j.0));
        put("status_mapping", self.status_mapping.map_value(statuses));
        for (name, text) in [
            ("region", self.region),
            ("project", self.project),
            ("organization", self.organization),
            ("api_version", self.api_version),
            ("deployment", self.deployment),
            ("vendor", self.vendor),
            ("endpoint", self.endpoint),
            ("default_model", self.default_model),
            ("test_model", self.test_model),
            ("user_agent", self.user_agent),
            ("quota_reset_time", self.quota_reset_time),
        ] {
            put(name, text.map_value(Value::from));
        }
        put("first_byte_ms", self.first_byte_ms.map_value(|n| n.0.into()));
        put("rate_limit_minutes", self.rate_limit_minutes.map_value(|n| n.0.into()));
        put("protection_off", self.protection_off.map_value(Value::from));
        put("stop_on_warning", self.stop_on_warning.map_value(Value::from));
        put("setup_token", self.setup_token.map_value(Value::from));
        put("key_mode", self.key_mode.map_value(|m| model::KeyMode::from(m).as_str().into()));
        put("disabled_keys", self.disabled_keys.map_value(Value::from));
        patch
    }
}

/// What of an account changes. What is absent stays as it is.
#[derive(InputObject, Clone, Default)]
pub struct AccountFieldsInput {
    /// What it is at its vendor.
    pub kind: Option<AccountKind>,
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Its address; null returns to the vendor's own.
    pub base_url: MaybeUndefined<String>,
    /// What opens it.
    #[graphql(secret)]
    pub credentials: Option<AccountCredentialsInput>,
    /// The proxy it is reached through; null for none.
    pub proxy: MaybeUndefined<AccountProxyInput>,
    /// The models it serves; empty means what its kind serves.
    pub models: Option<Vec<String>>,
    /// The user groups it serves; empty means all.
    pub user_groups: Option<Vec<String>>,
    /// Who may be sent to it.
    pub sharing: Option<AccountSharing>,
    /// All the account groups it is to be a member of.
    pub account_group_ids: Option<Vec<ID>>,
    /// Higher is asked first.
    pub priority: Option<BigInt>,
    /// Its share among accounts of one priority.
    pub weight: Option<BigInt>,
    /// Calls at the same time; 0 means no limit.
    pub max_concurrency: Option<BigInt>,
    /// What it may spend upstream in a day, in US dollars; null lifts the limit.
    pub daily_quota: MaybeUndefined<Decimal>,
    /// A word to find it by.
    pub tag: Option<String>,
    /// Options that change.
    pub options: Option<AccountOptionsInput>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
    /// Whether it may be chosen.
    pub schedulable: Option<bool>,
    /// When its subscription at the vendor ends; null when that is not known.
    pub subscription_expires_at: MaybeUndefined<DateTime>,
}

pub(super) fn group_rows(ids: &[ID]) -> Result<Vec<i64>> {
    node::rows("AccountGroup", ids, "accountGroupIds", 100)
}

impl AccountFieldsInput {
    pub(super) fn change(self, expected_version: Option<BigInt>) -> Result<service::AccountChange> {
        let proxy: Option<Option<AccountProxyInput>> = self.proxy.into();
        let quota: Option<Option<Decimal>> = self.daily_quota.into();
        let ends: Option<Option<DateTime>> = self.subscription_expires_at.into();
        Ok(service::AccountChange {
            kind: self.kind.map(Into::into),
            name: self.name,
            description: self.description,
            base_url: self.base_url.into(),
            credentials: self.credentials.map(Into::into),
            proxy: proxy.map(|p| p.map(Into::into)),
            models: self.models,
            groups: self.user_groups,
            sharing: self.sharing.map(Into::into),
            group_ids: self.account_group_ids.as_deref().map(group_rows).transpose()?,
            priority: self.priority.map(Into::into),
            weight: self.weight.map(Into::into),
            max_concurrency: self.max_concurrency.map(Into::into),
            daily_quota: quota.map(|q| q.map(|d| d.0)),
            tag: self.tag,
            options_patch: self.options.unwrap_or_default().patch(),
            enabled: self.enabled,
            schedulable: self.schedulable,
            subscription_expires_at: ends.map(|t| t.map(|t| t.0)),
            expected_version: expected_version.map(Into::into),
            ..service::AccountChange::default()
        })
    }
}

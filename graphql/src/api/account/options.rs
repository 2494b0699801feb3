//! How the relay treats an account.

use async_graphql::{Enum, SimpleObject};
use schema::model::account as model;

use crate::scalar::{BigInt, DateTime, Json};

/// A name that stands for another.
#[derive(SimpleObject, Clone)]
pub struct NamePair {
    /// The name asked for.
    pub from: String,
    /// The name sent.
    pub to: String,
}

/// A status that stands for another.
#[derive(SimpleObject, Clone)]
pub struct StatusPair {
    /// The status received.
    pub from: i32,
    /// The status answered.
    pub to: i32,
}

/// How the relay treats an account. What is null is at its default.
#[derive(SimpleObject, Clone)]
pub struct AccountOptions {
    /// Models asked for and sent; chains are followed.
    pub model_mapping: Vec<NamePair>,
    /// Headers set on every request.
    pub headers: Vec<NamePair>,
    /// Fields set in every request body.
    pub body_overrides: Json,
    /// Statuses received and answered.
    pub status_mapping: Vec<StatusPair>,
    /// The vendor's region.
    pub region: Option<String>,
    /// The vendor's project.
    pub project: Option<String>,
    /// The vendor's organization.
    pub organization: Option<String>,
    /// The version of the vendor's API.
    pub api_version: Option<String>,
    /// The vendor's deployment.
    pub deployment: Option<String>,
    /// The row of the compatible vendors that it follows.
    pub vendor: Option<String>,
    /// Which path it speaks, where its kind knows several.
    pub endpoint: Option<String>,
    /// The model sent when none fits.
    pub default_model: Option<String>,
    /// The model it is tested with.
    pub test_model: Option<String>,
    /// The user agent it is reached with.
    pub user_agent: Option<String>,
    /// Milliseconds the first byte of an answer is waited for.
    pub first_byte_ms: Option<BigInt>,
    /// Minutes it rests after a refusal that names no end.
    pub rate_limit_minutes: Option<BigInt>,
    /// True when failures do not take it out of service.
    pub protection_off: bool,
    /// True when the subscription's warning already pauses it.
    pub stop_on_warning: bool,
    /// `HH:MM` at which its daily quota starts anew.
    pub quota_reset_time: Option<String>,
    /// Only what was spent after this counts against the daily quota.
    pub quota_since: Option<DateTime>,
    /// True when its token is good for inference only.
    pub setup_token: bool,
    /// Which of several keys a call takes.
    pub key_mode: Option<AccountKeyMode>,
    /// Numbers, from 0, of keys that are not used.
    pub disabled_keys: Vec<i32>,
}

impl From<&model::AccountOptions> for AccountOptions {
    fn from(o: &model::AccountOptions) -> Self {
        let pairs = |map: &std::collections::BTreeMap<String, String>| {
            map.iter().map(|(from, to)| NamePair { from: from.clone(), to: to.clone() }).collect()
        };
        Self {
            model_mapping: pairs(&o.mapping),
            headers: pairs(&o.headers),
            body_overrides: Json(o.body_overrides.clone().into()),
            status_mapping: o
                .status_mapping
                .iter()
                .map(|(from, to)| StatusPair { from: i32::from(*from), to: i32::from(*to) })
                .collect(),
            region: o.region.clone(),
            project: o.project.clone(),
            organization: o.organization.clone(),
            api_version: o.api_version.clone(),
            deployment: o.deployment.clone(),
            vendor: o.vendor.clone(),
            endpoint: o.endpoint.clone(),
            default_model: o.default_model.clone(),
            test_model: o.test_model.clone(),
            user_agent: o.user_agent.clone(),
            first_byte_ms: o.first_byte_ms.map(BigInt),
            rate_limit_minutes: o.rate_limit_minutes.map(BigInt),
            protection_off: o.protection_off,
            stop_on_warning: o.stop_on_warning,
            quota_reset_time: o.quota_reset_time.clone(),
            quota_since: o.quota_since.map(DateTime),
            setup_token: o.setup_token,
            key_mode: o.key_mode.map(Into::into),
            disabled_keys: o.disabled_keys.iter().filter_map(|n| i32::try_from(*n).ok()).collect(),
        }
    }
}

/// Which of several keys a call takes.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "model::KeyMode")]
pub enum AccountKeyMode {
    /// Any.
    Random,
    /// One after the other.
    Polling,
}

//! What is told of a key that is made or changed.

use async_graphql::{Enum, ID, InputObject, MaybeUndefined};
use schema::model::api_key as model;
use schema::service::api_key as service;

use crate::api::account::Service;
use crate::api::api_key::BindingSlot;
use crate::fault::Result;
use crate::node;
use crate::scalar::{BigInt, DateTime, Decimal};

/// How a key begins.
#[derive(Enum, Copy, Clone, Eq, PartialEq, Debug)]
#[graphql(remote = "service::KeyPrefix")]
pub enum ApiKeyPrefix {
    /// `cr_` and 64 hexadecimal digits.
    Cr,
    /// `claude-relay-` and 32 hexadecimal digits.
    ClaudeRelay,
    /// `sk-` and 48 letters and digits.
    Sk,
}

/// How much a key may use. What is absent stays as it is; 0 lifts a limit.
#[derive(InputObject, Clone, Default)]
pub struct ApiKeyLimitsInput {
    /// Milliseconds of the window that begins with a request.
    pub window_ms: Option<BigInt>,
    /// Requests within the window.
    pub window_requests: Option<BigInt>,
    /// Tokens within the window; without a window, tokens altogether.
    pub window_tokens: Option<BigInt>,
    /// Cost within the window, in US dollars.
    pub window_cost: Option<Decimal>,
    /// Calls at the same time.
    pub concurrency: Option<BigInt>,
    /// Requests a day.
    pub daily_requests: Option<BigInt>,
    /// Cost a day, in US dollars.
    pub daily_cost: Option<Decimal>,
    /// Cost of Claude models a week, in US dollars.
    pub weekly_cost: Option<Decimal>,
    /// The day that week begins, 1 (Monday) to 7.
    pub week_start_day: Option<BigInt>,
    /// The hour of that day.
    pub week_start_hour: Option<BigInt>,
    /// Requests a minute.
    pub requests_per_minute: Option<BigInt>,
    /// Tokens a minute.
    pub tokens_per_minute: Option<BigInt>,
}

impl From<ApiKeyLimitsInput> for service::LimitsChange {
    fn from(l: ApiKeyLimitsInput) -> Self {
        let count = |n: Option<BigInt>| n.map(|n| n.0);
        let cost = |m: Option<Decimal>| m.map(|m| m.0);
        Self {
            window_ms: count(l.window_ms),
            window_requests: count(l.window_requests),
            window_tokens: count(l.window_tokens),
            window_cost: cost(l.window_cost),
            concurrency: count(l.concurrency),
            daily_requests: count(l.daily_requests),
            daily_cost: cost(l.daily_cost),
            weekly_cost: cost(l.weekly_cost),
            week_start_day: count(l.week_start_day),
            week_start_hour: count(l.week_start_hour),
            rpm: count(l.requests_per_minute),
            tpm: count(l.tokens_per_minute),
        }
    }
}

/// Who may use a key, from where, and for which models. What is absent stays as it is.
#[derive(InputObject, Clone, Default)]
pub struct ApiKeyRulesInput {
    /// Whether `restrictedModels` applies.
    pub restrict_models: Option<bool>,
    /// Models refused.
    pub restricted_models: Option<Vec<String>>,
    /// Whether `allowedModels` applies.
    pub limit_models: Option<bool>,
    /// The only models admitted; a trailing `*` stands for anything.
    pub allowed_models: Option<Vec<String>>,
    /// Whether `allowedClients` applies.
    pub restrict_clients: Option<bool>,
    /// The only client programs admitted, by their ids.
    pub allowed_clients: Option<Vec<String>>,
    /// Addresses and networks it may be used from; empty means anywhere.
    pub allowed_ips: Option<Vec<String>>,
    /// Bytes of the largest request; 0 means the server's own limit.
    pub body_limit: Option<BigInt>,
    /// Factors on the price of single services, for administrators.
    pub service_rates: Option<Vec<ServiceRateInput>>,
}

/// A factor on the price of a service.
#[derive(InputObject, Clone)]
pub struct ServiceRateInput {
    /// The service.
    pub service: Service,
    /// The factor; 1 changes nothing.
    pub factor: Decimal,
}

impl From<ApiKeyRulesInput> for service::RulesChange {
    fn from(r: ApiKeyRulesInput) -> Self {
        Self {
            restrict_models: r.restrict_models,
            restricted_models: r.restricted_models,
            limit_models: r.limit_models,
            allowed_models: r.allowed_models,
            restrict_clients: r.restrict_clients,
            allowed_clients: r.allowed_clients,
            ips: r.allowed_ips,
            body_limit: r.body_limit.map(|n| n.0),
            service_rates: r.service_rates.map(|rates| {
                let word = |s: Service| model::Service::from(s).as_str().to_owned();
                rates.into_iter().map(|rate| (word(rate.service), rate.factor.0.0)).collect()
            }),
        }
    }
}

/// One binding of a key: an account or an account group, not both.
#[derive(InputObject, Clone)]
pub struct ApiKeyBindingInput {
    /// The kind of account it speaks of.
    pub slot: BindingSlot,
    /// The account.
    pub account_id: Option<ID>,
    /// The account group.
    pub account_group_id: Option<ID>,
}

fn bindings(given: &[ApiKeyBindingInput]) -> Result<Vec<model::Binding>> {
    let one = |b: &ApiKeyBindingInput| {
        let to = match (&b.account_id, &b.account_group_id) {
            (Some(id), None) => model::BoundTo::Account(node::row("Account", id, "bindings.accountId")?),
            (None, Some(id)) => model::BoundTo::Group(node::row("AccountGroup", id, "bindings.accountGroupId")?),
            _ => return Err(schema::Error::invalid("bindings", "an account or an account group, not both").into()),
        };
        Ok(model::Binding { slot: b.slot.into(), to })
    };
    given.iter().map(one).collect()
}

fn permissions(services: Vec<Service>) -> model::Permissions {
    if services.is_empty() {
        return model::Permissions::All;
    }
    let mut list: Vec<model::Service> = services.into_iter().map(Into::into).collect();
    list.sort_unstable();
    list.dedup();
    model::Permissions::Only(list)
}

/// When a key ends; at most one of the three.
fn expiry(at: Option<DateTime>, lifetime: Option<BigInt>) -> Result<Option<service::Expiry>> {
    Ok(match (at, lifetime) {
        (None, None) => None,
        (Some(at), None) => Some(service::Expiry::At(at.0)),
        (None, Some(ms)) => Some(service::Expiry::FromFirstUse(ms.0)),
        _ => return Err(schema::Error::invalid("expiresAt", "give expiresAt or lifetimeMs, not both").into()),
    })
}

/// A key to be made. Whoever is no administrator stays within their plan.
#[derive(InputObject, Clone)]
pub struct ApiKeyCreateInput {
    /// Its name; of several, how all their names begin.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whose it is to be; one's own when absent.
    pub owner_id: Option<ID>,
    /// How it begins; SK when absent.
    pub prefix: Option<ApiKeyPrefix>,
    /// The services it may call; all when absent or empty.
    pub services: Option<Vec<Service>>,
    /// The user group whose accounts and prices it uses; its owner's when absent.
    pub group: Option<String>,
    /// The accounts and groups it is bound to, for administrators.
    pub bindings: Option<Vec<ApiKeyBindingInput>>,
    /// How much it may use.
    pub limits: Option<ApiKeyLimitsInput>,
    /// Who may use it, from where, and for which models.
    pub rules: Option<ApiKeyRulesInput>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// All it may ever spend, in US dollars.
    pub budget: Option<Decimal>,
    /// When it ends; never when absent.
    pub expires_at: Option<DateTime>,
    /// Milliseconds it lives from its first use, instead of a fixed end.
    pub lifetime_ms: Option<BigInt>,
    /// False to make it switched off.
    pub enabled: Option<bool>,
    /// Repeating the request with this key makes nothing twice and gives the same answer, the key's text too;
    /// remembered for a day.
    pub client_mutation_key: Option<String>,
}

impl ApiKeyCreateInput {
    pub(super) fn draft(self) -> Result<service::NewKey> {
        let whole = service::NewKey::default();
        Ok(service::NewKey {
            owner: node::row_if("User", self.owner_id.as_ref(), "ownerId")?,
            name: self.name,
            description: self.description.unwrap_or_default(),
            prefix: self.prefix.map_or(whole.prefix, Into::into),
            permissions: permissions(self.services.unwrap_or_default()),
            group: self.group,
            bindings: bindings(&self.bindings.unwrap_or_default())?,
            limits: service::LimitsChange::from(self.limits.unwrap_or_default()).whole(),
            rules: service::RulesChange::from(self.rules.unwrap_or_default()).whole(),
            tags: self.tags.unwrap_or_default(),
            budget: self.budget.map(|b| b.0),
            expiry: expiry(self.expires_at, self.lifetime_ms)?.unwrap_or_default(),
            status: if self.enabled == Some(false) { model::KeyStatus::Disabled } else { model::KeyStatus::Active },
            idem_key: self.client_mutation_key,
            ..whole
        })
    }
}

/// What of a key changes. What is absent stays as it is.
#[derive(InputObject, Clone, Default)]
pub struct ApiKeyFieldsInput {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
    /// Whose it is to be, for administrators.
    pub owner_id: Option<ID>,
    /// The services it may call; empty means all.
    pub services: Option<Vec<Service>>,
    /// The user group it uses; null returns to its owner's.
    pub group: MaybeUndefined<String>,
    /// All its bindings anew, for administrators.
    pub bindings: Option<Vec<ApiKeyBindingInput>>,
    /// Limits that change.
    pub limits: Option<ApiKeyLimitsInput>,
    /// Rules that change.
    pub rules: Option<ApiKeyRulesInput>,
    /// All its tags anew.
    pub tags: Option<Vec<String>>,
    /// Tags to be added.
    pub add_tags: Option<Vec<String>>,
    /// Tags to be taken off.
    pub remove_tags: Option<Vec<String>>,
    /// All it may ever spend, in US dollars; null lifts the limit.
    pub budget: MaybeUndefined<Decimal>,
    /// What it may spend from now on, in US dollars, instead of `budget`; null lifts the limit.
    pub remaining: MaybeUndefined<Decimal>,
    /// When it ends; null means never.
    pub expires_at: MaybeUndefined<DateTime>,
    /// Milliseconds it lives from its first use, instead of a fixed end.
    pub lifetime_ms: Option<BigInt>,
}

impl ApiKeyFieldsInput {
    pub(super) fn change(self, expected_version: Option<BigInt>) -> Result<service::KeyChange> {
        let tags = match (self.tags, self.add_tags, self.remove_tags) {
            (None, None, None) => None,
            (Some(all), None, None) => Some(service::TagChange::Replace(all)),
            (None, Some(add), None) => Some(service::TagChange::Add(add)),
            (None, None, Some(off)) => Some(service::TagChange::Remove(off)),
            _ => return Err(schema::Error::invalid("tags", "give tags, addTags or removeTags").into()),
        };
        let amount = |m: MaybeUndefined<Decimal>| Option::<Option<Decimal>>::from(m).map(|m| m.map(|d| d.0));
        let expiry = match (self.expires_at, self.lifetime_ms) {
            (MaybeUndefined::Null, None) => Some(service::Expiry::Never),
            (at, lifetime) => expiry(at.take(), lifetime)?,
        };
        let status = |on| if on { model::KeyStatus::Active } else { model::KeyStatus::Disabled };
        Ok(service::KeyChange {
            name: self.name,
            description: self.description,
            status: self.enabled.map(status),
            owner: node::row_if("User", self.owner_id.as_ref(), "ownerId")?,
            permissions: self.services.map(permissions),
            group: self.group.into(),
            bindings: self.bindings.as_deref().map(bindings).transpose()?,
            limits: self.limits.unwrap_or_default().into(),
            rules: self.rules.unwrap_or_default().into(),
            tags,
            budget: amount(self.budget),
            remaining: amount(self.remaining),
            expiry,
            expected_version: expected_version.map(Into::into),
            ..service::KeyChange::default()
        })
    }
}

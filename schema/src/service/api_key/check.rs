//! What a key's fields may hold.

use crate::clock::DAY;
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::account::Account;
use crate::model::account_group::AccountGroup;
use crate::model::api_key::{Binding, BoundTo, KeyLimits, KeyRules, Service, Slot};
use crate::money::{MAX, Micros};
use crate::net::Net;
use crate::service::field;

/// No window or wait is longer.
const LONGEST: i64 = 3_660 * DAY;
/// No count is larger.
const MOST: i64 = 1_000_000_000_000_000;

/// Refuses limits that cannot be.
pub fn limits(limits: &KeyLimits) -> Result<()> {
    for (name, value, most) in [
        ("windowMs", limits.window_ms, LONGEST),
        ("windowRequests", limits.window_requests, MOST),
        ("windowTokens", limits.window_tokens, MOST),
        ("windowCost", limits.window_cost.0, MAX),
        ("concurrency", limits.concurrency, 1_000_000),
        ("dailyRequests", limits.daily_requests, MOST),
        ("dailyCost", limits.daily_cost.0, MAX),
        ("weeklyCost", limits.weekly_cost.0, MAX),
        ("weekStartDay", limits.week_start_day, 7),
        ("weekStartHour", limits.week_start_hour, 23),
        ("rpm", limits.rpm, MOST),
        ("tpm", limits.tpm, MOST),
    ] {
        field::within(&format!("limits.{name}"), value, 0, most)?;
    }
    Ok(())
}

/// Rules in their stored form.
pub fn rules(rules: &KeyRules) -> Result<KeyRules> {
    let ips = field::list("rules.ips", &rules.ips, 1_000, 64)?;
    for (i, ip) in ips.iter().enumerate() {
        if Net::parse(ip).is_none() {
            return Err(Error::invalid(format!("rules.ips.{i}"), format!("{ip} is no address or network")));
        }
    }
    field::within("rules.bodyLimit", rules.body_limit, 0, 1 << 30)?;
    for (service, rate) in &rules.service_rates {
        let path = format!("rules.serviceRates.{service}");
        if Service::parse(service).is_none() {
            return Err(Error::invalid(path, format!("{service} is no service")));
        }
        field::within(&path, *rate, 0, 1_000_000_000)?;
    }
    Ok(KeyRules {
        restricted_models: field::list("rules.restrictedModels", &rules.restricted_models, 1_000, 200)?,
        allowed_models: field::list("rules.allowedModels", &rules.allowed_models, 1_000, 200)?,
        allowed_clients: field::list("rules.allowedClients", &rules.allowed_clients, 100, 100)?,
        ips,
        ..rules.clone()
    })
}

/// An allowance: zero or more, within reason.
pub fn budget(budget: Micros) -> Result<()> {
    field::within("budget", budget.0, 0, MAX)
}

/// Refuses bindings to what is not there, and two for one slot.
pub async fn bindings(tx: &mut Tx, bindings: &[Binding]) -> Result<()> {
    if bindings.len() > 20 {
        return Err(Error::invalid("bindings", "a key has at most 20 bindings"));
    }
    for (i, binding) in bindings.iter().enumerate() {
        let path = format!("bindings.{i}");
        if bindings[..i].iter().any(|b| b.slot == binding.slot) {
            return Err(Error::invalid(path, format!("{} is bound twice", binding.slot)));
        }
        match binding.to {
            BoundTo::Account(id) => {
                let account = Account::find(tx, id).await?.filter(|a| a.deleted_at.is_none());
                let account =
                    account.ok_or_else(|| Error::invalid(path.clone(), "there is no such account to bind to"))?;
                if binding.slot != Slot::Any && account.kind.slot() != binding.slot {
                    let why = format!("a {} account cannot be bound as {}", account.kind, binding.slot);
                    return Err(Error::invalid(path, why));
                }
            }
            BoundTo::Group(id) => {
                if AccountGroup::find(tx, id).await?.is_none() {
                    return Err(Error::invalid(path, "there is no such group to bind to"));
                }
            }
        }
    }
    Ok(())
}

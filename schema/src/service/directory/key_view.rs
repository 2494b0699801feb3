//! A key as a call sees it: its row, its owner, their plan; and whether it may ask what it asks.

use std::net::IpAddr;
use std::sync::Arc;

use crate::App;
use crate::clock::Time;
use crate::error::{Error, Result};
use crate::model::api_key::{ApiKey, KeyState, Service};
use crate::model::user::User;
use crate::net::Net;
use crate::service::plan::{self, PlanLimits};

use super::Terms;

/// A key with everything that decides about its calls.
#[derive(Debug)]
pub struct KeyView {
    pub key: ApiKey,
    pub owner: Owner,
    /// What the owner's plan admits.
    pub plan: PlanLimits,
    /// The user group it uses; `auto` tries several.
    pub group: String,
    nets: Vec<Net>,
}

/// The person behind a key.
#[derive(Clone, Debug)]
pub struct Owner {
    pub id: i64,
    pub username: String,
    pub group: String,
    pub active: bool,
    /// Administrators are not held to plans.
    pub is_admin: bool,
    /// Whether they call models without a price where others are refused them.
    pub takes_unpriced: bool,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub now: Time,
    pub service: Service,
    pub model: Option<&'a str>,
    pub address: Option<IpAddr>,
}

/// Why a key may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not live: disabled, ended, spent or deleted.
    State(KeyState),
    OwnerInactive,
    Address(Option<IpAddr>),
    Service(Service),
    Model(String),
    PlanService(Service),
    PlanModel(String),
}

impl Refusal {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::State(KeyState::Disabled) => "KEY_DISABLED",
            Self::State(KeyState::Expired) => "KEY_EXPIRED",
            Self::State(KeyState::Exhausted) => "KEY_EXHAUSTED",
            Self::State(_) => "KEY_UNKNOWN",
            Self::OwnerInactive => "OWNER_INACTIVE",
            Self::Address(_) => "ADDRESS_NOT_ALLOWED",
            Self::Service(_) => "SERVICE_NOT_ALLOWED",
            Self::Model(_) => "MODEL_NOT_ALLOWED",
            Self::PlanService(_) => "PLAN_SERVICE",
            Self::PlanModel(_) => "PLAN_MODEL",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::State(KeyState::Disabled) => f.write_str("this API key is disabled"),
            Self::State(KeyState::Expired) => f.write_str("this API key has expired"),
            Self::State(KeyState::Exhausted) => f.write_str("the budget of this API key is spent"),
            Self::State(_) => f.write_str("there is no such API key"),
            Self::OwnerInactive => f.write_str("the account of this API key's owner is not active"),
            Self::Address(Some(ip)) => write!(f, "this API key may not be used from {ip}"),
            Self::Address(None) => f.write_str("this API key may not be used from an unknown address"),
            Self::Service(s) => write!(f, "this API key may not call {s}"),
            Self::Model(m) => write!(f, "this API key may not call the model {m}"),
            Self::PlanService(s) => write!(f, "your plan does not include {s}"),
            Self::PlanModel(m) => write!(f, "your plan does not include the model {m}"),
        }
    }
}

impl KeyView {
    /// Reads a key of this digest.
    pub(super) async fn read(app: &App, digest: &str) -> Result<Option<Arc<Self>>> {
        let mut conn = app.db.conn().await?;
        let Some(key) = ApiKey::by_digest(&mut conn, digest).await?.filter(|k| k.deleted_at.is_none()) else {
            return Ok(None);
        };
        let owner = User::find(&mut conn, key.user_id).await?.ok_or_else(|| Error::internal("a key without owner"))?;
        let plan = plan::limits_of(&mut conn, owner.id, app.clock.now()).await?;
        Ok(Some(Arc::new(Self::of(key, &owner, plan))))
    }

    /// Puts a view together.
    pub fn of(key: ApiKey, owner: &User, plan: PlanLimits) -> Self {
        let owner = Owner {
            id: owner.id,
            username: owner.username.clone(),
            group: owner.group_name.clone(),
            active: owner.is_active(),
            is_admin: owner.role >= crate::Role::Admin,
            takes_unpriced: owner.takes_unpriced(),
        };
        let group = key.group_name.clone().unwrap_or_else(|| owner.group.clone());
        // They were read when they were stored; what does not read now matches nothing.
        let nets = key.rules.ips.iter().filter_map(|ip| Net::parse(ip)).collect();
        Self { key, owner, plan, group, nets }
    }

    /// Refuses what this key may not ask. Limits that are counted are checked where they are counted.
    pub fn admit(&self, ask: &Ask<'_>) -> Result<(), Refusal> {
        match self.key.state(ask.now) {
            KeyState::Active => {}
            state => return Err(Refusal::State(state)),
        }
        if !self.owner.active {
            return Err(Refusal::OwnerInactive);
        }
        if !self.key.rules.ips.is_empty() && !ask.address.is_some_and(|a| self.nets.iter().any(|n| n.contains(a))) {
            return Err(Refusal::Address(ask.address));
        }
        if !self.key.permissions.allows(ask.service) {
            return Err(Refusal::Service(ask.service));
        }
        if !self.owner.is_admin && !self.plan.admits_service(ask.service.as_str()) {
            return Err(Refusal::PlanService(ask.service));
        }
        let Some(model) = ask.model else { return Ok(()) };
        if !self.key.rules.admits_model(model) {
            return Err(Refusal::Model(model.to_owned()));
        }
        if !self.owner.is_admin && !self.plan.admits_model(model) {
            return Err(Refusal::PlanModel(model.to_owned()));
        }
        Ok(())
    }

    /// True when its owner's wallet pays for its calls: nobody's plan covers them, and it is not the house's own.
    pub fn pays_by_wallet(&self) -> bool {
        !self.owner.is_admin && self.plan.plan_id.is_none()
    }

    /// True while the key's life waits for its first use.
    pub fn waits_for_first_use(&self) -> bool {
        !self.key.is_activated()
    }

    /// The user groups to try, in order.
    pub fn groups<'a>(&'a self, terms: &'a Terms) -> &'a [String] {
        if self.group == "auto" { &terms.auto_groups } else { std::slice::from_ref(&self.group) }
    }
}

//! Keys as they are shown, with the names of what they belong to.

use std::collections::{BTreeMap, HashMap};

use schema::clock::{DAY, HOUR, MINUTE};
use schema::model::account::{AccountFilter, AccountOrder, Deleted};
use schema::model::account_group::GroupFilter;
use schema::model::api_key::{ApiKey, BoundTo, ExpiryMode, KeyStatus, Permissions, Slot};
use schema::page::{Direction, Window};
use schema::service::{account, account_group, user as people};
use schema::{Actor, App, Error};
use serde_json::{Map, Value, json};

use super::super::shape::{dollars, when};
use super::wire::{EXTRA, RATES, SLOTS};

/// Names that keys are shown with: of their owners and of what they are bound to.
#[derive(Default)]
pub struct Names {
    owners: HashMap<i64, (String, String, String)>,
    accounts: HashMap<i64, String>,
    groups: HashMap<i64, String>,
}

impl Names {
    /// Those that these keys need, each kind asked for once.
    pub async fn of(app: &App, actor: &Actor, keys: &[ApiKey]) -> Result<Self, Error> {
        let mut names = Self::default();
        let mut owners: Vec<i64> = keys.iter().map(|k| k.user_id).collect();
        owners.sort_unstable();
        owners.dedup();
        for user in people::by_ids(app, actor, &owners).await? {
            let shown = if user.display_name.is_empty() { user.username.clone() } else { user.display_name.clone() };
            names.owners.insert(user.id, (user.uid, user.username, shown));
        }
        let bound = || keys.iter().flat_map(|k| &k.bindings.0);
        let mut ids: Vec<i64> =
            bound().filter_map(|b| if let BoundTo::Account(id) = b.to { Some(id) } else { None }).collect();
        ids.sort_unstable();
        ids.dedup();
        if !ids.is_empty() {
            let window = Window { limit: ids.len() as i64, offset: 0 };
            let filter = AccountFilter { ids, deleted: Deleted::With, ..AccountFilter::default() };
            let order = (AccountOrder::CreatedAt, Direction::Asc);
            let found = account::pages(app, actor, &filter, order, window).await?;
            names.accounts = found.rows.into_iter().map(|a| (a.id, a.uid)).collect();
        }
        if bound().any(|b| matches!(b.to, BoundTo::Group(_))) {
            let groups = account_group::all(app, actor, &GroupFilter::default()).await?;
            names.groups = groups.into_iter().map(|g| (g.id, g.uid)).collect();
        }
        Ok(names)
    }
    fn bound(&self, key: &ApiKey, slot: Slot) -> Option<String> {
        let binding = key.bindings.0.iter().find(|b| b.slot == slot)?;
        match binding.to {
            BoundTo::Account(id) => self.accounts.get(&id).cloned(),
            BoundTo::Group(id) => self.groups.get(&id).map(|uid| format!("group:{uid}")),
        }
    }
}

/// One service as the word older clients know, several as the list newer ones know.
pub fn shown_permissions(permissions: &Permissions) -> Value {
    let words = permissions.words();
    match words.as_slice() {
        [one] => (*one).into(),
        _ => words.into(),
    }
}

/// Rates in this system's words.
pub fn shown_rates(rates: &BTreeMap<String, i64>) -> Value {
    let shown = RATES.iter().filter_map(|(w, s)| Some(((*w).to_owned(), json!(*rates.get(s.as_str())? as f64 / 1e6))));
    Value::Object(shown.collect())
}

/// The accounts a key is bound to, by this system's fields.
pub fn shown_bindings(key: &ApiKey, names: &Names) -> Map<String, Value> {
    let mut out: Map<String, Value> =
        SLOTS.iter().map(|(field, slot)| ((*field).to_owned(), names.bound(key, *slot).into())).collect();
    if out.get("openaiAccountId").is_some_and(Value::is_null)
        && let Some(id) = names.bound(key, Slot::OpenaiResponses)
    {
        let id = if id.starts_with("group:") { id } else { format!("responses:{id}") };
        out.insert("openaiAccountId".into(), id.into());
    }
    out
}

/// A key as lists show it, without its usage.
pub fn shown(key: &ApiKey, names: &Names) -> Map<String, Value> {
    let limits = &key.limits.0;
    let rules = &key.rules.0;
    let (owner_uid, owner_name, owner_shown) = names.owners.get(&key.user_id).cloned().unwrap_or_default();
    let hours = key.extra.0.get("activationUnit").and_then(Value::as_str) == Some("hours");
    let unit = if hours { HOUR } else { DAY };
    let mut out = shown_bindings(key, names);
    let fields = json!({
        "id": key.uid, "name": key.name, "description": key.description,
        // What is stored is a digest, and that stays here; enough to recognise the key by.
        "apiKey": key.hint, "maskedKey": key.hint,
        "tokenLimit": limits.window_tokens, "concurrencyLimit": limits.concurrency,
        "rateLimitWindow": limits.window_ms / MINUTE, "rateLimitRequests": limits.window_requests,
        "rateLimitCost": limits.window_cost.dollars(),
        "isActive": key.status == KeyStatus::Active,
        "permissions": shown_permissions(&key.permissions),
        "enableModelRestriction": rules.restrict_models, "restrictedModels": rules.restricted_models,
        "enableClientRestriction": rules.restrict_clients, "allowedClients": rules.allowed_clients,
        "dailyCostLimit": limits.daily_cost.dollars(),
        "totalCostLimit": key.budget.unwrap_or_default().dollars(),
        "weeklyOpusCostLimit": limits.weekly_cost.dollars(),
        "weeklyResetDay": if limits.week_start_day == 0 { 1 } else { limits.week_start_day },
        "weeklyResetHour": limits.week_start_hour,
        "tags": key.tags.0, "serviceRates": shown_rates(&rules.service_rates),
        "activationDays": key.activate_ms.unwrap_or(0) / unit,
        "activationUnit": if hours { "hours" } else { "days" },
        "expirationMode": if key.expiry_mode == ExpiryMode::Activation { "activation" } else { "fixed" },
        "isActivated": key.is_activated(), "activatedAt": when(key.activated_at),
        "createdAt": key.created_at.rfc3339(), "lastUsedAt": when(key.last_used_at),
        "expiresAt": when(key.expires_at), "createdBy": key.created_by,
        "userId": owner_uid, "userUsername": owner_name, "ownerDisplayName": owner_shown,
        "icon": key.extra.0.get("icon").cloned().unwrap_or_else(|| "".into()),
        "totalCost": key.spent.dollars(), "formattedTotalCost": dollars(key.spent),
        "version": key.version,
    });
    if let Value::Object(fields) = fields {
        out.extend(fields);
    }
    for name in EXTRA.iter().filter(|n| **n != "icon" && **n != "activationUnit") {
        out.insert((*name).to_owned(), key.extra.0.get(*name).cloned().unwrap_or(Value::Null));
    }
    if let Some(at) = key.deleted_at {
        let by = key.deleted_by.clone().unwrap_or_default();
        let deleted = json!({
            "isDeleted": true, "deletedAt": at.rfc3339(), "deletedBy": by, "deletedByType": "admin", "canRestore": true,
        });
        if let Value::Object(fields) = deleted {
            out.extend(fields);
        }
    }
    out
}

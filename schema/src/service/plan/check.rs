//! What a plan may be.

use super::{PlanChange, PlanDraft};
use crate::App;
use crate::error::{Error, Result};
use crate::model::plan::{Cycle, NewPlan, Plan};
use crate::service::exchange::Rates;
use crate::service::setting;
use crate::value::Doc;

/// A plan with what of it changes.
pub(super) fn merged(plan: &Plan, change: PlanChange) -> PlanDraft {
    let plan = plan.clone();
    // A cycle without a length of its own brings its usual length.
    let usual = change.cycle.and_then(Cycle::days);
    PlanDraft {
        slug: plan.slug,
        name: change.name.unwrap_or(plan.name),
        display_name: change.display_name.unwrap_or(plan.display_name),
        description: change.description.unwrap_or(plan.description),
        price: change.price.unwrap_or(plan.price),
        original_price: change.original_price.unwrap_or(plan.original_price),
        currency: change.currency.unwrap_or(plan.currency),
        cycle: change.cycle.unwrap_or(plan.cycle),
        cycle_days: change.cycle_days.or(usual).or(Some(plan.cycle_days)),
        features: change.features.unwrap_or(plan.features.0),
        selling_points: change.selling_points.unwrap_or(plan.selling_points.0),
        recommended: change.recommended.unwrap_or(plan.recommended),
        promotion_ends_at: change.promotion_ends_at.unwrap_or(plan.promotion_ends_at),
        is_active: change.is_active.unwrap_or(plan.is_active),
        is_visible: change.is_visible.unwrap_or(plan.is_visible),
        sort: change.sort.unwrap_or(plan.sort),
    }
}

/// Most a price may be in minor units.
const MOST: i64 = 100_000_000_000;
/// Words of paths that stand where a slug would.
const RESERVED: &[&str] = &["init-defaults"];

/// Refuses what cannot be a plan.
pub(super) fn checked(app: &App, draft: PlanDraft) -> Result<NewPlan> {
    let refuse = |field: &str, why: &str| Err(Error::invalid(field, why));
    let slug = draft.slug.trim().to_owned();
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if slug.is_empty() || slug.len() > 64 || !slug.bytes().all(legal) {
        return refuse("slug", "a plan's id has 1 to 64 letters, digits, '-', '_' or '.'");
    }
    if RESERVED.contains(&slug.as_str()) {
        return refuse("slug", "this word cannot be a plan's id");
    }
    let name = draft.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 || draft.display_name.chars().count() > 100 {
        return refuse("name", "a plan has a name of at most 100 characters");
    }
    if draft.description.chars().count() > 2_000 {
        return refuse("description", "a description has at most 2000 characters");
    }
    if !(0..=MOST).contains(&draft.price) {
        return refuse("price", "the price is out of range");
    }
    if draft.original_price.is_some_and(|full| !(0..=MOST).contains(&full)) {
        return refuse("originalPrice", "the original price is out of range");
    }
    let currency = draft.currency.trim().to_ascii_uppercase();
    if !Rates::of(&setting::current(app)).knows(&currency) {
        return refuse("currency", "there is no exchange rate for this currency; add one to currency_rates first");
    }
    let Some(cycle_days) = draft.cycle_days.or(draft.cycle.days()).filter(|d| (1..=3_660).contains(d)) else {
        return refuse("billingCycleDays", "a cycle has 1 to 3660 days");
    };
    let f = &draft.features;
    let negative = |n: Option<i64>| n.is_some_and(|n| n < 0);
    if negative(f.daily_requests) || negative(f.max_api_keys) || negative(f.daily_cost.map(|m| m.0)) {
        return refuse("features", "limits cannot be below zero");
    }
    let long = |list: &[String], most: usize| {
        list.len() > 200 || list.iter().any(|s| s.chars().count() > most || s.contains('\0'))
    };
    for (field, text) in [
        ("name", &name),
        ("displayName", &draft.display_name),
        ("description", &draft.description),
        ("features", &f.support),
    ] {
        if text.contains('\0') {
            return refuse(field, "a text may not hold a NUL character");
        }
    }
    if long(&f.services, 64) || long(&f.models, 200) || f.support.chars().count() > 64 {
        return refuse("features", "a list has at most 200 entries of moderate length");
    }
    if long(&draft.selling_points, 300) {
        return refuse("features", "a plan has at most 200 selling points of 300 characters");
    }
    let now = app.clock.now();
    Ok(NewPlan {
        slug,
        display_name: if draft.display_name.trim().is_empty() { name.clone() } else { draft.display_name },
        name,
        description: draft.description,
        price: draft.price,
        original_price: draft.original_price,
        currency,
        cycle: draft.cycle,
        cycle_days,
        features: Doc(draft.features),
        selling_points: Doc(draft.selling_points),
        recommended: draft.recommended,
        promotion_ends_at: draft.promotion_ends_at,
        is_active: draft.is_active,
        is_visible: draft.is_visible,
        sort: draft.sort,
        created_at: now,
        updated_at: now,
    })
}

/// A view of a plan for the audit log.
pub(super) fn summary(plan: &Plan) -> serde_json::Value {
    serde_json::json!({
        "slug": plan.slug, "name": plan.name, "display_name": plan.display_name, "price": plan.price,
        "original_price": plan.original_price, "currency": plan.currency, "cycle_days": plan.cycle_days,
        "features": plan.features.0, "promotion_ends_at": plan.promotion_ends_at, "is_active": plan.is_active,
        "is_visible": plan.is_visible,
    })
}

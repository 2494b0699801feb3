//! Plans: the shop window, and its keeping.

use axum::extract::State;
use axum::response::Response;
use schema::model::plan::{Cycle, Plan, PlanFeatures};
use schema::money::{from_minor, to_minor};
use schema::service::plan::{self, PlanChange, PlanDraft};
use schema::service::setting;
use schema::{App, Error, Micros, Time};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{Admin, Body, Path, Query, Reply, flat, truthy};

/// A plan as people see it.
fn shown(app: &App, plan: &Plan) -> Value {
    let now = app.clock.now();
    let features = &plan.features.0;
    let services = if features.services.is_empty() { vec!["claude".to_owned()] } else { features.services.clone() };
    let mut value = json!({
        "id": plan.slug,
        "planId": plan.slug,
        "name": plan.name,
        "displayName": plan.display_name,
        "description": plan.description,
        "price": from_minor(plan.price_at(now), &plan.currency),
        "currency": plan.currency,
        "billingCycle": plan.cycle.as_str(),
        "billingCycleDays": plan.cycle_days,
        // No limit is written as the largest number every client can hold.
        "dailyRequests": features.daily_requests.unwrap_or(UNLIMITED),
        "maxApiKeys": features.max_api_keys.unwrap_or(UNLIMITED),
        "service": capitalised(&services[0]),
        "services": services,
        "models": features.models,
        "support": features.support,
        "recommended": plan.recommended,
        "features": plan.selling_points.0,
    });
    if let Some(discount) = plan.discount(now) {
        value["originalPrice"] = json!(plan.original_price.map(|p| from_minor(p, &plan.currency)));
        value["isOnPromotion"] = true.into();
        let zone = setting::current(app).zone().clone();
        value["promotion"] = json!({ "discount": discount, "endDate": plan.promotion_ends_at.map(|t| zone.date(t)) });
    }
    value
}

/// What stands for "without limit" where this system has a number.
const UNLIMITED: i64 = 9_007_199_254_740_991;

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// A plan as its keepers see it.
fn kept(app: &App, plan: &Plan) -> Value {
    let mut value = shown(app, plan);
    let features = &plan.features.0;
    let more = json!({
        "originalPrice": plan.original_price.map(|p| from_minor(p, &plan.currency)),
        "dailyCost": features.daily_cost.map(Micros::dollars),
        "limits": {
            "dailyRequests": features.daily_requests,
            "dailyCost": features.daily_cost.map(Micros::dollars),
            "maxApiKeys": features.max_api_keys,
            "services": features.services,
            "models": features.models,
            "support": features.support,
        },
        "promotionEndDate": plan.promotion_ends_at.map(Time::rfc3339),
        "isActive": plan.is_active,
        "isVisible": plan.is_visible,
        "sort": plan.sort,
        "version": plan.version,
        "createdAt": plan.created_at.rfc3339(),
        "updatedAt": plan.updated_at.rfc3339(),
    });
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
    value
}

pub async fn offered(State(app): State<App>) -> Reply {
    let plans: Vec<Value> = plan::offered(&app).await?.iter().map(|p| shown(&app, p)).collect();
    Ok(flat(json!({ "plans": plans })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListQuery {
    #[serde(default, deserialize_with = "truthy")]
    include_inactive: bool,
}

pub async fn list(State(app): State<App>, caller: Admin, query: Query<ListQuery>) -> Reply {
    let plans = plan::list(&app, &caller, query.0.include_inactive).await?;
    let plans: Vec<Value> = plans.iter().map(|p| kept(&app, p)).collect();
    Ok(flat(json!({ "total": plans.len(), "plans": plans })))
}

/// The limits of a plan, as an object; or its selling points, as a list of sentences.
#[derive(Deserialize)]
#[serde(untagged)]
enum Features {
    Limits(Limits),
    Points(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Limits {
    daily_requests: Option<i64>,
    /// US dollars a day.
    daily_cost: Option<f64>,
    max_api_keys: Option<i64>,
    services: Option<Vec<String>>,
    models: Option<Vec<String>>,
    support: Option<String>,
}

/// A body that makes a plan, or changes what it names of one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    plan_id: Option<String>,
    name: Option<String>,
    display_name: Option<String>,
    description: Option<String>,
    price: Option<f64>,
    #[serde(default, deserialize_with = "given")]
    original_price: Option<Option<f64>>,
    currency: Option<String>,
    billing_cycle: Option<String>,
    billing_cycle_days: Option<i64>,
    features: Option<Features>,
    selling_points: Option<Vec<String>>,
    recommended: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    promotion_end_date: Option<Option<String>>,
    is_active: Option<bool>,
    is_visible: Option<bool>,
    sort: Option<i64>,
}

/// Tells a null that was sent from a field that was not.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<T>, D::Error> {
    T::deserialize(input).map(Some)
}

fn minor(field: &str, price: f64, currency: &str) -> Result<i64, Error> {
    to_minor(price, currency)
        .filter(|m| *m >= 0)
        .ok_or_else(|| Error::invalid(field, format!("{field} must be a price of zero or more")))
}

impl Form {
    fn cycle(&self) -> Result<Option<Cycle>, Error> {
        let parse = |text: &str| {
            Cycle::parse(text).ok_or_else(|| {
                let words: Vec<&str> = Cycle::ALL.iter().map(|c| c.as_str()).collect();
                Error::invalid("billingCycle", format!("billingCycle must be one of {}", words.join(", ")))
            })
        };
        self.billing_cycle.as_deref().map(parse).transpose()
    }

    fn promotion(&self) -> Result<Option<Option<Time>>, Error> {
        let parse = |text: &String| {
            Time::parse(text).ok_or_else(|| Error::invalid("promotionEndDate", "promotionEndDate must be a date"))
        };
        self.promotion_end_date.as_ref().map(|d| d.as_ref().map(parse).transpose()).transpose()
    }

    /// The limits over those a plan has.
    fn limits(&self, old: PlanFeatures) -> Result<PlanFeatures, Error> {
        let Some(Features::Limits(new)) = &self.features else { return Ok(old) };
        let cost = |dollars: f64| {
            Micros::from_dollars(dollars)
                .filter(|m| m.0 >= 0)
                .ok_or_else(|| Error::invalid("features.dailyCost", "dailyCost must be an amount of zero or more"))
        };
        Ok(PlanFeatures {
            daily_requests: new.daily_requests.or(old.daily_requests),
            daily_cost: new.daily_cost.map(cost).transpose()?.or(old.daily_cost),
            max_api_keys: new.max_api_keys.or(old.max_api_keys),
            services: new.services.clone().unwrap_or(old.services),
            models: new.models.clone().unwrap_or(old.models),
            support: new.support.clone().unwrap_or(old.support),
        })
    }

    fn points(&self) -> Option<Vec<String>> {
        match &self.features {
            Some(Features::Points(points)) => Some(points.clone()),
            _ => self.selling_points.clone(),
        }
    }
}

pub async fn create(State(app): State<App>, caller: Admin, form: Body<Form>) -> Reply {
    let form = form.0;
    let slug = form.plan_id.clone().ok_or_else(|| Error::invalid("planId", "planId is needed"))?;
    let name = form.name.clone().ok_or_else(|| Error::invalid("name", "name is needed"))?;
    let price = form.price.ok_or_else(|| Error::invalid("price", "price is needed"))?;
    let currency = form.currency.clone().unwrap_or_else(|| "CNY".into());
    let draft = PlanDraft {
        display_name: form.display_name.clone().unwrap_or_else(|| name.clone()),
        description: form.description.clone().unwrap_or_default(),
        price: minor("price", price, &currency)?,
        original_price: form.original_price.flatten().map(|p| minor("originalPrice", p, &currency)).transpose()?,
        cycle: form.cycle()?.unwrap_or(Cycle::Monthly),
        cycle_days: form.billing_cycle_days,
        features: form.limits(PlanFeatures::default())?,
        selling_points: form.points().unwrap_or_default(),
        recommended: form.recommended.unwrap_or(false),
        promotion_ends_at: form.promotion()?.flatten(),
        is_active: form.is_active.unwrap_or(true),
        is_visible: form.is_visible.unwrap_or(true),
        sort: form.sort.unwrap_or(0),
        slug,
        name,
        currency,
    };
    let made = plan::create(&app, &caller, draft).await?;
    Ok(one(&app, &made))
}

fn one(app: &App, plan: &Plan) -> Response {
    flat(json!({ "plan": kept(app, plan) }))
}

pub async fn change(State(app): State<App>, caller: Admin, slug: Path<String>, form: Body<Form>) -> Reply {
    let form = form.0;
    let old = plan::get(&app, &caller, &slug.0).await?;
    let currency = form.currency.clone().unwrap_or_else(|| old.currency.clone());
    let change = PlanChange {
        name: form.name.clone(),
        display_name: form.display_name.clone(),
        description: form.description.clone(),
        price: form.price.map(|p| minor("price", p, &currency)).transpose()?,
        original_price: match form.original_price {
            Some(Some(price)) => Some(Some(minor("originalPrice", price, &currency)?)),
            Some(None) => Some(None),
            None => None,
        },
        currency: form.currency.clone(),
        cycle: form.cycle()?,
        cycle_days: form.billing_cycle_days,
        features: form.features.is_some().then(|| form.limits(old.features.0.clone())).transpose()?,
        selling_points: form.points(),
        recommended: form.recommended,
        promotion_ends_at: form.promotion()?,
        is_active: form.is_active,
        is_visible: form.is_visible,
        sort: form.sort,
    };
    let changed = plan::change(&app, &caller, old.id, change, None).await?;
    Ok(one(&app, &changed))
}

pub async fn delete(State(app): State<App>, caller: Admin, slug: Path<String>) -> Reply {
    let old = plan::get(&app, &caller, &slug.0).await?;
    plan::delete(&app, &caller, old.id, None).await?;
    Ok(flat(json!({ "message": "Plan deleted successfully", "planId": old.slug })))
}

pub async fn init_defaults(State(app): State<App>, caller: Admin) -> Reply {
    let made = plan::init_defaults(&app, &caller).await?;
    let made: Vec<&str> = made.iter().map(|p| p.slug.as_str()).collect();
    Ok(flat(json!({ "message": "Default plans initialized successfully", "created": made })))
}

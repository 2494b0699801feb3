//! Keys on the wire: the forms they are made and changed by.

use std::collections::BTreeMap;

use schema::clock::{DAY, HOUR, MINUTE};
use schema::model::api_key::{BoundTo, KeyLimits, KeyRules, KeyStatus, Permissions, Service, Slot};
use schema::service::api_key::{Expiry, KeyChange, KeyPrefix, LimitsChange, NewKey, RulesChange, TagChange};
use schema::service::{account, account_group, user as people};
use schema::{Actor, App, Error, Micros};
use serde_json::{Map, Value};

use super::super::form::Form;

/// The fields that bind a key, each to its kind of account.
pub(super) const SLOTS: &[(&str, Slot)] = &[
    ("claudeAccountId", Slot::Claude),
    ("claudeConsoleAccountId", Slot::ClaudeConsole),
    ("ccrAccountId", Slot::Ccr),
    ("bedrockAccountId", Slot::Bedrock),
    ("geminiAccountId", Slot::Gemini),
    ("openaiAccountId", Slot::Openai),
    ("openaiResponsesAccountId", Slot::OpenaiResponses),
    ("azureOpenaiAccountId", Slot::AzureOpenai),
    ("droidAccountId", Slot::Droid),
];

/// Fields that this system alone knows, kept with the key.
pub(super) const EXTRA: &[&str] = &[
    "icon",
    "activationUnit",
    "enableOpenAIResponsesCodexAdaptation",
    "enableOpenAIResponsesPayloadRules",
    "openaiResponsesPayloadRules",
];

/// Its words for services and ours.
pub const RATES: &[(&str, Service)] = &[
    ("claude", Service::Claude),
    ("codex", Service::Openai),
    ("gemini", Service::Gemini),
    ("droid", Service::Droid),
    ("bedrock", Service::Bedrock),
];

/// Its words for services that have no rate of their own, each with the one it is charged as.
pub const CHARGED_AS: &[(&str, &str)] = &[("azure", "codex"), ("ccr", "claude")];

/// What to tell whoever gave rates to services that have none.
pub fn no_rates(words: &[&str]) -> Option<String> {
    let told = CHARGED_AS.iter().filter(|(word, _)| words.contains(word));
    let told: Vec<String> = told.map(|(word, like)| format!("{word} 按 {like} 的倍率计费")).collect();
    (!told.is_empty()).then(|| format!("{}，没有单独的倍率，所填的值未被采用", told.join("，")))
}

/// The same of a form of a key.
pub fn no_key_rates(form: &Form) -> Result<Option<String>, Error> {
    let Some(rates) = form.object("serviceRates")? else { return Ok(None) };
    let rate = |word: &str| rates.given(word).and_then(Value::as_f64);
    let differs = |(word, like): &&(&str, &str)| rate(word).is_some_and(|own| own != rate(like).unwrap_or(1.0));
    let words: Vec<&str> = CHARGED_AS.iter().filter(differs).map(|(word, _)| *word).collect();
    Ok(no_rates(&words))
}

/// A key's name.
pub fn name(form: &Form) -> Result<String, Error> {
    let name = form.required("name", "Name is required and must be a non-empty string")?;
    if name.chars().count() > 100 {
        return Err(Error::invalid("name", "Name must be less than 100 characters"));
    }
    Ok(name)
}

fn permissions(form: &Form) -> Result<Option<Permissions>, Error> {
    let sentence = "Invalid permissions value. Must be an array of: claude, gemini, openai, bedrock, droid, or all";
    let bad = |_| Error::invalid("permissions", sentence);
    match form.given("permissions") {
        None => Ok(form.has("permissions").then_some(Permissions::All)),
        Some(Value::String(line)) => Permissions::parse(line).map(Some).map_err(bad),
        Some(Value::Array(words)) => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            let words = words.ok_or_else(|| Error::invalid("permissions", sentence))?;
            Permissions::of(words).map(Some).map_err(bad)
        }
        Some(_) => Err(Error::invalid("permissions", sentence)),
    }
}

fn limits(form: &Form, least: i64) -> Result<LimitsChange, Error> {
    let kind = if least > 0 { "positive" } else { "non-negative" };
    // `null` says "no limit" in both.
    let above = |name: &str, sentence: String| match form.given(name) {
        None => Ok(form.has(name).then_some(0)),
        Some(_) => form.whole(name, least, &sentence),
    };
    Ok(LimitsChange {
        window_ms: above("rateLimitWindow", format!("Rate limit window must be a {kind} integer (minutes)"))?
            .map(|m: i64| m.saturating_mul(MINUTE)),
        window_requests: above("rateLimitRequests", format!("Rate limit requests must be a {kind} integer"))?,
        window_tokens: form.whole("tokenLimit", 0, "Token limit must be a non-negative integer")?,
        window_cost: form.dollars("rateLimitCost", "Rate limit cost must be a non-negative number")?,
        concurrency: form.whole("concurrencyLimit", 0, "Concurrency limit must be a non-negative integer")?,
        daily_cost: form.dollars("dailyCostLimit", "Daily cost limit must be a non-negative number")?,
        weekly_cost: form.dollars("weeklyOpusCostLimit", "Weekly Opus cost limit must be a non-negative number")?,
        week_start_day: form.whole("weeklyResetDay", 0, "Weekly reset day must be an integer from 1 to 7")?,
        week_start_hour: form.whole("weeklyResetHour", 0, "Weekly reset hour must be an integer from 0 to 23")?,
        ..LimitsChange::default()
    })
}

/// A table of rates in this system's words, in millionths.
pub fn rates(fields: &Form) -> Result<BTreeMap<String, i64>, Error> {
    let bad = |name: &str| Error::invalid("serviceRates", format!("the rate of {name} must be a non-negative number"));
    let mut out = BTreeMap::new();
    for (word, value) in &fields.0 {
        if value.is_null() {
            continue;
        }
        let rate = value.as_f64().filter(|r| (0.0..=1_000.0).contains(r)).ok_or_else(|| bad(word))?;
        let service = RATES.iter().find(|(w, s)| w == word || s.as_str() == word).map(|(_, s)| s.as_str());
        match service {
            Some(service) => {
                out.insert(service.to_owned(), (rate * 1e6).round() as i64);
            }
            None if rate == 1.0 || CHARGED_AS.iter().any(|(w, _)| w == word) => {}
            None => return Err(Error::invalid("serviceRates", format!("{word} has no rate of its own"))),
        }
    }
    Ok(out)
}

fn rules(form: &Form) -> Result<RulesChange, Error> {
    Ok(RulesChange {
        restrict_models: form.switch("enableModelRestriction")?,
        restricted_models: form.words("restrictedModels", "Restricted models must be an array")?,
        restrict_clients: form.switch("enableClientRestriction")?,
        allowed_clients: form.words("allowedClients", "Allowed clients must be an array")?,
        service_rates: form.object("serviceRates")?.map(|r| rates(&r)).transpose()?,
        ..RulesChange::default()
    })
}

fn tags(form: &Form) -> Result<Option<Vec<String>>, Error> {
    let tags = form.words("tags", "Tags must be an array")?;
    if tags.iter().flatten().any(String::is_empty) {
        return Err(Error::invalid("tags", "All tags must be non-empty strings"));
    }
    Ok(tags)
}

fn expiry(form: &Form) -> Result<Option<Expiry>, Error> {
    let mode = form.text("expirationMode")?;
    match mode.as_deref() {
        Some("activation") => {
            let amount = form.whole("activationDays", 1, "Activation amount must be a positive integer")?;
            let amount = amount.filter(|n| *n > 0);
            let amount = amount
                .ok_or_else(|| Error::invalid("activationDays", "Activation amount is required in activation mode"))?;
            let unit = match form.text("activationUnit")?.as_deref() {
                None | Some("days") => DAY,
                Some("hours") => HOUR,
                Some(_) => return Err(Error::invalid("activationUnit", "Activation unit must be hours or days")),
            };
            return Ok(Some(Expiry::FromFirstUse(amount.saturating_mul(unit))));
        }
        None | Some("fixed") => {}
        Some(_) => {
            return Err(Error::invalid("expirationMode", "Expiration mode must be either \"fixed\" or \"activation\""));
        }
    }
    match form.time("expiresAt")? {
        Some(at) => Ok(Some(Expiry::At(at))),
        None => Ok(form.has("expiresAt").then_some(Expiry::Never)),
    }
}

/// What a form binds to what.
async fn rebind(app: &App, actor: &Actor, form: &Form) -> Result<Vec<(Slot, Option<BoundTo>)>, Error> {
    let mut out = Vec::new();
    for (field, slot) in SLOTS {
        if !form.has(field) {
            continue;
        }
        // One field of its consoles chooses among both kinds of OpenAI accounts.
        let both = *slot == Slot::Openai && !form.has("openaiResponsesAccountId");
        let (mut slot, mut to) = (*slot, None);
        if let Some(id) = form.text(field)? {
            let missing = |e| match e {
                Error::NotFound { .. } => Error::invalid(*field, format!("{field}: there is no such account or group")),
                other => other,
            };
            if let Some(group) = id.strip_prefix("group:") {
                let group = account_group::get_by_uid(app, actor, group).await.map_err(missing)?;
                to = Some(BoundTo::Group(group.id));
            } else {
                let plain = id.strip_prefix("responses:").or_else(|| id.strip_prefix("api:")).unwrap_or(&id);
                let account = account::get_by_uid(app, actor, plain).await.map_err(missing)?;
                if slot == Slot::Openai && account.kind.slot() == Slot::OpenaiResponses {
                    slot = Slot::OpenaiResponses;
                }
                to = Some(BoundTo::Account(account.id));
            }
        }
        if both {
            let other = if slot == Slot::Openai { Slot::OpenaiResponses } else { Slot::Openai };
            out.push((other, None));
        }
        out.push((slot, to));
    }
    Ok(out)
}

async fn owner(app: &App, actor: &Actor, form: &Form) -> Result<Option<i64>, Error> {
    match form.any_text(&["ownerId", "userId"])?.as_deref() {
        None => Ok(None),
        Some("admin") => Ok(actor.user_id),
        Some(uid) => match people::get_by_uid(app, actor, uid).await {
            Ok(user) if user.is_active() => Ok(Some(user.id)),
            Ok(_) => Err(Error::invalid("ownerId", "Cannot assign to inactive user")),
            Err(Error::NotFound { .. }) => Err(Error::invalid("ownerId", "Invalid owner: User not found")),
            Err(e) => Err(e),
        },
    }
}

fn budget(form: &Form) -> Result<Option<Option<Micros>>, Error> {
    let limit = form.dollars("totalCostLimit", "Total cost limit must be a non-negative number")?;
    Ok(limit.map(|l| (l != Micros::ZERO).then_some(l)))
}

fn extra(form: &Form) -> Map<String, Value> {
    form.pick(EXTRA)
}

/// The key that a form asks for.
pub async fn new_key(app: &App, actor: &Actor, form: &Form, name: String) -> Result<NewKey, Error> {
    let description = form.text("description")?.unwrap_or_default();
    if description.chars().count() > 500 {
        return Err(Error::invalid("description", "Description must be a string with less than 500 characters"));
    }
    let l = limits(form, 1)?;
    let r = rules(form)?;
    let bindings = rebind(app, actor, form).await?;
    let bindings =
        bindings.into_iter().filter_map(|(slot, to)| Some(schema::model::api_key::Binding { slot, to: to? }));
    Ok(NewKey {
        owner: owner(app, actor, form).await?,
        name,
        description,
        prefix: KeyPrefix::Cr,
        permissions: permissions(form)?.unwrap_or_default(),
        bindings: bindings.collect(),
        limits: KeyLimits {
            window_ms: l.window_ms.unwrap_or_default(),
            window_requests: l.window_requests.unwrap_or_default(),
            window_tokens: l.window_tokens.unwrap_or_default(),
            window_cost: l.window_cost.unwrap_or_default(),
            concurrency: l.concurrency.unwrap_or_default(),
            daily_cost: l.daily_cost.unwrap_or_default(),
            weekly_cost: l.weekly_cost.unwrap_or_default(),
            week_start_day: l.week_start_day.unwrap_or_default(),
            week_start_hour: l.week_start_hour.unwrap_or_default(),
            ..KeyLimits::default()
        },
        rules: KeyRules {
            restrict_models: r.restrict_models.unwrap_or_default(),
            restricted_models: r.restricted_models.unwrap_or_default(),
            restrict_clients: r.restrict_clients.unwrap_or_default(),
            allowed_clients: r.allowed_clients.unwrap_or_default(),
            service_rates: r.service_rates.unwrap_or_default(),
            ..KeyRules::default()
        },
        tags: tags(form)?.unwrap_or_default(),
        budget: budget(form)?.flatten(),
        expiry: expiry(form)?.unwrap_or_default(),
        status: status(form)?.unwrap_or(KeyStatus::Active),
        extra: extra(form),
        ..NewKey::default()
    })
}

fn status(form: &Form) -> Result<Option<KeyStatus>, Error> {
    let on = match form.switch("isActive")? {
        Some(on) => Some(on),
        None => form.switch("enabled")?,
    };
    Ok(on.map(|on| if on { KeyStatus::Active } else { KeyStatus::Disabled }))
}

/// The change that a form asks for.
pub async fn change(app: &App, actor: &Actor, form: &Form) -> Result<KeyChange, Error> {
    let tags = match (tags(form)?, form.text("tagOperation")?.as_deref()) {
        (None, _) => None,
        (Some(tags), None | Some("replace")) => Some(TagChange::Replace(tags)),
        (Some(tags), Some("add")) => Some(TagChange::Add(tags)),
        (Some(tags), Some("remove")) => Some(TagChange::Remove(tags)),
        (Some(_), Some(_)) => {
            return Err(Error::invalid("tagOperation", "Tag operation must be replace, add or remove"));
        }
    };
    let name = if form.has("name") { Some(name(form)?) } else { None };
    Ok(KeyChange {
        name,
        description: form.clearable("description")?,
        status: status(form)?,
        owner: owner(app, actor, form).await?,
        permissions: permissions(form)?,
        rebind: rebind(app, actor, form).await?,
        limits: limits(form, 0)?,
        rules: rules(form)?,
        tags,
        budget: budget(form)?,
        expiry: expiry(form)?,
        extra: extra(form),
        ..KeyChange::default()
    })
}

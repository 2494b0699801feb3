//! Accounts as forms make and change them.

use schema::model::account::{Account, AccountKind, AccountOptions, Sharing};
use schema::service::account::{AccountChange, AccountDraft, Credentials, OauthTokens, Proxy, ProxyKind, proxy_of};
use schema::service::account_group;
use schema::{Actor, App, Error, Micros, Time};
use serde_json::{Map, Value, json};

use super::super::form::Form;
use super::Family;

/// Options under their names here and in store, and whether an emptied field clears them.
const TEXTS: &[(&str, &str)] = &[
    ("userAgent", "user_agent"),
    ("region", "region"),
    ("projectId", "project"),
    ("apiVersion", "api_version"),
    ("deploymentName", "deployment"),
    ("providerEndpoint", "endpoint"),
    ("defaultModel", "default_model"),
    ("oauthProvider", "oauth_provider"),
    ("quotaResetTime", "quota_reset_time"),
];

const SWITCHES: &[(&str, &str)] =
    &[("disableAutoProtection", "protection_off"), ("autoStopOnWarning", "stop_on_warning")];

/// Fields that this system alone knows, kept with the account.
pub const EXTRA: &[&str] = &[
    "useUnifiedUserAgent",
    "useUnifiedClientId",
    "unifiedClientId",
    "interceptWarmup",
    "disableTempUnavailable",
    "tempUnavailable503TtlSeconds",
    "tempUnavailable5xxTtlSeconds",
    "extInfo",
];

/// Options that a form sets, as a patch over the stored ones.
fn options(form: &Form, before: Option<&AccountOptions>) -> Result<Map<String, Value>, Error> {
    let mut patch = Map::new();
    for (field, option) in TEXTS {
        if form.has(field) {
            patch.insert((*option).to_owned(), form.text(field)?.map_or(Value::Null, Value::from));
        }
    }
    for (field, option) in SWITCHES {
        if let Some(on) = form.switch(field)? {
            patch.insert((*option).to_owned(), on.into());
        }
    }
    if let Some(minutes) =
        form.whole("rateLimitDuration", 0, "Rate limit duration must be a non-negative integer (minutes)")?
    {
        patch.insert("rate_limit_minutes".into(), minutes.into());
    }
    if let Some((_, mapping)) = models(form)? {
        patch.insert("mapping".into(), Value::Object(mapping));
    }
    let own = form.pick(EXTRA);
    if !own.is_empty() {
        let mut extra = before.map(|o| o.extra.clone()).unwrap_or_default();
        extra.extend(own);
        patch.insert("extra".into(), Value::Object(extra));
    }
    if let Some(tokens) = form.object("claudeAiOauth")? {
        let scopes = tokens.words("scopes", "scopes must be an array")?.unwrap_or_default();
        patch.insert("setup_token".into(), (scopes == ["user:inference"]).into());
    }
    Ok(patch)
}

/// Models served, and what they are called at the vendor: from a list of names, or a table of both.
fn models(form: &Form) -> Result<Option<(Vec<String>, Map<String, Value>)>, Error> {
    let bad = || Error::invalid("supportedModels", "supportedModels must be a list of names or a mapping");
    match form.given("supportedModels") {
        None => Ok(form.has("supportedModels").then(Default::default)),
        Some(Value::Array(_)) => {
            Ok(form.words("supportedModels", "supportedModels must be a list of names")?.map(|m| (m, Map::new())))
        }
        Some(Value::Object(table)) => {
            if !table.values().all(Value::is_string) {
                return Err(bad());
            }
            let mapping = table.iter().filter(|(k, v)| v.as_str() != Some(k) && v.as_str() != Some(""));
            let mapping = mapping.map(|(k, v)| (k.clone(), v.clone())).collect();
            Ok(Some((table.keys().cloned().collect(), mapping)))
        }
        Some(_) => Err(bad()),
    }
}

fn tokens_of(access: Option<String>, refresh: Option<String>, expires: Option<Time>) -> Option<OauthTokens> {
    if access.is_none() && refresh.is_none() {
        return None;
    }
    Some(OauthTokens {
        access_token: access.unwrap_or_default(),
        refresh_token: refresh,
        expires_at: expires,
        ..OauthTokens::default()
    })
}

/// What opens the account, when the form says so. Masked and empty values say nothing.
fn credentials(family: &Family, form: &Form, now: Time) -> Result<Option<Credentials>, Error> {
    let secret = |form: &Form, name: &str| -> Result<Option<String>, Error> {
        Ok(form.text(name)?.filter(|t| !t.starts_with("***") && t != "[ENCRYPTED]").map(|t| t.trim().to_owned()))
    };
    let bare = || -> Result<Option<OauthTokens>, Error> {
        Ok(tokens_of(secret(form, "accessToken")?, secret(form, "refreshToken")?, None))
    };
    let tokens = match family.kind {
        AccountKind::ClaudeOauth => match form.object("claudeAiOauth")? {
            None => bare()?,
            Some(o) => {
                let tokens = tokens_of(secret(&o, "accessToken")?, secret(&o, "refreshToken")?, o.time("expiresAt")?);
                let scopes = o.words("scopes", "scopes must be an array")?.unwrap_or_default();
                tokens.map(|t| OauthTokens { scopes, ..t })
            }
        },
        AccountKind::GeminiOauth => match form.object("geminiOauth")? {
            None => bare()?,
            Some(o) => {
                let ends = o.time("expiry_date")?;
                let tokens = tokens_of(secret(&o, "access_token")?, secret(&o, "refresh_token")?, ends);
                let scope = o.text("scope")?.unwrap_or_default();
                let scopes = scope.split_whitespace().map(str::to_owned).collect();
                tokens.map(|t| OauthTokens { scopes, ..t })
            }
        },
        AccountKind::OpenaiOauth => match form.object("openaiOauth")? {
            None => bare()?,
            Some(o) => {
                let life = o.whole("expires_in", 0, "expires_in must be a number of seconds")?;
                let ends = life.filter(|s| *s > 0).map(|s| now.plus(s.saturating_mul(1_000)));
                let tokens = tokens_of(secret(&o, "accessToken")?, secret(&o, "refreshToken")?, ends);
                let id_token = secret(&o, "idToken")?;
                tokens.map(|t| OauthTokens { id_token, ..t })
            }
        },
        AccountKind::Bedrock => {
            if let Some(aws) = form.object("awsCredentials")?
                && let (Some(id), Some(key)) = (secret(&aws, "accessKeyId")?, secret(&aws, "secretAccessKey")?)
            {
                return Ok(Some(Credentials::Aws {
                    access_key_id: id,
                    secret_access_key: key,
                    session_token: secret(&aws, "sessionToken")?,
                }));
            }
            return Ok(secret(form, "bearerToken")?.map(|t| Credentials::Keys { keys: vec![t] }));
        }
        _ => return Ok(secret(form, "apiKey")?.map(|k| Credentials::lines(&k))),
    };
    Ok(tokens.map(Credentials::Oauth))
}

/// The way to the vendor; `Some(None)` for the direct one.
pub(super) fn proxy(form: &Form) -> Result<Option<Option<Proxy>>, Error> {
    if !form.has("proxy") {
        return Ok(None);
    }
    let Some(fields) = form.object("proxy")? else { return Ok(Some(None)) };
    let Some(host) = fields.text("host")? else { return Ok(Some(None)) };
    let kind = fields.text("type")?.unwrap_or_else(|| "http".into());
    let kind = ProxyKind::parse(&kind)
        .ok_or_else(|| Error::invalid("proxy.type", "Invalid proxy type. Must be socks5, http or https"))?;
    let sentence = "Invalid proxy port. Must be between 1 and 65535";
    let port = fields.whole("port", 1, sentence)?.and_then(|p| u16::try_from(p).ok());
    let port = port.ok_or_else(|| Error::invalid("proxy.port", sentence))?;
    let (username, password) = (fields.text("username")?, fields.text("password")?);
    Ok(Some(Some(Proxy { kind, host, port, username, password })))
}

fn sharing(form: &Form) -> Result<Option<Sharing>, Error> {
    let Some(word) = form.text("accountType")? else { return Ok(None) };
    let sharing = Sharing::parse(&word).ok_or_else(|| {
        Error::invalid("accountType", "Invalid account type. Must be \"shared\", \"dedicated\" or \"group\"")
    })?;
    let named = form.given("groupId").is_some()
        || form.words("groupIds", "groupIds must be an array")?.is_some_and(|g| !g.is_empty());
    if sharing == Sharing::Group && !named {
        return Err(Error::invalid("groupId", "Group ID or Group IDs are required for group type accounts"));
    }
    Ok(Some(sharing))
}

async fn groups(app: &App, actor: &Actor, form: &Form, sharing: Option<Sharing>) -> Result<Option<Vec<i64>>, Error> {
    if matches!(sharing, Some(Sharing::Shared | Sharing::Dedicated)) {
        return Ok(Some(Vec::new()));
    }
    let mut uids = form.words("groupIds", "groupIds must be an array")?;
    if uids.as_ref().is_none_or(Vec::is_empty)
        && let Some(one) = form.text("groupId")?
    {
        uids = Some(vec![one]);
    }
    let Some(uids) = uids else { return Ok(None) };
    let mut ids = Vec::with_capacity(uids.len());
    for uid in &uids {
        match account_group::get_by_uid(app, actor, uid).await {
            Ok(group) => ids.push(group.id),
            Err(Error::NotFound { .. }) => return Err(Error::invalid("groupId", "there is no such account group")),
            Err(e) => return Err(e),
        }
    }
    Ok(Some(ids))
}

/// Its priorities begin with the lowest; ours with the highest.
fn priority(form: &Form) -> Result<Option<i64>, Error> {
    let sentence = "Priority must be a number between 1 and 100";
    match form.given("priority") {
        None => Ok(None),
        Some(_) => match form.whole("priority", 1, sentence)? {
            Some(p) if p <= 100 => Ok(Some(100 - p)),
            _ => Err(Error::invalid("priority", sentence)),
        },
    }
}

fn concurrency(form: &Form) -> Result<Option<i64>, Error> {
    let sentence = "Max concurrent tasks must be a non-negative integer";
    match form.whole("maxConcurrentTasks", 0, sentence)? {
        Some(n) => Ok(Some(n)),
        None => form.whole("maxConcurrency", 0, sentence),
    }
}

fn quota(form: &Form) -> Result<Option<Option<Micros>>, Error> {
    let quota = form.dollars("dailyQuota", "Daily quota must be a non-negative number")?;
    Ok(quota.map(|q| (q != Micros::ZERO).then_some(q)))
}

/// What the form tells about the account itself.
fn info(form: &Form) -> Result<Map<String, Value>, Error> {
    let mut info = Map::new();
    if let Some(email) = form.clearable("email")? {
        info.insert("email".into(), email.into());
    }
    let subscription = match form.object("claudeAiOauth")? {
        Some(tokens) => tokens.object("subscriptionInfo")?,
        None => None,
    };
    if let Some(subscription) = subscription.or(form.object("subscriptionInfo")?) {
        info.insert("subscription".into(), Value::Object(subscription.0));
    }
    if let Some(about) = form.object("accountInfo")? {
        for (field, fact) in [
            ("accountId", "account_id"),
            ("chatgptUserId", "user_id"),
            ("organizationId", "organization_id"),
            ("organizationRole", "organization_role"),
            ("organizationTitle", "organization"),
            ("planType", "plan"),
            ("email", "email"),
            ("name", "name"),
        ] {
            if let Some(text) = about.text(field)? {
                info.insert(fact.into(), text.into());
            }
        }
    }
    Ok(info)
}

/// The account that a form asks for.
pub async fn draft(app: &App, actor: &Actor, family: &Family, form: &Form) -> Result<AccountDraft, Error> {
    let (fields, sentence) = family.needs;
    for field in fields {
        form.required(field, sentence)?;
    }
    let sharing = sharing(form)?;
    let options =
        serde_json::from_value(Value::Object(options(form, None)?.into_iter().filter(|(_, v)| !v.is_null()).collect()))
            .map_err(|e| Error::invalid("options", format!("the settings do not fit: {e}")))?;
    let credentials = credentials(family, form, app.clock.now())?.unwrap_or_default();
    let name = form.required("name", sentence)?;
    let mut draft = AccountDraft::new(family.kind, name, credentials);
    draft.description = form.text("description")?.unwrap_or_default();
    draft.base_url = form.text(family.address)?;
    draft.proxy = proxy(form)?.flatten();
    draft.models = models(form)?.map(|(models, _)| models).unwrap_or_default();
    draft.group_ids = groups(app, actor, form, sharing).await?.unwrap_or_default();
    draft.sharing = sharing.unwrap_or(Sharing::Shared);
    draft.priority = priority(form)?.unwrap_or(50);
    draft.max_concurrency = concurrency(form)?.unwrap_or_default();
    draft.daily_quota = quota(form)?.flatten();
    draft.options = options;
    draft.info = info(form)?;
    draft.enabled = form.switch("isActive")?.unwrap_or(true);
    draft.schedulable = form.switch("schedulable")?.unwrap_or(true);
    draft.subscription_expires_at = form.time("expiresAt")?;
    Ok(draft)
}

/// The change that a form asks for.
pub async fn change(
    app: &App,
    actor: &Actor,
    family: &Family,
    before: &Account,
    form: &Form,
) -> Result<AccountChange, Error> {
    let sharing = sharing(form)?;
    let base_url = if form.has(family.address) { Some(form.text(family.address)?) } else { None };
    let name = if form.has("name") { Some(form.required("name", family.needs.1)?) } else { None };
    let group_ids = groups(app, actor, form, sharing).await?;
    Ok(AccountChange {
        name,
        description: form.clearable("description")?,
        base_url,
        credentials: credentials(family, form, app.clock.now())?,
        proxy: kept_proxy(app, actor, before, proxy(form)?)?,
        models: models(form)?.map(|(models, _)| models),
        sharing,
        group_ids,
        priority: priority(form)?,
        max_concurrency: concurrency(form)?,
        daily_quota: quota(form)?,
        options_patch: options(form, Some(&before.options.0))?,
        info: info(form)?,
        enabled: form.switch("isActive")?,
        schedulable: form.switch("schedulable")?,
        subscription_expires_at: if form.has("expiresAt") { Some(form.time("expiresAt")?) } else { None },
        ..AccountChange::default()
    })
}

/// A proxy that came back as it was shown, without its password, stays as it is.
fn kept_proxy(
    app: &App,
    actor: &Actor,
    before: &Account,
    given: Option<Option<Proxy>>,
) -> Result<Option<Option<Proxy>>, Error> {
    if let Some(Some(new)) = &given
        && new.password.is_none()
        && let Some(old) = proxy_of(app, actor, before)?
        && json!([old.kind, old.host, old.port, old.username]) == json!([new.kind, new.host, new.port, new.username])
    {
        return Ok(None);
    }
    Ok(given)
}

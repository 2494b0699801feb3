//! What the console shows of itself, versions, and the client headers seen.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, State};
use http::HeaderMap;
use http::request::Parts;
use schema::clock::{DAY, HOUR};
use schema::model::account::{AccountFilter, AccountKind};
use schema::service::setting::{self, names};
use schema::service::{account, usage};
use schema::{App, Error, Time};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::family::all;
use super::form::{Told, told};
use super::{Admin, Body, Path, Query, Reply, data, flat, message};

fn oem(app: &App) -> Value {
    let settings = setting::current(app);
    let own: Map<String, Value> = settings.json(names::CRS_CONSOLE);
    let logo = settings.text(names::SITE_LOGO);
    let (icon, data) = if logo.starts_with("data:") { ("", logo) } else { (logo, "") };
    json!({
        "siteName": settings.text(names::SITE_NAME), "siteIcon": icon, "siteIconData": data,
        "showAdminButton": own.get("showAdminButton").and_then(Value::as_bool).unwrap_or(true),
        "apiStatsNotice": own.get("apiStatsNotice").cloned()
            .unwrap_or_else(|| json!({ "enabled": false, "title": "", "content": "" })),
        "updatedAt": own.get("updatedAt"), "ldapEnabled": false,
    })
}

/// What the console shows of itself: to administrators, and to the console's own sign-in page, which asks before
/// anybody could be signed in.
pub async fn oem_settings(State(app): State<App>, mut parts: Parts) -> Reply {
    // A browser may still send the token of a session that has ended.
    if !from_a_page_of_ours(&parts.headers) {
        Admin::from_request_parts(&mut parts, &app).await?;
    }
    Ok(data(oem(&app)))
}

/// Whether a browser asks from a page that was served here.
fn from_a_page_of_ours(headers: &HeaderMap) -> bool {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("");
    // Plain HTTP pages name only where they come from.
    let page = header("referer").split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let own = page.is_some_and(|(host, path)| host == header("host") && path.starts_with("admin"));
    header("sec-fetch-site") == "same-origin" || own
}

pub async fn put_oem(State(app): State<App>, admin: Admin, form: Body<Told<told::Site>>) -> Reply {
    let form = form.0;
    let name = form.required("siteName", "Site name is required")?;
    if name.chars().count() > 100 {
        return Err(Error::invalid("siteName", "Site name must be less than 100 characters").into());
    }
    let image = form.text("siteIconData")?.unwrap_or_default();
    if image.len() > 350_000 {
        return Err(Error::invalid("siteIconData", "Icon file must be less than 350KB").into());
    }
    let icon = form.text("siteIcon")?.unwrap_or_default();
    if !image.is_empty() && !image.starts_with("data:image/") {
        return Err(Error::invalid("siteIconData", "Icon data must be a data URL of an image").into());
    }
    if !icon.is_empty() && !icon.starts_with("https://") && !icon.starts_with("http://") && !icon.starts_with('/') {
        return Err(Error::invalid("siteIcon", "Invalid icon URL format").into());
    }
    let settings = setting::current(&app);
    let mut own: Map<String, Value> = settings.json(names::CRS_CONSOLE);
    if let Some(on) = form.switch("showAdminButton")? {
        own.insert("showAdminButton".into(), on.into());
    }
    if let Some(notice) = form.object("apiStatsNotice")? {
        own.insert("apiStatsNotice".into(), Value::Object(notice.0));
    }
    own.insert("updatedAt".into(), app.clock.now().rfc3339().into());
    let changes = BTreeMap::from([
        (names::SITE_NAME.to_owned(), Some(name)),
        (names::SITE_LOGO.to_owned(), Some(if image.is_empty() { icon } else { image })),
        (names::CRS_CONSOLE.to_owned(), Some(Value::Object(own).to_string())),
    ]);
    setting::put(&app, &admin, &changes).await?;
    Ok(flat(json!({ "message": "OEM settings updated successfully", "data": oem(&app) })))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Forced {
    force: Option<String>,
}

/// Where the answer of the release feed is remembered.
const RELEASE: &str = "crs:release";

pub async fn check_updates(State(app): State<App>, _: Admin, query: Query<Forced>) -> Reply {
    let current = env!("CARGO_PKG_VERSION");
    let now = app.clock.now();
    let forced = query.0.force.is_some_and(|f| f != "false");
    let cached = if forced { None } else { app.kv.get(RELEASE, now).await? };
    let was_cached = cached.is_some();
    let looked_up = match cached {
        Some(text) => serde_json::from_str(&text).map_err(|_| "the remembered release is damaged"),
        None => newest(&app).await,
    };
    let release: Value = match looked_up {
        Ok(release) => release,
        Err(why) => {
            return Ok(data(json!({
                "current": current, "latest": current, "hasUpdate": false, "error": true, "warning": why,
                "releaseInfo": null,
            })));
        }
    };
    if !was_cached {
        app.kv.put(RELEASE, &release.to_string(), HOUR, now).await?;
    }
    let text = |name: &str| release.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let latest = text("tag_name").trim_start_matches('v').to_owned();
    Ok(data(json!({
        "current": current, "latest": latest, "hasUpdate": newer(&latest, current), "cached": was_cached,
        "releaseInfo": {
            "name": text("name"), "body": text("body"), "publishedAt": text("published_at"), "htmlUrl": text("html_url"),
        },
    })))
}

/// Asks the configured feed for the newest release.
async fn newest(app: &App) -> Result<Value, &'static str> {
    let url = setting::current(app).text(names::RELEASES_URL).to_owned();
    if url.is_empty() {
        return Err("no release feed is configured (setting releases_url)");
    }
    let asked = app.http.get(url).timeout(std::time::Duration::from_secs(10)).send();
    let answer = asked.await.map_err(|_| "the release feed could not be reached")?;
    if !answer.status().is_success() {
        return Err("the release feed refused to answer");
    }
    let release: Value = answer.json().await.map_err(|_| "the release feed's answer could not be read")?;
    let known = release.get("tag_name").is_some_and(Value::is_string);
    if known { Ok(release) } else { Err("the release feed names no version") }
}

/// True when a version comes after another.
fn newer(one: &str, other: &str) -> bool {
    let parts = |v: &str| -> Vec<u64> { v.split(['.', '-', '+']).map_while(|p| p.parse().ok()).collect() };
    parts(one) > parts(other)
}

/// Since when an account's clients count; set by clearing.
const FORGOTTEN: &str = "claude_code_forgotten_at";

pub async fn headers(State(app): State<App>, admin: Admin) -> Reply {
    let filter = AccountFilter { kinds: vec![AccountKind::ClaudeOauth], ..AccountFilter::default() };
    let now = app.clock.now();
    let mut rows = Vec::new();
    for a in all(&app, &admin, filter).await? {
        let since = a.info.0.get(FORGOTTEN).and_then(Value::as_i64).unwrap_or(0).max(now.plus(-30 * DAY).0);
        let Some((agent, at)) = usage::latest_client(&app, &admin, CLIENT, Time(since), Some(a.id)).await? else {
            continue;
        };
        let version = agent.strip_prefix(CLIENT).unwrap_or("").split([' ', '(']).next().unwrap_or("");
        rows.push(json!({
            "accountId": a.uid, "accountName": a.name, "version": version, "userAgent": agent,
            "updatedAt": at.rfc3339(), "headers": { "user-agent": agent },
        }));
    }
    Ok(data(rows))
}

pub async fn delete_headers(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = account::get_by_uid(&app, &admin, &uid.0).await?;
    account::learn(&app, account.id, &Map::from_iter([(FORGOTTEN.to_owned(), app.clock.now().0.into())])).await?;
    Ok(message(&format!("Claude Code headers cleared for account {}", account.name)))
}

/// How Claude Code names itself.
const CLIENT: &str = "claude-cli/";
/// Since when clients' versions count; set by clearing.
const CLEARED: &str = "crs:client-version-cleared";
/// How long a client's version counts as current.
const CURRENT: i64 = DAY;

pub async fn client_version(State(app): State<App>, admin: Admin) -> Reply {
    let now = app.clock.now();
    let cleared = app.kv.get(CLEARED, now).await?.and_then(|t| t.parse().ok()).unwrap_or(0);
    let since = Time(cleared.max(now.plus(-CURRENT).0));
    let seen = usage::latest_client(&app, &admin, CLIENT, since, None).await?;
    let left = seen.as_ref().map_or(0, |(_, at)| (at.0 + CURRENT - now.0).max(0) / 1_000);
    let answer = json!({
        "userAgent": seen.as_ref().map(|(agent, _)| agent), "isActive": seen.is_some(), "ttlSeconds": left,
        "lastUpdated": seen.as_ref().map(|(_, at)| at.rfc3339()),
    });
    let mut out = answer.clone();
    out["data"] = answer;
    Ok(flat(out))
}

pub async fn clear_client_version(State(app): State<App>, _: Admin) -> Reply {
    let now = app.clock.now();
    app.kv.put(CLEARED, &now.0.to_string(), CURRENT, now).await?;
    Ok(message("Claude Code User-Agent cache cleared successfully"))
}

#[cfg(test)]
mod tests {
    use super::newer;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(newer("1.10.0", "1.9.9") && newer("2.0", "1.99.99"));
        assert!(!newer("1.0.0", "1.0.0") && !newer("", "0.1.0") && !newer("0.9.9", "1.0.0"));
    }
}

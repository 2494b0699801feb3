//! What the dashboard shows beside the figures: addresses of the interface, announcements, questions, and what an
//! Uptime Kuma watches.

use std::time::Duration;

use axum::extract::State;
use futures_util::StreamExt;
use relay::upstream::guard::Guard;
use schema::clock::{DAY, MINUTE};
use schema::service::setting::{self, Settings, names};
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fetch::fetched;
use super::{Reply, data};

/// How many announcements are shown.
const SHOWN: usize = 20;
/// Longest a status page may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many status pages are read at a time.
const ABREAST: usize = 4;

/// What the panels add to what the system says of itself.
pub fn shown(settings: &Settings) -> Map<String, Value> {
    let list = |name: &str| settings.json::<Vec<Value>>(name);
    let mut shown = Map::new();
    for (word, switch) in [
        ("api_info", names::PANEL_API_INFO_ENABLED),
        ("uptime_kuma", names::PANEL_UPTIME_ENABLED),
        ("announcements", names::PANEL_ANNOUNCEMENTS_ENABLED),
        ("faq", names::PANEL_FAQ_ENABLED),
    ] {
        shown.insert(format!("{word}_enabled"), settings.bool(switch).into());
    }
    if settings.bool(names::PANEL_API_INFO_ENABLED) {
        shown.insert("api_info".into(), list(names::PANEL_API_INFO).into());
    }
    if settings.bool(names::PANEL_ANNOUNCEMENTS_ENABLED) {
        let mut all = list(names::PANEL_ANNOUNCEMENTS);
        let published = |one: &Value| one["publishDate"].as_str().and_then(schema::Time::parse);
        all.sort_by_key(|one| std::cmp::Reverse(published(one)));
        all.truncate(SHOWN);
        shown.insert("announcements".into(), all.into());
    }
    if settings.bool(names::PANEL_FAQ_ENABLED) {
        shown.insert("faq".into(), list(names::PANEL_FAQ).into());
    }
    shown
}

/// A status page to be read.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    category_name: String,
    url: String,
    slug: String,
}

/// What the status pages say. Anybody may ask this, so they are asked once a minute, whoever asks here.
pub async fn uptime(State(app): State<App>) -> Reply {
    let settings = setting::current(&app);
    let pages: Vec<Page> = settings.json(names::PANEL_UPTIME);
    if !settings.bool(names::PANEL_UPTIME_ENABLED) || pages.is_empty() {
        return Ok(data(json!([])));
    }
    let name = format!("newapi:uptime:{}", schema::id::digest(settings.text(names::PANEL_UPTIME)));
    let now = app.clock.now();
    if app.kv.put_new(&format!("{name}:asked"), "1", MINUTE, now).await? {
        let guard = Guard::new(settings.text(names::WEBHOOK_ALLOWED_HOSTS));
        let asking = pages.into_iter().map(|page| group(&guard, page));
        let groups: Vec<Value> = futures_util::stream::iter(asking).buffered(ABREAST).collect().await;
        let text = serde_json::to_string(&groups).map_err(Error::internal)?;
        app.kv.put(&name, &text, DAY, now).await?;
        return Ok(data(groups));
    }
    let last = app.kv.get(&name, now).await?;
    let last = last.and_then(|text| serde_json::from_str::<Vec<Value>>(&text).ok());
    Ok(data(last.unwrap_or_default()))
}

/// One page's monitors; none when it does not answer.
async fn group(guard: &Guard, page: Page) -> Value {
    let base = page.url.trim_end_matches('/');
    let address = |part: &str| format!("{base}/api/status-page/{part}{}", page.slug);
    let (listed, beats) = (address(""), address("heartbeat/"));
    let asked = async { tokio::try_join!(fetched(guard, &listed), fetched(guard, &beats)) };
    let said = tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("请求超时".to_owned()));
    let monitors = match said {
        Ok((listed, beats)) => monitors(&listed, &beats),
        Err(why) => {
            tracing::warn!(category = page.category_name, why, "a status page could not be read");
            Vec::new()
        }
    };
    json!({ "categoryName": page.category_name, "monitors": monitors })
}

fn monitors(listed: &[u8], beats: &[u8]) -> Vec<Value> {
    let read = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap_or_default();
    let (listed, beats) = (read(listed), read(beats));
    let groups = listed["publicGroupList"].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for group in &groups {
        for monitor in group["monitorList"].as_array().into_iter().flatten() {
            let id = monitor["id"].to_string();
            let last = beats["heartbeatList"][&id].as_array().and_then(|beats| beats.last());
            all.push(json!({
                "name": monitor["name"],
                "uptime": beats["uptimeList"][format!("{id}_24")].as_f64().unwrap_or_default(),
                "status": last.and_then(|beat| beat["status"].as_i64()).unwrap_or_default(),
                "group": group["name"],
            }));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_page_is_read_monitor_by_monitor() {
        let listed = br#"{"publicGroupList":[{"name":"g","monitorList":[{"id":1,"name":"a"},{"id":2,"name":"b"}]}]}"#;
        let beats = br#"{"heartbeatList":{"1":[{"status":0},{"status":1}]},"uptimeList":{"1_24":0.5}}"#;
        let told = monitors(listed, beats);
        assert_eq!(told[0], json!({ "name": "a", "uptime": 0.5, "status": 1, "group": "g" }));
        assert_eq!(told[1], json!({ "name": "b", "uptime": 0.0, "status": 0, "group": "g" }));
        assert!(monitors(b"x", b"{}").is_empty());
    }
}

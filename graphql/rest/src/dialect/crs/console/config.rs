//! The switches of the relay as its console knows them, over the settings that do what they say.

use std::collections::BTreeMap;

use axum::extract::State;
use relay::call::engine::Engine;
use schema::model::api_key::{Deleted, KeyFilter, KeyOrder};
use schema::page::{Direction, Window};
use schema::service::api_key;
use schema::service::setting::{self, names};
use schema::{App, Error};
use serde_json::{Map, Value, json};

use super::super::form::Form;
use super::super::{Admin, Body, Reply, data, flat};

/// Who changed the switches last, within the console's own document.
const TOUCHED: &str = "relayConfig";

/// Its names of switches and numbers, and ours.
const SWITCHES: &[(&str, &str)] = &[
    ("claudeCodeOnlyEnabled", names::CLAUDE_CODE_ONLY),
    ("concurrentRequestQueueEnabled", names::KEY_QUEUE),
    ("requestDetailCaptureEnabled", names::RECORD_CONTENT),
    ("globalSessionBindingEnabled", names::SESSION_BINDING),
    ("userMessageQueueEnabled", names::USER_TURNS),
];
const NUMBERS: &[(&str, &str)] = &[
    ("concurrentRequestQueueMaxSize", names::KEY_QUEUE_SIZE),
    ("concurrentRequestQueueMaxSizeMultiplier", names::KEY_QUEUE_FACTOR),
    ("concurrentRequestQueueTimeoutMs", names::KEY_QUEUE_MS),
    ("requestDetailBodyMaxChars", names::RECORD_CONTENT_CHARS),
    ("sessionBindingTtlDays", names::SESSION_BINDING_DAYS),
    ("userMessageQueueDelayMs", names::USER_TURN_PAUSE_MS),
    ("userMessageQueueTimeoutMs", names::USER_TURN_WAIT_MS),
];
const TEXTS: &[(&str, &str)] = &[("sessionBindingErrorMessage", names::SESSION_BINDING_MESSAGE)];

/// Switches of its relay that this one does not have, and what does the same here.
const ELSEWHERE: &[(&str, &str)] = &[(
    "concurrentRequestQueueHealthCheckEnabled",
    "the queue's length is limited instead (concurrentRequestQueueMaxSize)",
)];

/// Numbers of its relay that say how its store and its queue are watched, and have nothing to do here.
const STANDING: &[(&str, f64)] =
    &[("concurrentRequestQueueMaxRedisFailCount", 5.0), ("concurrentRequestQueueHealthThreshold", 0.8)];

fn shown(app: &App) -> Value {
    let settings = setting::current(app);
    let own: Map<String, Value> = settings.json(names::CRS_CONSOLE);
    let touched = own.get(TOUCHED);
    let mut out = Map::new();
    for (theirs, ours) in SWITCHES {
        out.insert((*theirs).to_owned(), settings.bool(ours).into());
    }
    for (theirs, ours) in NUMBERS {
        let number = settings.number(ours);
        let number = if number.fract() == 0.0 { json!(number as i64) } else { json!(number) };
        out.insert((*theirs).to_owned(), number);
    }
    for (theirs, number) in STANDING {
        out.insert((*theirs).to_owned(), json!(number));
    }
    for (theirs, ours) in TEXTS {
        out.insert((*theirs).to_owned(), settings.text(ours).into());
    }
    for (theirs, _) in ELSEWHERE {
        out.insert((*theirs).to_owned(), false.into());
    }
    out.insert("requestDetailRetentionHours".into(), (settings.int(names::CONTENT_RETENTION_DAYS) * 24).into());
    out.insert("updatedAt".into(), touched.and_then(|t| t.get("at")).cloned().unwrap_or(Value::Null));
    out.insert("updatedBy".into(), touched.and_then(|t| t.get("by")).cloned().unwrap_or(Value::Null));
    out.into()
}

pub async fn show(State(app): State<App>, _: Admin) -> Reply {
    Ok(flat(json!({ "config": shown(&app) })))
}

pub async fn put(State(app): State<App>, admin: Admin, form: Body<Form>) -> Reply {
    let form = form.0;
    for (name, instead) in ELSEWHERE {
        if form.switch(name)? == Some(true) {
            return Err(Error::invalid(*name, format!("{name} is not a switch of this server: {instead}")).into());
        }
    }
    for (name, number) in STANDING {
        let given = form.given(name).map(|v| v.as_f64().or_else(|| v.as_str()?.trim().parse().ok()));
        if given.is_some_and(|given| given != Some(*number)) {
            let why =
                format!("{name} cannot be changed: this server neither counts failures of its store nor needs to");
            return Err(Error::invalid(*name, why).into());
        }
    }
    let mut changes = BTreeMap::new();
    for (theirs, ours) in SWITCHES {
        if let Some(on) = form.switch(theirs)? {
            changes.insert((*ours).to_owned(), Some(on.to_string()));
        }
    }
    for (theirs, ours) in NUMBERS {
        if let Some(value) = form.given(theirs) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            changes.insert((*ours).to_owned(), Some(text));
        }
    }
    for (theirs, ours) in TEXTS {
        if let Some(text) = form.text(theirs)? {
            changes.insert((*ours).to_owned(), Some(text));
        }
    }
    let sentence = "requestDetailRetentionHours must be a positive number of hours";
    if let Some(hours) = form.whole("requestDetailRetentionHours", 1, sentence)? {
        // Days are kept whole.
        changes.insert(names::CONTENT_RETENTION_DAYS.to_owned(), Some((hours + 23).div_euclid(24).to_string()));
    }
    let settings = setting::current(&app);
    let mut own: Map<String, Value> = settings.json(names::CRS_CONSOLE);
    own.insert(TOUCHED.into(), json!({ "at": app.clock.now().rfc3339(), "by": admin.name }));
    changes.insert(names::CRS_CONSOLE.to_owned(), Some(Value::Object(own).to_string()));
    setting::put(&app, &admin, &changes).await?;
    Ok(flat(json!({ "message": "配置已更新", "config": shown(&app) })))
}

/// How many calls wait for their turn, and how waiting went since this process began.
pub async fn queue(State(app): State<App>, admin: Admin) -> Reply {
    let stats = Engine::of(&app).queue.stats();
    let ids: Vec<i64> = stats.waiting.keys().copied().collect();
    let mut keys = Vec::new();
    if !ids.is_empty() {
        let filter = KeyFilter { ids, deleted: Deleted::With, ..KeyFilter::default() };
        let window = Window { limit: 1_000, offset: 0 };
        let found = api_key::pages(&app, &admin, &filter, (KeyOrder::Name, Direction::Asc), window).await?;
        keys.extend(
            found
                .rows
                .iter()
                .map(|k| json!({ "apiKeyId": k.uid, "name": k.name, "queueCount": stats.waiting.get(&k.id) })),
        );
    }
    let settings = setting::current(&app);
    let ended = stats.served + stats.in_vain;
    let rate = if ended == 0 { 1.0 } else { stats.served as f64 / ended as f64 };
    Ok(data(json!({
        "enabled": settings.bool(names::KEY_QUEUE), "maxSize": settings.int(names::KEY_QUEUE_SIZE),
        "timeoutMs": settings.int(names::KEY_QUEUE_MS), "totalWaiting": stats.waiting.values().sum::<usize>(),
        "keys": keys,
        "stats": {
            "entered": stats.entered, "success": stats.served, "timeout": stats.in_vain, "rejected": stats.turned_away,
            "successRate": rate,
        },
    })))
}

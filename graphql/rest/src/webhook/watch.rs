//! Turning what happens into notices, each sent by one process.

use futures_util::FutureExt;
use schema::bus::Event;
use schema::clock::{DAY, HOUR, MINUTE};
use schema::model::account::{Account, AccountFilter, AccountOrder};
use schema::page::{Direction, Window};
use schema::service::sweep::{Job, job, start_jobs};
use schema::service::{account, admission, setting};
use schema::{Actor, App, Error, Micros, Time};

use super::{Hooks, Notice, deliver, read};

/// Looks for spent quotas every minute.
const JOBS: &[Job] = &[job("webhooks.quotas", 60, |app| async move { quotas(&app).await }.boxed())];

/// Begins to watch; ends when the process stops.
pub fn start(app: &App) {
    start_jobs(app, JOBS);
    let mut listener = app.bus.listen();
    let watched = app.clone();
    app.spawn(async move {
        loop {
            let event = tokio::select! {
                () = watched.stop.cancelled() => return,
                event = listener.next() => event,
            };
            let Some(event) = event else { return };
            // Most processes send nothing at all; that must cost nothing.
            let hooks = match &*event {
                Event::HealthChanged { .. } | Event::Alert { .. } => read(&watched),
                _ => continue,
            };
            if !hooks.enabled {
                continue;
            }
            match told_by(&watched, &event).await {
                Ok(Some((name, notice))) => {
                    let app = watched.clone();
                    watched.spawn(async move { tell(&app, &hooks, &name, MINUTE, &notice).await });
                }
                Ok(None) => {}
                Err(cause) => tracing::warn!(%cause, "an event could not be looked into"),
            }
        }
    });
}

/// What an event tells, and a name under which it is told once.
async fn told_by(app: &App, event: &Event) -> Result<Option<(String, Notice)>, Error> {
    match event {
        Event::HealthChanged { id, health, note, at, .. } => {
            let (kind, title) = match health.as_str() {
                "blocked" | "expired" => ("accountAnomaly", "An account has stopped serving"),
                "ok" => ("rateLimitRecovery", "An account serves again"),
                _ => return Ok(None),
            };
            let account = account::get(app, &Actor::system(), *id).await?;
            let mut facts = about(&account);
            facts.push(("status", health.clone()));
            if !note.is_empty() {
                facts.push(("reason", note.clone()));
            }
            let notice = Notice { kind, title: title.to_owned(), facts, at: Time(*at) };
            Ok(Some((format!("health:{id}:{health}:{at}"), notice)))
        }
        Event::Alert { level, code, message, at } => {
            let kind =
                if code.contains("FORGED") || code.contains("SECURITY") { "securityAlert" } else { "systemError" };
            let facts = vec![("level", level.clone()), ("code", code.clone()), ("message", message.clone())];
            let notice = Notice { kind, title: "Something needs an administrator".to_owned(), facts, at: Time(*at) };
            Ok(Some((format!("alert:{code}:{at}"), notice)))
        }
        _ => Ok(None),
    }
}

fn about(account: &Account) -> Vec<(&'static str, String)> {
    vec![("account", account.name.clone()), ("id", account.uid.clone()), ("platform", account.kind.as_str().to_owned())]
}

/// Tells, unless another process has or the operator does not want to hear of it.
async fn tell(app: &App, hooks: &Hooks, name: &str, within: i64, notice: &Notice) {
    if !hooks.wants(notice.kind) {
        return;
    }
    match app.kv.put_new(&format!("webhook:{name}"), "1", within, app.clock.now()).await {
        Ok(true) => {
            deliver::everywhere(app, hooks, notice).await;
        }
        Ok(false) => {}
        Err(cause) => tracing::warn!(%cause, "a notice could not be claimed"),
    }
}

/// Tells of accounts whose daily quota is spent, once for each quota's day.
async fn quotas(app: &App) -> Result<usize, Error> {
    let hooks = read(app);
    if !hooks.wants("quotaWarning") {
        return Ok(0);
    }
    let now = app.clock.now();
    let order = (AccountOrder::CreatedAt, Direction::Asc);
    let window = Window { limit: 100_000, offset: 0 };
    let accounts = account::pages(app, &Actor::system(), &AccountFilter::default(), order, window).await?.rows;
    let settings = setting::current(app);
    let limited: Vec<(&Account, Micros, Time)> = accounts
        .iter()
        .filter_map(|a| {
            let quota = a.daily_quota.filter(|q| q.0 > 0)?;
            Some((a, quota, account::quota_start(&a.options.0, settings.zone(), now)))
        })
        .collect();
    let wanted: Vec<(i64, Time)> = limited.iter().map(|(a, _, since)| (a.id, *since)).collect();
    let spent = admission::accounts_spent(app, &wanted).await?;
    let mut told = 0;
    for ((account, quota, since), spent) in limited.into_iter().zip(spent) {
        if spent < quota.0 {
            continue;
        }
        let mut facts = about(account);
        facts.push(("quota", format!("${}", quota.decimal())));
        facts.push(("spent", format!("${}", Micros(spent).decimal())));
        let notice =
            Notice { kind: "quotaWarning", title: "An account's daily quota is spent".to_owned(), facts, at: now };
        tell(app, &hooks, &format!("quota:{}:{}", account.id, since.0), DAY + HOUR, &notice).await;
        told += 1;
    }
    Ok(told)
}

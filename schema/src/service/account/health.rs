//! How accounts do: rests, blocks and recoveries, each an event that can be read later.

use std::collections::HashMap;

use crate::App;
use crate::actor::{Act, Actor};
use crate::bus::Event;
use crate::clock::{DAY, MINUTE, Time, Zone};
use crate::db::Tx;
use crate::error::Result;
use crate::model::account::{
    Account, AccountFilter, AccountKind, AccountOptions, AccountOrder, AccountRowChange, Health, HealthChange,
};
use crate::model::account_event::{AccountEvent, NewAccountEvent};
use crate::page::{Direction, Page, Seek, Window};
use crate::service::audit::{self, Target};
use crate::service::directory;
use crate::service::field::stale;
use crate::value::Doc;

use super::{check, living, shown};

/// How an account was found to do.
#[derive(Clone, Debug)]
pub struct Mark<'a> {
    pub health: Health,
    /// Until when it rests; for `Cooling` alone.
    pub cool_until: Option<Time>,
    /// Why, in words that hold no secret.
    pub note: &'a str,
    /// The vendor's HTTP status; 0 when there was none.
    pub status: u16,
}

/// Tells everybody how an account does.
pub(super) async fn announce(app: &App, account: &Account) {
    if let Some(view) = directory::account(app, account.id) {
        view.live.set_health(account.health, account.cool_until);
    }
    app.bus
        .publish(Event::HealthChanged {
            id: account.id,
            health: account.health.as_str().to_owned(),
            cool_until: account.cool_until.map(|t| t.0),
            note: account.health_note.clone(),
            at: app.clock.now().0,
        })
        .await;
}

/// Longest note that is kept.
const NOTE: usize = 500;

/// Notes how an account does. A rest only grows, and a block is lifted by people or by a success alone.
/// True when that was news.
pub async fn mark(app: &App, account_id: i64, found: Mark<'_>) -> Result<bool> {
    let note: String = found.note.chars().filter(|c| *c != '\0').take(NOTE).collect();
    let change = HealthChange { health: found.health, cool_until: found.cool_until, note: &note };
    let mut tx = app.db.begin().await?;
    let Some(account) = Account::mark(&mut tx, account_id, &change).await? else {
        tx.rollback().await?;
        return Ok(false);
    };
    write_event(app, &mut tx, &account, found.status).await?;
    tx.commit().await?;
    announce(app, &account).await;
    Ok(true)
}

async fn write_event(app: &App, tx: &mut Tx, account: &Account, status: u16) -> Result<()> {
    let event = NewAccountEvent {
        account_id: account.id,
        at: app.clock.now(),
        health: account.health,
        status: i64::from(status),
        note: &account.health_note,
    };
    Ok(event.insert(tx).await?)
}

/// Makes an account well again inside the caller's transaction.
pub(super) async fn heal(app: &App, tx: &mut Tx, account: &Account, why: &str) -> Result<Account> {
    let change = HealthChange { health: Health::Ok, cool_until: None, note: "" };
    let Some(healed) = Account::mark(tx, account.id, &change).await? else { return Ok(account.clone()) };
    let event =
        NewAccountEvent { account_id: account.id, at: app.clock.now(), health: Health::Ok, status: 0, note: why };
    event.insert(tx).await?;
    Ok(healed)
}

/// Ends the rests that are over; how many.
pub async fn recover_due(app: &App) -> Result<usize> {
    let mut tx = app.db.begin().await?;
    let recovered = Account::recover_due(&mut tx, app.clock.now()).await?;
    for account in &recovered {
        write_event(app, &mut tx, account, 0).await?;
    }
    tx.commit().await?;
    for account in &recovered {
        announce(app, account).await;
    }
    Ok(recovered.len())
}

/// An administrator declares an account well.
pub async fn reset_status(app: &App, actor: &Actor, account_id: i64) -> Result<Account> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = living(&mut tx, account_id).await?;
    let after = heal(app, &mut tx, &before, &format!("reset by {}", actor.name)).await?;
    let target = Target { kind: "account", id: &account_id.to_string() };
    audit::record(app, &mut tx, actor, "account.reset_status", target, shown(&before), shown(&after)).await?;
    tx.commit().await?;
    announce(app, &after).await;
    Ok(after)
}

/// Lets an account's daily quota start anew.
pub async fn reset_usage(app: &App, actor: &Actor, account_id: i64) -> Result<Account> {
    actor.may(Act::Manage)?;
    let mut tx = app.db.begin().await?;
    let before = living(&mut tx, account_id).await?;
    let after = reset_usage_in(app, &mut tx, actor, &before).await?;
    tx.commit().await?;
    super::announce(app, account_id).await;
    Ok(after)
}

async fn reset_usage_in(app: &App, tx: &mut Tx, actor: &Actor, before: &Account) -> Result<Account> {
    let now = app.clock.now();
    let options = AccountOptions { quota_since: Some(now), ..before.options.0.clone() };
    let set = AccountRowChange { options: Some(Doc(options)), ..AccountRowChange::default() };
    let after = Account::update(tx, before.id, before.version, &set, now).await?.ok_or_else(stale)?;
    let target = Target { kind: "account", id: &before.id.to_string() };
    audit::record(app, tx, actor, "account.reset_usage", target, shown(before), shown(&after)).await?;
    Ok(after)
}

/// Lets the daily quotas of all accounts of these kinds start anew; how many.
pub async fn reset_all_usage(app: &App, actor: &Actor, kinds: &[AccountKind]) -> Result<usize> {
    actor.may(Act::Manage)?;
    let filter = AccountFilter { kinds: kinds.to_vec(), ..AccountFilter::default() };
    let mut tx = app.db.begin().await?;
    let window = Window { limit: 100_000, offset: 0 };
    let accounts = Account::window(&mut tx, &filter, (AccountOrder::CreatedAt, Direction::Asc), window).await?;
    for account in &accounts {
        reset_usage_in(app, &mut tx, actor, account).await?;
    }
    tx.commit().await?;
    for account in &accounts {
        super::announce(app, account.id).await;
    }
    Ok(accounts.len())
}

/// The moment from which an account's daily quota is counted.
pub fn quota_start(options: &AccountOptions, zone: &Zone, now: Time) -> Time {
    let into_day = options.quota_reset_time.as_deref().and_then(check::clock_time).unwrap_or(0) * MINUTE;
    let today = zone.day_start(now, 0).plus(into_day);
    let start = if today > now { zone.day_start(now.plus(-DAY), 0).plus(into_day) } else { today };
    options.quota_since.map_or(start, |since| since.max(start))
}

/// What happened to an account, or to all of them, newest first.
pub async fn events(app: &App, actor: &Actor, account_id: Option<i64>, seek: &Seek) -> Result<Page<AccountEvent>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(Page::cut(AccountEvent::seek(&mut conn, account_id, seek).await?, seek))
}

/// Those of several events that there are.
pub async fn several_events(app: &App, actor: &Actor, ids: &[i64]) -> Result<Vec<AccountEvent>> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    Ok(AccountEvent::by_ids(&mut conn, ids).await?)
}

/// When accounts were last sent to rest.
#[derive(Debug, Default)]
pub struct Rests {
    /// For any reason, by account.
    pub any: HashMap<i64, AccountEvent>,
    /// Because the vendor was overloaded, by account.
    pub overload: HashMap<i64, AccountEvent>,
}

/// The status by which Anthropic says that it is overloaded.
const OVERLOADED: i64 = 529;

/// When these accounts were last sent to rest.
pub async fn rests(app: &App, actor: &Actor, account_ids: &[i64]) -> Result<Rests> {
    actor.may(Act::ViewAll)?;
    let mut conn = app.db.conn().await?;
    let mut rests = Rests::default();
    for some in account_ids.chunks(500) {
        let by_account = |events: Vec<AccountEvent>| events.into_iter().map(|e| (e.account_id, e));
        rests.any.extend(by_account(AccountEvent::latest(&mut conn, some, Health::Cooling, None).await?));
        let overload = AccountEvent::latest(&mut conn, some, Health::Cooling, Some(OVERLOADED)).await?;
        rests.overload.extend(by_account(overload));
    }
    Ok(rests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_day_begins_when_it_is_told_to() {
        let zone = Zone::default();
        let at = |text: &str| Time::parse(text).expect("a time");
        let mut options = AccountOptions::default();
        let now = at("2025-10-11T10:00:00Z");
        assert_eq!(quota_start(&options, &zone, now), at("2025-10-11T00:00:00Z"));
        options.quota_reset_time = Some("12:30".into());
        assert_eq!(quota_start(&options, &zone, now), at("2025-10-10T12:30:00Z"));
        assert_eq!(quota_start(&options, &zone, at("2025-10-11T12:30:00Z")), at("2025-10-11T12:30:00Z"));
        options.quota_since = Some(at("2025-10-11T09:00:00Z"));
        assert_eq!(quota_start(&options, &zone, now), at("2025-10-11T09:00:00Z"));
    }
}

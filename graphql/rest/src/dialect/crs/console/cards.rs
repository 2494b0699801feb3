//! Its quota cards over our cards: a code that is worth money for whoever owns the key, a longer life of the key, or
//! both.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use schema::clock::{DAY, HOUR};
use schema::model::card::{Card, CardFilter, CardKind, CardStatus, Redemption, RedemptionFilter};
use schema::page::Window;
use schema::service::card::{self, CodeForm, Mint, Worth};
use schema::service::setting::{self, names};
use schema::service::{api_key, token, user as people};
use schema::{Actor, App, Error, Micros};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::form::{Form, Told, told};
use super::super::public::asked_for_card;
use super::super::shape::when;
use super::super::{Admin, Body, Crs, Path, Query, Reply, data, flat, message};
use crate::dialect::Maybe;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listing {
    status: Option<String>,
    limit: Option<i64>,
    offset: Option<i64>,
    api_id: Option<String>,
}

fn word(status: CardStatus) -> &'static str {
    match status {
        CardStatus::Active => "unused",
        CardStatus::Used => "redeemed",
        CardStatus::Expired => "expired",
        CardStatus::Disabled => "revoked",
    }
}

/// How long, in the larger of this system's units that says it exactly.
fn time(ms: i64) -> (i64, &'static str) {
    if ms % DAY == 0 { (ms / DAY, "days") } else { (ms / HOUR, "hours") }
}

/// Its word for a kind of card.
fn kind_of(kind: CardKind, value: Micros) -> &'static str {
    match kind {
        CardKind::Credit => "quota",
        CardKind::Time if value > Micros::ZERO => "combo",
        CardKind::Time | CardKind::Plan => "time",
    }
}

/// The names that a page of cards or redemptions shows people by.
async fn usernames(app: &App, actor: &Actor, ids: &[i64]) -> Result<HashMap<i64, String>, Error> {
    let users = people::by_ids(app, actor, ids).await?;
    Ok(users.into_iter().map(|user| (user.id, user.username)).collect())
}

/// Each of some ids once.
fn sole(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn shown(card: &Card, code: &str, now: schema::Time) -> Value {
    let kind = kind_of(card.kind, card.value);
    let (amount, unit) = if card.kind == CardKind::Plan { (card.plan_days, "days") } else { time(card.key_ms) };
    json!({
        "id": card.id.to_string(), "code": code, "type": kind,
        "quotaAmount": card.value.dollars(), "timeAmount": amount, "timeUnit": unit,
        "status": word(card.status(now)), "createdBy": card.created_by.map(|id| id.to_string()),
        "createdAt": card.created_at.rfc3339(), "expiresAt": when(card.expires_at), "note": card.note,
        "redeemedAt": when(card.last_redeemed_at), "redeemedBy": card.last_redeemed_by.map(|id| id.to_string()),
    })
}

/// What a form wants its cards to be worth.
fn worth(form: &Form) -> Result<Worth, Error> {
    let kind = form.text("type")?.unwrap_or_else(|| "quota".into());
    let (quota, time) = match kind.as_str() {
        "quota" => (true, false),
        "time" => (false, true),
        "combo" => (true, true),
        _ => return Err(Error::invalid("type", "type must be quota, time or combo")),
    };
    let credit = if quota {
        let sentence = "quotaAmount must be a positive number";
        let amount = form.dollars("quotaAmount", sentence)?.filter(|a| *a > Micros::ZERO);
        amount.ok_or_else(|| Error::invalid("quotaAmount", sentence))?
    } else {
        Micros::ZERO
    };
    if !time {
        return Ok(Worth::Credit(credit));
    }
    let sentence = "timeAmount must be a positive whole number";
    let amount = form.whole("timeAmount", 1, sentence)?.filter(|n| *n > 0);
    let amount = amount.ok_or_else(|| Error::invalid("timeAmount", sentence))?;
    let unit = match form.text("timeUnit")?.as_deref() {
        Some("hours") => HOUR,
        None | Some("days") => DAY,
        Some("months") => 30 * DAY,
        Some(_) => return Err(Error::invalid("timeUnit", "timeUnit must be hours, days or months")),
    };
    let ms = amount.checked_mul(unit).ok_or_else(|| Error::invalid("timeAmount", sentence))?;
    Ok(Worth::Time { credit, ms })
}

pub async fn mint(State(app): State<App>, admin: Admin, form: Body<Told<told::Cards>>) -> Reply {
    let form = form.0;
    let worth = worth(&form)?;
    let count = form.whole("count", 1, "count must be between 1 and 100")?.unwrap_or(1);
    if count > 100 {
        return Err(Error::invalid("count", "count must be between 1 and 100").into());
    }
    let order = Mint {
        count: count as usize,
        worth,
        form: CodeForm::Grouped { prefix: "CC".into() },
        uses: 1,
        expires_at: form.time("expiresAt")?,
        name: String::new(),
        note: form.text("note")?.unwrap_or_default(),
    };
    let now = app.clock.now();
    let minted = card::mint(&app, &admin, order).await?;
    Ok(data(minted.iter().map(|m| shown(&m.card, &m.code, now)).collect::<Vec<_>>()))
}

pub async fn list(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let (limit, offset) = (query.0.limit.unwrap_or(20), query.0.offset.unwrap_or(0));
    let status = match query.0.status.as_deref() {
        Some("unused") => Some(CardStatus::Active),
        Some("redeemed") => Some(CardStatus::Used),
        Some("expired") => Some(CardStatus::Expired),
        Some("revoked") => Some(CardStatus::Disabled),
        _ => None,
    };
    let filter = CardFilter { status, ..CardFilter::default() };
    let cards = card::list(&app, &admin, &filter, Window::skip(offset, limit, 1_000)?).await?;
    let now = app.clock.now();
    let redeemers = sole(cards.rows.iter().filter_map(|card| card.last_redeemed_by));
    let redeemers = usernames(&app, &admin, &redeemers).await?;
    let mut rows = Vec::with_capacity(cards.rows.len());
    for one in &cards.rows {
        let mut row = shown(one, &card::reveal(&app, &admin, one)?, now);
        row["redeemedByUsername"] = json!(one.last_redeemed_by.and_then(|id| redeemers.get(&id)));
        rows.push(row);
    }
    Ok(data(json!({ "cards": rows, "total": cards.total, "limit": limit, "offset": offset })))
}

pub async fn stats(State(app): State<App>, admin: Admin) -> Reply {
    let s = card::stats(&app, &admin).await?;
    Ok(data(json!({
        "total": s.total, "unused": s.active, "redeemed": s.used, "revoked": s.disabled, "expired": s.expired,
    })))
}

fn shown_limits(app: &App) -> Value {
    let settings = setting::current(app);
    json!({
        "enabled": settings.bool(names::CARD_LIMITS), "maxExpiryDays": settings.int(names::CARD_MOST_DAYS),
        "maxTotalCostLimit": settings.number(names::CARD_MOST_USD),
    })
}

pub async fn limits(State(app): State<App>, _: Admin) -> Reply {
    Ok(data(shown_limits(&app)))
}

pub async fn put_limits(State(app): State<App>, admin: Admin, form: Body<Told<told::CardLimits>>) -> Reply {
    let form = form.0;
    let mut changes = BTreeMap::new();
    if let Some(on) = form.switch("enabled")? {
        changes.insert(names::CARD_LIMITS.to_owned(), Some(on.to_string()));
    }
    if let Some(days) = form.whole("maxExpiryDays", 1, "maxExpiryDays must be a positive number of days")? {
        changes.insert(names::CARD_MOST_DAYS.to_owned(), Some(days.to_string()));
    }
    if let Some(most) = form.dollars("maxTotalCostLimit", "maxTotalCostLimit must be a number of dollars")? {
        changes.insert(names::CARD_MOST_USD.to_owned(), Some(most.dollars().to_string()));
    }
    setting::put(&app, &admin, &changes).await?;
    Ok(data(shown_limits(&app)))
}

pub async fn delete(State(app): State<App>, admin: Admin, id: Path<String>) -> Reply {
    let id = id.0.parse().map_err(|_| Error::NotFound { what: "card" })?;
    card::delete(&app, &admin, id).await?;
    Ok(message("Card deleted successfully"))
}

/// What one redemption brought, as the holder of its key may see it.
fn redeemed(one: &Redemption) -> Value {
    let (added, unit) = time(one.key_ms);
    json!({
        "id": one.id.to_string(), "cardId": one.card_id.to_string(), "userId": one.user_id.to_string(),
        "cardType": kind_of(one.kind(), one.value), "quotaAdded": one.value.dollars(),
        "timeAdded": added, "timeAmount": added, "timeUnit": unit, "timestamp": one.created_at.rfc3339(),
        "redeemedAt": one.created_at.rfc3339(), "revokedAt": when(one.taken_back_at),
        "status": if one.taken_back_at.is_some() { "revoked" } else { "active" },
    })
}

async fn redemptions_of(
    app: &App,
    actor: &Actor,
    filter: &RedemptionFilter,
    query: &Listing,
) -> Result<(Vec<Redemption>, Value), Error> {
    let (limit, offset) = (query.limit.unwrap_or(20), query.offset.unwrap_or(0));
    let found = card::redemptions(app, actor, filter, Window::skip(offset, limit, 1_000)?).await?;
    let rest = json!({ "total": found.total, "limit": limit, "offset": offset });
    Ok((found.rows, rest))
}

/// Every redemption, with the card's code and the names of whoever redeemed it and of the key it was redeemed for.
pub async fn redemptions(State(app): State<App>, admin: Admin, query: Query<Listing>) -> Reply {
    let (found, mut page) = redemptions_of(&app, &admin, &RedemptionFilter::default(), &query.0).await?;
    let people = usernames(&app, &admin, &sole(found.iter().map(|one| one.user_id))).await?;
    let cards = card::several(&app, &admin, &sole(found.iter().map(|one| one.card_id))).await?;
    let mut codes = HashMap::with_capacity(cards.len());
    for card in &cards {
        codes.insert(card.id, card::reveal(&app, &admin, card)?);
    }
    let keys = api_key::remembered(&app, &admin, &sole(found.iter().filter_map(|one| one.key_id))).await?;
    let keys: HashMap<i64, (String, String)> = keys.into_iter().map(|key| (key.id, (key.uid, key.name))).collect();
    let named = found.iter().map(|one| {
        let mut row = redeemed(one);
        let key = one.key_id.and_then(|id| keys.get(&id));
        row["cardCode"] = json!(codes.get(&one.card_id));
        row["username"] = json!(people.get(&one.user_id));
        row["apiKeyId"] = json!(key.map(|(uid, _)| uid));
        row["apiKeyName"] = json!(key.map(|(_, name)| name));
        row
    });
    page["redemptions"] = named.collect::<Vec<Value>>().into();
    Ok(data(page))
}

/// Takes back what a card brought, as far as it is still there.
pub async fn revoke(State(app): State<App>, admin: Admin, id: Path<String>, form: Body<Told<told::Reason>>) -> Reply {
    let id: i64 = id.0.parse().map_err(|_| Error::NotFound { what: "redemption" })?;
    let reason = form.0.text("reason")?.unwrap_or_else(|| "card redemption revoked".into());
    match card::take_back(&app, &admin, id, &reason).await {
        Ok(taken) => {
            let entry = taken.entry.as_ref();
            let done = json!({
                "redemptionId": id.to_string(),
                "actualDeducted": entry.map_or(0.0, |entry| Micros(-entry.amount.0).dollars()),
                "balance": entry.map(|entry| entry.balance_after.dollars()),
                "expiresAt": taken.key.as_ref().map(|key| when(key.expires_at)),
                "revokedAt": taken.at.rfc3339(), "reason": reason,
            });
            Ok(flat(json!({ "message": "撤销成功", "data": done })))
        }
        // In this system what cannot be done with a card is a bad request.
        Err(Error::Conflict { why, .. }) => Err(Error::invalid("id", why).into()),
        Err(e) => Err(e.into()),
    }
}

/// The owner of a key, as they would sign in, and the key; a card redeemed for a key is theirs.
async fn owner(app: &App, caller: Actor, uid: &str) -> Result<(Actor, i64), Error> {
    let key = asked_for_card(app, uid).await?;
    let user = people::get(app, &Actor::system(), key.user_id).await?;
    if !user.is_active() {
        return Err(Error::forbidden("the owner of this key is disabled"));
    }
    Ok((token::actor_of(&user, caller, None), key.id))
}

pub async fn redeem(State(app): State<App>, caller: Maybe<Crs>, form: Body<Told<told::Redeem>>) -> Reply {
    let form = form.0;
    let sentence = "请输入卡号";
    let (uid, code) = (form.required("apiId", "API ID is required")?, form.required("code", sentence)?);
    let (owner, key) = owner(&app, caller.0.clone(), &uid).await?;
    match card::redeem_for(&app, &owner, &code, Some(key)).await {
        Ok(done) => Ok(flat(json!({
            "message": "兑换成功",
            "data": {
                "quotaAdded": done.amount.dollars(), "balance": done.balance.dollars(), "cardId": done.card.id.to_string(),
                "timeAdded": time(done.card.key_ms).0, "timeUnit": time(done.card.key_ms).1,
                "expiresAt": done.key.as_ref().map(|key| when(key.expires_at)),
                "redeemedAt": app.clock.now().rfc3339(),
            },
        }))),
        // In this system every card that cannot be redeemed is a bad request.
        Err(Error::Conflict { why, .. }) => Err(Error::invalid("code", why).into()),
        Err(e) => Err(e.into()),
    }
}

/// What was redeemed for one key; other cards of its owner are not the concern of whoever holds it.
pub async fn redemption_history(State(app): State<App>, caller: Maybe<Crs>, query: Query<Listing>) -> Reply {
    let uid = query.0.api_id.as_deref().unwrap_or("");
    let (owner, key) = owner(&app, caller.0.clone(), uid).await?;
    let filter = RedemptionFilter { user_id: owner.user_id, key_id: Some(key), ..RedemptionFilter::default() };
    let (found, mut page) = redemptions_of(&app, &owner, &filter, &query.0).await?;
    let rows: Vec<Value> = found.iter().map(redeemed).collect();
    page["redemptions"] = json!(rows);
    page["records"] = rows.into();
    Ok(data(page))
}

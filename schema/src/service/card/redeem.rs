//! Redeeming: one transaction, one winner, one clear refusal for everybody else.

use super::digest_of;
use crate::App;
use crate::actor::Actor;
use crate::bus::Event;
use crate::clock::{DAY, SECOND};
use crate::db::Tx;
use crate::error::{Error, Result};
use crate::model::api_key::ApiKey;
use crate::model::card::{Card, CardKind, CardStatus, NewRedemption, Redemption, RedemptionFilter};
use crate::model::ledger::EntryKind;
use crate::model::plan::Plan;
use crate::model::subscription::{Subscription, SubscriptionSource};
use crate::model::user::User;
use crate::money::Micros;
use crate::page::Window;
use crate::service::api_key;
use crate::service::audit::{self, Target};
use crate::service::plan::NOT_FOUND as NO_PLAN;
use crate::service::setting::{self, names};
use crate::service::subscription::{self, Grant};
use crate::service::wallet::{self, Moved, Movement};

/// What redeeming a card brought.
#[derive(Clone, Debug)]
pub struct Redeemed {
    pub card: Card,
    /// What the wallet gained; nothing for a plan card.
    pub amount: Micros,
    /// The wallet afterwards.
    pub balance: Micros,
    /// The subscription and its plan, for a plan card.
    pub subscription: Option<(Subscription, Plan)>,
    /// The key whose life became longer, for a card of time.
    pub key: Option<ApiKey>,
}

/// Redeems a code for the signed-in person.
///
/// Refusals carry `CARD_NOT_FOUND`, `CARD_USED`, `CARD_EXPIRED`, `CARD_DISABLED` or, for a card of time,
/// `CARD_NEEDS_KEY`. Guessing is limited
/// per person and per address; only codes that do not exist count as guesses.
pub async fn redeem(app: &App, actor: &Actor, code: &str) -> Result<Redeemed> {
    redeem_for(app, actor, code, None).await
}

/// The same for one of the person's keys, whose life a card of time makes longer; `KEY_NEVER_ENDS` where it cannot.
/// What any other card brings is the person's; the key is remembered.
pub async fn redeem_for(app: &App, actor: &Actor, code: &str, key_id: Option<i64>) -> Result<Redeemed> {
    let user_id = actor.signed_in()?;
    let code = code.trim();
    if code.is_empty() || code.len() > 128 {
        return Err(Error::invalid("code", "enter the code of a card"));
    }
    let guess = Guess::reserve(app, actor, user_id).await?;
    let outcome = in_one_transaction(app, actor, (user_id, key_id), &digest_of(code)).await;
    if !matches!(&outcome, Err(Error::Conflict { code: "CARD_NOT_FOUND", .. })) {
        guess.give_back(app).await?;
    }
    let (redeemed, moved) = outcome?;
    if let Some(moved) = &moved {
        wallet::announce(app, moved).await;
    }
    if let Some(key) = &redeemed.key {
        api_key::announce(app, key).await;
    }
    if redeemed.subscription.is_some() {
        app.bus.publish(Event::PlanChanged { user_id: Some(user_id) }).await;
    }
    Ok(redeemed)
}

/// What redeeming a code brought the signed-in person before, with their wallet, subscription and key as they are
/// now.
pub async fn redeemed(app: &App, actor: &Actor, code: &str) -> Result<Redeemed> {
    let user_id = actor.signed_in()?;
    let mut conn = app.db.conn().await?;
    let card = Card::by_digest(&mut conn, &digest_of(code.trim())).await?;
    let card = card.ok_or(Error::NotFound { what: "card" })?;
    let mine = RedemptionFilter { user_id: Some(user_id), card_id: Some(card.id), ..RedemptionFilter::default() };
    let newest = Window { limit: 1, offset: 0 };
    let redemption = Redemption::window(&mut conn, &mine, newest).await?.pop();
    let redemption = redemption.ok_or(Error::NotFound { what: "card" })?;
    let key = match redemption.key_id {
        Some(key_id) if redemption.key_ms > 0 => ApiKey::find(&mut conn, key_id).await?,
        _ => None,
    };
    let user = User::find(&mut conn, user_id).await?.ok_or(Error::NotFound { what: "user" })?;
    let subscription = match card.kind {
        CardKind::Credit | CardKind::Time => None,
        CardKind::Plan => {
            let held = subscription::held(&mut conn, user_id, app.clock.now()).await?;
            held.subscription.zip(held.plan)
        }
    };
    Ok(Redeemed { amount: card.value, balance: user.balance, card, subscription, key })
}

/// Who redeems, and for which key.
type Whom = (i64, Option<i64>);

async fn in_one_transaction(app: &App, actor: &Actor, whom: Whom, digest: &str) -> Result<(Redeemed, Option<Moved>)> {
    let mut tx = app.db.begin().await?;
    match taken(app, &mut tx, actor, whom, digest).await {
        Ok(done) => {
            tx.commit().await?;
            Ok(done)
        }
        Err(refusal) => {
            // Refusals are common here; an explicit rollback keeps the connection.
            tx.rollback().await?;
            Err(refusal)
        }
    }
}

async fn taken(app: &App, tx: &mut Tx, actor: &Actor, whom: Whom, digest: &str) -> Result<(Redeemed, Option<Moved>)> {
    let (user_id, key_id) = whom;
    let now = app.clock.now();
    // The guarded statement locks the card's row: whoever comes second waits here, and then finds no use left.
    let Some(card) = Card::take_use(tx, digest, user_id, now).await? else {
        return Err(refusal(Card::by_digest(tx, digest).await?.map(|c| c.status(now))));
    };
    if card.kind != CardKind::Time
        && let Some(key_id) = key_id
    {
        // It stays as it is; that the card was redeemed for it is remembered.
        let key = ApiKey::find(tx, key_id).await?.filter(|key| key.deleted_at.is_none());
        actor.owns_or_admin(key.ok_or(Error::NotFound { what: "api key" })?.user_id, "api key")?;
    }
    let redemption = NewRedemption {
        card_id: card.id,
        user_id,
        value: card.value,
        plan_id: card.plan_id,
        created_at: now,
        key_id,
        key_ms: card.key_ms,
    };
    if !Redemption::insert(tx, &redemption).await? {
        return Err(Error::conflict("CARD_USED", "you have redeemed this card already"));
    }
    let key = match (card.kind, key_id) {
        (CardKind::Time, Some(key_id)) => Some(api_key::lengthen_in(app, tx, actor, key_id, card.key_ms).await?),
        (CardKind::Time, None) => {
            let why = "this card makes the life of a key longer; redeem it for one of your keys";
            return Err(Error::conflict("CARD_NEEDS_KEY", why));
        }
        _ => None,
    };
    let (moved, subscription) = match card.kind {
        CardKind::Time if card.value == Micros::ZERO => (None, None),
        CardKind::Credit | CardKind::Time => {
            let key = format!("card:{}:{user_id}", card.id);
            let movement = Movement {
                user_id,
                kind: EntryKind::Card,
                amount: card.value,
                reference: &card.hint,
                idem_key: Some(&key),
                note: &card.name,
                may_overdraw: false,
            };
            (Some(wallet::move_in(app, tx, actor, movement).await?), None)
        }
        CardKind::Plan => {
            let plan_id = card.plan_id.ok_or_else(|| Error::internal("a plan card without a plan"))?;
            let plan = Plan::find(tx, plan_id).await?.ok_or(NO_PLAN)?;
            let grant = Grant {
                user_id,
                plan: &plan,
                period_ms: card.plan_days.saturating_mul(DAY),
                source: SubscriptionSource::Card,
                order: None,
            };
            let (subscription, holds) = subscription::activate_in(app, tx, actor, grant).await?;
            (None, Some((subscription, holds.unwrap_or(plan))))
        }
    };
    let balance = match &moved {
        Some(moved) => moved.entry.balance_after,
        None => User::find(tx, user_id).await?.map_or(Micros::ZERO, |u| u.balance),
    };
    let after = serde_json::json!({
        "hint": card.hint, "value": card.value, "plan_id": card.plan_id, "key_id": key_id, "key_ms": card.key_ms,
    });
    let target = Target { kind: "card", id: &card.id.to_string() };
    audit::record(app, tx, actor, "card.redeem", target, (), after).await?;
    let amount = moved.as_ref().map_or(Micros::ZERO, |m| m.entry.amount);
    Ok((Redeemed { card, amount, balance, subscription, key }, moved))
}

fn refusal(status: Option<CardStatus>) -> Error {
    match status {
        None => Error::conflict("CARD_NOT_FOUND", "there is no such card"),
        Some(CardStatus::Used) => Error::conflict("CARD_USED", "the card has been used"),
        Some(CardStatus::Expired) => Error::conflict("CARD_EXPIRED", "the card has expired"),
        Some(CardStatus::Disabled) => Error::conflict("CARD_DISABLED", "the card is disabled"),
        // It was free when the statement looked and is free again now: only a change in between explains it.
        Some(CardStatus::Active) => Error::conflict("CARD_USED", "the card was changed meanwhile; try again"),
    }
}

/// One attempt, counted before it is made, so that parallel guesses cannot overshoot.
struct Guess {
    counters: Vec<String>,
    window_ms: i64,
}

/// Many people may share an address, so it is allowed more.
const PER_ADDRESS: i64 = 10;

impl Guess {
    async fn reserve(app: &App, actor: &Actor, user_id: i64) -> Result<Self> {
        let settings = setting::current(app);
        let limit = settings.int(names::CARD_ATTEMPTS);
        let window_ms = settings.int(names::CARD_WINDOW_SECONDS) * SECOND;
        let now = app.clock.now();
        let mut wanted = vec![(format!("card-guess:user:{user_id}"), limit)];
        if !actor.ip.is_empty() {
            wanted.push((format!("card-guess:ip:{}", actor.ip), limit * PER_ADDRESS));
        }
        let mut guess = Self { counters: Vec::new(), window_ms };
        for (name, limit) in wanted {
            let hit = app.kv.hit(&name, 1, limit, window_ms, now).await?;
            if !hit.allowed {
                guess.give_back(app).await?;
                let retry_after = (hit.resets_at.0 - now.0).max(0).div_euclid(SECOND).unsigned_abs() + 1;
                return Err(Error::RateLimited {
                    retry_after,
                    why: "too many wrong card codes; try again later".into(),
                });
            }
            guess.counters.push(name);
        }
        Ok(guess)
    }

    async fn give_back(&self, app: &App) -> Result<()> {
        for name in &self.counters {
            app.kv.hit(name, -1, i64::MAX, self.window_ms, app.clock.now()).await?;
        }
        Ok(())
    }
}

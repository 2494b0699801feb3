//! Minting: codes from the system's randomness, written in one transaction.

use std::collections::{HashMap, HashSet};

use super::{PLACE, digest_of};
use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::{DAY, HOUR, Time};
use crate::error::{Error, Result};
use crate::id::{self, CODE_ALPHABET};
use crate::model::card::{Card, CardKind, NewCard};
use crate::model::plan::Plan;
use crate::money::{DOLLAR, Micros};
use crate::service::audit::{self, Target};
use crate::service::field;
use crate::service::plan::NOT_FOUND as NO_PLAN;
use crate::service::setting::{self, names};

/// Most cards in one call.
pub const MOST: usize = 10_000;

/// What the cards are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    Credit(Micros),
    /// A longer life of the key it is redeemed for, and money too unless that is nothing.
    Time {
        credit: Micros,
        ms: i64,
    },
    Plan {
        plan_id: i64,
        days: i64,
    },
}

/// How codes look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeForm {
    /// `CRD-A1B2-C3D4-E5F6`.
    Grouped { prefix: String },
    /// 32 lower-case hex digits.
    Hex,
    /// So many letters and digits in one piece.
    Plain { length: usize },
    /// A code of the operator's own, such as `WELCOME2024`; for one card.
    Given(String),
}

/// Cards to be made.
#[derive(Clone, Debug)]
pub struct Mint {
    pub count: usize,
    pub worth: Worth,
    pub form: CodeForm,
    /// By how many people each can be redeemed.
    pub uses: i64,
    pub expires_at: Option<Time>,
    pub name: String,
    pub note: String,
}

/// A fresh card and its code.
#[derive(Clone, Debug)]
pub struct Minted {
    pub card: Card,
    pub code: String,
}

/// Makes the cards, all of them or none.
pub async fn mint(app: &App, actor: &Actor, order: Mint) -> Result<Vec<Minted>> {
    actor.may(Act::Manage)?;
    check(app, &order)?;
    let now = app.clock.now();
    let batch = id::code(CODE_ALPHABET, 16);
    let codes = codes(&order.form, order.count);
    let mut tx = app.db.begin().await?;
    let (kind, value, plan_id, plan_days) = match order.worth {
        Worth::Credit(value) => (CardKind::Credit, value, None, 0),
        Worth::Time { credit, .. } => (CardKind::Time, credit, None, 0),
        Worth::Plan { plan_id, days } => {
            Plan::find(&mut tx, plan_id).await?.filter(Plan::is_available).ok_or(NO_PLAN)?;
            (CardKind::Plan, Micros::ZERO, Some(plan_id), days)
        }
    };
    let key_ms = if let Worth::Time { ms, .. } = order.worth { ms } else { 0 };
    let mut by_digest = HashMap::with_capacity(codes.len());
    let mut rows = Vec::with_capacity(codes.len());
    for code in codes {
        let digest = digest_of(&code);
        rows.push(NewCard {
            digest: digest.clone(),
            code: app.seal.seal(PLACE, code.as_bytes())?,
            hint: hint(&code),
            kind,
            value,
            plan_id,
            plan_days,
            uses_allowed: order.uses,
            uses_left: order.uses,
            expires_at: order.expires_at,
            name: order.name.clone(),
            note: order.note.clone(),
            batch: batch.clone(),
            created_by: actor.user_id,
            created_at: now,
            key_ms,
        });
        by_digest.insert(digest, code);
    }
    if let CodeForm::Given(_) = order.form
        && let Some(row) = rows.first()
        && Card::by_digest(&mut tx, &row.digest).await?.is_some()
    {
        return Err(Error::conflict("ALREADY_EXISTS", "there is a card with this code already"));
    }
    Card::insert_many(&mut tx, rows).await?;
    let cards = Card::of_batch(&mut tx, &batch).await?;
    let after = serde_json::json!({
        "count": cards.len(), "kind": kind, "value": value, "plan_id": plan_id, "plan_days": plan_days,
        "key_ms": key_ms,
        "uses": order.uses, "expires_at": order.expires_at, "name": order.name, "note": order.note,
    });
    audit::record(app, &mut tx, actor, "card.mint", Target { kind: "card_batch", id: &batch }, (), after).await?;
    tx.commit().await?;
    cards
        .into_iter()
        .map(|card| {
            let code = by_digest.remove(&card.digest).ok_or_else(|| Error::internal("a card without its code"))?;
            Ok(Minted { card, code })
        })
        .collect()
}

/// Distinct codes of a form.
fn codes(form: &CodeForm, count: usize) -> Vec<String> {
    if let CodeForm::Given(code) = form {
        return vec![code.trim().to_owned()];
    }
    let mut seen = HashSet::with_capacity(count);
    let mut codes = Vec::with_capacity(count);
    while codes.len() < count {
        let code = match form {
            CodeForm::Grouped { prefix } => {
                let c = id::code(CODE_ALPHABET, 12);
                format!("{prefix}-{}-{}-{}", &c[..4], &c[4..8], &c[8..])
            }
            CodeForm::Hex => id::hex(&id::random::<16>()),
            CodeForm::Plain { length } => id::code(CODE_ALPHABET, *length),
            CodeForm::Given(code) => code.clone(),
        };
        if seen.insert(code.clone()) {
            codes.push(code);
        }
    }
    codes
}

/// How a code is named where it must not be readable: `CRD-A1B2***`.
fn hint(code: &str) -> String {
    let shown = match code.split_once('-') {
        Some((prefix, rest)) => prefix.chars().count() + 1 + rest.chars().take_while(|c| *c != '-').count(),
        None => 4,
    };
    // Never more than half of it, whatever its form.
    let shown = shown.min(code.chars().count() / 2);
    let head: String = code.chars().take(shown).collect();
    format!("{head}***")
}

fn check(app: &App, order: &Mint) -> Result<()> {
    let refuse = |field: &str, why: &str| Err(Error::invalid(field, why));
    if !(1..=MOST).contains(&order.count) {
        return refuse("count", "between 1 and 10000 cards can be made in one call");
    }
    if !(1..=1_000_000).contains(&order.uses) {
        return refuse("uses", "a card has between 1 and 1000000 uses");
    }
    if order.expires_at.is_some_and(|end| end <= app.clock.now()) {
        return refuse("expiresAt", "the cards would have expired already");
    }
    check_words(&order.name, &order.note)?;
    match order.worth {
        Worth::Credit(value) => check_value(value)?,
        Worth::Time { ms, .. } if !(HOUR..=3_660 * DAY).contains(&ms) => {
            return refuse("timeAmount", "a card makes the life of a key longer by an hour to ten years");
        }
        Worth::Time { credit: Micros::ZERO, .. } => {}
        Worth::Time { credit, .. } => check_value(credit)?,
        Worth::Plan { days, .. } if !(1..=3_660).contains(&days) => {
            return refuse("planDuration", "a plan card gives between 1 and 3660 days");
        }
        Worth::Plan { .. } => {}
    }
    check_limits(app, order)?;
    match &order.form {
        CodeForm::Grouped { prefix } => {
            if prefix.is_empty() || prefix.len() > 16 || !prefix.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return refuse("prefix", "a prefix has 1 to 16 letters and digits");
            }
        }
        CodeForm::Hex => {}
        CodeForm::Plain { length } => {
            if !(12..=64).contains(length) {
                return refuse("length", "a code has 12 to 64 characters");
            }
        }
        CodeForm::Given(code) => {
            let code = code.trim();
            if order.count != 1 {
                return refuse("count", "a code of one's own is for one card");
            }
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if !(6..=64).contains(&code.len()) || !code.bytes().all(legal) {
                return refuse("code", "a code has 6 to 64 letters, digits, '-' or '_'");
            }
        }
    }
    Ok(())
}

/// Refuses cards beyond the limits of the settings, where those are switched on.
fn check_limits(app: &App, order: &Mint) -> Result<()> {
    let settings = setting::current(app);
    if !settings.bool(names::CARD_LIMITS) {
        return Ok(());
    }
    let (value, ms) = match order.worth {
        Worth::Credit(value) => (value, 0),
        Worth::Time { credit, ms } => (credit, ms),
        Worth::Plan { .. } => (Micros::ZERO, 0),
    };
    let most = settings.number(names::CARD_MOST_USD);
    if Micros::from_dollars(most).is_some_and(|most| value > most) {
        return Err(Error::invalid("value", format!("a card may be worth at most {most} dollars")));
    }
    let days = settings.int(names::CARD_MOST_DAYS);
    if ms > days * DAY {
        return Err(Error::invalid("timeAmount", format!("a card may give at most {days} days")));
    }
    if order.expires_at.is_some_and(|end| end > app.clock.now().plus(days * DAY)) {
        return Err(Error::invalid("expiresAt", format!("a card may be kept at most {days} days")));
    }
    Ok(())
}

/// Refuses names and notes that cannot be.
pub(super) fn check_words(name: &str, note: &str) -> Result<()> {
    field::text("name", name, 100)?;
    field::text("note", note, 500)
}

/// Refuses values that a card cannot have.
pub(super) fn check_value(value: Micros) -> Result<()> {
    if !(1..=1_000_000_000 * DOLLAR).contains(&value.0) {
        return Err(Error::invalid("value", "a card is worth more than nothing and at most a billion dollars"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_a_code_and_do_not_give_it_away() {
        assert_eq!(hint("CRD-A1B2-C3D4-E5F6"), "CRD-A1B2***");
        assert_eq!(hint("0123456789abcdef0123456789abcdef"), "0123***");
        assert_eq!(hint("AB-CDEF"), "AB-***");
    }

    #[test]
    fn codes_have_their_form() {
        let grouped = codes(&CodeForm::Grouped { prefix: "CRD".into() }, 50);
        assert!(grouped.iter().all(|c| c.len() == 18 && c.starts_with("CRD-") && c.split('-').count() == 4));
        let hex = codes(&CodeForm::Hex, 2);
        assert!(hex.iter().all(|c| c.len() == 32 && c.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_eq!(codes(&CodeForm::Plain { length: 12 }, 1)[0].len(), 12);
        assert_eq!(codes(&CodeForm::Given(" WELCOME2024 ".into()), 1), ["WELCOME2024"]);
    }
}

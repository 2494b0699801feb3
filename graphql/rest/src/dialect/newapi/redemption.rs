//! Redemption codes: credit cards in this system's words. `count` is how many people may use one code;
//! the deployed system's front ends mean by it how many codes to make.

use axum::extract::State;
use schema::model::card::{Card, CardChange, CardFilter, CardKind, CardStatus};
use schema::model::joined::Joined;
use schema::service::card::{self, CodeForm, Mint, Worth};
use schema::{App, Error, Micros, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::page::Paging;
use super::shape::Shape;
use super::{Body, Caller, Path, Query, Reply, data, message, said};

fn shown(app: &App, caller: &Caller, card: &Card) -> Result<Value, Error> {
    let status = match card.status(app.clock.now()) {
        CardStatus::Active => 1,
        CardStatus::Used => 3,
        CardStatus::Disabled => 2,
        // Not a status here: whoever reads the code sees by its time that it has run out.
        CardStatus::Expired if card.enabled => 1,
        CardStatus::Expired => 2,
    };
    Ok(json!({
        "id": card.id,
        "user_id": card.created_by.unwrap_or(0),
        "name": card.name,
        "key": card::reveal(app, caller, card)?,
        "created_time": card.created_at.seconds(),
        "redeemed_time": card.last_redeemed_at.map_or(0, Time::seconds),
        "used_user_id": card.last_redeemed_by.unwrap_or(0),
        "quota": card.value.quota(),
        "count": card.uses_allowed,
        "used_count": card.uses_allowed - card.uses_left,
        "status": status,
        "expired_time": card.expires_at.map_or(0, Time::seconds),
        "DeletedAt": null,
    }))
}

#[derive(Deserialize)]
pub struct Search {
    keyword: Option<String>,
}

pub async fn list(
    State(app): State<App>,
    caller: Caller,
    shape: Shape,
    paging: Query<Paging>,
    search: Query<Search>,
) -> Reply {
    let keyword = search.0.keyword.filter(|k| !k.trim().is_empty());
    // A number may be a code's own, or part of a name.
    let either = |id: i64| {
        let of_name = CardFilter { search: keyword.clone(), ..CardFilter::default() };
        vec![CardFilter { id: Some(id), ..CardFilter::default() }, of_name]
    };
    let id = keyword.as_deref().and_then(|text| text.trim().parse().ok());
    let filter = CardFilter {
        kind: Some(CardKind::Credit),
        joined: Joined { or: id.map(either).unwrap_or_default(), ..Joined::default() },
        search: keyword.clone().filter(|_| id.is_none()),
        without_removed: true,
        ..CardFilter::default()
    };
    let window = paging.0.window()?;
    let page = card::list(&app, &caller, &filter, window).await?;
    let rows = page.rows.iter().map(|c| shown(&app, &caller, c)).collect::<Result<Vec<Value>, Error>>()?;
    Ok(match shape {
        Shape::Documented => data(rows),
        Shape::Deployed => data(paging.0.envelope(window, page.total, rows)),
    })
}

/// A code that was not removed.
async fn there(app: &App, caller: &Caller, id: i64) -> Result<Card, Error> {
    let card = card::get(app, caller, id).await?;
    if card.removed_at.is_some() { Err(Error::NotFound { what: "card" }) } else { Ok(card) }
}

pub async fn get(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    let card = there(&app, &caller, id.0).await?;
    Ok(data(shown(&app, &caller, &card)?))
}

#[derive(Deserialize)]
pub struct Create {
    #[serde(default)]
    name: String,
    #[serde(default)]
    quota: i64,
    count: Option<i64>,
    expired_time: Option<i64>,
    /// A code of the operator's own.
    key: Option<String>,
}

fn value(quota: i64) -> Result<Micros, Error> {
    Micros::from_quota(quota).filter(|m| m.0 > 0).ok_or_else(|| Error::invalid("quota", "额度必须大于 0"))
}

pub async fn create(State(app): State<App>, caller: Caller, shape: Shape, form: Body<Create>) -> Reply {
    let form = form.0;
    let length = form.name.chars().count();
    if !(1..=20).contains(&length) {
        return Err(Error::invalid("name", "兑换码名称长度必须在1-20之间").into());
    }
    let wanted = form.count.unwrap_or(1);
    if wanted < 1 {
        return Err(Error::invalid("count", "兑换码个数必须大于0").into());
    }
    if shape == Shape::Deployed && wanted > 100 {
        return Err(Error::invalid("count", "一次兑换码批量生成的个数不能大于 100").into());
    }
    let (count, uses) = match shape {
        Shape::Documented => (1, wanted),
        Shape::Deployed => (usize::try_from(wanted).unwrap_or(1), 1),
    };
    let order = Mint {
        count,
        worth: Worth::Credit(value(form.quota)?),
        form: form.key.filter(|k| !k.is_empty()).map_or(CodeForm::Hex, CodeForm::Given),
        uses,
        expires_at: form.expired_time.filter(|t| *t > 0).map(Time::from_seconds),
        name: form.name,
        note: String::new(),
    };
    let minted = card::mint(&app, &caller, order).await?;
    Ok(match shape {
        Shape::Deployed => data(minted.iter().map(|m| m.code.as_str()).collect::<Vec<_>>()),
        Shape::Documented => {
            let first = minted.first().map(|m| json!({ "id": m.card.id, "key": m.code }));
            said("兑换码创建成功", first)
        }
    })
}

#[derive(Deserialize)]
pub struct Change {
    id: i64,
    name: Option<String>,
    status: Option<i64>,
    quota: Option<i64>,
    expired_time: Option<i64>,
}

pub async fn change(State(app): State<App>, caller: Caller, form: Body<Change>) -> Reply {
    let form = form.0;
    let old = there(&app, &caller, form.id).await?;
    // The page sends the whole code; what says what already is so changes nothing.
    let quota = form.quota.filter(|q| *q != old.value.quota());
    let change = CardChange {
        name: form.name,
        value: quota.map(value).transpose()?,
        // 3 is a code that was redeemed, which is nobody's wish.
        enabled: form.status.filter(|s| matches!(s, 1 | 2)).map(|s| s == 1),
        expires_at: form.expired_time.map(|t| (t > 0).then(|| Time::from_seconds(t))),
        ..CardChange::default()
    };
    let card = card::change(&app, &caller, form.id, change, None).await?;
    Ok(data(shown(&app, &caller, &card)?))
}

pub async fn delete(State(app): State<App>, caller: Caller, id: Path<i64>) -> Reply {
    card::remove(&app, &caller, id.0).await?;
    Ok(message(""))
}

/// Removes codes that can no longer be redeemed, those that were among them; how many there were.
pub async fn delete_invalid(State(app): State<App>, caller: Caller) -> Reply {
    Ok(data(card::remove_ended(&app, &caller, CardKind::Credit, card::PAGE).await?))
}

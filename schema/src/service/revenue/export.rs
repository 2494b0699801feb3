//! The report as rows: every payment of a range, read page by page, however many there are.

use std::collections::HashMap;

use futures_util::stream::{self, Stream};

use super::Range;
use crate::App;
use crate::actor::{Act, Actor};
use crate::clock::{Time, Zone};
use crate::error::Result;
use crate::model::order::{Method, Order, OrderKind, OrderStatus};
use crate::model::plan::Plan;
use crate::model::user::User;
use crate::service::setting;

/// One payment.
#[derive(Clone, Debug)]
pub struct ExportRow {
    pub no: String,
    pub paid_at: Time,
    /// The day of the payment in the administrator's time zone.
    pub date: String,
    pub user_id: i64,
    pub username: String,
    pub kind: OrderKind,
    /// The plan's slug and shown name; empty for top-ups.
    pub plan: String,
    pub plan_name: String,
    pub method: Method,
    pub status: OrderStatus,
    pub currency: String,
    /// Minor units, all three.
    pub amount: i64,
    pub refunded: i64,
    pub net: i64,
    pub transaction_id: String,
}

/// Rows that are read together.
const PAGE: i64 = 1_000;

struct Place {
    app: App,
    zone: Zone,
    range: Range,
    after: (Time, i64),
    done: bool,
}

/// All payments of a range, oldest first, in pages; wholly refunded ones included, so that the books close.
pub fn export(
    app: &App,
    actor: &Actor,
    range: Range,
) -> Result<impl Stream<Item = Result<Vec<ExportRow>>> + Send + use<>> {
    actor.may(Act::ViewAll)?;
    let zone = setting::current(app).zone().clone();
    let place = Place { app: app.clone(), zone, range, after: (range.from, 0), done: false };
    Ok(stream::try_unfold(place, |mut place| async move {
        if place.done {
            return Ok(None);
        }
        let rows = page(&mut place).await?;
        Ok((!rows.is_empty()).then_some((rows, place)))
    }))
}

async fn page(place: &mut Place) -> Result<Vec<ExportRow>> {
    let mut conn = place.app.db.conn().await?;
    let orders = Order::paid_after(&mut conn, place.range.from, place.range.until, place.after, PAGE).await?;
    let distinct = |mut ids: Vec<i64>| {
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let plan_ids = distinct(orders.iter().filter_map(|o| o.plan_id).collect());
    let user_ids = distinct(orders.iter().map(|o| o.user_id).collect());
    let plans: HashMap<i64, Plan> = Plan::by_ids(&mut conn, &plan_ids).await?.into_iter().map(|p| (p.id, p)).collect();
    let names: HashMap<i64, String> =
        User::by_ids(&mut conn, &user_ids).await?.into_iter().map(|u| (u.id, u.username)).collect();
    place.done = (orders.len() as i64) < PAGE;
    if let Some(last) = orders.last() {
        place.after = (last.paid_at.unwrap_or_default(), last.id);
    }
    Ok(orders
        .into_iter()
        .map(|order| {
            let plan = order.plan_id.and_then(|id| plans.get(&id));
            let paid_at = order.paid_at.unwrap_or_default();
            ExportRow {
                paid_at,
                date: place.zone.date(paid_at),
                user_id: order.user_id,
                username: names.get(&order.user_id).cloned().unwrap_or_default(),
                kind: order.kind,
                plan: plan.map(|p| p.slug.clone()).unwrap_or_default(),
                plan_name: plan.map(|p| p.display_name.clone()).unwrap_or_default(),
                method: order.method,
                status: order.status,
                currency: order.paid_currency.clone().unwrap_or_else(|| order.currency.clone()),
                amount: order.paid_amount.unwrap_or(0),
                refunded: order.refunded_amount,
                net: order.refundable(),
                transaction_id: order.transaction_id.unwrap_or_default(),
                no: order.no,
            }
        })
        .collect())
}

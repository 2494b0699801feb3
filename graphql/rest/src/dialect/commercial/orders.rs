//! Orders: buying a plan, upgrading, and what was bought.

use axum::extract::State;
use schema::model::order::{Method, Order, OrderFilter, OrderKind, OrderOrder, OrderStatus};
use schema::money::from_minor;
use schema::page::{Direction, Window};
use schema::service::order::{self, Placed, Wanted};
use schema::service::plan;
use schema::{App, Error, Time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Caller, Query, Reply, flat};

/// This system says `wechat` where others say `wechat_pay`.
pub fn method(text: &str) -> Result<Method, Error> {
    Method::named(text).filter(|m| *m != Method::Free).ok_or_else(|| {
        Error::invalid("paymentMethod", "paymentMethod must be wechat, alipay, stripe, bank_transfer or wallet")
    })
}

fn method_word(method: Method) -> &'static str {
    if method == Method::WechatPay { "wechat" } else { method.as_str() }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Create {
    plan_id: String,
    payment_method: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    new_plan_id: String,
    payment_method: String,
}

fn placed(app: &App, placed: &Placed) -> Value {
    let order = &placed.order;
    let plan = placed.plan.as_ref();
    json!({
        "orderId": order.no,
        "planId": plan.map_or("", |p| p.slug.as_str()),
        "planName": plan.map_or("", |p| p.name.as_str()),
        "amount": from_minor(order.amount, &order.currency),
        "currency": order.currency,
        "paymentMethod": method_word(order.method),
        "status": order.status.as_str(),
        "paymentUrl": order.pay_url.clone().unwrap_or_else(|| order::page_url(app, &order.no)),
        "payPage": order::page_url(app, &order.no),
        "qrCode": order::qr_url(app, &order.no),
        "expiresAt": order.expires_at.rfc3339(),
    })
}

pub async fn create(State(app): State<App>, caller: Caller, form: Body<Create>) -> Reply {
    let form = form.0;
    let wanted = Wanted::Plan { slug: form.plan_id };
    let made = order::place(&app, &caller, wanted, method(&form.payment_method)?).await?;
    Ok(flat(placed(&app, &made)))
}

pub async fn upgrade(State(app): State<App>, caller: Caller, form: Body<Upgrade>) -> Reply {
    let form = form.0;
    let wanted = Wanted::Upgrade { slug: form.new_plan_id };
    let made = order::place(&app, &caller, wanted, method(&form.payment_method)?).await?;
    Ok(flat(placed(&app, &made)))
}

#[derive(Deserialize)]
pub struct ListQuery {
    limit: Option<i64>,
    offset: Option<i64>,
    status: Option<String>,
}

fn shown(order: &Order, plans: &[schema::model::plan::Plan]) -> Value {
    let plan = order.plan_id.and_then(|id| plans.iter().find(|p| p.id == id));
    json!({
        "id": order.no,
        "orderId": order.no,
        "planId": plan.map_or("", |p| p.slug.as_str()),
        "planName": plan.map_or("", |p| p.name.as_str()),
        "amount": from_minor(order.amount, &order.currency),
        "currency": order.currency,
        "status": order.status.as_str(),
        "paymentMethod": method_word(order.method),
        "type": order.kind.as_str(),
        "createdAt": order.created_at.rfc3339(),
        "expiresAt": order.expires_at.rfc3339(),
        "paidAt": order.paid_at.map(Time::rfc3339),
    })
}

pub async fn list(State(app): State<App>, caller: Caller, query: Query<ListQuery>) -> Reply {
    let query = query.0;
    let status = query.status.filter(|s| !s.is_empty());
    let known = |s: &String| OrderStatus::parse(s).ok_or_else(|| Error::invalid("status", "there is no such status"));
    let filter = OrderFilter {
        user_id: Some(caller.signed_in()?),
        statuses: status.as_ref().map(known).transpose()?.into_iter().collect(),
        // Top-ups belong to another face's vocabulary.
        kinds: OrderKind::ALL.iter().copied().filter(|k| *k != OrderKind::Topup).collect(),
        ..OrderFilter::default()
    };
    let window = Window::skip(query.offset.unwrap_or(0), query.limit.unwrap_or(20), 200)?;
    let page = order::list(&app, &caller, &filter, (OrderOrder::CreatedAt, Direction::Desc), window).await?;
    let ids: Vec<i64> = page.rows.iter().filter_map(|o| o.plan_id).collect();
    let plans = plan::by_ids(&app, &ids).await?;
    let orders: Vec<Value> = page.rows.iter().map(|o| shown(o, &plans)).collect();
    Ok(flat(json!({ "orders": orders, "total": page.total })))
}

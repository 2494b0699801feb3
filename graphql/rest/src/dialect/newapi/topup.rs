//! Buying quota: what an amount costs, orders for it, and the page that takes the payer to the provider.
//!
//! This system's pages know one gateway and post a form to it. A provider of another make is reached by the
//! order's own payment page instead, which takes the same form.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Uri};
use relay::edge::Origin;
use schema::model::order::{Method, Order, OrderFilter, OrderKind, OrderOrder, OrderStatus};
use schema::money::{DOLLAR, from_minor};
use schema::page::Direction;
use schema::payment::format_minor;
use schema::service::exchange::Rates;
use schema::service::order::{self, Wanted};
use schema::service::setting::{self, Settings, names};
use schema::{App, Error, Micros};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::page::Paging;
use super::{Body, Caller, Newapi, Query, Reply, data};
use crate::dialect::Dialect;

/// What people pay in here.
const CURRENCY: &str = "CNY";

/// The least top-up in whole dollars, the unit of this system's form.
pub fn least(settings: &Settings) -> i64 {
    ((settings.int(names::TOPUP_LEAST) + DOLLAR - 1) / DOLLAR).max(1)
}

/// The ways to pay, as this system's pages draw them.
pub fn methods(app: &App) -> Vec<Value> {
    let settings = setting::current(app);
    let offered = order::methods(app);
    if offered.contains(&Method::Epay) {
        return settings.json(names::EPAY_METHODS);
    }
    let known = [
        (Method::Alipay, "支付宝", "alipay", "rgba(var(--semi-blue-5), 1)"),
        (Method::WechatPay, "微信", "wxpay", "rgba(var(--semi-green-5), 1)"),
        (Method::Stripe, "Stripe", "stripe", "rgba(var(--semi-purple-5), 1)"),
        (Method::BankTransfer, "银行转账", "bank_transfer", "rgba(var(--semi-grey-5), 1)"),
    ];
    let offered = known.iter().filter(|(method, ..)| offered.contains(method));
    offered.map(|(_, name, kind, color)| json!({ "name": name, "type": kind, "color": color })).collect()
}

/// The method behind this system's word for it, and the way to pay behind that.
fn method<'a>(app: &App, word: &'a str) -> Result<(Method, Option<&'a str>), Error> {
    let word = match word {
        "zfb" => "alipay",
        "wx" => "wxpay",
        other => other,
    };
    let none = || Error::invalid("payment_method", "支付方式不存在");
    if !methods(app).iter().any(|known| known["type"] == word) {
        return Err(none());
    }
    if order::methods(app).contains(&Method::Epay) {
        return Ok((Method::Epay, Some(word)));
    }
    Ok((Method::named(word).ok_or_else(none)?, None))
}

/// What so many dollars cost, in minor units.
fn price(settings: &Settings, amount: i64) -> Result<i64, Error> {
    let least = least(settings);
    if amount < least {
        return Err(Error::invalid("amount", format!("充值数量不能小于 {least}")));
    }
    let micros = amount.checked_mul(DOLLAR).ok_or_else(|| Error::invalid("amount", "充值数量过大"))?;
    Rates::of(settings).minor(Micros(micros), CURRENCY)
}

/// This system's pages read a refusal of these calls from `data`, beside the word `error`.
fn answered(outcome: Result<Response, Error>) -> Reply {
    let error = match outcome {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    if matches!(error, Error::Internal(_) | Error::RateLimited { .. }) {
        return Err(error.into());
    }
    let status = Newapi::refuse(&error).status();
    let body = json!({ "success": false, "message": "error", "data": error.to_string() });
    Ok((status, Json(body)).into_response())
}

#[derive(Deserialize)]
pub struct Amount {
    #[serde(default)]
    amount: i64,
}

/// What an amount costs.
pub async fn amount(State(app): State<App>, caller: Caller, form: Body<Amount>) -> Reply {
    caller.signed_in()?;
    let settings = setting::current(&app);
    let told = price(&settings, form.0.amount).map(|minor| {
        let cost = format_minor(minor, CURRENCY);
        Json(json!({ "success": true, "message": "success", "data": cost })).into_response()
    });
    answered(told)
}

#[derive(Deserialize)]
pub struct Pay {
    #[serde(default)]
    amount: i64,
    #[serde(default)]
    payment_method: String,
}

/// An order, and the form that takes the payer to the provider.
pub async fn pay(State(app): State<App>, caller: Caller, form: Body<Pay>) -> Reply {
    caller.signed_in()?;
    answered(ordered(&app, &caller, form.0).await)
}

async fn ordered(app: &App, caller: &Caller, form: Pay) -> Result<Response, Error> {
    let (method, channel) = method(app, &form.payment_method)?;
    let amount = price(&setting::current(app), form.amount)?;
    let wanted = Wanted::Topup { amount, currency: CURRENCY.to_owned() };
    let placed = order::place_by(app, caller, wanted, method, channel).await?.order;
    let (url, fields) = form_of(app, &placed);
    Ok(Json(json!({ "success": true, "message": "success", "data": fields, "url": url })).into_response())
}

/// Where the payer's browser posts what.
fn form_of(app: &App, order: &Order) -> (String, Map<String, Value>) {
    let to_gateway = order.pay_url.as_deref().filter(|_| order.method == Method::Epay);
    match to_gateway.and_then(|url| url.split_once('?')) {
        Some((url, query)) => {
            let fields = reqwest::Url::parse(&format!("https://form/?{query}"));
            let pairs = fields.iter().flat_map(|url| url.query_pairs());
            (url.to_owned(), pairs.map(|(name, value)| (name.into_owned(), value.into())).collect())
        }
        None => (order::page_url(app, &order.no), Map::new()),
    }
}

/// What the page for buying quota needs to know.
pub async fn info(State(app): State<App>, caller: Caller) -> Reply {
    caller.signed_in()?;
    let settings = setting::current(&app);
    let methods = methods(&app);
    Ok(data(json!({
        "enable_online_topup": !methods.is_empty(),
        "enable_stripe_topup": false,
        "enable_creem_topup": false,
        "pay_methods": methods,
        "min_topup": least(&settings),
        "stripe_min_topup": least(&settings),
        "amount_options": [],
        "discount": {},
    })))
}

fn status(status: OrderStatus) -> &'static str {
    match status {
        OrderStatus::Pending => "pending",
        OrderStatus::Paid | OrderStatus::Activated => "success",
        OrderStatus::Expired | OrderStatus::Cancelled => "expired",
        OrderStatus::Refunded => "refunded",
    }
}

/// One's own orders for quota.
pub async fn orders(State(app): State<App>, caller: Caller, paging: Query<Paging>) -> Reply {
    let me = caller.signed_in()?;
    let filter = OrderFilter { user_id: Some(me), kinds: vec![OrderKind::Topup], ..OrderFilter::default() };
    let window = paging.0.window()?;
    let page = order::list(&app, &caller, &filter, (OrderOrder::CreatedAt, Direction::Desc), window).await?;
    let rows = page.rows.iter().map(|order| {
        json!({
            "id": order.id,
            "user_id": order.user_id,
            "amount": order.credit.dollars(),
            "money": from_minor(order.amount, &order.currency),
            "trade_no": order.no,
            "payment_method": order.method,
            "create_time": order.created_at.seconds(),
            "complete_time": order.paid_at.map_or(0, |at| at.seconds()),
            "status": status(order.status),
        })
    });
    Ok(data(paging.0.envelope(window, page.total, rows.collect())))
}

/// What Epay says of a payment, where this system has always heard it.
pub async fn notify(State(app): State<App>, origin: Origin, headers: HeaderMap, uri: Uri) -> Response {
    crate::pay::heard(&app, Method::Epay, &headers, uri.query().unwrap_or_default().as_bytes(), &origin).await
}

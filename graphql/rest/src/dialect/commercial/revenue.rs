//! Revenue: by day, month and plan, the overview, and the export.

use std::borrow::Cow;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use http::header;
use schema::csv::{MARK, cell, line};
use schema::money::{from_minor, minor_digits};
use schema::service::revenue::{self, ExportRow, Lines, Period, Range};
use schema::service::setting;
use schema::{App, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Query, Reply, flat};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Days {
    start_date: Option<String>,
    end_date: Option<String>,
    limit: Option<usize>,
    format: Option<String>,
}

impl Days {
    fn range(&self, app: &App, days_back: Option<i64>) -> Result<Range, Error> {
        let (start, end) = (self.start_date.as_deref(), self.end_date.as_deref());
        let (start, end) = (start.map(|t| date(app, t)), end.map(|t| date(app, t)));
        Range::of_days(app, start.as_deref(), end.as_deref(), days_back)
    }
}

/// A date as it was typed, or as the document words its defaults: `today`, `30 days ago`.
fn date<'a>(app: &App, text: &'a str) -> Cow<'a, str> {
    let back = match text.trim() {
        "today" => Some(0),
        worded => worded.strip_suffix(" days ago").and_then(|n| n.parse::<i64>().ok()).filter(|n| *n >= 0),
    };
    let settings = setting::current(app);
    let zone = settings.zone();
    back.map_or(Cow::Borrowed(text), |days| zone.date(zone.day_start(app.clock.now(), -days)).into())
}

fn lines(name: &str, lines: &Lines) -> Vec<Value> {
    let line = |l: &revenue::Line| {
        json!({
            name: l.label,
            "totalRevenue": from_minor(l.sum.revenue, &lines.currency),
            "orderCount": l.sum.orders,
            "avgOrderValue": l.sum.average(&lines.currency),
        })
    };
    lines.lines.iter().map(line).collect()
}

pub async fn daily(State(app): State<App>, caller: Admin, query: Query<Days>) -> Reply {
    let most = query.0.limit.unwrap_or(30);
    if !(1..=366).contains(&most) {
        return Err(Error::invalid("limit", "limit must be between 1 and 366").into());
    }
    let range = query.0.range(&app, Some(30))?;
    let days = revenue::by_day(&app, &caller, range, most).await?;
    Ok(flat(json!({ "dailyRevenue": lines("date", &days), "currency": days.currency })))
}

#[derive(Deserialize)]
pub struct Year {
    year: Option<i16>,
}

pub async fn monthly(State(app): State<App>, caller: Admin, query: Query<Year>) -> Reply {
    let (year, months) = revenue::by_month(&app, &caller, query.0.year).await?;
    Ok(flat(json!({ "year": year, "monthlyRevenue": lines("month", &months), "currency": months.currency })))
}

pub async fn by_plan(State(app): State<App>, caller: Admin, query: Query<Days>) -> Reply {
    let found = revenue::by_plan(&app, &caller, query.0.range(&app, None)?).await?;
    let currency = &found.currency;
    let rows: Vec<Value> = found
        .lines
        .iter()
        .map(|l| {
            let plan = l.plan.as_ref();
            json!({
                "planId": plan.map_or("topup", |p| p.slug.as_str()),
                "planName": plan.map_or("充值", |p| p.name.as_str()),
                "totalRevenue": from_minor(l.sum.revenue, currency),
                "orderCount": l.sum.orders,
                "avgOrderValue": l.sum.average(currency),
                "percentage": l.percentage,
            })
        })
        .collect();
    Ok(flat(json!({
        "revenueByPlan": rows,
        "totalRevenue": from_minor(found.total.revenue, currency),
        "currency": currency,
    })))
}

fn period(p: &Period, currency: &str) -> Value {
    json!({
        "revenue": from_minor(p.sum.revenue, currency),
        "orders": p.sum.orders,
        "newUsers": p.new_users,
        "cardKeysRedeemed": p.cards_redeemed,
    })
}

pub async fn overview(State(app): State<App>, caller: Admin) -> Reply {
    let found = revenue::overview(&app, &caller).await?;
    let mut month = period(&found.this_month, &found.currency);
    month["growthRate"] = json!(found.growth_rate);
    Ok(flat(json!({ "overview": {
        "today": period(&found.today, &found.currency),
        "thisMonth": month,
        "lastMonth": period(&found.last_month, &found.currency),
        "users": {
            "total": found.users,
            "activeSubscribers": found.subscribers,
            "freeUsers": found.users - found.subscribers,
        },
        "currency": found.currency,
    } })))
}

const COLUMNS: &str =
    "Order,Paid at,Date,User,Type,Plan,Plan name,Method,Status,Currency,Amount,Refunded,Net,Transaction\r\n";

fn money(minor: i64, currency: &str) -> String {
    format!("{:.*}", minor_digits(currency) as usize, from_minor(minor, currency))
}

fn written(row: &ExportRow) -> String {
    line(&[
        cell(&row.no),
        row.paid_at.rfc3339(),
        row.date.clone(),
        cell(&row.username),
        row.kind.as_str().to_owned(),
        cell(&row.plan),
        cell(&row.plan_name),
        row.method.as_str().to_owned(),
        row.status.as_str().to_owned(),
        row.currency.clone(),
        money(row.amount, &row.currency),
        money(row.refunded, &row.currency),
        money(row.net, &row.currency),
        cell(&row.transaction_id),
    ])
}

fn record(row: &ExportRow) -> Value {
    json!({
        "orderId": row.no,
        "paidAt": row.paid_at.rfc3339(),
        "date": row.date,
        "userId": super::user_id(row.user_id),
        "username": row.username,
        "type": row.kind.as_str(),
        "planId": row.plan,
        "planName": row.plan_name,
        "paymentMethod": row.method.as_str(),
        "status": row.status.as_str(),
        "currency": row.currency,
        "amount": from_minor(row.amount, &row.currency),
        "refunded": from_minor(row.refunded, &row.currency),
        "net": from_minor(row.net, &row.currency),
        "transactionId": row.transaction_id,
    })
}

pub async fn export(State(app): State<App>, caller: Admin, query: Query<Days>) -> Reply {
    let range = query.0.range(&app, None)?;
    let pages = revenue::export(&app, &caller, range)?.map_err(|e| std::io::Error::other(e.to_string()));
    match query.0.format.as_deref().unwrap_or("csv") {
        "csv" => {
            let head = futures_util::stream::once(async { Ok(Bytes::from(format!("{MARK}{COLUMNS}"))) });
            let rows = pages.map_ok(|rows| Bytes::from(rows.iter().map(written).collect::<String>()));
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
                (header::CONTENT_DISPOSITION, "attachment; filename=\"revenue.csv\""),
            ];
            Ok((headers, HttpBody::from_stream(head.chain(rows))).into_response())
        }
        "json" => {
            let mut all = Vec::new();
            let mut pages = std::pin::pin!(pages);
            while let Some(rows) = pages.next().await {
                let rows = rows.map_err(Error::internal)?;
                all.extend(rows.iter().map(record));
                if all.len() > 100_000 {
                    return Err(Error::invalid("format", "more than 100,000 rows; narrow the dates or take csv").into());
                }
            }
            Ok(Json(json!({ "success": true, "total": all.len(), "data": all })).into_response())
        }
        _ => Err(Error::invalid("format", "format must be csv or json").into()),
    }
}

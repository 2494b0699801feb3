//! Trends by day or hour: of everything, of keys, of accounts.

use std::collections::{BTreeMap, HashMap};

use axum::extract::State;
use schema::clock::{DAY, Zone};
use schema::model::account::{AccountFilter, AccountKind, Deleted as DeletedAccounts};
use schema::model::api_key::{Deleted, KeyFilter, KeyOrder};
use schema::model::tally::Tally;
use schema::page::{Direction, Window};
use schema::service::{api_key, setting};
use schema::{App, Error, Time};
use serde_json::{Map, Value, json};

use super::super::family::all;
use super::super::shape::{Span, dollars, sums as shown_sums};
use super::super::{Admin, Query, Reply, flat, sums};
use super::Asked;

/// A trend's buckets.
struct Cut {
    granularity: &'static str,
    span: Span,
    starts: Vec<Time>,
    zone: Zone,
}

impl Cut {
    fn of(app: &App, asked: &Asked) -> Result<Self, Error> {
        let settings = setting::current(app);
        let zone = settings.zone().clone();
        let now = app.clock.now();
        let dates = asked.dates(app)?;
        if asked.granularity.as_deref() == Some("hour") {
            let span =
                dates.unwrap_or(Span { from: now.plus(-DAY).hour().plus(schema::clock::HOUR), until: now.plus(1) });
            // 24 hours and the hour that has begun.
            if span.until.0 - span.from.0 > DAY + schema::clock::HOUR {
                return Err(Error::invalid("startDate", "小时粒度查询时间范围不能超过24小时"));
            }
            return Ok(Self { granularity: "hour", span, starts: span.hours(), zone });
        }
        let days = asked.days.unwrap_or(7);
        if !(1..=366).contains(&days) {
            return Err(Error::invalid("days", "days must be between 1 and 366"));
        }
        let span = dates.unwrap_or_else(|| Span::days(&zone, now, days));
        Ok(Self { granularity: "day", span, starts: span.day_starts(&zone), zone })
    }
    /// The bucket an hour of the books falls into.
    fn bucket(&self, hour: Time) -> Option<Time> {
        let at = self.starts.partition_point(|s| *s <= hour);
        // A zone that is half an hour off begins its days inside an hour of the books.
        self.starts.get(at.saturating_sub(1)).copied()
    }
    fn label(&self, start: Time) -> Map<String, Value> {
        let mut out = Map::new();
        if self.granularity == "hour" {
            out.insert("hour".into(), start.rfc3339().into());
            out.insert("label".into(), self.zone.hour_label(start).into());
        } else {
            out.insert("date".into(), self.zone.date(start).into());
        }
        out
    }
}

pub async fn usage(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let cut = Cut::of(&app, &query.0)?;
    let rows = sums::rows(&app, &admin, &sums::over(cut.span), sums::BY_HOUR).await?;
    let mut buckets: BTreeMap<Time, Tally> = cut.starts.iter().map(|s| (*s, Tally::default())).collect();
    for row in &rows {
        if let Some(sum) = cut.bucket(row.hour).and_then(|s| buckets.get_mut(&s)) {
            sum.add(row);
        }
    }
    let points: Vec<Value> = buckets
        .iter()
        .map(|(start, sum)| {
            let mut point = cut.label(*start);
            point.extend(shown_sums(sum));
            point.insert("totalTokens".into(), sum.tokens().into());
            Value::Object(point)
        })
        .collect();
    Ok(flat(json!({ "data": points, "granularity": cut.granularity })))
}

/// The points of a trend of several things, each under its public id.
fn points(
    cut: &Cut,
    rows: &[Tally],
    id_of: fn(&Tally) -> i64,
    names: &HashMap<i64, (String, String)>,
    field: &str,
) -> Vec<Value> {
    let mut buckets: BTreeMap<Time, BTreeMap<i64, Tally>> = cut.starts.iter().map(|s| (*s, BTreeMap::new())).collect();
    for row in rows {
        if let Some(bucket) = cut.bucket(row.hour).and_then(|s| buckets.get_mut(&s)) {
            bucket.entry(id_of(row)).or_default().add(row);
        }
    }
    buckets
        .into_iter()
        .map(|(start, things)| {
            let mut point = cut.label(start);
            let things = things.into_iter().filter_map(|(id, sum)| {
                let (uid, name) = names.get(&id)?;
                let mut fields = shown_sums(&sum);
                fields.insert("name".into(), name.as_str().into());
                fields.insert("formattedCost".into(), dollars(sum.cost).into());
                Some((uid.clone(), Value::Object(fields)))
            });
            point.insert(field.to_owned(), Value::Object(things.collect()));
            Value::Object(point)
        })
        .collect()
}

/// Up to ten, those with the most first.
fn top(
    rows: &[Tally],
    id_of: fn(&Tally) -> i64,
    names: &HashMap<i64, (String, String)>,
    measure: fn(&Tally) -> i64,
) -> (Vec<String>, usize) {
    let mut totals: BTreeMap<i64, i64> = BTreeMap::new();
    for row in rows.iter().filter(|r| names.contains_key(&id_of(r))) {
        *totals.entry(id_of(row)).or_default() += measure(row);
    }
    let count = totals.len();
    let mut order: Vec<(i64, i64)> = totals.into_iter().collect();
    order.sort_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
    let ids = order.iter().take(10).filter_map(|(id, _)| names.get(id)).map(|(uid, _)| uid.clone()).collect();
    (ids, count)
}

pub async fn keys(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let cut = Cut::of(&app, &query.0)?;
    let rows = sums::rows(&app, &admin, &sums::over(cut.span), sums::BY_HOUR_AND_KEY).await?;
    let mut ids: Vec<i64> = rows.iter().map(|r| r.key_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut names = HashMap::new();
    for some in ids.chunks(500) {
        let filter = KeyFilter { ids: some.to_vec(), deleted: Deleted::With, ..KeyFilter::default() };
        let window = Window { limit: 500, offset: 0 };
        let keys = api_key::pages(&app, &admin, &filter, (KeyOrder::CreatedAt, Direction::Desc), window).await?;
        names.extend(keys.rows.into_iter().map(|k| (k.id, (k.uid, k.name))));
    }
    let measure: fn(&Tally) -> i64 =
        if query.0.metric.as_deref() == Some("requests") { |t| t.requests } else { Tally::tokens };
    let (top, count) = top(&rows, |t| t.key_id, &names, measure);
    let points = points(&cut, &rows, |t| t.key_id, &names, "apiKeys");
    Ok(flat(json!({
        "data": points, "granularity": cut.granularity, "topApiKeys": top, "totalApiKeys": count,
    })))
}

/// Groups of accounts that have a trend: word, shown name, kinds.
const GROUPS: &[(&str, &str, &[AccountKind])] = &[
    ("claude", "Claude账户", &[AccountKind::ClaudeOauth, AccountKind::ClaudeConsole, AccountKind::Ccr]),
    (
        "openai",
        "OpenAI账户",
        &[
            AccountKind::OpenaiOauth,
            AccountKind::OpenaiKey,
            AccountKind::OpenaiCompatible,
            AccountKind::OpenaiResponses,
            AccountKind::AzureOpenai,
        ],
    ),
    ("gemini", "Gemini账户", &[AccountKind::GeminiOauth, AccountKind::GeminiKey, AccountKind::Vertex]),
    ("droid", "Droid账户", &[]),
    ("bedrock", "Bedrock账户", &[AccountKind::Bedrock]),
];

pub async fn accounts(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let cut = Cut::of(&app, &query.0)?;
    let word = query.0.group.as_deref().filter(|g| !g.is_empty()).unwrap_or("claude");
    let group = GROUPS.iter().find(|(w, ..)| *w == word);
    let (_, label, kinds) = group.ok_or_else(|| Error::invalid("group", "Invalid account group"))?;
    let (mut names, mut rows) = (HashMap::new(), Vec::new());
    if !kinds.is_empty() {
        let filter =
            AccountFilter { kinds: kinds.to_vec(), deleted: DeletedAccounts::With, ..AccountFilter::default() };
        let accounts = all(&app, &admin, filter).await?;
        names.extend(accounts.into_iter().map(|a| (a.id, (a.uid, a.name))));
        let ids: Vec<i64> = names.keys().copied().collect();
        if !ids.is_empty() {
            let filter = sums::of_accounts(cut.span, &ids);
            rows = sums::rows(&app, &admin, &filter, sums::BY_HOUR_AND_ACCOUNT).await?;
        }
    }
    let (top, count) = top(&rows, |t| t.account_id, &names, |t| t.cost.0);
    let points = points(&cut, &rows, |t| t.account_id, &names, "accounts");
    Ok(flat(json!({
        "data": points, "granularity": cut.granularity, "group": word, "groupLabel": label, "topAccounts": top,
        "totalAccounts": count,
    })))
}

//! Trends by day or hour: of everything, of keys, of accounts.

use std::collections::HashMap;

use axum::extract::State;
use schema::clock::{DAY, HOUR};
use schema::model::account::{AccountFilter, AccountKind, Deleted as DeletedAccounts};
use schema::model::api_key::{Deleted, KeyFilter, KeyOrder};
use schema::page::{Direction, Window};
use schema::service::report::{self, Dimension, Grain, Measure, Point, Slice, Split};
use schema::service::{api_key, setting};
use schema::{App, Error};
use serde_json::{Map, Value, json};

use super::super::family::all;
use super::super::shape::{Span, sums as shown_sums};
use super::super::{Admin, Query, Reply, flat, sums};
use super::Asked;

/// How a trend is cut.
struct Cut {
    grain: Grain,
    span: Span,
}

impl Cut {
    fn of(app: &App, asked: &Asked) -> Result<Self, Error> {
        let settings = setting::current(app);
        let now = app.clock.now();
        let dates = asked.dates(app)?;
        if asked.granularity.as_deref() == Some("hour") {
            let span = dates.unwrap_or(Span { from: now.plus(-DAY).hour().plus(HOUR), until: now.plus(1) });
            // 24 hours and the hour that has begun.
            if span.until.0 - span.from.0 > DAY + HOUR {
                return Err(Error::invalid("startDate", "小时粒度查询时间范围不能超过24小时"));
            }
            return Ok(Self { grain: Grain::Hour, span });
        }
        let days = asked.days.unwrap_or(7);
        if !(1..=366).contains(&days) {
            return Err(Error::invalid("days", "days must be between 1 and 366"));
        }
        Ok(Self { grain: Grain::Day, span: dates.unwrap_or_else(|| Span::days(settings.zone(), now, days)) })
    }
    fn word(&self) -> &'static str {
        if self.grain == Grain::Hour { "hour" } else { "day" }
    }
    fn label(&self, point: &Point) -> Map<String, Value> {
        let mut out = Map::new();
        if self.grain == Grain::Hour {
            out.insert("hour".into(), point.at.rfc3339().into());
            out.insert("label".into(), point.label.as_str().into());
        } else {
            out.insert("date".into(), point.label.as_str().into());
        }
        out
    }
}

pub async fn usage(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let cut = Cut::of(&app, &query.0)?;
    let points = report::series(&app, &admin, &sums::over(cut.span), cut.grain).await?;
    let shown: Vec<Value> = points
        .iter()
        .map(|p| {
            let mut point = cut.label(p);
            point.extend(shown_sums(&p.sums));
            point.insert("totalTokens".into(), p.sums.tokens().into());
            Value::Object(point)
        })
        .collect();
    Ok(flat(json!({ "data": shown, "granularity": cut.word() })))
}

/// Most keys or accounts of one trend.
const LINES: i64 = 1_000;

/// The points of a trend of several things, each under its public id; things without calls in a step are absent.
fn points(cut: &Cut, split: &Split, names: &HashMap<i64, (String, String)>, field: &str) -> Vec<Value> {
    let step = |(number, point): (usize, &Point)| {
        let mut shown = cut.label(point);
        let things = split.lines.iter().filter_map(|line| {
            let (uid, name) = names.get(&line.key.id()?)?;
            let sum = line.sums.get(number).filter(|s| s.requests > 0)?;
            let mut fields = shown_sums(sum);
            fields.insert("name".into(), name.as_str().into());
            Some((uid.clone(), Value::Object(fields)))
        });
        shown.insert(field.to_owned(), Value::Object(things.collect()));
        Value::Object(shown)
    };
    split.steps.iter().enumerate().map(step).collect()
}

/// Up to ten, those with the most first.
fn top<'a>(split: &Split, names: &'a HashMap<i64, (String, String)>) -> Vec<&'a str> {
    let known = split.lines.iter().filter_map(|line| names.get(&line.key.id()?));
    known.take(10).map(|(uid, _)| uid.as_str()).collect()
}

pub async fn keys(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let cut = Cut::of(&app, &query.0)?;
    let measure = if query.0.metric.as_deref() == Some("requests") { Measure::Requests } else { Measure::Tokens };
    let slice = sums::over(cut.span);
    let split = report::split_series(&app, &admin, &slice, cut.grain, Dimension::Key, measure, LINES).await?;
    let ids: Vec<i64> = split.lines.iter().filter_map(|line| line.key.id()).collect();
    let mut names = HashMap::new();
    if !ids.is_empty() {
        let filter = KeyFilter { ids, deleted: Deleted::With, ..KeyFilter::default() };
        let window = Window { limit: LINES, offset: 0 };
        let keys = api_key::pages(&app, &admin, &filter, (KeyOrder::CreatedAt, Direction::Desc), window).await?;
        names.extend(keys.rows.into_iter().map(|k| (k.id, (k.uid, k.name))));
    }
    Ok(flat(json!({
        "data": points(&cut, &split, &names, "apiKeys"), "granularity": cut.word(), "topApiKeys": top(&split, &names),
        "totalApiKeys": split.groups,
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
    let mut names = HashMap::new();
    if !kinds.is_empty() {
        let filter =
            AccountFilter { kinds: kinds.to_vec(), deleted: DeletedAccounts::With, ..AccountFilter::default() };
        let accounts = all(&app, &admin, filter).await?;
        names.extend(accounts.into_iter().map(|a| (a.id, (a.uid, a.name))));
    }
    let slice = Slice { accounts: Some(names.keys().copied().collect()), ..sums::over(cut.span) };
    let split = report::split_series(&app, &admin, &slice, cut.grain, Dimension::Account, Measure::Cost, LINES).await?;
    Ok(flat(json!({
        "data": points(&cut, &split, &names, "accounts"), "granularity": cut.word(), "group": word,
        "groupLabel": label, "topAccounts": top(&split, &names), "totalAccounts": split.groups,
    })))
}

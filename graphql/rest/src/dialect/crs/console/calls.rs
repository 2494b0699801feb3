//! Single calls: the records of a key or an account, and what was asked and answered.

use std::collections::{BTreeSet, HashMap};

use axum::extract::State;
use schema::clock::DAY;
use schema::model::account::{Account, AccountFilter, AccountKind, Deleted as DeletedAccounts};
use schema::model::api_key::{ApiKey, Deleted, KeyFilter, KeyOrder};
use schema::model::usage::{UsageFilter, UsageOrder, UsageRow};
use schema::page::{Direction, Window};
use schema::service::price::{self, Units};
use schema::service::report::{self, Dimension, Measure};
use schema::service::setting::{self, names};
use schema::service::{account as accounts, api_key, directory, usage};
use schema::{Actor, App, Error, Micros};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::family::{all, of_kind};
use super::super::key::any;
use super::super::shape::{Span, dollars};
use super::super::{Admin, Path, Query, Reply, data, flat, sums};

/// How records are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Asked {
    page: Option<i64>,
    page_size: Option<i64>,
    start_date: Option<String>,
    end_date: Option<String>,
    model: Option<String>,
    #[serde(alias = "apiKeyId")]
    key_id: Option<String>,
    account_id: Option<String>,
    endpoint: Option<String>,
    keyword: Option<String>,
    status: Option<String>,
    sort_order: Option<String>,
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|t| !t.is_empty())
}

impl Asked {
    fn span(&self, app: &App) -> Result<Option<Span>, Error> {
        let (Some(start), Some(end)) = (given(&self.start_date), given(&self.end_date)) else { return Ok(None) };
        Span::between(setting::current(app).zone(), start, end).map(Some)
    }
    async fn filter(&self, app: &App, actor: &Actor) -> Result<UsageFilter, Error> {
        let span = self.span(app)?.map(|s| s.range()).unwrap_or_default();
        let mut filter = UsageFilter {
            models: given(&self.model).map(|m| vec![m.to_owned()]),
            operation: given(&self.endpoint).map(str::to_owned),
            search: given(&self.keyword).map(str::to_owned),
            from: span.from,
            until: span.until,
            ..UsageFilter::default()
        };
        match given(&self.status) {
            None | Some("all") => {}
            Some("success") => filter.failed = Some(false),
            Some("error" | "failed") => filter.failed = Some(true),
            Some(code) => {
                let code =
                    code.parse().map_err(|_| Error::invalid("status", "status is success, error or a number"))?;
                filter.status = Some(code);
            }
        }
        if let Some(uid) = given(&self.key_id) {
            filter.key_id = Some(any(app, actor, uid).await?.id);
        }
        if let Some(uid) = given(&self.account_id) {
            filter.account_id = Some(accounts::get_by_uid(app, actor, uid).await?.id);
        }
        Ok(filter)
    }
    fn window(&self) -> Result<(i64, i64, Window), Error> {
        let (page, size) = (self.page.unwrap_or(1), self.page_size.unwrap_or(50));
        Ok((page, size, Window::page(page, size, 200)?))
    }
    fn direction(&self) -> Direction {
        if self.sort_order.as_deref() == Some("asc") { Direction::Asc } else { Direction::Desc }
    }
}

/// The keys and accounts that calls name.
pub(super) struct Names {
    pub(super) keys: HashMap<i64, ApiKey>,
    pub(super) accounts: HashMap<i64, Account>,
}

impl Names {
    pub(super) async fn of(app: &App, actor: &Actor, key_ids: Vec<i64>, account_ids: Vec<i64>) -> Result<Self, Error> {
        let sole = |mut ids: Vec<i64>| {
            ids.sort_unstable();
            ids.dedup();
            ids.retain(|id| *id != 0);
            ids
        };
        let (key_ids, account_ids) = (sole(key_ids), sole(account_ids));
        let (mut keys, mut found) = (HashMap::new(), HashMap::new());
        if !key_ids.is_empty() {
            let filter = KeyFilter { ids: key_ids, deleted: Deleted::With, ..KeyFilter::default() };
            let window = Window { limit: 1_000, offset: 0 };
            let rows = api_key::pages(app, actor, &filter, (KeyOrder::CreatedAt, Direction::Desc), window).await?.rows;
            keys.extend(rows.into_iter().map(|k| (k.id, k)));
        }
        if !account_ids.is_empty() {
            let filter = AccountFilter { deleted: DeletedAccounts::With, ..AccountFilter::default() };
            let rows = all(app, actor, filter).await?;
            found.extend(rows.into_iter().filter(|a| account_ids.binary_search(&a.id).is_ok()).map(|a| (a.id, a)));
        }
        Ok(Self { keys, accounts: found })
    }
    pub(super) async fn of_calls(app: &App, actor: &Actor, rows: &[UsageRow]) -> Result<Self, Error> {
        let keys = rows.iter().map(|r| r.key_id).collect();
        Self::of(app, actor, keys, rows.iter().map(|r| r.account_id).collect()).await
    }
}

fn record(row: &UsageRow, names: &Names) -> Map<String, Value> {
    let (key, account) = (names.keys.get(&row.key_id), names.accounts.get(&row.account_id));
    let cache_write = row.cache_write_5m + row.cache_write_1h;
    let served_by = account.map(|a| of_kind(a.kind));
    let value = json!({
        "id": row.call_id, "requestId": row.call_id, "timestamp": row.at.rfc3339(), "model": row.model,
        "upstreamModel": row.upstream_model, "endpoint": row.operation, "dialect": row.dialect, "isStream": row.stream,
        "statusCode": row.status, "status": if row.failed() { "error" } else { "success" }, "errorCode": row.error_code,
        "apiKeyId": key.map(|k| &k.uid), "apiKeyName": key.map(|k| &k.name),
        "accountId": account.map(|a| &a.uid), "accountName": account.map(|a| &a.name),
        "accountType": served_by.map(|f| f.platform), "platform": served_by.map(|f| f.platform),
        "accountTypeName": served_by.map(|f| f.label), "method": "POST", "stream": row.stream,
        "inputTokens": row.input, "outputTokens": row.output, "cacheCreateTokens": cache_write,
        "cacheReadTokens": row.cache_read, "ephemeral5mTokens": row.cache_write_5m,
        "ephemeral1hTokens": row.cache_write_1h, "reasoningTokens": row.reasoning, "totalTokens": row.tokens(),
        "cost": row.cost.dollars(), "realCost": row.raw_cost.dollars(), "costFormatted": dollars(row.cost),
        "formattedCost": dollars(row.cost), "estimated": row.estimated,
        "firstByteMs": row.first_byte_ms, "durationMs": row.duration_ms, "ip": row.ip, "client": row.client,
    });
    let mut fields = match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    fields.extend(cache_hits(row.input, row.cache_read, cache_write));
    // OpenAI's caches are written without being counted or paid.
    let uncounted = account.is_some_and(|a| of_openai(a.kind));
    fields.insert("isOpenAIRelated".into(), uncounted.into());
    fields.insert("cacheCreateNotApplicable".into(), uncounted.into());
    fields
}

fn of_openai(kind: AccountKind) -> bool {
    matches!(
        kind,
        AccountKind::OpenaiKey
            | AccountKind::OpenaiOauth
            | AccountKind::OpenaiResponses
            | AccountKind::OpenaiCompatible
            | AccountKind::AzureOpenai
    )
}

/// How much of what went in came from a cache, in percent to two decimals, and of what.
fn cache_hits(input: i64, read: i64, written: i64) -> Map<String, Value> {
    let whole = input + read + written;
    let rate = if whole == 0 { 0.0 } else { (read as f64 * 10_000.0 / whole as f64).round() / 100.0 };
    let formula = "cacheReadTokens / (inputTokens + cacheReadTokens + cacheCreateTokens)";
    let pairs: [(&str, Value); 4] = [
        ("cacheHitRate", rate.into()),
        ("cacheHitNumerator", read.into()),
        ("cacheHitDenominator", whole.into()),
        ("cacheHitFormula", formula.into()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What each part of a call cost by the vendor's list. Nothing, where today's price does not make what it cost then.
fn parts(app: &App, row: &UsageRow) -> Option<Value> {
    let models = directory::models(app);
    let price = models.price(&row.model)?;
    let none = Units { calls: 0, ..Units::default() };
    let [input, output, read, written] = [
        Units { input: row.input, ..none },
        Units { output: row.output, reasoning: row.reasoning, ..none },
        Units { cache_read: row.cache_read, ..none },
        Units { cache_write_5m: row.cache_write_5m, cache_write_1h: row.cache_write_1h, ..none },
    ]
    .map(|units| price::cost(price, &units, 0).raw);
    let whole = input.0 + output.0 + read.0 + written.0;
    // Each part is rounded by itself.
    ((whole - row.raw_cost.0).abs() <= 4).then(|| {
        json!({
            "input": input.dollars(), "output": output.dollars(), "cacheRead": read.dollars(),
            "cacheCreate": written.dollars(), "total": row.raw_cost.dollars(),
        })
    })
}

/// What can be filtered by: what was called in the last thirty days.
async fn choices(app: &App, actor: &Actor, slice: &report::Slice) -> Result<Value, Error> {
    let now = app.clock.now();
    let recent = report::Slice { from: Some(now.plus(-30 * DAY)), ..slice.clone() };
    let of = async |by| report::groups(app, actor, &recent, by, Measure::Requests, 200).await;
    let (models, keys, served) =
        (of(Dimension::Model).await?, of(Dimension::Key).await?, of(Dimension::Account).await?);
    let ids = |groups: &[report::Group]| groups.iter().filter_map(|g| g.key.id()).collect::<Vec<i64>>();
    let names = Names::of(app, actor, ids(&keys), ids(&served)).await?;
    let models: Vec<&str> = models.iter().filter_map(|g| g.key.word()).filter(|m| !m.is_empty()).collect();
    let keys: Vec<Value> =
        ids(&keys).iter().filter_map(|id| names.keys.get(id)).map(|k| json!({ "id": k.uid, "name": k.name })).collect();
    let served: Vec<Value> = ids(&served)
        .iter()
        .filter_map(|id| names.accounts.get(id))
        .map(|a| {
            let platform = of_kind(a.kind).platform;
            json!({ "id": a.uid, "name": a.name, "accountType": platform, "accountTypeName": of_kind(a.kind).label })
        })
        .collect();
    // Sums are not kept by endpoint; what was called lately is there to be chosen.
    let latest = (UsageOrder::At, Direction::Desc);
    let calls = UsageFilter { keys: slice.keys.clone(), accounts: slice.accounts.clone(), ..UsageFilter::default() };
    let calls = usage::pages(app, actor, &calls, latest, Window { limit: 200, offset: 0 }).await?.rows;
    let endpoints: BTreeSet<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
    Ok(json!({
        "models": models, "apiKeys": keys, "accounts": served, "endpoints": endpoints,
        "dateRange": { "earliest": recent.from.map(|t| t.rfc3339()), "latest": now.rfc3339() },
    }))
}

fn pagination(page: i64, size: i64, total: i64) -> Value {
    let pages = ((total + size - 1) / size).max(1);
    json!({
        "page": page, "currentPage": page, "pageSize": size, "total": total, "totalRecords": total,
        "totalPages": pages, "hasNextPage": page < pages, "hasPreviousPage": page > 1,
    })
}

/// A page of records with everything around it.
async fn records(
    app: &App,
    actor: &Actor,
    asked: &Asked,
    filter: &UsageFilter,
) -> Result<(Map<String, Value>, Vec<UsageRow>), Error> {
    let (page, size, window) = asked.window()?;
    let found = usage::pages(app, actor, filter, (UsageOrder::At, asked.direction()), window).await?;
    let names = Names::of_calls(app, actor, &found.rows).await?;
    let one = |row: &UsageRow| {
        let mut shown = record(row, &names);
        shown.insert("realCostBreakdown".into(), parts(app, row).into());
        Value::Object(shown)
    };
    let shown: Vec<Value> = found.rows.iter().map(one).collect();
    let whole = usage::stat(app, actor, filter).await?.sums;
    let average = |n: i64| if whole.requests == 0 { 0.0 } else { n as f64 / whole.requests as f64 };
    let slice = report::Slice {
        keys: filter.key_id.map(|id| vec![id]),
        accounts: filter.account_id.map(|id| vec![id]),
        ..report::Slice::default()
    };
    let mut summary = cache_hits(whole.input, whole.cache_read, whole.cache_write);
    let figures = json!({
        "totalRequests": whole.requests, "failedRequests": whole.errors, "totalTokens": whole.tokens,
        "inputTokens": whole.input, "outputTokens": whole.output, "cacheReadTokens": whole.cache_read,
        "cacheCreateTokens": whole.cache_write,
        "totalCost": Micros(whole.cost).dollars(), "totalCostFormatted": dollars(Micros(whole.cost)),
        "avgCost": average(whole.cost) / 1e6, "avgDurationMs": average(whole.duration_ms).round() as i64,
    });
    if let Value::Object(figures) = figures {
        summary.extend(figures);
    }
    let value = json!({
        "records": shown,
        "pagination": pagination(page, size, found.total),
        "filters": {
            "startDate": asked.start_date, "endDate": asked.end_date, "model": asked.model, "keyword": asked.keyword,
            "apiKeyId": asked.key_id, "accountId": asked.account_id, "endpoint": asked.endpoint,
            "status": asked.status, "sortOrder": if asked.direction() == Direction::Asc { "asc" } else { "desc" },
        },
        "availableFilters": choices(app, actor, &slice).await?,
        "summary": summary,
    });
    match value {
        Value::Object(fields) => Ok((fields, found.rows)),
        _ => Ok((Map::new(), found.rows)),
    }
}

pub async fn of_key(State(app): State<App>, admin: Admin, uid: Path<String>, query: Query<Asked>) -> Reply {
    let key = any(&app, &admin, &uid.0).await?;
    let asked = Asked { key_id: None, ..query.0 };
    let filter = UsageFilter { key_id: Some(key.id), ..asked.filter(&app, &admin).await? };
    let (mut shown, _) = records(&app, &admin, &asked, &filter).await?;
    shown.insert("apiKeyInfo".into(), json!({ "id": key.uid, "name": key.name }));
    Ok(data(shown))
}

pub async fn of_account(State(app): State<App>, admin: Admin, uid: Path<String>, query: Query<Asked>) -> Reply {
    let account = accounts::get_by_uid(&app, &admin, &uid.0).await?;
    let asked = Asked { account_id: None, ..query.0 };
    let filter = UsageFilter { account_id: Some(account.id), ..asked.filter(&app, &admin).await? };
    let (mut shown, _) = records(&app, &admin, &asked, &filter).await?;
    let platform = of_kind(account.kind).platform;
    shown.insert("accountInfo".into(), json!({ "id": account.uid, "name": account.name, "platform": platform }));
    Ok(data(shown))
}

/// Whether what is said in calls is kept, and for how many hours.
fn capture(app: &App) -> (bool, i64) {
    let settings = setting::current(app);
    (settings.bool(names::RECORD_CONTENT), settings.int(names::CONTENT_RETENTION_DAYS) * 24)
}

pub async fn details(State(app): State<App>, admin: Admin, query: Query<Asked>) -> Reply {
    let filter = query.0.filter(&app, &admin).await?;
    let (mut shown, rows) = records(&app, &admin, &query.0, &filter).await?;
    let ids: Vec<String> = rows.iter().map(|r| r.call_id.clone()).collect();
    let said = usage::contents(&app, &admin, &ids).await?;
    if let Some(records) = shown.get_mut("records").and_then(Value::as_array_mut) {
        for record in records {
            let has = record["id"].as_str().is_some_and(|id| said.contains_key(id));
            record["hasDetail"] = has.into();
        }
    }
    let (on, hours) = capture(&app);
    shown.insert("captureEnabled".into(), on.into());
    shown.insert("bodyPreviewEnabled".into(), on.into());
    shown.insert("retentionHours".into(), hours.into());
    Ok(data(shown))
}

pub async fn detail(State(app): State<App>, admin: Admin, id: Path<String>) -> Reply {
    let row = usage::get(&app, &admin, &id.0).await?;
    let names = Names::of_calls(&app, &admin, std::slice::from_ref(&row)).await?;
    let said = usage::contents(&app, &admin, std::slice::from_ref(&row.call_id)).await?.remove(&row.call_id);
    let (on, hours) = capture(&app);
    let mut shown = record(&row, &names);
    shown.insert("realCostBreakdown".into(), parts(&app, &row).into());
    let body = said.as_ref().map(|s| json!({ "system": s.system_prompt, "user": s.user_message }));
    shown.insert("hasRequestBodySnapshot".into(), body.is_some().into());
    shown.insert("requestBodySnapshot".into(), body.clone().into());
    shown.insert("requestBody".into(), body.into());
    shown.insert("responseBody".into(), said.as_ref().map(|s| s.assistant_message.as_str()).into());
    shown.insert("errorMessage".into(), said.as_ref().map(|s| s.error_message.as_str()).into());
    Ok(data(json!({
        "captureEnabled": on, "bodyPreviewEnabled": on, "retentionHours": hours, "record": shown,
    })))
}

/// How many calls of keys are open right now, for those that have any.
pub async fn open(State(app): State<App>, admin: Admin) -> Reply {
    let recent = report::Slice { from: Some(app.clock.now().plus(-DAY).hour()), ..report::Slice::default() };
    let mut busy = report::groups(&app, &admin, &recent, Dimension::Key, Measure::Requests, 1_000).await?;
    busy.retain(|g| g.key.id().is_some_and(|id| id != 0));
    let ids: Vec<i64> = busy.iter().filter_map(|g| g.key.id()).collect();
    let names = Names::of(&app, &admin, ids.clone(), Vec::new()).await?;
    let (mut rows, mut total) = (Vec::new(), 0);
    let open = schema::service::admission::open_calls_each(&app, &ids).await?;
    for (id, open) in ids.into_iter().zip(open) {
        if let Some(key) = names.keys.get(&id).filter(|_| open > 0) {
            total += open;
            rows.push(json!({
                "apiKeyId": key.uid, "name": key.name, "concurrency": open, "activeCount": open,
                "concurrencyLimit": key.limits.0.concurrency,
            }));
        }
    }
    let whole = sums::together(busy.iter().map(|g| &g.sums));
    Ok(data(json!({
        "keys": rows, "summary": { "totalKeys": rows.len(), "totalActiveRequests": total, "requestsOfLastDay": whole.requests },
    })))
}

/// One key's open calls.
pub async fn open_of(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let key = any(&app, &admin, &uid.0).await?;
    let open = schema::service::admission::open_calls(&app, key.id).await?;
    Ok(data(json!({
        "apiKeyId": key.uid, "name": key.name, "concurrency": open, "activeCount": open,
        "concurrencyLimit": key.limits.0.concurrency,
    })))
}

/// Removes what was said in calls; the calls themselves stay.
pub async fn forget_contents(State(app): State<App>, admin: Admin) -> Reply {
    let gone = usage::forget_contents(&app, &admin).await?;
    Ok(flat(json!({ "message": "清理完毕", "data": { "purgedCount": gone } })))
}

//! Taking over the prices of other installations: which channels may be asked, what each says, and where that is
//! not what is charged here. Nothing is changed; the page writes what was chosen as options.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::extract::State;
use futures_util::StreamExt;
use relay::upstream::guard::Guard;
use reqwest::Url;
use schema::model::account::{Account, AccountFilter, AccountOrder};
use schema::page::Direction;
use schema::service::account;
use schema::service::setting::{self, names};
use schema::{App, Error, Role};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fetch::fetched;
use super::{Body, Caller, Reply, channel, data, price};

/// This system's names of the four tables, in the order of [`price::shown`].
const TABLES: [&str; 4] = ["model_ratio", "completion_ratio", "cache_ratio", "model_price"];
/// Where an installation tells its prices unless something else is said.
const ENDPOINT: &str = "/api/ratio_config";
/// Most installations that are asked at once, and in one request.
const ABREAST: usize = 8;
const MOST: usize = 50;

/// The channels with an address of their own.
pub async fn channels(State(app): State<App>, caller: Caller) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let order = (AccountOrder::CreatedAt, Direction::Desc);
    let all = account::every(&app, &caller, &AccountFilter::default(), order, account::PAGE).await?;
    let asked = all.iter().filter_map(|account| {
        let base_url = account.base_url.as_deref().filter(|url| url.starts_with("http"))?;
        let status = channel::status(account);
        Some(json!({ "id": account.id, "name": account.name, "base_url": base_url, "status": status }))
    });
    Ok(data(asked.collect::<Vec<Value>>()))
}

#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    upstreams: Vec<Upstream>,
    #[serde(default)]
    channel_ids: Vec<i64>,
    timeout: Option<u64>,
}

#[derive(Clone, Deserialize)]
pub struct Upstream {
    #[serde(default)]
    id: i64,
    #[serde(default)]
    name: String,
    #[serde(default)]
    base_url: String,
    #[serde(default)]
    endpoint: String,
}

type Table = BTreeMap<String, f64>;

/// An installation's prices, or why there are none.
struct Told {
    name: String,
    tables: Result<[Table; 4], String>,
}

/// What the installations say, and where it differs.
pub async fn fetch(State(app): State<App>, caller: Caller, form: Body<Asked>) -> Reply {
    caller.require(Role::SuperAdmin)?;
    let form = form.0;
    let named = form.channel_ids.into_iter().map(|id| Upstream {
        id,
        name: String::new(),
        base_url: String::new(),
        endpoint: String::new(),
    });
    let wanted: Vec<Upstream> = if form.upstreams.is_empty() { named.collect() } else { form.upstreams };
    if wanted.is_empty() || wanted.len() > MOST {
        return Err(Error::invalid("upstreams", format!("请选择 1 到 {MOST} 个上游渠道")).into());
    }
    let ids: Vec<i64> = wanted.iter().map(|upstream| upstream.id).filter(|id| *id > 0).collect();
    let accounts = account::several(&app, &caller, &ids).await?;
    let limit = Duration::from_secs(form.timeout.unwrap_or(10).clamp(1, 30));
    let guard = Guard::new(setting::current(&app).text(names::WEBHOOK_ALLOWED_HOSTS));
    let asking = wanted.into_iter().map(|upstream| {
        let channel = accounts.iter().find(|account| account.id == upstream.id);
        ask(&guard, upstream, channel, limit)
    });
    let told: Vec<Told> = futures_util::stream::iter(asking).buffered(ABREAST).collect().await;
    let results = told.iter().map(|one| match &one.tables {
        Ok(_) => json!({ "name": one.name, "status": "success" }),
        Err(why) => json!({ "name": one.name, "status": "error", "error": why }),
    });
    let results: Vec<Value> = results.collect();
    let heard: Vec<(&str, &[Table; 4])> =
        told.iter().filter_map(|one| Some((one.name.as_str(), one.tables.as_ref().ok()?))).collect();
    Ok(data(json!({ "differences": differences(&price::shown(&app), &heard), "test_results": results })))
}

/// Asks one installation. A channel's own address is taken from the channel, and may be anywhere, as its calls may.
async fn ask(guard: &Guard, upstream: Upstream, channel: Option<&Account>, limit: Duration) -> Told {
    let name = match channel {
        Some(account) => format!("{}({})", account.name, account.id),
        None => upstream.name.clone(),
    };
    let base = channel.map_or(Some(upstream.base_url.as_str()), |account| account.base_url.as_deref());
    let base = base.unwrap_or_default().trim_end_matches('/').trim_end_matches("/v1");
    let endpoint = if upstream.endpoint.is_empty() { ENDPOINT } else { upstream.endpoint.as_str() };
    let address = format!("{base}/{}", endpoint.trim_start_matches('/'));
    let known = channel.and_then(|_| {
        let url = Url::parse(base).ok()?;
        Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?))
    });
    let guard = known.map_or_else(|| guard.clone(), |host| guard.and(&host));
    let asked = async { understood(&fetched(&guard, &address).await?) };
    let tables = tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err("请求超时".to_owned()));
    Told { name, tables }
}

/// Reads either of the two forms: the four tables, or the list of the page of prices.
fn understood(body: &[u8]) -> Result<[Table; 4], String> {
    let body: Value = serde_json::from_slice(body).map_err(|_| "返回的不是 JSON".to_owned())?;
    if body["success"] != true {
        return Err(body["message"].as_str().filter(|m| !m.is_empty()).unwrap_or("对方拒绝了请求").to_owned());
    }
    match &body["data"] {
        Value::Object(tables) if TABLES.iter().any(|name| tables.contains_key(*name)) => {
            Ok(TABLES.map(|name| tables.get(name).and_then(Value::as_object).map(table).unwrap_or_default()))
        }
        Value::Array(rows) => Ok(of_rows(rows)),
        _ => Err("无法解析上游返回数据".to_owned()),
    }
}

fn table(map: &Map<String, Value>) -> Table {
    map.iter().filter_map(|(model, figure)| Some((model.clone(), figure.as_f64()?))).collect()
}

fn of_rows(rows: &[Value]) -> [Table; 4] {
    let mut tables: [Table; 4] = Default::default();
    for row in rows {
        let Some(model) = row["model_name"].as_str() else { continue };
        let fields: &[(usize, &str)] = match row["quota_type"].as_i64() {
            Some(1) => &[(3, "model_price")],
            _ => &[(0, "model_ratio"), (1, "completion_ratio"), (2, "cache_ratio")],
        };
        for (place, field) in fields {
            if let (Some(table), Some(figure)) = (tables.get_mut(*place), row[*field].as_f64()) {
                table.insert(model.to_owned(), figure);
            }
        }
    }
    tables
}

/// Whether two figures are the same to the millionth, which is what is kept here.
fn same(one: f64, other: f64) -> bool {
    (one * 1e6).round() == (other * 1e6).round()
}

/// Where what is told is not what is charged here: by model and table, what is charged, and what each
/// installation says, `same` where it agrees. Installations that agree in everything are not named.
fn differences(own: &[Table; 4], told: &[(&str, &[Table; 4])]) -> Value {
    let figure = |tables: &[Table; 4], place: usize, model: &str| tables.get(place)?.get(model).copied();
    let mut differing = BTreeSet::new();
    let mut found: Vec<(&str, usize)> = Vec::new();
    for place in 0..TABLES.len() {
        let models: BTreeSet<&str> =
            told.iter().filter_map(|(_, tables)| tables.get(place)).flat_map(Table::keys).map(String::as_str).collect();
        for model in models {
            let charged = figure(own, place, model);
            let differs = |tables: &[Table; 4]| {
                figure(tables, place, model).is_some_and(|f| charged.is_none_or(|charged| !same(charged, f)))
            };
            let who: Vec<&str> = told.iter().filter(|(_, tables)| differs(tables)).map(|(name, _)| *name).collect();
            if !who.is_empty() {
                differing.extend(who);
                found.push((model, place));
            }
        }
    }
    let mut all: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for (model, place) in found {
        let charged = figure(own, place, model);
        let (mut upstreams, mut confidence) = (Map::new(), Map::new());
        for (name, tables) in told.iter().filter(|(name, _)| differing.contains(name)) {
            let said = match (charged, figure(tables, place, model)) {
                (None, None) => "same".into(),
                (Some(charged), Some(figure)) if same(charged, figure) => "same".into(),
                (_, figure) => json!(figure),
            };
            upstreams.insert((*name).to_owned(), said);
            // What these systems charge for models they know no price of.
            let unknown = figure(tables, 0, model) == Some(37.5) && figure(tables, 1, model) == Some(1.0);
            confidence.insert((*name).to_owned(), (!unknown).into());
        }
        let item = json!({ "current": charged, "upstreams": upstreams, "confidence": confidence });
        all.entry(model).or_default().insert(TABLES.get(place).copied().unwrap_or_default().to_owned(), item);
    }
    json!(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_understood_and_only_differences_told() {
        let config = br#"{"success":true,"data":{"model_ratio":{"a":1.25,"b":2},"completion_ratio":{"a":4},"model_price":{"c":0.1}}}"#;
        let first = understood(config).unwrap();
        let rows = br#"{"success":true,"data":[{"model_name":"a","quota_type":0,"model_ratio":37.5,"completion_ratio":1},{"model_name":"c","quota_type":1,"model_price":0.1}]}"#;
        let second = understood(rows).unwrap();
        let own: [Table; 4] = [
            [("a".to_owned(), 1.25), ("b".to_owned(), 3.0)].into(),
            [("a".to_owned(), 4.0)].into(),
            Table::new(),
            [("c".to_owned(), 0.1)].into(),
        ];
        let told = differences(&own, &[("one", &first), ("two", &second), ("three", &own)]);
        let a = &told["a"]["model_ratio"];
        assert_eq!((&a["current"], &a["upstreams"]), (&json!(1.25), &json!({ "one": "same", "two": 37.5 })));
        assert_eq!(a["confidence"], json!({ "one": true, "two": false }));
        assert_eq!(told["b"]["model_ratio"]["upstreams"], json!({ "one": 2.0, "two": null }));
        assert!(told.get("c").is_none(), "all agree: {told}");
        assert_eq!(differences(&own, &[("three", &own)]), json!({}));
        for bad in ["x", "{\"success\":false,\"message\":\"no\"}", "{\"success\":true,\"data\":{\"x\":1}}"] {
            assert!(understood(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}

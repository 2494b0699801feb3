//! Logs of calls and of money, and the figures made of them.

use harness::{Client, TestApp, at};
use schema::model::usage::{Counts, Settlement};
use schema::service::settle;
use serde_json::{Value, json};

use super::{cast, deployed, refused, told};

/// Books calls of somebody, one a minute.
async fn book(app: &TestApp, user_id: i64, key_id: i64, models: &[&str]) {
    let now = app.app.clock.now();
    for (at, model) in models.iter().enumerate() {
        let failed = *model == "broken";
        let call = Settlement {
            call_id: format!("call-{user_id}-{at}"),
            at: now.plus(-60_000 * at as i64),
            user_id,
            key_id,
            account_id: 7,
            model: (*model).into(),
            status: if failed { 502 } else { 200 },
            error_code: if failed { "upstream_error".into() } else { String::new() },
            counts: Counts { input: 10, output: 20, ..Counts::default() },
            cost: if failed { 0 } else { 200 },
            raw_cost: if failed { 0 } else { 100 },
            duration_ms: 1_500,
            ..Settlement::default()
        };
        settle::submit(&app.app, call, None).expect("taken");
    }
    settle::flush(&app.app).await.expect("carried");
}

async fn number(client: &Client) -> i64 {
    told(&client.get("/api/user/self").await)["id"].as_i64().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_hold_calls_and_money_in_one_list_by_time() {
    let c = cast().await;
    let key = told(&c.ann.post("/api/token", json!({ "name": "默认Token" })).await);
    let (ann, ada) = (number(&c.ann).await, number(&c.admin).await);
    book(&c.app, ann, key["id"].as_i64().unwrap_or(0), &["gpt-4o", "gpt-4o-mini", "broken", "gpt-4o"]).await;
    book(&c.app, ada, 0, &["claude-3"]).await;

    let mine = told(&c.ann.get("/api/log/self?p=1&size=10").await);
    let rows = mine.as_array().cloned().unwrap_or_default();
    // Four calls, and the credit with which she began.
    assert_eq!(rows.len(), 5, "{mine}");
    assert!(rows.is_sorted_by_key(|r| std::cmp::Reverse(r["created_at"].as_i64())), "newest first: {mine}");
    let call = rows.iter().find(|r| r["model_name"] == "gpt-4o").expect("a call");
    assert_eq!((&call["type"], &call["quota"], &call["token_name"]), (&json!(2), &json!(100), &json!("默认Token")));
    assert_eq!(
        (&call["prompt_tokens"], &call["completion_tokens"], &call["use_time"]),
        (&json!(10), &json!(20), &json!(2))
    );
    assert_eq!((&call["channel"], &call["channel_id"], &call["username"]), (&json!(7), &json!(7), &json!("ann")));
    let other: Value = serde_json::from_str(call["other"].as_str().unwrap_or("")).expect("a document");
    assert_eq!((&other["group_ratio"], &other["completion_ratio"]), (&json!(2.0), &json!(4.0)));
    assert!(other.get("admin_info").is_none(), "{other}");
    for (kind, many) in [(1, 0), (2, 3), (3, 1), (4, 0), (5, 1), (6, 0)] {
        let found = told(&c.ann.get(&format!("/api/log/self?type={kind}")).await);
        assert_eq!(found.as_array().map(Vec::len), Some(many), "type {kind}: {found}");
        assert!(found.as_array().is_some_and(|l| l.iter().all(|r| r["type"] == json!(kind))), "{found}");
    }

    // Page by page, the same rows.
    let mut paged = Vec::new();
    for p in 1..=5 {
        let page = told(
            &deployed(&c.ann)
                .get(&format!(
                    "/api/log/self/?p={p}&page_size=1&type=0&token_name=&model_name=&group=&start_timestamp=0"
                ))
                .await,
        );
        assert_eq!((&page["total"], &page["page"]), (&json!(5), &json!(p)));
        paged.extend(page["items"].as_array().cloned().unwrap_or_default());
    }
    assert_eq!(paged, rows);

    let filters = [
        ("model_name=gpt-4o", 2),
        ("model_name=gpt-4o%25", 3),
        ("model_name=%25mini", 1),
        ("model_name=%25-%25&type=2", 4),
        ("model_name=gpt_4o", 0),
        ("model_name=gpt_4o%25", 0),
        ("token_name=默认Token", 4),
        ("token_name=other", 0),
        ("username=ann&type=2", 3),
        ("username=nobody", 0),
        ("username=nn", 0),
        ("username=ANN&type=2", 3),
        ("channel=7", 5),
        ("channel=8", 0),
        ("group=default&username=ann", 4),
        ("group=vip", 0),
        ("request_id=call-1-x", 0),
        ("type=5", 1),
        ("start_timestamp=1&end_timestamp=2", 0),
        ("start_timestamp=NaN&end_timestamp=NaN&type=2", 4),
    ];
    for (filter, many) in filters {
        let page = told(&deployed(&c.admin).get(&format!("/api/log/?p=1&page_size=100&{filter}")).await);
        assert_eq!(page["total"], json!(many), "{filter}: {page}");
        assert_eq!(page["items"].as_array().map(|l| l.len() as i64), Some(many), "{filter}");
    }
    let found = told(&c.admin.get("/api/log?model_name=claude-3").await);
    let other: Value = serde_json::from_str(found[0]["other"].as_str().unwrap_or("")).expect("a document");
    assert_eq!(at(&other, "admin_info.use_channel"), &json!(["7"]));
    assert_eq!(told(&c.admin.get("/api/log/search?keyword=claude").await).as_array().map(Vec::len), Some(1));
    assert_eq!(told(&c.ann.get("/api/log/self/search?keyword=claude").await), json!([]), "not hers");

    let stat = told(&c.admin.get("/api/log/stat?type=2").await);
    assert_eq!((&stat["quota"], stat["rpm"].as_i64().is_some_and(|n| n >= 1)), (&json!(400), true), "{stat}");
    assert_eq!(told(&c.ann.get("/api/log/self/stat").await)["quota"], json!(300));
    assert_eq!(told(&c.ann.get("/api/log/self/stat?model_name=gpt-4o%25").await)["quota"], json!(300));
    assert_eq!(told(&c.ann.get("/api/log/self/stat?model_name=%25mini").await)["quota"], json!(100));
    // The call that failed is none of her requests.
    assert_eq!(told(&c.ann.get("/api/user/self").await)["request_count"], json!(3));
    let people = told(&deployed(&c.admin).get("/api/user/?p=0&page_size=10").await);
    let counts: Vec<&Value> = people["items"].as_array().expect("people").iter().map(|p| &p["request_count"]).collect();
    assert_eq!(counts, [&json!(3), &json!(1), &json!(0)], "{people}");
    let secret = key["key"].as_str().unwrap_or("").trim_start_matches("sk-").to_owned();
    let of_key = told(&c.nobody.get(&format!("/api/log/token?key={secret}")).await);
    assert_eq!(of_key.as_array().map(Vec::len), Some(4));
    refused(&c.nobody.get("/api/log/token?key=unknown-key-of-nobody").await, 401, "an unknown token");
    refused(&c.ann.get("/api/log/self?type=x").await, 400, "an odd type");
    refused(&c.ann.get("/api/log/self?type=9").await, 400, "an odd type");

    refused(&c.root.call("DELETE", "/api/log", Value::Null).await, 400, "no moment");
    let later = c.app.app.clock.now().seconds() + 3_600;
    refused(
        &c.root.call("DELETE", &format!("/api/log/?target_timestamp={later}"), Value::Null).await,
        200,
        "the future",
    );
    let gone = told(&c.root.call("DELETE", "/api/log?target_timestamp=100", Value::Null).await);
    assert_eq!(gone, json!(0), "nothing is that old");

    told(&c.ann.call("DELETE", &format!("/api/token/{}", key["id"]), Value::Null).await);
    let mine = told(&c.ann.get("/api/log/self?model_name=gpt-4o-mini").await);
    assert_eq!(mine[0]["token_name"], json!("默认Token"), "a removed token keeps its name: {mine}");
}

fn explained(row: &Value) -> Value {
    serde_json::from_str(row["other"].as_str().unwrap_or("")).expect("a document")
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_say_what_their_pages_read() {
    let c = cast().await;
    let ann = number(&c.ann).await;
    let now = c.app.app.clock.now();
    let call = |id: &str, model: &str| Settlement {
        call_id: id.into(),
        at: now,
        user_id: ann,
        account_id: 7,
        model: model.into(),
        status: 200,
        counts: Counts { input: 10, output: 20, ..Counts::default() },
        ..Settlement::default()
    };
    let pictures = Counts { images: 2, ..Counts::default() };
    let cached = Counts { input: 10, cache_read: 5, cache_write_5m: 7, output: 20, ..Counts::default() };
    let calls = [
        Settlement { cost: 200_000, raw_cost: 100_000, ..call("each", "mj_imagine") },
        Settlement { counts: pictures, cost: 80_000, raw_cost: 80_000, ..call("pictures", "dall-e-3") },
        call("free", "mj_imagine"),
        call("tokens", "gpt-4o"),
        Settlement { counts: cached, dialect: "anthropic".into(), ..call("cached", "claude-sonnet-4-5") },
        Settlement { dialect: "anthropic".into(), ..call("plain", "claude-sonnet-4-5") },
        Settlement { account_id: 0, status: 503, error_code: "no_account".into(), ..call("nobody", "gpt-4o") },
        Settlement { status: 400, error_code: "refused_by_vendor".into(), ..call("refused", "gpt-4o") },
    ];
    for call in calls {
        settle::submit(&c.app.app, call, None).expect("taken");
    }
    settle::flush(&c.app.app).await.expect("carried");
    let page = told(&deployed(&c.admin).get("/api/log/?p=1&page_size=100").await);
    let rows = page["items"].as_array().cloned().unwrap_or_default();
    let row = |id: &str| rows.iter().find(|row| row["request_id"] == id).expect("a row");
    let price = |id: &str| explained(row(id))["model_price"].clone();
    assert_eq!((price("each"), price("pictures")), (json!(0.1), json!(0.08)));
    assert_eq!((price("free"), price("tokens")), (json!(0.1), json!(-1)));
    assert_eq!(explained(row("each"))["group_ratio"], json!(2.0));
    let other = explained(row("cached"));
    assert_eq!((&other["claude"], &other["cache_creation_tokens"]), (&json!(true), &json!(7)), "{other}");
    // What a cache read and wrote is told beside Claude's prompt.
    assert_eq!((&other["cache_tokens"], &row("cached")["prompt_tokens"]), (&json!(5), &json!(10)));
    assert!(explained(row("plain")).get("claude").is_none());
    assert_eq!(row("nobody")["content"], json!("当前没有可用的渠道"));
    assert!(explained(row("nobody")).get("admin_info").is_none(), "there was no channel");
    assert_eq!(row("refused")["content"], json!("上游拒绝了请求，状态码 400"));
    assert_eq!(at(&explained(row("refused")), "admin_info.use_channel"), &json!(["7"]));
    // Two of the eight failed; and sums are of what calls took, whatever rows are looked at.
    for kind in ["", "?type=0", "?type=2", "?type=5", "?type=1"] {
        let stat = told(&c.admin.get(&format!("/api/log/stat{kind}")).await);
        assert_eq!((&stat["quota"], &stat["rpm"]), (&json!(140_000), &json!(6)), "{kind}: {stat}");
    }
    refused(&c.admin.get("/api/log/stat?type=x").await, 400, "an odd type");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_by_day_as_documented_and_by_hour_as_deployed() {
    let c = cast().await;
    let (ann, ada) = (number(&c.ann).await, number(&c.admin).await);
    // The one that failed is no request of hers.
    book(&c.app, ann, 0, &["gpt-4o", "gpt-4o", "broken"]).await;
    book(&c.app, ada, 0, &["claude-3"]).await;
    let days = told(&c.ann.get("/api/data/self").await);
    let days = days.as_array().cloned().unwrap_or_default();
    assert_eq!(days.len(), 7, "the last week");
    let sum = |field: &str| days.iter().filter_map(|d| d[field].as_i64()).sum::<i64>();
    assert_eq!((sum("quota"), sum("used_quota"), sum("request_count")), (100, 200, 2), "{days:?}");
    assert!(days.iter().all(|d| d["date"].as_str().is_some_and(|t| t.len() == 10)));
    let all = told(&c.admin.get("/api/data").await);
    assert_eq!(all.as_array().map(|l| l.iter().filter_map(|d| d["request_count"].as_i64()).sum::<i64>()), Some(3));

    let now = c.app.app.clock.now().seconds();
    let span = format!("start_timestamp={}&end_timestamp={now}&default_time=hour", now - 7_200);
    let hours = told(&c.ann.get(&format!("/api/data/self/?{span}")).await);
    let count = |rows: &Value| rows.as_array().map(|l| l.iter().filter_map(|d| d["count"].as_i64()).sum::<i64>());
    assert_eq!(count(&hours), Some(2), "{hours}");
    assert!(hours.as_array().is_some_and(|rows| rows.iter().all(|row| row["model_name"] != "broken")), "{hours}");
    assert_eq!((&hours[0]["model_name"], &hours[0]["username"]), (&json!("gpt-4o"), &json!("ann")));
    assert_eq!(hours[0]["created_at"].as_i64().map(|t| t % 3_600), Some(0));
    let everybody = told(&deployed(&c.admin).get(&format!("/api/data/?username=&{span}")).await);
    assert_eq!(count(&everybody), Some(3), "{everybody}");
    let hers = told(&deployed(&c.admin).get(&format!("/api/data/?username=ann&{span}")).await);
    assert_eq!(count(&hers), Some(2), "{hers}");
    let none = told(&deployed(&c.admin).get(&format!("/api/data/?username=nobody&{span}")).await);
    assert_eq!(none, json!([]));
    // 0 is the beginning, not a week ago.
    let old = Settlement {
        call_id: "long-ago".into(),
        at: c.app.app.clock.now().plus(-60 * 86_400_000),
        user_id: ann,
        model: "gpt-4o".into(),
        status: 200,
        ..Settlement::default()
    };
    settle::submit(&c.app.app, old, None).expect("taken");
    settle::flush(&c.app.app).await.expect("carried");
    let end = now + 3_600;
    for (from, many) in [("0", 4), ("", 3), ("1", 4)] {
        let path = format!("/api/data/?username=&start_timestamp={from}&end_timestamp={end}&default_time=hour");
        let hours = told(&deployed(&c.admin).get(&path).await);
        assert_eq!(count(&hours), Some(many), "{from}: {hours}");
    }
    let path = format!("/api/data/self/?start_timestamp=0&end_timestamp={end}&default_time=hour");
    refused(&deployed(&c.ann).get(&path).await, 200, "more than a month of one's own");
    let long = c.ann.get(&format!("/api/data/self?start_timestamp={}&end_timestamp={now}", now - 40 * 86_400)).await;
    assert_eq!(long.json(), json!({ "success": false, "message": "时间跨度不能超过 1 个月" }));
    refused(&c.ann.get("/api/data/self?start_timestamp=20&end_timestamp=10").await, 400, "backwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_a_balance_is_told_in_chinese() {
    let c = cast().await;
    let ann = number(&c.ann).await;
    let form = json!({ "id": ann, "action": "add_quota", "mode": "override", "value": 500_000 });
    told(&c.admin.post("/api/user/manage", form).await);
    told(&c.admin.call("PUT", "/api/user", json!({ "id": ann, "quota": 1_000_000 })).await);
    let code = told(&c.admin.post("/api/redemption", json!({ "name": "balance set", "quota": 1_000 })).await);
    told(&c.ann.post("/api/user/topup", json!({ "key": code["key"] })).await);
    let rows = told(&c.ann.get("/api/log/self").await);
    let told: Vec<&str> = rows.as_array().expect("rows").iter().filter_map(|row| row["content"].as_str()).collect();
    for part in ["：初始额度", "管理员调整额度", "：设置余额", "通过兑换码充值 ＄0.002000：balance set"]
    {
        assert!(told.iter().any(|line| line.contains(part)), "{part}: {told:?}");
    }
    assert_eq!(told.iter().filter(|line| line.contains("balance")).count(), 1, "a code's own name stays: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_have_pages_of_their_own() {
    let c = cast().await;
    let ann = number(&c.ann).await;
    let now = c.app.app.clock.now();
    let begun = |platform: &str| schema::service::task::Begun {
        uid: String::new(),
        call_id: format!("call-{platform}"),
        user_id: ann,
        key_id: 0,
        account_id: 0,
        platform: platform.into(),
        action: "IMAGINE".into(),
        model: "mj_imagine".into(),
        request: serde_json::Map::new(),
        cost: schema::Micros::ZERO,
        from_wallet: false,
        notify_url: None,
        poll_at: now.plus(60_000),
    };
    for platform in ["midjourney", "suno"] {
        schema::service::task::begin(&c.app.app, begun(platform)).await.expect("begun");
    }
    let all = told(&c.ann.get("/api/task/self?p=1&page_size=10&task_id=&status=&start_timestamp=0").await);
    // Pictures have a page of their own, and only that.
    assert_eq!((&all["total"], at(&all, "items.0.platform")), (&json!(1), &json!("suno")), "{all}");
    assert_eq!(at(&all, "items.0.progress"), &json!("0%"), "{all}");
    assert_eq!(told(&c.ann.get("/api/task/self?platform=midjourney").await)["total"], json!(0));
    let pictures = told(&c.ann.get("/api/mj/self?p=1&page_size=10&channel_id=&mj_id=").await);
    assert_eq!((&pictures["total"], at(&pictures, "items.0.status")), (&json!(1), &json!("NOT_START")), "{pictures}");
    assert_eq!(told(&c.admin.get("/api/task/self").await)["total"], json!(0), "an administrator's own");
    assert_eq!(told(&c.admin.get("/api/task/?platform=suno").await)["total"], json!(1));
    assert_eq!(told(&c.admin.get("/api/mj/?status=SUCCESS").await)["total"], json!(0));
    refused(&c.ann.get("/api/task/self?status=ODD").await, 400, "an odd status");
}

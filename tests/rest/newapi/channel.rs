//! Channels: upstream accounts in this system's words, and asking whether they work.

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Client, at};
use serde_json::{Value, json};

use super::{cast, deployed, refused, told};

async fn channel(admin: &Client, name: &str, upstream: &str, key: &str) -> i64 {
    let form = json!({ "name": name, "type": 1, "key": key, "base_url": upstream, "models": "gpt-4o,gpt-4o-mini",
        "group": "default", "status": 1 });
    let made = told(&admin.post("/api/channel", form).await);
    assert_eq!(made["name"], json!(name));
    made["id"].as_i64().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_made_in_either_form_and_changed_in_part() {
    let c = cast().await;
    let id = channel(&c.admin, "新渠道", "http://127.0.0.1:9", "sk-your-api-key").await;
    let list = c.admin.get("/api/channel?p=1&size=10").await;
    assert!(!list.text.contains("sk-your-api-key"), "a key is never shown");
    let row = told(&list)[0].clone();
    assert_eq!((&row["type"], &row["status"], &row["models"]), (&json!(1), &json!(1), &json!("gpt-4o,gpt-4o-mini")));
    assert_eq!((&row["group"], &row["priority"]), (&json!("default"), &json!(0)));

    let change = json!({ "id": id, "name": "更新的渠道名称", "models": "gpt-4,claude-3" });
    let changed = c.admin.call("PUT", "/api/channel", change).await;
    assert_eq!(changed.json()["message"], json!("渠道更新成功"));
    let row = told(&c.admin.get(&format!("/api/channel/{id}")).await);
    assert_eq!((&row["name"], &row["models"]), (&json!("更新的渠道名称"), &json!("gpt-4,claude-3")));
    assert_eq!(
        (&row["base_url"], &row["status"]),
        (&json!("http://127.0.0.1:9"), &json!(1)),
        "what is not named stays"
    );
    told(
        &c.admin.call("PUT", "/api/channel/", json!({ "id": id, "status": 2, "model_mapping": "{\"a\":\"b\"}" })).await,
    );
    let row = told(&c.admin.get(&format!("/api/channel/{id}")).await);
    assert_eq!((&row["status"], &row["model_mapping"]), (&json!(2), &json!("{\"a\":\"b\"}")));
    refused(&c.admin.call("PUT", "/api/channel", json!({ "id": id, "model_mapping": "{" })).await, 400, "bad JSON");

    // The later form of the request, and a channel a line of the key.
    let flat = json!({ "name": "many", "type": 1, "key": "k1\nk2", "models": "gpt-4o", "group": "default" });
    told(&c.admin.post("/api/channel/", json!({ "mode": "batch", "channel": flat })).await);
    let page = told(&deployed(&c.admin).get("/api/channel/?p=1&page_size=2&id_sort=true&tag_mode=false").await);
    assert_eq!((&page["total"], at(&page, "type_counts.1")), (&json!(3), &json!(3)));
    let off = told(&c.admin.get("/api/channel?status=disabled").await);
    assert_eq!((off.as_array().map(Vec::len), &off[0]["id"]), (Some(1), &json!(id)));
    assert_eq!(
        told(&c.admin.get("/api/channel/search?keyword=many&group=&model=").await).as_array().map(Vec::len),
        Some(2)
    );
    refused(&c.admin.post("/api/channel", json!({ "name": "n", "key": "k" })).await, 400, "no type");
    refused(&c.admin.post("/api/channel", json!({ "name": "n", "type": 1 })).await, 400, "no key");

    assert_eq!(
        c.admin.call("DELETE", &format!("/api/channel/{id}"), Value::Null).await.json()["message"],
        json!("渠道删除成功")
    );
    refused(&c.admin.get(&format!("/api/channel/{id}")).await, 404, "removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_really_asked_whether_it_works() {
    let c = cast().await;
    let upstream = FakeUpstream::start(Vendor::OpenAi).await;
    let good = channel(&c.admin, "good", &upstream.url(), Vendor::OpenAi.key()).await;
    let bad = channel(&c.admin, "bad", &upstream.url(), "sk-of-nobody").await;
    let answer = c.admin.get(&format!("/api/channel/test/{good}?model=gpt-4o-mini")).await;
    assert_eq!(answer.json()["message"], json!("渠道测试成功"), "{}", answer.text);
    assert!(answer.json()["time"].is_number());
    assert_eq!(told(&answer)["status"], json!("success"));
    let asked = upstream.last();
    assert!(asked.path.contains("/chat/completions"), "{}", asked.path);
    let answer = c.admin.get(&format!("/api/channel/test/{bad}")).await;
    refused(&answer, 200, "a key nobody has");
    assert!(!answer.text.contains("sk-of-nobody"), "{}", answer.text);
    assert_eq!(at(&answer.json(), "data.status"), &json!("error"));
    let row = told(&c.admin.get(&format!("/api/channel/{good}")).await);
    assert!(row["test_time"].as_i64().is_some_and(|t| t > 0), "{row}");
    let listed = told(&c.admin.get(&format!("/api/channel/fetch_models/{good}")).await);
    assert!(listed.as_array().is_some_and(|l| !l.is_empty() && l.iter().all(Value::is_string)), "{listed}");
    assert_eq!(c.admin.get(&format!("/api/channel/fetch_models/{bad}")).await.json()["success"], json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_channels_are_tested_in_the_background_one_run_at_a_time() {
    let c = cast().await;
    let upstream = FakeUpstream::start(Vendor::OpenAi).await;
    let ids = [
        channel(&c.admin, "a", &upstream.url(), Vendor::OpenAi.key()).await,
        channel(&c.admin, "b", &upstream.url(), "sk-of-nobody").await,
        channel(&c.admin, "c", &upstream.url(), Vendor::OpenAi.key()).await,
    ];
    let idle = told(&c.admin.get("/api/channel/test/progress").await);
    assert_eq!(idle["running"], json!(false));
    // All at once: one run is begun, the others are told so.
    let tries = (0..8).map(|_| c.admin.get("/api/channel/test"));
    let tries = futures_util::future::join_all(tries).await;
    let begun: Vec<bool> = tries.iter().map(|t| t.json()["success"] == json!(true)).collect();
    assert!(begun.contains(&true));
    for refusal in tries.iter().filter(|t| t.json()["success"] == json!(false)) {
        assert_eq!(refusal.json()["message"], json!("测试已在运行中"));
    }
    for _ in 0..200 {
        let state = told(&c.admin.get("/api/channel/test/progress").await);
        if state["running"] == json!(false) {
            for id in ids {
                let row = told(&c.admin.get(&format!("/api/channel/{id}")).await);
                assert!(row["test_time"].as_i64().is_some_and(|t| t > 0), "{row}");
            }
            assert_eq!(told(&c.admin.get("/api/channel/test/progress").await)["running"], json!(false));
            let asked = upstream.requests_to("/chat/completions");
            assert!(asked.len() >= ids.len(), "each with its first model");
            told(&c.admin.get("/api/channel/test").await);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the run never ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_channels_are_changed_at_once() {
    let c = cast().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(channel(&c.admin, name, "http://127.0.0.1:9", "sk-key-of-it").await);
    }
    let tagged = told(&c.admin.post("/api/channel/batch/tag", json!({ "ids": [ids[0], ids[1]], "tag": "t" })).await);
    assert_eq!(tagged, json!(2));
    told(&c.admin.post("/api/channel/tag/disabled", json!({ "tag": "t" })).await);
    let off = told(&c.admin.get("/api/channel?status=disabled").await);
    assert_eq!(off.as_array().map(Vec::len), Some(2));
    told(&c.admin.post("/api/channel/tag/enabled", json!({ "tag": "t" })).await);
    let form = json!({ "tag": "t", "models": "gpt-4o", "priority": 7, "model_mapping": "{\"x\":\"y\"}" });
    told(&c.admin.call("PUT", "/api/channel/tag", form).await);
    let row = told(&c.admin.get(&format!("/api/channel/{}", ids[0])).await);
    assert_eq!(
        (&row["models"], &row["priority"], &row["model_mapping"]),
        (&json!("gpt-4o"), &json!(7), &json!("{\"x\":\"y\"}"))
    );
    assert_eq!(told(&c.admin.get("/api/channel/tag/models?tag=t").await), json!("gpt-4o"));
    refused(&c.admin.get("/api/channel/tag/models").await, 400, "which tag?");
    refused(&c.admin.post("/api/channel/tag/disabled", json!({})).await, 400, "which tag?");
    let copied = told(&c.admin.post(&format!("/api/channel/copy/{}", ids[0]), json!({})).await)["id"].as_i64();
    let row = told(&c.admin.get(&format!("/api/channel/{}", copied.expect("an id"))).await);
    assert_eq!((&row["name"], &row["tag"]), (&json!("a_复制"), &json!("t")));
    assert_eq!(told(&c.admin.post("/api/channel/fix", json!({})).await), json!({ "success": 4, "fails": 0 }));
    told(&c.admin.call("PUT", "/api/channel", json!({ "id": ids[2], "status": 2 })).await);
    assert_eq!(told(&c.admin.call("DELETE", "/api/channel/disabled", Value::Null).await), json!(1));
    assert_eq!(told(&c.admin.post("/api/channel/batch", json!({ "ids": [ids[0], ids[2]] })).await), json!(1));
    refused(&c.admin.post("/api/channel/batch", json!({ "ids": [] })).await, 400, "none named");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_prices_are_what_channels_serve() {
    let c = cast().await;
    assert_eq!(told(&c.ann.get("/api/user/models").await), json!([]));
    channel(&c.admin, "a", "http://127.0.0.1:9", "sk-key-of-it").await;
    assert_eq!(told(&c.ann.get("/api/user/models").await), json!(["gpt-4o", "gpt-4o-mini"]));
    assert_eq!(told(&c.admin.get("/api/channel/models_enabled").await), json!(["gpt-4o", "gpt-4o-mini"]));
    let all = told(&c.admin.get("/api/channel/models").await);
    assert!(all.as_array().is_some_and(|l| l.iter().any(|m| m["id"] == "gpt-4o" && m["object"] == "model")));
    let by_type = told(&c.ann.get("/api/models").await);
    assert!(by_type["1"].as_array().is_some_and(|l| l.contains(&json!("gpt-4o"))), "{by_type}");
    assert!(by_type["14"].as_array().is_some_and(|l| !l.is_empty()), "{by_type}");
    let pricing = c.nobody.get("/api/pricing").await;
    let rows = told(&pricing);
    let row = rows.as_array().and_then(|l| l.iter().find(|r| r["model_name"] == "gpt-4o")).cloned().unwrap_or_default();
    // 2.5 and 10 dollars a million tokens.
    assert_eq!((&row["model_ratio"], &row["completion_ratio"]), (&json!(1.25), &json!(4.0)), "{row}");
    assert_eq!((&row["quota_type"], &row["enable_groups"]), (&json!(0), &json!(["default"])));
    assert_eq!(at(&pricing.json(), "group_ratio.default"), &json!(1.0));
    assert_eq!(at(&told(&c.root.get("/api/ratio_config").await), "model_ratio.gpt-4o"), &json!(1.25));
}

#[tokio::test(flavor = "multi_thread")]
async fn vendors_tell_what_is_left() {
    use axum::Json;
    use axum::routing::get;
    let c = cast().await;
    let granted = || async { Json(json!({ "hard_limit_usd": 20.0 })) };
    let used = || async { Json(json!({ "total_usage": 550.0 })) };
    let deepseek = || async { Json(json!({ "balance_infos": [{ "total_balance": "72.00" }] })) };
    let vendor = axum::Router::new()
        .route("/v1/dashboard/billing/subscription", get(granted))
        .route("/v1/dashboard/billing/usage", get(used))
        .route("/user/balance", get(deepseek));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, vendor).await });

    let id = channel(&c.admin, "a", &url, "sk-key-of-it").await;
    let told_left = c.admin.get(&format!("/api/channel/update_balance/{id}")).await.json();
    assert_eq!((&told_left["success"], &told_left["balance"]), (&json!(true), &json!(14.5)), "{told_left}");
    let row = told(&c.admin.get(&format!("/api/channel/{id}")).await);
    assert_eq!((&row["balance"], row["balance_updated_time"].as_i64().is_some_and(|t| t > 0)), (&json!(14.5), true));
    let form =
        json!({ "name": "d", "type": 43, "key": "sk-d", "base_url": format!("{url}/v1"), "models": "deepseek-chat" });
    let yuan = told(&c.admin.post("/api/channel", form).await)["id"].as_i64().expect("an id");
    let left = c.admin.get(&format!("/api/channel/update_balance/{yuan}/")).await.json();
    assert_eq!(left["balance"], json!(10.0), "{left}");
    let form = json!({ "name": "c", "type": 14, "key": "sk-ant", "base_url": url, "models": "claude-3" });
    let silent = told(&c.admin.post("/api/channel", form).await)["id"].as_i64().expect("an id");
    refused(&c.admin.get(&format!("/api/channel/update_balance/{silent}")).await, 200, "a vendor that does not tell");
    told(&c.admin.get("/api/channel/update_balance/").await);
}

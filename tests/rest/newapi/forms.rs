//! Forms as the deployed system's own pages send them: what was emptied is left out of them. And what those pages
//! say when a form is refused.

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Client, at};
use serde_json::{Value, json};

use super::{cast, deployed, refused, told};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_emptied_in_the_form_of_a_token_is_empty() {
    let c = cast().await;
    let page = deployed(&c.ann);
    let form = json!({ "name": "t", "remain_quota": 1000, "expired_time": -1, "unlimited_quota": false,
        "model_limits_enabled": false, "model_limits": "", "allow_ips": "10.0.0.1", "group": "default" });
    let id = told(&c.ann.post("/api/token", form).await)["id"].as_i64().expect("an id");
    let path = format!("/api/token/{id}");
    let read = async || {
        let row = told(&c.ann.get(&path).await);
        (row["allow_ips"].clone(), row["group"].clone())
    };
    let was = (json!("10.0.0.1"), json!("default"));
    let form = json!({ "id": id, "name": "t", "remain_quota": 1000, "expired_time": -1, "unlimited_quota": false,
        "model_limits_enabled": false, "model_limits": "", "status": 1 });
    told(&c.ann.call("PUT", "/api/token", form.clone()).await);
    assert_eq!(read().await, was, "as documented, what is not named stays");
    told(&page.call("PUT", "/api/token/?status_only=true", form.clone()).await);
    assert_eq!(read().await, was, "of the switch only the status counts");
    told(&page.call("PUT", "/api/token/", json!({ "id": id, "name": "other" })).await);
    assert_eq!(read().await, was, "that was not the whole form");
    told(&page.call("PUT", "/api/token/", form).await);
    assert_eq!(read().await, (json!(""), json!("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_emptied_in_the_form_of_a_person_is_empty() {
    let c = cast().await;
    let page = deployed(&c.admin);
    let form = json!({ "username": "bob", "password": "password123", "display_name": "Bob", "remark": "late" });
    let id = told(&c.admin.post("/api/user", form).await)["id"].as_i64().expect("an id");
    let path = format!("/api/user/{id}");
    let read = async || {
        let row = told(&c.admin.get(&path).await);
        (row["display_name"].clone(), row["remark"].clone())
    };
    let was = (json!("Bob"), json!("late"));
    let form = json!({ "id": id, "username": "bob", "quota": 500, "group": "default" });
    told(&c.admin.call("PUT", "/api/user", form.clone()).await);
    assert_eq!(read().await, was, "as documented, what is not named stays");
    told(&page.call("PUT", "/api/user/", json!({ "id": id, "quota": 600 })).await);
    assert_eq!(read().await, was, "that was not the whole form");
    told(&page.call("PUT", "/api/user/", form).await);
    assert_eq!(read().await, (json!(""), json!("")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_is_listed_as_such_where_the_page_shows_it() {
    let c = cast().await;
    let form = json!({ "username": "bob", "password": "password123" });
    let id = told(&c.admin.post("/api/user", form).await)["id"].clone();
    let listed = async |client: &Client, path: &str| {
        let page = told(&client.get(path).await);
        let rows = page.as_array().or_else(|| page["items"].as_array()).cloned().expect("rows");
        rows.into_iter().find(|row| row["id"] == id)
    };
    let page = deployed(&c.admin);
    let row = listed(&page, "/api/user/?p=1&page_size=100").await.expect("a row");
    assert_eq!(row["DeletedAt"], Value::Null);
    told(&page.post("/api/user/manage", json!({ "id": id, "action": "delete" })).await);
    let row = listed(&page, "/api/user/?p=1&page_size=100").await.expect("a row");
    assert!(row["DeletedAt"].as_str().is_some_and(|at| at.contains('T')), "{row}");
    let row = listed(&page, "/api/user/search?keyword=bob&group=&p=1&page_size=100").await.expect("a row");
    assert!(row["DeletedAt"].is_string(), "{row}");
    assert!(listed(&c.admin, "/api/user?p=1&page_size=100").await.is_none(), "not as documented");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_address_is_tested_as_it_is_called() {
    let c = cast().await;
    let upstream = FakeUpstream::start(Vendor::OpenAi).await;
    let whole = format!("{}/v1/chat/completions", upstream.url());
    let form = json!({ "name": "custom", "type": 8, "key": Vendor::OpenAi.key(), "base_url": whole, "group": "default",
        "models": "text-embedding-3-small,my-chat,gpt-4o", "model_mapping": "{\"my-chat\":\"gpt-4o-mini\"}" });
    let id = told(&c.admin.post("/api/channel", form).await)["id"].as_i64().expect("an id");
    // No model is named and the channel has none for tests: the first it lists that can be talked to is asked.
    told(&deployed(&c.admin).get(&format!("/api/channel/test/{id}?model=")).await);
    let seen = upstream.last();
    let body: Value = serde_json::from_slice(&seen.body).expect("JSON");
    assert_eq!((seen.path.as_str(), &body["model"]), ("/v1/chat/completions", &json!("gpt-4o-mini")));
    told(&c.admin.get(&format!("/api/channel/test/{id}?model=gpt-4o")).await);
    let body: Value = serde_json::from_slice(&upstream.last().body).expect("JSON");
    assert_eq!(body["model"], json!("gpt-4o"));
    let models = told(&c.admin.get(&format!("/api/channel/fetch_models/{id}")).await);
    assert!(models.as_array().is_some_and(|list| list.contains(&json!("gpt-4o"))), "{models}");
    assert_eq!(upstream.last().path, "/v1/models");
    // Without a model to talk to, the upstream is asked for its list.
    told(&c.admin.call("PUT", "/api/channel", json!({ "id": id, "models": "text-embedding-3-small" })).await);
    upstream.forget();
    told(&c.admin.get(&format!("/api/channel/test/{id}")).await);
    assert_eq!(upstream.last().path, "/v1/models");
}

#[tokio::test(flavor = "multi_thread")]
async fn mapped_statuses_come_back_as_the_text_they_were() {
    let c = cast().await;
    let form = json!({ "name": "n", "type": 1, "key": "sk-1", "base_url": "http://127.0.0.1:9", "models": "gpt-4o",
        "status_code_mapping": "{\"400\":\"500\"}" });
    let id = told(&c.admin.post("/api/channel", form).await)["id"].as_i64().expect("an id");
    let read = async || told(&c.admin.get(&format!("/api/channel/{id}")).await)["status_code_mapping"].clone();
    assert_eq!(read().await, json!("{\"400\":\"500\"}"));
    told(&c.admin.call("PUT", "/api/channel/", json!({ "id": id, "status_code_mapping": "" })).await);
    assert_eq!(read().await, json!(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_chinese() {
    let c = cast().await;
    let says = |answer: &harness::Answer, text: &str| {
        let body = answer.json();
        assert_eq!((&body["success"], &body["message"]), (&json!(false), &json!(text)), "{body}");
    };
    let channel = |kind: i64| {
        let nobody = "http://127.0.0.1:9";
        json!({ "name": "n", "type": kind, "key": "sk-1", "base_url": nobody, "models": "m" })
    };
    let away = told(&c.admin.post("/api/channel", channel(1)).await)["id"].clone();
    let tested = c.admin.get(&format!("/api/channel/test/{away}")).await;
    says(&tested, "无法连接上游");
    assert_eq!(at(&tested.json(), "data.status"), &json!("error"));
    says(&c.admin.get(&format!("/api/channel/fetch_models/{away}")).await, "无法连接上游");
    let silent = told(&c.admin.post("/api/channel", channel(14)).await)["id"].clone();
    says(&c.admin.get(&format!("/api/channel/update_balance/{silent}")).await, "此类型的渠道不支持查询余额");
    let form = json!({ "name": "t", "allow_ips": "nowhere" });
    says(&c.ann.post("/api/token", form).await, "nowhere 不是有效的 IP 地址或网段");
    let form = json!({ "name": "t", "expired_time": 1 });
    says(&c.ann.post("/api/token", form).await, "过期时间不能早于当前时间");
    let form = json!({ "username": "bob", "password": "short" });
    says(&c.admin.post("/api/user", form).await, "密码长度必须为 8-128 个字符");
    says(&c.ann.post("/api/user/topup", json!({ "key": "no-such-card" })).await, "无效的兑换码");
    let form = json!({ "name": "card", "quota": 500, "count": 1, "key": "once-and-no-more" });
    told(&c.admin.post("/api/redemption", form).await);
    told(&c.ann.post("/api/user/topup", json!({ "key": "once-and-no-more" })).await);
    says(&c.admin.post("/api/user/topup", json!({ "key": "once-and-no-more" })).await, "该兑换码已被使用");
    let form = json!({ "name": "card", "quota": 500, "count": 1, "expired_time": 1 });
    says(&c.admin.post("/api/redemption", form).await, "过期时间不能早于当前时间");
    let weak = c.ann.get("/api/group").await;
    refused(&weak, 403, "somebody without the role");
    says(&weak, "无权进行此操作，权限不足");
    let stale = c.nobody.with("cookie", "session=nobody-has-this").with("new-api-user", "1");
    says(&stale.get("/api/user/self").await, "无权进行此操作，登录已失效，请重新登录");
}

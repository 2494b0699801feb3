//! Tokens: keys of one's own.

use harness::at;
use serde_json::{Value, json};

use super::{cast, deployed, refused, told};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_changed_in_part_and_removed() {
    let c = cast().await;
    let form = json!({ "name": "我的Token", "remain_quota": 1000, "unlimited_quota": false, "expired_time": -1,
        "group": "default" });
    let made = c.ann.post("/api/token", form).await;
    assert_eq!(made.json()["message"], json!("Token创建成功"));
    let made = told(&made);
    let (id, key) = (made["id"].as_i64().expect("an id"), made["key"].as_str().expect("a key").to_owned());
    assert!(key.starts_with("sk-"));
    let list = c.ann.get("/api/token?p=1&size=10").await;
    assert!(!list.text.contains(&key), "the key is told once");
    let row = told(&list)[0].clone();
    assert_eq!(
        (&row["remain_quota"], &row["unlimited_quota"], &row["expired_time"]),
        (&json!(1000), &json!(false), &json!(-1))
    );
    assert_eq!(row["status"], json!(1));

    let changed = c
        .ann
        .call("PUT", "/api/token", json!({ "id": id, "name": "更新的Token名称", "status": 1, "remain_quota": 500 }))
        .await;
    assert_eq!(changed.json()["message"], json!("Token更新成功"));
    let row = told(&c.ann.get(&format!("/api/token/{id}")).await);
    assert_eq!(
        (&row["name"], &row["remain_quota"], &row["group"]),
        (&json!("更新的Token名称"), &json!(500), &json!("default"))
    );
    told(
        &c.ann.call("PUT", "/api/token/?status_only=true", json!({ "id": id, "status": 2, "name": "not this" })).await,
    );
    let row = told(&c.ann.get(&format!("/api/token/{id}")).await);
    assert_eq!((&row["status"], &row["name"]), (&json!(2), &json!("更新的Token名称")));
    let limits = json!({ "id": id, "model_limits_enabled": true, "model_limits": "gpt-4,gpt-4o", "allow_ips": "10.0.0.1\n10.1.0.0/16" });
    told(&c.ann.call("PUT", "/api/token", limits).await);
    let row = told(&c.ann.get(&format!("/api/token/{id}")).await);
    assert_eq!((&row["model_limits"], &row["allow_ips"]), (&json!("gpt-4,gpt-4o"), &json!("10.0.0.1\n10.1.0.0/16")));

    // A token without a word about its end has none.
    let bare = told(&c.ann.post("/api/token", json!({ "name": "bare" })).await)["id"].as_i64().expect("an id");
    let row = told(&c.ann.get(&format!("/api/token/{bare}")).await);
    assert_eq!((&row["expired_time"], &row["unlimited_quota"]), (&json!(-1), &json!(true)));
    let page = told(&deployed(&c.ann).get("/api/token/?p=1&size=1").await);
    assert_eq!((&page["total"], &page["page_size"], at(&page, "items.0.name")), (&json!(2), &json!(1), &json!("bare")));
    let hit = told(&c.ann.get(&format!("/api/token/search?keyword=&token={}", key.trim_start_matches("sk-"))).await);
    assert_eq!((&hit[0]["id"], hit.as_array().map(Vec::len)), (&json!(id), Some(1)));

    // Somebody else's are as good as not there, an administrator's own page included.
    for other in [&c.admin, &c.root] {
        refused(&other.get(&format!("/api/token/{id}")).await, 404, "somebody else's");
        refused(&other.call("PUT", "/api/token", json!({ "id": id, "name": "x" })).await, 404, "somebody else's");
        refused(&other.call("DELETE", &format!("/api/token/{id}"), Value::Null).await, 404, "somebody else's");
        refused(&other.post("/api/token/batch", json!({ "ids": [id] })).await, 404, "somebody else's");
    }
    refused(&c.ann.post("/api/token/batch", json!({ "ids": [] })).await, 400, "none named");
    refused(&c.ann.post("/api/token", json!({ "name": "n", "remain_quota": -1 })).await, 400, "less than nothing");
    let gone = c.ann.call("DELETE", &format!("/api/token/{id}"), Value::Null).await;
    assert_eq!(gone.json()["message"], json!("Token删除成功"));
    let batch = c.ann.post("/api/token/batch", json!({ "ids": [bare] })).await;
    assert_eq!((&batch.json()["message"], told(&batch)), (&json!("成功删除 1 个Token"), json!(1)));
    assert_eq!(told(&c.ann.get("/api/token").await), json!([]));
}

//! Lists are narrowed by everything their pages send along.

use serde_json::{Value, json};

use super::{Cast, cast, deployed, refused, told};

/// The values of a field in the rows of a page.
async fn column(c: &Cast, path: &str, field: &str) -> Vec<Value> {
    let page = told(&deployed(&c.admin).get(path).await);
    let rows = page["items"].as_array().unwrap_or_else(|| panic!("{path}: {page}"));
    rows.iter().map(|row| row[field].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_found_by_number_word_group_role_and_status() {
    let c = cast().await;
    let ann = told(&c.ann.get("/api/user/self").await)["id"].clone();
    let names = async |query: &str| {
        let path = format!("/api/user/search?p=1&page_size=10&{query}");
        column(&c, &path, "username").await
    };
    for (query, wanted) in [
        (format!("keyword={ann}&group="), json!(["ann"])),
        ("keyword=ANN&group=default".to_owned(), json!(["ann"])),
        ("keyword=ann&group=vip".to_owned(), json!([])),
        (format!("keyword={ann}&group=vip"), json!([])),
        ("keyword=98765&group=".to_owned(), json!([])),
        ("keyword=&group=&role=10".to_owned(), json!(["ada"])),
        ("role=100".to_owned(), json!(["admin"])),
        ("status=2".to_owned(), json!([])),
        ("status=1&role=1".to_owned(), json!(["ann"])),
    ] {
        assert_eq!(Value::from(names(&query).await), wanted, "{query}");
    }
    told(&c.admin.post("/api/user/manage", json!({ "id": ann, "action": "disable" })).await);
    assert_eq!(names("status=2").await, ["ann"]);
    for odd in ["role=7", "role=x", "status=9"] {
        refused(&deployed(&c.admin).get(&format!("/api/user/search?{odd}")).await, 200, odd);
    }
    // Page by page, the page of people begins with 0.
    let first = column(&c, "/api/user/?p=0&page_size=2", "username").await;
    let second = column(&c, "/api/user/?p=2&page_size=2", "username").await;
    assert_eq!((first.len(), second.len()), (2, 1), "{first:?} {second:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_found_by_number_and_name() {
    let c = cast().await;
    let admin = deployed(&c.admin);
    for name in ["summer", "winter"] {
        told(&admin.post("/api/redemption/", json!({ "name": name, "quota": 1, "count": 1 })).await);
    }
    let all = column(&c, "/api/redemption/?p=1&page_size=10", "id").await;
    let names = column(&c, "/api/redemption/?p=1&page_size=10", "name").await;
    let found = async |keyword: &str| {
        column(&c, &format!("/api/redemption/search?keyword={keyword}&p=1&page_size=10"), "name").await
    };
    assert_eq!((all.len(), found("").await.len()), (2, 2));
    assert_eq!(found(&all[0].to_string()).await, names[..1]);
    assert_eq!(found("summ").await, ["summer"]);
    assert_eq!(found("98765").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_found_by_what_is_shown_of_their_key() {
    let c = cast().await;
    let made = told(&c.ann.post("/api/token", json!({ "name": "mine" })).await);
    told(&c.ann.post("/api/token", json!({ "name": "other" })).await);
    let key = made["key"].as_str().expect("a key").trim_start_matches("sk-").to_owned();
    let found = async |token: &str| {
        let rows = told(&deployed(&c.ann).get(&format!("/api/token/search?keyword=&token={token}")).await);
        rows.as_array().expect("tokens").iter().map(|row| row["name"].clone()).collect::<Vec<Value>>()
    };
    let whole = format!("sk-{key}");
    for part in [key.as_str(), whole.as_str(), &key[..4], &key[key.len() - 4..]] {
        assert!(found(part).await.contains(&json!("mine")), "{part}");
    }
    assert_eq!(found(&key).await, ["mine"]);
    assert_eq!(found("no-such-key").await, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_narrowed_alike_in_both_shapes() {
    let c = cast().await;
    let mut ids = Vec::new();
    for (name, kind, tag) in [("one", 1, "blue"), ("two", 43, "blue"), ("three", 1, "")] {
        let form = json!({ "name": name, "type": kind, "key": "sk-1", "base_url": "http://127.0.0.1:9",
            "models": "gpt-4o", "group": "default", "tag": tag });
        ids.push(told(&c.admin.post("/api/channel", form).await)["id"].clone());
    }
    told(&c.admin.call("PUT", "/api/channel", json!({ "id": ids[1], "status": 2 })).await);
    for (query, wanted) in [
        ("type=43", vec!["two"]),
        ("type=", vec!["three", "two", "one"]),
        ("type=1&status=enabled", vec!["three", "one"]),
        ("status=0", vec!["two"]),
        ("status=2", vec!["two"]),
        ("status=3", vec![]),
        ("tag_mode=true", vec!["two", "one"]),
        ("tag_mode=TRUE&status=1", vec!["one"]),
        ("keyword=thr", vec!["three"]),
        ("group=vip", vec![]),
        ("model=4O", vec!["three", "two", "one"]),
    ] {
        let path = format!("/api/channel?p=1&page_size=10&id_sort=true&{query}");
        let rows = told(&c.admin.get(&path).await);
        let names: Vec<&str> =
            rows.as_array().expect("channels").iter().filter_map(|row| row["name"].as_str()).collect();
        assert_eq!(names, wanted, "{query}");
        assert_eq!(column(&c, &path, "name").await, wanted, "{query}");
    }
    refused(&c.admin.get("/api/channel?status=odd").await, 400, "no status");
    refused(&c.admin.get("/api/channel?type=odd").await, 400, "no type");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_found_by_their_whole_key() {
    let c = cast().await;
    let keys = [("one", 1, "sk-0123456789-of-one"), ("two", 25, "sk-0123456789-of-two"), ("pair", 50, "ak-1|sk-2")];
    for (name, kind, key) in keys {
        let form = json!({ "name": name, "type": kind, "key": key, "models": "m", "group": "default" });
        told(&c.admin.post("/api/channel", form).await);
    }
    let search = async |word: &str| {
        let word = word.replace('|', "%7C");
        let path = format!("/api/channel/search?keyword={word}&group=&model=&id_sort=true&p=1&page_size=10");
        let answer = deployed(&c.admin).get(&path).await;
        assert!(keys.iter().all(|(_, _, key)| !answer.text.contains(key)), "{}", answer.text);
        column(&c, &path, "name").await
    };
    for (name, _, key) in keys {
        assert_eq!(search(key).await, [name], "{key}");
    }
    for part in ["sk-0123456789", "0123456789-of-one", "SK-0123456789-OF-ONE", "ak-1", "sk-2"] {
        assert_eq!(search(part).await, Vec::<Value>::new(), "{part}");
    }
}

//! What the deployed system's own front end sends from its pages, as it sends it, and what it reads of the answers.

use harness::fake_upstream::{FakeUpstream, Vendor};
use harness::{Client, PASSWORD, TestApp, at};
use schema::clock::MINUTE;
use schema::model::account::Health;
use schema::service::account::{self, Mark};
use schema::service::setting;
use schema::{Micros, Role, Time};
use serde_json::{Value, json};

use super::{Cast, cast, deployed, refused, sign_in, told};
use crate::crs_console::{heard, host, server};

fn pages(client: &Client) -> Client {
    deployed(client)
}

/// A refusal as these pages hear it.
fn no(answer: &harness::Answer, part: &str) {
    says_no(answer, 200, part);
}

/// A refusal of an option whose page looks at nothing but the status.
fn no_aloud(answer: &harness::Answer, part: &str) {
    says_no(answer, 400, part);
}

fn says_no(answer: &harness::Answer, status: u16, part: &str) {
    refused(answer, status, part);
    assert!(answer.text.contains(part), "{part}: {}", answer.text);
}

async fn set(app: &TestApp, changes: &[(&str, &str)]) {
    let changes = changes.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned()))).collect();
    setting::put(&app.app, &app.system(), &changes).await.expect("settings");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_is_copied_from_the_list() {
    let app = TestApp::builder().clock_at(Time(1_800_000_000_000)).start().await;
    app.person("ann", Role::User, Micros(10_000_000)).await;
    let ann = pages(&sign_in(&app, "ann", harness::PASSWORD).await);
    // As the page sends it; it reads nothing of the answer but whether there was success.
    let form = json!({ "name": "first", "remain_quota": 500_000, "expired_time": -1, "unlimited_quota": true,
        "model_limits_enabled": false, "model_limits": "", "allow_ips": "", "group": "default" });
    told(&ann.post("/api/token/", form).await);
    let page = told(&ann.get("/api/token/?p=1&size=10").await);
    let key = at(&page, "items.0.key").as_str().expect("a key").to_owned();
    assert_eq!((key.len(), at(&page, "items.0.status")), (48, &json!(1)));
    let listed = app.anonymous().bearer(&format!("sk-{key}")).get("/v1/models").await;
    assert_eq!(listed.status, 200, "it is the key: {}", listed.text);
    // Its search names no page and is answered with the tokens alone.
    let found = told(&ann.get("/api/token/search?keyword=first&token=").await);
    assert_eq!((found.as_array().map(Vec::len), &found[0]["key"]), (Some(1), &json!(key)));
    let found = told(&ann.get(&format!("/api/token/search?keyword=&token={key}")).await);
    assert_eq!(found.as_array().map(Vec::len), Some(1));
    let page = told(&ann.get("/api/token/search?keyword=first&token=&p=1&size=10").await);
    assert_eq!(page["total"], json!(1), "a page that is asked for is one");
    // Clients of the document were told the key when it was made.
    let documented = sign_in(&app, "ann", harness::PASSWORD).await.get("/api/token").await;
    assert!(!documented.text.contains(&key), "{}", documented.text);
    app.app.clock.advance(11 * MINUTE);
    let later = ann.get("/api/token/?p=1&size=10").await;
    assert!(!later.text.contains(&key), "it is told for some minutes only: {}", later.text);
}

async fn channel(c: &Cast, name: &str, kind: i64, tag: &str) -> i64 {
    // The page sends its whole form.
    let form = json!({ "name": name, "type": kind, "key": "sk-1", "openai_organization": "", "max_input_tokens": 0,
        "base_url": "http://127.0.0.1:9", "other": "", "model_mapping": "", "status_code_mapping": "",
        "models": "gpt-4o,gpt-4o-mini", "auto_ban": 1, "test_model": "", "groups": ["default"], "priority": 0,
        "weight": 0, "tag": tag, "group": "default" });
    told(&pages(&c.admin).post("/api/channel/", form).await)["id"].as_i64().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_paged_by_tag_and_counted_by_type() {
    let c = cast().await;
    let admin = pages(&c.admin);
    let (one, two) = (channel(&c, "one", 1, "blue").await, channel(&c, "two", 25, "blue").await);
    let (three, _) = (channel(&c, "three", 1, "red").await, channel(&c, "four", 43, "").await);
    told(&admin.call("PUT", "/api/channel/", json!({ "id": two, "status": 2 })).await);
    let list =
        async |query: &str| told(&admin.get(&format!("/api/channel/?p=1&page_size=10&id_sort=true{query}")).await);
    let ids = |page: &Value| -> Vec<i64> {
        page["items"].as_array().expect("items").iter().filter_map(|row| row["id"].as_i64()).collect()
    };
    let page = list("&tag_mode=false&type=1").await;
    assert_eq!((ids(&page), &page["total"]), (vec![three, one], &json!(2)), "one type");
    assert_eq!(page["type_counts"], json!({ "1": 2, "25": 1, "43": 1 }), "and all types counted");
    let page = list("&tag_mode=false&type=25").await;
    assert_eq!(ids(&page), vec![two], "types of one protocol are kept apart");
    let page = list("&tag_mode=false&status=disabled").await;
    assert_eq!((ids(&page), &page["type_counts"]), (vec![two], &json!({ "25": 1 })));

    let page = list("&tag_mode=true").await;
    assert_eq!((ids(&page), &page["total"]), (vec![two, one, three], &json!(2)), "two tags, all their channels");
    let first = told(&admin.get("/api/channel/?p=1&page_size=1&id_sort=true&tag_mode=true").await);
    assert_eq!((ids(&first), &first["total"]), (vec![two, one], &json!(2)));
    let second = told(&admin.get("/api/channel/?p=2&page_size=1&id_sort=true&tag_mode=true").await);
    assert_eq!(ids(&second), vec![three]);
    let page = list("&tag_mode=true&status=enabled").await;
    assert_eq!(ids(&page), vec![one, three]);

    let search = "/api/channel/search?keyword=TWO&group=&model=&id_sort=true&p=1&page_size=10";
    assert_eq!(ids(&told(&admin.get(&format!("{search}&tag_mode=false")).await)), vec![two]);
    assert_eq!(ids(&told(&admin.get(&format!("{search}&tag_mode=true")).await)), vec![two, one], "with its tag");
    let by_number = format!("/api/channel/search?keyword={three}&group=default&model=mini&id_sort=true&tag_mode=false");
    assert!(ids(&told(&admin.get(&by_number).await)).contains(&three));
    let none = told(&admin.get("/api/channel/search?keyword=&group=vip&model=&tag_mode=false").await);
    assert_eq!((&none["total"], &none["type_counts"]), (&json!(0), &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_goes_through_its_form_and_back() {
    let c = cast().await;
    let admin = pages(&c.admin);
    let id = channel(&c, "one", 1, "").await;
    let read = async || told(&admin.get(&format!("/api/channel/{id}")).await);
    assert_eq!(read().await["weight"], json!(0), "as it was sent");
    for weight in [7, 0] {
        told(&admin.call("PUT", "/api/channel/", json!({ "id": id, "weight": weight })).await);
        assert_eq!(read().await["weight"], json!(weight));
    }
    told(&admin.call("PUT", "/api/channel/", json!({ "id": id, "tag": "t", "weight": 3 })).await);
    told(&admin.call("PUT", "/api/channel/tag", json!({ "tag": "t", "weight": 0 })).await);
    assert_eq!(read().await["weight"], json!(0), "by its tag");
    no(&admin.call("PUT", "/api/channel/", json!({ "id": id, "weight": -1 })).await, "weight");
    let send = async |changes: Value| {
        // The page sends back what it read, with what was changed.
        let mut form = read().await;
        form.as_object_mut().expect("a row").extend(changes.as_object().cloned().expect("changes"));
        admin.call("PUT", "/api/channel/", form).await
    };
    told(&send(json!({ "name": "renamed", "setting": "{\"proxy\":\"socks5://ann:hush@10.0.0.9:1080\"}" })).await);
    let row = read().await;
    assert_eq!(row["setting"], json!("{\"proxy\":\"socks5://ann:***@10.0.0.9:1080\"}"), "the password is covered");
    told(&send(json!({ "name": "again" })).await);
    let stored = account::get(&c.app.app, &c.app.system(), id).await.expect("an account");
    let proxy = account::open(&c.app.app, &stored).expect("opened").proxy.expect("a proxy");
    assert_eq!((proxy.host.as_str(), proxy.password.as_deref()), ("10.0.0.9", Some("hush")), "and kept");
    for (sent, kept) in [
        ("{\n  \"force_format\": true\n}", "{\"force_format\":true}"),
        ("{\"pass_through_body_enabled\":true,\"proxy\":\"\"}", "{\"pass_through_body_enabled\":true}"),
        ("{\"force_format\":false,\"thinking_to_content\":false}", ""),
        ("{\"force_format\":true}", "{\"force_format\":true}"),
    ] {
        told(&send(json!({ "setting": sent })).await);
        assert_eq!(read().await["setting"], json!(kept), "{sent}");
        let list = told(&admin.get("/api/channel/?p=1&page_size=10&id_sort=true&tag_mode=false").await);
        assert_eq!(at(&list, "items.0.setting"), &json!(kept), "{sent}");
    }
    told(&send(json!({ "name": "kept" })).await);
    assert_eq!(read().await["setting"], json!("{\"force_format\":true}"), "what is not changed stays");
    no(&send(json!({ "setting": "{\"thinking_to_content\":true}" })).await, "thinking_to_content");
    no(&send(json!({ "setting": "{\"system_prompt\":\"x\"}" })).await, "system_prompt");
    told(&send(json!({ "setting": "{\"proxy\":\"socks5://ann:hush@10.0.0.9:1080\"}" })).await);
    no(&send(json!({ "setting": "{\"proxy\":\"socks5://ann:***@10.0.0.8:1080\"}" })).await, "重新填写密码");
    // A copy is made of what the list showed, with the id in the place of the key.
    let mut copy = read().await;
    copy["key"] = json!(id.to_string());
    copy["name"] = json!("a copy");
    told(&admin.post("/api/channel/", copy.clone()).await);
    let list = told(&admin.get("/api/channel/?p=1&page_size=10&id_sort=true&tag_mode=false").await);
    let copied = at(&list, "items.0.id").as_i64().expect("an id");
    let stored = account::get(&c.app.app, &c.app.system(), copied).await.expect("an account");
    let proxy = account::open(&c.app.app, &stored).expect("opened").proxy.expect("a proxy");
    assert_eq!((stored.name.as_str(), proxy.password.as_deref()), ("a copy", Some("hush")));
    told(&admin.call("DELETE", &format!("/api/channel/{copied}/"), Value::Null).await);
    copy["key"] = json!("sk-another");
    no(&admin.post("/api/channel/", copy).await, "重新填写密码");
    told(&send(json!({ "setting": "" })).await);
    assert_eq!(read().await["setting"], json!(""));

    // A channel that its failures took out is not switched off by saving its form.
    let note = "the vendor does not accept the credential (the vendor answered 401)";
    let mark = Mark { health: Health::Blocked, cool_until: None, note, status: 401 };
    account::mark(&c.app.app, id, mark).await.expect("marked");
    let row = read().await;
    assert_eq!(row["status"], json!(3));
    let why: Value = serde_json::from_str(row["other_info"].as_str().expect("text")).expect("JSON");
    assert_eq!(why["status_reason"], json!("上游不接受此渠道的密钥（上游返回状态码 401）"));
    told(&send(json!({ "name": "still" })).await);
    let stored = account::get(&c.app.app, &c.app.system(), id).await.expect("an account");
    assert!(stored.enabled, "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_of_other_installations_are_compared() {
    let c = cast().await;
    let told_there = json!({ "success": true, "data": { "model_ratio": { "gpt-4o": 2.5, "gpt-4o-mini": 0.075 },
        "completion_ratio": { "gpt-4o": 4 }, "model_price": { "somebodys-own": 0.1 } } });
    let (url, ears) = server(vec![told_there.to_string()]).await;
    let base = url.trim_end_matches("/hook").to_owned();
    let form =
        json!({ "name": "other", "type": 1, "key": "k", "base_url": base, "models": "gpt-4o", "group": "default" });
    told(&c.admin.post("/api/channel", form).await);
    let root = pages(&c.root);
    let channels = told(&root.get("/api/ratio_sync/channels").await);
    let chosen = channels[0].clone();
    assert_eq!((&chosen["name"], &chosen["base_url"], &chosen["status"]), (&json!("other"), &json!(base), &json!(1)));
    let asked = |endpoint: &str| {
        let one = json!({ "id": chosen["id"], "name": chosen["name"], "base_url": chosen["base_url"],
            "endpoint": endpoint });
        json!({ "upstreams": [one], "timeout": 10 })
    };
    let answer = told(&root.post("/api/ratio_sync/fetch", asked("/api/ratio_config")).await);
    let name = format!("other({})", chosen["id"]);
    assert_eq!(answer["test_results"], json!([{ "name": name, "status": "success" }]));
    let differs = &answer["differences"];
    assert_eq!(differs["gpt-4o"]["model_ratio"]["current"], json!(1.25), "{differs}");
    assert_eq!(differs["gpt-4o"]["model_ratio"]["upstreams"][&name], json!(2.5));
    assert_eq!(differs["gpt-4o"]["model_ratio"]["confidence"][&name], json!(true));
    assert!(differs["gpt-4o"].get("completion_ratio").is_none() && differs.get("gpt-4o-mini").is_none(), "{differs}");
    assert_eq!(differs["somebodys-own"]["model_price"]["current"], Value::Null);
    assert_eq!(ears.lock().expect("a lock")[0].path, "/api/ratio_config");

    // An address of nobody's channel is asked only where any may be asked.
    let stray = json!({ "upstreams": [{ "id": 0, "name": "stray", "base_url": base, "endpoint": "" }] });
    let answer = told(&root.post("/api/ratio_sync/fetch", stray.clone()).await);
    assert_eq!(at(&answer, "test_results.0.status"), &json!("error"), "{answer}");
    set(&c.app, &[("webhook_allowed_hosts", &host(&base))]).await;
    let answer = told(&root.post("/api/ratio_sync/fetch", stray).await);
    assert_eq!(at(&answer, "test_results.0.status"), &json!("success"), "{answer}");
    no(&root.post("/api/ratio_sync/fetch", json!({ "upstreams": [], "timeout": 10 })).await, "请选择");
    refused(&pages(&c.admin).get("/api/ratio_sync/channels").await, 200, "an administrator is not enough");

    // And this installation can be asked by another.
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let broken =
        json!({ "upstreams": [{ "id": 0, "name": "no such page", "base_url": fake.url(), "endpoint": "/x" }] });
    let answer = told(&root.post("/api/ratio_sync/fetch", broken).await);
    assert_eq!(at(&answer, "test_results.0.status"), &json!("error"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_warned_of_a_low_balance_as_they_wish() {
    let c = cast().await;
    let (url, ears) = server(vec!["ok".into()]).await;
    set(&c.app, &[("webhook_allowed_hosts", &host(&url))]).await;
    let ann = pages(&c.ann);
    // As the page sends its form; ann has ten dollars.
    let form = |changes: Value| {
        let mut form = json!({ "notify_type": "webhook", "quota_warning_threshold": 1_000_000, "webhook_url": url,
            "webhook_secret": "hush", "notification_email": "", "accept_unset_model_ratio_model": false,
            "record_ip_log": true });
        form.as_object_mut().expect("a form").extend(changes.as_object().cloned().expect("changes"));
        form
    };
    let put = async |changes: Value| ann.call("PUT", "/api/user/setting", form(changes)).await;
    no(&put(json!({ "notify_type": "pigeon" })).await, "预警类型");
    no(&put(json!({ "quota_warning_threshold": 0 })).await, "阈值");
    no(&put(json!({ "webhook_url": "ftp://x" })).await, "Webhook");
    no(&put(json!({ "notify_type": "email", "notification_email": "a@example.com" })).await, "邮件服务器");
    no(&put(json!({ "record_ip_log": false })).await, "record_ip_log");
    told(&put(json!({})).await);
    let me = told(&ann.get("/api/user/self").await);
    let kept: Value = serde_json::from_str(me["setting"].as_str().expect("text")).expect("JSON");
    assert_eq!((&kept["notify_type"], &kept["webhook_secret"]), (&json!("webhook"), &json!("***")), "{kept}");
    assert_eq!((&kept["webhook_url"], &kept["record_ip_log"]), (&json!(url), &json!(true)));
    assert_eq!(kept["accept_unset_model_ratio_model"], json!(false));
    told(&put(json!({ "accept_unset_model_ratio_model": true, "quota_warning_threshold": 900_001 })).await);
    let me = told(&ann.get("/api/user/self").await);
    let kept: Value = serde_json::from_str(me["setting"].as_str().expect("text")).expect("JSON");
    let flag = &kept["accept_unset_model_ratio_model"];
    assert_eq!((flag, kept["quota_warning_threshold"].as_f64()), (&json!(true), Some(900_001.0)), "{kept}");
    told(&put(json!({})).await);
    told(&put(json!({ "webhook_secret": "***" })).await);
    // Nobody sees the secret, sealed or not, and whoever writes back what they see does not lose it.
    let query = "query { viewer { id preferences } }";
    let seen = c.app.sign_in("ann", harness::PASSWORD).await.data(query, json!({})).await;
    assert_eq!(at(&seen, "viewer.preferences.webhook_secret"), &json!("***"), "{seen}");
    assert_eq!(at(&seen, "viewer.preferences.webhook_url"), &json!(url));
    let write = "mutation ($input: UserChangeInput!) { userChange(input: $input) { user { preferences } userErrors { code } } }";
    let input = json!({ "id": at(&seen, "viewer.id"), "preferences": at(&seen, "viewer.preferences") });
    let back = c.app.sign_in("ann", harness::PASSWORD).await.data(write, json!({ "input": input })).await;
    assert_eq!(at(&back, "userChange.user.preferences.webhook_secret"), &json!("***"), "{back}");

    let id = me["id"].clone();
    let take = async |quota: i64| {
        let form = json!({ "id": id, "action": "add_quota", "mode": "override", "value": quota });
        told(&c.admin.post("/api/user/manage", form).await);
    };
    take(2_000_000).await;
    take(900_000).await;
    let first = heard(&ears, 1).await.remove(0);
    let body: Value = serde_json::from_str(&first.body).expect("JSON");
    assert_eq!((&body["type"], body["title"].is_string()), (&json!("quota_exceed"), true), "{body}");
    assert!(body["content"].as_str().is_some_and(|text| text.contains("$1.8")), "{body}");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"hush");
    let sign = schema::id::hex(ring::hmac::sign(&key, first.body.as_bytes()).as_ref());
    assert_eq!(first.headers.get("x-webhook-signature"), Some(&sign));
    // Nothing more until there was money in between.
    take(800_000).await;
    take(5_000_000).await;
    take(700_000).await;
    let all = heard(&ears, 2).await;
    assert!(all.len() == 2 && all[1].body.contains("$1.4"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_settings_find_their_fields_and_save_them_as_they_are() {
    let c = cast().await;
    let root = pages(&c.root);
    let options = told(&root.get("/api/option/").await);
    let value = |key: &str| {
        let all = options.as_array().expect("options");
        let found = all.iter().find(|option| option["key"] == key).unwrap_or_else(|| panic!("no {key}"));
        found["value"].as_str().expect("text").to_owned()
    };
    // Fields whose pages refuse to save a text that is no JSON.
    for key in [
        "gemini.safety_settings",
        "gemini.version_settings",
        "gemini.supported_imagine_models",
        "claude.model_headers_settings",
        "claude.default_max_tokens",
        "ModelRequestRateLimitGroup",
        "GroupRatio",
        "UserUsableGroups",
        "GroupGroupRatio",
        "AutoGroups",
        "ModelPrice",
        "ModelRatio",
        "CacheRatio",
        "CompletionRatio",
    ] {
        let text = value(key);
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{key}: {text}");
        told(&root.call("PUT", "/api/option/", json!({ "key": key, "value": text })).await);
    }
    // A page that was not touched saves what its fields make of what they were told: no number below one.
    assert!(value("ModelRequestRateLimitSuccessCount").parse::<i64>().is_ok_and(|n| n >= 1));
    for (key, sent) in [("ModelRequestRateLimitSuccessCount", "1000"), ("WorkerAllowHttpImageRequestEnabled", "false")]
    {
        told(&root.call("PUT", "/api/option/", json!({ "key": key, "value": sent })).await);
    }
    // Fields that nobody filled are sent without a value.
    for key in ["TelegramBotToken", "TelegramBotName", "WeChatServerAddress", "oidc.well_known", "WorkerUrl"] {
        told(&root.call("PUT", "/api/option/", json!({ "key": key })).await);
    }
    no_aloud(
        &root.call("PUT", "/api/option/", json!({ "key": "WorkerUrl", "value": "https://w.example" })).await,
        "WorkerUrl",
    );
    no_aloud(&root.call("PUT", "/api/option/", json!({ "key": "no.such.option" })).await, "no.such.option");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_chats_reads_a_list_whatever_is_kept() {
    let c = cast().await;
    let root = pages(&c.root);
    let kept = async || {
        let options = told(&root.get("/api/option/").await);
        let all = options.as_array().expect("options").clone();
        let chats = all.into_iter().find(|option| option["key"] == "Chats").expect("the option");
        serde_json::from_str::<Value>(chats["value"].as_str().expect("text")).expect("the page parses it")
    };
    assert_eq!(kept().await, json!([]));
    let put = async |value: &str| root.call("PUT", "/api/option/", json!({ "key": "Chats", "value": value })).await;
    told(&put("[\n  {\n    \"Next\": \"https://chat.example/#k={key}\"\n  }\n]").await);
    assert_eq!(kept().await, json!([{ "Next": "https://chat.example/#k={key}" }]));
    assert_eq!(told(&c.nobody.get("/api/status").await)["chats"], kept().await);
    no_aloud(&put("{").await, "JSON");
    told(&put("[]").await);
    assert_eq!((kept().await, told(&c.nobody.get("/api/status").await)["chats"].clone()), (json!([]), json!([])));
    set(&c.app, &[("chat_link", "https://chat.example")]).await;
    assert_eq!(kept().await, json!([{ "chat": "https://chat.example" }]), "one address, kept by another face");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playground_talks_for_whoever_is_signed_in() {
    let c = cast().await;
    let upstream = FakeUpstream::start(Vendor::OpenAi).await;
    let form = json!({ "name": "good", "type": 1, "key": Vendor::OpenAi.key(), "base_url": upstream.url(),
        "models": "gpt-4o", "group": "default" });
    told(&c.admin.post("/api/channel", form).await);
    let talk = |stream: bool| {
        json!({ "model": "gpt-4o", "group": "default", "stream": stream, "temperature": 0.7, "top_p": 1,
            "messages": [{ "role": "user", "content": "Say hello." }] })
    };
    let said = c.ann.post("/pg/chat/completions", talk(false)).await;
    assert_eq!(said.status, 200, "{}", said.text);
    assert!(at(&said.json(), "choices.0.message.content").is_string(), "{}", said.text);
    let said = c.ann.post("/pg/chat/completions", talk(true)).await;
    assert!(said.header("content-type").starts_with("text/event-stream"), "{}", said.text);
    assert!(said.text.trim_end().ends_with("data: [DONE]"), "{}", said.text);
    assert!(upstream.last().json().get("group").is_none(), "what is this system's own goes no further");
    // One key stands for the person, and is none of the tokens that they may hand out.
    assert_eq!(told(&c.ann.get("/api/token").await), json!([]));
    let owner = schema::model::api_key::KeyFilter { source: Some("playground".into()), ..Default::default() };
    let kept = schema::service::api_key::count(&c.app.app, &c.app.system(), &owner).await.expect("a count");
    assert_eq!(kept, 1);
    // What the relay says of a call is told by its own status.
    let unknown = pages(&c.ann).post("/pg/chat/completions", json!({ "model": "no-such", "messages": [] })).await;
    assert!(unknown.status.is_client_error(), "{}", unknown.text);
    refused(&c.nobody.post("/pg/chat/completions", talk(false)).await, 401, "nobody");
    let unknown = c.ann.post("/pg/chat/completions", json!({ "model": "no-such", "messages": [] })).await;
    assert!(unknown.status.is_client_error() && unknown.json()["error"].is_object(), "{}", unknown.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_playground_finds_a_relay_that_is_elsewhere() {
    let talk = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Say hello." }] });
    let alone = TestApp::builder().env("ROLES", "graphql").start().await;
    let root = sign_in(&alone, "admin", harness::app::ADMIN_PASSWORD).await;
    let no = root.post("/pg/chat/completions", talk.clone()).await;
    assert!(no.text.contains("RELAY_URL"), "{}", no.text);
    let elsewhere = FakeUpstream::start(Vendor::OpenAi).await;
    let told = TestApp::builder().env("ROLES", "graphql").env("RELAY_URL", &elsewhere.url()).start().await;
    let root = sign_in(&told, "admin", harness::app::ADMIN_PASSWORD).await;
    root.post("/pg/chat/completions", talk).await;
    assert_eq!(elsewhere.last().path, "/v1/chat/completions");
    let key = elsewhere.last().headers["authorization"].to_str().expect("text").to_owned();
    assert!(key.starts_with("Bearer sk-"), "a key of the person's own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_has_ended_stands_in_nobodys_way() {
    let c = cast().await;
    let login = json!({ "username": "ann", "password": PASSWORD });
    let stale = |c: &Cast| c.app.anonymous().with("cookie", "session=of-long-ago").with("new-api-user", "-1");
    assert_eq!(stale(&c).get("/api/user/self").await.status, 401, "it opens nothing");
    let out = stale(&c).get("/api/user/logout").await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}: {}", out.status, out.text);
    told(&stale(&c).post("/api/user/login", login).await);
    let new = json!({ "username": "newcomer", "password": "newcomer-1234" });
    told(&stale(&c).post("/api/user/register", new).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_goes_on_after_it_changed_the_password() {
    let c = cast().await;
    let other = sign_in(&c.app, "ann", PASSWORD).await;
    let form = json!({ "original_password": PASSWORD, "password": "another-word-1" });
    let done = c.ann.call("PUT", "/api/user/self", form).await;
    told(&done);
    let line = done.header("set-cookie").to_owned();
    let cookie = line.split(';').next().expect("a cookie");
    let on = c.app.anonymous().with("cookie", cookie);
    let id = told(&sign_in(&c.app, "ann", "another-word-1").await.get("/api/user/self").await)["id"].to_string();
    told(&on.with("new-api-user", &id).get("/api/user/self").await);
    assert_eq!(other.get("/api/user/self").await.status, 401, "every other session has ended");
}

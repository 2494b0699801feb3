//! People by their addresses, what they have read, and what nobody here decides.

use harness::app::ADMIN_PASSWORD;
use harness::{Answer, at};
use serde_json::{Value, json};

use super::{cast, refused};

fn id_of(made: &Answer) -> String {
    assert_eq!(made.status, 200, "{}", made.text);
    at(&made.json(), "data.user.id").as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_ended_does_not_stand_in_the_way_of_signing_in() {
    let c = cast().await;
    let form = json!({ "username": "admin", "password": ADMIN_PASSWORD });
    for path in ["/api/admin/auth/login", "/api/v1/admin/auth/login"] {
        let entered = c.nobody.bearer("eyJhbGciOiJIUzI1NiJ9.e30.x").post(path, form.clone()).await;
        assert_eq!(entered.status, 200, "{path}: {}", entered.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_address_will_do_and_one_that_was_given_up_is_free() {
    let c = cast().await;
    let make = |email: &str| {
        let form = json!({ "name": "n", "email": email, "password": "temporary_password" });
        let root = c.root.clone();
        async move { root.post("/api/admin/users", form).await }
    };
    let enters = |email: &str| {
        let form = json!({ "email": email, "password": "temporary_password" });
        let nobody = c.nobody.clone();
        async move { nobody.post("/api/v1/auth/login", form).await.status }
    };
    // Longer than a name may be, and with letters that no name has.
    let long = format!("{}@{}.example.com", "a".repeat(60), "b".repeat(60));
    for email in [long.as_str(), "o'brien&sons@example.com"] {
        id_of(&make(email).await);
        assert_eq!(enters(email).await, 200, "{email}");
        let twice = make(email).await;
        refused(&twice, 400, "VALIDATION_ERROR", "the same address twice");
    }
    let first = id_of(&make("first@example.com").await);
    let twice = make("First@example.com").await;
    assert_eq!(at(&twice.json(), "error.details"), &json!("this e-mail address is registered already"));
    let one = format!("/api/admin/users/{first}");
    let change = json!({ "email": "second@example.com" });
    assert_eq!(c.root.call("PUT", &one, change).await.status, 200);
    let other = id_of(&make("first@example.com").await);
    assert_ne!(first, other);
    for email in ["first@example.com", "second@example.com"] {
        assert_eq!(enters(email).await, 200, "{email}");
    }
    let taken = c.root.call("PUT", &one, json!({ "email": "first@example.com" })).await;
    refused(&taken, 400, "VALIDATION_ERROR", "somebody else's address");
    assert_eq!(at(&taken.json(), "error.details"), &json!("this e-mail address is registered already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_has_read_nothing() {
    let c = cast().await;
    let form = json!({ "name": "n", "email": "gone@example.com", "password": "temporary_password" });
    let id = id_of(&c.root.post("/api/admin/users", form).await);
    let gone = crate::massrouter::sign_in(&c.app, "gone@example.com", "temporary_password").await;
    let made = c.admin.post("/api/admin/announcements", json!({ "title": "t", "content": "c" })).await.json();
    let news = at(&made, "data.announcement.id").as_str().expect("an id").to_owned();
    assert_eq!(c.admin.post(&format!("/api/admin/announcements/{news}/publish"), json!({})).await.status, 200);
    for reader in [&gone, &c.user] {
        assert_eq!(reader.post(&format!("/api/announcements/{news}/read"), json!({})).await.status, 200);
    }
    let stats = format!("/api/admin/announcements/{news}/stats");
    let before = c.admin.get(&stats).await.json();
    assert_eq!((at(&before, "data.readCount"), at(&before, "data.totalUsers")), (&json!(2), &json!(4)), "{before}");
    assert_eq!(c.root.call("DELETE", &format!("/api/admin/users/{id}"), Value::Null).await.status, 200);
    let after = c.admin.get(&stats).await.json();
    assert_eq!((at(&after, "data.readCount"), at(&after, "data.totalUsers")), (&json!(1), &json!(3)), "{after}");
    assert_eq!(at(&after, "data.readRate"), &json!(33.3), "{after}");
    assert_eq!(at(&after, "data.readTrend.0.count"), &json!(1), "{after}");
    let list = c.admin.get("/api/admin/announcements").await.json();
    assert_eq!(at(&list, "data.announcements.0.readCount"), &json!(1), "{list}");
    refused(&c.user.get("/api/announcements?unreadOnly=perhaps").await, 400, "VALIDATION_ERROR", "neither");
    let all = c.user.get("/api/announcements?unreadOnly=false").await.json();
    assert_eq!(at(&all, "data.announcements").as_array().map(Vec::len), Some(1), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_environment_decides_is_shown_and_not_changed_here() {
    let c = cast().await;
    let list = c.root.get("/api/admin/configs?category=site").await.json();
    let configs = at(&list, "data.configs").as_array().cloned().unwrap_or_default();
    let config = |key: &str| configs.iter().find(|config| config["key"] == key).expect("a setting").clone();
    let address = config("public_url");
    assert_eq!((&address["isEditable"], &address["value"]), (&json!(false), &json!(c.app.app.config.public_url())));
    assert_eq!(config("site_name")["isEditable"], json!(true));
    let change = json!({ "value": "https://elsewhere.example.com" });
    let put = c.root.call("PUT", "/api/admin/configs/public_url", change).await;
    refused(&put, 400, "VALIDATION_ERROR", "what is decided elsewhere");
    let both = json!({ "configs": [{ "key": "site_name", "value": "Mine" },
        { "key": "public_url", "value": "https://elsewhere.example.com" }] });
    refused(&c.root.post("/api/admin/configs/batch", both).await, 400, "VALIDATION_ERROR", "a batch with it");
    let again = c.root.get("/api/admin/configs?category=site").await.json();
    assert_eq!(again, list, "nothing of the batch was done");
}

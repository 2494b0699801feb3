//! Accounts of people: registering, oneself, and everybody for administrators.

use harness::at;
use serde_json::{Value, json};

use super::{cast, deployed, refused, sign_in, told};

#[tokio::test(flavor = "multi_thread")]
async fn people_register_sign_in_and_change_what_they_name() {
    let c = cast().await;
    let form = json!({ "username": "bob", "password": "password-1", "email": "bob@example.com" });
    let made = c.nobody.post("/api/user/register", form.clone()).await;
    told(&made);
    assert_eq!(made.json()["message"], json!("注册成功"));
    let twice = c.nobody.post("/api/user/register", form).await;
    assert_eq!((twice.status.as_u16(), twice.json()), (200, json!({ "success": false, "message": "用户名已存在" })));
    let taken = json!({ "username": "bobby", "password": "password-1", "email": "bob@example.com" });
    assert_eq!(c.nobody.post("/api/user/register", taken).await.json()["message"], json!("邮箱已被注册"));
    let short = json!({ "username": "rob", "password": "short" });
    refused(&c.nobody.post("/api/user/register", short).await, 400, "a short password");

    let wrong = json!({ "username": "bob", "password": "wrong-password" });
    assert_eq!(c.nobody.post("/api/user/login", wrong).await.json()["message"], json!("密码错误"));
    let entered = c.nobody.post("/api/user/login", json!({ "username": "bob", "password": "password-1" })).await;
    assert_eq!(entered.json()["message"], json!("登录成功"));
    let cookie = entered.header("set-cookie").to_owned();
    for part in ["session=", "Path=/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{part} in {cookie}");
    }
    assert!(!cookie.contains("Domain="), "on this host only: {cookie}");
    let domain = [("cookie_domain".to_owned(), Some(".example.com".to_owned()))].into();
    schema::service::setting::put(&c.app.app, &c.app.system(), &domain).await.expect("set");
    let again = c.nobody.post("/api/user/login", json!({ "username": "bob", "password": "password-1" })).await;
    assert!(again.header("set-cookie").contains("; Domain=.example.com"), "{}", again.header("set-cookie"));
    let me = told(&entered);
    assert_eq!((&me["username"], &me["role"], &me["group"]), (&json!("bob"), &json!(1), &json!("default")));

    let bob = sign_in(&c.app, "bob@example.com", "password-1").await;
    let form = json!({ "display_name": "新显示名称", "email": "new@example.com" });
    assert_eq!(bob.call("PUT", "/api/user/self", form).await.json()["message"], json!("用户信息更新成功"));
    let seen = told(&bob.get("/api/user/self").await);
    assert_eq!((&seen["display_name"], &seen["email"]), (&json!("新显示名称"), &json!("new@example.com")));
    assert_eq!((&seen["username"], &seen["password"]), (&json!("bob"), &json!("")), "what is not named stays");
    let form = json!({ "password": "password-2", "original_password": "wrong" });
    let wrong = bob.call("PUT", "/api/user/self", form).await;
    assert_eq!(wrong.json(), json!({ "success": false, "message": "原密码错误" }));
    let form = json!({ "password": "password-2", "original_password": "password-1" });
    told(&bob.call("PUT", "/api/user/self", form).await);
    let bob = sign_in(&c.app, "bob", "password-2").await;
    assert!(told(&bob.get("/api/user/aff").await).as_str().is_some_and(|code| code.len() > 3));
    let wish = json!({ "notify_type": "webhook", "quota_warning_threshold": 500_000, "webhook_url": "https://example.com/hook" });
    told(&bob.call("PUT", "/api/user/setting", wish).await);
    let seen = told(&bob.get("/api/user/self").await);
    assert!(seen["setting"].as_str().is_some_and(|s| s.contains("notify_type")), "{seen}");
    assert!(told(&bob.get("/api/user/models").await).is_array());
    assert_eq!(told(&bob.get("/api/user/self/groups").await)["default"]["ratio"], json!(1.0));
    let gone = bob.call("DELETE", "/api/user/self", Value::Null).await;
    assert_eq!(gone.json()["message"], json!("用户删除成功"));
    refused(&bob.get("/api/user/self").await, 401, "after leaving");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_make_find_change_stop_and_remove_people() {
    let c = cast().await;
    let form = json!({ "username": "newuser", "password": "password123", "email": "newuser@example.com", "role": 1,
        "quota": 1000, "group": "default" });
    let made = told(&c.admin.post("/api/user", form.clone()).await);
    assert_eq!(made["username"], json!("newuser"));
    let id = made["id"].as_i64().expect("an id");
    assert_eq!(c.admin.post("/api/user", form).await.json()["message"], json!("用户名已存在"));
    let form = json!({ "username": "high", "password": "password123", "role": 100 });
    refused(&c.admin.post("/api/user", form).await, 403, "more than one's own rank");

    let found = c.admin.get("/api/user?username=newuser&group=default&p=1&page_size=5").await;
    assert_eq!((told(&found)[0]["quota"].clone(), &found.json()["total"]), (json!(1000), &json!(1)));
    assert!(told(&found)[0]["created_at"].is_i64());
    let page = told(&deployed(&c.admin).get("/api/user/?p=0&page_size=2").await);
    assert_eq!((&page["total"], &page["page"], &page["page_size"]), (&json!(4), &json!(1), &json!(2)));
    let hit = told(&deployed(&c.admin).get("/api/user/search?keyword=newuser").await);
    assert_eq!(at(&hit, "items.0.id"), &json!(id));

    let change = json!({ "id": id, "username": "updateduser", "quota": 2000 });
    assert_eq!(c.admin.call("PUT", "/api/user", change).await.json()["message"], json!("用户更新成功"));
    let seen = told(&c.admin.get(&format!("/api/user/{id}")).await);
    assert_eq!(
        (&seen["username"], &seen["quota"], &seen["email"]),
        (&json!("updateduser"), &json!(2000), &json!("newuser@example.com"))
    );
    let remark = json!({ "id": id, "remark": "r" });
    told(&c.admin.call("PUT", "/api/user/", remark).await);
    let seen = told(&c.admin.get(&format!("/api/user/{id}")).await);
    assert_eq!((&seen["quota"], &seen["remark"]), (&json!(2000), &json!("r")), "a remark moves no money");

    told(&c.admin.call("PUT", "/api/user", json!({ "id": id, "status": 2 })).await);
    let stopped =
        c.nobody.post("/api/user/login", json!({ "username": "updateduser", "password": "password123" })).await;
    assert_eq!(stopped.json(), json!({ "success": false, "message": "用户已被封禁" }));
    let on = told(&c.admin.post("/api/user/manage", json!({ "id": id, "action": "enable" })).await);
    assert_eq!(on["status"], json!(1));
    for (mode, value, quota) in [("add", 500, 2500), ("subtract", 1000, 1500), ("override", 7, 7)] {
        let form = json!({ "id": id, "action": "add_quota", "mode": mode, "value": value });
        told(&c.admin.post("/api/user/manage", form).await);
        assert_eq!(told(&c.admin.get(&format!("/api/user/{id}")).await)["quota"], json!(quota), "{mode}");
    }
    refused(&c.admin.post("/api/user/manage", json!({ "id": id, "action": "fly" })).await, 400, "no such action");
    refused(&c.admin.post("/api/user/manage", json!({ "id": id, "action": "promote" })).await, 403, "not an admin's");
    assert_eq!(
        told(&c.root.post("/api/user/manage", json!({ "id": id, "action": "promote" })).await)["role"],
        json!(10)
    );
    assert_eq!(told(&c.root.post("/api/user/manage", json!({ "id": id, "action": "demote" })).await)["role"], json!(1));

    assert_eq!(
        c.admin.call("DELETE", &format!("/api/user/{id}"), Value::Null).await.json()["message"],
        json!("用户删除成功")
    );
    refused(&c.admin.get(&format!("/api/user/{id}")).await, 404, "removed");
    refused(&c.admin.call("DELETE", "/api/user/1", Value::Null).await, 403, "the first administrator");
    assert_eq!(told(&c.admin.get("/api/group/").await), json!(["default"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sign_ins_in_twenty_minutes_and_no_more() {
    let app = harness::TestApp::builder().clock_at(schema::Time(1_700_000_000_000)).start().await;
    let form = json!({ "username": "admin", "password": "wrong-password" });
    for left in (0..20).rev() {
        let answer = app.anonymous().post("/api/user/login", form.clone()).await;
        assert_eq!(answer.header("ratelimit-remaining"), left.to_string());
    }
    let over = app.anonymous().post("/api/user/login", form).await;
    refused(&over, 429, "the twenty-first");
    assert_eq!(over.header("ratelimit-limit"), "20");
    // Redis keeps time of its own, in which the first sign-in was a moment ago.
    let wait = over.header("retry-after").parse::<u32>().expect("seconds");
    assert!(wait <= 1_200 && (wait == 1_200 || harness::scaled()), "{wait}");
}

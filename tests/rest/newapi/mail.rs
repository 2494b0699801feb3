//! What goes by mail: proving an address, and a new password for whoever has forgotten theirs.

use harness::fake_mail::{FakeMail, Manner, Taken};
use harness::{Client, PASSWORD, TestApp};
use schema::Time;
use schema::service::setting;
use serde_json::{Value, json};

use super::{deployed, refused, sign_in, told};

/// A product with a mail server.
async fn posted(clock: Option<Time>) -> (TestApp, FakeMail) {
    let builder = TestApp::builder();
    let app = match clock {
        Some(at) => builder.clock_at(at).start().await,
        None => builder.start().await,
    };
    let fake = FakeMail::start(Manner::Open).await;
    let (port, from) = (fake.port.to_string(), "robot@example.com");
    set(&app, &[("smtp_host", "127.0.0.1"), ("smtp_port", &port), ("smtp_security", "none"), ("smtp_from", from)])
        .await;
    (app, fake)
}

async fn set(app: &TestApp, changes: &[(&str, &str)]) {
    let changes = changes.iter().map(|(n, v)| ((*n).to_owned(), Some((*v).to_owned()))).collect();
    setting::put(&app.app, &app.system(), &changes).await.expect("settings");
}

fn code_in(letter: &Taken) -> String {
    letter.text.chars().skip_while(|c| !c.is_ascii_digit()).take(6).collect()
}

/// The token of the link in a letter.
fn token_in(letter: &Taken) -> String {
    let link = letter.text.lines().find(|line| line.contains("/user/reset?")).expect("a link");
    let url = reqwest::Url::parse(link).expect("an address");
    url.query_pairs().find(|(name, _)| name == "token").expect("a token").1.into_owned()
}

async fn register(nobody: &Client, name: &str, email: &str, code: &str) -> harness::Answer {
    let form = json!({ "username": name, "password": PASSWORD, "email": email, "verification_code": code });
    nobody.post("/api/user/register", form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_proven_by_the_code_that_was_sent_to_it() {
    let (app, fake) = posted(None).await;
    let nobody = app.anonymous();
    set(&app, &[("email_verification", "true")]).await;
    assert_eq!(told(&nobody.get("/api/status").await)["email_verification"], json!(true));

    told(&nobody.get("/api/verification?email=bob%40example.com&turnstile=").await);
    let letter = fake.letters().pop().expect("a letter");
    assert_eq!(letter.to, ["bob@example.com"]);
    let code = code_in(&letter);
    assert_eq!(code.len(), 6, "{}", letter.text);

    refused(&register(&nobody, "bob", "bob@example.com", "").await, 400, "no code");
    refused(&register(&nobody, "bob", "other@example.com", &code).await, 400, "a code of another address");
    let no_address = json!({ "username": "bob", "password": PASSWORD });
    refused(&nobody.post("/api/user/register", no_address).await, 400, "no address");
    refused(&register(&nobody, "admin", "bob@example.com", &code).await, 200, "a name somebody has");
    told(&register(&nobody, "bob", "BOB@example.com", &code).await);
    let bob = sign_in(&app, "bob", PASSWORD).await;
    let me = told(&bob.get("/api/user/self").await);
    let person = schema::service::user::get(&app.app, &app.system(), me["id"].as_i64().expect("an id")).await;
    assert!(person.expect("bob").email_verified);
    refused(&nobody.get("/api/verification?email=bob%40example.com").await, 200, "somebody's address");
    refused(&nobody.get("/api/verification?email=no-address").await, 400, "no address");
    refused(&nobody.get("/api/verification").await, 400, "no address at all");

    // Sign-in is theirs from now on, whoever moves to another address proves it as well.
    told(&nobody.get("/api/verification?email=new%40example.com").await);
    let code = code_in(&fake.wait_for(2).await[1]);
    refused(
        &nobody.get(&format!("/api/oauth/email/bind?email=new%40example.com&code={code}")).await,
        401,
        "a stranger",
    );
    refused(&bob.get("/api/oauth/email/bind?email=new%40example.com&code=000").await, 400, "a wrong code");
    told(&bob.get(&format!("/api/oauth/email/bind?email=new%40example.com&code={code}")).await);
    assert_eq!(told(&bob.get("/api/user/self").await)["email"], json!("new@example.com"));
    refused(&bob.get(&format!("/api/oauth/email/bind?email=new%40example.com&code={code}")).await, 400, "used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_can_neither_be_guessed_nor_kept() {
    let (app, fake) = posted(Some(Time(1_772_359_200_000))).await;
    let nobody = app.anonymous();
    set(&app, &[("email_verification", "true")]).await;
    let ask = || nobody.get("/api/verification?email=bob%40example.com");
    told(&ask().await);
    let code = code_in(&fake.letters()[0]);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        refused(&register(&nobody, "bob", "bob@example.com", wrong).await, 400, "a guess");
    }
    refused(&register(&nobody, "bob", "bob@example.com", &code).await, 400, "too many guesses were made");

    told(&ask().await);
    let code = code_in(&fake.letters()[1]);
    // Redis keeps time of its own.
    if !harness::scaled() {
        app.app.clock.advance(10 * 60_000 + 1);
        refused(&register(&nobody, "bob", "bob@example.com", &code).await, 400, "ten minutes have passed");
    }
    let mut sent = 2;
    let enough = loop {
        let answer = ask().await;
        if answer.status == 429 {
            break answer;
        }
        told(&answer);
        sent += 1;
        assert_eq!(fake.letters().len(), sent);
    };
    assert_eq!(sent, if harness::scaled() { 5 } else { 7 }, "five letters within ten minutes");
    refused(&enough, 429, "one more");
    assert!(enough.header("retry-after").parse::<u64>().is_ok_and(|s| (1..=600).contains(&s)));
    assert_eq!(fake.letters().len(), sent);
    told(&register(&nobody, "bob", "bob@example.com", &code_in(&fake.letters()[sent - 1])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_allowed_addresses_register() {
    let (app, fake) = posted(None).await;
    let nobody = app.anonymous();
    let options = json!({ "EmailDomainRestrictionEnabled": "true", "EmailDomainWhitelist": "a.example, b.example",
        "EmailAliasRestrictionEnabled": true });
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    told(&root.call("PUT", "/api/option/", options).await);
    for bad in ["ann%40c.example", "ann%2Bx%40a.example", "a.nn%40b.example"] {
        refused(&nobody.get(&format!("/api/verification?email={bad}")).await, 400, bad);
        let email = bad.replace("%40", "@").replace("%2B", "+");
        refused(&register(&nobody, "ann", &email, "").await, 400, bad);
    }
    told(&nobody.get("/api/verification?email=ann%40b.example").await);
    assert_eq!(fake.letters().len(), 1);
    told(&register(&nobody, "ann", "ann@A.example", "").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced_by_the_link_once() {
    let (app, fake) = posted(None).await;
    let nobody = app.anonymous();
    let ann = app.person("ann", schema::Role::User, schema::Micros::ZERO).await;
    let signed_in = sign_in(&app, "ann", PASSWORD).await;

    // Whether somebody has an address is nobody's business.
    let known = nobody.get("/api/reset_password?email=ann%40example.com").await;
    let unknown = nobody.get("/api/reset_password?email=nobody%40example.com").await;
    assert_eq!((known.status, &known.text), (unknown.status, &unknown.text));
    told(&known);
    refused(&nobody.get("/api/reset_password?email=ann").await, 400, "no address");
    let letter = fake.wait_for(1).await.remove(0);
    assert_eq!(letter.to, ["ann@example.com"]);
    assert!(letter.text.contains(&format!("{}/user/reset?", app.app.config.public_url())), "{}", letter.text);
    let token = token_in(&letter);

    let wrong = json!({ "email": "ann@example.com", "token": "x".repeat(32) });
    refused(&nobody.post("/api/user/reset", wrong).await, 400, "a guess");
    let another = json!({ "email": "nobody@example.com", "token": token });
    refused(&nobody.post("/api/user/reset", another).await, 400, "nobody's address");
    refused(&nobody.post("/api/user/reset", json!({})).await, 400, "nothing");
    refused(&deployed(&nobody).post("/api/user/reset", json!({})).await, 200, "as deployed");
    let form = json!({ "email": "ann@example.com", "token": token });
    let password = told(&nobody.post("/api/user/reset", form.clone()).await);
    let password = password.as_str().expect("a password");
    assert!(password.len() >= 16);
    refused(&nobody.post("/api/user/reset", form).await, 400, "the link again");
    refused(&signed_in.get("/api/user/self").await, 401, "whoever was signed in");
    let old = json!({ "username": "ann", "password": PASSWORD });
    assert_eq!(nobody.post("/api/user/login", old).await.json()["success"], json!(false));
    sign_in(&app, "ann", password).await;
    assert_eq!(fake.letters().len(), 1, "nobody else was written to");

    // Who is stopped gets no link, and a link from before is worth nothing.
    told(&nobody.get("/api/reset_password?email=ann%40example.com").await);
    let token = token_in(&fake.wait_for(2).await[1]);
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    told(&root.call("PUT", "/api/user", json!({ "id": ann.id, "status": 2 })).await);
    let form = json!({ "email": "ann@example.com", "token": token });
    refused(&nobody.post("/api/user/reset", form).await, 400, "somebody who is stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_it_is_said() {
    let app = TestApp::new().await;
    let nobody = app.anonymous();
    for path in ["/api/verification?email=a%40b.c", "/api/reset_password?email=a%40b.c"] {
        refused(&nobody.get(path).await, 200, path);
    }
    set(&app, &[("smtp_host", "127.0.0.1"), ("smtp_from", "robot@example.com"), ("smtp_port", "1")]).await;
    let away = nobody.get("/api/verification?email=a%40b.c").await;
    refused(&away, 503, "a server that is away");
    assert!(!away.text.contains("127.0.0.1"), "{}", away.text);
    let knows_nobody = FakeMail::start(Manner::KnowsNobody).await;
    set(&app, &[("smtp_port", &knows_nobody.port.to_string()), ("smtp_security", "none")]).await;
    refused(&nobody.get("/api/verification?email=a%40b.c").await, 400, "an address its server does not know");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_page_sets_the_mail_server_up() {
    let app = TestApp::new().await;
    let root = sign_in(&app, "admin", harness::app::ADMIN_PASSWORD).await;
    for (key, value) in [
        ("SMTPServer", json!("127.0.0.1")),
        ("SMTPPort", json!("465")),
        ("SMTPAccount", json!("robot@example.com")),
        ("SMTPFrom", json!("robot@example.com")),
        ("SMTPToken", json!("a-mail-password")),
        ("SMTPSSLEnabled", json!("true")),
        ("EmailVerificationEnabled", json!(true)),
    ] {
        told(&root.call("PUT", "/api/option/", json!({ "key": key, "value": value })).await);
    }
    let list = root.get("/api/option/").await;
    assert!(!list.text.contains("a-mail-password") && !list.text.contains("SMTPToken"), "{}", list.text);
    let list = told(&list);
    let read = |key: &str| {
        let found = list.as_array().and_then(|all| all.iter().find(|o| o["key"] == key));
        found.map_or(Value::Null, |o| o["value"].clone())
    };
    assert_eq!((read("SMTPPort"), read("SMTPSSLEnabled")), (json!("465"), json!("true")));
    assert_eq!(read("EmailVerificationEnabled"), json!("true"));
    told(&root.call("PUT", "/api/option/", json!({ "key": "SMTPSSLEnabled", "value": "false" })).await);
    let settings = setting::current(&app.app);
    assert_eq!((settings.text("smtp_security"), settings.text("smtp_password")), ("starttls", "a-mail-password"));
    let bad = json!({ "key": "SMTPPort", "value": "70000" });
    refused(&root.call("PUT", "/api/option/", bad).await, 400, "no port");
}

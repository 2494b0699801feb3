//! crs: logging accounts in at vendors that verify PKCE.

use harness::at;
use harness::fake_upstream::Vendor;
use serde_json::{Value, json};

use crate::world::{World, text};

/// Where a login begins, where it ends, and where its tokens are in the answer.
const FLOWS: [(&str, &str, &str); 4] = [
    ("claude-accounts/generate-auth-url", "claude-accounts/exchange-code", "data.claudeAiOauth.accessToken"),
    (
        "claude-accounts/generate-setup-token-url",
        "claude-accounts/exchange-setup-token-code",
        "data.claudeAiOauth.accessToken",
    ),
    ("gemini-accounts/generate-auth-url", "gemini-accounts/exchange-code", "data.tokens.access_token"),
    ("openai-accounts/generate-auth-url", "openai-accounts/exchange-code", "data.tokens.accessToken"),
];

async fn begin(w: &World, path: &str) -> (String, String) {
    let begun = w.admin.post(&format!("/admin/{path}"), json!({})).await;
    assert_eq!(begun.status, 200, "{}", begun.text);
    (text(at(&begun.json(), "data.authUrl")), text(at(&begun.json(), "data.sessionId")))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_flow_proves_itself_and_serves_once() {
    let w = World::new().await;
    for (start, end, place) in FLOWS {
        let (page, session) = begin(&w, start).await;
        let asked = reqwest::Url::parse(&page).expect("an address");
        let parameter = |name: &str| asked.query_pairs().find(|(k, _)| k == name).map(|(_, v)| v.into_owned());
        assert_eq!(parameter("code_challenge_method").as_deref(), Some("S256"), "{start}");
        assert_eq!(parameter("code_challenge").map(|c| c.len()), Some(43), "{start}");
        let (code, state) = w.consent(&page).await;
        assert_eq!(Some(&state), parameter("state").as_ref(), "{start}");
        let end = format!("/admin/{end}");
        // The whole address of the page serves as well as the code alone.
        let pasted =
            json!({ "sessionId": session, "callbackUrl": format!("http://localhost/cb?code={code}&state={state}") });
        let done = w.admin.post(&end, pasted.clone()).await;
        assert_eq!(done.status, 200, "{start}: {}", done.text);
        assert!(at(&done.json(), place).is_string(), "{start}: {}", done.text);
        let again = w.admin.post(&end, pasted).await;
        assert_eq!(again.status, 400, "a session serves once: {}", again.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_together_is_refused() {
    let w = World::new().await;
    for (number, (start, end, _)) in FLOWS.into_iter().enumerate() {
        let end = format!("/admin/{end}");
        let (_, session) = begin(&w, start).await;
        let refused = w.admin.post(&end, json!({ "sessionId": session, "code": "invented" })).await;
        assert_eq!(refused.status, 400, "a code nobody gave: {}", refused.text);

        // A code that was given to another session does not fit this one's verifier.
        let (page, _) = begin(&w, start).await;
        let (code, _) = w.consent(&page).await;
        let (_, other) = begin(&w, start).await;
        let refused = w.admin.post(&end, json!({ "sessionId": other, "code": code })).await;
        // Google, with its secret, lets codes go without a proof; everybody else does not.
        assert_eq!(refused.status, 400, "{start}: {}", refused.text);

        let (page, session) = begin(&w, start).await;
        let (code, _) = w.consent(&page).await;
        let forged =
            json!({ "sessionId": session, "callbackUrl": format!("http://localhost/cb?code={code}&state=forged") });
        assert_eq!(w.admin.post(&end, forged).await.status, 400, "{start}: another state");

        let (page, session) = begin(&w, start).await;
        let (code, _) = w.consent(&page).await;
        let (_, elsewhere, _) = FLOWS[(number + 1) % FLOWS.len()];
        let mixed = w.admin.post(&format!("/admin/{elsewhere}"), json!({ "sessionId": session, "code": code })).await;
        assert_eq!(mixed.status, 400, "{start}: the session of another flow: {}", mixed.text);
        for body in [json!({}), json!({ "sessionId": "nobody", "code": "x" }), json!({ "code": "x" })] {
            assert_eq!(w.admin.post(&end, body).await.status, 400);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_login_brought_serves_and_is_renewed() {
    let mut w = World::new().await;
    let (page, session) = begin(&w, FLOWS[0].0).await;
    let (code, _) = w.consent(&page).await;
    let done = w.admin.post(&format!("/admin/{}", FLOWS[0].1), json!({ "sessionId": session, "code": code })).await;
    let tokens = at(&done.json(), "data.claudeAiOauth").clone();
    let body = json!({ "name": "mine", "baseUrl": w.fake.url_of(Vendor::Anthropic), "claudeAiOauth": tokens });
    let made = w.step("POST", "/admin/claude-accounts", &[], body).await;
    let id = text(&made["data"]["id"]);
    let secret = text(&tokens["accessToken"]);
    assert!(!made.to_string().contains(&secret), "what was handed in is not handed out");
    let body = json!({ "name": "k" });
    let key = text(&w.step("POST", "/admin/api-keys", &[], body).await["data"]["apiKey"]);
    let other = w.say_hello(&key).await;
    assert_eq!(other.status, 403, "a subscription serves its vendor's own client: {}", other.text);
    let served = w.say_as_claude_code(&key).await;
    assert_eq!(served.status, 200, "{}", served.text);
    w.booked(1).await;
    let headers = w.step("GET", "/admin/claude-code-headers", &[], Value::Null).await;
    assert_eq!((at(&headers, "data.0.accountId"), at(&headers, "data.0.version")), (&json!(id), &json!("2.0.0")));
    let version = w.step("GET", "/admin/claude-code-version", &[], Value::Null).await;
    assert_eq!(version["userAgent"], "claude-cli/2.0.0 (external, cli)", "{version}");
    w.t.app.clock.advance(1_000);
    w.step("DELETE", "/admin/claude-code-headers/{accountId}", &[&id], Value::Null).await;
    assert_eq!(w.step("GET", "/admin/claude-code-headers", &[], Value::Null).await["data"], json!([]));

    let before = w.fake.refreshes();
    let renewed = w.step("POST", "/admin/claude-accounts/{accountId}/refresh", &[&id], json!({})).await;
    assert_eq!(at(&renewed, "data.accessToken"), &json!("***"));
    assert_eq!(w.fake.refreshes(), before + 1);
    w.step("POST", "/admin/claude-accounts/{accountId}/update-profile", &[&id], json!({})).await;
    let list = w.step("GET", "/admin/claude-accounts", &[], Value::Null).await;
    assert!(at(&list, "data.0.lastRefreshAt").is_string(), "{list}");

    w.fake.revoke_refresh_tokens();
    let dead = w.call("POST", "/admin/claude-accounts/{accountId}/refresh", &[&id], json!({})).await;
    assert_eq!(dead.status, 400, "{}", dead.text);
    let list = w.step("GET", "/admin/claude-accounts", &[], Value::Null).await;
    assert_eq!(at(&list, "data.0.status"), &json!("unauthorized"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_tokens_are_known_for_what_they_are() {
    let mut w = World::new().await;
    let (page, session) = begin(&w, FLOWS[1].0).await;
    let (code, _) = w.consent(&page).await;
    let done = w.admin.post(&format!("/admin/{}", FLOWS[1].1), json!({ "sessionId": session, "code": code })).await;
    let tokens = at(&done.json(), "data.claudeAiOauth").clone();
    assert_eq!(tokens["scopes"], json!(["user:inference"]));
    let body = json!({ "name": "s", "baseUrl": w.fake.url_of(Vendor::Anthropic), "claudeAiOauth": tokens });
    w.step("POST", "/admin/claude-accounts", &[], body).await;
    let list = w.step("GET", "/admin/claude-accounts", &[], Value::Null).await;
    assert_eq!(
        (at(&list, "data.0.authType"), at(&list, "data.0.hasRefreshToken")),
        (&json!("setup-token"), &json!(false))
    );
    let all = w.step("POST", "/admin/claude-accounts/update-all-profiles", &[], json!({})).await;
    assert_eq!(at(&all, "data.totalAccounts"), &json!(0), "setup tokens have no profile");
}

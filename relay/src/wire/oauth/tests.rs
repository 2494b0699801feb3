use super::*;
use http::StatusCode;
use serde_json::Value;

const ALL: [Flow; 4] = [Flow::Claude, Flow::ClaudeSetup, Flow::Codex, Flow::Gemini];
const NOW: i64 = 1_700_000_000_000;

fn local(flow: Flow) -> Endpoints {
    Endpoints {
        authorize: "http://127.0.0.1:1/authorize".into(),
        token: "http://127.0.0.1:1/token".into(),
        client_secret: Some("s+cret".into()),
        ..flow.defaults()
    }
}

fn jwt(claims: &Value) -> String {
    format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()))
}

#[test]
fn every_flow_has_its_row() {
    for flow in ALL {
        assert_eq!(DEFAULTS.iter().filter(|row| row.0 == flow).count(), 1, "{flow:?}");
        assert_eq!(flow.defaults().client_secret, None, "no secret is built in");
    }
}

/// The pair of RFC 7636, appendix B.
#[test]
fn the_challenge_is_the_rfcs() {
    let random = [
        116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105, 214, 191,
        240, 91, 88, 5, 88, 83, 132, 141, 121,
    ];
    let pkce = Pkce::from_random(&random);
    assert_eq!(pkce.verifier, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn consent_pages_carry_what_each_vendor_asks() {
    let url = |flow: Flow| flow.authorize_url(&local(flow), "chal", "st/ate");
    let query = |flow: Flow, name: &str| percent::query_value(url(flow).split_once('?').unwrap().1, name);
    for flow in ALL {
        assert!(url(flow).starts_with("http://127.0.0.1:1/authorize?"));
        for (name, value) in [
            ("response_type", "code"),
            ("code_challenge", "chal"),
            ("code_challenge_method", "S256"),
            ("state", "st/ate"),
        ] {
            assert_eq!(query(flow, name).as_deref(), Some(value), "{flow:?}");
        }
        assert_eq!(query(flow, "client_id").as_deref(), Some(flow.defaults().client_id.as_ref()));
        assert_eq!(query(flow, "redirect_uri").as_deref(), Some(flow.defaults().redirect.as_ref()));
        assert!(!url(flow).contains("s%2Bcret"), "the secret stays off the address");
    }
    assert_eq!(query(Flow::Claude, "code").as_deref(), Some("true"));
    assert_eq!(query(Flow::ClaudeSetup, "scope").as_deref(), Some("user:inference"));
    assert_eq!(query(Flow::Codex, "codex_cli_simplified_flow").as_deref(), Some("true"));
    assert_eq!(query(Flow::Codex, "id_token_add_organizations").as_deref(), Some("true"));
    assert_eq!(query(Flow::Gemini, "access_type").as_deref(), Some("offline"));
    let keyed = Endpoints { authorize: "http://h/a?x=1".into(), ..local(Flow::Codex) };
    assert!(Flow::Codex.authorize_url(&keyed, "c", "s").starts_with("http://h/a?x=1&client_id="));
}

fn json_body(request: &http::Request<Bytes>) -> Value {
    assert_eq!(request.headers()["content-type"], "application/json");
    serde_json::from_slice(request.body()).unwrap()
}

fn form_body(request: &http::Request<Bytes>, name: &str) -> Option<String> {
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    percent::query_value(std::str::from_utf8(request.body()).unwrap(), name)
}

#[test]
fn codes_are_exchanged_in_each_vendors_form() {
    let request = |flow: Flow| flow.exchange(&local(flow), "c/1", "ver", "st").unwrap();
    let claude = json_body(&request(Flow::Claude));
    assert_eq!(claude["grant_type"], "authorization_code");
    assert_eq!(
        (&claude["code"], &claude["state"], &claude["code_verifier"]),
        (&"c/1".into(), &"st".into(), &"ver".into())
    );
    assert_eq!(claude["redirect_uri"], "https://platform.claude.com/oauth/code/callback");
    assert!(claude.get("expires_in").is_none());
    assert_eq!(json_body(&request(Flow::ClaudeSetup))["expires_in"], 31_536_000);
    let codex = request(Flow::Codex);
    assert_eq!(form_body(&codex, "code").as_deref(), Some("c/1"));
    assert_eq!(form_body(&codex, "code_verifier").as_deref(), Some("ver"));
    assert_eq!(form_body(&codex, "client_secret"), None);
    assert_eq!(form_body(&request(Flow::Gemini), "client_secret").as_deref(), Some("s+cret"));
    assert!(Flow::Gemini.exchange(&Flow::Gemini.defaults(), "c", "v", "s").is_err(), "Google wants its secret");
    assert_eq!(request(Flow::Codex).uri(), "http://127.0.0.1:1/token");
}

#[test]
fn refreshes_take_each_vendors_form() {
    let request = |flow: Flow| flow.refresh(&local(flow), "r1");
    let claude = json_body(&request(Flow::Claude).unwrap());
    assert_eq!((&claude["grant_type"], &claude["refresh_token"]), (&"refresh_token".into(), &"r1".into()));
    assert!(claude["scope"].as_str().unwrap().contains("user:inference"));
    let codex = json_body(&request(Flow::Codex).unwrap());
    assert_eq!(
        codex,
        serde_json::json!({"client_id": "app_EMoamEEZ73f0CkXaXp7hrann", "grant_type": "refresh_token", "refresh_token": "r1"})
    );
    assert_eq!(form_body(&request(Flow::Gemini).unwrap(), "refresh_token").as_deref(), Some("r1"));
    assert!(request(Flow::ClaudeSetup).is_err());
}

#[test]
fn pasted_codes_are_understood() {
    let read = |text: &str| Pasted::read(text).map(|p| (p.code, p.state));
    assert_eq!(read(" abc#xyz \n"), Ok(("abc".into(), Some("xyz".into()))));
    assert_eq!(read("abc"), Ok(("abc".into(), None)));
    assert_eq!(read("http://localhost:1455/auth/callback?code=a%2Fb&state=s#_"), Ok(("a/b".into(), Some("s".into()))));
    for bad in [
        "",
        "#x",
        "http://localhost/cb",
        "http://localhost/cb?state=s",
        "http://localhost/cb?error=access_denied",
        "two words",
    ] {
        assert!(Pasted::read(bad).is_err(), "{bad}");
    }
}

#[test]
fn claude_answers_are_read() {
    let body = br#"{"access_token":"sk-ant-oat01-a","refresh_token":"sk-ant-ort01-r","expires_in":28800,"scope":"user:profile user:inference",
        "organization":{"uuid":"o","name":"Org"},"account":{"uuid":"u","email_address":"a@b.c"}}"#;
    let tokens = read_tokens(Flow::Claude, StatusCode::OK, body, NOW).unwrap();
    assert_eq!(tokens.access_token, "sk-ant-oat01-a");
    assert_eq!(tokens.refresh_token.as_deref(), Some("sk-ant-ort01-r"));
    assert_eq!(tokens.expires_at, Some(NOW + 28_800_000));
    assert_eq!(tokens.scopes, ["user:profile", "user:inference"]);
    assert_eq!(tokens.identity.organization.as_deref(), Some("Org"));
    assert_eq!(tokens.identity.email.as_deref(), Some("a@b.c"));
    assert!(!format!("{tokens:?}").contains("sk-ant"));
}

#[test]
fn openai_answers_are_read_with_their_claims() {
    let id = jwt(
        &serde_json::json!({"email": "a@b.c", "email_verified": true, "name": "Ann", "https://api.openai.com/auth": {
        "chatgpt_account_id": "acc", "chatgpt_user_id": "usr", "chatgpt_plan_type": "plus",
        "organizations": [{"id": "org-1", "title": "One", "role": "reader"}, {"id": "org-2", "title": "Two", "role": "owner", "is_default": true}]}}),
    );
    let access = jwt(&serde_json::json!({"exp": 1_800_000_000}));
    let body = serde_json::json!({"id_token": id, "access_token": access}).to_string();
    let tokens = read_tokens(Flow::Codex, StatusCode::OK, body.as_bytes(), NOW).unwrap();
    assert_eq!(tokens.refresh_token, None, "the old one goes on");
    assert_eq!(tokens.expires_at, Some(1_800_000_000_000));
    let identity = Identity {
        account_id: Some("acc".into()),
        user_id: Some("usr".into()),
        email: Some("a@b.c".into()),
        email_verified: true,
        name: Some("Ann".into()),
        plan: Some("plus".into()),
        organization_id: Some("org-2".into()),
        organization: Some("Two".into()),
        organization_role: Some("owner".into()),
    };
    assert_eq!(tokens.identity, identity);
    assert_eq!(super::identity("nonsense"), Identity::default());
}

#[test]
fn refusals_say_whether_a_login_is_needed() {
    let cases = [
        (
            Flow::Claude,
            400,
            r#"{"error":"invalid_grant","error_description":"Refresh token sk-ant-ort01-x not found"}"#,
            true,
        ),
        (Flow::Gemini, 400, r#"{"error":"invalid_grant"}"#, true),
        (Flow::Codex, 401, r#"{"error":{"code":"refresh_token_reused","message":"used"}}"#, true),
        (Flow::Codex, 401, r#"{"error":{"code":"refresh_token_expired"}}"#, true),
        (Flow::Codex, 401, r#"{"error":{"code":"refresh_token_invalidated"}}"#, true),
        (Flow::Codex, 401, r#"{"error":{"code":"something_else"}}"#, false),
        (Flow::Claude, 429, r#"{"error":"invalid_grant"}"#, false),
        (Flow::Claude, 500, "<html>", false),
        (Flow::Claude, 200, "{}", false),
    ];
    for (flow, status, body, for_good) in cases {
        let dead = read_tokens(flow, StatusCode::from_u16(status).unwrap(), body.as_bytes(), NOW).unwrap_err();
        assert_eq!(dead.for_good, for_good, "{body}");
        assert!(!dead.reason.contains("sk-ant"), "{}", dead.reason);
    }
}

#[test]
fn refusals_carry_the_vendors_words_without_its_secrets() {
    let said = |status: u16, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        read_tokens(Flow::Claude, status, body.as_bytes(), NOW).unwrap_err().reason
    };
    let body = r#"{"error":"invalid_grant","error_description":"Refresh\n token sk-ant-ort01-abcdefgh not  found"}"#;
    assert_eq!(said(400, body), "the token endpoint refused (400: invalid_grant): Refresh token *** not found");
    let body = r#"{"error":{"code":"refresh_token_reused","message":"It was used."}}"#;
    assert_eq!(said(401, body), "the token endpoint refused (401: refresh_token_reused): It was used.");
    assert_eq!(said(400, r#"{"error":"invalid_grant"}"#), "the token endpoint refused (400: invalid_grant)");
    assert_eq!(said(502, "<html>"), "the token endpoint answered 502");
    let long = format!(r#"{{"error":"a whole sentence","error_description":"{}"}}"#, "long ".repeat(200));
    assert_eq!(said(400, &long).chars().count(), "the token endpoint answered 400: ".len() + 200);
}

//! Where access tokens come from, per kind.

use super::*;
use crate::wire::oauth::Flow;

#[test]
fn logins_refresh_at_the_address_of_the_setting_and_keys_never() {
    for kind in Kind::ALL {
        let credentials = fitting(*kind);
        let options = AccountOptions::default();
        let account = Upstream { kind: *kind, base_url: None, credentials, options: &options, account_id: None };
        let flow = match kind {
            Kind::ClaudeOauth => Flow::Claude,
            Kind::OpenaiOauth => Flow::Codex,
            Kind::GeminiOauth | Kind::Vertex => Flow::Gemini,
            _ => {
                assert!(provider(*kind).token(&account, None, NOW).is_none(), "{kind}");
                assert!(provider(*kind).read_token(StatusCode::OK, b"{}", NOW).unwrap_err().for_good);
                continue;
            }
        };
        let at =
            Endpoints { token: "http://127.0.0.1:1/token".into(), client_secret: Some("cs".into()), ..flow.defaults() };
        let request = provider(*kind).token(&account, Some(&at), NOW).unwrap().unwrap();
        assert_eq!(request.uri(), "http://127.0.0.1:1/token", "{kind}");
        let body = std::str::from_utf8(request.body()).unwrap();
        assert_eq!(body.contains("rt-secret"), *kind != Kind::Vertex, "{kind}");
        let answer = br#"{"access_token":"new","expires_in":60}"#;
        let tokens = provider(*kind).read_token(StatusCode::OK, answer, NOW).unwrap();
        assert_eq!((tokens.access_token.as_str(), tokens.expires_at), ("new", Some(NOW + 60_000)), "{kind}");
    }
}

#[test]
fn a_setup_token_is_never_refreshed() {
    let credentials = Credentials::Oauth { access_token: Some("t"), refresh_token: None };
    let options = AccountOptions::default();
    let account =
        Upstream { kind: Kind::ClaudeOauth, base_url: None, credentials, options: &options, account_id: None };
    assert!(provider(Kind::ClaudeOauth).token(&account, None, NOW).is_none());
}

#[test]
fn secrets_stay_out_of_debug_and_can_be_scrubbed() {
    for credentials in [key(), login(), aws(), google(), pair()] {
        let shown = format!("{credentials:?}");
        assert!(!credentials.secrets().is_empty());
        for secret in credentials.secrets() {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let (credentials, options) = (login(), AccountOptions::default());
    let account = Upstream {
        kind: Kind::Ccr,
        base_url: Some("http://gw.internal:1"),
        credentials,
        options: &options,
        account_id: Some("acct-12345"),
    };
    let hidden = account.hidden("https://real.example/v1/messages");
    let text = "rt-secret at http://gw.internal:1/x or real.example for acct-12345";
    assert_eq!(hidden.scrub_text(text).unwrap(), "*** at ***/x or *** for ***");
}

#[test]
fn stored_credentials_are_opened_for_one_attempt() {
    use schema::service::account::{Credentials as Stored, OauthTokens};
    let keys = Stored::lines("k-1\nk-2");
    assert_eq!(Credentials::of(&keys, 1, None), Credentials::Key("k-2"));
    assert_eq!(Credentials::of(&keys, 7, None), Credentials::Key("k-1"), "a key that has gone");
    assert_eq!(Credentials::of(&Stored::None, 0, None), Credentials::None);
    let tokens = Stored::Oauth(OauthTokens { refresh_token: Some("r".into()), ..OauthTokens::default() });
    assert_eq!(Credentials::of(&tokens, 0, None).access_token(), Err(Refusal::NoToken));
    assert_eq!(Credentials::of(&tokens, 0, None).refresh_token(), Some("r"));
    let service = Stored::ServiceAccount { json: "{}".into() };
    assert_eq!(Credentials::of(&service, 0, None).access_token(), Err(Refusal::NoToken));
    assert_eq!(Credentials::of(&service, 0, Some("bought")).access_token(), Ok("bought"));
    let pair = Stored::Pair { access: "a".into(), secret: "s".into() };
    assert_eq!(Credentials::of(&pair, 0, None), Credentials::Pair { access_key: "a", secret_key: "s" });
    let aws = Stored::Aws { access_key_id: "A".into(), secret_access_key: "S".into(), session_token: Some("T".into()) };
    assert_eq!(Credentials::of(&aws, 0, None).secrets(), ["A", "S", "T"]);
}

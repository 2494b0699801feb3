//! Signing in, and vendors that work on tasks.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use ring::digest;

use super::super::anthropic::now;
use super::*;

const VERIFIER: &str = "0123456789012345678901234567890123456789012";

fn authorize_query(state: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, VERIFIER.as_bytes()));
    format!(
        "response_type=code&client_id=app&redirect_uri=http%3A%2F%2Flocalhost%3A1455%2Fcb&scope=openid&state={state}\
         &code_challenge={challenge}&code_challenge_method=S256"
    )
}

#[tokio::test]
async fn codes_need_their_verifier_and_work_once() {
    let fake = FakeUpstream::start(Vendor::OAuth).await;
    let page = get(&fake, &format!("/claude/oauth/authorize?code=true&{}", authorize_query("st")), &[]).await;
    let shown = page.text().trim_start_matches("<code>").trim_end_matches("</code>");
    let (code, state) = shown.split_once('#').expect("CODE#STATE");
    assert_eq!(state, "st");
    let mut body = json!({
        "grant_type": "authorization_code", "client_id": "app", "code": code, "state": state,
        "redirect_uri": "http://localhost:1455/cb", "code_verifier": VERIFIER
    });
    let token = "/claude/v1/oauth/token";
    let got = post(&fake, token, &[], &body).await.json();
    assert!(got["refresh_token"].as_str().expect("a token").starts_with("sk-ant-ort01-"));
    assert_eq!(post(&fake, token, &[], &body).await.json()["error"], "invalid_grant");

    let page = get(&fake, &format!("/claude/oauth/authorize?{}", authorize_query("st")), &[]).await;
    assert_eq!(page.status, 302);
    let code = page.header("location").split("code=").nth(1).and_then(|rest| rest.split('&').next());
    body["code"] = json!(code.expect("a code"));
    body["code_verifier"] = json!(VERIFIER.replace('0', "x"));
    assert_eq!(post(&fake, token, &[], &body).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_rotate_and_are_refused_the_second_time() {
    let fake = FakeUpstream::start(Vendor::Anthropic).await;
    let (_, refresh) = fake.issue_tokens(Vendor::Anthropic);
    let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh, "client_id": "app" });
    let first = post(&fake, "/v1/oauth/token", &[], &body).await;
    assert_ne!(first.json()["refresh_token"], json!(refresh));
    let second = post(&fake, "/v1/oauth/token", &[], &body).await;
    assert_eq!((second.status, fake.refreshes()), (400, 1));

    let bearer = format!("Bearer {}", first.json()["access_token"].as_str().expect("a token"));
    let profile = async || {
        let headers = [("authorization", bearer.as_str()), ("anthropic-beta", "oauth-2025-04-20")];
        get(&fake, "/api/oauth/profile", &headers).await.status
    };
    assert_eq!(profile().await, 200);
    fake.expire_access_tokens();
    assert_eq!(profile().await, 401);

    let codex = FakeUpstream::start(Vendor::Codex).await;
    let (_, refresh) = codex.issue_tokens(Vendor::Codex);
    let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh, "client_id": "app" });
    assert_eq!(post(&codex, "/oauth/token", &[], &body).await.status, 200);
    let again = post(&codex, "/oauth/token", &[], &body).await;
    assert_eq!((again.status, &again.json()["error"]["code"]), (401, &json!("refresh_token_reused")));
}

#[tokio::test]
async fn google_keeps_refresh_tokens_and_checks_assertions() {
    let fake = FakeUpstream::start(Vendor::OAuth).await;
    let url = format!("{}/google/token", fake.url());
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "grant_type=refresh_token&refresh_token=1%2F%2Ffake-google-refresh&client_id=c&client_secret=s";
    for _ in 0..2 {
        let got = send("POST", &url, &form, body).await.expect("an answer");
        assert!(got.json()["refresh_token"].is_null() && got.status == 200);
    }

    let vertex = FakeUpstream::start(Vendor::Vertex).await;
    let account: Value = serde_json::from_str(&vertex.service_account_json()).expect("JSON");
    let grant = async |lifetime: u64| {
        let claims = json!({
            "iss": account["client_email"], "aud": account["token_uri"], "iat": now(), "exp": now() + lifetime,
            "scope": "https://www.googleapis.com/auth/cloud-platform"
        });
        let key = account["private_key"].as_str().expect("a key");
        let key = EncodingKey::from_rsa_pem(key.as_bytes()).expect("a good key");
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).expect("signs");
        let body = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
        let url = account["token_uri"].as_str().expect("a URL");
        send("POST", url, &form, body).await.expect("an answer")
    };
    assert_eq!(grant(7200).await.status, 400);
    let token = grant(3600).await.json()["access_token"].as_str().expect("a token").to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let base = "/v1/projects/fake-project/locations/us-east5/publishers";
    let claude = json!({
        "anthropic_version": "vertex-2023-10-16", "max_tokens": 100, "stream": true,
        "messages": [{ "role": "user", "content": "Hi" }]
    });
    let path = format!("{base}/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict");
    assert!(post(&vertex, &path, &headers, &claude).await.text().contains("message_stop"));
    let gemini = json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }] });
    let path = format!("{base}/google/models/gemini-2.5-pro:generateContent");
    assert_eq!(post(&vertex, &path, &headers, &gemini).await.status, 200);
}

fn kling_token(expires: u64) -> String {
    let claims = json!({ "iss": KLING_ACCESS_KEY, "exp": expires, "nbf": now() - 5 });
    let key = EncodingKey::from_secret(KLING_SECRET_KEY.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).expect("signs")
}

#[tokio::test]
async fn kling_checks_its_token_and_finishes_tasks() {
    let fake = FakeUpstream::start(Vendor::Kling).await;
    let old = format!("Bearer {}", kling_token(now() - 1));
    let body = json!({ "model_name": "kling-v1", "prompt": "a cat", "duration": "5" });
    let path = "/v1/videos/text2video";
    let refused = post(&fake, path, &[("authorization", &old)], &body).await;
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!(1004)));
    let good = format!("Bearer {}", kling_token(now() + 1800));
    let headers = [("authorization", good.as_str())];
    let mut wrong = body.clone();
    wrong["duration"] = json!(5);
    assert_eq!(post(&fake, path, &headers, &wrong).await.json()["code"], 1201);
    let id = post(&fake, path, &headers, &body).await.json()["data"]["task_id"].as_str().expect("an id").to_owned();
    let mut stages = Vec::new();
    for _ in 0..3 {
        let got = get(&fake, &format!("{path}/{id}"), &headers).await.json();
        stages.push(got["data"]["task_status"].as_str().expect("a status").to_owned());
    }
    assert_eq!(stages, ["submitted", "processing", "succeed"]);
    fake.fail_tasks(true);
    fake.finish_tasks_after(0);
    let id = post(&fake, path, &headers, &body).await.json()["data"]["task_id"].as_str().expect("an id").to_owned();
    assert_eq!(get(&fake, &format!("{path}/{id}"), &headers).await.json()["data"]["task_status"], "failed");
}

#[tokio::test]
async fn midjourney_follow_ups_need_a_finished_task() {
    let fake = FakeUpstream::start(Vendor::Midjourney).await;
    let secret = [("mj-api-secret", "mj-fake-secret")];
    assert_eq!(post(&fake, "/mj/submit/imagine", &[], &json!({ "prompt": "a cat" })).await.status, 401);
    let id = post(&fake, "/mj-fast/mj/submit/imagine", &secret, &json!({ "prompt": "a cat" })).await.json()["result"]
        .clone();
    let change = json!({ "taskId": id, "action": "UPSCALE", "index": 1 });
    assert_eq!(post(&fake, "/mj/submit/change", &secret, &change).await.json()["code"], 4);
    let fetch = format!("/mj/task/{}/fetch", id.as_str().expect("an id"));
    let mut stages = Vec::new();
    for _ in 0..3 {
        stages.push(get(&fake, &fetch, &secret).await.json()["status"].clone());
    }
    assert_eq!(stages, ["NOT_START", "IN_PROGRESS", "SUCCESS"]);
    assert_eq!(post(&fake, "/mj/submit/change", &secret, &change).await.json()["code"], 1);
    let elsewhere = json!({ "taskId": "42", "action": "UPSCALE", "index": 1 });
    assert_eq!(post(&fake, "/mj/submit/change", &secret, &elsewhere).await.json()["code"], 3);
    let listed = post(&fake, "/mj/task/list-by-condition", &secret, &json!({ "ids": [id, "42"] })).await.json();
    assert_eq!(listed.as_array().expect("an array").len(), 1);
    fake.script([Step::refuse(200).code("queue_full")]);
    assert_eq!(post(&fake, "/mj/submit/imagine", &secret, &json!({ "prompt": "x" })).await.json()["code"], 23);
}

#[tokio::test]
async fn suno_and_video_tasks_finish() {
    let suno = FakeUpstream::start(Vendor::Suno).await;
    let key = [("authorization", "Bearer suno-fake")];
    let id = post(&suno, "/suno/submit/music", &key, &json!({ "prompt": "la" })).await.json()["data"].clone();
    suno.finish_tasks_after(1);
    let mut last = Value::Null;
    for _ in 0..3 {
        last = post(&suno, "/suno/fetch", &key, &json!({ "ids": [id] })).await.json()["data"][0].clone();
    }
    assert_eq!((&last["status"], last["data"].as_array().map(Vec::len)), (&json!("SUCCESS"), Some(2)));
    assert_eq!(post(&suno, "/suno/submit/music", &key, &json!({})).await.status, 400);

    let video = FakeUpstream::start(Vendor::Video).await;
    let key = [("authorization", "Bearer video-fake")];
    video.fail_tasks(true);
    video.finish_tasks_after(0);
    let body = json!({ "model": "v", "prompt": "a cat" });
    let id = post(&video, "/v1/video/generations", &key, &body).await.json()["task_id"].clone();
    let got = get(&video, &format!("/v1/video/generations/{}", id.as_str().expect("an id")), &key).await.json();
    assert_eq!(got["data"]["status"], "FAILURE");
}

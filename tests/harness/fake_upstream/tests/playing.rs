//! Scripts, recording, faults.

use super::*;

#[tokio::test]
async fn steps_are_used_up_in_order_and_then_the_default_is_back() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.script([
        Step::refuse(429).retry_after(7),
        Step::refuse(500).on("/embeddings"),
        Step::raw(502, "text/html", "<h1>Bad Gateway</h1>"),
    ]);
    let limited = post(&fake, "/v1/chat/completions", &[OPENAI], &chat(false)).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, "7"));
    assert_eq!(limited.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(post(&fake, "/v1/chat/completions", &[OPENAI], &chat(false)).await.status, 502);
    assert_eq!(post(&fake, "/v1/chat/completions", &[OPENAI], &chat(false)).await.status, 200);
    assert_eq!(fake.steps_left(), 1);
    assert_eq!(post(&fake, "/v1/embeddings", &[OPENAI], &json!({})).await.status, 500);
    assert_eq!(fake.requests_to("/chat/").len(), 3);
    assert_eq!(fake.last().status(), 500);
}

#[tokio::test]
async fn awkward_chunks_add_up_to_the_same_stream() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.script([
        Step::answer(),
        Step::answer().split(Split::Awkward),
        Step::answer().split(Split::Every(1)),
        Step::answer().split(Split::Nowhere),
    ]);
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let got = post(&fake, "/v1/chat/completions", &[OPENAI], &chat(true)).await;
        assert!(!got.cut);
        let id = got.events()[0]["id"].as_str().expect("an id").to_owned();
        bodies.push((got.text().replace(&id, "ID"), got.chunks));
    }
    assert!(bodies.iter().all(|(text, _)| *text == bodies[0].0));
    let awkward = &bodies[1].1;
    assert!(awkward.iter().any(|chunk| std::str::from_utf8(chunk).is_err()), "no character was cut");
    assert!(awkward.iter().any(|chunk| chunk.ends_with(b"da")), "no field name was cut");
    assert_eq!(bodies[2].1.len(), bodies[2].0.len() + bodies_id_length(&bodies[2]));
    assert_eq!(bodies[3].1.len(), 1);
}

/// How much shorter the text became by writing `ID` for the id.
fn bodies_id_length((text, chunks): &(String, Vec<Bytes>)) -> usize {
    chunks.iter().map(Bytes::len).sum::<usize>() - text.len()
}

#[tokio::test]
async fn connections_are_cut_at_every_stage() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let url = format!("{}/v1/chat/completions", fake.url());
    fake.script([Step::cut(), Step::answer().cut_after(0), Step::answer().cut_after(100), Step::empty_stream()]);
    // The client retries a connection that ends without a byte only when it was kept alive; this one was not.
    assert!(send("POST", &url, &[OPENAI], chat(true).to_string()).await.is_none());
    let headless = send("POST", &url, &[OPENAI], chat(true).to_string()).await.expect("a head");
    assert_eq!((headless.status, headless.body.len(), headless.cut), (200, 0, true));
    let half = send("POST", &url, &[OPENAI], chat(true).to_string()).await.expect("a head");
    assert_eq!((half.body.len(), half.cut), (100, true));
    assert_eq!(fake.last().outcome(), Outcome::Cut);
    assert_eq!(fake.last().bytes_sent(), 100);
    let empty = send("POST", &url, &[OPENAI], chat(true).to_string()).await.expect("a head");
    assert_eq!((empty.status, empty.body.len(), empty.cut), (200, 0, false));
    assert!(empty.header("content-type").starts_with("text/event-stream"));

    fake.script([Step::answer().cut_after(20)]);
    let short = send("POST", &url, &[OPENAI], chat(false).to_string()).await.expect("a head");
    assert_eq!((short.body.len(), short.cut), (20, true));
    assert!(short.header("content-length").parse::<usize>().expect("a length") > 20);
}

#[tokio::test]
async fn a_client_that_hangs_up_is_noticed() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    let url = format!("{}/v1/chat/completions", fake.url());
    let hour = Duration::from_secs(3600);
    let gone = async |step: Step| {
        fake.forget();
        fake.script([step]);
        let url = url.clone();
        let sending = tokio::spawn(async move { send("POST", &url, &[OPENAI], chat(true).to_string()).await });
        let seen = fake.wait_for(1).await.remove(0);
        tokio::time::sleep(Duration::from_millis(30)).await;
        assert_eq!(seen.outcome(), Outcome::Open);
        sending.abort();
        let deadline = Instant::now() + Duration::from_secs(5);
        while seen.outcome() == Outcome::Open && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(seen.outcome(), Outcome::ClientGone);
        seen
    };
    gone(Step::hang()).await;
    gone(Step::answer().after(hour)).await;
    gone(Step::answer().first_byte_after(hour)).await;
    let seen = gone(Step::answer().stall_after(64, hour)).await;
    assert_eq!(seen.bytes_sent(), 64);
}

#[tokio::test]
async fn delays_are_kept() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.script([Step::answer().after(Duration::from_millis(40)).gap(Duration::from_millis(5))]);
    let began = Instant::now();
    let got = post(&fake, "/v1/chat/completions", &[OPENAI], &chat(true)).await;
    assert!(began.elapsed() >= Duration::from_millis(40 + 5 * (got.chunks.len() as u64 - 1)));
}

#[tokio::test]
async fn errors_in_a_stream_are_the_vendors() {
    let openai = FakeUpstream::start(Vendor::OpenAi).await;
    openai.script([Step::answer().error_after_events(2)]);
    let got = post(&openai, "/v1/chat/completions", &[OPENAI], &chat(true)).await;
    assert_eq!(got.events().len(), 3);
    assert_eq!(got.events()[2]["error"]["type"], "server_error");
    assert!(!got.text().contains("[DONE]"));
}

#[tokio::test]
async fn what_must_not_be_forwarded_is_a_fault() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.forbid("tg-client-key");
    let body = chat(false);
    let cases: [(&str, &str, &str); 7] = [
        ("x-api-key", "k", "x-api-key does not belong"),
        ("cookie", "a=b", "cookie does not belong"),
        ("x-goog-api-key", "k", "x-goog-api-key does not belong"),
        ("proxy-authorization", "Basic eA==", "proxy-authorization does not belong"),
        ("te", "trailers", "hop-by-hop header te"),
        ("connection", "x-secret", "connection header `x-secret`"),
        ("x-note", "has tg-client-key inside", "a forbidden secret"),
    ];
    for (name, value, message) in cases {
        let got = post(&fake, "/v1/chat/completions", &[OPENAI, (name, value)], &body).await;
        let faults = fake.faults();
        assert_eq!(got.status, 400, "{name} passes");
        assert!(faults[0].contains(message), "{faults:?}");
        assert!(!faults[0].contains("tg-client-key"));
    }
    let got = post(&fake, "/v1/chat/completions?key=abc", &[OPENAI], &body).await;
    assert_eq!((got.status, fake.faults().len()), (400, 1));
    let got = post(&fake, "/v1/chat/completions", &[OPENAI, ("host", "relay.example")], &body).await;
    assert_eq!((got.status, fake.faults().len()), (400, 1));
    let url = format!("{}/v1/chat/completions", fake.url());
    let packed = zstd::encode_all(body.to_string().as_bytes(), 1).expect("compresses");
    let got = send("POST", &url, &[OPENAI, ("content-encoding", "zstd")], packed).await.expect("an answer");
    assert_eq!((got.status, fake.faults().len()), (400, 1));
}

#[tokio::test]
async fn unread_faults_fail_the_test() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    post(&fake, "/v1/chat/completions", &[OPENAI, ("cookie", "a=b")], &chat(false)).await;
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(fake)));
    assert!(dropped.is_err());
}

#[tokio::test]
async fn a_stopped_fake_refuses_connections() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    assert_eq!(get(&fake, "/v1/models", &[OPENAI]).await.status, 200);
    fake.stop().await;
    assert!(send("GET", &format!("{}/v1/models", fake.url()), &[OPENAI], "").await.is_none());
}

#[tokio::test]
async fn all_vendors_fit_on_one_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let fake = FakeUpstream::serve(None, listener);
    let url = format!("{}/v1/models", fake.url_of(Vendor::OpenAi));
    assert_eq!(send("GET", &url, &[OPENAI], "").await.expect("an answer").status, 200);
    assert_eq!(fake.last().path, "/v1/models");
    assert_eq!(fake.last().wire_path, "/openai/v1/models");
    assert_eq!(get(&fake, "/nobody/v1/models", &[]).await.status, 404);
}

#[tokio::test]
async fn what_is_said_and_reported_can_be_set() {
    let fake = FakeUpstream::start(Vendor::OpenAi).await;
    fake.say(Answer::text("Certainly."));
    fake.report_usage(Usage { input: 10, cache_read: 5, output: 3, reasoning: 1, ..Usage::default() });
    let got = post(&fake, "/v1/chat/completions", &[OPENAI], &chat(false)).await.json();
    assert_eq!(got["choices"][0]["message"]["content"], "Certainly.");
    assert_eq!(got["usage"]["prompt_tokens"], 15);
    assert_eq!(got["usage"]["prompt_tokens_details"]["cached_tokens"], 5);
    fake.accept_only(["sk-other"]);
    assert_eq!(post(&fake, "/v1/chat/completions", &[OPENAI], &chat(false)).await.status, 401);
    let other = ("authorization", "Bearer sk-other");
    assert_eq!(post(&fake, "/v1/chat/completions", &[other], &chat(false)).await.status, 200);
}

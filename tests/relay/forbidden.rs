//! Words that no prompt may hold.

use serde_json::{Value, json};

use crate::world::{CHAT, chat, openai};

#[tokio::test(flavor = "multi_thread")]
async fn no_prompt_with_a_forbidden_word_is_sent() {
    let (world, fake, ann) = openai().await;
    let asked = |text: &str| json!({"model": CHAT, "max_tokens": 8, "messages": [{"role": "user", "content": text}]});
    world.set(&[("forbidden_words", "Top Secret\n秘密\n")]).await;
    assert_eq!(ann.http.post("/v1/chat/completions", asked("秘密")).await.status, 200, "not looked at as it comes");
    world.set(&[("forbidden_words_checked", "true")]).await;
    assert_eq!(ann.http.post("/v1/chat/completions", chat(false)).await.status, 200);
    world.booked_when(2).await;

    let refused: [(&str, Value, &str, &str); 7] = [
        ("/v1/chat/completions", asked("这是秘密。"), "error.code", "sensitive_words_detected"),
        ("/v1/chat/completions", asked("it is TOP secret"), "error.code", "sensitive_words_detected"),
        (
            "/v1/messages",
            json!({"model": CHAT, "max_tokens": 8, "system": [{"type": "text", "text": "top secret"}],
                "messages": [{"role": "user", "content": "hi"}]}),
            "error.type",
            "invalid_request_error",
        ),
        (
            "/v1beta/models/gpt-4o:generateContent",
            json!({"contents": [{"parts": [{"text": "a top secret"}]}]}),
            "error.status",
            "INVALID_ARGUMENT",
        ),
        (
            "/v1/responses",
            json!({"model": CHAT, "input": [{"type": "function_call_output", "call_id": "c", "output": "top secret"}]}),
            "error.code",
            "sensitive_words_detected",
        ),
        (
            "/v1/embeddings",
            json!({"model": "text-embedding-3-small", "input": ["fine", "top secret"]}),
            "error.code",
            "sensitive_words_detected",
        ),
        (
            "/v1/images/generations",
            json!({"model": "dall-e-3", "prompt": "top secret papers"}),
            "error.code",
            "sensitive_words_detected",
        ),
    ];
    let sent = fake.requests().len();
    for (path, body, place, word) in refused {
        let no = ann.http.post(path, body).await;
        assert_eq!((no.status.as_u16(), harness::at(&no.json(), place)), (400, &json!(word)), "{path}: {}", no.text);
        assert!(no.text.contains("not passed on"), "{path}: {}", no.text);
    }
    assert_eq!(fake.requests().len(), sent, "nothing is sent");
    let picture = json!({"model": CHAT, "messages": [{"role": "user", "content": [{"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="}}]}]});
    world.set(&[("forbidden_words", "iVBO")]).await;
    assert_eq!(ann.http.post("/v1/chat/completions", picture).await.status, 200, "letters of a picture are no words");
    assert_eq!(world.booked_when(3).await.len(), 3, "what was refused is not booked");
}

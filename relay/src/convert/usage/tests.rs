use super::*;

fn stream(form: Form, events: &[&str]) -> Option<Usage> {
    let mut watch = Watch::new(form);
    for event in events {
        watch.see(event.as_bytes());
    }
    watch.usage()
}

#[test]
fn chat_counts_cached_reasoning_and_audio_once() {
    let body = br#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
        "prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10,"audio_tokens":5},
        "completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":3}}}"#;
    let usage = of_body(Form::OpenAi, body).expect("usage");
    let want = Usage {
        input: 30,
        cache_read: 60,
        cache_write_5m: 10,
        output: 50,
        reasoning: 20,
        audio_in: 5,
        audio_out: 3,
        ..Usage::default()
    };
    assert_eq!(usage, want);
    assert_eq!((usage.total_input(), usage.total()), (100, 150));
}

#[test]
fn vendors_that_copy_chat_with_words_of_their_own() {
    let deepseek = br#"{"usage":{"prompt_tokens":10,"completion_tokens":2,"prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":6}}"#;
    assert_eq!(of_body(Form::OpenAi, deepseek), Some(Usage { input: 6, cache_read: 4, output: 2, ..Usage::default() }));
    let odd =
        br#"{"usage":{"prompt_tokens":"7","completion_tokens":2.0,"prompt_tokens_details":null,"cached_tokens":[1]}}"#;
    assert_eq!(of_body(Form::OpenAi, odd), Some(Usage { input: 7, output: 2, ..Usage::default() }));
    let groq = br#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}}"#;
    assert_eq!(of_body(Form::OpenAi, groq), Some(Usage { input: 1, output: 2, ..Usage::default() }));
}

#[test]
fn a_chat_stream_reports_in_its_last_chunk() {
    let usage = stream(
        Form::OpenAi,
        &[
            r#"{"choices":[{"delta":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage":null}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
            "[DONE]",
        ],
    );
    assert_eq!(usage, Some(Usage { input: 3, output: 4, ..Usage::default() }));
    assert_eq!(stream(Form::OpenAi, &[r#"{"choices":[],"usage":null}"#]), None);
}

#[test]
fn responses_report_in_the_terminal_event() {
    let usage = stream(
        Form::OpenAi,
        &[
            r#"{"type":"response.created","response":{"id":"r","usage":null}}"#,
            r#"{"type":"response.completed","response":{"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":8},
               "output_tokens":6,"output_tokens_details":{"reasoning_tokens":2}}}}"#,
        ],
    );
    assert_eq!(usage, Some(Usage { input: 12, cache_read: 8, output: 6, reasoning: 2, ..Usage::default() }));
}

#[test]
fn anthropic_streams_are_cumulative() {
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":10,"cache_creation_input_tokens":30,
        "cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1}}}"#;
    let cut = stream(Form::Anthropic, &[start]).expect("what was announced");
    assert_eq!((cut.total_input(), cut.output), (45, 1));
    let whole = stream(
        Form::Anthropic,
        &[
            start,
            r#"{"type":"message_delta","delta":{},"usage":{"input_tokens":0,"output_tokens":77,"server_tool_use":{"web_search_requests":2}}}"#,
        ],
    );
    let want = Usage {
        input: 10,
        cache_read: 5,
        cache_write_5m: 10,
        cache_write_1h: 20,
        output: 77,
        searches: 2,
        ..Usage::default()
    };
    assert_eq!(whole, Some(want));
}

#[test]
fn anthropic_sums_without_a_split_are_the_short_cache() {
    let old = br#"{"usage":{"input_tokens":1,"cache_creation_input_tokens":40,"output_tokens":2}}"#;
    assert_eq!(of_body(Form::Anthropic, old).expect("usage").cache_write_5m, 40);
    let partial = br#"{"usage":{"input_tokens":1,"cache_creation_input_tokens":40,"cache_creation":{"ephemeral_1h_input_tokens":15},"output_tokens":2}}"#;
    let usage = of_body(Form::Anthropic, partial).expect("usage");
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (25, 15));
}

#[test]
fn a_tool_input_cannot_forge_usage() {
    let body = br#"{"content":[{"type":"tool_use","input":{"usage":{"input_tokens":0,"output_tokens":0}}}],"usage":{"input_tokens":9,"output_tokens":8}}"#;
    assert_eq!(of_body(Form::Anthropic, body), Some(Usage { input: 9, output: 8, ..Usage::default() }));
    let none = br#"{"content":[{"type":"tool_use","input":{"usage":{"input_tokens":1,"output_tokens":1}}}]}"#;
    assert_eq!(of_body(Form::Anthropic, none), None);
}

#[test]
fn bedrock_metrics_and_converse() {
    let stop = r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":4,"outputTokenCount":5,"cacheReadInputTokenCount":6,"cacheWriteInputTokenCount":7,"invocationLatency":1}}"#;
    let want = Usage { input: 4, output: 5, cache_read: 6, cache_write_5m: 7, ..Usage::default() };
    assert_eq!(stream(Form::Anthropic, &[stop]), Some(want));
    let converse = br#"{"usage":{"inputTokens":4,"outputTokens":5,"cacheReadInputTokens":6,"cacheWriteInputTokens":7,"totalTokens":22},"metrics":{"latencyMs":1}}"#;
    assert_eq!(of_body(Form::Converse, converse), Some(want));
}

#[test]
fn gemini_last_word_wins_and_thoughts_are_output() {
    let usage = stream(
        Form::Gemini,
        &[
            r#"{"candidates":[],"usageMetadata":{"promptTokenCount":50,"totalTokenCount":50}}"#,
            r#"{"usageMetadata":{"promptTokenCount":50,"cachedContentTokenCount":20,"candidatesTokenCount":7,"thoughtsTokenCount":9,
               "toolUsePromptTokenCount":3,"totalTokenCount":69,"promptTokensDetails":[{"modality":"TEXT","tokenCount":40},{"modality":"AUDIO","tokenCount":10}]}}"#,
        ],
    );
    let want = Usage { input: 33, cache_read: 20, output: 16, reasoning: 9, audio_in: 10, ..Usage::default() };
    assert_eq!(usage, Some(want));
    let wrapped = br#"{"response":{"usageMetadata":{"promptTokenCount":2,"totalTokenCount":5}}}"#;
    assert_eq!(of_body(Form::Gemini, wrapped), Some(Usage { input: 2, output: 3, ..Usage::default() }));
    let array = br#"[{"usageMetadata":{"promptTokenCount":2}},
        {"usageMetadata":{"promptTokenCount":2,"candidatesTokenCount":1}}]"#;
    assert_eq!(of_body(Form::Gemini, array), Some(Usage { input: 2, output: 1, ..Usage::default() }));
}

#[test]
fn embeddings_images_audio_and_rerank() {
    let embeddings = br#"{"data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#;
    assert_eq!(of_body(Form::OpenAi, embeddings), Some(Usage { input: 8, ..Usage::default() }));
    let images = br#"{"data":[{"b64_json":"x"},{"b64_json":"y"}],"usage":{"input_tokens":10,"input_tokens_details":{"image_tokens":4,"text_tokens":6},"output_tokens":90}}"#;
    assert_eq!(
        of_body(Form::OpenAi, images),
        Some(Usage { input: 10, output: 90, image_in: 4, images: 2, ..Usage::default() })
    );
    let urls = br#"{"created":1,"data":[{"url":"https://x/a.png"}]}"#;
    assert_eq!(of_body(Form::OpenAi, urls), Some(Usage { images: 1, ..Usage::default() }));
    let heard = br#"{"text":"hi","usage":{"type":"duration","seconds":12.5}}"#;
    assert_eq!(of_body(Form::OpenAi, heard), Some(Usage { audio_ms: 12_500, ..Usage::default() }));
    let tokens = br#"{"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},"output_tokens":2}}"#;
    assert_eq!(of_body(Form::OpenAi, tokens), Some(Usage { input: 14, audio_in: 14, output: 2, ..Usage::default() }));
    let jina = br#"{"results":[],"usage":{"total_tokens":33}}"#;
    assert_eq!(of_body(Form::OpenAi, jina), Some(Usage { input: 33, ..Usage::default() }));
    let cohere = br#"{"results":[],"meta":{"billed_units":{"search_units":2}}}"#;
    assert_eq!(of_body(Form::OpenAi, cohere), Some(Usage { searches: 2, ..Usage::default() }));
}

#[test]
fn rubbish_is_no_usage() {
    for body in ["", "null", "[", "{\"usage\":{\"input_tokens\":", "<html>\"usage\":{</html>", "{\"usage\":[]}"] {
        assert_eq!(of_body(Form::OpenAi, body.as_bytes()), None, "{body}");
        assert_eq!(of_body(Form::Anthropic, body.as_bytes()), None, "{body}");
    }
}

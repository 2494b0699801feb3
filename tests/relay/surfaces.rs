//! What is no conversation: vectors, pictures, sound, judgements, counting, each booked in its own units.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::Answer;
use harness::fake_upstream::{FakeUpstream, Vendor};
use http::Method;
use schema::model::account::AccountKind;
use schema::service::account::{AccountDraft, Credentials};
use serde_json::{Value, json};

use crate::world::{CLAUDE, Caller, World, chat, events, messages, openai, said};

/// A form of fields and at most one file.
async fn form(caller: &Caller, path: &str, fields: &[(&str, &str)], file: Option<(&str, &[u8])>) -> Answer {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").bytes(),
        );
    }
    if let Some((name, bytes)) = file {
        let head = format!(
            "--b0undary\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        body.extend(head.bytes());
        body.extend(bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--b0undary--\r\n");
    let request = caller.http.request(Method::POST, path);
    caller.http.send(request.header("content-type", "multipart/form-data; boundary=b0undary").body(body)).await
}

/// Every byte value, so that treating a file as text would break it.
fn file() -> Vec<u8> {
    (0..2048_u32).map(|n| u8::try_from(n * 7 % 256).expect("a byte")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_come_as_numbers_and_packed() {
    let (world, _fake, ann) = openai().await;
    let ask = |format: &str| json!({"model": "text-embedding-3-small", "input": ["one", "two words"], "encoding_format": format});
    let floats = ann.http.post("/v1/embeddings", ask("float")).await.json();
    assert_eq!(floats["data"].as_array().map(Vec::len), Some(2), "{floats}");
    let packed = ann.http.post("/v1/embeddings", ask("base64")).await.json();
    let bytes = STANDARD.decode(packed["data"][1]["embedding"].as_str().unwrap()).unwrap();
    let unpacked: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let wanted: Vec<f32> =
        floats["data"][1]["embedding"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect();
    assert_eq!(unpacked, wanted);
    let old = ann.http.post("/v1/engines/text-embedding-ada-002/embeddings", json!({"input": "one"})).await;
    assert_eq!(old.status, 200, "{}", old.text);
    let booked = world.booked_when(3).await;
    for (row, answer) in booked.iter().zip([&floats, &packed]) {
        assert_eq!((&row["input"], row["output"].as_i64()), (&answer["usage"]["prompt_tokens"], Some(0)));
        assert_eq!((row["operation"].as_str(), row["estimated"].as_bool()), (Some("embeddings"), Some(false)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_in_openais_form_by_googles_vendors() {
    let world = World::new().await;
    world.set(&[("unpriced_models", "free")]).await;
    let (google, vertex) = (FakeUpstream::start(Vendor::Gemini).await, FakeUpstream::start(Vendor::Vertex).await);
    let only = |model: &'static str| move |draft: &mut AccountDraft| draft.models = vec![model.to_owned()];
    world.account_with(&google, AccountKind::GeminiKey, Vendor::Gemini, only("gemini-embedding-001")).await;
    for model in ["text-embedding-005", "gemini-embedding-2"] {
        let json = vertex.service_account_json();
        world
            .account_with(&vertex, AccountKind::Vertex, Vendor::Vertex, |draft| {
                draft.credentials = Credentials::ServiceAccount { json };
                draft.models = vec![model.to_owned()];
            })
            .await;
    }
    let ann = world.caller("ann").await;
    for (model, fake, path) in [
        ("gemini-embedding-001", &google, ":batchEmbedContents"),
        ("text-embedding-005", &vertex, ":predict"),
        ("gemini-embedding-2", &vertex, ":embedContent"),
    ] {
        let ask =
            |format: &str| json!({"model": model, "input": ["one two"], "encoding_format": format, "dimensions": 4});
        let floats = ann.http.post("/v1/embeddings", ask("float")).await;
        assert_eq!(floats.status, 200, "{model}: {}", floats.text);
        assert!(fake.last().path.ends_with(path), "{model}: {}", fake.last().path);
        let floats = floats.json();
        let vector: Vec<f32> =
            floats["data"][0]["embedding"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect();
        assert_eq!((vector.len(), floats["model"].as_str()), (4, Some(model)));
        assert!(floats["usage"]["prompt_tokens"].as_u64().unwrap() > 0, "{floats}");
        let packed = ann.http.post("/v1/embeddings", ask("base64")).await.json();
        let bytes = STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
        let unpacked: Vec<f32> = bytes.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(unpacked, vector);
        // Google's own clients hear theirs, whatever Google's cloud calls it.
        let content = json!({"parts": [{"text": "one two"}]});
        let one = json!({"content": content, "outputDimensionality": 4});
        let one = ann.http.post(&format!("/v1beta/models/{model}:embedContent"), one).await.json();
        assert_eq!(one["embedding"]["values"], floats["data"][0]["embedding"], "{model}");
        let request = json!({"model": format!("models/{model}"), "content": content, "outputDimensionality": 4});
        let many = json!({"requests": [request]});
        let many = ann.http.post(&format!("/v1beta/models/{model}:batchEmbedContents"), many).await.json();
        assert_eq!(many["embeddings"][0]["values"], floats["data"][0]["embedding"], "{model}");
    }
    let booked = world.booked_when(12).await;
    let counted = booked.iter().filter(|row| row["model"] == "text-embedding-005" && row["estimated"] == false);
    assert!(counted.clone().count() == 4 && counted.clone().all(|row| row["input"] == 2), "{booked:?}");
    assert!(booked.iter().all(|row| row["status"] == 200 && row["operation"] == "embeddings"), "{booked:?}");
    let two = json!({"model": "gemini-embedding-2", "input": ["one", "two"]});
    let refused = ann.http.post("/v1/embeddings", two).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    let tokens = json!({"model": "gemini-embedding-001", "input": [[1, 2]]});
    assert_eq!(ann.http.post("/v1/embeddings", tokens).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_in_googles_form_by_either_vendor() {
    let world = World::new().await;
    let (google, openai) = (FakeUpstream::start(Vendor::Gemini).await, FakeUpstream::start(Vendor::OpenAi).await);
    world.account(&google, AccountKind::GeminiKey, Vendor::Gemini).await;
    world.account(&openai, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    let ann = world.caller("ann").await;
    for model in ["gemini-embedding-001", "text-embedding-3-small"] {
        let content = json!({"parts": [{"text": "one"}]});
        let one = ann.http.post(&format!("/v1beta/models/{model}:embedContent"), json!({"content": content})).await;
        assert!(one.json()["embedding"]["values"][0].is_number(), "{model}: {}", one.text);
        let request = json!({"model": format!("models/{model}"), "content": content});
        let many = ann
            .http
            .post(&format!("/v1beta/models/{model}:batchEmbedContents"), json!({"requests": [request, request]}))
            .await;
        assert_eq!(many.json()["embeddings"].as_array().map(Vec::len), Some(2), "{model}: {}", many.text);
    }
    let booked = world.booked_when(4).await;
    assert!(booked.iter().all(|row| row["input"].as_i64().unwrap() > 0 && row["status"] == 200), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_made_changed_and_varied() {
    let (world, fake, ann) = openai().await;
    let ask = json!({"model": "dall-e-3", "prompt": "a cat", "n": 1, "size": "1024x1024", "response_format": "url"});
    let made = ann.http.post("/v1/images/generations", ask).await;
    assert!(made.json()["data"][0]["url"].is_string(), "{}", made.text);
    let fields = [("model", "gpt-image-1"), ("prompt", "a red hat — größer")];
    let changed = form(&ann, "/v1/images/edits", &fields, Some(("image", &file()))).await;
    assert!(changed.json()["data"][0]["b64_json"].is_string(), "{}", changed.text);
    let parts = fake.last().multipart().unwrap();
    assert!(
        parts.iter().any(|(name, _, bytes)| name == "image" && **bytes == *file()),
        "the picture arrives as it was"
    );
    assert!(parts.iter().any(|(name, _, bytes)| name == "prompt" && **bytes == *"a red hat — größer".as_bytes()));
    let varied =
        form(&ann, "/v1/images/variations", &[("n", "2"), ("size", "256x256")], Some(("image", &file()))).await;
    assert_eq!(varied.json()["data"].as_array().map(Vec::len), Some(2), "{}", varied.text);
    let booked = world.booked_when(3).await;
    assert_eq!((booked[0]["images"].as_i64(), booked[2]["images"].as_i64()), (Some(1), Some(2)), "{booked:?}");
    assert_eq!((booked[1]["input"].as_i64(), booked[1]["output"].as_i64()), (Some(50), Some(272)), "by its tokens");
    assert!(booked.iter().all(|row| row["cost"].as_i64().unwrap() > 0), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pictures_stream_shows_its_sketches() {
    let (world, _fake, ann) = openai().await;
    let ask = json!({"model": "gpt-image-1", "prompt": "a cat", "stream": true, "partial_images": 2});
    let answer = ann.http.post("/v1/images/generations", ask).await;
    let kinds: Vec<Value> = events(&answer).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(
        kinds,
        ["image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"]
    );
    let booked = world.booked_when(1).await;
    assert_eq!((booked[0]["output"].as_i64(), booked[0]["stream"].as_bool()), (Some(272), Some(true)), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_becomes_words() {
    let (world, fake, ann) = openai().await;
    let sound = file();
    for (format, kind, shown) in [
        ("json", "application/json", "\"text\""),
        ("verbose_json", "application/json", "\"segments\""),
        ("text", "text/plain", "fox — schnell"),
        ("srt", "text/plain", "00:00:03,000"),
        ("vtt", "text/plain", "WEBVTT"),
    ] {
        let fields = [("model", "whisper-1"), ("response_format", format), ("language", "en")];
        let answer = form(&ann, "/v1/audio/transcriptions", &fields, Some(("file", &sound))).await;
        assert!(answer.status == 200 && answer.text.contains(shown), "{format}: {}", answer.text);
        assert!(answer.header("content-type").starts_with(kind), "{format}: {}", answer.header("content-type"));
        let parts = fake.last().multipart().unwrap();
        assert!(
            parts.iter().any(|(name, _, bytes)| name == "file" && **bytes == *sound),
            "the sound arrives as it was"
        );
    }
    let english = form(&ann, "/v1/audio/translations", &[("model", "whisper-1")], Some(("file", &sound))).await;
    assert!(english.json()["text"].is_string(), "{}", english.text);
    let fields = [("model", "gpt-4o-mini-transcribe"), ("stream", "true")];
    let stream = form(&ann, "/v1/audio/transcriptions", &fields, Some(("file", &sound))).await;
    let last = events(&stream).pop().unwrap();
    assert_eq!(last["type"], "transcript.text.done", "{}", stream.text);
    let booked = world.booked_when(7).await;
    assert!(booked.iter().all(|row| row["cost"].as_i64().unwrap() > 0), "{booked:?}");
    // Three seconds at $0.006 a minute.
    assert_eq!((booked[0]["cost"].as_i64(), booked[0]["estimated"].as_bool()), (Some(300), Some(false)), "{booked:?}");
    assert_eq!((booked[6]["input"].as_i64(), booked[6]["output"].as_i64()), (Some(30), Some(14)), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_become_sound_byte_for_byte() {
    let (world, _fake, ann) = openai().await;
    let ask = json!({"model": "tts-1", "input": "Grüße, 世界!", "voice": "alloy", "response_format": "mp3"});
    let answer = ann.http.request(Method::POST, "/v1/audio/speech").json(&ask).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, "audio/mpeg"));
    let wanted: Vec<u8> = (0..4096_u32).map(|n| u8::try_from(n * 31 % 256).unwrap()).collect();
    assert_eq!(answer.bytes().await.unwrap().to_vec(), wanted);
    let booked = world.booked_when(1).await;
    // Ten characters at $15 a million.
    assert_eq!((booked[0]["cost"].as_i64(), booked[0]["error"].as_str()), (Some(150), Some("")), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_judged_and_ranked() {
    let (world, fake, ann) = openai().await;
    let judged = ann.http.post("/v1/moderations", json!({"input": "kill the process"})).await;
    assert_eq!(judged.json()["results"][0]["flagged"], true, "{}", judged.text);
    assert_eq!(fake.last().json()["model"], "omni-moderation-latest", "the customary model stands in");
    world.set(&[("unpriced_models", "free")]).await;
    let ask = json!({"model": "some-reranker", "query": "red fox", "documents": ["a dog", "a red fox", {"text": "red"}], "top_n": 2});
    let ranked = ann.http.post("/v1/rerank", ask).await;
    assert_eq!(ranked.json()["results"][0]["index"], 1, "{}", ranked.text);
    let booked = world.booked_when(2).await;
    assert_eq!((booked[0]["operation"].as_str(), booked[0]["cost"].as_i64()), (Some("moderation"), Some(0)));
    assert_eq!(
        (booked[1]["operation"].as_str(), &booked[1]["input"]),
        (Some("rerank"), &ranked.json()["usage"]["prompt_tokens"])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_are_counted_by_whoever_can() {
    let world = World::new().await;
    let anthropic = FakeUpstream::start(Vendor::Anthropic).await;
    let openai = FakeUpstream::start(Vendor::OpenAi).await;
    let google = FakeUpstream::start(Vendor::Gemini).await;
    world.account(&anthropic, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    world.account(&openai, AccountKind::OpenaiCompatible, Vendor::OpenAi).await;
    world.account(&google, AccountKind::GeminiKey, Vendor::Gemini).await;
    let ann = world.caller("ann").await;
    let mut ask = messages(false);
    ask.as_object_mut().unwrap().remove("max_tokens");
    let counted = ann.http.post("/v1/messages/count_tokens", ask.clone()).await;
    assert!(
        counted.json()["input_tokens"].as_u64().unwrap() > 0 && counted.header("x-tollgate-warnings").is_empty(),
        "{}",
        counted.text
    );
    assert_eq!(anthropic.last().path, "/v1/messages/count_tokens");
    // No vendor of this model counts: an estimate, said to be one.
    ask["model"] = "gpt-4o".into();
    let guessed = ann.http.post("/v1/messages/count_tokens", ask).await;
    assert!(guessed.json()["input_tokens"].as_u64().unwrap() > 0, "{}", guessed.text);
    assert!(guessed.header("x-tollgate-warnings").contains("estimate"), "{:?}", guessed.headers);
    let contents = json!({"contents": [{"parts": [{"text": "Say hello."}]}]});
    let gemini = ann.http.post("/v1beta/models/gemini-2.5-flash:countTokens", contents).await;
    assert!(gemini.json()["totalTokens"].as_u64().unwrap() > 0, "{}", gemini.text);
    let booked = world.booked_when(3).await;
    assert!(booked.iter().all(|row| row["cost"] == 0 && row["input"] == 0), "counting costs nothing: {booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_continued_natively_and_by_conversation() {
    let world = World::new().await;
    let openai = FakeUpstream::start(Vendor::OpenAi).await;
    let anthropic = FakeUpstream::start(Vendor::Anthropic).await;
    world.account(&openai, AccountKind::OpenaiKey, Vendor::OpenAi).await;
    world.account(&anthropic, AccountKind::ClaudeConsole, Vendor::Anthropic).await;
    world.set(&[("unpriced_models", "free")]).await;
    let ann = world.caller("ann").await;
    for (model, path) in [("gpt-3.5-turbo-instruct", "/v1/completions"), (CLAUDE, "/v1/messages")] {
        let ask = |stream| json!({"model": model, "prompt": "Once upon a time", "max_tokens": 64, "stream": stream});
        let whole = ann.http.post("/v1/completions", ask(false)).await;
        let body = whole.json();
        assert_eq!(body["object"], "text_completion", "{model}: {}", whole.text);
        assert!(body["choices"][0]["text"].as_str().unwrap().contains("世界"), "{model}: {}", whole.text);
        let stream = ann.http.post("/v1/completions", ask(true)).await;
        let words: String = events(&stream).iter().filter_map(|event| event["choices"][0]["text"].as_str()).collect();
        assert!(words.contains("世界! 🌍") && stream.text.ends_with("data: [DONE]\n\n"), "{model}: {}", stream.text);
        assert!(!stream.text.contains("\"usage\":{"), "{model}: the usage was not asked for");
        let fake = if path == "/v1/completions" { &openai } else { &anthropic };
        assert_eq!(fake.last().path, path);
    }
    let booked = world.booked_when(4).await;
    assert!(booked.iter().all(|row| row["output"].as_i64().unwrap() > 0 && row["estimated"] == false), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_may_come_packed() {
    use std::io::Write;
    let (_world, fake, ann) = openai().await;
    let plain = chat(false).to_string().into_bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&plain).unwrap();
    for (encoding, body) in [("gzip", gzip.finish().unwrap()), ("zstd", zstd::encode_all(&plain[..], 3).unwrap())] {
        let request = ann.http.request(Method::POST, "/v1/chat/completions");
        let request =
            request.header("content-type", "application/json").header("content-encoding", encoding).body(body);
        let answer = ann.http.send(request).await;
        assert_eq!(answer.status, 200, "{encoding}: {}", answer.text);
        assert_eq!((fake.last().json(), fake.last().header("content-encoding")), (chat(false), None), "{encoding}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendors_packed_answer_is_unpacked_or_passed_whole() {
    use harness::fake_upstream::Step;
    let (world, fake, ann) = openai().await;
    fake.script([Step::answer().gzip(), Step::answer().gzip()]);
    let whole = ann.http.post("/v1/chat/completions", chat(false)).await;
    assert!(whole.json()["choices"][0]["message"]["content"].as_str().unwrap().contains("世界"), "{}", whole.text);
    let stream = ann.http.post("/v1/chat/completions", chat(true)).await;
    assert!(said(&stream).contains("世界"), "{}", stream.text);
    let booked = world.booked_when(2).await;
    assert!(booked.iter().all(|row| row["output"].as_i64().unwrap() > 0 && row["estimated"] == false), "{booked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_vendor_does_not_count_is_guessed_and_marked() {
    use harness::fake_upstream::Step;
    let (world, fake, ann) = openai().await;
    let words = "A rather long answer. ".repeat(20);
    let whole = json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}],
    });
    let chunk = json!({
        "id": "x", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": words}, "finish_reason": "stop"}],
    });
    let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    let mut asked = messages(false);
    asked["model"] = "gpt-4o".into();
    for (path, mut body) in [("/v1/chat/completions", chat(false)), ("/v1/messages", asked)] {
        for streams in [false, true] {
            body["stream"] = streams.into();
            fake.script([match streams {
                false => Step::raw(200, "application/json", whole.to_string()),
                true => Step::raw(200, "text/event-stream", stream.clone()),
            }]);
            let answer = ann.http.post(path, body.clone()).await;
            assert!(answer.status == 200 && answer.text.contains("A rather long answer."), "{path}: {}", answer.text);
        }
    }
    for row in world.booked_when(4).await {
        let (input, output) = (row["input"].as_i64().unwrap(), row["output"].as_i64().unwrap());
        assert!(input > 3 && (60..=220).contains(&output), "{row:?}");
        assert!(row["estimated"] == true && row["cost"].as_i64().unwrap() > 0, "{row:?}");
    }
}

use super::*;
use crate::ingress::task_route::{Platform, TaskAsk};

fn target(method: &str, path: &'static str) -> (Mount, Target<'static>) {
    let route = read(&method.parse().unwrap(), path).unwrap();
    (route.mount, route.target)
}

fn called(method: &str, path: &'static str) -> (Mount, Dialect, Operation, Option<String>, Option<bool>) {
    match target(method, path) {
        (mount, Target::Call(call)) => {
            (mount, call.dialect, call.operation, call.model.map(Cow::into_owned), call.stream)
        }
        (_, other) => panic!("{method} {path}: {other:?}"),
    }
}

#[test]
fn every_dialect_has_its_paths() {
    use Dialect as D;
    use Mount as M;
    use Operation as O;
    let cases: &[(&'static str, M, D, O)] = &[
        ("/v1/chat/completions", M::Root, D::Chat, O::Generate),
        ("/v1/completions", M::Root, D::Completions, O::Complete),
        ("/v1/embeddings", M::Root, D::Embeddings, O::Embed),
        ("/v1/images/generations", M::Root, D::Images, O::ImageGenerate),
        ("/v1/images/edits", M::Root, D::Images, O::ImageEdit),
        ("/v1/images/variations", M::Root, D::Images, O::ImageVary),
        ("/v1/audio/transcriptions", M::Root, D::Audio, O::Transcribe),
        ("/v1/audio/translations", M::Root, D::Audio, O::Translate),
        ("/v1/audio/speech", M::Root, D::Audio, O::Speak),
        ("/v1/moderations", M::Root, D::Moderations, O::Moderate),
        ("/v1/rerank", M::Root, D::Rerank, O::Rerank),
        ("/v1/responses", M::Root, D::Responses, O::Generate),
        ("/v1/responses/compact", M::Root, D::Responses, O::Compact),
        ("/v1/responses/input_tokens", M::Root, D::Responses, O::CountTokens),
        ("/v1/messages", M::Root, D::Messages, O::Generate),
        ("/v1/messages/count_tokens", M::Root, D::Messages, O::CountTokens),
        ("/api/messages", M::Api, D::Messages, O::Generate),
        ("/api/v1/messages", M::Api, D::Messages, O::Generate),
        ("/api/claude/v1/messages", M::Api, D::Messages, O::Generate),
        ("/api/v1/messages/count_tokens", M::Api, D::Messages, O::CountTokens),
        ("/api/v1/chat/completions", M::Api, D::Chat, O::Generate),
        ("/claude/messages", M::Claude, D::Messages, O::Generate),
        ("/claude/v1/messages", M::Claude, D::Messages, O::Generate),
        ("/claude/v1/messages/count_tokens", M::Claude, D::Messages, O::CountTokens),
        ("/gemini/messages", M::Gemini, D::Messages, O::Generate),
        ("/gemini/v1internal:loadCodeAssist", M::Gemini, D::CodeAssist, O::Side),
        ("/openai/chat/completions", M::Openai, D::Chat, O::Generate),
        ("/openai/v1/chat/completions", M::Openai, D::Chat, O::Generate),
        ("/openai/responses", M::Openai, D::Responses, O::Generate),
        ("/openai/v1/responses/compact", M::Openai, D::Responses, O::Compact),
        ("/openai/claude/v1/chat/completions", M::Claude, D::Chat, O::Generate),
        ("/openai/gemini/v1/chat/completions", M::Gemini, D::Chat, O::Generate),
        ("/azure/chat/completions", M::Azure, D::Chat, O::Generate),
        ("/azure/openai/responses", M::Azure, D::Responses, O::Generate),
        ("/azure/openai/v1/embeddings", M::Azure, D::Embeddings, O::Embed),
        ("/bedrock/messages", M::Bedrock, D::Messages, O::Generate),
        ("/bedrock/v1/messages", M::Bedrock, D::Messages, O::Generate),
    ];
    for (path, mount, dialect, operation) in cases {
        let (seen_mount, seen_dialect, seen_operation, ..) = called("POST", path);
        assert_eq!((seen_mount, seen_dialect, seen_operation), (*mount, *dialect, *operation), "{path}");
    }
    assert_eq!(called("GET", "/v1/realtime").1, Dialect::Realtime);
}

#[test]
fn models_and_streams_come_from_the_path_where_they_stand_there() {
    let named = |path| {
        let (_, _, operation, model, stream) = called("POST", path);
        (operation, model.unwrap_or_default(), stream)
    };
    for door in ["/v1beta", "/v1", "/gemini/v1beta", "/gemini/v1", "/gemini"] {
        let path: &'static str =
            Box::leak(format!("{door}/models/gemini-3-pro:streamGenerateContent").into_boxed_str());
        assert_eq!(named(path), (Operation::Generate, "gemini-3-pro".into(), Some(true)), "{door}");
    }
    assert_eq!(named("/v1beta/models/g:countTokens").0, Operation::CountTokens);
    assert_eq!(named("/v1beta/models/e:batchEmbedContents").0, Operation::EmbedBatch);
    assert_eq!(named("/v1beta/models/tuned%2Fx:generateContent").1, "tuned/x");
    assert_eq!(
        named("/azure/openai/deployments/my-gpt/chat/completions"),
        (Operation::Generate, "my-gpt".into(), None)
    );
    assert_eq!(named("/openai/deployments/my-gpt/embeddings").1, "my-gpt");
    assert_eq!(named("/v1/engines/ada/embeddings").1, "ada");
    assert_eq!(
        named("/bedrock/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream"),
        (Operation::Generate, "us.anthropic.claude-sonnet-4-5-20250929-v1:0".into(), Some(true))
    );
    // An application inference profile is an ARN with a slash in it.
    assert_eq!(
        named("/bedrock/model/arn:aws:bedrock:us-east-1:1:application-inference-profile/abc/converse").1,
        "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"
    );
}

#[test]
fn lists_own_questions_and_health() {
    let models = |path| match target("GET", path).1 {
        Target::Models { dialect, id } => (dialect, id.map(Cow::into_owned)),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(models("/v1/models"), (None, None));
    assert_eq!(models("/v1/models/meta-llama/Llama-3"), (None, Some("meta-llama/Llama-3".into())));
    assert_eq!(models("/v1beta/models"), (Some(Dialect::Gemini), None));
    assert_eq!(models("/v1beta/openai/models"), (Some(Dialect::Chat), None));
    assert_eq!(models("/gemini/models"), (Some(Dialect::Gemini), None));
    assert_eq!(models("/api/v1/models"), (Some(Dialect::Messages), None));
    assert_eq!(models("/openai/v1/models/gpt-4o"), (Some(Dialect::Chat), Some("gpt-4o".into())));
    for (path, own) in [
        ("/v1/me", Own::Me),
        ("/claude/v1/key-info", Own::KeyInfo),
        ("/api/v1/usage", Own::KeyUsage),
        ("/dashboard/billing/subscription", Own::Subscription),
        ("/v1/dashboard/billing/usage", Own::Usage),
        ("/openai/usage", Own::ServiceUsage),
        ("/gemini/key-info", Own::ServiceKeyInfo),
        ("/api/v1/organizations/org-1/usage", Own::OrganizationUsage),
    ] {
        assert_eq!(target("GET", path).1, Target::Own(own), "{path}");
    }
    for path in ["/api/health", "/claude/health", "/azure/health"] {
        assert_eq!(target("GET", path).1, Target::Health, "{path}");
    }
}

#[test]
fn stored_things_follow_the_clients_path() {
    for (method, path, tail) in [
        ("GET", "/v1/responses/resp_1", "/responses/resp_1"),
        ("DELETE", "/openai/v1/responses/resp_1", "/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel", "/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1/input_items", "/responses/resp_1/input_items"),
        ("POST", "/v1/conversations", "/conversations"),
        ("POST", "/v1beta/cachedContents", "/cachedContents"),
        ("PATCH", "/gemini/v1beta/cachedContents/a", "/cachedContents/a"),
    ] {
        match target(method, path).1 {
            Target::Call(call) => assert_eq!((call.operation, call.tail), (Operation::Stored, tail), "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn what_is_not_listed_is_unknown_or_not_ours() {
    for (method, path) in [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/files"),
        ("DELETE", "/v1/models/x"),
        ("POST", "/v1/models/x:tune"),
        ("GET", "/v1beta/models/g:generateContent"),
        ("GET", "/v1/models/g:countTokens"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/api/whatever"),
        ("POST", "/openai"),
        ("POST", "/bedrock/model/x/tune"),
        ("PUT", "/v1/responses/x"),
        ("POST", "/v1/responses/x/y"),
        ("POST", "/gemini/v1internal:destroy"),
        ("POST", "/v1/"),
        ("POST", "/v1"),
        ("GET", "/v1beta"),
        ("POST", "/bedrock/model//invoke/x"),
    ] {
        assert!(matches!(target(method, path).1, Target::Unknown { .. }), "{method} {path}");
    }
    let unknown = |path| match target("POST", path).1 {
        Target::Unknown { dialect } => dialect,
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(unknown("/upload/v1beta/files"), Dialect::Gemini);
    assert_eq!(unknown("/v1beta/files"), Dialect::Gemini);
    assert_eq!(unknown("/v1/messages/batches"), Dialect::Messages);
    assert_eq!(unknown("/v1/files"), Dialect::Chat);
    for path in ["/", "/upload", "/graphql", "/admin/api-keys", "/dashboard", "/v2/x", "", "/healthz", "/apistats"] {
        assert_eq!(read(&Method::GET, path), None, "{path}");
    }
}

#[test]
fn tasks_have_modes_and_ids() {
    let task = |method, path| match target(method, path).1 {
        Target::Task(task) => (task.platform, task.ask),
        other => panic!("{path}: {other:?}"),
    };
    assert_eq!(task("POST", "/mj/submit/imagine"), (Platform::Midjourney, TaskAsk::Submit { action: "imagine" }));
    assert_eq!(task("POST", "/mj-fast/mj/submit/change"), (Platform::Midjourney, TaskAsk::Submit { action: "change" }));
    assert_eq!(task("POST", "/fast/mj/insight-face/swap"), (Platform::Midjourney, TaskAsk::Submit { action: "swap" }));
    assert_eq!(task("GET", "/mj/task/17/fetch"), (Platform::Midjourney, TaskAsk::Fetch { id: "17" }));
    assert_eq!(task("POST", "/suno/submit/music"), (Platform::Suno, TaskAsk::Submit { action: "music" }));
    assert_eq!(task("GET", "/suno/fetch/a"), (Platform::Suno, TaskAsk::Fetch { id: "a" }));
    assert_eq!(
        task("POST", "/kling/v1/videos/image2video"),
        (Platform::Kling, TaskAsk::Submit { action: "image2video" })
    );
    assert_eq!(task("GET", "/v1/video/generations/t"), (Platform::Video, TaskAsk::Fetch { id: "t" }));
    assert_eq!(task("POST", "/v1/videos"), (Platform::OpenaiVideo, TaskAsk::Submit { action: "create" }));
    assert_eq!(task("GET", "/v1/videos"), (Platform::OpenaiVideo, TaskAsk::List));
    assert_eq!(task("DELETE", "/v1/videos/v"), (Platform::OpenaiVideo, TaskAsk::Remove { id: "v" }));
    assert_eq!(task("GET", "/v1/videos/v/content"), (Platform::OpenaiVideo, TaskAsk::Content { id: "v" }));
    assert_eq!(
        task("POST", "/v1/videos/v/remix"),
        (Platform::OpenaiVideo, TaskAsk::Follow { id: "v", action: "remix" })
    );
    assert!(matches!(target("POST", "/v1/videos/edits").1, Target::Unknown { .. }));
    assert_eq!(read(&Method::GET, "/mj/submit/imagine"), None);
    assert_eq!(read(&Method::POST, "/odd/mj/submit/imagine"), None);
}

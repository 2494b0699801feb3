use super::*;

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

const TOLD: Told<'static> = Told { model: "m", packed: false, tokens: 7 };

fn back(from: Form, to: Form, body: Value) -> (Value, Option<u64>) {
    let (body, counted) = answer(from, to, body.to_string().as_bytes(), &TOLD).expect("translated");
    (value(&body), counted)
}

#[test]
fn packed_numbers_are_unpacked_and_packed() {
    let packed = json!({"data": [{"index": 0, "embedding": "AAAAPwAAgL8="}, {"index": 1, "embedding": [0.1, 2]}]});
    let (numbers, _) = back(Form::OpenAi, Form::GeminiBatch, packed);
    assert_eq!(numbers, json!({"embeddings": [{"values": [0.5, -1.0]}, {"values": [0.1, 2]}]}));
    let told = Told { packed: true, ..TOLD };
    let (body, _) = answer(Form::GeminiBatch, Form::OpenAi, br#"{"embeddings":[{"values":[0.5,-1]}]}"#, &told).unwrap();
    assert_eq!(value(&body)["data"][0]["embedding"], "AAAAPwAAgL8=");
}

#[test]
fn gemini_to_openai_single_and_batch() {
    let single =
        br#"{"content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":"RETRIEVAL_QUERY","output_dimensionality":3}"#;
    let embed = request(Form::Gemini, Form::OpenAi, single, "m").expect("translated");
    assert_eq!(value(&embed.body), json!({"model": "m", "input": ["ab"], "encoding_format": "float", "dimensions": 3}));
    assert_eq!(embed.warnings.len(), 1, "the task type is named");
    let batch = br#"{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]}}]}"#;
    let embed = request(Form::GeminiBatch, Form::OpenAi, batch, "m").expect("translated");
    assert_eq!(value(&embed.body)["input"], json!(["a", "b"]));
    let answer = json!({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]});
    assert_eq!(back(Form::OpenAi, Form::Gemini, answer).0, json!({"embedding": {"values": [1]}}));
}

#[test]
fn openai_to_gemini() {
    let body = br#"{"model":"asked","input":["a","b"],"encoding_format":"base64","dimensions":3,"user":"u"}"#;
    let embed = request(Form::OpenAi, Form::GeminiBatch, body, "m").expect("translated");
    let one = |text: &str| {
        let content = json!({"parts": [{"text": text}]});
        json!({"model": "models/m", "content": content, "outputDimensionality": 3})
    };
    assert_eq!(value(&embed.body), json!({"requests": [one("a"), one("b")]}));
    assert!(embed.packed && embed.tokens > 0);
    assert_eq!(embed.warnings.len(), 1, "the user is named: {:?}", embed.warnings);
    let (told, counted) =
        back(Form::GeminiBatch, Form::OpenAi, json!({"embeddings": [{"values": [1]}, {"values": [2]}]}));
    let row = |index: u64, n: u64| json!({"object": "embedding", "index": index, "embedding": [n]});
    let usage = json!({"prompt_tokens": 7, "total_tokens": 7});
    let wanted = json!({"object": "list", "data": [row(0, 1), row(1, 2)], "model": "m", "usage": usage});
    assert_eq!((told, counted), (wanted, None));
    let one = request(Form::OpenAi, Form::Gemini, br#"{"input":"a"}"#, "m").expect("translated");
    assert_eq!(value(&one.body), json!({"model": "models/m", "content": {"parts": [{"text": "a"}]}}));
}

#[test]
fn vertex_hears_and_says_it_in_its_own_way() {
    let batch = br#"{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING","title":"t","outputDimensionality":2}]}"#;
    let embed = request(Form::GeminiBatch, Form::Predict, batch, "m").expect("translated");
    let instance = json!({"content": "a", "task_type": "CLUSTERING", "title": "t"});
    assert_eq!(value(&embed.body), json!({"instances": [instance], "parameters": {"outputDimensionality": 2}}));
    assert!(embed.warnings.is_empty());
    let row = |n: u64| json!({"embeddings": {"values": [n], "statistics": {"token_count": 3, "truncated": false}}});
    let (told, counted) = back(Form::Predict, Form::OpenAi, json!({"predictions": [row(1), row(2)]}));
    assert_eq!((counted, &told["usage"]["prompt_tokens"]), (Some(6), &json!(6)));
    assert_eq!(told["data"][1]["embedding"], json!([2]));
}

#[test]
fn what_cannot_be_embedded_is_refused() {
    let refused = |from, to, body: &[u8]| request(from, to, body, "m").is_err();
    assert!(refused(Form::Gemini, Form::OpenAi, br#"{"content":{"parts":[{"inlineData":{}}]}}"#));
    for body in [&br#"{"input":[1,2]}"#[..], br#"{"input":[[1]]}"#, br#"{"input":[]}"#, br#"{}"#, br#"{"input":7}"#] {
        assert!(refused(Form::OpenAi, Form::GeminiBatch, body), "{}", String::from_utf8_lossy(body));
    }
    assert!(refused(Form::OpenAi, Form::Gemini, br#"{"input":["a","b"]}"#), "one at a time");
    assert!(answer(Form::OpenAi, Form::GeminiBatch, br#"{"data":[]}"#, &TOLD).is_err());
    assert!(answer(Form::Predict, Form::OpenAi, br#"{"predictions":[{}]}"#, &TOLD).is_err());
}

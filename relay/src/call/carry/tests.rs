use super::*;
use crate::convert::{Dialect, Reply};
use crate::wire::eventstream::{Decoder, Message, encode};

const CHAT: &str = "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"héllo\"}}],\"usage\":null}\n\n\
data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n\
data: {\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n\
data: [DONE]\n\n";

const MESSAGES: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n\
event: ping\ndata: {\"type\": \"ping\"}\n\n\
event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}\n\n\
event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

fn run(carry: &mut Carry, text: &[u8], step: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in text.chunks(step) {
        carry.feed(Bytes::copy_from_slice(piece), &mut out);
    }
    carry.finish(&mut out);
    out.concat()
}

fn plain(middle: Middle, dialect: Dialect) -> Carry {
    Carry::new(Unpack::Plain, middle, Pack::Plain, dialect)
}

#[test]
fn a_stream_of_its_own_dialect_comes_through_whatever_the_cuts() {
    for step in [1, 3, 7, 64, 4096] {
        let mut carry = plain(Middle::watch(Kind::Chat, false), Dialect::Chat);
        assert_eq!(run(&mut carry, CHAT.as_bytes(), step), CHAT.as_bytes(), "{step}");
        assert_eq!(
            (carry.end(), carry.usage(99).unwrap().output, carry.usage(99).unwrap().estimated),
            (End::Done, 2, false)
        );
    }
}

#[test]
fn usage_that_only_the_relay_asked_for_is_hidden() {
    for step in [1, 5, 4096] {
        let mut carry = plain(Middle::watch(Kind::Chat, true), Dialect::Chat);
        let out = String::from_utf8(run(&mut carry, CHAT.as_bytes(), step)).unwrap();
        assert!(!out.contains("usage") && out.contains("héllo") && out.ends_with("data: [DONE]\n\n"), "{step}: {out}");
        assert_eq!(carry.usage(0).unwrap().total_input(), 7);
    }
}

#[test]
fn only_whole_events_go_out_and_an_error_follows_a_cut() {
    let mut carry = plain(Middle::watch(Kind::Messages, false), Dialect::Messages);
    let cut = MESSAGES.find("text_delta").unwrap();
    let mut out = Vec::new();
    carry.feed(Bytes::copy_from_slice(&MESSAGES.as_bytes()[..cut]), &mut out);
    assert!(carry.has_begun());
    carry.finish(&mut out);
    assert_eq!(carry.end(), End::Open);
    assert!(carry.fail(&Fault::new(fault::Kind::Server, "cut"), &mut out));
    let text = String::from_utf8(out.concat()).unwrap();
    assert!(!text.contains("content_block_delta"), "half an event went out: {text}");
    assert!(
        text.ends_with(
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"cut\"}}\n\n"
        ),
        "{text}"
    );
    assert_eq!(carry.usage(0).unwrap().total_input(), 5);
}

#[test]
fn bedrock_frames_become_events_and_events_become_frames() {
    let mut frames = Vec::new();
    for event in MESSAGES.split("\n\n").filter(|event| !event.is_empty() && !event.contains("ping")) {
        let data = event.split_once("data: ").unwrap().1;
        let payload = json!({"bytes": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, data)}).to_string();
        frames.extend_from_slice(&encode(&Message::event("chunk", payload)).unwrap());
    }
    let read = || -> unpack::ReadMessage {
        Box::new(|message| {
            let value: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
            let inner =
                base64::Engine::decode(&base64::prelude::BASE64_STANDARD, value["bytes"].as_str().unwrap()).unwrap();
            Ok(Some(inner.into()))
        })
    };
    let mut carry = Carry::new(
        Unpack::messages(Dialect::Messages, read()),
        Middle::watch(Kind::Messages, false),
        Pack::Plain,
        Dialect::Messages,
    );
    let out = String::from_utf8(run(&mut carry, &frames, 11)).unwrap();
    assert_eq!(out, MESSAGES.replace("event: ping\ndata: {\"type\": \"ping\"}\n\n", ""));
    assert_eq!((carry.end(), carry.usage(0).unwrap().output), (End::Done, 3));

    let mut back = Carry::new(Unpack::Plain, Middle::watch(Kind::Messages, false), Pack::invoke(), Dialect::Messages);
    let framed = run(&mut back, MESSAGES.as_bytes(), 13);
    let mut decoder = Decoder::default();
    decoder.push(&framed);
    let mut kinds = Vec::new();
    while let Some(message) = decoder.next_message().unwrap() {
        let value: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
        let inner =
            base64::Engine::decode(&base64::prelude::BASE64_STANDARD, value["bytes"].as_str().unwrap()).unwrap();
        let inner: serde_json::Value = serde_json::from_slice(&inner).unwrap();
        if inner["type"] == "message_stop" {
            assert_eq!(inner["amazon-bedrock-invocationMetrics"]["outputTokenCount"], 3);
        }
        kinds.push(inner["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    let mut out = Vec::new();
    assert!(back.fail(&Fault::new(fault::Kind::RateLimit, "slow"), &mut out));
    decoder.push(&out.concat());
    assert_eq!(decoder.next_message().unwrap().unwrap().text(":exception-type"), Some("throttlingException"));
}

#[test]
fn an_array_that_ends_in_the_vendors_error_is_closed() {
    let stream = concat!(
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hi\"}]},\"index\":0}]}\n\n",
        "data: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}\n\n"
    );
    let mut carry = Carry::new(Unpack::Plain, Middle::watch(Kind::Gemini, false), Pack::array(), Dialect::Gemini);
    let list: Value = serde_json::from_slice(&run(&mut carry, stream.as_bytes(), 16)).unwrap();
    assert_eq!((list[1]["error"]["code"].as_i64(), carry.end()), (Some(503), End::Failed));
}

#[test]
fn arrays_and_translations() {
    let gemini = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"}}]}\r\n\r\n\
data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":2,\"totalTokenCount\":6}}\r\n\r\n";
    for step in [1, 17, 4096] {
        let mut carry = Carry::new(Unpack::Plain, Middle::watch(Kind::Gemini, false), Pack::array(), Dialect::Gemini);
        let out = run(&mut carry, gemini.as_bytes(), step);
        let list: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((list.as_array().unwrap().len(), carry.usage(0).unwrap().output), (2, 2), "{step}");
    }
    let stream =
        Stream::new(Dialect::Messages, Dialect::Chat, Reply { id: "x".into(), model: "m".into(), ..Reply::default() })
            .unwrap();
    let mut carry = plain(Middle::Translate(Box::new(stream)), Dialect::Chat);
    let out = String::from_utf8(run(&mut carry, MESSAGES.as_bytes(), 9)).unwrap();
    assert!(
        out.contains("chat.completion.chunk") && out.contains("\"hi\"") && out.ends_with("data: [DONE]\n\n"),
        "{out}"
    );
    assert_eq!((carry.end(), carry.usage(0).unwrap().total_input()), (End::Done, 5));

    let stream = Stream::new(Dialect::Messages, Dialect::Converse, Reply::default()).unwrap();
    let mut carry = Carry::new(Unpack::Plain, Middle::Translate(Box::new(stream)), Pack::converse(), Dialect::Converse);
    let framed = run(&mut carry, MESSAGES.as_bytes(), 9);
    let mut decoder = Decoder::default();
    decoder.push(&framed);
    let first = decoder.next_message().unwrap().unwrap();
    assert_eq!(first.text(":event-type"), Some("messageStart"));
}

#[test]
fn an_envelope_is_taken_off() {
    let unwrap: unpack::Unwrap = Box::new(|data| {
        let value: serde_json::Value = serde_json::from_slice(&data).unwrap();
        value["response"].to_string().into()
    });
    let text = "data: {\"response\":{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"STOP\"}]},\"traceId\":\"t\"}\n\n";
    let mut carry =
        Carry::new(Unpack::enveloped(unwrap), Middle::watch(Kind::Gemini, false), Pack::Plain, Dialect::Gemini);
    let out = String::from_utf8(run(&mut carry, text.as_bytes(), 10)).unwrap();
    assert!(out.starts_with("data: {\"candidates\"") && !out.contains("traceId"), "{out}");
    assert_eq!(carry.end(), End::Done);
}

#[test]
fn a_chat_that_has_said_why_it_ends_is_ended_for_its_client() {
    let done = b"data: [DONE]\n\n".as_slice();
    let (events, finish) = (CHAT.find("data: [DONE]").unwrap(), CHAT.find("\"finish_reason\"").unwrap());
    for hide in [true, false] {
        for step in [1, 9, 4096] {
            // Neither the last blank line nor the `[DONE]` came.
            let mut carry = plain(Middle::watch(Kind::Chat, hide), Dialect::Chat);
            let out = run(&mut carry, &CHAT.as_bytes()[..events - 2], step);
            let text = String::from_utf8(out.clone()).unwrap();
            assert!(out.ends_with(done) && text.matches("[DONE]").count() == 1, "{text}");
            assert_eq!((carry.end(), carry.usage(99).unwrap().output), (End::Done, 2), "{hide} {step}");
            // Half of the event that says it is no end.
            let mut carry = plain(Middle::watch(Kind::Chat, hide), Dialect::Chat);
            let out = run(&mut carry, &CHAT.as_bytes()[..finish + 24], step);
            let text = String::from_utf8(out).unwrap();
            assert!(text.ends_with("\n\n") && !text.contains("finish_reason") && !text.contains("[DONE]"), "{text}");
            assert_eq!(carry.end(), End::Open, "{hide} {step}");
        }
    }
    let two = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"on\"},\"finish_reason\":null}]}\n\n";
    let mut carry = plain(Middle::watch(Kind::Chat, false), Dialect::Chat);
    run(&mut carry, two.as_bytes(), 4096);
    assert_eq!(carry.end(), End::Open, "the second of two choices has not ended");
}

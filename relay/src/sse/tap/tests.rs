use super::*;

const CHAT: &str = concat!(
    ": hello\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"h\\\"é漢🙂\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}], \"usage\": null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

fn run(mut tap: Tap, chunks: &[&[u8]]) -> (String, Tap) {
    let mut out = Vec::new();
    for chunk in chunks {
        tap.feed(Bytes::copy_from_slice(chunk), &mut out).expect("short frames");
    }
    tap.finish(&mut out);
    (String::from_utf8(out.concat()).expect("UTF-8"), tap)
}

#[test]
fn a_stream_passes_unchanged_at_every_cut_and_is_understood() {
    let bytes = CHAT.as_bytes();
    for cut in 0..bytes.len() {
        let (out, tap) = run(Tap::new(Kind::Chat), &[&bytes[..cut], &bytes[cut..]]);
        assert_eq!(out, CHAT);
        assert_eq!(tap.usage(), Some(Usage { input: 5, output: 2, ..Usage::default() }), "cut at {cut}");
        assert_eq!((tap.end(), tap.has_output(), tap.events()), (End::Done, true, 5), "cut at {cut}");
    }
}

#[test]
fn a_stream_that_fails_is_billed_for_the_words_that_went_by() {
    let claude = "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"forty letters of an answer, give or take.\"}}\n\n\
        data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n";
    let gemini = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"forty letters of an answer, give or take.\"}]}}],\"usageMetadata\":{\"promptTokenCount\":11,\"totalTokenCount\":11}}\n\n\
        data: {\"error\":{\"code\":503,\"message\":\"x\"}}\n\n";
    for (kind, stream) in [(Kind::Messages, claude), (Kind::Gemini, gemini)] {
        let (_, tap) = run(Tap::new(kind), &[stream.as_bytes()]);
        let usage = tap.usage_or_estimate(99);
        assert_eq!((tap.end(), usage.input, usage.estimated), (End::Failed, 11, true), "{kind:?}");
        assert!(usage.output >= 10, "{kind:?}: {usage:?}");
    }
}

#[test]
fn a_forwarded_chunk_is_the_received_buffer() {
    let chunk = Bytes::from_static(CHAT.as_bytes());
    let start = chunk.as_ptr();
    let mut out = Vec::new();
    Tap::new(Kind::Chat).feed(chunk, &mut out).expect("ok");
    assert_eq!((out.len(), out[0].as_ptr()), (1, start));
}

#[test]
fn hidden_usage_leaves_no_trace_at_any_cut() {
    let want = CHAT
        .replace(",\"usage\":null", "")
        .replace(", \"usage\": null", "")
        .replace("data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n", "");
    let bytes = CHAT.as_bytes();
    for cut in 0..bytes.len() {
        let (out, tap) = run(Tap::hiding_usage(), &[&bytes[..cut], &bytes[cut..]]);
        assert_eq!(out, want, "cut at {cut}");
        assert_eq!(tap.usage(), Some(Usage { input: 5, output: 2, ..Usage::default() }));
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(run(Tap::hiding_usage(), &single).0, want);
}

#[test]
fn hidden_usage_in_a_chunk_with_choices_loses_only_the_usage() {
    let frame = "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1},\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
    let (out, tap) = run(Tap::hiding_usage(), &[frame.as_bytes()]);
    assert_eq!(out, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n");
    assert_eq!(tap.end(), End::Done);
}

#[test]
fn words_inside_the_text_are_not_taken_for_usage_or_an_end() {
    let frame = "data: {\"choices\":[{\"delta\":{\"content\":\",\\\"usage\\\":null \\\"finish_reason\\\":\\\"stop\\\"\"},\"finish_reason\":null}]}\n\n";
    let (out, tap) = run(Tap::hiding_usage(), &[frame.as_bytes()]);
    assert_eq!(out, frame);
    assert_eq!((tap.end(), tap.usage()), (End::Open, None));
    assert!(tap.usage_or_estimate(7).estimated);
}

#[test]
fn cut_and_failed_streams_are_told_apart() {
    let messages = concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"twelve chars and more of it\"}}\n\n",
    );
    let (_, cut) = run(Tap::new(Kind::Messages), &[messages.as_bytes()]);
    assert_eq!(cut.end(), End::Open);
    let bill = cut.usage_or_estimate(0);
    assert_eq!((bill.input, bill.output, bill.estimated), (9, 7, true));
    let why = format!(
        "{messages}event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},\"usage\":{{\"output_tokens\":30}}}}\n\n"
    );
    let (_, told) = run(Tap::new(Kind::Messages), &[why.as_bytes()]);
    assert_eq!((told.end(), told.missing_end().is_some()), (End::Done, true), "all is said but the last event");
    assert_eq!((told.usage_or_estimate(0).output, told.usage_or_estimate(0).estimated), (30, false));
    let stop = format!("{messages}data: {{\"type\":\"message_stop\"}}\n\n");
    assert_eq!(run(Tap::new(Kind::Messages), &[stop.as_bytes()]).1.end(), End::Done);
    let failed = format!("{messages}event: error\ndata: {{\"type\":\"error\",\"error\":{{}}}}\n\n");
    assert_eq!(run(Tap::new(Kind::Messages), &[failed.as_bytes()]).1.end(), End::Failed);
}

#[test]
fn media_streams_end_with_an_event_of_their_own() {
    let text = concat!(
        "event: transcript.text.delta\ndata: {\"type\":\"transcript.text.delta\",\"delta\":\"hello\"}\n\n",
        "event: transcript.text.done\ndata: {\"type\":\"transcript.text.done\",\"text\":\"hello\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":9,\"output_tokens\":2}}\n\n",
    );
    let (_, tap) = run(Tap::new(Kind::Media), &[text.as_bytes()]);
    assert_eq!((tap.end(), tap.usage().map(|usage| usage.input)), (End::Done, Some(9)));
    let (_, cut) = run(Tap::new(Kind::Media), &[&text.as_bytes()[..100]]);
    assert_eq!((cut.end(), cut.has_output()), (End::Open, true));
}

#[test]
fn responses_and_gemini_ends() {
    let tap = |kind, text: &str| run(Tap::new(kind), &[text.as_bytes()]).1;
    let done = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n";
    assert_eq!(tap(Kind::Responses, done).end(), End::Done);
    assert_eq!(tap(Kind::Responses, "data: {\"type\":\"response.failed\",\"response\":{}}\n\n").end(), End::Failed);
    let part = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\r\n\r\n";
    assert_eq!(tap(Kind::Gemini, part).end(), End::Open);
    let last = format!(
        "{part}data: {{\"candidates\":[{{\"finishReason\": \"STOP\"}}],\"usageMetadata\":{{\"promptTokenCount\":3}}}}\r\n\r\n"
    );
    assert_eq!(tap(Kind::Gemini, &last).end(), End::Done);
    assert_eq!(tap(Kind::Gemini, "data: {\"error\":{\"code\":503}}\n\n").end(), End::Failed);
}

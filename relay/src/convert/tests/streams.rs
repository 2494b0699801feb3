//! Streams of every pair: golden files, any chunking, cuts, errors.

use bytes::Bytes;

use super::grammar::{check, events};
use super::*;
use crate::sse::{self, tap::End};

/// Runs a stream in the given pieces; gives what the client got and the stream's state.
fn run(from: Dialect, to: Dialect, pieces: &[&[u8]]) -> (Vec<u8>, Stream) {
    let mut stream = Stream::new(from, to, reply()).unwrap();
    let mut out = Vec::new();
    if from == Dialect::Converse {
        for line in pieces.concat().split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let tab = line.iter().position(|b| *b == b'\t').unwrap();
            let mut frame = Vec::new();
            sse::write_event(&mut frame, std::str::from_utf8(&line[..tab]).unwrap(), &line[tab + 1..]);
            out.extend(stream.push(frame.into()));
            drain(&mut stream, &mut out);
        }
    } else {
        for piece in pieces {
            out.extend(stream.push(Bytes::copy_from_slice(piece)));
            drain(&mut stream, &mut out);
        }
    }
    out.extend(stream.finish());
    drain(&mut stream, &mut out);
    (out, stream)
}

/// Events of a transport with frames of its own, one on a line.
fn drain(stream: &mut Stream, out: &mut Vec<u8>) {
    for (name, data) in stream.take_events() {
        out.extend_from_slice(name.as_bytes());
        out.push(b'\t');
        out.extend_from_slice(&data);
        out.push(b'\n');
    }
}

fn end_of(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Converse { ".stream.tsv" } else { ".stream.sse" }
}

#[test]
fn streams_of_every_pair() {
    let mut pairs = 0;
    for from in SPOKEN {
        let cases = inputs(from, end_of(from));
        assert!(!cases.is_empty(), "no streams in {from:?}");
        for (case, body) in cases {
            for to in HEARD {
                let place = format!("{from:?}/{case} to {to:?}");
                let (out, stream) = run(from, to, &[&body]);
                assert_eq!((stream.end(), stream.failure()), (End::Done, None), "{place}");
                check(to, &out, &place);
                if to != from {
                    let end = end_of(to).strip_prefix(".stream.").unwrap();
                    golden(from, &format!("{case}.stream.to-{}.{end}", to.word()), std::str::from_utf8(&out).unwrap());
                }
                pairs += 1;
            }
        }
    }
    assert!(pairs >= 50);
}

#[test]
fn chunk_boundaries_make_no_difference() {
    for from in SPOKEN {
        if from == Dialect::Converse {
            continue;
        }
        for (case, body) in inputs(from, end_of(from)) {
            for to in HEARD {
                let (want, _) = run(from, to, &[&body]);
                let single: Vec<&[u8]> = body.chunks(1).collect();
                assert_eq!(run(from, to, &single).0, want, "{from:?}/{case} to {to:?} byte by byte");
            }
            // Two pieces at every place once more, where that is soon done.
            if case == "text" {
                let to = if from == Dialect::Chat { Dialect::Messages } else { Dialect::Chat };
                let (want, _) = run(from, to, &[&body]);
                for cut in 0..body.len() {
                    assert_eq!(run(from, to, &[&body[..cut], &body[cut..]]).0, want, "{from:?}/{case} cut at {cut}");
                }
            }
        }
    }
}

/// What a client of `to` makes of a stream, in the hub's words: text, thoughts, calls, stop, usage.
fn heard(to: Dialect, bytes: &[u8]) -> (String, String, Vec<(String, Value)>, hub::Stop, Usage) {
    use super::super::stream::Read;
    let mut reader: Box<dyn Read> = match to {
        Dialect::Chat => Box::new(chat::Reader::new()),
        Dialect::Messages => Box::new(messages::Reader::new()),
        Dialect::Gemini => Box::new(gemini::Reader::new("x")),
        Dialect::Responses => Box::new(responses::Reader::new()),
        _ => Box::new(converse::Reader::new()),
    };
    let mut hub = Vec::new();
    for (name, data) in events(to, bytes) {
        reader.frame(name.as_deref(), data.as_bytes(), &mut hub).unwrap();
    }
    reader.finish(&mut hub);
    assert_eq!(hub.last(), Some(&hub::Event::End));
    let (mut text, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
    let mut kinds = std::collections::HashMap::new();
    let (mut stop, mut usage) = (hub::Stop::End, Usage::default());
    for event in hub {
        match event {
            hub::Event::Open { index, block } => {
                if let hub::Block::ToolUse(call) = &block {
                    calls.push((index, call.name.clone(), String::new()));
                }
                assert!(kinds.insert(index, block).is_none(), "a block number used twice");
            }
            hub::Event::Delta { index, delta: hub::Delta::Text(more) } => match &kinds[&index] {
                hub::Block::Thinking { .. } => thoughts.push_str(&more),
                _ => text.push_str(&more),
            },
            hub::Event::Delta { index, delta: hub::Delta::Args(more) } => {
                calls.iter_mut().find(|call| call.0 == index).unwrap().2.push_str(&more);
            }
            hub::Event::Stop { stop: why, .. } => stop = why,
            hub::Event::Usage(last) => usage = last,
            _ => {}
        }
    }
    let calls = calls.into_iter().map(|(_, name, args)| (name, json::args_object(&args).unwrap())).collect();
    (text, thoughts, calls, stop, usage)
}

#[test]
fn every_client_hears_the_same() {
    for from in SPOKEN {
        for (case, body) in inputs(from, end_of(from)) {
            let want = heard(from, &body);
            for to in SPOKEN {
                let (out, _) = run(from, to, &[&body]);
                let got = heard(to, &out);
                let place = format!("{from:?}/{case} to {to:?}");
                assert_eq!((&got.0, &got.1, &got.2), (&want.0, &want.1, &want.2), "{place}");
                // Only Anthropic and Bedrock tell a stop sequence from an end.
                if want.3 != hub::Stop::Sequence {
                    assert_eq!(got.3, want.3, "{place}");
                }
                assert_eq!((got.4.total_input(), got.4.output), (want.4.total_input(), want.4.output), "{place}");
            }
        }
    }
}

#[test]
fn a_whole_answer_is_told_as_the_stream_it_would_have_been() {
    let mut told = 0;
    for from in SPOKEN {
        for (case, body) in inputs(from, ".answer.json") {
            let whole = read_answer(from, &body, &reply()).unwrap();
            let (mut text, mut thoughts, mut calls) = (String::new(), String::new(), Vec::new());
            for part in &whole.parts {
                match part {
                    Part::Text(said) => text.push_str(&said.text),
                    Part::Refusal(said) => text.push_str(said),
                    Part::Thinking(thought) => thoughts.push_str(&thought.text),
                    Part::ToolUse(call) => calls.push((call.name.clone(), json::args_object(&call.args).unwrap())),
                    _ => {}
                }
            }
            for to in SPOKEN.into_iter().filter(|to| *to != Dialect::Converse) {
                let place = format!("{from:?}/{case} to {to:?}");
                let (out, usage) = retell(from, to, &body, reply()).unwrap();
                check(to, &out, &place);
                let got = heard(to, &out);
                assert_eq!((&got.0, &got.1, &got.2), (&text, &thoughts, &calls), "{place}");
                if whole.stop != hub::Stop::Sequence {
                    assert_eq!(got.3, whole.stop, "{place}");
                }
                let usage = usage.unwrap_or_default();
                assert_eq!((got.4.total_input(), got.4.output), (usage.total_input(), usage.output), "{place}");
                told += 1;
            }
        }
    }
    assert!(told >= 30, "{told}");
}

#[test]
fn a_stream_that_is_cut_never_looks_finished() {
    for from in SPOKEN {
        for (case, body) in inputs(from, end_of(from)) {
            let frames: Vec<usize> = match from {
                Dialect::Converse => {
                    body.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect()
                }
                _ => (1..body.len())
                    .filter(|at| body[..*at].ends_with(b"\n\n") || body[..*at].ends_with(b"\r\n\r\n"))
                    .collect(),
            };
            for to in HEARD {
                for &cut in &frames {
                    let (out, stream) = run(from, to, &[&body[..cut]]);
                    let finished = match to {
                        Dialect::Chat | Dialect::Completions => out.ends_with(b"[DONE]\n\n"),
                        Dialect::Messages => String::from_utf8_lossy(&out).contains("event: message_stop"),
                        Dialect::Gemini => String::from_utf8_lossy(&out).contains("\"finishReason\""),
                        Dialect::Responses => {
                            let text = String::from_utf8_lossy(&out).into_owned();
                            text.contains("event: response.completed") || text.contains("event: response.incomplete")
                        }
                        Dialect::Converse => String::from_utf8_lossy(&out).contains("messageStop\t"),
                    };
                    assert_eq!(finished, stream.end() == End::Done, "{from:?}/{case} to {to:?} cut at {cut}");
                    // Only what the vendor itself says ends the answer: its last event, or its reason to stop.
                    let told = String::from_utf8_lossy(&body[..cut]).into_owned();
                    let said = match from {
                        Dialect::Chat => told.contains("\"finish_reason\":\""),
                        Dialect::Gemini => told.contains("\"finishReason\""),
                        Dialect::Messages => told.contains("\"stop_reason\":\""),
                        Dialect::Responses => {
                            told.contains("event: response.completed") || told.contains("event: response.incomplete")
                        }
                        _ => told.contains("messageStop"),
                    };
                    assert_eq!(stream.end() == End::Done, said, "{from:?}/{case} to {to:?} cut at {cut}");
                }
            }
        }
    }
}

#[test]
fn a_vendor_error_within_a_stream_reaches_the_client_in_its_dialect() {
    let errors = [
        (
            Dialect::Chat,
            "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\",\"code\":\"rate_limit_exceeded\"}}\n\n",
        ),
        (
            Dialect::Messages,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"boom\"}}\n\n",
        ),
        (Dialect::Gemini, "data: {\"error\":{\"code\":503,\"message\":\"boom\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n"),
        (
            Dialect::Responses,
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"server_error\",\"message\":\"boom\"}}}\n\n",
        ),
        (
            Dialect::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"boom\"}\n\n",
        ),
        (Dialect::Converse, "throttlingException\t{\"message\":\"boom\"}\n"),
    ];
    for (from, error) in errors {
        for to in HEARD {
            let (_, body) = inputs(from, end_of(from)).pop().unwrap();
            let half = String::from_utf8(body).unwrap();
            let end = if from == Dialect::Converse { "\n" } else { "\n\n" };
            let half: String = half.replace("\r\n", "\n").split_inclusive(end).take(3).collect();
            let (out, mut stream) = run(from, to, &[half.as_bytes(), error.as_bytes()]);
            let fault = stream.failure().cloned().unwrap_or_else(|| panic!("{from:?} to {to:?}"));
            assert_eq!((fault.message.as_str(), stream.end()), ("boom", End::Failed), "{from:?} to {to:?}");
            assert!(!String::from_utf8_lossy(&out).contains("boom"), "it is the caller's to tell or to fail over");
            let mut told = stream.fail(&fault);
            drain(&mut stream, &mut told);
            assert!(String::from_utf8(told).unwrap().contains("boom"), "{from:?} to {to:?}");
        }
    }
}

#[test]
fn rubbish_in_a_stream_fails_it() {
    for from in [Dialect::Chat, Dialect::Messages, Dialect::Gemini, Dialect::Responses] {
        let (_, stream) = run(from, Dialect::Chat, &[b"data: {\"a\":\n\n"]);
        assert_eq!(stream.failure().map(|fault| fault.status(Dialect::Chat)), Some(502), "{from:?}");
    }
}

#[test]
fn usage_is_hidden_unless_asked_for() {
    for to in [Dialect::Chat, Dialect::Completions] {
        let (_, body) = inputs(Dialect::Messages, ".stream.sse").remove(0);
        let mut stream = Stream::new(Dialect::Messages, to, Reply { include_usage: false, ..reply() }).unwrap();
        let out = String::from_utf8(stream.push(Bytes::from(body))).unwrap();
        assert!(!out.contains("\"usage\"") && out.ends_with("data: [DONE]\n\n"), "{out}");
        assert!(stream.usage().is_some());
    }
}

#[test]
fn interleaved_calls_reach_everybody() {
    let chunk = |index: u64, more: &str| {
        format!(
            "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{{\"index\":{index},{more}}}]}}}}]}}\n\n"
        )
    };
    let body = [
        chunk(0, "\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}"),
        chunk(1, "\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{\\\"y\\\":\"}"),
        chunk(0, "\"function\":{\"arguments\":\"{}\"}"),
        chunk(1, "\"function\":{\"arguments\":\"1}\"}"),
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
            .to_owned(),
    ]
    .concat();
    for to in HEARD.into_iter().filter(|to| *to != Dialect::Completions && *to != Dialect::Converse) {
        let (out, stream) = run(Dialect::Chat, to, &[body.as_bytes()]);
        assert_eq!((stream.end(), stream.failure()), (End::Done, None), "{to:?}");
        check(to, &out, "interleaved");
        let calls = heard(to, &out).2;
        let mut calls: Vec<String> = calls.into_iter().map(|(name, args)| format!("{name}{args}")).collect();
        calls.sort();
        assert_eq!(calls, ["f{}", "g{\"y\":1}"], "{to:?}");
    }
    // What goes on behind its own end cannot be told to a client that hears one block after the other.
    let late = [
        chunk(0, "\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}"),
        chunk(1, "\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}"),
        chunk(0, "\"function\":{\"arguments\":\"{}\"}"),
    ];
    let (out, mut stream) = run(Dialect::Chat, Dialect::Messages, &[late.concat().as_bytes()]);
    assert_eq!(stream.end(), End::Failed);
    let fault = stream.failure().cloned().unwrap();
    let out = [out, stream.fail(&fault)].concat();
    let out = String::from_utf8(out).unwrap();
    assert!(out.ends_with("}\n\n") && out.contains("event: error") && !out.contains("message_stop"), "{out}");
}

#[test]
fn vendors_that_put_every_call_at_position_zero() {
    let body = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"stop\"}]}\n\n",
    );
    let (out, stream) = run(Dialect::Chat, Dialect::Messages, &[body.as_bytes()]);
    assert_eq!(stream.end(), End::Done, "a finish reason is an end, even without the end mark");
    let got = heard(Dialect::Messages, &out);
    assert_eq!((got.2.len(), got.3), (2, hub::Stop::ToolUse));
}

#[test]
fn a_gemini_client_may_want_an_array() {
    let (_, chat) = inputs(Dialect::Chat, ".stream.sse").remove(1);
    let mut stream = Stream::new(Dialect::Chat, Dialect::Gemini, Reply { json_array: true, ..reply() }).unwrap();
    let mut out = stream.push(Bytes::from(chat));
    out.extend(stream.finish());
    let list: Vec<Value> = serde_json::from_slice(&out).unwrap();
    assert_eq!(list.last().unwrap()["candidates"][0]["finishReason"], "STOP");
}

#[test]
fn a_free_text_tool_survives_a_vendor_without_such_tools() {
    let request = br#"{"model":"m","input":"x","tools":[{"type":"custom","name":"apply_patch"}]}"#;
    let reply = read(Dialect::Responses, request, Path::default()).unwrap().reply("x1", 0);
    let stream = concat!(
        "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"apply_patch\",\"input\":{}}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"input\\\": \\\"*** Be\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"gin\\\\n\\\"}\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":2}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );
    let mut pipe = Stream::new(Dialect::Messages, Dialect::Responses, reply).unwrap();
    let out = pipe.push(Bytes::from_static(stream.as_bytes()));
    check(Dialect::Responses, &out, "custom tool");
    let last: Value = serde_json::from_str(&events(Dialect::Responses, &out).pop().unwrap().1).unwrap();
    let item = &last["response"]["output"][0];
    assert_eq!(
        (&item["type"], &item["input"], &item["call_id"]),
        (&json!("custom_tool_call"), &json!("*** Begin\n"), &json!("t"))
    );
    assert!(String::from_utf8(out).unwrap().contains("response.custom_tool_call_input.delta"));
}

#[test]
fn a_tool_under_a_common_name_is_joined_and_parted_again() {
    let long = "l".repeat(70);
    let tool = |name: &str| json!({"type": "function", "name": name, "parameters": {"type": "object"}});
    let request = json!({"model": "m", "stream": true,
    "tools": [tool("plain"), {"type": "namespace", "name": "team", "tools": [tool("ask"), tool(&long)]}],
    "tool_choice": {"type": "function", "name": "ask", "namespace": "team"},
    "input": [
        {"role": "user", "content": "?"},
        {"type": "function_call", "call_id": "c", "name": "ask", "namespace": "team", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "no"},
    ]})
    .to_string();
    for to in [Dialect::Messages, Dialect::Gemini, Dialect::Chat] {
        let heard = read(Dialect::Responses, request.as_bytes(), Path::default()).unwrap();
        let sent = String::from_utf8(write(&heard, to, "m", &Limits::default()).unwrap().body).unwrap();
        assert_eq!(sent.matches("\"team__ask\"").count(), if to == Dialect::Gemini { 4 } else { 3 }, "{sent}");
        let names = heard.reply("x1", 0).spaced;
        assert_eq!(names.len(), 2);
        assert!(names.iter().all(|tool| tool.joined.len() <= 64 && sent.contains(&tool.joined)), "{sent}");
    }
    let reply = read(Dialect::Responses, request.as_bytes(), Path::default()).unwrap().reply("x1", 0);
    let called = |name: &str| {
        let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
            "content": [{"type": "tool_use", "id": "t", "name": name, "input": {}}],
            "usage": {"input_tokens": 1, "output_tokens": 1}});
        let (out, _) = answer(Dialect::Messages, Dialect::Responses, body.to_string().as_bytes(), &reply).unwrap();
        let out: Value = serde_json::from_slice(&out).unwrap();
        (out["output"][0]["name"].clone(), out["output"][0]["namespace"].clone())
    };
    assert_eq!(called("team__ask"), (json!("ask"), json!("team")));
    assert_eq!(called("plain"), (json!("plain"), Value::Null));
}

#[test]
fn seals_come_home_through_other_clients() {
    // A Gemini vendor's thought, heard by clients of other dialects and sent back by them.
    let (_, body) = inputs(Dialect::Gemini, ".answer.json").pop().unwrap();
    for to in [Dialect::Chat, Dialect::Messages, Dialect::Responses] {
        let (out, _) = answer(Dialect::Gemini, to, &body, &reply()).unwrap();
        let out: Value = serde_json::from_slice(&out).unwrap();
        let said = match to {
            Dialect::Chat => {
                json!({"model": "m", "messages": [{"role": "user", "content": "?"}, out["choices"][0]["message"]]})
            }
            Dialect::Messages => {
                json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": out["content"]}]})
            }
            _ => {
                let mut input = vec![json!({"role": "user", "content": "?"})];
                input.extend(out["output"].as_array().unwrap().iter().cloned());
                json!({"model": "m", "input": input})
            }
        };
        let heard = read(to, said.to_string().as_bytes(), Path::default()).unwrap();
        let sent = write(&heard, Dialect::Gemini, "gemini-3-pro", &Limits::default()).unwrap();
        let sent: Value = serde_json::from_slice(&sent.body).unwrap();
        let parts = sent["contents"][1]["parts"].as_array().unwrap();
        let call = parts.iter().find(|part| part.get("functionCall").is_some()).unwrap();
        assert_eq!(call["thoughtSignature"], "R0VN", "{to:?}");
    }
}

#[test]
fn an_estimate_stands_in_when_the_vendor_is_silent() {
    let body = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"twelve chars\"}}]}\n\n";
    let (_, stream) = run(Dialect::Chat, Dialect::Messages, &[body]);
    assert!(stream.has_output());
    assert_eq!(stream.usage_or_estimate(5), Usage { input: 5, output: 3, estimated: true, ..Usage::default() });
}

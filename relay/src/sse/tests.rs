use super::*;

fn decode(chunks: &[&[u8]]) -> Vec<(Option<String>, Option<String>)> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    let mut keep = |frame: Frame| {
        frames.push((
            frame.event().map(str::to_owned),
            frame.data().map(|data| String::from_utf8(data.into_owned()).expect("UTF-8")),
        ));
    };
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = decoder.next_frame().expect("short frames") {
            keep(frame);
        }
    }
    if let Some(frame) = decoder.finish() {
        keep(frame);
    }
    frames
}

fn some(event: Option<&str>, data: Option<&str>) -> (Option<String>, Option<String>) {
    (event.map(str::to_owned), data.map(str::to_owned))
}

const STREAMS: &[&str] = &[
    "event: a\ndata: {\"x\":\"é漢🙂\"}\n\ndata: [DONE]\n\n",
    "event: a\r\ndata: {\"x\":\"é漢🙂\"}\r\n\r\ndata: [DONE]\r\n\r\n",
    "event: a\rdata: {\"x\":\"é漢🙂\"}\r\rdata: [DONE]\r\r",
    "\u{feff}event: a\ndata: {\"x\":\"é漢🙂\"}\n\n\n\n\ndata: [DONE]",
];

#[test]
fn every_cut_gives_the_same_frames() {
    for stream in STREAMS {
        let bytes = stream.as_bytes();
        let want = vec![some(Some("a"), Some("{\"x\":\"é漢🙂\"}")), some(None, Some("[DONE]"))];
        assert_eq!(decode(&[bytes]), want, "{stream:?}");
        for cut in 0..bytes.len() {
            assert_eq!(decode(&[&bytes[..cut], &bytes[cut..]]), want, "{stream:?} cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&single), want, "{stream:?} byte by byte");
    }
}

#[test]
fn several_data_lines_comments_and_odd_fields() {
    let got = decode(&[b": hi\n\ndata: a\ndata:b\ndata\nid: 4\nretry: 1\n\nevent: ping\n\nevent:x\ndata:  y\n\n"]);
    assert_eq!(
        got,
        vec![some(None, None), some(None, Some("a\nb\n")), some(Some("ping"), None), some(Some("x"), Some(" y"))]
    );
}

#[test]
fn a_whole_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\n");
    let start = chunk.as_ptr();
    let mut decoder = Decoder::default();
    decoder.push(chunk);
    let first = decoder.next_frame().expect("ok").expect("a frame");
    let second = decoder.next_frame().expect("ok").expect("a frame");
    assert_eq!(first.raw().as_ptr(), start);
    assert_eq!(second.raw().as_ptr(), start.wrapping_add(9));
}

#[test]
fn a_crlf_stream_keeps_its_last_line_feed() {
    let mut decoder = Decoder::default();
    decoder.push(Bytes::from_static(b"data: 1\r\n\r"));
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.push(Bytes::from_static(b"\n"));
    let frame = decoder.next_frame().expect("ok").expect("a frame");
    assert_eq!(frame.raw().as_ref(), b"data: 1\r\n\r\n");
}

#[test]
fn a_frame_beyond_the_limit_is_refused_whole_or_in_pieces() {
    let mut decoder = Decoder::new(16);
    decoder.push(Bytes::from_static(b"data: 0123456789abcdef\n\n"));
    assert_eq!(decoder.next_frame(), Err(SseError::TooLarge { limit: 16 }));
    let mut decoder = Decoder::new(16);
    decoder.push(Bytes::from_static(b"data: 0123"));
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.push(Bytes::from_static(b"456789abcdef"));
    assert_eq!(decoder.next_frame(), Err(SseError::TooLarge { limit: 16 }));
}

#[test]
fn writers_and_reader_agree() {
    let mut out = Vec::new();
    write_event(&mut out, "a", b"1\n2");
    write_comment(&mut out, "keep\nalive");
    write_data(&mut out, b"{}");
    assert_eq!(out, b"event: a\ndata: 1\ndata: 2\n\n: keepalive\n\ndata: {}\n\n");
    assert_eq!(decode(&[&out]), vec![some(Some("a"), Some("1\n2")), some(None, None), some(None, Some("{}"))]);
}

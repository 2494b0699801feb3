use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

/// AWS's published vectors: empty, payload without headers, payload with one text header.
#[test]
fn agrees_with_the_published_vectors() {
    let cases = [
        ("00000010 00000000 05c248eb 7d98c8ff", Message::default()),
        (
            "0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936",
            Message { headers: vec![], payload: Bytes::from_static(b"{'foo':'bar'}") },
        ),
        (
            "0000003d 00000020 07fd8396 0c 636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e 7b27666f6f273a27626172277d 8d9c08b1",
            Message {
                headers: vec![("content-type".into(), Value::Text("application/json".into()))],
                payload: Bytes::from_static(b"{'foo':'bar'}"),
            },
        ),
    ];
    for (hex, message) in cases {
        assert_eq!(encode(&message).unwrap().to_vec(), bytes(hex));
        let mut decoder = Decoder::default();
        decoder.push(&bytes(hex));
        assert_eq!(decoder.next_message().unwrap(), Some(message));
        assert_eq!(decoder.next_message(), Ok(None));
    }
}

fn sample() -> Vec<Message> {
    let mut odd = Message::event("chunk", Bytes::from_static("{\"é\":1}".as_bytes()));
    odd.headers.extend([
        ("yes".into(), Value::Bool(true)),
        ("no".into(), Value::Bool(false)),
        ("n".into(), Value::Integer(-5)),
        ("raw".into(), Value::Bytes(Bytes::from_static(&[0, 255]))),
        ("at".into(), Value::Timestamp(1_700_000_000_000)),
        ("id".into(), Value::Uuid([7; 16])),
    ]);
    vec![odd, Message::exception("throttlingException", "{\"message\":\"slow\"}"), Message::default()]
}

#[test]
fn reads_any_chunking() {
    let messages = sample();
    let wire: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap().to_vec()).collect();
    for size in 1..=wire.len() {
        let mut decoder = Decoder::default();
        let mut read = Vec::new();
        for chunk in wire.chunks(size) {
            decoder.push(chunk);
            while let Some(message) = decoder.next_message().unwrap() {
                read.push(message);
            }
        }
        assert_eq!(read, messages, "chunks of {size}");
    }
    assert_eq!(messages[1].text(":exception-type"), Some("throttlingException"));
    assert_eq!(messages[1].text(":message-type"), Some("exception"));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let wire = encode(&sample()[1]).unwrap();
    for at in 0..wire.len() {
        let mut damaged = wire.to_vec();
        damaged[at] ^= 0x10;
        let mut decoder = Decoder::default();
        decoder.push(&damaged);
        assert!(decoder.next_message().is_err(), "byte {at}");
        decoder.push(&wire);
        assert_eq!(decoder.next_message(), Ok(None), "a broken stream stays silent");
    }
}

#[test]
fn impossible_lengths_are_refused_before_anything_is_kept() {
    for (total, headers) in [(u32::MAX, 0), (15, 0), (20, 10), (400_000, 200_000)] {
        let mut prelude = BytesMut::new();
        prelude.put_u32(total);
        prelude.put_u32(headers);
        prelude.put_u32(crc(&prelude));
        let mut decoder = Decoder::default();
        decoder.push(&prelude);
        assert!(decoder.next_message().is_err(), "{total} {headers}");
    }
    let long = Message { headers: vec![("n".repeat(256), Value::Bool(true))], payload: Bytes::new() };
    assert!(encode(&long).is_err());
    let huge = Message { headers: vec![], payload: Bytes::from(vec![0; LONGEST_MESSAGE]) };
    assert!(encode(&huge).is_err());
}

#[test]
fn a_cut_message_is_none() {
    let wire = encode(&sample()[0]).unwrap();
    let mut decoder = Decoder::default();
    decoder.push(&wire[..wire.len() - 1]);
    assert_eq!(decoder.next_message(), Ok(None));
    decoder.push(&wire[wire.len() - 1..]);
    assert_eq!(decoder.next_message(), Ok(Some(sample().swap_remove(0))));
}

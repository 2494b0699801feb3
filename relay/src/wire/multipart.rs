//! The text fields of a multipart form, read and replaced without touching its files.

use std::ops::Range;

use bytes::Bytes;

/// The boundary that a `content-type` names.
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters
        .split(';')
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .filter(|value| !value.is_empty())
}

/// The text of the first field of that name.
pub fn text<'a>(body: &'a [u8], boundary: &str, name: &str) -> Option<&'a str> {
    std::str::from_utf8(body.get(find(body, boundary, name)?)?).ok()
}

/// The form with another text in that field; without the field, or with the same text, the same bytes.
pub fn set_text(body: &Bytes, boundary: &str, name: &str, text: &str) -> Bytes {
    match find(body, boundary, name) {
        Some(at) if body.get(at.clone()) != Some(text.as_bytes()) => {
            let mut out = Vec::with_capacity(body.len() + text.len());
            out.extend_from_slice(body.get(..at.start).unwrap_or_default());
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(body.get(at.end..).unwrap_or_default());
            out.into()
        }
        _ => body.clone(),
    }
}

fn find(body: &[u8], boundary: &str, name: &str) -> Option<Range<usize>> {
    let delimiter = format!("--{boundary}").into_bytes();
    let mut start = position(body, &delimiter, 0)?;
    loop {
        let head = start + delimiter.len();
        if body.get(head..head + 2) == Some(b"--") {
            return None;
        }
        let head_end = position(body, b"\r\n\r\n", head)?;
        let content = head_end + 4;
        let mut end_mark = b"\r\n".to_vec();
        end_mark.extend_from_slice(&delimiter);
        // An empty part ends right behind its head.
        let end = position(body, &end_mark, content)?;
        if field_name(body.get(head..head_end)?) == Some(name) {
            return Some(content..end);
        }
        start = end + 2;
    }
}

/// The `name` of a part that is no file.
fn field_name(head: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head
        .split("\r\n")
        .find(|line| line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:")))?;
    let mut name = None;
    for parameter in line.split(';').skip(1) {
        let (key, value) = parameter.trim().split_once('=')?;
        if key.to_ascii_lowercase().starts_with("filename") {
            return None;
        }
        if key.eq_ignore_ascii_case("name") {
            name = Some(value.trim().trim_matches('"'));
        }
    }
    name
}

fn position(body: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(body.get(from..)?, needle).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &[u8] = b"preamble\r\n--x y\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/mpeg\r\n\r\n\xff\x00--x\r\n\r\nname=\"model\"\r\n--x y\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x y\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n\r\n--x y--\r\n";

    #[test]
    fn a_text_field_is_read_and_replaced() {
        assert_eq!(text(FORM, "x y", "model"), Some("whisper-1"));
        assert_eq!(text(FORM, "x y", "prompt"), Some(""));
        assert_eq!(text(FORM, "x y", "file"), None, "files are not text");
        let body = Bytes::from_static(FORM);
        let changed = set_text(&body, "x y", "model", "m");
        assert_eq!(text(&changed, "x y", "model"), Some("m"));
        assert_eq!(changed.len(), body.len() - "whisper-1".len() + 1);
        assert_eq!(set_text(&changed, "x y", "model", "whisper-1"), body, "nothing else moved");
        assert_eq!(set_text(&body, "x y", "absent", "m").as_ptr(), body.as_ptr());
        assert_eq!(set_text(&body, "x y", "model", "whisper-1").as_ptr(), body.as_ptr());
    }

    #[test]
    fn damaged_forms_are_left_alone() {
        for cut in 0..FORM.len() {
            let _ = text(&FORM[..cut], "x y", "prompt");
        }
        assert_eq!(text(b"--x--", "x", "model"), None);
        assert_eq!(text(b"", "x", "model"), None);
    }

    #[test]
    fn the_boundary_comes_from_the_header() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), Some("a b"));
        assert_eq!(boundary("application/json; boundary=abc"), None);
        assert_eq!(boundary("multipart/form-data"), None);
    }
}

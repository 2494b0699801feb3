//! Multipart forms: text fields read and replaced without touching the files, or every part looked at.

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

/// A part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The field it is for.
    pub name: &'a str,
    /// Whether it is a file.
    pub file: bool,
    /// The kind of content that a file says it has.
    pub content_type: Option<&'a str>,
    /// Where its content is in the body.
    pub content: Range<usize>,
}

/// The parts of a form; what comes after damage is left out.
pub fn parts<'a>(body: &'a [u8], boundary: &str) -> impl Iterator<Item = Part<'a>> {
    let delimiter = format!("--{boundary}").into_bytes();
    let mut next = position(body, &delimiter, 0);
    std::iter::from_fn(move || {
        loop {
            let head = next.take()? + delimiter.len();
            if body.get(head..head + 2) == Some(b"--") {
                return None;
            }
            let head_end = position(body, b"\r\n\r\n", head)?;
            let content = head_end + 4;
            let mut end_mark = b"\r\n".to_vec();
            end_mark.extend_from_slice(&delimiter);
            // An empty part ends right behind its head.
            let end = position(body, &end_mark, content)?;
            next = Some(end + 2);
            if let Some(part) = described(body.get(head..head_end)?, content..end) {
                return Some(part);
            }
        }
    })
}

fn find(body: &[u8], boundary: &str, name: &str) -> Option<Range<usize>> {
    parts(body, boundary).find(|part| !part.file && part.name == name).map(|part| part.content)
}

/// What a part's head says of it.
fn described(head: &[u8], content: Range<usize>) -> Option<Part<'_>> {
    let head = std::str::from_utf8(head).ok()?;
    let value = |name: &str| {
        head.split("\r\n").find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    let (mut name, mut file) = (None, false);
    for parameter in value("content-disposition")?.split(';').skip(1) {
        let Some((key, value)) = parameter.trim().split_once('=') else { continue };
        file |= key.to_ascii_lowercase().starts_with("filename");
        if key.eq_ignore_ascii_case("name") {
            name = Some(value.trim().trim_matches('"'));
        }
    }
    Some(Part { name: name?, file, content_type: value("content-type"), content })
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
    fn every_part_is_seen() {
        let found: Vec<(&str, bool, Option<&str>, &[u8])> =
            parts(FORM, "x y").map(|part| (part.name, part.file, part.content_type, &FORM[part.content])).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].0, "file");
        assert_eq!((found[0].1, found[0].2), (true, Some("audio/mpeg")));
        assert!(found[0].3.starts_with(b"\xff\x00--x"));
        assert_eq!(found[1], ("model", false, None, b"whisper-1".as_slice()));
        assert_eq!(found[2].3, b"");
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

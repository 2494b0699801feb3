//! A cheap look over a document's bytes before it is parsed: how many tokens, and how deep brackets nest.
//! It knows just enough of the grammar to skip strings and comments; whether the document is GraphQL
//! is for the parser to say.

use super::{
    code::{Code, Fault},
    limits::Limits,
};

/// Counts the tokens of `source`, refusing documents that are too long, too rich or too deeply nested.
pub fn tokens(source: &str, limits: &Limits) -> Result<usize, Fault> {
    if source.len() > limits.document_bytes {
        return Err(Fault::invalid(format!("The document is longer than {} bytes.", limits.document_bytes)));
    }
    let bytes = source.as_bytes();
    let (mut at, mut count, mut open) = (0, 0_usize, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        at = match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            b'#' => {
                at += line_length(&bytes[at..]);
                continue;
            }
            b'"' => at + string_length(&bytes[at..]),
            b'.' if bytes[at..].starts_with(b"...") => at + 3,
            byte if is_word(byte) => at + bytes[at..].iter().take_while(|byte| is_word(**byte)).count(),
            _ => at + 1,
        };
        count += 1;
        match byte {
            b'{' | b'[' | b'(' => open += 1,
            b'}' | b']' | b')' => open = open.saturating_sub(1),
            _ => {}
        }
        if count > limits.tokens {
            return Err(Fault::new(Code::ParseFailed, format!("The document has more than {} tokens.", limits.tokens)));
        }
        if open > limits.nesting {
            return Err(Fault::invalid(format!("Brackets are nested more than {} deep.", limits.nesting)));
        }
    }
    Ok(count)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len())
}

/// The length of the string that starts at the first byte, or of all the rest when it is not closed.
fn string_length(rest: &[u8]) -> usize {
    let block = rest.starts_with(b"\"\"\"");
    let mut at = if block { 3 } else { 1 };
    while at < rest.len() {
        let tail = &rest[at..];
        if block {
            if tail.starts_with(b"\\\"\"\"") {
                at += 4;
            } else if tail.starts_with(b"\"\"\"") {
                return at + 3;
            } else {
                at += 1;
            }
        } else {
            match tail[0] {
                b'\\' => at += 2,
                b'"' | b'\n' | b'\r' => return at + 1,
                _ => at += 1,
            }
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(source: &str) -> usize {
        tokens(source, &Limits::default()).unwrap()
    }

    #[test]
    fn counts_what_the_grammar_calls_tokens() {
        assert_eq!(count("query Q($a: Int!) { x(y: $a) ...F }"), 20);
        assert_eq!(count("# { a b c }\n{a,,, b}"), 4);
        assert_eq!(count(r#"{ a(b: "x } \" y {") }"#), 8);
        assert_eq!(count("{ a(b: \"\"\"x \\\"\"\" } y\"\"\") }"), 8);
        assert_eq!(count("\"never closed { { {"), 1);
        assert_eq!(count("\"ends in a backslash\\"), 1);
    }

    #[test]
    fn refuses_long_rich_and_deep_documents() {
        let limits = Limits::default();
        let long = format!("{{a}}{}", " ".repeat(limits.document_bytes));
        assert_eq!(tokens(&long, &limits).unwrap_err().code, Code::ValidationFailed);
        let rich = "a ".repeat(limits.tokens + 1);
        assert_eq!(tokens(&rich, &limits).unwrap_err().code, Code::ParseFailed);
        assert!(tokens(&"a ".repeat(limits.tokens), &limits).is_ok());
        let deep = "[".repeat(limits.nesting + 1);
        assert_eq!(tokens(&deep, &limits).unwrap_err().code, Code::ValidationFailed);
    }
}

//! Comma-separated values (RFC 4180) as spreadsheets read them: UTF-8 with a mark, and no cell that could
//! become a formula.

/// What a file begins with, so that spreadsheets take it for UTF-8.
pub const MARK: &str = "\u{feff}";

/// A cell of text somebody may have typed: quoted where it must be, and never one that a spreadsheet would
/// take for a formula.
pub fn cell(text: &str) -> String {
    // A spreadsheet looks past blanks at the start.
    let risky = text.starts_with(['\t', '\r', '\n']) || text.trim_start().starts_with(['=', '+', '-', '@']);
    quoted(if risky { format!("'{text}") } else { text.to_owned() })
}

/// A cell whose text is ours: a number, a moment, a word of a closed set.
pub fn plain(text: &str) -> String {
    quoted(text.to_owned())
}

fn quoted(text: String) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A line of cells, ended.
pub fn line(cells: &[String]) -> String {
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_become_formulas() {
        for formula in ["=1+1", "+1", "-1", "@a", "\t=1", " =1", "\u{a0}=1"] {
            assert!(cell(formula).trim_start_matches('"').starts_with('\''), "{formula:?}: {}", cell(formula));
        }
        assert_eq!(cell("\r\n=1"), "\"'\r\n=1\"");
        assert_eq!(cell("plain"), "plain");
        assert_eq!(plain("-1.5"), "-1.5");
    }

    #[test]
    fn cells_with_marks_are_quoted() {
        assert_eq!(cell("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell("a\nb"), "\"a\nb\"");
        assert_eq!(line(&[cell("a"), plain("1"), String::new()]), "a,1,\r\n");
    }
}

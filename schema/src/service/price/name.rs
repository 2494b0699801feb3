//! Other spellings of a model's name, under which its price may be known.

/// The name itself first, then the same model with less and less around it: a vendor's path, a region, a
/// provider, a version, a date, a manner of thinking.
pub fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned()];
    let mut add = |next: &str| {
        if !next.is_empty() && all.iter().all(|n| n != next) {
            all.push(next.to_owned());
        }
    };
    let lower = name.trim().to_ascii_lowercase();
    add(&lower);
    let mut rest = lower.as_str();
    // `models/gemini-2.5-pro`, `openai/gpt-5`, `projects/…/models/claude`
    if let Some((_, last)) = rest.rsplit_once('/') {
        rest = last;
        add(rest);
    }
    for region in ["us.", "us-gov.", "eu.", "apac.", "jp.", "au.", "global."] {
        if let Some(bare) = rest.strip_prefix(region) {
            rest = bare;
            add(rest);
            break;
        }
    }
    for provider in ["anthropic.", "meta.", "mistral.", "cohere.", "deepseek.", "openai.", "qwen."] {
        if let Some(bare) = rest.strip_prefix(provider) {
            rest = bare;
            add(rest);
            break;
        }
    }
    // `-v1:0`, `:free`
    if let Some((bare, _)) = rest.split_once(':') {
        rest = bare;
        add(rest);
    }
    if let Some(bare) = version(rest) {
        rest = bare;
        add(rest);
    }
    // Vertex writes the date behind an at sign.
    let dated = rest.replace('@', "-");
    add(&dated);
    let mut rest = dated.as_str();
    for manner in ["-thinking", "-nothinking", "-minimal", "-low", "-medium", "-high", "-xhigh"] {
        if let Some(bare) = rest.strip_suffix(manner) {
            rest = bare;
            add(rest);
            break;
        }
    }
    if let Some(bare) = rest.strip_suffix("-latest") {
        rest = bare;
        add(rest);
    }
    if let Some(bare) = undated(rest) {
        rest = bare;
        add(rest);
    }
    if let Some(bare) = rest.strip_suffix("-codex") {
        add(bare);
    }
    all
}

/// Without `-v1`, `-v2` at its end.
fn version(name: &str) -> Option<&str> {
    let (bare, last) = name.rsplit_once("-v")?;
    (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())).then_some(bare)
}

/// Without `-20250929`, `-2024-08-06` or `-0905` at its end.
pub fn undated(name: &str) -> Option<&str> {
    let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    let (bare, last) = name.rsplit_once('-')?;
    if digits(last, 8) || digits(last, 4) {
        return Some(bare);
    }
    if digits(last, 2) {
        let (bare, month) = bare.rsplit_once('-')?;
        let (bare, year) = bare.rsplit_once('-')?;
        return (digits(month, 2) && digits(year, 4)).then_some(bare);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_found_under_its_other_names() {
        for (asked, known) in [
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
            ("Claude-Sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
            ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
            ("claude-sonnet-4@20250514", "claude-sonnet-4-20250514"),
            ("claude-sonnet-4-5-20250929-thinking", "claude-sonnet-4-5-20250929"),
            ("claude-sonnet-4-5-20990101", "claude-sonnet-4-5"),
            ("models/gemini-2.5-pro", "gemini-2.5-pro"),
            ("openai/gpt-4o-2024-08-06", "gpt-4o"),
            ("gpt-5-codex", "gpt-5"),
            ("o3-mini-high", "o3-mini"),
            ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
            ("deepseek/deepseek-chat:free", "deepseek-chat"),
        ] {
            assert!(spellings(asked).iter().any(|n| n == known), "{known} among {:?}", spellings(asked));
        }
        assert_eq!(spellings("gpt-4o")[0], "gpt-4o");
        assert_eq!(undated("gpt-4-1106"), Some("gpt-4"));
        assert_eq!(undated("claude-opus-4-1"), None);
    }
}

//! Which program is calling, recognised by what it sends.
//!
//! Subscription accounts may only carry their vendor's own client. The patterns are data, since clients
//! change with every release; a pattern names what the genuine program always sends and nothing more.

use http::HeaderMap;
use serde_json::Value;

use super::{Operation, Refusal};

/// A program that this relay knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Client {
    /// Anthropic's Claude Code, and its agent SDK.
    ClaudeCode,
    /// OpenAI's Codex.
    Codex,
    /// Google's gemini-cli.
    GeminiCli,
    /// Anything else.
    Other,
}

impl Client {
    /// Its name for people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Codex => "Codex CLI",
            Self::GeminiCli => "Gemini CLI",
            Self::Other => "another client",
        }
    }
}

/// What is seen of a caller.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What it wants done.
    pub operation: Operation,
    /// `metadata.user_id` of an Anthropic body.
    pub user_id: Option<&'a str>,
}

struct Pattern {
    client: Client,
    /// Beginnings of `User-Agent`, one of which must be there, followed by a version.
    agents: &'static [&'static str],
    /// Headers that must be there, with the beginning of their value.
    headers: &'static [(&'static str, &'static str)],
    /// Whether a turn of a conversation must name its session in `metadata.user_id`.
    user_id: bool,
}

const PATTERNS: &[Pattern] = &[
    Pattern {
        client: Client::ClaudeCode,
        agents: &["claude-cli/"],
        headers: &[("x-app", "cli"), ("anthropic-version", ""), ("anthropic-beta", "")],
        user_id: true,
    },
    Pattern {
        client: Client::Codex,
        agents: &["codex_cli_rs/", "codex_exec/", "codex_vscode/", "codex-tui/", "codex_tui/", "codex_sdk_ts/"],
        headers: &[("originator", "codex")],
        user_id: false,
    },
    Pattern { client: Client::GeminiCli, agents: &["GeminiCLI/", "GeminiCLI-"], headers: &[], user_id: false },
];

/// Recognises a caller.
pub fn recognise(sight: &Sight<'_>) -> Client {
    let header = |name: &str| sight.headers.get(name).and_then(|value| value.to_str().ok());
    let agent = header("user-agent").unwrap_or_default();
    PATTERNS
        .iter()
        .find(|pattern| {
            pattern.agents.iter().any(|start| agent.strip_prefix(start).is_some_and(|rest| !rest.is_empty()))
                && pattern
                    .headers
                    .iter()
                    .all(|(name, start)| header(name).is_some_and(|value| value.starts_with(start)))
                && (!pattern.user_id
                    || sight.operation != Operation::Generate
                    || sight.user_id.is_some_and(is_claude_code_user))
        })
        .map_or(Client::Other, |pattern| pattern.client)
}

/// Says no to every client but one.
pub(super) fn only(wanted: Client, kind: &str, seen: Client) -> Result<(), Refusal> {
    if seen == wanted {
        return Ok(());
    }
    Err(Refusal::Client(format!(
        "{kind} accounts serve {} only, and this request does not come from it; the vendor's terms do not allow other clients. Use a key of another kind of account.",
        wanted.label()
    )))
}

/// The session that a Claude Code `metadata.user_id` names, in either of its forms.
pub fn claude_code_session(user_id: &str) -> Option<String> {
    if let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(user_id) {
        fields.get("device_id")?.as_str().filter(|id| !id.is_empty())?;
        return fields.get("session_id")?.as_str().filter(|id| !id.is_empty()).map(str::to_owned);
    }
    let (device, rest) = user_id.strip_prefix("user_")?.split_once("_account_")?;
    let (_, session) = rest.split_once("_session_").or_else(|| Some(("", rest.strip_prefix("session_")?)))?;
    let hex = device.len() == 64 && device.bytes().all(|b| b.is_ascii_hexdigit());
    let uuid = session.len() == 36 && session.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    (hex && uuid).then(|| session.to_owned())
}

fn is_claude_code_user(user_id: &str) -> bool {
    claude_code_session(user_id).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const DEVICE: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const SESSION: &str = "11111111-2222-3333-4444-555555555555";

    fn seen(headers: &[(&'static str, &'static str)], operation: Operation, user_id: Option<&str>) -> Client {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_static(value));
        }
        recognise(&Sight { headers: &map, operation, user_id })
    }

    const CLAUDE: &[(&str, &str)] = &[
        ("user-agent", "claude-cli/2.1.329 (external, cli)"),
        ("x-app", "cli"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"),
    ];

    #[test]
    fn claude_code_is_known_by_all_it_sends() {
        let json = format!(r#"{{"device_id":"{DEVICE}","account_uuid":"","session_id":"{SESSION}"}}"#);
        let old = format!("user_{DEVICE}_account__session_{SESSION}");
        for user in [json.as_str(), &old] {
            assert_eq!(seen(CLAUDE, Operation::Generate, Some(user)), Client::ClaudeCode, "{user}");
            assert_eq!(claude_code_session(user).as_deref(), Some(SESSION));
        }
        assert_eq!(seen(CLAUDE, Operation::CountTokens, None), Client::ClaudeCode);
        for user in [None, Some("me"), Some("{}"), Some("user_1_account__session_2"), Some(r#"{"session_id":"s"}"#)] {
            assert_eq!(seen(CLAUDE, Operation::Generate, user), Client::Other, "{user:?}");
        }
        for missing in CLAUDE {
            let rest: Vec<_> = CLAUDE.iter().filter(|pair| *pair != missing).copied().collect();
            assert_eq!(seen(&rest, Operation::Generate, Some(&json)), Client::Other, "without {missing:?}");
        }
    }

    #[test]
    fn codex_and_gemini_are_known() {
        let codex = [("user-agent", "codex_exec/0.169.0 (Linux)"), ("originator", "codex_exec")];
        assert_eq!(seen(&codex, Operation::Generate, None), Client::Codex);
        assert_eq!(seen(&codex[..1], Operation::Generate, None), Client::Other);
        assert_eq!(
            seen(&[("user-agent", "GeminiCLI/0.61.0/gemini-3-pro (linux; x64)")], Operation::Generate, None),
            Client::GeminiCli
        );
        for agent in ["OpenAI/Python 3.52.0", "GeminiCLI/", "curl/8", "my GeminiCLI/1", ""] {
            assert_eq!(seen(&[("user-agent", agent)], Operation::Generate, None), Client::Other, "{agent}");
        }
    }

    #[test]
    fn refusals_name_the_client_that_is_served() {
        assert_eq!(only(Client::Codex, "ChatGPT", Client::Codex), Ok(()));
        let Err(Refusal::Client(text)) = only(Client::ClaudeCode, "Claude subscription", Client::Other) else {
            panic!("served")
        };
        assert!(text.contains("Claude subscription accounts serve Claude Code only"), "{text}");
    }
}

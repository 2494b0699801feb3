//! Health questions: what a provider's probe request looks like without its credential, and what the answer means.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use schema::model::account::AccountKind as Kind;
use serde_json::Value;

use super::{Blame, Failure, Fault, Refusal, USER_AGENT, provider};

/// The answer to a probe.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
    /// The model that was asked, empty where none was.
    pub model: &'a str,
    /// Now, in epoch milliseconds.
    pub now: i64,
}

/// What a probe has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The account works.
    Healthy {
        /// How many models the vendor lists, where it was asked for them.
        models: Option<usize>,
    },
    /// The credential works, but this question was refused: usually the model does not exist there.
    Refused {
        /// The vendor's words.
        message: String,
    },
    /// The account does not work.
    Failing {
        /// Why, and for how long.
        blame: Blame,
        /// The vendor's words.
        message: String,
    },
}

/// Reads the answer to a probe; the vendor's words are to be scrubbed before anyone sees them.
pub fn read(kind: Kind, probe: &Probe<'_>) -> Verdict {
    let vendor = provider(kind);
    let hidden = if probe.status.is_success() { vendor.in_band(probe.body) } else { Some(probe.status) };
    let Some(status) = hidden else { return Verdict::Healthy { models: models(probe.body) } };
    let failure = Failure {
        status,
        headers: probe.headers,
        body: probe.body,
        model: probe.model,
        rest: None,
        refreshed: false,
        now: probe.now,
    };
    let message = message(probe.body).unwrap_or_else(|| format!("the vendor answered {}", status.as_u16()));
    match vendor.blame(&failure) {
        // A video vendor is asked after a task that does not exist.
        Blame::Caller if kind == Kind::Video => Verdict::Healthy { models: None },
        Blame::Caller => Verdict::Refused { message },
        Blame::Vendor { .. } if kind == Kind::Video && probe.status.is_success() => Verdict::Healthy { models: None },
        blame => Verdict::Failing { blame, message },
    }
}

impl Verdict {
    /// Whether a new access token may help.
    pub fn wants_token(&self) -> bool {
        matches!(self, Self::Failing { blame: Blame::Account(Fault::RefreshToken), .. })
    }
}

/// A request in the relay's own name.
pub(super) fn bare(method: Method, url: &str, body: String) -> Result<http::Request<Bytes>, Refusal> {
    let json = !body.is_empty();
    let mut request = http::Request::builder().method(method).uri(url).body(Bytes::from(body))?;
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if json {
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(request)
}

fn models(body: &[u8]) -> Option<usize> {
    let body: Value = serde_json::from_slice(body).ok()?;
    ["data", "models", "modelSummaries"].iter().find_map(|name| body.get(name)?.as_array().map(Vec::len))
}

/// The names in a vendor's list of models; `None` where the body is no such list.
pub fn names(body: &[u8]) -> Option<Vec<String>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let list = ["data", "models", "modelSummaries"].iter().find_map(|name| body.get(name)?.as_array())?;
    let name = |model: &Value| {
        let name = ["id", "name", "modelId"].iter().find_map(|field| model.get(field)?.as_str())?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    let mut names: Vec<String> = list.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// The sentence of an error body, whatever the vendor's form.
pub fn message(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let body = body.get(0).unwrap_or(&body);
    ["/error/message", "/message", "/detail", "/error_description", "/description", "/msg", "/error", "/Message"]
        .iter()
        .find_map(|path| body.pointer(path)?.as_str())
        .filter(|text| !text.is_empty())
        .map(|text| text.chars().take(500).collect())
}

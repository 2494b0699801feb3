//! Midjourney proxies. A submission is answered with 200 whatever comes of it; the code in it tells.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use super::blame;
use super::{
    Ask, Blame, Dialect, Failure, Operation, Outgoing, Payload, Provider, Refusal, Scope, Upstream, Wish, address,
    outgoing,
};
use crate::wire::headers::{self, Family};

/// Accounts at such a proxy.
pub struct Midjourney;

impl Provider for Midjourney {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let task = matches!(wish.operation, Operation::Submit | Operation::Fetch);
        (task && wish.dialect == Dialect::Midjourney).then_some(Dialect::Midjourney)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let url = format!("{}{}", account.required_base()?, address::tail(ask.path)?);
        let mut headers = headers::forward(ask.headers, Family::Task, !ask.translated);
        headers.insert("mj-api-secret", headers::secret(account.credentials.key()?)?);
        outgoing::finish(account, ask, &url, headers, task_body(ask))
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let status = match body.get("code")?.as_i64()? {
            1 | 21 | 22 => return None,
            // The proxy says the same of a task that it does not know and of having no account left.
            3 if names_a_task(&body) => 404,
            3 => 503,
            4 | 24 => 400,
            23 | 30 => 429,
            _ => 500,
        };
        StatusCode::from_u16(status).ok()
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        match failure.status.as_u16() {
            // The proxy's own account is missing or its queue is full: this account's matter, not the vendor's.
            503 | 429 => Blame::cooling(failure.limited_until(None), Scope::Account),
            _ => blame::by_status(failure, false),
        }
    }

    fn probe(&self, account: &Upstream<'_>, _: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let url = format!("{}/mj/task/list-by-condition", account.required_base()?);
        let mut request = super::probe::bare(Method::POST, &url, r#"{"ids":[]}"#.to_owned())?;
        request.headers_mut().insert("mj-api-secret", headers::secret(account.credentials.key()?)?);
        account.extra(request.headers_mut());
        Ok(request)
    }
}

fn names_a_task(body: &Value) -> bool {
    let said = body.get("description").and_then(Value::as_str).unwrap_or_default().to_lowercase();
    said.contains("任务") || said.contains("task")
}

/// A task's body goes as it came.
pub(super) fn task_body(ask: &Ask<'_>) -> Bytes {
    match ask.body {
        Payload::Empty => Bytes::new(),
        Payload::Json(body) => body.bytes().clone(),
        Payload::Raw(bytes) => bytes.clone(),
    }
}

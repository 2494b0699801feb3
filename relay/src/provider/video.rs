//! Vendors of New-API's video tasks.

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use super::{
    Ask, Dialect, Operation, Outgoing, Payload, Provider, Refusal, Upstream, Wish, address, midjourney, outgoing, suno,
};
use crate::wire::headers::{self, Family};

/// Accounts of such vendors.
pub struct Video;

impl Provider for Video {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let task = matches!(wish.operation, Operation::Submit | Operation::Fetch);
        (task && wish.dialect == Dialect::Video).then_some(Dialect::Video)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let url = tasks(account, address::tail(ask.path)?)?;
        let mut headers = headers::forward(ask.headers, Family::Task, !ask.translated);
        suno::authenticate(account, &mut headers)?;
        let body = match ask.body {
            Payload::Json(body) if ask.operation == Operation::Submit && !ask.model.is_empty() => {
                let mut edit = body.edit();
                edit.set_str("model", ask.model);
                edit.finish()
            }
            _ => midjourney::task_body(ask),
        };
        outgoing::finish(account, ask, &url, headers, body)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        let body: Value = serde_json::from_slice(body).ok()?;
        if body.get("success").and_then(Value::as_bool) == Some(false) {
            return Some(StatusCode::BAD_GATEWAY);
        }
        let code = body.get("code")?;
        let good = code.as_str() == Some("success")
            || matches!(code.as_i64(), Some(0 | 200))
            || (code.as_str().is_none() && code.as_i64().is_none());
        (!good).then_some(StatusCode::BAD_GATEWAY)
    }

    /// Asks after a task that cannot exist: any answer but a refusal of the key shows that the account works.
    fn probe(&self, account: &Upstream<'_>, _: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let mut request = super::probe::bare(Method::GET, &tasks(account, "/v1/video/generations/0")?, String::new())?;
        suno::authenticate(account, request.headers_mut())?;
        account.extra(request.headers_mut());
        Ok(request)
    }
}

fn tasks(account: &Upstream<'_>, path: &str) -> Result<String, Refusal> {
    let base = account.required_base()?;
    Ok(format!("{}{path}", base.strip_suffix("/v1").unwrap_or(base)))
}

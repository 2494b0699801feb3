//! Suno proxies.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::{Ask, Dialect, Operation, Outgoing, Provider, Refusal, Upstream, Wish, address, midjourney, outgoing};
use crate::wire::headers::{self, Family};

/// Accounts at such a proxy.
pub struct Suno;

impl Provider for Suno {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let task = matches!(wish.operation, Operation::Submit | Operation::Fetch);
        (task && wish.dialect == Dialect::Suno).then_some(Dialect::Suno)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let url = format!("{}{}", account.required_base()?, address::tail(ask.path)?);
        let mut headers = headers::forward(ask.headers, Family::Task, !ask.translated);
        authenticate(account, &mut headers)?;
        outgoing::finish(account, ask, &url, headers, midjourney::task_body(ask))
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let code = body.get("code")?;
        let bad = match (code.as_str(), code.as_i64()) {
            (Some(word), _) => word != "success",
            (None, Some(number)) => number != 200 && number != 0,
            (None, None) => false,
        };
        bad.then(|| match code.as_i64().and_then(|number| u16::try_from(number).ok()) {
            Some(number @ 400..600) => StatusCode::from_u16(number).unwrap_or(StatusCode::BAD_GATEWAY),
            _ => StatusCode::BAD_GATEWAY,
        })
    }

    fn probe(&self, account: &Upstream<'_>, _: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let url = format!("{}/suno/fetch", account.required_base()?);
        let mut request = super::probe::bare(Method::POST, &url, r#"{"ids":[]}"#.to_owned())?;
        authenticate(account, request.headers_mut())?;
        account.extra(request.headers_mut());
        Ok(request)
    }
}

pub(super) fn authenticate(account: &Upstream<'_>, headers: &mut HeaderMap) -> Result<(), Refusal> {
    headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {}", account.credentials.key()?))?);
    Ok(())
}

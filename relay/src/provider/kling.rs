//! Kling's own video tasks, with a token signed for every request.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

use super::blame::{self, pause};
use super::{
    Ask, Blame, Credentials, Dialect, Failure, Operation, Outgoing, Payload, Provider, Reason, Refusal, Scope,
    Upstream, Wish, address, midjourney, outgoing,
};
use crate::wire::headers::{self, Family};
use crate::wire::{kling_jwt, percent};

/// The vendor's own address.
pub const BASE: &str = "https://api.klingai.com";

/// Accounts at Kling.
pub struct Kling;

impl Provider for Kling {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let task = matches!(wish.operation, Operation::Submit | Operation::Fetch);
        (task && wish.dialect == Dialect::Kling).then_some(Dialect::Kling)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let query = percent::query_without(ask.query, &["key"]);
        let url = address::with_query(format!("{}{}", account.base(BASE), address::tail(ask.path)?), &query);
        let mut headers = headers::forward(ask.headers, Family::Task, !ask.translated);
        authenticate(account, &mut headers, ask.now)?;
        let body = match ask.body {
            Payload::Json(body)
                if ask.operation == Operation::Submit && body.has("model_name") && !ask.model.is_empty() =>
            {
                let mut edit = body.edit();
                edit.set_str("model_name", ask.model);
                edit.finish()
            }
            _ => midjourney::task_body(ask),
        };
        outgoing::finish(account, ask, &url, headers, body)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        let code = code(&serde_json::from_slice(body).ok()?)?;
        let status = match code {
            0 => return None,
            1000..=1004 => 401,
            1100..=1102 | 1302 | 1303 => 429,
            1304 => 403,
            1203 => 404,
            1200..=1301 => 400,
            5001 => 503,
            _ => 500,
        };
        StatusCode::from_u16(status).ok()
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        match code(&failure.json()) {
            // Not yet valid, or expired: the token is fresh, so the clock is off.
            Some(1003 | 1004) => Blame::Vendor { until: failure.until(pause::FAILURE) },
            Some(1000..=1002) => Blame::blocked(Reason::BadCredential),
            Some(1100) => Blame::blocked(Reason::Disabled),
            Some(1101 | 1102) => Blame::blocked(Reason::OutOfMoney),
            Some(1103) => Blame::cooling(failure.until(pause::MODEL), Scope::Model),
            Some(1302 | 1303) => Blame::cooling(failure.until(pause::OVERLOAD), Scope::Account),
            Some(1304) => Blame::blocked(Reason::Forbidden),
            Some(1200..=1301) => Blame::Caller,
            _ => blame::by_status(failure, false),
        }
    }

    fn probe(&self, account: &Upstream<'_>, _: Option<&str>, now: i64) -> Result<http::Request<Bytes>, Refusal> {
        let url = format!("{}/v1/videos/text2video?pageNum=1&pageSize=1", account.base(BASE));
        let mut request = super::probe::bare(Method::GET, &url, String::new())?;
        authenticate(account, request.headers_mut(), now)?;
        account.extra(request.headers_mut());
        Ok(request)
    }
}

fn code(body: &Value) -> Option<i64> {
    body.get("code")?.as_i64()
}

/// A pair signs; a plain key is one of a proxy in front of Kling.
fn authenticate(account: &Upstream<'_>, headers: &mut HeaderMap, now: i64) -> Result<(), Refusal> {
    let token = match account.credentials {
        Credentials::Pair { access_key, secret_key } => kling_jwt::token(access_key, secret_key, now)?,
        credentials => credentials.key()?.to_owned(),
    };
    headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {token}"))?);
    Ok(())
}

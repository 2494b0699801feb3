//! Vendors that are asked in OpenAI's responses dialect only.

use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::json;

use super::{
    Ask, Blame, Dialect, Failure, Operation, Outgoing, Provider, Refusal, Scope, Upstream, Wish, address, openai,
};
use crate::wire::headers;

/// Accounts whose vendor speaks responses.
pub struct Responses;

impl Provider for Responses {
    fn native(&self, account: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        match wish.operation {
            // "auto" says that the vendor knows both of OpenAI's dialects.
            Operation::Generate
                if account.options.endpoint.as_deref() == Some("auto") && wish.dialect == Dialect::Chat =>
            {
                Some(Dialect::Chat)
            }
            Operation::Generate => Some(Dialect::Responses),
            Operation::ListModels | Operation::GetModel => Some(Dialect::Models),
            Operation::CountTokens | Operation::Compact | Operation::Stored => openai::speaks(wish, true),
            _ => None,
        }
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let tail = openai::tail(ask)?;
        let base = account.base(openai::BASE);
        // People paste the whole endpoint, too.
        let base = base.strip_suffix("/responses").unwrap_or(base);
        let headers = openai::bearer(account, ask)?;
        openai::send(account, ask, address::versioned(base, "/v1", &tail), headers, openai::body(ask, true)?)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        openai::in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        openai::blame(failure, Scope::Account)
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        let base = account.base(openai::BASE);
        let base = base.strip_suffix("/responses").unwrap_or(base);
        let Some(model) = model else { return openai::probe(account, None, base, "/v1", "", 0) };
        let body = json!({"model": model, "input": "hi", "max_output_tokens": 16, "store": false});
        let mut request =
            super::probe::bare(Method::POST, &address::versioned(base, "/v1", "/responses"), body.to_string())?;
        let key = headers::secret(&format!("Bearer {}", account.credentials.key()?))?;
        request.headers_mut().insert(header::AUTHORIZATION, key);
        account.extra(request.headers_mut());
        Ok(request)
    }
}

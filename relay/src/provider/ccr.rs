//! claude-code-router and other gateways that speak Anthropic's dialect at an address of their own.

use bytes::Bytes;
use http::StatusCode;

use super::{
    Ask, Blame, Dialect, Failure, Operation, Outgoing, Provider, Refusal, Upstream, Wish, anthropic, blame, openai,
};

/// Accounts at such a gateway.
pub struct Ccr;

impl Provider for Ccr {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        match wish.operation {
            // A gateway holds no state of its own to come back to.
            Operation::Stored => None,
            _ => anthropic::speaks(wish),
        }
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let mut headers = anthropic::describe(ask);
        anthropic::authenticate(&mut headers, account.credentials)?;
        anthropic::send(account, ask, account.required_base()?, headers)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        anthropic::in_band(body).or_else(|| openai::in_band(body))
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        // Behind the gateway may stand any vendor; its errors come in either form, or as HTML.
        anthropic::blame(failure).unwrap_or_else(|| blame::by_status(failure, false))
    }

    fn probe(&self, account: &Upstream<'_>, model: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        anthropic::probe(account, Some(model.unwrap_or("claude-haiku-4-5")), account.required_base()?)
    }
}

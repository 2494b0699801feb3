//! Google logins for Code Assist: gemini-cli's own requests, with the account's token and project.
//!
//! The envelope of Code Assist is the service's protocol; gemini-cli puts it on itself in one of its modes
//! and speaks bare Gemini in the other, where it is put on and taken off here.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::{
    Ask, Blame, Client, Dialect, Failure, Operation, Outgoing, Payload, Provider, Refusal, Upstream, Wish, address,
    client, gemini, outgoing,
};
use super::{Scope, blame};
use crate::convert::edit::Body;
use crate::wire::headers::{self, Family};
use crate::wire::oauth::{self, Dead, Endpoints, Flow, Tokens};

/// The vendor's own address.
pub const BASE: &str = "https://cloudcode-pa.googleapis.com";
const ROOT: &str = "/v1internal";

/// Accounts with a Google login.
pub struct GeminiOauth;

impl Provider for GeminiOauth {
    fn native(&self, _: &Upstream<'_>, wish: Wish<'_>) -> Option<Dialect> {
        let own = matches!(wish.dialect, Dialect::Gemini | Dialect::CodeAssist);
        match wish.operation {
            Operation::Generate | Operation::CountTokens if own => Some(wish.dialect),
            Operation::Side => (wish.dialect == Dialect::CodeAssist).then_some(Dialect::CodeAssist),
            _ => None,
        }
    }

    fn serves(&self, client: Client) -> Result<(), Refusal> {
        client::only(Client::GeminiCli, "Google login", client)
    }

    fn request(&self, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Outgoing, Refusal> {
        let mut headers = headers::forward(ask.headers, Family::Google, !ask.translated);
        authenticate(account, &mut headers)?;
        let method = match (ask.operation, ask.stream) {
            (Operation::Generate, true) => ":streamGenerateContent?alt=sse",
            (Operation::Generate, false) => ":generateContent",
            (Operation::CountTokens, _) => ":countTokens",
            (Operation::Side, _) => address::tail(ask.path)?,
            _ => return Err(Refusal::unsupported("Google login accounts cannot do this")),
        };
        let body = match (ask.body, ask.operation, ask.dialect) {
            (Payload::Json(body), Operation::Side, _) => body.bytes().clone(),
            (Payload::Json(body), Operation::CountTokens, Dialect::Gemini) => counted(body, ask)?,
            (Payload::Json(body), Operation::CountTokens, _) => body.bytes().clone(),
            (Payload::Json(body), _, Dialect::Gemini) => wrap(body, account, ask)?,
            (Payload::Json(body), ..) => enveloped(body, account, ask),
            (Payload::Raw(bytes), ..) => bytes.clone(),
            (Payload::Empty, ..) => Bytes::new(),
        };
        outgoing::finish(account, ask, &format!("{}{ROOT}{method}", base(account)), headers, body)
    }

    fn unwrap(&self, ask: &Ask<'_>, payload: Bytes) -> Bytes {
        // A client of Code Assist wants the envelope; one of Gemini must not see it.
        if ask.dialect != Dialect::Gemini {
            return payload;
        }
        let inner =
            Body::scan(payload.clone()).ok().and_then(|body| body.raw("response").map(|raw| payload.slice_ref(raw)));
        inner.unwrap_or(payload)
    }

    fn in_band(&self, body: &[u8]) -> Option<StatusCode> {
        gemini::in_band(body)
    }

    fn blame(&self, failure: &Failure<'_>) -> Blame {
        match failure.status.as_u16() {
            // Code Assist keeps a bucket for each model.
            429 => gemini::limited(failure, gemini::error(&failure.json()), Scope::Model),
            _ => blame::by_status(failure, true),
        }
    }

    fn token(
        &self,
        account: &Upstream<'_>,
        endpoints: Option<&Endpoints>,
        _: i64,
    ) -> Option<Result<http::Request<Bytes>, Refusal>> {
        let refresh = account.credentials.refresh_token()?;
        let own = Flow::Gemini.defaults();
        Some(Flow::Gemini.refresh(endpoints.unwrap_or(&own), refresh).map_err(Refusal::from))
    }

    fn read_token(&self, status: StatusCode, body: &[u8], now: i64) -> Result<Tokens, Dead> {
        oauth::read_tokens(Flow::Gemini, status, body, now)
    }

    /// Asks which project and tier the login has; it costs no quota of any model.
    fn probe(&self, account: &Upstream<'_>, _: Option<&str>, _: i64) -> Result<http::Request<Bytes>, Refusal> {
        load_request(account)
    }
}

/// Asks which project and tier the login has; [`project`] reads the answer.
pub fn load_request(account: &Upstream<'_>) -> Result<http::Request<Bytes>, Refusal> {
    let mut body = json!({"metadata": {"pluginType": "GEMINI"}});
    if let Some(project) = &account.options.project {
        body["cloudaicompanionProject"] = project.as_str().into();
    }
    let mut request =
        super::probe::bare(Method::POST, &format!("{}{ROOT}:loadCodeAssist", base(account)), body.to_string())?;
    authenticate(account, request.headers_mut())?;
    account.extra(request.headers_mut());
    Ok(request)
}

/// The project and the tier that the answer to [`load_request`] names; without a tier the login must go
/// through gemini-cli's own sign-up first.
pub fn project(body: &[u8]) -> Option<(Option<String>, Option<String>)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.as_object()?;
    let project = body
        .get("cloudaicompanionProject")
        .and_then(|project| project.as_str().or_else(|| project.get("id")?.as_str()));
    let tier = body.pointer("/currentTier/id").and_then(Value::as_str);
    Some((project.map(str::to_owned), tier.map(str::to_owned)))
}

fn base<'a>(account: &Upstream<'a>) -> &'a str {
    let base = account.base(BASE);
    base.strip_suffix(ROOT).unwrap_or(base)
}

fn authenticate(account: &Upstream<'_>, headers: &mut HeaderMap) -> Result<(), Refusal> {
    headers.insert(header::AUTHORIZATION, headers::secret(&format!("Bearer {}", account.credentials.access_token()?))?);
    Ok(())
}

/// The client's envelope with this account's project.
fn enveloped(body: &Body, account: &Upstream<'_>, ask: &Ask<'_>) -> Bytes {
    let mut edit = body.edit();
    edit.set_str("model", gemini::bare(ask.model));
    if let Some(project) = &account.options.project {
        edit.set_str("project", project);
    }
    edit.finish()
}

/// A Gemini body inside an envelope; its bytes stay as they are.
fn wrap(body: &Body, account: &Upstream<'_>, ask: &Ask<'_>) -> Result<Bytes, Refusal> {
    let outer = Body::scan(Bytes::from_static(b"{}"))?;
    let mut edit = outer.edit();
    edit.set_str("model", gemini::bare(ask.model));
    if let Some(project) = &account.options.project {
        edit.set_str("project", project);
    }
    edit.set_raw("request", body.bytes().to_vec());
    Ok(edit.finish())
}

/// Counting names the model inside and takes nothing but the contents.
fn counted(body: &Body, ask: &Ask<'_>) -> Result<Bytes, Refusal> {
    let contents: Value = body.get("contents", "a list")?.unwrap_or_else(|| json!([]));
    let model = format!("models/{}", gemini::bare(ask.model));
    Ok(json!({"request": {"model": model, "contents": contents}}).to_string().into())
}

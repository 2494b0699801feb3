//! Vertex AI: the token address of a service account, Google's models, Anthropic's models.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::answer::decide;
use super::anthropic::check::{Host, check};
use super::anthropic::messages;
use super::gemini;
use super::reply::{Reply, named_event};
use super::seen::Seen;
use super::state::Shared;
use super::vendor::Vendor;

/// The private key of the service account the fake knows. It was made for these tests and opens nothing.
pub const SERVICE_ACCOUNT_KEY: &str = include_str!("../fixtures/service_account.pem");
const PUBLIC_KEY: &str = include_str!("../fixtures/service_account.pub.pem");
/// The service account.
pub const SERVICE_ACCOUNT_EMAIL: &str = "relay@fake-project.iam.gserviceaccount.com";
/// The project it belongs to.
pub const PROJECT: &str = "fake-project";

pub(super) fn service_account_json(base: &str) -> String {
    json!({
        "type": "service_account", "project_id": PROJECT, "private_key_id": "fake-key-1",
        "private_key": SERVICE_ACCOUNT_KEY, "client_email": SERVICE_ACCOUNT_EMAIL, "client_id": "1234567890",
        "token_uri": format!("{base}/token")
    })
    .to_string()
}

pub(super) fn answer(seen: &Seen, shared: &Shared) -> Reply {
    let pieces = seen.pieces();
    let path: Vec<&str> = pieces.iter().map(String::as_str).collect();
    if let ["token"] = path[..] {
        return token(seen, shared);
    }
    let bearer = seen.bearer().unwrap_or_default();
    if !shared.accepts(Vendor::Vertex, bearer, &[]) {
        return gemini::bad_token();
    }
    let ["v1" | "v1beta1", "projects", project, "locations", _, "publishers", publisher, "models", call] = path[..]
    else {
        return Reply::whole(404, "text/html; charset=UTF-8", "<html><title>Error 404 (Not Found)!!1</title></html>");
    };
    if project != PROJECT {
        let message = format!("Permission 'aiplatform.endpoints.predict' denied on resource in project '{project}'.");
        return gemini::error(403, "PERMISSION_DENIED", &message, json!([]));
    }
    let body = seen.json();
    match (publisher, call.rsplit_once(':')) {
        ("google", Some((model, action))) => gemini::act(seen, shared, model, action, &body),
        ("anthropic", Some((model, action @ ("rawPredict" | "streamRawPredict")))) => {
            claude(&body, model, action == "streamRawPredict", shared)
        }
        _ => gemini::error(404, "NOT_FOUND", "Publisher model was not found.", json!([])),
    }
}

fn claude(body: &Value, model: &str, stream: bool, shared: &Shared) -> Reply {
    if model == "count-tokens" {
        let counted = messages::ask(body).prompt_bytes / 4;
        return Reply::json(200, &json!({ "input_tokens": counted.max(1) }));
    }
    if let Some(refused) = check(body, Host::Vertex) {
        return refused;
    }
    // The older clients name the host's own version, those of 2026 the API's.
    let version = body["anthropic_version"].as_str().unwrap_or_default();
    if !["vertex-2023-10-16", "2026-10-21"].contains(&version) {
        return super::anthropic::error(
            400,
            "invalid_request_error",
            "anthropic_version: Input should be 'vertex-2023-10-16'",
        );
    }
    let answer = decide(&messages::ask(body), shared);
    let (id, name) = (shared.id("msg_vrtx_"), model.split('@').next().unwrap_or(model));
    if stream {
        return Reply::sse(messages::events(&answer, &id, name).iter().map(named_event).collect());
    }
    Reply::json(200, &messages::message(&answer, &id, name))
}

/// The JWT bearer grant: an assertion signed by the service account becomes an access token.
fn token(seen: &Seen, shared: &Shared) -> Reply {
    let form = seen.form();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let refused = |message: &str| Reply::json(400, &json!({ "error": "invalid_grant", "error_description": message }));
    if field("grant_type") != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return Reply::json(400, &json!({ "error": "unsupported_grant_type" }));
    }
    let mut rules = Validation::new(Algorithm::RS256);
    rules.validate_aud = false;
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    let key = DecodingKey::from_rsa_pem(PUBLIC_KEY.as_bytes());
    let claims =
        key.and_then(|key| jsonwebtoken::decode::<Value>(field("assertion").unwrap_or_default(), &key, &rules));
    let claims = match claims {
        Ok(token) => token.claims,
        Err(error) => return refused(&format!("Invalid JWT Signature. ({error})")),
    };
    if claims["iss"] != SERVICE_ACCOUNT_EMAIL {
        return refused("Invalid grant: account not found");
    }
    if !claims["aud"].as_str().is_some_and(|aud| aud.ends_with("/token")) {
        return refused("Invalid JWT: Failed audience check.");
    }
    let lifetime = claims["exp"].as_u64().zip(claims["iat"].as_u64()).map(|(exp, iat)| exp.saturating_sub(iat));
    if lifetime.is_none_or(|seconds| seconds > 3600) {
        return refused("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.");
    }
    if !claims["scope"].as_str().is_some_and(|scope| scope.contains("cloud-platform")) {
        return Reply::json(400, &json!({ "error": "invalid_scope", "error_description": "Invalid OAuth scope." }));
    }
    let (access, _) = shared.memory().oauth.issue(Vendor::Vertex);
    Reply::json(200, &json!({ "access_token": access, "expires_in": 3599, "token_type": "Bearer" }))
}

//! Google service accounts: from the JSON key file to the assertion that buys an access token.

use std::fmt;

use bytes::Bytes;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use super::{WireError, post_form};

/// The scope that Vertex AI asks for.
pub const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// Where Google sells access tokens, unless the key file or a setting names another place.
pub const TOKEN_ADDRESS: &str = "https://oauth2.googleapis.com/token";
/// How long an assertion may live, in seconds; Google refuses more than an hour.
pub const LIFE: i64 = 3600;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a service account's key file says.
#[derive(Clone, Deserialize)]
pub struct ServiceAccount {
    /// The project that pays, unless the account's settings name another.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Who signs.
    pub client_email: String,
    #[serde(default)]
    private_key_id: Option<String>,
    private_key: String,
    /// Where tokens are to be had.
    #[serde(default)]
    pub token_uri: Option<String>,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccount").field("project_id", &self.project_id).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

impl ServiceAccount {
    /// Reads a key file.
    pub fn parse(json: &str) -> Result<Self, WireError> {
        // serde's own message may quote the text, that is, the key.
        serde_json::from_str(json)
            .map_err(|_| WireError::Key("this is not a Google service account key file (client_email, private_key)"))
    }

    /// The address to ask for a token: the setting's, else the key file's, else Google's.
    pub fn token_address<'a>(&'a self, setting: Option<&'a str>) -> &'a str {
        setting.or(self.token_uri.as_deref()).unwrap_or(TOKEN_ADDRESS)
    }

    /// A signed RS256 assertion for that audience, valid from `now` (epoch milliseconds) for an hour.
    pub fn assertion(&self, audience: &str, now: i64) -> Result<String, WireError> {
        let iat = now.div_euclid(1000);
        let header = Header { kid: self.private_key_id.clone(), ..Header::new(Algorithm::RS256) };
        let email = self.client_email.as_str();
        let claims = Claims { iss: email, sub: email, scope: SCOPE, aud: audience, iat, exp: iat + LIFE };
        let unusable = |_| WireError::Key("the service account's private key is not an RSA key in PEM form");
        let key = EncodingKey::from_rsa_pem(self.private_key.as_bytes()).map_err(unusable)?;
        jsonwebtoken::encode(&header, &claims, &key).map_err(unusable)
    }

    /// The request that buys an access token.
    pub fn token_request(&self, setting: Option<&str>, now: i64) -> Result<http::Request<Bytes>, WireError> {
        let address = self.token_address(setting);
        // The audience stays the account's own, also where a setting sends the request elsewhere.
        let assertion = self.assertion(self.token_uri.as_deref().unwrap_or(TOKEN_ADDRESS), now)?;
        post_form(address, &[("grant_type", GRANT), ("assertion", &assertion)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};

    const KEY_FILE: &str = include_str!("vertex/key_file.json");
    const PUBLIC: &str = include_str!("vertex/public.pem");

    #[test]
    fn the_assertion_verifies_under_the_public_key() {
        let account = ServiceAccount::parse(KEY_FILE).unwrap();
        let token = account.assertion(TOKEN_ADDRESS, 1_795_230_245_500).unwrap();
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_audience(&[TOKEN_ADDRESS]);
        rules.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).unwrap();
        let read = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &rules).unwrap();
        assert_eq!(read.header.kid.as_deref(), Some("key-1"));
        assert_eq!(
            read.claims,
            serde_json::json!({
                "iss": "relay@sample.iam.gserviceaccount.com", "sub": "relay@sample.iam.gserviceaccount.com",
                "scope": SCOPE, "aud": TOKEN_ADDRESS, "iat": 1_795_230_245, "exp": 1_795_233_845,
            })
        );
    }

    #[test]
    fn the_token_request_is_a_form_to_the_address_of_the_setting() {
        let account = ServiceAccount::parse(KEY_FILE).unwrap();
        let request = account.token_request(Some("http://127.0.0.1:9/token"), 0).unwrap();
        assert_eq!(request.uri(), "http://127.0.0.1:9/token");
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        let body = std::str::from_utf8(request.body()).unwrap();
        assert!(
            body.starts_with("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJ"),
            "{body}"
        );
        assert_eq!(account.token_request(None, 0).unwrap().uri(), TOKEN_ADDRESS);
    }

    #[test]
    fn a_bad_key_file_is_refused_without_quoting_it() {
        let error = ServiceAccount::parse("{\"private_key\":\"hush\"").unwrap_err();
        assert!(!error.to_string().contains("hush"));
        let account = ServiceAccount { private_key: "hush".into(), ..ServiceAccount::parse(KEY_FILE).unwrap() };
        assert!(account.assertion("a", 0).is_err());
        assert!(!format!("{account:?}").contains("hush"));
    }
}

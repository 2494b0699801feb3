//! The providers: their addresses, their quirks, and how each tells who somebody is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::App;
use crate::error::{Error, Result};
use crate::secret::Secret;
use crate::service::setting::{self, Settings, names};

/// How a provider wants its code exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exchange {
    /// A form with the client's secret in it.
    Form,
    /// A form under PKCE alone; the secret, where there is one, goes into the `Authorization` header.
    PkceOnly,
    /// A form, the client's id and secret in the `Authorization` header.
    Basic,
    /// `GET` with everything in the query; failures come as 200 with an `errcode` (WeChat).
    Query { id: &'static str, secret: &'static str },
    /// JSON, under an app token fetched first; everything wrapped in `{code, data}` (Feishu).
    AppToken,
    /// JSON with the app's id and secret; answers wrapped in `data`.
    Json,
}

/// A provider.
#[derive(Debug)]
pub struct Provider {
    pub name: &'static str,
    authorize: &'static str,
    token: &'static str,
    profile: &'static str,
    /// A further address the exchange needs: verified addresses (GitHub), the app token (Feishu).
    extra: &'static str,
    scope: &'static str,
    /// What the client's id is called in the authorization request.
    id_param: &'static str,
    pkce: bool,
    /// True where the id token must carry our nonce.
    nonce: bool,
    fragment: &'static str,
    exchange: Exchange,
}

/// What a round trip was begun with, and has to be ended with.
pub struct Trip<'a> {
    /// The address the browser was to come back to, where it was named.
    pub callback: Option<&'a str>,
    /// Both are missing where the page that began composed the address by itself.
    pub verifier: Option<&'a str>,
    pub nonce: Option<&'a str>,
}

/// Who somebody is, as a provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub subject: String,
    pub name: String,
    /// An address the provider vouches for.
    pub verified_email: Option<String>,
}

const PLAIN: Provider = Provider {
    name: "",
    authorize: "",
    token: "",
    profile: "",
    extra: "",
    scope: "",
    id_param: "client_id",
    pkce: false,
    nonce: false,
    fragment: "",
    exchange: Exchange::Form,
};

const PROVIDERS: &[Provider] = &[
    Provider {
        name: "github",
        authorize: "https://github.com/login/oauth/authorize",
        token: "https://github.com/login/oauth/access_token",
        profile: "https://api.github.com/user",
        extra: "https://api.github.com/user/emails",
        scope: "read:user user:email",
        pkce: true,
        ..PLAIN
    },
    Provider {
        name: "google",
        authorize: "https://accounts.google.com/o/oauth2/v2/auth",
        token: "https://oauth2.googleapis.com/token",
        profile: "https://openidconnect.googleapis.com/v1/userinfo",
        scope: "openid email profile",
        pkce: true,
        nonce: true,
        ..PLAIN
    },
    Provider {
        name: "wechat",
        authorize: "https://open.weixin.qq.com/connect/qrconnect",
        token: "https://api.weixin.qq.com/sns/oauth2/access_token",
        profile: "https://api.weixin.qq.com/sns/userinfo",
        scope: "snsapi_login",
        id_param: "appid",
        fragment: "wechat_redirect",
        exchange: Exchange::Query { id: "appid", secret: "secret" },
        ..PLAIN
    },
    Provider {
        name: "feishu",
        authorize: "https://open.feishu.cn/open-apis/authen/v1/authorize",
        token: "https://open.feishu.cn/open-apis/authen/v1/oidc/access_token",
        profile: "https://open.feishu.cn/open-apis/authen/v1/user_info",
        extra: "https://open.feishu.cn/open-apis/auth/v3/app_access_token/internal",
        id_param: "app_id",
        exchange: Exchange::AppToken,
        ..PLAIN
    },
    Provider {
        name: "twitter",
        authorize: "https://x.com/i/oauth2/authorize",
        token: "https://api.x.com/2/oauth2/token",
        profile: "https://api.x.com/2/users/me",
        scope: "users.read tweet.read",
        pkce: true,
        exchange: Exchange::PkceOnly,
        ..PLAIN
    },
    Provider {
        name: "facebook",
        authorize: "https://www.facebook.com/v21.0/dialog/oauth",
        token: "https://graph.facebook.com/v21.0/oauth/access_token",
        profile: "https://graph.facebook.com/v21.0/me?fields=id,name",
        scope: "public_profile",
        exchange: Exchange::Query { id: "client_id", secret: "client_secret" },
        ..PLAIN
    },
    // Whose it is, the settings say: all three addresses come from there.
    Provider { name: "oidc", scope: "openid profile email", pkce: true, nonce: true, ..PLAIN },
    Provider {
        name: "linuxdo",
        authorize: "https://connect.linux.do/oauth2/authorize",
        token: "https://connect.linux.do/oauth2/token",
        profile: "https://connect.linux.do/api/user",
        exchange: Exchange::Basic,
        ..PLAIN
    },
    // Its sign-in is given by arrangement: the addresses come from the settings.
    Provider { name: "xiaohongshu", id_param: "app_id", exchange: Exchange::Json, ..PLAIN },
];

impl Provider {
    /// The provider of a name.
    pub fn named(name: &str) -> Result<&'static Self> {
        PROVIDERS.iter().find(|p| p.name == name).ok_or(Error::NotFound { what: "provider" })
    }
}

/// A provider as the settings complete it.
pub struct Setup {
    provider: &'static Provider,
    id: String,
    secret: Secret<String>,
    authorize: String,
    token: String,
    profile: String,
    extra: String,
}

impl Setup {
    /// Refused while the provider is switched off or not set up.
    pub fn of(app: &App, provider: &'static Provider) -> Result<Self> {
        let settings = setting::current(app);
        if !settings.bool(&super::switch(provider.name)) {
            return Err(Error::invalid("provider", format!("signing in with {} is switched off", provider.name)));
        }
        Self::by(&settings, provider)
    }

    /// Refused while the provider is not set up, switched on or not.
    pub fn by(settings: &Settings, provider: &'static Provider) -> Result<Self> {
        let text = |name: String| settings.text(&name).trim().to_owned();
        let other: Value = settings.json(names::SIGN_IN_ADDRESSES);
        let address = |what: &str, usual: &str| {
            let usual = match (provider.name, what) {
                ("oidc", "authorize") => settings.text(names::SIGN_IN_OIDC_AUTHORIZE_URL),
                ("oidc", "token") => settings.text(names::SIGN_IN_OIDC_TOKEN_URL),
                ("oidc", "profile") => settings.text(names::SIGN_IN_OIDC_USERINFO_URL),
                _ => usual,
            };
            other[provider.name][what].as_str().filter(|a| !a.is_empty()).unwrap_or(usual).to_owned()
        };
        let setup = Self {
            provider,
            id: text(format!("sign_in_{}_client_id", provider.name)),
            secret: Secret::new(text(format!("sign_in_{}_client_secret", provider.name))),
            authorize: address("authorize", provider.authorize),
            token: address("token", provider.token),
            profile: address("profile", provider.profile),
            extra: address("extra", provider.extra),
        };
        let needs_secret = provider.exchange != Exchange::PkceOnly;
        let missing = setup.id.is_empty() || (needs_secret && setup.secret.reveal().is_empty());
        if missing || setup.authorize.is_empty() || setup.token.is_empty() || setup.profile.is_empty() {
            return Err(Error::invalid("provider", format!("signing in with {} is not set up", provider.name)));
        }
        Ok(setup)
    }

    /// What a page needs that composes the address by itself: the client's id, and where to.
    pub fn open(self) -> (String, String) {
        (self.id, self.authorize)
    }

    /// Where the browser goes.
    pub fn authorize_url(&self, callback: &str, state: &str, verifier: &str, nonce: &str) -> Result<String> {
        let bad = |_| Error::invalid("provider", "the provider's address is no URL");
        let mut url = reqwest::Url::parse(&self.authorize).map_err(bad)?;
        {
            let mut query = url.query_pairs_mut();
            query.append_pair(self.provider.id_param, &self.id);
            query.append_pair("redirect_uri", callback);
            query.append_pair("response_type", "code");
            if !self.provider.scope.is_empty() {
                query.append_pair("scope", self.provider.scope);
            }
            query.append_pair("state", state);
            if self.provider.pkce {
                let hash = ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes());
                query.append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(hash.as_ref()));
                query.append_pair("code_challenge_method", "S256");
            }
            if self.provider.nonce {
                query.append_pair("nonce", nonce);
            }
        }
        if !self.provider.fragment.is_empty() {
            url.set_fragment(Some(self.provider.fragment));
        }
        Ok(url.into())
    }

    fn failed(&self, why: &str) -> Error {
        Error::upstream(self.provider.name, 502, format!("{} did not confirm the sign-in: {why}", self.provider.name))
    }

    /// Sends a request and reads the JSON of a success.
    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        // Its own words may hold what must not be repeated, so only the kind of failure is told.
        let answer = request
            .header("accept", "application/json")
            .timeout(std::time::Duration::from_secs(15))
            .send()
            .await
            .map_err(|_| self.failed("it cannot be reached"))?;
        let status = answer.status();
        let body: Value = answer.json().await.map_err(|_| self.failed("its answer is no JSON"))?;
        let refused = !status.is_success()
            || body.get("error").is_some_and(|e| !e.is_null())
            || ["errcode", "code"].iter().any(|k| body[*k].as_i64().is_some_and(|code| code != 0));
        if refused { Err(self.failed("it refused")) } else { Ok(body) }
    }

    /// Exchanges the code and asks who it is.
    pub async fn profile(&self, app: &App, code: &str, trip: &Trip<'_>) -> Result<Profile> {
        let secret = self.secret.reveal().as_str();
        let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("client_id", self.id.as_str())];
        form.extend(trip.callback.map(|callback| ("redirect_uri", callback)));
        form.extend(trip.verifier.filter(|_| self.provider.pkce).map(|verifier| ("code_verifier", verifier)));
        let http = &app.http;
        let tokens = match self.provider.exchange {
            Exchange::Form => {
                form.push(("client_secret", secret));
                self.ask(http.post(&self.token).form(&form)).await?
            }
            Exchange::PkceOnly | Exchange::Basic => {
                let request = http.post(&self.token).form(&form);
                let request = if secret.is_empty() { request } else { request.basic_auth(&self.id, Some(secret)) };
                self.ask(request).await?
            }
            Exchange::Query { id, secret: name } => {
                let mut query =
                    vec![(id, self.id.as_str()), (name, secret), ("code", code), ("grant_type", "authorization_code")];
                query.extend(trip.callback.map(|callback| ("redirect_uri", callback)));
                self.ask(http.get(&self.token).query(&query)).await?
            }
            Exchange::AppToken => {
                let app_key = json!({ "app_id": self.id, "app_secret": secret });
                let answer = self.ask(http.post(&self.extra).json(&app_key)).await?;
                let app_token = answer["app_access_token"].as_str().ok_or_else(|| self.failed("no app token"))?;
                let body = json!({ "grant_type": "authorization_code", "code": code });
                self.ask(http.post(&self.token).bearer_auth(app_token).json(&body)).await?["data"].take()
            }
            Exchange::Json => {
                let body = json!({
                    "app_id": self.id, "app_secret": secret, "code": code, "grant_type": "authorization_code",
                });
                self.ask(http.post(&self.token).json(&body)).await?["data"].take()
            }
        };
        let token = tokens["access_token"].as_str().ok_or_else(|| self.failed("no access token"))?;
        if let Some(nonce) = trip.nonce.filter(|_| self.provider.nonce) {
            self.check_nonce(&tokens, nonce)?;
        }
        let request = match self.provider.name {
            // WeChat knows the bearer by two values in the query.
            "wechat" => {
                let openid = tokens["openid"].as_str().unwrap_or("");
                http.get(&self.profile).query(&[("access_token", token), ("openid", openid)])
            }
            _ => http.get(&self.profile).bearer_auth(token),
        };
        let said = self.ask(request).await?;
        let said = if said["data"].is_object() { &said["data"] } else { &said };
        let verified_email = match self.provider.name {
            "github" if !self.extra.is_empty() => {
                let all = self.ask(http.get(&self.extra).bearer_auth(token)).await?;
                primary(&all)
            }
            "google" | "oidc" if said["email_verified"] == json!(true) => said["email"].as_str().map(str::to_owned),
            _ => None,
        };
        let subject = ["sub", "unionid", "union_id", "open_id", "openid", "id", "user_id"]
            .iter()
            .find_map(|k| match &said[*k] {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Number(n) => Some(n.to_string()),
                _ => None,
            })
            .ok_or_else(|| self.failed("it does not say who it is"))?;
        let name = ["name", "nickname", "login", "username"].iter().find_map(|k| said[*k].as_str());
        Ok(Profile { subject, name: name.unwrap_or(self.provider.name).to_owned(), verified_email })
    }

    /// The id token came straight from the provider; what is left to see is that it is of this round trip.
    fn check_nonce(&self, tokens: &Value, nonce: &str) -> Result<()> {
        let claims = tokens["id_token"].as_str().and_then(|t| t.split('.').nth(1));
        let claims = claims.and_then(|c| URL_SAFE_NO_PAD.decode(c).ok());
        let claims = claims.and_then(|c| serde_json::from_slice::<Value>(&c).ok()).unwrap_or_default();
        if claims["nonce"].as_str() == Some(nonce) && claims["aud"].as_str() == Some(&self.id) {
            return Ok(());
        }
        Err(self.failed("the answer belongs to another sign-in"))
    }
}

/// The primary address of GitHub's list, when it is verified.
fn primary(all: &Value) -> Option<String> {
    let found = all.as_array()?.iter().find(|e| e["primary"] == json!(true) && e["verified"] == json!(true))?;
    found["email"].as_str().map(str::to_owned)
}

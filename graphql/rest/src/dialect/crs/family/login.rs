//! Logging accounts in, renewing their tokens, asking whose they are.

use axum::extract::State;
use relay::connect;
use relay::connect::login::{self, Standing};
use relay::wire::oauth::{Flow, Identity, Tokens};
use schema::model::account::{AccountFilter, Health};
use schema::service::account::OauthTokens;
use schema::{App, Error};
use serde_json::{Map, Value, json};

use super::super::form::{Form, Told, told};
use super::super::{Admin, Body, Path, Reply, data, flat};
use super::{CLAUDE, FAMILIES, all, form, found, one};

const STEPS: [&str; 5] = [
    "1. 复制上面的链接到浏览器中打开",
    "2. 登录您的账户",
    "3. 同意应用权限",
    "4. 复制浏览器地址栏中的完整URL或页面给出的授权码",
    "5. 在添加账户表单中粘贴它",
];

async fn begun(app: &App, admin: &Admin, flow: Flow, form: &Form) -> Result<Value, Error> {
    let begun = login::begin(app, admin, flow, form::proxy(form)?.flatten()).await?;
    Ok(json!({ "authUrl": begun.url, "sessionId": begun.session, "instructions": STEPS }))
}

pub async fn claude_url(State(app): State<App>, admin: Admin, form: Body<Told<told::SignIn>>) -> Reply {
    Ok(data(begun(&app, &admin, Flow::Claude, &form.0).await?))
}

pub async fn setup_url(State(app): State<App>, admin: Admin, form: Body<Told<told::SignIn>>) -> Reply {
    Ok(data(begun(&app, &admin, Flow::ClaudeSetup, &form.0).await?))
}

pub async fn openai_url(State(app): State<App>, admin: Admin, form: Body<Told<told::SignIn>>) -> Reply {
    Ok(data(begun(&app, &admin, Flow::Codex, &form.0).await?))
}

pub async fn gemini_url(State(app): State<App>, admin: Admin, form: Body<Told<told::GoogleSignIn>>) -> Reply {
    // Its tokens would be those of another program than the account is said to be of.
    if form.0.text("oauthProvider")?.is_some_and(|provider| provider == "antigravity") {
        let why = "accounts of Antigravity are not signed in here; choose gemini-cli, with which Gemini accounts are";
        return Err(Error::invalid("oauthProvider", why).into());
    }
    let mut shown = begun(&app, &admin, Flow::Gemini, &form.0).await?;
    shown["oauthProvider"] = "gemini-cli".into();
    Ok(data(shown))
}

/// The session and what the person brought back, under any of the names consoles use.
fn handed(form: &Form) -> Result<(String, String), Error> {
    let sentence = "Session ID and authorization code (or callback URL) are required";
    let session = form.required("sessionId", sentence)?;
    let code = form.any_text(&["authorizationCode", "code", "callbackUrl"])?;
    Ok((session, code.ok_or_else(|| Error::invalid("code", sentence))?))
}

fn claude_tokens(tokens: &Tokens) -> Value {
    json!({ "claudeAiOauth": {
        "accessToken": tokens.access_token, "refreshToken": tokens.refresh_token, "expiresAt": tokens.expires_at,
        "scopes": tokens.scopes, "isMax": null, "accountInfo": about(&tokens.identity),
    } })
}

fn about(who: &Identity) -> Value {
    json!({
        "accountId": who.account_id, "chatgptUserId": who.user_id, "organizationId": who.organization_id,
        "organizationRole": who.organization_role, "organizationTitle": who.organization, "planType": who.plan,
        "email": who.email, "name": who.name, "emailVerified": who.email_verified, "organizations": [],
    })
}

pub async fn claude_exchange(State(app): State<App>, admin: Admin, form: Body<Told<told::Code>>) -> Reply {
    let (session, code) = handed(&form.0)?;
    Ok(data(claude_tokens(&login::finish(&app, &admin, Flow::Claude, &session, &code).await?)))
}

/// Signing in with the cookie of somebody's browser would be passing for that browser before the vendor.
pub async fn by_cookie(_: Admin, _: Body<Told<told::Cookie>>) -> Reply {
    let why = "accounts are not signed in by a browser's cookie here: open the address of generate-auth-url or \
               generate-setup-token-url and paste the code that the vendor shows";
    Err(Error::invalid("sessionKey", why).into())
}

pub async fn setup_exchange(State(app): State<App>, admin: Admin, form: Body<Told<told::Code>>) -> Reply {
    let (session, code) = handed(&form.0)?;
    Ok(data(claude_tokens(&login::finish(&app, &admin, Flow::ClaudeSetup, &session, &code).await?)))
}

pub async fn openai_exchange(State(app): State<App>, admin: Admin, form: Body<Told<told::Code>>) -> Reply {
    let (session, code) = handed(&form.0)?;
    let tokens = login::finish(&app, &admin, Flow::Codex, &session, &code).await?;
    let life = tokens.expires_at.map(|at| (at - app.clock.now().0).max(0) / 1_000);
    Ok(data(json!({
        "tokens": {
            "idToken": tokens.id_token, "accessToken": tokens.access_token, "refreshToken": tokens.refresh_token,
            "expires_in": life,
        },
        "accountInfo": about(&tokens.identity),
    })))
}

fn google(tokens: &OauthTokens) -> Value {
    json!({
        "access_token": tokens.access_token, "refresh_token": tokens.refresh_token,
        "expiry_date": tokens.expires_at, "scope": tokens.scopes.join(" "), "token_type": "Bearer",
    })
}

pub async fn gemini_exchange(State(app): State<App>, admin: Admin, form: Body<Told<told::Code>>) -> Reply {
    let (session, code) = handed(&form.0)?;
    let tokens = login::finish(&app, &admin, Flow::Gemini, &session, &code).await?;
    Ok(data(json!({ "tokens": google(&login::stored(&tokens)), "oauthProvider": "gemini-cli" })))
}

pub async fn gemini_poll(State(app): State<App>, admin: Admin, form: Body<Told<told::Session>>) -> Reply {
    let session = form.0.required("sessionId", "Session ID is required")?;
    match login::standing(&app, &admin, &session).await? {
        Standing::Done(tokens) => Ok(data(json!({ "tokens": google(&tokens), "status": "completed" }))),
        Standing::Waiting => {
            let text = "Authorization is still pending";
            Ok(axum::response::IntoResponse::into_response(axum::Json(
                json!({ "success": false, "error": text, "message": text, "data": { "status": "pending" } }),
            )))
        }
        Standing::Gone => Err(Error::invalid("sessionId", "Invalid or expired OAuth session").into()),
    }
}

pub async fn refresh<const F: usize>(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<F>(&app, &admin, &uid.0).await?;
    let account = connect::refresh(&app, &admin, account.id).await?;
    let ends = account.token_expires_at.map(|t| t.0);
    let shown = one(&app, &admin, account).await?;
    // The token itself stays here; whoever wants to use the account uses the relay.
    let text = "Token refreshed successfully";
    Ok(flat(json!({
        "message": text,
        "data": { "success": true, "accessToken": "***", "expiresAt": ends, "account": shown },
    })))
}

pub async fn profile(State(app): State<App>, admin: Admin, uid: Path<String>) -> Reply {
    let account = found::<CLAUDE>(&app, &admin, &uid.0).await?;
    let facts = connect::profile(&app, &admin, account.id).await?;
    Ok(flat(json!({ "message": "Account profile updated successfully", "data": facts })))
}

pub async fn all_profiles(State(app): State<App>, admin: Admin) -> Reply {
    let filter = AccountFilter { kinds: vec![FAMILIES[CLAUDE].kind], ..AccountFilter::default() };
    let accounts = all(&app, &admin, filter).await?;
    let (mut done, mut failed, mut results) = (0, 0, Vec::with_capacity(accounts.len()));
    for account in accounts.iter().filter(|a| a.enabled && !a.hint.is_empty() && !a.options.setup_token) {
        let (ok, error) = match connect::profile(&app, &admin, account.id).await {
            Ok(_) => (true, Value::Null),
            Err(e) => (false, e.to_string().into()),
        };
        *(if ok { &mut done } else { &mut failed }) += 1;
        results.push(json!({ "accountId": account.uid, "accountName": account.name, "success": ok, "error": error }));
    }
    Ok(flat(json!({
        "message": format!("Profile update completed: {done} succeeded, {failed} failed"),
        "data": { "totalAccounts": results.len(), "successCount": done, "failureCount": failed, "results": results },
    })))
}

/// How long what a vendor said about its windows counts as fresh.
const FRESH: i64 = 5 * schema::clock::MINUTE;

pub async fn windows(State(app): State<App>, admin: Admin) -> Reply {
    let filter = AccountFilter { kinds: vec![FAMILIES[CLAUDE].kind], ..AccountFilter::default() };
    let mut out = Map::new();
    for account in all(&app, &admin, filter).await? {
        let known = account.info.0.get("claude_usage").cloned().unwrap_or(Value::Null);
        let at = known.get("updatedAt").and_then(Value::as_str).and_then(schema::Time::parse);
        let fresh = at.is_some_and(|t| app.clock.now().0 - t.0 < FRESH);
        let asks =
            !account.hint.is_empty() && account.enabled && matches!(account.health, Health::Ok | Health::Cooling);
        let shown = if fresh || !asks {
            known
        } else {
            // A vendor that does not answer must not hold up the page; what was known stays.
            connect::windows(&app, &admin, account.id).await.unwrap_or(known)
        };
        out.insert(account.uid, shown);
    }
    Ok(data(out))
}

#!/usr/bin/env python3
"""Makes users, keys and accounts on a running product, and prints the contract checker's configuration.

usage: setup.py MANAGEMENT FAKE_UPSTREAM
"""
import json
import sys
import time
import urllib.error
import urllib.request

BASE, FAKE = sys.argv[1], sys.argv[2]
ADMIN = "zhiweijz2025"
# As the documents write them.
PASSWORD = "secure_password"


def call(method, path, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + path, data=data, method=method)
    request.add_header("Content-Type", "application/json")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or b"null"), answer.headers
    except urllib.error.HTTPError as refusal:
        print(f"{method} {path}: {refusal.code} {refusal.read()[:300]}", file=sys.stderr)
        return {}, refusal.headers


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def consent(url):
    """Passes a consent page of the fake vendors: the code it gives."""
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None
    try:
        with urllib.request.build_opener(Stay).open(url) as page:
            return page.read().decode().split("<code>")[1].split("<")[0]
    except urllib.error.HTTPError as there:
        return there.headers["Location"]


def login(url):
    """Begins the login of an account and passes its consent page: what exchanges the code for tokens."""
    begun = call("POST", url, {}, bearer(admin))[0].get("data", {})
    return {"sessionId": begun.get("sessionId"), "code": consent(begun.get("authUrl", ""))}


def graphql(token, query, variables):
    answer, _ = call("POST", "/graphql", {"query": query, "variables": variables}, bearer(token))
    if answer.get("errors"):
        print(f"graphql: {answer['errors']}", file=sys.stderr)
    return answer.get("data") or {}


admin = call("POST", "/web/auth/login", {"username": "admin", "password": ADMIN})[0]["token"]

# What is off by default, and limits that would slow the run.
settings = {
    "bank_transfer_enabled": "true",
    "login_limit": "1000",
    "newapi_login_limit": "1000",
    "ledger_login_limit": "1000",
    "ledger_admin_limit": "10000",
    "ledger_batch_limit": "1000",
    "massrouter_anonymous_limit": "10000",
    "massrouter_user_limit": "10000",
    "sign_in_github_client_id": "contract",
    "sign_in_github_client_secret": "contract",
    "oauth_google_client_secret": "fake-client-secret",
    "unpriced_models": "free",
}
for vendor in ["claude", "openai", "google"]:
    settings[f"oauth_{vendor}_authorize_url"] = f"{FAKE}/oauth/{vendor}/authorize"
    settings[f"oauth_{vendor}_token_url"] = f"{FAKE}/oauth/{vendor}/token"
call("POST", "/api/admin/configs/batch",
     {"configs": [{"key": name, "value": value} for name, value in settings.items()]}, bearer(admin))

# Upstream accounts on the fakes, one for each protocol that the checks call. They go before those that the
# checks themselves make, whose credentials are good for nothing.
for kind, name, folder, key, models in [
    (1, "openai", "openai/v1", "sk-fake-openai",
     "gpt-4,gpt-3.5-turbo,gpt-3.5-turbo-instruct,dall-e-3,dall-e-2,gpt-image-1,text-embedding-ada-002,whisper-1,tts-1,"
     "text-moderation-latest,omni-moderation-latest,gpt-realtime,gpt-4o-realtime-preview"),
    (14, "anthropic", "anthropic", "sk-ant-api03-fake",
     "claude-3-sonnet-20240229,claude-sonnet-4-5,claude-3-5-haiku-20241022"),
    (24, "gemini", "gemini", "gm-fake-gemini", "gemini-pro,gemini-2.5-flash"),
    (33, "bedrock", "bedrock", "AKFAKEBEDROCK|fake/bedrock+secret|us-east-1", "claude-sonnet-4-5"),
    (2, "midjourney", "mj", "mj-fake-secret", ""),
    (36, "suno", "suno", "suno-fake", ""),
    (50, "kling", "kling", "kling-fake-access|kling-fake-secret", ""),
    (51, "video", "video", "video-fake", "video-generation"),
]:
    call("POST", "/api/channel", {"type": kind, "name": name, "key": key, "base_url": f"{FAKE}/{folder}",
                                  "models": models, "group": "default", "status": 1, "priority": 49},
         {**bearer(admin), "New-Api-User": "1"})

# People of every role.
user = call("POST", "/auth/register", {"username": "user@example.com", "password": PASSWORD})[0]["token"]
second = call("POST", "/auth/register", {"username": "leaving@example.com", "password": PASSWORD})[0]
for name, password, role in [("ordinary", "password-12345", 10), ("plain", "password-12345", 1),
                             ("testuser", "password123", 1)]:
    call("POST", "/api/user", {"username": name, "password": password, "role": role, "quota": 50_000_000},
         {**bearer(admin), "New-Api-User": "1"})


def newapi_headers(name, password):
    answer, headers = call("POST", "/api/user/login", {"username": name, "password": password})
    cookie = headers.get("Set-Cookie", "").split(";")[0]
    uid = str(answer["data"]["id"])
    token, _ = call("GET", "/api/user/token", None, {"Cookie": cookie, "New-Api-User": uid})
    return {"Authorization": f"Bearer {token['data']}", "New-Api-User": uid}


ordinary = newapi_headers("ordinary", "password-12345")
plain = newapi_headers("plain", "password-12345")
leaving = newapi_headers("leaving@example.com", PASSWORD)
ordinary_admin = call("POST", "/api/admin/auth/login", {"username": "ordinary", "password": "password-12345"})[0]
ordinary_token = ordinary_admin.get("data", {}).get("token", "")
massrouter_admin = call("POST", "/api/v1/auth/login", {"email": "admin", "password": ADMIN})[0]
massrouter_admin = massrouter_admin.get("data", {}).get("tokens", {}).get("access_token", "")

call("POST", "/admin/subscription-plans/init-defaults", {}, bearer(admin))
# Checks make more keys than the free plan admits.
call("PUT", "/admin/subscription-plans/free", {"features": {"maxApiKeys": 100}}, bearer(admin))

keys = {}
for permission in ["all", "claude", "gemini"]:
    made, _ = call("POST", "/admin/api-keys", {"name": f"key-{permission}", "permissions": permission}, bearer(admin))
    keys[permission] = made.get("data", {}).get("apiKey", "")

# A finished picture, which is all that Midjourney changes.
picture, _ = call("POST", "/mj/submit/imagine", {"prompt": "A lake"}, bearer(keys["all"]))
picture = picture.get("result", "")

# A call, so that logs and figures have something to tell.
call("POST", "/v1/chat/completions", {"model": "gpt-4", "messages": [{"role": "user", "content": "hello"}]},
     bearer(keys["all"]))

# The documented vendor, but on this machine.
llm = {"provider": "openai", "apiKey": "sk-fake-openai", "model": "gpt-4", "baseURL": f"{FAKE}/openai/v1"}

# A login that was finished, and others that wait for their code.
finished = login("/admin/gemini-accounts/generate-auth-url")
call("POST", "/admin/gemini-accounts/exchange-code", finished, bearer(admin))
logins = {number: login(f"/admin/{path}") for number, path in {
    "35": "claude-accounts/generate-auth-url",
    "37": "claude-accounts/generate-setup-token-url",
    "77": "gemini-accounts/generate-auth-url",
    "85": "openai-accounts/generate-auth-url",
}.items()}

# The buyer has a plan already, which can be cancelled and renewed.
card = call("POST", "/admin/cardkeys/generate", {"count": 1, "type": "plan", "planId": "pro", "planDuration": 30},
            bearer(admin))[0]
call("POST", "/credits/redeem", {"code": card["cardKeys"][0]["code"]}, bearer(user))

config = {
    "systems": {
        "crs": {
            "login": [{"auth": "admin", "n": 1, "body": {"username": "admin", "password": ADMIN},
                       "headers": {"Authorization": "Bearer {token}"}}],
            "headers": {"user": bearer(user)},
            "bodies": {
                "1": {"username": "admin", "password": ADMIN},
                "3": {"newUsername": "admin", "currentPassword": ADMIN, "newPassword": ADMIN},
                "76": {"sessionId": finished["sessionId"]},
                **logins,
                "6": {"apiKey": keys["all"]},
                # Accounts at the fakes, so that testing them asks nobody else.
                "40": {"name": "contract-claude", "baseUrl": f"{FAKE}/anthropic", "claudeAiOauth": {
                    "accessToken": "sk-ant-oat01-fake-access", "refreshToken": "sk-ant-ort01-fake-refresh",
                    "expiresAt": 4102444800000, "scopes": ["user:inference", "user:profile"]}},
                "49": {"name": "contract-console", "apiUrl": f"{FAKE}/anthropic", "apiKey": "sk-ant-api03-fake"},
                "59": {"name": "contract-ccr", "apiUrl": f"{FAKE}/ccr", "apiKey": "ccr-fake"},
                "69": {"name": "contract-bedrock", "baseUrl": f"{FAKE}/bedrock", "region": "us-east-1",
                       "credentialType": "access_key",
                       "awsCredentials": {"accessKeyId": "AKFAKEBEDROCK", "secretAccessKey": "fake/bedrock+secret"}},
                "79": {"name": "contract-gemini", "baseUrl": f"{FAKE}/gemini", "geminiOauth": {
                    "access_token": "ya29.fake", "refresh_token": "1//fake-google-refresh",
                    "expiry_date": 4102444800000}},
                "87": {"name": "contract-openai", "baseUrl": f"{FAKE}/codex/backend-api/codex"},
                "94": {"name": "contract-azure", "azureEndpoint": f"{FAKE}/azure", "apiVersion": "2024-02-01",
                       "deploymentName": "gpt-4", "apiKey": "az-fake-azure"},
                "103": {"name": "contract-responses", "baseApi": f"{FAKE}/openai", "apiKey": "sk-fake-openai"},
            },
        },
        "commercial": {
            "login": [{"auth": "user", "n": 32, "body": {"username": "user@example.com", "password": PASSWORD},
                       "headers": {"Authorization": "Bearer {token}"}}],
            "headers": {
                "admin": bearer(admin),
                "api_key:all": {"X-API-Key": keys["all"]},
                "api_key:claude": {"X-API-Key": keys["claude"]},
                "api_key:gemini": {"X-API-Key": keys["gemini"]},
            },
            "bodies": {
                "3": {"planId": "pro", "paymentMethod": "bank_transfer"},
                "4": {"newPlanId": "enterprise", "paymentMethod": "bank_transfer"},
                "11": {"name": "My Production Key", "description": "contract", "expiresAt": "2099-01-01T00:00:00.000Z"},
                "32": {"username": "user@example.com", "password": PASSWORD},
            },
        },
        "massrouter": {
            "login": [{"auth": "user", "n": 1,
                       "body": {"email": "{u}@example.com", "username": "user{u}", "password": "secure_password",
                                "confirm_password": "secure_password"},
                       "headers": {"Authorization": "Bearer {data.tokens.access_token}"},
                       "save": {"refresh": "data.tokens.refresh_token"}},
                      {"auth": "refresh_token", "n": 10, "headers": {"Authorization": "Bearer {refresh}"}}],
            "headers": {"admin": bearer(massrouter_admin)},
            "params": {"model_id": "gpt-4"},
            "bodies": {
                # The documented end has passed.
                "8": {"name": "Production Key", "permissions": ["read", "write"], "expires_at": "2099-12-31T23:59:59Z"},
                "15": {"amount": 100.0, "currency": "CNY", "payment_method": "bank_transfer"},
            },
        },
        "newapi": {
            "login": [
                {"auth": "session", "n": 6, "body": {"username": "admin", "password": ADMIN},
                 "headers": {"Cookie": "{cookie}", "New-Api-User": "{uid}"}, "save": {"uid": "data.id"}},
                {"auth": "session_or_access_token", "use": "session", "n": 10,
                 "headers": {"Authorization": "Bearer {data}", "New-Api-User": "{uid}"}},
                {"auth": "api_key", "use": "session", "n": 14,
                 "body": {"name": "contract", "unlimited_quota": True, "expired_time": -1},
                 "headers": {"Authorization": "Bearer {data.key}"}},
            ],
            "headers": {
                "user": plain,
                "admin": ordinary,
                "super_admin": {**bearer(admin), "New-Api-User": "1"},
            },
            "headers_for": {"9": leaving},
            # A channel that can be tested without leaving this machine.
            "bodies": {"19": {"name": "新渠道", "type": 1, "key": "sk-fake-openai", "base_url": f"{FAKE}/openai/v1",
                              "models": "gpt-4,gpt-3.5-turbo", "group": "default", "status": 1},
                       "46": {"content": "U1", "action": "UPSCALE", "taskId": picture}},
        },
        "ledger": {
            "login": [{"auth": "super_admin", "n": 1, "body": {"username": "admin", "password": ADMIN},
                       "headers": {"Authorization": "Bearer {data.token}"}}],
            "headers": {"user": bearer(user), "admin": bearer(ordinary_token)},
            "headers_for": {},
            "bodies": {
                # The documented body ends registration, which later checks need.
                "15": {"configs": [{"key": "registration_enabled", "value": "true"},
                                   {"key": "llm_enabled", "value": "true"}]},
                "17": {"enabled": True, "config": llm},
                "24": {"title": "新公告标题", "content": "详细内容", "summary": "简短摘要", "type": "GENERAL",
                       "priority": 0, "expiresAt": "2099-01-07T00:00:00Z"},
                "18": {"config": llm},
            },
        },
    },
}
# An announcement to be read.
posted = call("POST", "/api/admin/announcements", {"title": "公告", "content": "内容"}, bearer(ordinary_token))[0]
posted = posted.get("data", {}).get("announcement", {}).get("id", "")
call("POST", f"/api/admin/announcements/{posted}/publish", {}, bearer(ordinary_token))
# The call that signs out gets a token of its own.
again = call("POST", "/api/admin/auth/login", {"username": "ordinary", "password": "password-12345"})[0]
config["systems"]["ledger"]["headers_for"]["2"] = bearer(again.get("data", {}).get("token", ""))
# A wallet to spend from.
graphql(admin, "{ viewer { id } }", {})
call("PUT", "/api/user", {"id": 1, "quota": 500_000_000}, {**bearer(admin), "New-Api-User": "1"})
for _ in range(60):
    if call("GET", f"/mj/task/{picture}/fetch", None, bearer(keys["all"]))[0].get("status") == "SUCCESS":
        break
    time.sleep(0.5)
json.dump(config, sys.stdout, indent=1)

"""What schemathesis needs to know of this product: who signs in for which call, and what would end the run.

TARGET is the product's address, CREDENTIALS the file that tests/contract/setup.py wrote.
"""
import itertools
import json
import os
import urllib.error
import urllib.request

import schemathesis

TARGET = os.environ["TARGET"]
with open(os.environ["CREDENTIALS"], encoding="utf-8") as file:
    SYSTEMS = json.load(file)["systems"]
ADMIN = SYSTEMS["crs"]["login"][0]["body"]
numbers = itertools.count()

# Whoever calls one of these is signed in no more, has another name, or is nobody any more.
LAST = {("POST", "/web/auth/logout"), ("POST", "/web/auth/change-password"), ("GET", "/api/user/logout"),
        ("POST", "/api/admin/auth/logout"), ("POST", "/api/v1/admin/auth/logout"), ("PUT", "/api/user/self"),
        ("DELETE", "/api/user/self"), ("PUT", "/api/v1/users/me"), ("GET", "/api/user/token")}


def post(path, body, token=""):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}", "New-Api-User": "1"}
    if not token:
        del headers["Authorization"]
    request = urllib.request.Request(TARGET + path, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        raise RuntimeError(f"{path}: {refusal.code} {refusal.read()[:200]}") from refusal


def admin():
    return post("/web/auth/login", ADMIN)["token"]


def somebody():
    """A person of their own for one call."""
    person = {"username": f"leaving{next(numbers)}-{os.getpid()}", "password": "password-12345"}
    post("/api/user", {**person, "role": 1}, admin())
    signed_in = post("/auth/login", person)
    return signed_in["token"], signed_in["user"]["id"].removeprefix("user_")


def key():
    """A key of its own, because calls of this run may delete any."""
    made = post("/admin/api-keys", {"name": f"run{next(numbers)}", "permissions": "all"}, admin())
    return made["data"]["apiKey"]


def role(case, context):
    path, method = context.operation.path, context.operation.method.upper()
    if "relay" in (context.operation.definition.raw.get("tags") or []):
        return "key"
    if path == "/api/v1/auth/refresh":
        return f"refresh{next(numbers)}"
    if (method, path) in LAST:
        return f"leaving{next(numbers)}"
    return "admin"


@schemathesis.auth(cache_by_key=role, refresh_interval=600)
class Door:
    def get(self, case, context):
        who = role(case, context)
        if who == "key":
            return key(), None
        if who.startswith("refresh"):
            pair = post("/api/v1/auth/login", {"email": ADMIN["username"], "password": ADMIN["password"]})
            return pair["data"]["tokens"]["refresh_token"], None
        if who.startswith("leaving"):
            return somebody()
        return admin(), "1"

    def set(self, case, data, context):
        token, user = data
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {token}"
        if user and context.operation.path.startswith("/api/"):
            case.headers["New-Api-User"] = user


def means_the_caller(body):
    return isinstance(body, dict) and body.get("id") == 1


def channels():
    """Numbers of the accounts that the run's model calls are answered by."""
    request = urllib.request.Request(TARGET + "/api/channel/?page_size=100",
                                     headers={"Authorization": f"Bearer {admin()}", "New-Api-User": "1"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return [channel["id"] for channel in json.load(answer)["data"]["items"]]


KEPT = set(channels())
# Whoever would change or remove one of them gets a number that nobody has instead.
SPARE = 1_000_000


def spared(value):
    if isinstance(value, (bool, dict, list)):
        return value
    return SPARE if value in KEPT or value in map(str, KEPT) else value


@schemathesis.hook
def before_call(context, case, kwargs):
    if not case.path.startswith("/api/channel"):
        return
    if case.path_parameters and "id" in case.path_parameters:
        case.path_parameters["id"] = spared(case.path_parameters["id"])
    if isinstance(case.body, dict):
        if "id" in case.body:
            case.body["id"] = spared(case.body["id"])
        if isinstance(case.body.get("ids"), list):
            case.body["ids"] = [spared(i) for i in case.body["ids"]]


@schemathesis.hook
def filter_body(context, body):
    """The administrator this run signs in as keeps name and password."""
    path = getattr(context.operation, "path", "")
    return not (path.rstrip("/") in ("/api/user", "/api/user/manage") and means_the_caller(body))

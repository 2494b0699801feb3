#!/usr/bin/env python3
"""Makes room for a run of many calls: limits so wide that they are not what is tested, and every address that
the product would ask on the fake upstream, so that nothing leaves this machine.

usage: prepare.py TARGET FAKE_UPSTREAM
"""
import json
import sys
import urllib.error
import urllib.request

TARGET, FAKE = sys.argv[1], sys.argv[2]
WIDE = ["login_limit", "massrouter_user_limit", "massrouter_anonymous_limit", "ledger_login_limit",
        "ledger_admin_limit", "ledger_batch_limit", "newapi_login_limit", "crs_lookup_limit", "register_limit"]


def call(method, path, body=None, token=None):
    request = urllib.request.Request(TARGET + path, json.dumps(body).encode() if body is not None else None, method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


token = call("POST", "/web/auth/login", {"username": "admin", "password": "zhiweijz2025"})["token"]
configs = call("GET", "/api/admin/configs", token=token)["data"]["configs"]
known = {c["key"]: c for c in configs}
changes = {}
for name in WIDE:
    if name in known:
        changes[name] = "1000000"
for name in known:
    if name.endswith("_url") and known[name]["isEditable"] and not str(known[name]["value"]).startswith(FAKE):
        # No price list at all is better than one that is none.
        changes[name] = "" if name == "prices_url" else f"{FAKE}/vendor/{name.removesuffix('_url')}"
# One after the other: what a setting cannot be shall not keep the others from being set.
for name, value in changes.items():
    for attempt in [value, "100000", "10000", "1000"] if name in WIDE else [value]:
        try:
            call("PUT", f"/api/admin/configs/{name}", {"value": attempt}, token)
            break
        except urllib.error.HTTPError as refusal:
            said = refusal.read()[:200]
    else:
        print(f"{name} stays {known[name]['value']!r}: {said}", file=sys.stderr)

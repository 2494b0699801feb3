#!/usr/bin/env python3
"""Makes accounts at the fake upstreams and keys on a running product, and prints them as shell variables.

usage: setup.py TOLLGATE FAKE_UPSTREAM
"""
import json
import sys
import urllib.request

BASE, FAKE = sys.argv[1], sys.argv[2]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method, path, body, token=None):
    request = urllib.request.Request(BASE + path, data=json.dumps(body).encode(), method=method)
    request.add_header("Content-Type", "application/json")
    if token:
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("New-Api-User", "1")
    with OPENER.open(request) as answer:
        return json.loads(answer.read() or b"null")


admin = call("POST", "/web/auth/login", {"username": "admin", "password": "password-of-the-admin"})["token"]
call("POST", "/api/admin/configs/batch", {"configs": [{"key": "unpriced_models", "value": "free"}]}, admin)
for kind, name, folder, key, models in [
    (1, "openai", "openai", "sk-fake-openai", ""),
    (14, "anthropic", "anthropic", "sk-ant-api03-fake", "claude-sonnet-4-5"),
    (24, "gemini", "gemini", "gm-fake-gemini", "gemini-2.5-flash,gemini-embedding-001"),
    (33, "bedrock", "bedrock", "AKFAKEBEDROCK|fake/bedrock+secret|us-east-1",
     "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (55, "films", "video", "video-fake", "sora-2"),
]:
    call("POST", "/api/channel", {"type": kind, "name": name, "key": key, "base_url": f"{FAKE}/{folder}",
                                  "models": models, "group": "default", "status": 1}, admin)
call("PUT", "/api/user", {"id": 1, "quota": 500_000_000}, admin)

limits = {"all": {}, "limited": {"rateLimitWindow": 60, "rateLimitRequests": 1}, "claude": {"permissions": "claude"}}
print(f"TOLLGATE={BASE}")
for name, limit in limits.items():
    made = call("POST", "/admin/api-keys", {"name": name, "permissions": "all", **limit}, admin)
    print(f"KEY_{name.upper()}={made['data']['apiKey']}")

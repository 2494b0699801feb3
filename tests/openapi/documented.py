#!/usr/bin/env python3
"""Writes graphql/rest/assets/documented.json: what the five documents say of each endpoint.

usage: documented.py ENDPOINTS_JSON > graphql/rest/assets/documented.json

Titles, examples and query parameters only; what is not in a document is left out.
"""
import json
import sys


def entry(e):
    out = {"system": e["system"], "method": e["method"], "path": e["path"], "title": e["title"]}
    if e.get("path_aliases"):
        out["aliases"] = e["path_aliases"]
    if e["face"] == "relay":
        out["relay"] = True
    multipart = "multipart" in (e.get("content_type") or "")
    if e["request_documented"] and e["request"] is not None:
        if multipart:
            out["fields"] = [
                {k: v for k, v in {"name": f["name"], "file": f["type"] == "file", "required": f["required"],
                                   "example": f["example"]}.items() if v is not None}
                for f in e["request"]
            ]
        else:
            out["requests"] = e.get("request_variants") or [e["request"]]
    # A response by reference to another endpoint's is that one's example, not its own.
    if e["response_source"] in ("example", "prose") and e["response"] is not None:
        out["response"] = e["response"]
    if "metrics" in (p["name"] for p in e["query"]):
        out["as_asked"] = True
    if e["response_kind"] != "json":
        out["kind"] = e["response_kind"]
    query = {}
    for p in e["query"]:
        query[p["name"]] = {k: p[k] for k in ("type", "values", "default") if p.get(k) is not None}
    if query:
        out["query"] = query
    if e.get("errors"):
        out["errors"] = [x["body"] for x in e["errors"]]
    return out


def main():
    lines = []
    for e in json.load(open(sys.argv[1], encoding="utf-8")):
        if e["method"] == "*":
            # A wildcard stands for the calls its document names.
            for probe in e.get("probe", []):
                one = {**e, "method": probe["method"], "path": probe["path"], "request": probe["body"],
                       "request_documented": probe["body"] is not None, "title": e["title"]}
                lines.append(entry(one))
        else:
            if e["method"] == "WS":
                e = {**e, "method": "GET", "request_documented": False}
            lines.append(entry(e))
    # A concrete call may stand among a wildcard's and on its own; the latter says more.
    last = {(x["system"], x["method"], x["path"]): x for x in lines}
    lines = list(last.values())
    print("[\n" + ",\n".join(json.dumps(x, ensure_ascii=False) for x in lines) + "\n]")


main()

"""Runs checks one after the other and prints a line for each."""
import os
import sys
import time

TOLLGATE = os.environ["TOLLGATE"]
KEY = os.environ["KEY_ALL"]
LIMITED = os.environ["KEY_LIMITED"]
CLAUDE_ONLY = os.environ["KEY_CLAUDE"]
WRONG = "sk-nobody-has-this-key"

GPT, CLAUDE, GEMINI = "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"
SAID = "Hello from the fake upstream. Grüße, 世界! 🌍 This answer is complete."

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
# A picture of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000000500010d0a2db4"
    "0000000049454e44ae426082")

_checks = []


def check(function):
    _checks.append(function)
    return function


def refused(kind, call):
    """The exception of that kind that a call must end in."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"not refused with {kind.__name__}")


def run(client):
    failed = 0
    for function in _checks:
        name = function.__name__.replace("_", " ")
        began = time.monotonic()
        try:
            function()
            print(f"ok    {client:<22} {name:<48} {1000 * (time.monotonic() - began):5.0f} ms", flush=True)
        except Exception as error:
            failed += 1
            print(f"FAIL  {client:<22} {name:<48} {type(error).__name__}: {str(error)[:400]}", flush=True)
    sys.exit(1 if failed else 0)

"""Amazon's SDK for Python, for Bedrock."""
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from check import CITY, CLAUDE, GPT, KEY, LIMITED, SAID, TOLLGATE, WRONG, check, refused, run

OFFICIAL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HELLO = [{"role": "user", "content": [{"text": "Say hello."}]}]
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "description": "The weather.", "inputSchema": {"json": CITY}}}]}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64,
          "messages": [{"role": "user", "content": "Say hello."}]}


def connect(key=KEY):
    return boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=f"{TOLLGATE}/bedrock",
                        aws_access_key_id=key, aws_secret_access_key="unused",
                        config=Config(retries={"max_attempts": 0}, proxies={}))


client = connect()


@check
def converse_with_every_vendor():
    for model in (OFFICIAL, CLAUDE, GPT):
        answer = client.converse(modelId=model, messages=HELLO)
        assert answer["output"]["message"]["content"][0]["text"] == SAID, answer
        assert answer["stopReason"] == "end_turn" and answer["usage"]["outputTokens"] > 0, answer


@check
def converse_streams():
    for model in (OFFICIAL, CLAUDE, GPT):
        events = list(client.converse_stream(modelId=model, messages=HELLO)["stream"])
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        assert "".join(delta.get("text", "") for delta in deltas) == SAID, (model, events)
        assert "metadata" in events[-1] and events[-1]["metadata"]["usage"]["outputTokens"] > 0, (model, events[-1])


@check
def converse_calls_tools():
    for model in (OFFICIAL, GPT):
        turns = [{"role": "user", "content": [{"text": "What is the weather in Graz?"}]}]
        answer = client.converse(modelId=model, messages=turns, toolConfig=TOOLS)
        assert answer["stopReason"] == "tool_use", answer
        message = answer["output"]["message"]
        calls = [block["toolUse"] for block in message["content"] if "toolUse" in block]
        assert calls[0]["name"] == "weather" and "city" in calls[0]["input"], calls
        results = [{"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "sunny"}]}} for call in calls]
        turns += [message, {"role": "user", "content": results}]
        answer = client.converse(modelId=model, messages=turns, toolConfig=TOOLS)
        assert "sunny" in answer["output"]["message"]["content"][0]["text"], answer


@check
def converse_streams_tool_calls_and_hears_options():
    asked = {"messages": [{"role": "user", "content": [{"text": "What is the weather in Graz?"}]}], "toolConfig": TOOLS,
             "system": [{"text": "Be brief."}], "inferenceConfig": {"maxTokens": 64, "stopSequences": ["x"]}}
    for model in (OFFICIAL, CLAUDE, GPT):
        events = list(client.converse_stream(modelId=model, **asked)["stream"])
        starts = [event["contentBlockStart"]["start"] for event in events if "contentBlockStart" in event]
        assert any(start.get("toolUse", {}).get("name") == "weather" for start in starts), (model, events)
        deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
        said = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
        assert "city" in json.loads(said[:said.index("}") + 1]), (model, said)
        stops = [event["messageStop"]["stopReason"] for event in events if "messageStop" in event]
        assert stops == ["tool_use"], (model, stops)


@check
def requests_have_names():
    for model in (OFFICIAL, GPT):
        assert client.converse(modelId=model, messages=HELLO)["ResponseMetadata"]["RequestId"], model


@check
def invoke_whole_and_streamed():
    for model in (OFFICIAL, CLAUDE, GPT):
        answer = json.loads(client.invoke_model(modelId=model, body=json.dumps(INVOKE))["body"].read())
        assert answer["content"][0]["text"] == SAID, answer
        stream = client.invoke_model_with_response_stream(modelId=model, body=json.dumps(INVOKE))["body"]
        events = [json.loads(event["chunk"]["bytes"]) for event in stream]
        said = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
        assert said == SAID and events[-1]["type"] == "message_stop", (model, events)


@check
def a_wrong_key_is_unrecognized():
    error = refused(ClientError, lambda: connect(WRONG).converse(modelId=OFFICIAL, messages=HELLO))
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 401, error.response
    assert error.response["Error"]["Code"] == "UnrecognizedClientException", error.response


@check
def a_limit_is_throttling():
    limited = connect(LIMITED)
    call = lambda: limited.converse(modelId=OFFICIAL, messages=HELLO)
    try:
        call()
    except ClientError:
        pass
    error = refused(ClientError, call)
    assert error.response["Error"]["Code"] == "ThrottlingException", error.response


run("boto3 (Bedrock)")

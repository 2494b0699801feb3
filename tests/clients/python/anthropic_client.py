"""The official Anthropic SDK for Python."""
import asyncio
import base64

import anthropic
from check import CITY, CLAUDE, GEMINI, GPT, KEY, LIMITED, PNG, SAID, TOLLGATE, WRONG, check, refused, run
from pydantic import BaseModel

client = anthropic.Anthropic(api_key=KEY, base_url=TOLLGATE, max_retries=0)
HELLO = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"name": "weather", "description": "The weather.", "input_schema": CITY}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


class City(BaseModel):
    city: str


@anthropic.beta_tool
def weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: The city.
    """
    return "sunny"


def text(message):
    return "".join(block.text for block in message.content if block.type == "text")


@check
def models_are_listed():
    names = [model.id for model in client.models.list()]
    assert CLAUDE in names, names
    assert client.models.retrieve(CLAUDE).id == CLAUDE


@check
def messages_of_every_vendor():
    for model in (CLAUDE, GPT, GEMINI):
        answer = client.messages.create(model=model, max_tokens=64, messages=HELLO)
        assert text(answer) == SAID and answer.stop_reason == "end_turn", answer
        assert answer.usage.output_tokens > 0, answer


@check
def every_door_leads_to_messages():
    for door in ("/api", "/claude", "/gemini", "/bedrock"):
        at = client.with_options(base_url=TOLLGATE + door)
        assert text(at.messages.create(model=CLAUDE, max_tokens=64, messages=HELLO)) == SAID, door


@check
def messages_stream_from_every_vendor():
    for model in (CLAUDE, GPT, GEMINI):
        with client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
            said = "".join(stream.text_stream)
            final = stream.get_final_message()
        assert said == SAID == text(final) and final.usage.output_tokens > 0, (model, final)


@check
def messages_call_tools():
    for model in (CLAUDE, GPT, GEMINI):
        for stream in (False, True):
            turns = [{"role": "user", "content": "What is the weather in Graz?"}]
            asked = {"model": model, "max_tokens": 64, "messages": turns, "tools": TOOLS}
            if stream:
                with client.messages.stream(**asked) as events:
                    answer = events.get_final_message()
            else:
                answer = client.messages.create(**asked)
            assert answer.stop_reason == "tool_use", answer
            calls = [block for block in answer.content if block.type == "tool_use"]
            assert calls[0].name == "weather" and "city" in calls[0].input, calls
            turns.append({"role": "assistant", "content": answer.content})
            turns.append({"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in calls]})
            answer = client.messages.create(**asked)
            assert "sunny" in text(answer), answer


@check
def thoughts_come_back_sealed():
    for model in (CLAUDE, GEMINI):
        turns = [{"role": "user", "content": "Think of the weather in Graz."}]
        asked = {"model": model, "max_tokens": 4096, "messages": turns, "tools": TOOLS, "thinking": THINKING}
        answer = client.messages.create(**asked)
        kinds = [block.type for block in answer.content]
        assert "thinking" in kinds and "tool_use" in kinds, answer
        turns.append({"role": "assistant", "content": answer.content})
        turns.append({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": block.id, "content": "sunny"}
            for block in answer.content if block.type == "tool_use"]})
        assert "sunny" in text(client.messages.create(**asked))


@check
def the_sdk_runs_tools_itself():
    for model in (CLAUDE, GPT, GEMINI):
        asked = {"model": model, "max_tokens": 64, "tools": [weather],
                 "messages": [{"role": "user", "content": "What is the weather in Graz?"}]}
        last = client.beta.messages.tool_runner(**asked).until_done()
        assert "sunny" in text(last), (model, last)
        for stream in client.beta.messages.tool_runner(stream=True, **asked):
            for _ in stream:
                pass
            last = stream.get_final_message()
        assert "sunny" in text(last), (model, last)


@check
def threads_are_kept_where_a_vendor_keeps_them():
    talk = client.beta.messages.thread(model=CLAUDE, max_tokens=64, messages=HELLO)
    assert text(talk.send()) == SAID
    assert text(talk.send({"role": "user", "content": "And again."})) == SAID and talk.previous_message_id
    alone = client.beta.messages.thread(model=GPT, max_tokens=64, messages=HELLO,
                                        unsupported_request_behavior="continue_unthreaded")
    assert text(alone.send()) == SAID and alone.previous_message_id is None


@check
def answers_by_a_schema():
    for model in (CLAUDE, GPT, GEMINI):
        asked = {"model": model, "max_tokens": 64, "messages": HELLO, "output_format": City}
        assert client.messages.parse(**asked).parsed_output.city, model
        with client.messages.stream(**asked) as stream:
            assert stream.get_final_message().parsed_output.city, model


@check
def thoughts_stream():
    for model in (CLAUDE, GEMINI):
        turns = [{"role": "user", "content": "Think."}]
        with client.messages.stream(model=model, max_tokens=4096, messages=turns, thinking=THINKING) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_message()
        assert {"thinking", "text"} <= kinds and (model != CLAUDE or "signature" in kinds), (model, kinds)
        assert [block.type for block in final.content] == ["thinking", "text"], (model, final)


@check
def the_asynchronous_client():
    async def ask(model):
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=TOLLGATE, max_retries=0) as other:
            async with other.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
                return "".join([piece async for piece in stream.text_stream])

    for model in (CLAUDE, GPT, GEMINI):
        assert asyncio.run(ask(model)) == SAID, model


@check
def documents_and_pictures_are_read():
    pdf = {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(b"%PDF-1.4 x").decode()}
    png = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    content = [{"type": "document", "source": pdf, "title": "T"}, {"type": "image", "source": png},
               {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}}]
    for model in (CLAUDE, GPT, GEMINI):
        answer = client.messages.create(model=model, max_tokens=64, messages=[{"role": "user", "content": content}])
        assert text(answer) == SAID, (model, answer)


@check
def requests_have_names():
    for model in (CLAUDE, GPT, GEMINI):
        assert client.messages.create(model=model, max_tokens=64, messages=HELLO)._request_id, model
    wrong = client.with_options(api_key=WRONG)
    error = refused(anthropic.AuthenticationError,
                    lambda: wrong.messages.create(model=CLAUDE, max_tokens=64, messages=HELLO))
    assert error.request_id, error


@check
def what_nobody_serves_is_not_found():
    for call in (client.messages.batches.list, client.beta.files.list, client.beta.skills.list):
        error = refused(anthropic.NotFoundError, call)
        assert error.body["error"]["type"] == "not_found_error", error.body


@check
def prompts_are_counted():
    for model in (CLAUDE, GPT):
        assert client.messages.count_tokens(model=model, messages=HELLO).input_tokens > 0


@check
def a_wrong_key_is_an_authentication_error():
    wrong = client.with_options(api_key=WRONG)
    error = refused(anthropic.AuthenticationError,
                    lambda: wrong.messages.create(model=CLAUDE, max_tokens=64, messages=HELLO))
    assert error.body["error"]["type"] == "authentication_error", error.body


@check
def a_bad_request_is_said():
    error = refused(anthropic.BadRequestError, lambda: client.messages.create(
        model=CLAUDE, max_tokens=64, messages=[{"role": "nobody", "content": "x"}]))
    assert error.body["error"]["type"] == "invalid_request_error", error.body


@check
def an_unknown_model_is_not_found():
    refused(anthropic.NotFoundError,
            lambda: client.messages.create(model="gemini-0", max_tokens=64, messages=HELLO))


@check
def a_limit_is_a_rate_limit_error():
    limited = client.with_options(api_key=LIMITED)
    call = lambda: limited.messages.create(model=CLAUDE, max_tokens=64, messages=HELLO)
    try:
        call()
    except anthropic.RateLimitError:
        pass
    error = refused(anthropic.RateLimitError, call)
    assert int(error.response.headers["retry-after"]) > 0, error.response.headers


@check
def the_bedrock_client():
    bedrock = anthropic.AnthropicBedrock(aws_access_key=KEY, aws_secret_key="unused", aws_region="us-east-1",
                                         base_url=f"{TOLLGATE}/bedrock", max_retries=0)
    answer = bedrock.messages.create(model=CLAUDE, max_tokens=64, messages=HELLO)
    assert text(answer) == SAID, answer
    with bedrock.messages.stream(model=CLAUDE, max_tokens=64, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == SAID


run("anthropic (Python)")

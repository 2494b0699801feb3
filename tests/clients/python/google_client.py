"""The official Google Gen AI SDK for Python."""
import asyncio
import json

from check import CLAUDE, GEMINI, GPT, KEY, LIMITED, SAID, TOLLGATE, WRONG, check, refused, run
from google import genai
from google.genai import errors, types
from pydantic import BaseModel


def connect(key=KEY, **options):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=TOLLGATE, **options))


client = connect()
older = connect(api_version="v1beta")


class City(BaseModel):
    city: str


def weather(city: str) -> str:
    """The weather of a city."""
    return "sunny"


@check
def models_are_listed():
    for at in (client, older):
        names = [model.name for model in at.models.list()]
        assert f"models/{GEMINI}" in names, names
        assert at.models.get(model=GEMINI).name == f"models/{GEMINI}"


@check
def content_of_every_vendor():
    for at in (client, older):
        for model in (GEMINI, GPT, CLAUDE):
            answer = at.models.generate_content(model=model, contents="Say hello.")
            assert answer.text == SAID and answer.usage_metadata.candidates_token_count > 0, answer
            assert answer.candidates[0].finish_reason == types.FinishReason.STOP, answer


@check
def content_streams_from_every_vendor():
    for model in (GEMINI, GPT, CLAUDE):
        chunks = list(client.models.generate_content_stream(model=model, contents="Say hello."))
        assert "".join(chunk.text or "" for chunk in chunks) == SAID, model
        assert chunks[-1].usage_metadata.candidates_token_count > 0, (model, chunks[-1])


@check
def tools_are_called_by_hand_and_by_the_sdk():
    for model in (GEMINI, GPT, CLAUDE):
        manual = types.GenerateContentConfig(
            tools=[weather], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
        answer = client.models.generate_content(model=model, contents="The weather in Graz?", config=manual)
        assert answer.function_calls[0].name == "weather" and "city" in answer.function_calls[0].args, answer
        by_itself = types.GenerateContentConfig(tools=[weather])
        answer = client.chats.create(model=model, config=by_itself).send_message("The weather in Graz?")
        assert "sunny" in answer.text, (model, answer)


@check
def thoughts_are_shown():
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024),
                                         max_output_tokens=4096)
    for model in (GEMINI, CLAUDE):
        answer = client.models.generate_content(model=model, contents="Think.", config=config)
        assert any(part.thought for part in answer.candidates[0].content.parts), (model, answer)


@check
def a_chat_has_several_turns():
    chat = client.chats.create(model=GEMINI, config=types.GenerateContentConfig(system_instruction="Be brief."))
    assert chat.send_message("Say hello.").text == SAID
    assert "".join(chunk.text or "" for chunk in chat.send_message_stream("And again.")) == SAID


@check
def answers_by_a_schema():
    for schema in ({"response_schema": City}, {"response_json_schema": City.model_json_schema()}):
        config = types.GenerateContentConfig(response_mime_type="application/json", **schema)
        for model in (GEMINI, GPT, CLAUDE):
            answer = client.models.generate_content(model=model, contents="A city.", config=config)
            assert answer.parsed and json.loads(answer.text)["city"], (model, answer)


@check
def a_chat_streams_while_the_sdk_runs_tools():
    for model in (GEMINI, GPT, CLAUDE):
        chat = client.chats.create(model=model, config=types.GenerateContentConfig(tools=[weather]))
        said = "".join(chunk.text or "" for chunk in chat.send_message_stream("The weather in Graz?"))
        assert "sunny" in said, (model, said)


@check
def the_asynchronous_client():
    async def ask(model):
        chunks = await connect().aio.models.generate_content_stream(model=model, contents="Say hello.")
        return "".join([chunk.text or "" async for chunk in chunks])

    for model in (GEMINI, GPT, CLAUDE):
        assert asyncio.run(ask(model)) == SAID, model


@check
def contents_are_cached():
    made = client.caches.create(model=GEMINI, config=types.CreateCachedContentConfig(contents=["A long text."], ttl="60s"))
    config = types.GenerateContentConfig(cached_content=made.name)
    assert client.models.generate_content(model=GEMINI, contents="Say hello.", config=config).text == SAID
    client.caches.delete(name=made.name)


@check
def what_nobody_serves_is_not_found():
    for call in (lambda: list(older.files.list()), lambda: list(older.batches.list())):
        error = refused(errors.ClientError, call)
        assert error.code == 404 and error.status == "NOT_FOUND", error


@check
def prompts_are_counted():
    assert client.models.count_tokens(model=GEMINI, contents="Say hello.").total_tokens > 0


@check
def vectors():
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
    assert len(answer.embeddings) == 2 and answer.embeddings[1].values, answer
    answer = client.models.embed_content(model="text-embedding-3-small", contents=["one", "two"])
    assert len(answer.embeddings) == 2 and answer.embeddings[1].values, answer


@check
def a_wrong_key_is_said():
    wrong = connect(WRONG)
    error = refused(errors.ClientError, lambda: wrong.models.generate_content(model=GEMINI, contents="x"))
    assert error.code == 400 and "API key not valid" in error.message, error


@check
def an_unknown_model_is_not_found():
    error = refused(errors.ClientError, lambda: client.models.generate_content(model="claude-0", contents="x"))
    assert error.code == 404 and error.status == "NOT_FOUND", error


@check
def a_limit_is_said():
    limited = connect(LIMITED)
    call = lambda: limited.models.generate_content(model=GEMINI, contents="x")
    try:
        call()
    except errors.ClientError:
        pass
    error = refused(errors.ClientError, call)
    assert error.code == 429 and error.status == "RESOURCE_EXHAUSTED", error


run("google-genai (Python)")

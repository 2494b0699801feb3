"""The official Google Gen AI SDK for Python."""
from check import CLAUDE, GEMINI, GPT, KEY, LIMITED, SAID, TOLLGATE, WRONG, check, refused, run
from google import genai
from google.genai import errors, types


def connect(key=KEY, **options):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=TOLLGATE, **options))


client = connect()
older = connect(api_version="v1beta")


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
def prompts_are_counted():
    assert client.models.count_tokens(model=GEMINI, contents="Say hello.").total_tokens > 0


@check
def vectors():
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
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

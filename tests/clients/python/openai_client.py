"""The official OpenAI SDK for Python."""
import asyncio
import io
import json
import time

import openai
from check import (CITY, CLAUDE, CLAUDE_ONLY, GEMINI, GPT, KEY, LIMITED, PNG, SAID, TOLLGATE, WRONG, check, refused,
                   run)
from pydantic import BaseModel

client = openai.OpenAI(api_key=KEY, base_url=f"{TOLLGATE}/v1", max_retries=0)
HELLO = [{"role": "user", "content": "Say hello."}]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": CITY}}]


@check
def models_are_listed():
    names = [model.id for model in client.models.list()]
    assert GPT in names and CLAUDE in names and GEMINI in names, names
    assert client.models.retrieve(GPT).id == GPT


@check
def chat_with_every_vendor():
    for model in (GPT, CLAUDE, GEMINI):
        answer = client.chat.completions.create(model=model, messages=HELLO)
        assert answer.choices[0].message.content == SAID, answer
        assert answer.choices[0].finish_reason == "stop" and answer.model.startswith(model), answer
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0, answer


@check
def chat_streams_from_every_vendor():
    for model in (GPT, CLAUDE, GEMINI):
        chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True))
        text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
        assert text == SAID and all(chunk.usage is None for chunk in chunks), (model, text)
        chunks = list(client.chat.completions.create(model=model, messages=HELLO, stream=True,
                                                     stream_options={"include_usage": True}))
        assert chunks[-1].usage.completion_tokens > 0 and not chunks[-1].choices, (model, chunks[-1])


@check
def chat_calls_tools():
    for model in (GPT, CLAUDE, GEMINI):
        messages = [{"role": "user", "content": "What is the weather in Graz?"}]
        answer = client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
        message = answer.choices[0].message
        assert answer.choices[0].finish_reason == "tool_calls", answer
        call = message.tool_calls[0]
        assert call.function.name == "weather" and "city" in json.loads(call.function.arguments), call
        messages.append(message)
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
        answer = client.chat.completions.create(model=model, messages=messages, tools=TOOLS)
        assert "sunny" in answer.choices[0].message.content, answer


@check
def chat_streams_tool_calls():
    for model in (GPT, CLAUDE, GEMINI):
        with client.chat.completions.stream(model=model, messages=HELLO, tools=TOOLS) as stream:
            for _ in stream:
                pass
            call = stream.get_final_completion().choices[0].message.tool_calls[0]
        assert call.function.name == "weather" and "city" in json.loads(call.function.arguments), (model, call)


@check
def chat_answers_by_a_schema():
    class City(BaseModel):
        city: str

    for model in (GPT, CLAUDE, GEMINI):
        answer = client.chat.completions.parse(model=model, messages=HELLO, response_format=City)
        assert answer.choices[0].message.parsed.city, (model, answer)


@check
def schemas_are_read_while_they_stream_and_by_responses():
    class City(BaseModel):
        city: str

    for model in (GPT, CLAUDE, GEMINI):
        with client.chat.completions.stream(model=model, messages=HELLO, response_format=City) as stream:
            for _ in stream:
                pass
            assert stream.get_final_completion().choices[0].message.parsed.city, model
        assert client.responses.parse(model=model, input="A city.", text_format=City).output_parsed.city, model
        with client.responses.stream(model=model, input="A city.", text_format=City) as stream:
            for _ in stream:
                pass
            assert stream.get_final_response().output_parsed.city, model


@check
def functions_of_the_oldest_form():
    functions = [{"name": "weather", "description": "The weather.", "parameters": CITY}]
    for model in (CLAUDE, GEMINI):
        messages = [{"role": "user", "content": "What is the weather in Graz?"}]
        choice = client.chat.completions.create(model=model, messages=messages, functions=functions).choices[0]
        call = choice.message.function_call
        assert choice.finish_reason == "function_call" and "city" in json.loads(call.arguments), (model, choice)
        messages += [choice.message, {"role": "function", "name": call.name, "content": "sunny"}]
        answer = client.chat.completions.create(model=model, messages=messages, functions=functions)
        assert "sunny" in answer.choices[0].message.content, (model, answer)
        chunks = client.chat.completions.create(model=model, messages=HELLO, functions=functions, stream=True)
        calls = [chunk.choices[0].delta.function_call for chunk in chunks if chunk.choices]
        assert "city" in json.loads("".join(call.arguments or "" for call in calls if call)), (model, calls)


@check
def the_asynchronous_client():
    async def ask(model):
        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{TOLLGATE}/v1", max_retries=0) as other:
            stream = await other.chat.completions.create(model=model, messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    for model in (GPT, CLAUDE, GEMINI):
        assert asyncio.run(ask(model)) == SAID, model


@check
def raw_answers_name_their_request():
    for model in (GPT, CLAUDE, GEMINI):
        raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
        assert raw.headers["x-request-id"] == raw.request_id and raw.parse().id, (model, raw.headers)


@check
def chat_sees_pictures():
    url = "data:image/png;base64," + __import__("base64").b64encode(PNG).decode()
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    for model in (GPT, CLAUDE, GEMINI):
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
        assert answer.choices[0].message.content, answer


@check
def responses_of_every_vendor():
    for model in (GPT, CLAUDE, GEMINI):
        answer = client.responses.create(model=model, input="Say hello.")
        assert answer.output_text == SAID and answer.status == "completed", answer
        assert answer.usage.output_tokens > 0, answer


@check
def responses_stream():
    for model in (GPT, CLAUDE, GEMINI):
        with client.responses.stream(model=model, input="Say hello.") as stream:
            text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
            final = stream.get_final_response()
        assert text == SAID == final.output_text, (model, text)


@check
def responses_call_tools():
    tools = [{"type": "function", "name": "weather", "description": "The weather.", "parameters": CITY,
              "strict": False}]
    for model in (GPT, CLAUDE, GEMINI):
        turns = [{"role": "user", "content": "What is the weather in Graz?"}]
        answer = client.responses.create(model=model, input=turns, tools=tools)
        calls = [item for item in answer.output if item.type == "function_call"]
        assert calls and "city" in json.loads(calls[0].arguments), answer
        turns += answer.output
        turns += [{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"} for call in calls]
        answer = client.responses.create(model=model, input=turns, tools=tools)
        assert "sunny" in answer.output_text, answer


@check
def responses_remember():
    first = client.responses.create(model=GPT, input="Say hello.")
    again = client.responses.create(model=GPT, input="And again.", previous_response_id=first.id)
    assert again.output_text
    assert client.responses.retrieve(first.id).id == first.id
    client.responses.delete(first.id)


@check
def responses_in_the_background():
    begun = client.responses.create(model=GPT, input="Say hello.", background=True)
    assert begun.status == "queued", begun
    for _ in range(100):
        done = client.responses.retrieve(begun.id)
        if done.status == "completed":
            break
        time.sleep(0.1)
    assert done.output_text == SAID, done
    events = [event.type for event in client.responses.retrieve(begun.id, stream=True)]
    assert events[-1] == "response.completed", events
    other = client.responses.create(model=GPT, input="Say hello.", background=True)
    assert client.responses.cancel(other.id).status == "cancelled"


@check
def conversations():
    talk = client.conversations.create(metadata={"topic": "x"})
    assert client.responses.create(model=GPT, input="Say hello.", conversation=talk.id).output_text == SAID
    assert client.conversations.retrieve(talk.id).id == talk.id
    client.conversations.delete(talk.id)


@check
def videos_are_made():
    made = client.videos.create(model="sora-2", prompt="a cat", seconds="8", size="1280x720",
                                input_reference=("a.png", io.BytesIO(PNG), "image/png"))
    assert made.status == "queued" and made.seconds == "8" and made.size == "1280x720", made
    assert made.id in [video.id for video in client.videos.list(limit=5)]
    done = client.videos.poll(made.id, poll_interval_ms=500)
    assert done.status == "completed" and done.progress == 100, done
    anew = client.videos.remix(made.id, prompt="a dog")
    assert anew.remixed_from_video_id == made.id, anew
    assert client.videos.delete(made.id).deleted
    refused(openai.NotFoundError, lambda: client.videos.retrieve(made.id))


@check
def what_nobody_serves_is_not_found():
    for call in (client.files.list, client.batches.list, client.vector_stores.list, client.fine_tuning.jobs.list,
                 lambda: client.files.create(file=("a.jsonl", b"{}"), purpose="batch")):
        assert refused(openai.NotFoundError, call).code == "unknown_url"


@check
def completions_and_their_stream():
    answer = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", max_tokens=64)
    assert answer.choices[0].text, answer
    chunks = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Once", max_tokens=64, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == answer.choices[0].text


@check
def embeddings_in_both_forms():
    packed = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    plain = client.embeddings.create(model="text-embedding-3-small", input=["one", "two"], encoding_format="float")
    google = client.embeddings.create(model="gemini-embedding-001", input=["one", "two"], dimensions=8)
    assert [len(row.embedding) for row in google.data] == [8, 8] and google.usage.total_tokens > 0, google
    near = [abs(a - b) < 1e-6 for a, b in zip(packed.data[1].embedding, plain.data[1].embedding)]
    assert all(near) and near and packed.usage.prompt_tokens > 0


@check
def images_are_made_changed_and_varied():
    assert client.images.generate(model="dall-e-3", prompt="a cat", response_format="b64_json").data[0].b64_json
    picture = lambda: ("a.png", io.BytesIO(PNG), "image/png")
    assert client.images.edit(model="gpt-image-1", image=picture(), prompt="a hat").data[0].b64_json
    assert len(client.images.create_variation(image=picture(), n=2).data) == 2
    events = client.images.generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=1)
    assert [event.type for event in events] == ["image_generation.partial_image", "image_generation.completed"]


@check
def audio_both_ways():
    sound = ("a.wav", io.BytesIO(b"RIFF" + bytes(range(256))), "audio/wav")
    assert client.audio.transcriptions.create(model="whisper-1", file=sound).text
    events = client.audio.transcriptions.create(model="gpt-4o-mini-transcribe", file=sound, stream=True)
    assert [event.type for event in events][-1] == "transcript.text.done"
    for form, beginning in (("text", "The quick"), ("srt", "1\n"), ("vtt", "WEBVTT")):
        text = client.audio.transcriptions.create(model="whisper-1", file=sound, response_format=form)
        assert text.startswith(beginning), (form, text)
    assert client.audio.translations.create(model="whisper-1", file=sound).text
    spoken = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").read()
    assert len(spoken) == 4096
    with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="Hello") as stream:
        assert b"".join(stream.iter_bytes()) == spoken


@check
def moderations():
    assert client.moderations.create(input="kill").results[0].flagged


@check
def realtime_session():
    with client.realtime.connect(model="gpt-realtime") as connection:
        connection.response.create()
        for event in connection:
            if event.type == "response.done":
                assert event.response.status == "completed", event
                break


@check
def azure_client():
    azure = openai.AzureOpenAI(api_key=KEY, azure_endpoint=f"{TOLLGATE}/azure", api_version="2024-10-21",
                               max_retries=0)
    assert azure.chat.completions.create(model=GPT, messages=HELLO).choices[0].message.content == SAID
    assert refused(openai.AuthenticationError, lambda: azure.with_options(api_key=WRONG).chat.completions.create(
        model=GPT, messages=HELLO))


@check
def a_wrong_key_is_an_authentication_error():
    error = refused(openai.AuthenticationError, lambda: client.with_options(api_key=WRONG).models.list())
    assert error.code == "invalid_api_key" and "Incorrect API key" in error.message, error


@check
def a_key_of_another_service_is_a_permission_error():
    refused(openai.PermissionDeniedError, lambda: client.with_options(api_key=CLAUDE_ONLY).chat.completions.create(
        model=GPT, messages=HELLO))


@check
def an_unknown_model_is_not_found():
    error = refused(openai.NotFoundError, lambda: client.chat.completions.create(model="gemini-0", messages=HELLO))
    assert error.code == "model_not_found", error


@check
def a_bad_request_is_said():
    error = refused(openai.BadRequestError, lambda: client.chat.completions.create(model=GPT, messages=[]))
    assert "messages" in error.message, error


@check
def a_limit_is_a_rate_limit_error():
    limited = client.with_options(api_key=LIMITED)
    calls = [lambda: limited.chat.completions.create(model=GPT, messages=HELLO)] * 2
    try:
        calls[0]()
    except openai.RateLimitError:
        pass
    error = refused(openai.RateLimitError, calls[1])
    assert int(error.response.headers["retry-after"]) > 0, error.response.headers


run("openai (Python)")

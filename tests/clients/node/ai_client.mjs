// Vercel's AI SDK with the providers of the three vendors.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { embedMany, generateImage, generateObject, generateSpeech, generateText, stepCountIs, streamText, tool, transcribe } from 'ai';
import { z } from 'zod';
import { CLAUDE, GEMINI, GPT, KEY, SAID, TOLLGATE, WRONG, assert, check, refused, run } from './check.mjs';

const openai = createOpenAI({ apiKey: KEY, baseURL: `${TOLLGATE}/v1` });
const anthropic = createAnthropic({ apiKey: KEY, baseURL: `${TOLLGATE}/v1` });
const google = createGoogleGenerativeAI({ apiKey: KEY, baseURL: `${TOLLGATE}/v1beta` });
const tools = {
  weather: tool({ description: 'The weather.', inputSchema: z.object({ city: z.string() }), execute: async () => 'sunny' }),
};

// Each provider's own dialect with each vendor's model behind it. Only OpenAI itself keeps what was said for
// later turns to refer to; at the others every turn carries all of it.
const stateless = { openai: { store: false } };
const models = [];
for (const name of [GPT, CLAUDE, GEMINI]) {
  models.push(['chat', openai.chat(name)], ['responses', openai.responses(name), name === GPT ? {} : stateless]);
  models.push(['messages', anthropic(name)], ['gemini', google(name)]);
}

for (const [dialect, model, providerOptions = {}] of models) {
  const place = `${dialect} to ${model.modelId}`;

  check(`${place}: text`, async () => {
    const { text, usage } = await generateText({ model, prompt: 'Say hello.', maxRetries: 0, providerOptions });
    assert.equal(text, SAID);
    assert.ok(usage.outputTokens > 0);
  });

  check(`${place}: stream`, async () => {
    let failure;
    const stream = streamText({
      model, prompt: 'Say hello.', maxRetries: 0, providerOptions, onError: ({ error }) => { failure = error; },
    });
    let text = '';
    for await (const piece of stream.textStream) text += piece;
    if (failure) throw failure;
    assert.equal(text, SAID);
    assert.ok((await stream.usage).outputTokens > 0);
  });

  check(`${place}: tools in steps`, async () => {
    const prompt = 'What is the weather in Graz?';
    const { text, steps } = await generateText({
      model, prompt, tools, stopWhen: stepCountIs(3), maxRetries: 0, providerOptions,
    });
    assert.match(text, /sunny/);
    assert.equal(steps.length, 2);
  });

  check(`${place}: tools in streamed steps`, async () => {
    let failure;
    const prompt = 'What is the weather in Graz?';
    const stream = streamText({
      model, prompt, tools, stopWhen: stepCountIs(3), maxRetries: 0, providerOptions, onError: ({ error }) => { failure = error; },
    });
    let text = '';
    for await (const piece of stream.textStream) text += piece;
    if (failure) throw failure;
    assert.match(text, /sunny/);
  });

  check(`${place}: an object`, async () => {
    const schema = z.object({ city: z.string() });
    const { object } = await generateObject({ model, schema, prompt: 'A city.', maxRetries: 0, providerOptions });
    assert.equal(typeof object.city, 'string');
  });
}

check('vectors, pictures, sound', async () => {
  const { embeddings } = await embedMany({ model: openai.embeddingModel('text-embedding-3-small'), values: ['one', 'two'], maxRetries: 0 });
  assert.equal(embeddings.length, 2);
  const google2 = await embedMany({ model: google.embeddingModel('gemini-embedding-001'), values: ['one', 'two'], maxRetries: 0 });
  assert.equal(google2.embeddings.length, 2);
  const { image } = await generateImage({ model: openai.imageModel('gpt-image-1'), prompt: 'a cat', maxRetries: 0 });
  assert.ok(image.uint8Array.length > 0);
  const { audio } = await generateSpeech({ model: openai.speechModel('tts-1'), text: 'Hello', maxRetries: 0 });
  assert.equal(audio.uint8Array.length, 4096);
  const { text } = await transcribe({ model: openai.transcriptionModel('whisper-1'), audio: audio.uint8Array, maxRetries: 0 });
  assert.match(text, /brown fox/);
});

check('a wrong key is said', async () => {
  const providers = [
    createOpenAI({ apiKey: WRONG, baseURL: `${TOLLGATE}/v1` }).chat(GPT),
    createAnthropic({ apiKey: WRONG, baseURL: `${TOLLGATE}/v1` })(CLAUDE),
    createGoogleGenerativeAI({ apiKey: WRONG, baseURL: `${TOLLGATE}/v1beta` })(GEMINI),
  ];
  for (const model of providers) {
    const error = await refused(() => generateText({ model, prompt: 'x', maxRetries: 0 }));
    assert.match(error.message, /key/i);
    assert.equal(error.isRetryable, false);
  }
});

await run('ai (Node)');

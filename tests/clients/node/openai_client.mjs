// The official OpenAI SDK for Node.
import OpenAI, { AzureOpenAI, toFile } from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CITY, CLAUDE, GEMINI, GPT, KEY, LIMITED, SAID, TOLLGATE, WRONG, assert, check, refused, run } from './check.mjs';

const connect = (apiKey = KEY) => new OpenAI({ apiKey, baseURL: `${TOLLGATE}/v1`, maxRetries: 0 });
const client = connect();
const messages = [{ role: 'user', content: 'Say hello.' }];
const tools = [{ type: 'function', function: { name: 'weather', description: 'The weather.', parameters: CITY } }];
const VENDORS = [GPT, CLAUDE, GEMINI];

check('models are listed', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(VENDORS.every((name) => names.includes(name)), String(names));
});

check('chat with every vendor', async () => {
  for (const model of VENDORS) {
    const answer = await client.chat.completions.create({ model, messages });
    assert.equal(answer.choices[0].message.content, SAID);
    assert.ok(answer.usage.completion_tokens > 0);
  }
});

check('chat streams from every vendor', async () => {
  for (const model of VENDORS) {
    let text = '';
    const stream = await client.chat.completions.create({ model, messages, stream: true });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      assert.ok(!chunk.usage, 'the usage was not asked for');
    }
    assert.equal(text, SAID);
  }
});

check('chat calls tools, streamed', async () => {
  for (const model of VENDORS) {
    const stream = client.chat.completions.stream({ model, messages, tools });
    const call = (await stream.finalChatCompletion()).choices[0].message.tool_calls[0];
    assert.equal(call.function.name, 'weather');
    assert.ok('city' in JSON.parse(call.function.arguments));
  }
});

check('tools are run by the SDK', async () => {
  for (const model of VENDORS) {
    const runner = client.chat.completions.runTools({
      model,
      messages,
      tools: [{
        type: 'function',
        function: { name: 'weather', description: 'The weather.', parameters: CITY, parse: JSON.parse, function: () => 'sunny' },
      }],
    });
    assert.match(await runner.finalContent(), /sunny/);
  }
});

check('responses, whole and streamed', async () => {
  for (const model of VENDORS) {
    const whole = await client.responses.create({ model, input: 'Say hello.' });
    assert.equal(whole.output_text, SAID);
    let text = '';
    for await (const event of await client.responses.create({ model, input: 'Say hello.', stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
    }
    assert.equal(text, SAID);
  }
});

check('answers by a schema', async () => {
  const city = z.object({ city: z.string() });
  for (const model of VENDORS) {
    const chat = await client.chat.completions.parse({ model, messages, response_format: zodResponseFormat(city, 'city') });
    assert.equal(typeof chat.choices[0].message.parsed.city, 'string');
    const stream = client.responses.stream({ model, input: 'A city.', text: { format: zodTextFormat(city, 'city') } });
    assert.equal(typeof (await stream.finalResponse()).output_parsed.city, 'string');
  }
});

check('what nobody serves is not found', async () => {
  for (const call of [() => client.files.list(), () => client.batches.list(), () => client.vectorStores.list()]) {
    const error = await refused(call);
    assert.ok(error instanceof OpenAI.NotFoundError && error.code === 'unknown_url' && error.requestID, String(error));
  }
});

check('embeddings', async () => {
  const answer = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'] });
  assert.equal(answer.data.length, 2);
  assert.ok(answer.data[1].embedding.every(Number.isFinite));
});

check('images and audio', async () => {
  assert.ok((await client.images.generate({ model: 'dall-e-3', prompt: 'a cat' })).data[0].url);
  const picture = await toFile(Buffer.from([...Array(256).keys()]), 'a.png', { type: 'image/png' });
  assert.ok((await client.images.edit({ model: 'gpt-image-1', image: picture, prompt: 'a hat' })).data[0].b64_json);
  const sound = await toFile(Buffer.from([...Array(256).keys()]), 'a.wav', { type: 'audio/wav' });
  assert.ok((await client.audio.transcriptions.create({ model: 'whisper-1', file: sound })).text);
  const spoken = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'Hello' });
  assert.equal((await spoken.arrayBuffer()).byteLength, 4096);
});

check('the Azure client', async () => {
  const azure = new AzureOpenAI({ apiKey: KEY, endpoint: `${TOLLGATE}/azure`, apiVersion: '2024-10-21', maxRetries: 0 });
  assert.equal((await azure.chat.completions.create({ model: GPT, messages })).choices[0].message.content, SAID);
});

check('refusals are the SDK\'s own errors', async () => {
  const wrong = await refused(() => connect(WRONG).chat.completions.create({ model: GPT, messages }));
  assert.ok(wrong instanceof OpenAI.AuthenticationError && wrong.code === 'invalid_api_key', String(wrong));
  const unknown = await refused(() => client.chat.completions.create({ model: 'gemini-0', messages }));
  assert.ok(unknown instanceof OpenAI.NotFoundError, String(unknown));
  const bad = await refused(() => client.chat.completions.create({ model: GPT, messages: [] }));
  assert.ok(bad instanceof OpenAI.BadRequestError, String(bad));
  const call = () => connect(LIMITED).chat.completions.create({ model: GPT, messages });
  await call().catch(() => {});
  const limit = await refused(call);
  assert.ok(limit instanceof OpenAI.RateLimitError && Number(limit.headers.get('retry-after')) > 0, String(limit));
});

await run('openai (Node)');

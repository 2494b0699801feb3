// The official Google Gen AI SDK for Node.
import { ApiError, GoogleGenAI } from '@google/genai';
import { CITY, CLAUDE, GEMINI, GPT, KEY, SAID, TOLLGATE, WRONG, assert, check, refused, run } from './check.mjs';

const connect = (apiKey = KEY) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: TOLLGATE } });
const client = connect();
const VENDORS = [GEMINI, GPT, CLAUDE];

check('models are listed', async () => {
  const names = [];
  for await (const model of await client.models.list()) names.push(model.name);
  assert.ok(names.includes(`models/${GEMINI}`), String(names));
});

check('content of every vendor, whole and streamed', async () => {
  for (const model of VENDORS) {
    const whole = await client.models.generateContent({ model, contents: 'Say hello.' });
    assert.equal(whole.text, SAID);
    let text = '';
    for await (const chunk of await client.models.generateContentStream({ model, contents: 'Say hello.' })) text += chunk.text ?? '';
    assert.equal(text, SAID);
  }
});

check('tools are called', async () => {
  const config = { tools: [{ functionDeclarations: [{ name: 'weather', description: 'The weather.', parametersJsonSchema: CITY }] }] };
  for (const model of VENDORS) {
    const answer = await client.models.generateContent({ model, contents: 'The weather in Graz?', config });
    assert.equal(answer.functionCalls[0].name, 'weather');
    const contents = [
      { role: 'user', parts: [{ text: 'The weather in Graz?' }] },
      answer.candidates[0].content,
      { role: 'user', parts: answer.functionCalls.map(({ id, name }) => ({ functionResponse: { id, name, response: { result: 'sunny' } } })) },
    ];
    assert.match((await client.models.generateContent({ model, contents, config })).text, /sunny/);
  }
});

check('a chat has several turns and streams', async () => {
  for (const model of VENDORS) {
    const chat = client.chats.create({ model, config: { systemInstruction: 'Be brief.' } });
    assert.equal((await chat.sendMessage({ message: 'Say hello.' })).text, SAID);
    let text = '';
    for await (const chunk of await chat.sendMessageStream({ message: 'And again.' })) text += chunk.text ?? '';
    assert.equal(text, SAID);
  }
});

check('answers by a schema', async () => {
  const config = { responseMimeType: 'application/json', responseJsonSchema: CITY };
  for (const model of VENDORS) {
    const answer = await client.models.generateContent({ model, contents: 'A city.', config });
    assert.equal(typeof JSON.parse(answer.text).city, 'string');
  }
});

check('counts and vectors', async () => {
  assert.ok((await client.models.countTokens({ model: GEMINI, contents: 'x' })).totalTokens > 0);
  const { embeddings } = await client.models.embedContent({ model: 'gemini-embedding-001', contents: ['one', 'two'] });
  assert.equal(embeddings.length, 2);
});

check('a wrong key is said', async () => {
  const error = await refused(() => connect(WRONG).models.generateContent({ model: GEMINI, contents: 'x' }));
  assert.ok(error instanceof ApiError && error.status === 400, String(error));
});

await run('@google/genai (Node)');

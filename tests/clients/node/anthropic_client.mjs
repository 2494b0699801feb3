// The official Anthropic SDK for Node.
import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod';
import { z } from 'zod';
import { CITY, CLAUDE, GEMINI, GPT, KEY, LIMITED, SAID, TOLLGATE, WRONG, assert, check, refused, run } from './check.mjs';

const connect = (apiKey = KEY, baseURL = TOLLGATE) => new Anthropic({ apiKey, baseURL, maxRetries: 0 });
const client = connect();
const ask = (model) => ({ model, max_tokens: 64, messages: [{ role: 'user', content: 'Say hello.' }] });
const tools = [{ name: 'weather', description: 'The weather.', input_schema: CITY }];
const VENDORS = [CLAUDE, GPT, GEMINI];

check('models are listed', async () => {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes(CLAUDE), String(names));
});

check('messages of every vendor', async () => {
  for (const model of VENDORS) {
    const answer = await client.messages.create(ask(model));
    assert.equal(answer.content[0].text, SAID);
    assert.equal(answer.stop_reason, 'end_turn');
  }
});

check('messages stream from every vendor', async () => {
  for (const model of VENDORS) {
    const stream = client.messages.stream(ask(model));
    let text = '';
    stream.on('text', (piece) => (text += piece));
    const final = await stream.finalMessage();
    assert.equal(text, SAID);
    assert.ok(final.usage.output_tokens > 0);
  }
});

check('messages call tools, streamed', async () => {
  for (const model of VENDORS) {
    const asked = { ...ask(model), tools };
    const answer = await client.messages.stream(asked).finalMessage();
    assert.equal(answer.stop_reason, 'tool_use');
    const calls = answer.content.filter((block) => block.type === 'tool_use');
    assert.ok('city' in calls[0].input);
    const results = calls.map((call) => ({ type: 'tool_result', tool_use_id: call.id, content: 'sunny' }));
    asked.messages = [...asked.messages, { role: 'assistant', content: answer.content }, { role: 'user', content: results }];
    assert.match((await client.messages.create(asked)).content[0].text, /sunny/);
  }
});

check('tools are run by the SDK', async () => {
  const weather = betaZodTool({
    name: 'weather', description: 'The weather.', inputSchema: z.object({ city: z.string() }), run: () => 'sunny',
  });
  for (const model of VENDORS) {
    for (const stream of [false, true]) {
      const runner = client.beta.messages.toolRunner({ ...ask(model), tools: [weather], stream });
      let last;
      for await (const turn of runner) last = stream ? await turn.finalMessage() : turn;
      assert.match(last.content.find((block) => block.type === 'text').text, /sunny/, model);
    }
  }
});

check('answers by a schema', async () => {
  const format = zodOutputFormat(z.object({ city: z.string() }));
  for (const model of VENDORS) {
    const answer = await client.messages.parse({ ...ask(model), output_config: { format } });
    assert.equal(typeof answer.parsed_output.city, 'string', model);
  }
});

check('what nobody serves is not found', async () => {
  for (const call of [() => client.messages.batches.list(), () => client.beta.files.list()]) {
    const error = await refused(call);
    assert.ok(error instanceof Anthropic.NotFoundError && error.requestID, String(error));
  }
});

check('the commercial doors', async () => {
  for (const door of ['/api', '/claude']) {
    assert.equal((await connect(KEY, TOLLGATE + door).messages.create(ask(CLAUDE))).content[0].text, SAID);
  }
});

check('prompts are counted', async () => {
  const { model, messages } = ask(CLAUDE);
  assert.ok((await client.messages.countTokens({ model, messages })).input_tokens > 0);
});

check('refusals are the SDK\'s own errors', async () => {
  const wrong = await refused(() => connect(WRONG).messages.create(ask(CLAUDE)));
  assert.ok(wrong instanceof Anthropic.AuthenticationError, String(wrong));
  const bad = await refused(() => client.messages.create({ ...ask(CLAUDE), messages: [{ role: 'nobody', content: 'x' }] }));
  assert.ok(bad instanceof Anthropic.BadRequestError, String(bad));
  const call = () => connect(LIMITED).messages.create(ask(CLAUDE));
  await call().catch(() => {});
  const limit = await refused(call);
  assert.ok(limit instanceof Anthropic.RateLimitError, String(limit));
});

await run('anthropic (Node)');

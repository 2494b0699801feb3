// graphql-sse, distinct connections: the reference client, and the bytes by hand.

import { createClient } from 'graphql-sse';
import { run, same, truth } from './check.mjs';

export async function streamChecks({ url, token, subscription }) {
  const auth = token ? { authorization: `Bearer ${token}` } : {};
  const post = (query, headers = {}) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...auth, ...headers },
      body: JSON.stringify({ query }),
    });
  const client = () => createClient({ url, headers: auth, retryAttempts: 0 });

  const checks = [
    ['a query is next and complete', async () => {
      const response = await post('{ __typename }');
      same(response.status, 200, 'status');
      truth(response.headers.get('content-type').startsWith('text/event-stream'), 'content type');
      same(response.headers.get('x-accel-buffering'), 'no', 'x-accel-buffering');
      same(response.headers.get('content-encoding'), null, 'content-encoding');
      const events = (await response.text()).split('\n\n').filter((event) => event && !event.startsWith(':'));
      same(events.length, 2, 'events');
      truth(/^event: next\ndata: \{.*\}$/.test(events[0]), events[0]);
      same(events[1], 'event: complete\ndata:', 'last event');
    }],
    ['a GET streams too', async () => {
      const to = `${url}?query=${encodeURIComponent('{ __typename }')}`;
      const response = await fetch(to, { headers: { accept: 'text/event-stream', 'graphql-require-preflight': '1', ...auth } });
      same(response.status, 200, 'status');
      truth((await response.text()).includes('event: complete'), 'no complete');
    }],
    ['a syntax error is refused by status', async () => {
      const response = await post('{');
      same(response.status, 400, 'status');
      truth((await response.json()).errors.length === 1, 'errors');
    }],
    ['a subscription without Accept is refused', async () => {
      const response = await post('subscription { x }', { accept: 'application/graphql-response+json' });
      same(response.status, token ? 400 : 401, 'status');
    }],
    ['an unknown field is an event with errors', async () => {
      const text = await (await post('{ nonsense_xyz }')).text();
      if (token) truth(text.includes('GRAPHQL_VALIDATION_FAILED') && text.includes('event: complete'), text);
    }],
    ['the reference client runs a query', async () => {
      const results = [];
      for await (const result of client().iterate({ query: '{ __typename }' })) results.push(result);
      same(results.length, 1, 'results');
      truth(results[0].data, 'no data');
    }],
  ];
  if (subscription) {
    checks.push(
      ['the reference client hears an event', async () => {
        for await (const result of client().iterate({ query: subscription })) {
          truth(result.data, JSON.stringify(result));
          break;
        }
      }],
    );
  }
  return run(checks);
}

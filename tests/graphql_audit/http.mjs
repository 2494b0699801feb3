// The audits of graphql-http, and what they leave out: CSRF, sizes, methods, headers.

import { serverAudits } from 'graphql-http';
import { run, same, truth } from './check.mjs';

export async function httpAudits({ url, token }) {
  const auth = token ? { authorization: `Bearer ${token}` } : {};
  // GETs of callers without a token have to show that no foreign page sent them.
  const intent = { ...auth, 'graphql-require-preflight': '1' };
  const fetchFn = (to, init = {}) => fetch(to, { ...init, headers: { ...intent, ...init.headers } });
  const audits = serverAudits({ url, fetchFn });
  const results = [];
  for (const audit of audits) {
    const result = await audit.fn();
    results.push({
      name: `${audit.id} ${audit.name}`,
      ok: result.status === 'ok',
      why: result.reason && `${result.status}: ${result.reason}`,
    });
  }
  truth(audits.length === 61, `graphql-http has ${audits.length} audits, not 61`);

  const post = (body, headers = {}) =>
    fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...auth, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const get = (query, headers) => fetch(`${url}?query=${encodeURIComponent(query)}`, { headers });
  const telling = { accept: 'application/graphql-response+json' };
  const coded = async (response, status, code) => {
    same(response.status, status, 'status');
    const body = await response.json();
    same(body.errors?.[0]?.extensions?.code, code, 'code');
    truth(body.errors[0].extensions.requestId, 'no request id in the error');
    truth(!('data' in body), 'a refusal has a data key');
    return response;
  };

  const own = await run([
    ['a GET that shows no intent is refused', async () => coded(await get('{__typename}', {}), 400, 'BAD_REQUEST')],
    [
      'a mutation by GET is 405 with Allow',
      async () => {
        const response = await coded(await get('mutation { __typename }', intent), 405, 'BAD_REQUEST');
        same(response.headers.get('allow'), 'POST', 'Allow');
      },
    ],
    ...['PUT', 'PATCH', 'DELETE', 'OPTIONS'].map((method) => [
      `${method} is 405`,
      async () => {
        const response = await fetch(url, { method, headers: intent });
        same(response.status, 405, 'status');
        truth(response.headers.get('allow')?.includes('POST'), 'no Allow header');
      },
    ]),
    ...['text/plain', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded'].map((type) => [
      `${type} is 415`,
      async () => coded(await post({ query: '{__typename}' }, { 'content-type': type }), 415, 'BAD_REQUEST'),
    ]),
    [
      'a compressed request is 415',
      async () => coded(await post({ query: '{__typename}' }, { 'content-encoding': 'gzip' }), 415, 'BAD_REQUEST'),
    ],
    ['what is not acceptable is 406', async () => coded(await post({ query: '{__typename}' }, { accept: 'text/html' }), 406, 'BAD_REQUEST')],
    ['a batch is 400', async () => coded(await post([{ query: '{__typename}' }]), 400, 'BAD_REQUEST')],
    ['a body of 2 MiB is 413', async () => coded(await post({ query: `#${'x'.repeat(2 << 20)}` }), 413, 'BAD_REQUEST')],
    ['text that is not UTF-8 is 400', async () => coded(await fetch(url, {
      method: 'POST', headers: { 'content-type': 'application/json', ...auth }, body: new Uint8Array([0x22, 0xff, 0x22]),
    }), 400, 'BAD_REQUEST')],
    ['an unknown persisted query is 400', async () => coded(await post({ extensions: { persistedQuery: { version: 1, sha256Hash: 'x' } } }), 400, 'BAD_REQUEST')],
    ['a bad token is 401', async () => {
      const response = await coded(await post({ query: '{__typename}' }, { authorization: 'Bearer no.such.token' }), 401, 'UNAUTHENTICATED');
      truth(response.headers.get('www-authenticate'), 'no WWW-Authenticate');
    }],
    ['a syntax error has its code', async () => coded(await post({ query: '{' }, telling), 400, 'GRAPHQL_PARSE_FAILED')],
    ['an unknown field has its code and no suggestion', async () => {
      const response = await post({ query: '{ __typenam }' }, telling);
      const text = await response.clone().text();
      truth(!/did you mean/i.test(text), 'a suggestion');
      await coded(response, 400, 'GRAPHQL_VALIDATION_FAILED');
    }],
    ['a fragment bomb is refused at once', async () => {
      const levels = Array.from({ length: 30 }, (_, at) => `fragment F${at} on Query {...F${at + 1} ...F${at + 1}}`);
      const query = `{...F0} ${levels.join(' ')} fragment F30 on Query {__typename}`;
      const start = performance.now();
      await coded(await post({ query }, telling), 400, 'GRAPHQL_VALIDATION_FAILED');
      truth(performance.now() - start < 250, `took ${performance.now() - start} ms`);
    }],
    ['answers are neither stored nor sniffed', async () => {
      const response = await post({ query: '{__typename}' });
      same(response.headers.get('cache-control'), 'no-store', 'cache-control');
      same(response.headers.get('x-content-type-options'), 'nosniff', 'x-content-type-options');
      truth(response.headers.get('x-request-id'), 'no x-request-id');
    }],
    ['the cost is told', async () => {
      const body = await (await post({ query: '{__typename}' })).json();
      if (!token) return;
      truth(body.extensions?.cost?.requested >= 1, 'no extensions.cost');
    }],
  ]);
  return [...results, ...own];
}

// graphql-transport-ws: the reference client, and every close code by hand.

import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { run, same, truth } from './check.mjs';

const PROTOCOL = 'graphql-transport-ws';

// A socket whose messages are read one by one; `closed` resolves with code and reason.
function open(url, protocols = PROTOCOL, options = {}) {
  const socket = new WebSocket(url, protocols, options);
  const inbox = [];
  const waiting = [];
  socket.on('message', (data) => {
    const message = JSON.parse(data.toString());
    const taker = waiting.shift();
    if (taker) taker(message);
    else inbox.push(message);
  });
  const closed = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  socket.on('error', () => {});
  const opened = new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('unexpected-response', (_, response) => reject(new Error(`status ${response.statusCode}`)));
  });
  return {
    socket,
    closed,
    opened,
    say: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    hear: () => (inbox.length ? Promise.resolve(inbox.shift()) : new Promise((resolve) => waiting.push(resolve))),
    quiet: async (ms) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (inbox.length) throw new Error(`unexpected ${JSON.stringify(inbox[0])}`);
    },
  };
}

export async function socketChecks({ url, token, subscription }) {
  const to = url.replace(/^http/, 'ws');
  const init = token ? { type: 'connection_init', payload: { authorization: `Bearer ${token}` } } : { type: 'connection_init' };
  const ready = async () => {
    const line = open(to);
    await line.opened;
    line.say(init);
    same((await line.hear()).type, 'connection_ack', 'first message');
    return line;
  };
  const closes = async (line, code) => {
    const closed = await line.closed;
    same(closed.code, code, 'close code');
    truth(Buffer.byteLength(closed.reason) <= 123, 'reason too long');
  };
  const ask = (id, query = '{ __typename }') => ({ id, type: 'subscribe', payload: { query } });

  const checks = [
    ['the protocol is chosen', async () => {
      const line = open(to);
      await line.opened;
      same(line.socket.protocol, PROTOCOL, 'protocol');
      line.socket.terminate();
    }],
    ['no protocol is closed 4406', async () => closes(open(to, []), 4406)],
    ['the old protocol is not spoken', async () => {
      const line = open(to, 'graphql-ws');
      const refused = await Promise.race([line.opened.then(() => line.closed), line.closed]);
      truth(refused.code !== 1000, 'accepted');
    }],
    ['a foreign origin is refused', async () => {
      const line = open(to, PROTOCOL, { origin: 'https://evil.example' });
      let why;
      await line.opened.catch((error) => { why = error.message; });
      same(why, 'status 403', 'handshake');
    }],
    ['our own origin is welcome', async () => {
      const line = open(to, PROTOCOL, { origin: new URL(url).origin });
      await line.opened;
      line.socket.terminate();
    }],
    ['silence is closed 4408', async () => closes(open(to), 4408)],
    ['a second init is closed 4429', async () => {
      const line = await ready();
      line.say(init);
      await closes(line, 4429);
    }],
    ['subscribing before the ack is closed 4401', async () => {
      const line = open(to);
      await line.opened;
      line.say(ask('1'));
      await closes(line, 4401);
    }],
    ['a bad token is closed 4403', async () => {
      const line = open(to);
      await line.opened;
      line.say({ type: 'connection_init', payload: { authorization: 'Bearer no.such.token' } });
      await closes(line, 4403);
    }],
    ...[
      ['text that is not JSON', 'hello'],
      ['an array', []],
      ['an unknown type', { type: 'start' }],
      ['no type', {}],
      ['a type that is not text', { type: 1 }],
      ['subscribe without an id', { type: 'subscribe', payload: { query: '{__typename}' } }],
      ['subscribe with an empty id', { type: 'subscribe', id: '', payload: { query: '{__typename}' } }],
      ['subscribe without a payload', { type: 'subscribe', id: '1' }],
      ['subscribe without a query', { type: 'subscribe', id: '1', payload: {} }],
      ['variables that are a list', { type: 'subscribe', id: '1', payload: { query: '{__typename}', variables: [] } }],
      ['complete without an id', { type: 'complete' }],
      ['a ping with a payload that is text', { type: 'ping', payload: 'x' }],
    ].map(([name, message]) => [`${name} is closed 4400`, async () => {
      const line = await ready();
      line.say(message);
      await closes(line, 4400);
    }]),
    ['a binary message is closed 4400', async () => {
      const line = await ready();
      line.socket.send(Buffer.from('{"type":"ping"}'), { binary: true });
      await closes(line, 4400);
    }],
    ['a message over 1 MiB is closed 1009', async () => {
      const line = await ready();
      line.say(JSON.stringify({ type: 'ping', payload: { x: 'x'.repeat(2 << 20) } }));
      await closes(line, 1009);
    }],
    ['a ping is answered with its payload', async () => {
      const line = await ready();
      line.say({ type: 'ping', payload: { a: 1 } });
      same(await line.hear(), { type: 'pong', payload: { a: 1 } }, 'pong');
      line.say({ type: 'pong' });
      await line.quiet(100);
      line.socket.terminate();
    }],
    ['a ping before the init is answered', async () => {
      const line = open(to);
      await line.opened;
      line.say({ type: 'ping' });
      same(await line.hear(), { type: 'pong' }, 'pong');
      line.socket.terminate();
    }],
    ['a query is next and complete', async () => {
      const line = await ready();
      line.say(ask('q'));
      const next = await line.hear();
      same([next.type, next.id], ['next', 'q'], 'first');
      truth(next.payload.data, 'no data');
      same(await line.hear(), { id: 'q', type: 'complete' }, 'second');
      line.say(ask('q'));
      same((await line.hear()).type, 'next', 'the id is free again');
      line.socket.terminate();
    }],
    ...[
      ['a syntax error', '{', 'GRAPHQL_PARSE_FAILED'],
      ['an unknown field', '{ nonsense_xyz }', 'GRAPHQL_VALIDATION_FAILED'],
      ['an unknown subscription', 'subscription { nonsense_xyz }', 'GRAPHQL_VALIDATION_FAILED'],
    ].map(([name, query, code]) => [`${name} is one error message`, async () => {
      const line = await ready();
      line.say(ask('e', query));
      const message = await line.hear();
      same([message.type, message.id], ['error', 'e'], 'message');
      truth(Array.isArray(message.payload), 'the payload is no list');
      if (token) same(message.payload[0].extensions.code, code, 'code');
      await line.quiet(150);
      line.say(ask('e'));
      same((await line.hear()).type, 'next', 'the id is free again');
      line.socket.terminate();
    }]),
    ['a complete for nothing is ignored', async () => {
      const line = await ready();
      line.say({ id: 'none', type: 'complete' });
      line.say(ask('q'));
      same((await line.hear()).type, 'next', 'message');
      line.socket.terminate();
    }],
    ['the reference client runs a query', async () => {
      const client = client_of(to, token);
      const results = [];
      for await (const result of client.iterate({ query: '{ __typename }' })) results.push(result);
      same(results.length, 1, 'results');
      truth(results[0].data, 'no data');
      await client.dispose();
    }],
  ];
  if (subscription) {
    checks.push(
      ['a live id is closed 4409', async () => {
        const line = await ready();
        line.say(ask('s', subscription));
        line.say(ask('s', subscription));
        await closes(line, 4409);
      }],
      ['a completed subscription falls silent, with no echo', async () => {
        const line = await ready();
        line.say(ask('s', subscription));
        same((await line.hear()).type, 'next', 'message');
        line.say({ id: 's', type: 'complete' });
        await new Promise((resolve) => setTimeout(resolve, 150));
        line.say({ type: 'ping' });
        let message = await line.hear();
        while (message.type === 'next') message = await line.hear();
        same(message.type, 'pong', 'message');
        await line.quiet(200);
        line.socket.terminate();
      }],
      ['the reference client hears an event', async () => {
        const client = client_of(to, token);
        for await (const result of client.iterate({ query: subscription })) {
          truth(result.data, JSON.stringify(result));
          break;
        }
        await client.dispose();
      }],
    );
  }
  return run(checks);
}

function client_of(url, token) {
  return createClient({
    url,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: token ? { authorization: `Bearer ${token}` } : undefined,
  });
}

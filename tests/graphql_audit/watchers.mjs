// What the subscription clients promise their users: several operations on one socket, laziness, keep-alive,
// reconnection after the server was away, and clear ends.

import { createClient } from 'graphql-ws';
import { createClient as createStreamClient } from 'graphql-sse';
import WebSocket from 'ws';
import { bridge } from './bridge.mjs';
import { run, same, truth, until } from './check.mjs';

const TOTALS = 'subscription Totals { usageTotals(every: 1) { at totalRequests } }';
const QUERY = { query: 'query Who { viewer { id username } }' };

export async function watcherChecks({ url, token }) {
  const to = url.replace(/^http/, 'ws');
  const authorization = `Bearer ${token}`;
  const client = (options = {}) =>
    createClient({ url: to, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: { authorization }, ...options });
  const stream = (options = {}) => createStreamClient({ url, headers: { authorization }, retryAttempts: 0, ...options });
  const first = async (iterator) => {
    const { value } = await iterator.next();
    truth(value?.data, JSON.stringify(value));
    return value.data;
  };
  // How one operation ended: its results, and its error if it had one.
  const outcome = (from, payload) => new Promise((resolve) => {
    const results = [];
    from.subscribe(payload, {
      next: (result) => results.push(result),
      error: (error) => resolve({ results, error }),
      complete: () => resolve({ results }),
    });
  });
  const counted = (log) => ({
    on: {
      opened: () => log.push('opened'),
      connected: () => log.push('connected'),
      closed: (event) => log.push(`closed ${event.code}`),
      ping: (received) => log.push(received ? 'pinged' : 'ping'),
      pong: (received) => log.push(received ? 'pong' : 'ponged'),
    },
  });
  return run([
    ['graphql-ws: many operations share one socket, and a lazy one is closed after the last', async () => {
      const log = [];
      const socket = client({ lazy: true, ...counted(log) });
      same(log, [], 'before the first operation');
      const watching = [1, 2, 3].map(() => socket.iterate({ query: TOTALS }));
      await Promise.all(watching.map(first));
      same((await outcome(socket, QUERY)).results[0].data.viewer.username, 'admin', 'a query beside them');
      await watching[0].return();
      await first(watching[1]);
      await watching[1].return();
      await first(watching[2]);
      same(log, ['opened', 'connected'], 'sockets');
      await watching[2].return();
      await until(() => log.length > 2, () => `still open: ${log}`);
      same(log[2], 'closed 1000', 'the end');
    }],
    ['graphql-ws: an eager client connects by itself and keeps alive', async () => {
      const log = [];
      const socket = client({ lazy: false, keepAlive: 100, ...counted(log) });
      await until(() => log.filter((word) => word === 'pong').length > 2, () => `no pongs: ${log}`);
      await socket.dispose();
      same(log.filter((word) => word === 'connected').length, 1, 'connections');
    }],
    ['graphql-ws: comes back by itself after the server was away', async () => {
      const way = await bridge(to);
      const log = [];
      const socket = client({ url: way.url, retryAttempts: 50, retryWait: () => new Promise((done) => setTimeout(done, 50)), ...counted(log) });
      const watching = socket.iterate({ query: TOTALS });
      await first(watching);
      await way.down();
      await until(() => log.some((word) => word.startsWith('closed')), () => `not cut: ${log}`);
      await way.up();
      await first(watching);
      same(log.filter((word) => word === 'connected').length, 2, 'connections');
      await watching.return();
      await socket.dispose();
      await way.down();
    }],
    ['graphql-ws: a wrong token ends it with 4403', async () => {
      const { error } = await outcome(client({ connectionParams: { authorization: 'Bearer no.such.token' } }), { query: TOTALS });
      same([error?.code, error?.reason], [4403, 'Forbidden'], 'the end');
    }],
    ['graphql-ws: without a token a subscription is an error of its own', async () => {
      const socket = client({ connectionParams: undefined });
      const { error } = await outcome(socket, { query: TOTALS });
      same(error?.[0]?.extensions?.code, 'UNAUTHENTICATED', JSON.stringify(error));
      await socket.dispose();
    }],
    ['graphql-ws: one bad operation leaves the others alone', async () => {
      const log = [];
      const socket = client(counted(log));
      const watching = socket.iterate({ query: TOTALS });
      await first(watching);
      const { error } = await outcome(socket, { query: '{ nonsense_xyz }' });
      same(error[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED', 'its error');
      const bad = await outcome(socket, { query: 'subscription S($n: Int!) { usageTotals(every: $n) { at } }', variables: { n: 0 } });
      const refused = bad.error ?? bad.results[0].errors;
      same(refused[0].extensions.code, 'BAD_USER_INPUT', 'a bad argument');
      await first(watching);
      same(log, ['opened', 'connected'], 'sockets');
      await socket.dispose();
    }],
    ['graphql-sse: distinct connections, unsubscribing and errors', async () => {
      const source = stream();
      const watching = [1, 2].map(() => source.iterate({ query: TOTALS }));
      await Promise.all(watching.map(first));
      await watching[0].return();
      await first(watching[1]);
      same((await outcome(source, QUERY)).results[0].data.viewer.username, 'admin', 'a query');
      const { results } = await outcome(source, { query: '{ nonsense_xyz }' });
      same(results[0].errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED', 'an unknown field');
      source.dispose();
    }],
    ['graphql-sse: a wrong token is refused', async () => {
      const { error } = await outcome(stream({ headers: { authorization: 'Bearer no.such.token' } }), { query: TOTALS });
      same(error?.response?.status, 401, 'status');
    }],
    ['graphql-sse: the single-connection mode is refused clearly', async () => {
      const { error } = await outcome(stream({ singleConnection: true }), { query: TOTALS });
      same(error?.response?.status, 405, 'status');
    }],
    ['graphql-sse: comes back by itself after the server was away', async () => {
      const way = await bridge(url);
      const source = stream({ url: way.url, retryAttempts: 50, retry: () => new Promise((done) => setTimeout(done, 50)) });
      const watching = source.iterate({ query: TOTALS });
      await first(watching);
      await way.down();
      await way.up();
      await first(watching);
      await watching.return();
      await way.down();
    }],
  ]);
}

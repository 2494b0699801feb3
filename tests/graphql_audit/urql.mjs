// urql: its exchanges, both caches (Graphcache fed with our introspection), and both ways to subscribe.

import { Client, cacheExchange, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { cacheExchange as graphcache } from '@urql/exchange-graphcache';
import { relayPagination } from '@urql/exchange-graphcache/extras';
import { getIntrospectionQuery } from 'graphql';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { run, same, truth } from './check.mjs';

const USERS = gql`
  query Users($first: Int!, $after: String) {
    users(first: $first, after: $after, filter: { search: "audited" }, orderBy: { field: USERNAME, direction: ASC }) {
      edges { node { id username version } }
      pageInfo { endCursor hasNextPage hasPreviousPage startCursor }
    }
  }
`;
const TOTALS = gql`subscription Totals { usageTotals(every: 1) { at totalRequests } }`;
const NOTE = gql`mutation Note($input: UserChangeInput!) {
  userChange(input: $input) { user { id version remark } userErrors { message } }
}`;

export async function urqlChecks({ url, token }) {
  const fetchOptions = { headers: { authorization: `Bearer ${token}` } };
  const urql = (exchanges, options = {}) => new Client({ url, fetchOptions, preferGetMethod: false, exchanges, ...options });
  const first = (source) => new Promise((resolve) => {
    const { unsubscribe } = source.subscribe((result) => {
      resolve(result);
      setTimeout(() => unsubscribe());
    });
  });
  const data = (result) => {
    truth(!result.error, String(result.error));
    return result.data;
  };

  return run([
    ['urql: the document cache follows a mutation', async () => {
      const client = urql([cacheExchange, fetchExchange]);
      const node = data(await client.query(USERS, { first: 5 })).users.edges[1].node;
      data(await client.mutation(NOTE, { input: { id: node.id, remark: `urql ${Date.now()}` } }));
      const again = data(await client.query(USERS, { first: 5 })).users.edges[1].node;
      truth(again.version > node.version, `still version ${again.version}`);
    }],
    ['urql: Graphcache on our introspection, with Relay paging', async () => {
      const plain = urql([fetchExchange]);
      const schema = data(await plain.query(getIntrospectionQuery(), {}));
      const cache = graphcache({
        schema,
        resolvers: { Query: { users: relayPagination() } },
        logger: (level, text) => { if (level !== 'debug') warnings.push(text); },
      });
      const warnings = [];
      const client = urql([cache, fetchExchange]);
      let page = data(await client.query(USERS, { first: 2 })).users;
      while (page.pageInfo.hasNextPage) {
        page = data(await client.query(USERS, { first: 2, after: page.pageInfo.endCursor })).users;
      }
      same(page.edges.map((edge) => edge.node.username), [1, 2, 3, 4, 5].map((n) => `audited-${n}`), 'names');
      const node = page.edges[2].node;
      data(await client.mutation(NOTE, { input: { id: node.id, remark: `graphcache ${Date.now()}` } }));
      const cached = client.readQuery(USERS, { first: 2 }).data.users.edges[2].node;
      truth(cached.version > node.version, `the cache still shows version ${cached.version}`);
      same(warnings, [], 'warnings');
    }],
    ['urql: queries by GET', async () => {
      const client = urql([fetchExchange], { preferGetMethod: 'force' });
      same(data(await client.query(gql`query Who { viewer { id username } }`, {})).viewer.username, 'admin', 'who');
    }],
    ['urql: a refusal is a GraphQL error with its code', async () => {
      const { error } = await urql([fetchExchange]).query(gql`query Bad { users(first: 0) { nodes { id } } }`, {});
      truth(!error.networkError, String(error.networkError));
      same(error.graphQLErrors[0].extensions.code, 'BAD_USER_INPUT', 'code');
    }],
    ['urql: subscribes over graphql-ws', async () => {
      const socket = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, connectionParams: fetchOptions.headers });
      const client = urql([fetchExchange, subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ ...request, query: request.query ?? '' }, sink) }),
        }),
      })]);
      truth(data(await first(client.subscription(TOTALS, {}))).usageTotals.at, 'no event');
      await socket.dispose();
    }],
    ['urql: subscribes over fetch', async () => {
      const client = urql([fetchExchange], { fetchSubscriptions: true });
      truth(data(await first(client.subscription(TOTALS, {}))).usageTotals.at, 'no event');
    }],
  ]);
}

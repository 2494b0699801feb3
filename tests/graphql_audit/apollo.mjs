// Apollo Client: links, the normalised cache, paging, error codes, subscriptions over every road it has.

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, HttpLink, InMemoryCache, ServerError, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';
import { createClient } from 'graphql-ws';
import { createHash } from 'node:crypto';
import WebSocket from 'ws';
import { run, same, truth, until } from './check.mjs';

// Before Node 22 there is none, and the link looks at its constants.
globalThis.WebSocket ??= WebSocket;

const USERS = gql`
  query Users($first: Int!, $after: String) {
    users(first: $first, after: $after, filter: { search: "audited" }, orderBy: { field: USERNAME, direction: ASC }) {
      edges { cursor node { id username version } }
      pageInfo { endCursor hasNextPage }
    }
  }
`;
const TOTALS = gql`subscription Totals { usageTotals(every: 1) { at totalRequests } }`;

export async function apolloChecks({ url, token }) {
  const headers = { authorization: `Bearer ${token}` };
  const http = (options = {}) => new HttpLink({ uri: url, headers, ...options });
  const apollo = (link = http(), cache = {}) => new ApolloClient({ link, cache: new InMemoryCache(cache) });
  const first = (observed) => new Promise((resolve, reject) => {
    const subscription = observed.subscribe({
      next: (result) => {
        setTimeout(() => subscription.unsubscribe());
        if (result.data) resolve(result.data);
        else reject(result.error ?? new Error(JSON.stringify(result)));
      },
      error: reject,
    });
  });

  return run([
    ['Apollo: fetchMore walks a list page by page', async () => {
      const client = apollo(http(), { typePolicies: { Query: { fields: { users: relayStylePagination(['filter', 'orderBy']) } } } });
      const watched = client.watchQuery({ query: USERS, variables: { first: 2 } });
      let shown;
      const watching = watched.subscribe((result) => { shown = result.data; });
      let { pageInfo } = (await client.query({ query: USERS, variables: { first: 2 } })).data.users;
      while (pageInfo.hasNextPage) {
        const more = await watched.fetchMore({ variables: { after: pageInfo.endCursor } });
        pageInfo = more.data.users.pageInfo;
      }
      await until(() => shown?.users.edges.length === 5, () => JSON.stringify(shown));
      watching.unsubscribe();
      same(shown.users.edges.map((edge) => edge.node.username), [1, 2, 3, 4, 5].map((n) => `audited-${n}`), 'names');
    }],
    ['Apollo: a mutation changes what the cache shows of the same node', async () => {
      const client = apollo();
      const { data } = await client.query({ query: USERS, variables: { first: 5 } });
      const node = data.users.edges[0].node;
      const remark = `seen ${Date.now()}`;
      const { data: changed } = await client.mutate({
        mutation: gql`mutation Note($input: UserChangeInput!) {
          userChange(input: $input) { user { id version remark } userErrors { field message code } }
        }`,
        variables: { input: { id: node.id, remark } },
      });
      same(changed.userChange.userErrors, [], 'refusals');
      const shown = client.readQuery({ query: USERS, variables: { first: 5 } }).users.edges[0].node;
      truth(shown.version > node.version, `the list still shows version ${shown.version}`);
      const cached = client.cache.extract()[`User:${node.id}`];
      same([cached.remark, cached.version], [remark, shown.version], 'one entry a node');
    }],
    ['Apollo: a refusal is a GraphQL error with its code', async () => {
      const { error } = await apollo().query({ query: gql`query Bad { users(first: 0) { nodes { id } } }`, errorPolicy: 'all' });
      truth(CombinedGraphQLErrors.is(error), String(error));
      same(error.errors[0].extensions.code, 'BAD_USER_INPUT', 'code');
    }],
    ['Apollo: a document that does not fit is a GraphQL error, not a failure of the network', async () => {
      const error = await apollo().query({ query: gql`query Bad { nonsense_xyz }` }).catch((error) => error);
      truth(CombinedGraphQLErrors.is(error), String(error));
      same(error.errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED', 'code');
    }],
    ['Apollo: a wrong token is told as such', async () => {
      const link = http({ headers: { authorization: 'Bearer no.such.token' } });
      const error = await apollo(link).query({ query: gql`query Who { viewer { id } }` }).catch((error) => error);
      const code = CombinedGraphQLErrors.is(error) ? error.errors[0].extensions.code
        : ServerError.is(error) ? JSON.parse(error.bodyText).errors[0].extensions.code : String(error);
      same(code, 'UNAUTHENTICATED', 'code');
    }],
    ['Apollo: queries by GET', async () => {
      const { data } = await apollo(http({ useGETForQueries: true })).query({ query: gql`query Who { viewer { id username } }` });
      same(data.viewer.username, 'admin', 'who');
    }],
    ['Apollo: persisted queries fall back to the text', async () => {
      const hashed = new PersistedQueryLink({ sha256: (text) => createHash('sha256').update(text).digest('hex') });
      const client = apollo(ApolloLink.from([hashed, http()]));
      const { data } = await client.query({ query: gql`query Who { viewer { id username } }` });
      same(data.viewer.username, 'admin', 'who');
    }],
    ['Apollo: subscribes over graphql-ws', async () => {
      const socket = createClient({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, connectionParams: headers });
      const client = apollo(new GraphQLWsLink(socket));
      truth((await first(client.subscribe({ query: TOTALS }))).usageTotals.at, 'no event');
      const { data } = await client.query({ query: gql`query Who { viewer { id username } }` });
      same(data.viewer.username, 'admin', 'a query over the socket');
      const error = await first(client.subscribe({ query: gql`subscription Bad { nonsense_xyz }` })).catch((error) => error);
      truth(CombinedGraphQLErrors.is(error), String(error));
      await socket.dispose();
    }],
    ['Apollo: subscribes over plain HTTP (multipart)', async () => {
      const client = apollo();
      truth((await first(client.subscribe({ query: TOTALS }))).usageTotals.at, 'no event');
      const error = await first(client.subscribe({ query: gql`subscription Bad { nonsense_xyz }` })).catch((error) => error);
      truth(CombinedGraphQLErrors.is(error), String(error));
      client.stop();
    }],
  ]);
}

// How GraphiQL reaches the server: queries and mutations by POST, subscriptions over graphql-transport-ws.

import { getOperationAST, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import { post } from './session.js';

function kind(params) {
  try {
    return getOperationAST(parse(params.query), params.operationName)?.operation;
  } catch {
    return undefined;
  }
}

// `onRefused` hears of an answer that says the token no longer holds.
export function createFetcher(token, onRefused) {
  const client = createClient({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
    connectionParams: token ? { authorization: `Bearer ${token}` } : undefined,
    retryAttempts: 2,
    on: {
      closed: (event) => {
        if (token && event?.code === 4403) onRefused();
      },
    },
  });
  const fetcher = async (params, options) => {
    const request = {
      query: params.query,
      operationName: params.operationName ?? undefined,
      variables: params.variables,
    };
    if (kind(params) === 'subscription') {
      return events(client, request);
    }
    const answer = await post(request, token, options?.headers);
    if (token && answer.status === 401) onRefused();
    return answer;
  };
  return { fetcher, dispose: () => client.dispose() };
}

// Failures come as an answer GraphiQL can show, not as a bare event object.
async function* events(client, request) {
  try {
    yield* client.iterate(request);
  } catch (error) {
    if (Array.isArray(error)) {
      yield { errors: error };
    } else if (typeof error?.code === 'number') {
      yield { errors: [{ message: `The socket was closed: ${error.code} ${error.reason}` }] };
    } else {
      throw error;
    }
  }
}

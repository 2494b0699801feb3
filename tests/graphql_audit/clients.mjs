// Tries the clients people use against a running server, unmodified.
//
//   node clients.mjs URL TOKEN      TOKEN is an administrator's

import { apolloChecks } from './apollo.mjs';
import { compilerChecks } from './compiler.mjs';
import { tell } from './check.mjs';
import { urqlChecks } from './urql.mjs';
import { watcherChecks } from './watchers.mjs';

const [url, token] = process.argv.slice(2);
if (!token) {
  console.error('usage: node clients.mjs URL TOKEN');
  process.exit(2);
}

// Five people whom the lists of the checks page through.
const people = [1, 2, 3, 4, 5].map((n) => `u${n}: userCreate(input: { username: "audited-${n}", password: "a long password" }) { userErrors { message } }`);
const made = await fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  body: JSON.stringify({ query: `mutation People { ${people.join(' ')} }` }),
}).then((answer) => answer.json());
if (made.errors) throw new Error(JSON.stringify(made.errors));

await tell({ url, token }, [
  ['graphql-ws and graphql-sse', watcherChecks],
  ['Apollo Client', apolloChecks],
  ['urql', urqlChecks],
  ['Relay', compilerChecks],
]);

// Audits a running server: the 61 server audits of graphql-http, then checks of graphql-transport-ws and of
// graphql-sse with the reference clients and by hand. Exits non-zero when anything is not as it should be.
//
//   node audit.mjs URL [TOKEN] [SUBSCRIPTION]
//
// TOKEN is a bearer token of a caller who may introspect. SUBSCRIPTION is a subscription document that delivers
// at least one event soon; without it the checks that need a running subscription are left out.

import { tell } from './check.mjs';
import { httpAudits } from './http.mjs';
import { socketChecks } from './socket.mjs';
import { streamChecks } from './stream.mjs';

const [url, token, subscription] = process.argv.slice(2);
if (!url) {
  console.error('usage: node audit.mjs URL [TOKEN] [SUBSCRIPTION]');
  process.exit(2);
}

await tell({ url, token, subscription }, [
  ['GraphQL over HTTP', httpAudits],
  ['graphql-transport-ws', socketChecks],
  ['graphql-sse', streamChecks],
]);

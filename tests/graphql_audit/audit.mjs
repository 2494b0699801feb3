// Audits a running server: the 61 server audits of graphql-http, then checks of graphql-transport-ws and of
// graphql-sse with the reference clients and by hand. Exits non-zero when anything is not as it should be.
//
//   node audit.mjs URL [TOKEN] [SUBSCRIPTION]
//
// TOKEN is a bearer token of a caller who may introspect. SUBSCRIPTION is a subscription document that delivers
// at least one event soon; without it the checks that need a running subscription are left out.

import { httpAudits } from './http.mjs';
import { socketChecks } from './socket.mjs';
import { streamChecks } from './stream.mjs';

const [url, token, subscription] = process.argv.slice(2);
if (!url) {
  console.error('usage: node audit.mjs URL [TOKEN] [SUBSCRIPTION]');
  process.exit(2);
}
const target = { url, token, subscription };

let failed = 0;
for (const [title, suite] of [
  ['GraphQL over HTTP', httpAudits],
  ['graphql-transport-ws', socketChecks],
  ['graphql-sse', streamChecks],
]) {
  const results = await suite(target);
  const passed = results.filter((result) => result.ok).length;
  console.log(`${title}: ${passed}/${results.length}`);
  for (const { name, ok, why } of results) {
    if (!ok) {
      failed += 1;
      console.log(`  FAIL ${name}${why ? `\n       ${why}` : ''}`);
    }
  }
}
process.exit(failed === 0 ? 0 : 1);

// relay-compiler reads our SDL and compiles what Relay applications are made of: connections, refetchable
// fragments over `node`, mutations that append to a list, subscriptions.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRequire } from 'node:module';
import { run, same } from './check.mjs';

const SDL = resolve(dirname(fileURLToPath(import.meta.url)), '../../graphql/schema.graphql');

const DOCUMENTS = {
  KeysPage: `
    query KeysPageQuery($id: ID!) { node(id: $id) { ...KeysPage_user @alias } viewer { id ...KeysPage_user } }
    fragment KeysPage_user on User
      @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
      @refetchable(queryName: "KeysPagePaginationQuery") {
      username
      apiKeys(first: $count, after: $cursor) @connection(key: "KeysPage_apiKeys") {
        edges { node { id name maskedKey } }
      }
    }`,
  UsersPage: `
    query UsersPageQuery { ...UsersPage_query }
    fragment UsersPage_query on Query
      @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
      @refetchable(queryName: "UsersPagePaginationQuery") {
      users(first: $count, after: $cursor, filter: { role: { eq: USER } }) @connection(key: "UsersPage_users", filters: ["filter"]) {
        totalCount
        edges { cursor node { id username balance } }
        pageInfo { hasNextPage endCursor }
      }
    }`,
  KeyCreate: `
    mutation KeyCreateMutation($input: ApiKeyCreateInput!, $connections: [ID!]!) {
      apiKeyCreate(input: $input) {
        secret
        apiKey @appendNode(connections: $connections, edgeTypeName: "ApiKeyEdge") { id name }
        userErrors { field message code }
      }
    }`,
  Totals: `
    subscription TotalsSubscription { usageTotals(every: 1) { at totalRequests } }`,
};

export async function compilerChecks() {
  const work = mkdtempSync(join(tmpdir(), 'relay-'));
  const compiler = createRequire(import.meta.url)('relay-compiler');
  try {
    return await run([
      ['relay-compiler: connections, refetching, appending and watching', async () => {
        for (const [name, document] of Object.entries(DOCUMENTS)) {
          writeFileSync(join(work, `${name}.js`), `const {graphql} = require('relay-runtime');\ngraphql\`${document}\`;\n`);
        }
        writeFileSync(join(work, 'relay.config.json'), JSON.stringify({
          src: '.', schema: SDL, language: 'javascript', artifactDirectory: './__generated__', eagerEsModules: false,
          schemaConfig: { nonNodeIdFields: { allowedIdTypes: {} } },
        }));
        mkdirSync(join(work, '__generated__'));
        try {
          execFileSync(compiler, ['relay.config.json'], { cwd: work, stdio: 'pipe' });
        } catch (failed) {
          throw new Error(`${failed.stdout}${failed.stderr}`);
        }
        same(readdirSync(join(work, '__generated__')).filter((file) => file.endsWith('.graphql.js')).length, 8, 'artifacts');
      }],
    ]);
  } finally {
    rmSync(work, { recursive: true });
  }
}

// Turns vite's output into what the server embeds: every file gzipped under ../dist, and ../dist/files.rs,
// the table of them. Also collects the licences of everything that is bundled.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = dirname(fileURLToPath(import.meta.url));
const built = join(here, 'built');
const dist = join(here, '..', 'dist');

const KINDS = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.ttf': 'font/ttf',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)))
    .sort();
}

function licences() {
  const lock = JSON.parse(readFileSync(join(here, 'package-lock.json'), 'utf8'));
  const parts = [];
  for (const [path, { dev, version, license }] of Object.entries(lock.packages)) {
    if (!path || dev) continue;
    let text = '';
    try {
      const folder = join(here, path);
      const name = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
      if (name) text = readFileSync(join(folder, name), 'utf8').trim();
    } catch {
      continue;
    }
    parts.push(`${path.replace(/^.*node_modules\//, '')} ${version} (${license ?? 'see below'})\n\n${text}\n`);
  }
  return parts.join(`\n${'-'.repeat(72)}\n\n`);
}

writeFileSync(join(built, 'licences.txt'), licences());
rmSync(dist, { recursive: true, force: true });
const rows = files(built).map((path) => {
  const bytes = readFileSync(join(built, path));
  const kind = KINDS[extname(path)];
  if (!kind) throw new Error(`no media type for ${path}`);
  const target = join(dist, `${path}.gz`);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, gzipSync(bytes, { level: 9 }));
  const tag = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  return `    File {
        path: "${path}",
        kind: "${kind}",
        tag: "\\"${tag}\\"",
        gzip: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/dist/${path}.gz")),
    },\n`;
});
writeFileSync(join(dist, 'files.rs'), `// Written by graphql/assets/src/pack.mjs.\n&[\n${rows.join('')}]\n`);
console.log(`${rows.length} files packed`);

// Runs checks one after the other and prints a line for each.
import assert from 'node:assert/strict';

// Node 18, which Debian has, keeps it out of the globals; the SDKs want it there.
globalThis.File ??= (await import('node:buffer')).File;

export const { TOLLGATE, KEY_ALL: KEY, KEY_LIMITED: LIMITED } = process.env;
export const WRONG = 'sk-nobody-has-this-key';
export const [GPT, CLAUDE, GEMINI] = ['gpt-4o', 'claude-sonnet-4-5', 'gemini-2.5-flash'];
export const SAID = 'Hello from the fake upstream. Grüße, 世界! 🌍 This answer is complete.';
export const CITY = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
export { assert };

// The SDKs' advice about models and options is not what is checked here.
console.warn = () => {};
globalThis.AI_SDK_LOG_WARNINGS = false;

const checks = [];

export function check(name, run) {
  checks.push({ name, run });
}

/** The error that a call must end in. */
export async function refused(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('not refused');
}

export async function run(client) {
  let failed = 0;
  for (const { name, run } of checks) {
    const began = performance.now();
    try {
      await run();
      const took = (performance.now() - began).toFixed(0).padStart(5);
      console.log(`ok    ${client.padEnd(22)} ${name.padEnd(48)} ${took} ms`);
    } catch (error) {
      failed += 1;
      const text = String(error?.message ?? error).replaceAll('\n', ' ').slice(0, 400);
      console.log(`FAIL  ${client.padEnd(22)} ${name.padEnd(48)} ${error?.name}: ${text}`);
    }
  }
  process.exit(failed ? 1 : 0);
}

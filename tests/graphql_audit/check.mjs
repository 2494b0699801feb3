// Runs named checks one after the other and collects what became of them.

export async function run(checks) {
  const results = [];
  for (const [name, check] of checks) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('took longer than 20 s')), 20_000);
    });
    try {
      await Promise.race([check(), late]);
      results.push({ name, ok: true });
    } catch (error) {
      results.push({ name, ok: false, why: error?.message ?? String(error) });
    } finally {
      clearTimeout(timer);
    }
  }
  return results;
}

export function same(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: wanted ${b}, found ${a}`);
}

export function truth(value, what) {
  if (!value) throw new Error(what);
}

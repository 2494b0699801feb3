// Runs named checks one after the other, collects what became of them and tells it.

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

// Waits for something to be so.
export async function until(what, said) {
  for (let left = 200; !what(); left -= 1) {
    truth(left, said());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// Runs titled suites, prints every failure, and ends the process accordingly.
export async function tell(target, suites) {
  let failed = 0;
  for (const [title, suite] of suites) {
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
}

// The page for people in a real headless Chromium: sign in, run a query, see a subscription tick, open an example,
// sign out; with nothing loaded from elsewhere and nothing the page's policy had to stop.
//
//   node browser.mjs BASE USERNAME PASSWORD QUERY SUBSCRIPTION
//
// CHROMIUM names the browser (default /usr/bin/chromium).

import puppeteer from 'puppeteer-core';
import { same, truth } from './check.mjs';

const [base, username, password, query, subscription] = process.argv.slice(2);
if (!subscription) {
  console.error('usage: node browser.mjs BASE USERNAME PASSWORD QUERY SUBSCRIPTION');
  process.exit(2);
}

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-proxy-server'],
});
const complaints = [];
const foreign = [];
let failed = false;
try {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 800 });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !/^(data|blob):/.test(url)) foreign.push(url);
  });
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));

  const editor = '.graphiql-query-editor .monaco-editor';
  const write = async (text) => {
    await page.waitForSelector(editor);
    await page.click(`${editor} .view-lines`);
    await page.keyboard.down('Control');
    await page.keyboard.press('a');
    await page.keyboard.up('Control');
    await page.keyboard.press('Delete');
    // Pasted, so that the editor's own bracket helper does not write along.
    await page.evaluate((value) => {
      const target = document.activeElement;
      const data = new DataTransfer();
      data.setData('text/plain', value);
      target.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    }, text);
  };
  const run = () => page.click('.graphiql-execute-button');
  const answer = () =>
    page.$eval('.graphiql-response .view-lines', (lines) => lines.innerText.replace(/\u00a0/g, ' '));
  const wait = async (wanted, what) => {
    const until = Date.now() + 15_000;
    let last = '';
    while (Date.now() < until) {
      last = await answer().catch(() => '');
      if (wanted(last)) return last;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`${what}; last answer: ${last}`);
  };
  const step = async (name, action) => {
    await action();
    console.log(`ok ${name}`);
  };

  await step('the page loads', async () => {
    await page.goto(`${base}/graphiql`, { waitUntil: 'networkidle0' });
    await page.waitForSelector('.sign-in');
    await page.waitForSelector(editor);
  });
  await step('a wrong password is told', async () => {
    await page.type('[name=username]', username);
    await page.type('[name=password]', `${password}-wrong`);
    await page.click('.sign-in button');
    await page.waitForFunction(() => document.querySelector('.sign-in [role=status]')?.textContent.length > 0);
  });
  // Whoever is not signed in may not read the schema; the browser reports those refusals as errors.
  complaints.length = 0;
  await step('signing in', async () => {
    await page.$eval('[name=password]', (input) => { input.value = ''; });
    await page.type('[name=password]', password);
    await page.click('.sign-in button');
    await page.waitForSelector('.signed-in');
    truth((await page.$eval('.signed-in', (node) => node.innerText)).includes(username), 'the name is not shown');
  });
  await step('a query is answered', async () => {
    await write(query);
    await run();
    await wait((text) => text.includes('"data"') && !text.includes('"errors"'), 'no data');
  });
  await step('a subscription ticks', async () => {
    await write(subscription);
    await run();
    const first = await wait((text) => text.includes('"data"'), 'no event');
    await wait((text) => text.includes('"data"') && text !== first, 'no second event');
    await run();
  });
  await step('an example opens', async () => {
    if (!(await page.$('.examples'))) await page.click('[aria-label*="Examples"]');
    await page.waitForSelector('.examples button');
    const count = (await page.$$('.examples button')).length;
    truth(count > 0, 'no examples');
    await page.click('.examples button');
    await page.waitForFunction(
      (selector) => /query|mutation|subscription/.test(document.querySelector(`${selector} .view-lines`)?.innerText ?? ''),
      {},
      editor,
    );
  });
  await step('a reload keeps the session', async () => {
    await page.reload({ waitUntil: 'networkidle0' });
    await page.waitForSelector('.signed-in');
  });
  await step('signing out', async () => {
    same(complaints, [], 'errors in the console');
    await page.click('.signed-in button');
    await page.waitForSelector('.sign-in');
    same(await page.evaluate(() => Object.keys(sessionStorage)), [], 'what is left in the session');
  });
  await step('nothing came from elsewhere', async () => same(foreign, [], 'foreign requests'));
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT });
} catch (error) {
  failed = true;
  console.error(`FAIL ${error.message}`);
  if (complaints.length) console.error(`console: ${complaints.join('\n         ')}`);
  if (process.env.SCREENSHOT) {
    const [, page] = await browser.pages();
    await page?.screenshot({ path: process.env.SCREENSHOT });
  }
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);

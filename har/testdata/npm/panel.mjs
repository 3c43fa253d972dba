// Opens HAR files in the Network panel of Chrome DevTools, as its users do.
//
//	SSLTAPE_NPM=DIR node panel.mjs CHROMIUM FILE...
//
// Each file gives one line of JSON: the rows that the panel shows, the events
// of the EventStream tab of the first row that has one, in UTC, and the error
// of the import. A picture of the first file's goes to the file that SHOT names.
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import os from 'node:os';
import path from 'node:path';

const dir = path.resolve(process.env.SSLTAPE_NPM);
const {chromium} = createRequire(path.join(dir, 'package.json'))('playwright-core');
const [program, ...files] = process.argv.slice(2);
const limit = 120000; // ms for anything to happen

// A browser that serves its DevTools front end at an address of its own.
async function launch(profile) {
  const child = spawn(program, [
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--user-data-dir=' + profile, '--remote-debugging-port=0',
    '--remote-allow-origins=*', '--no-first-run', '--disable-background-networking', '--disable-component-update',
    '--disable-sync', '--lang=en-US', 'about:blank',
  ], {stdio: ['ignore', 'ignore', 'pipe'], env: {...process.env, TZ: 'UTC'}});
  const host = await new Promise((resolve, reject) => {
    let text = '';
    child.stderr.on('data', d => {
      text += d;
      const m = /DevTools listening on ws:\/\/([^/]+)\//.exec(text);
      if (m) resolve(m[1]);
    });
    child.once('error', reject);
    child.once('exit', code => reject(Error(`${program}: exit ${code}\n${text}`)));
  });
  child.removeAllListeners('exit');
  return {child, host};
}

// The page that the browser opens by itself, which is a moment after it listens.
async function blank(host) {
  for (const end = Date.now() + limit; Date.now() < end; await new Promise(resolve => setTimeout(resolve, 50))) {
    const targets = await (await fetch(`http://${host}/json/list`)).json();
    const target = targets.find(t => t.type === 'page' && t.url === 'about:blank');
    if (target) return target;
  }
  throw Error(`${program} has no page`);
}

// A page with the Network panel. Without screencast it has the whole width.
async function open(browser, host) {
  const target = await blank(host);
  const page = await browser.contexts()[0].newPage();
  page.setDefaultTimeout(limit);
  await page.setViewportSize({width: 1200, height: 700});
  await page.addInitScript(() => { try { localStorage.setItem('screencast-enabled', 'false'); } catch {} });
  await page.goto(`http://${host}/devtools/inspector.html?ws=${host}/devtools/page/${target.id}&panel=network`);
  await page.locator('input[type=file]').waitFor({state: 'attached'});
  await page.evaluate(async () => {
    const {Console} = await import('/devtools/core/common/common.js');
    window.importError = '';
    Console.Console.instance().addEventListener('messageAdded', e => {
      if (/HAR/.test(e.data.text)) window.importError = e.data.text;
    });
  });
  return page;
}

// By path: what Playwright passes through itself must not be above 50 MB.
async function choose(page, file) {
  const cdp = await page.context().newCDPSession(page);
  const handle = await page.locator('input[type=file]').evaluateHandle(e => { window.fileInput = e; return e; });
  const {result} = await cdp.send('Runtime.evaluate', {expression: 'window.fileInput'});
  await cdp.send('DOM.enable');
  await cdp.send('DOM.setFileInputFiles', {objectId: result.objectId, files: [path.resolve(file)]});
  await handle.dispose();
  await page.waitForFunction(async () => {
    const {NetworkLog} = await import('/devtools/models/logs/logs.js');
    return window.importError || NetworkLog.NetworkLog.instance().requests().length > 0;
  });
}

const grid = '.network-log-grid tbody tr.data-grid-data-grid-node';

// What read makes of n rows or more. DevTools takes them away and makes them anew
// until it has come to rest.
async function settled(page, rows, n, read) {
  let shown = [];
  for (const end = Date.now() + limit; Date.now() < end;) {
    const before = JSON.stringify(shown);
    await page.evaluate(() => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 200))));
    shown = await page.locator(rows).evaluateAll(read);
    if (shown.length >= n && JSON.stringify(shown) === before) break;
  }
  return shown;
}

// What the panel shows, of which only what is in sight is in the document.
async function rows(page) {
  const n = await page.evaluate(async () => {
    const {NetworkLog} = await import('/devtools/models/logs/logs.js');
    return NetworkLog.NetworkLog.instance().requests().length;
  });
  await page.setViewportSize({width: 1200, height: Math.max(480, 300 + 45 * n)});
  return settled(page, grid, n, trs => trs.map(tr => {
    const cell = name => tr.querySelector(`td.${name}-column`)?.innerText.trim() ?? '';
    return {name: cell('name'), status: cell('status'), type: cell('type'), size: cell('size')};
  }));
}

// The events of the first row of an event stream.
async function events(page, shown, shot) {
  const [name, n] = await page.evaluate(async () => {
    const {NetworkLog} = await import('/devtools/models/logs/logs.js');
    const r = NetworkLog.NetworkLog.instance().requests().find(r => r.eventSourceMessages().length);
    return [r?.name(), r?.eventSourceMessages().length];
  });
  if (!name) return [];
  const i = shown.findIndex(r => r.name === name);
  if (i < 0) throw Error(`no row of ${name} in ${JSON.stringify(shown)}`);
  const cell = page.locator(`${grid} td.name-column`).nth(i);
  const tab = page.getByRole('tab', {name: 'EventStream'});
  for (let tries = 1;; tries++) { // the row may move between a look at it and the click
    await cell.scrollIntoViewIfNeeded();
    const box = await cell.boundingBox();
    await page.mouse.click(box.x + 60, box.y + 5);
    try {
      await tab.click({timeout: limit / 12});
      break;
    } catch (e) {
      if (tries === 12) throw e;
    }
  }
  const messages = await settled(page, '.event-source-messages-view tbody tr.data-grid-data-grid-node', Math.min(n, 3), // of many those in sight
    trs => trs.map(tr => [...tr.querySelectorAll('td')].map(td => td.innerText.trim())));
  if (shot) {
    const handles = page.locator('.event-source-messages-view .data-grid-resizer');
    for (const [i, dx] of [[1, 80], [2, -60]]) { // so that types and times are whole
      const box = await handles.nth(i).boundingBox();
      await page.mouse.move(box.x + box.width / 2, box.y + 5);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width / 2 + dx, box.y + 5, {steps: 4});
      await page.mouse.up();
    }
    await page.mouse.move(700, 470);
    await page.screenshot({path: shot, clip: {x: 0, y: 0, width: 1200, height: 330}});
  }
  return messages;
}

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'har-panel-'));
const {child, host} = await launch(profile);
try {
  const browser = await chromium.connectOverCDP('http://' + host, {timeout: limit});
  for (const file of files) {
    const page = await open(browser, host);
    await choose(page, file);
    const shown = await rows(page);
    const error = await page.evaluate(() => window.importError);
    console.log(JSON.stringify({file, error, rows: shown, events: await events(page, shown, file === files[0] && process.env.SHOT)}));
    await page.close();
  }
  await browser.close();
} finally {
  const gone = new Promise(resolve => child.once('exit', resolve));
  if (child.exitCode === null && child.signalCode === null) {
    child.kill();
    const late = setTimeout(() => child.kill('SIGKILL'), 10000);
    await gone;
    clearTimeout(late);
  }
  // Its helpers may still write to the profile for a moment; what they leave
  // in the folder for temporary files does not matter to the test.
  for (let i = 0; i < 20 && fs.existsSync(profile); i++) {
    try {
      fs.rmSync(profile, {recursive: true, force: true});
    } catch {
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }
}

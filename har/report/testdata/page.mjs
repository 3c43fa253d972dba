// Opens a report in headless Chromium, uses it as a person would, and prints
// what it showed as JSON. Filters are tried one by one, and for each the numbers
// of the exchanges that it leaves are printed, or what the page says of it.
//
//	SSLTAPE_NPM=DIR node page.mjs FILE FILTERS-AS-JSON [FOLDER FOR SCREENSHOTS]
import {createRequire} from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(path.resolve(process.env.SSLTAPE_NPM), 'package.json'));
const {chromium} = require('playwright-core');
const [file, filters, shots] = process.argv.slice(2);
const browser = await chromium.launch({executablePath: '/usr/lib/chromium/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']});
const page = await browser.newPage({viewport: {width: 1200, height: 700}});
page.setDefaultTimeout(120000);
const seen = {messages: [], requests: [], tabs: [], bars: [], filters: []};
page.on('console', m => seen.messages.push(m.text()));
page.on('pageerror', e => seen.messages.push(String(e)));
page.on('dialog', d => { seen.messages.push('dialog: ' + d.message()); d.dismiss(); });
page.on('request', r => seen.requests.push(r.url()));
const shot = name => shots && page.screenshot({path: path.join(shots, name + '.png')});
const rows = page.locator('#exchanges tbody tr');
const numbers = () => page.evaluate(() => [...document.querySelectorAll('#exchanges tbody tr')].filter(r => !r.hidden).map(r => +r.cells[0].textContent));
await page.goto('file://' + path.resolve(file));
seen.rows = (await numbers()).length;
seen.header = await page.locator('header').innerText();
await shot('list');
for (let i = 0; i < (seen.rows > 100 ? 1 : seen.rows); i++) {
  const tabs = {};
  await rows.nth(i).click();
  for (const tab of await page.locator('[role=tab]').allTextContents()) {
    await page.click(`[role=tab]:text-is("${tab}")`);
    await page.evaluate(() => document.querySelectorAll('details').forEach(d => { d.open = true; }));
    tabs[tab] = await page.locator('#content').innerText();
    if (tab === 'Overview') seen.bars.push(await page.$$eval('.timing i', bars => bars.map(b => b.title)));
    await shot(`${i + 1}-${tab.toLowerCase()}`);
  }
  seen.tabs.push(tabs);
}
if (await page.locator('#processes').count()) {
  await page.click('#processes');
  seen.processes = await page.locator('#content').innerText();
  await shot('processes');
}
await page.keyboard.press('Escape');
seen.closed = await page.locator('#detail').isHidden();
const filtered = () => page.waitForSelector('#exchanges:not([aria-busy=true])', {state: 'attached'});
for (const f of JSON.parse(filters)) {
  await page.fill('#filter', f);
  await filtered();
  const wrong = await page.textContent('#wrong');
  seen.filters.push(wrong ? {wrong} : {ids: await numbers()});
}
seen.count = await page.textContent('#count');
await page.fill('#filter', '');
await filtered();
await page.keyboard.press('Escape');
await page.evaluate(() => document.activeElement.blur());
await page.keyboard.press('j');
await page.keyboard.press('j');
await page.keyboard.press('Enter');
seen.second = await page.locator('tr[aria-selected=true] td').first().textContent();
await page.keyboard.press('Escape');
await page.emulateMedia({colorScheme: 'dark'});
await page.setViewportSize({width: 390, height: 800});
await shot('phone-list');
await rows.nth(0).click();
seen.narrow = await page.evaluate(() => document.documentElement.scrollWidth);
await shot('phone');
seen.injected = await page.evaluate(() => window.injected === undefined ? 'no' : 'yes');
seen.markup = await page.locator('img, iframe, object, embed, a, svg, form').count();
console.log(JSON.stringify(seen));
await browser.close();

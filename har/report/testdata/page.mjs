// Opens a report in headless Chromium, uses it as a person would, and prints
// what it showed as JSON.
//
//	SSLTAPE_NPM=DIR node page.mjs FILE [FOLDER FOR SCREENSHOTS]
import {createRequire} from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(path.resolve(process.env.SSLTAPE_NPM), 'package.json'));
const {chromium} = require('playwright-core');
const [file, shots] = process.argv.slice(2);
const browser = await chromium.launch({executablePath: '/usr/lib/chromium/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync']});
const page = await browser.newPage({viewport: {width: 1200, height: 700}});
const seen = {messages: [], requests: [], tabs: {}};
page.on('console', m => seen.messages.push(m.text()));
page.on('pageerror', e => seen.messages.push(String(e)));
page.on('dialog', d => { seen.messages.push('dialog: ' + d.message()); d.dismiss(); });
page.on('request', r => seen.requests.push(r.url()));
const shot = name => shots && page.screenshot({path: path.join(shots, name + '.png')});
const visible = () => page.locator('tbody tr:visible').count();
await page.goto('file://' + path.resolve(file));
seen.rows = await visible();
await shot('list');
await page.click('tbody tr:nth-child(1)');
for (const tab of await page.locator('[role=tab]').allTextContents()) {
  await page.click(`[role=tab]:text-is("${tab}")`);
  seen.tabs[tab] = await page.locator('#content').innerText();
  await shot(tab.toLowerCase());
}
await page.keyboard.press('Escape');
seen.closed = await page.locator('#detail').isHidden();
await page.keyboard.press('/');
await page.keyboard.type('is:sse');
seen.filtered = await visible();
seen.count = await page.textContent('#count');
await page.keyboard.press('Escape');
await page.keyboard.press('j');
await page.keyboard.press('j');
await page.keyboard.press('Enter');
seen.second = await page.locator('tr[aria-selected=true] td').first().textContent();
await page.emulateMedia({colorScheme: 'dark'});
await page.setViewportSize({width: 390, height: 800});
seen.narrow = await page.evaluate(() => document.documentElement.scrollWidth);
await shot('phone');
seen.injected = await page.evaluate(() => window.injected === undefined ? 'no' : 'yes');
seen.markup = await page.locator('img, iframe, object, a').count();
console.log(JSON.stringify(seen));
await browser.close();

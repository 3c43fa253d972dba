// Answers the requests of a page from a HAR file, by Playwright's routeFromHAR.
//
//	SSLTAPE_NPM=DIR node playback.mjs CHROMIUM FILE REQUESTS
//
// REQUESTS is a file of JSON: [{"method", "url", "type", "body": base64}]. The
// first one is where the page is. Each request gives one line of JSON: its
// status and body as the page's fetch had them, or the error.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(path.resolve(process.env.SSLTAPE_NPM), 'package.json'));
const {chromium} = require('playwright-core');
const [executablePath, har, requests] = process.argv.slice(2);
const all = JSON.parse(fs.readFileSync(requests, 'utf8'));

async function ask({method, url, type, body}) {
  const bytes = Uint8Array.from(atob(body ?? ''), c => c.charCodeAt(0));
  try {
    const r = await fetch(url, {
      method, redirect: 'manual', headers: type ? {'content-type': type} : {}, body: bytes.length ? bytes : undefined,
    });
    let text = '';
    for (const b of new Uint8Array(await r.arrayBuffer())) text += String.fromCharCode(b);
    return {url, status: r.status, body: btoa(text)};
  } catch (e) {
    return {url, error: e.message};
  }
}

const browser = await chromium.launch({executablePath, timeout: 120000, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking']});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(120000);
  await page.routeFromHAR(har, {notFound: 'abort'});
  await page.goto(all[0].url);
  for (const r of all) console.log(JSON.stringify(await page.evaluate(ask, r)));
} finally {
  await browser.close();
}

// Judges HAR files by Chrome DevTools' own importer and by har-validator.
//
//	SSLTAPE_NPM=DIR node check.mjs FILE...
//
// DIR is where the packages of package.json are installed. Each file gives one
// line of JSON: what DevTools made of each entry, or why a reader refused it.
import {createRequire} from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const dir = path.resolve(process.env.SSLTAPE_NPM);
const require = createRequire(path.join(dir, 'package.json'));

// The front end of DevTools as one module. Its sources name the .js files that
// its build would make of .ts files and of generated ones.
async function bundle(out) {
  const frontEnd = path.join(dir, 'node_modules/chrome-devtools-frontend/front_end');
  const sources = {
    name: 'sources',
    setup(build) {
      build.onResolve({filter: /^\.{1,2}\/.*\.js$/}, a => {
        const js = path.resolve(a.resolveDir, a.path), ts = js.replace(/\.js$/, '.ts');
        const found = [js, ts].find(p => fs.existsSync(p));
        return found ? {path: found} : {path: js, namespace: 'generated'};
      });
      build.onLoad({filter: /./, namespace: 'generated'}, a => ({
        loader: 'js',
        contents: a.path.endsWith('/locales.js')
          ? 'export const BUNDLED_LOCALES=["en-US"],LOCALES=["en-US"],DEFAULT_LOCALE="en-US",LOCAL_FETCH_PATTERN="",REMOTE_FETCH_PATTERN="";'
          : 'export default "";',
      }));
    },
  };
  const partial = `${out}.${process.pid}`;
  await require('esbuild').build({
    stdin: {
      resolveDir: frontEnd,
      loader: 'ts',
      contents: `import * as HAR from './models/har/har.js';
        import * as Protocol from './generated/protocol.js';
        globalThis.Protocol = Protocol;
        export {HAR};`,
    },
    bundle: true, format: 'esm', platform: 'node', outfile: partial, logLevel: 'error', preserveSymlinks: true, plugins: [sources],
  });
  fs.renameSync(partial, out);
}

async function devtools(HAR, text) {
  const root = new HAR.HARFormat.HARRoot(JSON.parse(text));
  return Promise.all(HAR.Importer.Importer.requestsFromHARLog(root.log).map(async r => {
    const c = await r.requestContentData();
    return {
      id: r.connectionId, method: r.requestMethod, url: r.url(), status: r.statusCode, type: r.resourceType().name(),
      remote: r.remoteAddress(), transferSize: r.transferSize, ms: Math.round((r.endTime - r.startTime) * 1e6) / 1e3,
      events: r.eventSourceMessages().length ? r.eventSourceMessages().map(m => `${m.time} ${m.data}`) : null,
      body: c.isTextContent ? c.text : 'base64:' + c.base64,
    };
  }));
}

async function validate(text) {
  try {
    await require('har-validator').har(JSON.parse(text));
    return [];
  } catch (e) {
    return (e.errors ?? [e]).map(x => `${x.dataPath ?? ''} ${x.message}`);
  }
}

const out = path.join(dir, '.devtools-har.mjs');
if (!fs.existsSync(out)) await bundle(out);
const {HAR} = await import(pathToFileURL(out));
for (const file of process.argv.slice(2)) {
  const text = fs.readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  const verdict = {file, schema: await validate(text)};
  try {
    verdict.entries = await devtools(HAR, text);
  } catch (e) {
    verdict.error = e.message;
  }
  console.log(JSON.stringify(verdict));
}

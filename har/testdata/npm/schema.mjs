// Judges files of JSON Lines by a JSON Schema of their lines.
//
//	SSLTAPE_NPM=DIR node schema.mjs SCHEMA FILE...
//
// Each line that the schema refuses gives one line of JSON: where it is, and
// why. How many lines of each type were judged comes last.
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(path.resolve(process.env.SSLTAPE_NPM), 'package.json'));
const Ajv = require('ajv');
const [schema, ...files] = process.argv.slice(2);
const validate = new Ajv({allErrors: true, schemaId: 'auto'}).compile(JSON.parse(fs.readFileSync(schema, 'utf8')));
const types = {};
for (const file of files) {
  for (const [i, text] of fs.readFileSync(file, 'utf8').trimEnd().split('\n').entries()) {
    const line = JSON.parse(text);
    types[line.type] = (types[line.type] ?? 0) + 1;
    if (validate(line)) continue;
    const why = validate.errors.map(e => `${e.dataPath} ${e.message} ${JSON.stringify(e.params)}`);
    console.log(JSON.stringify({at: `${path.basename(file)}:${i + 1}`, why: why.filter(w => !w.startsWith('.type '))}));
  }
}
console.log(JSON.stringify({types}));

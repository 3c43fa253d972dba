// The filter: the language of `ssltape help filter`, but that regular
// expressions are those of JavaScript. parseFilter returns a test of the number
// of an exchange, or throws an Error that says what is wrong and where.
const folded = s => String(s).toLowerCase();
const texts = (exact, get) => v => {
  let re;
  if (v.regex) re = new RegExp(v.text, v.fold ? 'i' : '');
  else {
    let source = v.text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
    if (!v.quoted) source = source.replace(/\\\*/g, '.*').replace(/\\\?/g, '.');
    re = new RegExp(exact ? '^(?:' + source + ')$' : source, 'is');
  }
  return i => get(summaries[i], i).some(t => re.test(t || ''));
};
const unit = (s, units) => {
  const m = /^([0-9]*\.?[0-9]+)([a-zµ]*)$/i.exec(s);
  const by = m && (units[m[2].toLowerCase()] ?? (m[2] === '' ? 1 : undefined));
  if (by === undefined || by === null) throw new Error('"' + s + '" is no number and no range such as 10..20 or >=10');
  return m[1] * by;
};
const plain = s => unit(s, {}), seconds = s => unit(s, {s: 1, ms: 1e-3, us: 1e-6, 'µs': 1e-6, m: 60, h: 3600});
const bytes = s => unit(s, {b: 1, k: 1e3, kb: 1e3, m: 1e6, mb: 1e6, g: 1e9, gb: 1e9, ki: 1024, kib: 1024, mi: 1 << 20, mib: 1 << 20, gi: 1 << 30, gib: 1 << 30});
const numbers = (parse, get, prefix = '') => v => {
  const s = prefix + v.text, [, op, rest] = /^(>=|<=|>|<)?(.*)$/.exec(s);
  let test;
  if (op) {
    const limit = parse(rest);
    test = {'>=': n => n >= limit, '<=': n => n <= limit, '>': n => n > limit, '<': n => n < limit}[op];
  } else {
    const [from, to] = s.includes('..') ? s.split('..') : [s, s];
    const low = from === '' ? -Infinity : parse(from), high = to === '' ? Infinity : parse(to);
    test = n => n >= low && n <= high;
  }
  return i => test(get(summaries[i]));
};
const moment = sign => v => {
  const clocked = /^\d?\d:\d\d(:\d\d)?$/.test(v.text), given = clocked ? 0 : new Date(v.text.length === 10 ? v.text + 'T00:00' : v.text).getTime();
  if (Number.isNaN(given)) throw new Error('"' + v.text + '" is no time such as 14:30, 2026-01-02 or 2026-01-02T14:30:00');
  return i => {
    let limit = given;
    if (clocked) limit = new Date(summaries[i].start).setHours(...v.text.split(':').map(Number).concat(0).slice(0, 3), 0);
    return sign * (summaries[i].start - limit) > 0;
  };
};
const flags = {
  sse: s => s.type === 'text/event-stream', llm: s => s.llm, error: s => s.status >= 400 || !!s.err || !!s.failed, incomplete: s => !!s.err,
  lost: s => s.lost > 0, cut: s => s.cut > 0, websocket: s => s.websocket,
};
const states = v => {
  const test = flags[folded(v.text)];
  if (!test) throw new Error('nothing is:' + v.text + '; there are ' + Object.keys(flags).join(', '));
  return i => !!test(summaries[i]);
};
const presence = v => {
  const m = /^(req\.)?header\.(.+)$/i.exec(v.text), name = m && folded(m[2]);
  if (m) return i => entryOf(i)[m[1] ? 'request' : 'response'].headers.some(h => folded(h.name) === name);
  if (v.text === 'body') return i => summaries[i].received > 0;
  if (v.text === 'req.body') return i => summaries[i].sent > 0;
  throw new Error('nothing has:' + v.text + '; there are req.header.NAME, header.NAME, req.body, body');
};
const bodyOf = c => !c || !c.text ? '' : c.encoding === 'base64' ? textOf(c.text) : c.text;
const headersOf = side => (s, i) => entryOf(i)[side].headers.map(h => h.name + ': ' + h.value);
const keys = {
  host: texts(true, s => [hostOf(s.url), hostOf(s.url).replace(/:\d+$/, '')]),
  path: texts(true, s => [pathOf(s.url), pathOf(s.url).split('?')[0]]),
  url: texts(false, s => [s.url]),
  method: texts(true, s => [s.method]),
  status: v => /^[1-9]xx$/i.test(v.text) ? numbers(plain, s => s.status)({text: v.text[0] + '00..' + v.text[0] + '99'}) : numbers(plain, s => s.status)(v),
  type: texts(true, s => [s.type, s.type.replace(/^[^/]*\//, ''), shortType(s.type)]),
  pid: numbers(plain, s => s.pid || 0),
  comm: texts(true, s => [s.comm]),
  time: numbers(seconds, s => s.total / 1000),
  size: numbers(bytes, s => s.received),
  'req.size': numbers(bytes, s => s.sent),
  header: texts(false, headersOf('response')),
  'req.header': texts(false, headersOf('request')),
  body: texts(false, (s, i) => [bodyOf(entryOf(i).response.content)]),
  'req.body': texts(false, (s, i) => [bodyOf(entryOf(i).request.postData)]),
  event: texts(true, (s, i) => (entryOf(i)._eventSourceMessages || []).map(m => m.eventName || 'message')),
  model: texts(true, s => [s.model]),
  conn: numbers(plain, s => s.conn || 0),
  id: numbers(plain, s => s.id),
  after: moment(1), before: moment(-1),
  is: states, has: presence,
};
Object.assign(keys, {domain: keys.host, 'status-code': keys.status, 'mime-type': keys.type, 'larger-than': numbers(bytes, s => s.received, '>=')});

function parseFilter(text) {
  let at = 0;
  const fail = (message, pos = at) => { throw new Error('column ' + (pos + 1) + ': ' + message); };
  const peek = () => {
    at += /^\s*/.exec(text.slice(at))[0].length;
    return /^([()]|[^\s()]+)?/.exec(text.slice(at))[0];
  };
  const value = stop => {
    const rest = text.slice(at), start = at;
    if (rest[0] === '"' || rest[0] === "'") {
      const m = new RegExp('^' + rest[0] + '((?:\\\\.|[^\\\\' + rest[0] + '])*)' + rest[0]).exec(rest);
      if (!m) fail('the quote is not closed');
      at += m[0].length;
      if (at < text.length && !stop.test(text[at])) fail('a space is missing after the quote');
      return {text: m[1].replace(/\\(["'\\])/g, '$1'), quoted: true, start};
    }
    const re = /^\/((?:\\.|[^\\/\s])+)\/(i?)(?=$|[\s,)])/.exec(rest);
    if (re) {
      at += re[0].length;
      return {text: re[1], regex: true, fold: re[2] === 'i', start};
    }
    const n = rest.search(stop), word = n < 0 ? rest : rest.slice(0, n);
    if (!word) fail('a value is missing');
    at += word.length;
    return {text: word, start};
  };
  const term = () => {
    const word = peek(), start = at, m = /^([a-z.-]+):(?!\/\/)/i.exec(word);
    let make = keys.url, stop = /[\s()]/;
    if (m) {
      make = Object.hasOwn(keys, folded(m[1])) && keys[folded(m[1])];
      if (!make) fail('"' + m[1] + '" is no key; there are ' + Object.keys(keys).slice(0, 23).join(', '), start);
      at += m[0].length;
      stop = /[\s(),]/;
    }
    const tests = [];
    for (;;) {
      const v = value(stop);
      try { tests.push(make(v)); } catch (e) { fail(e.message, v.start); }
      if (!m || text[at] !== ',') return i => tests.some(t => t(i));
      at++;
    }
  };
  const not = () => {
    const word = peek();
    if (folded(word) === 'not') at += 3;
    else if (/^[-!]/.test(word)) at++;
    else if (word === '(') {
      const start = at++, inner = or();
      if (peek() !== ')') fail('not closed', start);
      at++;
      return inner;
    } else if (word === '' || word === ')') fail('a term is missing');
    else return term();
    const inner = not();
    return i => !inner(i);
  };
  const and = () => {
    const tests = [];
    for (;;) {
      const word = folded(peek());
      if (word === 'and' && tests.length) at += 3;
      else if (word === '' || word === ')' || word === 'or') {
        if (!tests.length) fail('a term is missing');
        return i => tests.every(t => t(i));
      }
      tests.push(not());
    }
  };
  const or = () => {
    const tests = [and()];
    while (folded(peek()) === 'or') {
      at += 2;
      tests.push(and());
    }
    return i => tests.some(t => t(i));
  };
  if (!text.trim()) return () => true;
  const test = or();
  if (peek() === ')') fail('nothing to close here');
  return test;
}

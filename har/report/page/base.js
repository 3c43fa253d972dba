// What the other parts of the script stand on: data, elements, units.
// Everything captured goes into the page as text, never as markup.
const all = cls => [...document.querySelectorAll('script.' + cls)];
const summaries = all('summary').map(s => JSON.parse(s.textContent));
const entryNodes = all('entry'), chatNodes = all('chat');
const about = JSON.parse(all('about')[0].textContent);
const processes = all('process').map(s => JSON.parse(s.textContent));
const entries = new Map();
const entryOf = i => { // the HAR entry of an exchange, parsed when it is first needed
  if (!entries.has(i)) entries.set(i, JSON.parse(entryNodes[i].textContent));
  return entries.get(i);
};

// Characters that show nothing, or reorder what stands beside them, are shown
// by their number.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const visible = s => String(s).replace(unseen, c => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));

// el makes an element; children are elements, texts, and lists of them.
const el = (tag, props, ...children) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? '' : visible(v));
  }
  for (const c of children.flat(Infinity)) {
    if (c !== null && c !== undefined && c !== false) e.append(c instanceof Node ? c : visible(c));
  }
  return e;
};

const plural = (n, thing) => n + ' ' + thing + (n === 1 ? '' : 's');
const size = n => n < 1000 ? n + ' B' : n < 1e6 ? (n / 1e3).toFixed(1) + ' kB' : n < 1e9 ? (n / 1e6).toFixed(1) + ' MB' : (n / 1e9).toFixed(1) + ' GB';
const time = ms => ms < 0.95 ? ms.toFixed(ms < 0.05 ? 0 : 1) + ' ms' : ms < 999.5 ? ms.toFixed(ms < 10 ? 1 : 0) + ' ms'
  : ms < 99950 ? (ms / 1000).toFixed(2) + ' s' : (ms / 60000).toFixed(1) + ' min';
const clock = ms => new Date(ms).toISOString().slice(11, 23);
const shortType = t => t === 'text/event-stream' ? 'sse' : t.replace(/^[^/]*\//, '').replace(/^.*\+/, '').replace(/^x-/, '');
const hostOf = url => (url.match(/^[a-z]+:\/\/([^/?#]*)/i) || ['', ''])[1];
const pathOf = url => url.replace(/^[a-z]+:\/\/[^/?#]*/i, '') || '/';

// Bytes that are text, as text; others as a hex dump of their start.
const textOf = base64 => {
  const bytes = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  try { return new TextDecoder('utf-8', {fatal: true}).decode(bytes); } catch { return hex(bytes); }
};
const hex = bytes => {
  const lines = [];
  for (let i = 0; i < Math.min(bytes.length, 4096); i += 16) {
    const row = [...bytes.slice(i, i + 16)];
    lines.push(i.toString(16).padStart(8, '0') + '  ' + row.map(b => b.toString(16).padStart(2, '0')).join(' ').padEnd(49) +
      row.map(b => b > 31 && b < 127 ? String.fromCharCode(b) : '.').join(''));
  }
  if (bytes.length > 4096) lines.push('… ' + (bytes.length - 4096) + ' more bytes');
  return lines.join('\n');
};
const pretty = text => { try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };

// A text that can be copied as it was, whatever is shown of it.
const maxShown = 400000;
const code = (text, shown = text, cls = '') => {
  const button = el('button', {class: 'copy', title: 'copy', onclick: async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = 'copied'; } catch { button.textContent = 'not allowed'; }
    setTimeout(() => { button.textContent = 'copy'; }, 1200);
  }}, 'copy');
  const rest = shown.length - maxShown;
  return el('div', {class: 'box'}, button, el('pre', {class: cls}, rest > 0 ? shown.slice(0, maxShown) + '\n… ' + rest + ' more characters: copy has them' : shown));
};
const fields = list => el('dl', null, list.map(h => [el('dt', null, h.name), el('dd', null, h.value)]));
const pairs = object => fields(Object.entries(object).filter(([, v]) => v !== undefined && v !== null && v !== '').map(([name, value]) => ({name, value: String(value)})));

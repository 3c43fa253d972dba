'use strict';
(() => {
// Everything captured goes into the page as text, never as markup.
const all = cls => [...document.querySelectorAll('script.' + cls)];
const summaries = all('summary').map(s => JSON.parse(s.textContent));
const entryNodes = all('entry'), chatNodes = all('chat');
const about = JSON.parse(all('about')[0].textContent);
const el = (tag, props, ...children) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props || {})) {
    if (k === 'class') e.className = v;
    else if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v);
  }
  for (const c of children.flat(Infinity)) if (c !== null && c !== undefined) e.append(c);
  return e;
};
const size = n => n < 1000 ? n + ' B' : n < 1e6 ? (n / 1e3).toFixed(1) + ' kB' : (n / 1e6).toFixed(1) + ' MB';
const time = ms => ms < 1000 ? ms.toFixed(ms < 10 ? 1 : 0) + ' ms' : (ms / 1000).toFixed(2) + ' s';
const clock = ms => new Date(ms).toISOString().slice(11, 23);
const shortType = t => t === 'text/event-stream' ? 'sse' : t.replace(/^application\/|^text\//, '');
const utf8 = s => { // base64 to text, as far as it is text
  const bytes = Uint8Array.from(atob(s), c => c.charCodeAt(0));
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

// The filter: words that must all occur; key:value for some keys; - for not.
const matches = (s, query) => query.toLowerCase().split(/\s+/).filter(Boolean).every(word => {
  const not = word.startsWith('-') && word.length > 1;
  if (not) word = word.slice(1);
  const [, key, value] = word.match(/^(status|method|host|type|process|model|is):(.*)$/) || [];
  return not !== (key ? test(s, key, value) : (s.method + ' ' + s.url + ' ' + s.status + ' ' + s.type + ' ' + s.process).toLowerCase().includes(word));
});
const test = (s, key, value) => {
  switch (key) {
  case 'status': return new RegExp('^' + value.replace(/[^0-9x]/g, '').replace(/x/g, '.') + '$').test(String(s.status));
  case 'host': return host(s.url).includes(value);
  case 'model': return (s.chat || '').toLowerCase().includes(value);
  case 'is': return {sse: s.events > 0, llm: s.chat !== undefined, error: s.status >= 400 || !!s.err, incomplete: !!s.err, lost: s.lost > 0}[value] || false;
  default: return String(s[key]).toLowerCase().includes(value);
  }
};
const host = url => (url.match(/^[a-z]+:\/\/([^/?#]*)/i) || ['', ''])[1].toLowerCase();

// The list.
const first = Math.min(...summaries.map(s => s.start)), last = Math.max(...summaries.map(s => s.start + s.total));
const span = Math.max(1, last - first);
const bar = s => {
  const part = (cls, from, long) => {
    const i = el('i', {class: cls});
    i.style.left = 100 * (from - first) / span + '%';
    i.style.width = 100 * long / span + '%';
    return i;
  };
  const waited = Math.min(s.total, s.send + s.wait);
  return el('div', {class: 'bar', title: 'waited ' + time(s.wait) + ' of ' + time(s.total)},
    part('wait', s.start, waited), part('recv', s.start + waited, s.total - waited));
};
const statusClass = s => 's ' + (s.err || s.status >= 400 || !s.status ? 'bad' : s.status >= 300 ? 'warn' : 'ok');
const rows = summaries.map((s, i) => el('tr', {tabindex: '-1', 'aria-selected': 'false', onclick: () => show(i)},
  el('td', {class: 'n dim'}, s.id), el('td', {class: 'm'}, s.method || '?'), el('td', {class: 'u', title: s.url}, s.url.replace(/^https:\/\//, '')),
  el('td', {class: statusClass(s), title: s.err || ''}, s.status || '—', s.err ? ' !' : ''), el('td', {class: 't dim'}, shortType(s.type)),
  el('td', {class: 'b'}, size(s.received)), el('td', {class: 'd'}, time(s.total)), el('td', {class: 'w'}, bar(s))));
const body = el('tbody', null, rows);
const count = el('span', {class: 'dim', id: 'count'});
const filter = el('input', {type: 'search', placeholder: 'filter: words, status:4xx host:… method:… is:sse|llm|error, -not', 'aria-label': 'filter', oninput: apply});
const detail = el('div', {id: 'detail', hidden: ''});
const main = el('main', null, el('div', {id: 'list'}, el('table', null,
  el('thead', null, el('tr', null, ['n #', 'm Method', 'u URL', 's Status', 't Type', 'b Size', 'd Time', 'w Waterfall'].map(h => el('th', {class: h[0]}, h.slice(2))))), body)), detail);
document.body.append(el('header', null, el('h1', {title: about.title}, about.title), count, filter,
  el('span', {class: 'dim'}, about.redaction ? 'redacted: ' + about.redaction : 'not redacted')), main);
function apply() {
  let n = 0;
  rows.forEach((r, i) => { r.hidden = !matches(summaries[i], filter.value); n += !r.hidden; });
  count.textContent = n === rows.length ? n + ' exchanges' : n + ' of ' + rows.length + ' exchanges';
}

// The detail of one exchange, a tab at a time.
let current = -1, tab = '';
function show(i) {
  if (rows[current]) rows[current].setAttribute('aria-selected', 'false');
  current = i;
  rows[i].setAttribute('aria-selected', 'true');
  rows[i].scrollIntoView({block: 'nearest'});
  main.classList.add('open');
  detail.hidden = false;
  const entry = JSON.parse(entryNodes[i].textContent), chat = JSON.parse(chatNodes[i].textContent);
  const tabs = {
    ...(chat && {Chat: () => chatView(chat)}),
    Headers: () => headersView(entry, summaries[i]),
    Request: () => bodyView(entry.request.postData, entry.request.postData && entry.request.postData.encoding),
    Response: () => bodyView(entry.response.content, entry.response.content.encoding),
    ...(entry._eventSourceMessages && {Events: () => eventsView(entry)}),
    ...(entry._webSocketMessages && {Messages: () => messagesView(entry)}),
    Timing: () => timingView(entry),
  };
  if (!tabs[tab]) tab = Object.keys(tabs)[0];
  const content = el('section', {id: 'content'});
  const select = name => {
    tab = name;
    buttons.forEach(b => b.setAttribute('aria-selected', String(b.textContent === name)));
    content.replaceChildren(...[tabs[name]()].flat());
  };
  const buttons = Object.keys(tabs).map(name => el('button', {role: 'tab', onclick: () => select(name)}, name));
  detail.replaceChildren(el('nav', {role: 'tablist'}, buttons, el('button', {class: 'close', 'aria-label': 'close', onclick: hide}, '✕')), content);
  select(tab);
}
function hide() {
  main.classList.remove('open');
  detail.hidden = true;
  if (rows[current]) rows[current].focus();
}
const fields = list => el('dl', null, list.map(h => [el('dt', null, h.name), el('dd', null, h.value)]));
const pairs = object => fields(Object.entries(object).filter(([, v]) => v !== undefined && v !== '').map(([name, value]) => ({name, value: String(value)})));
function headersView(e, s) {
  return [el('h2', null, e.request.method + ' ' + e.request.url),
    s.err ? el('p', {class: 'bad'}, 'incomplete: ' + s.err) : null,
    pairs({status: (e.response.status || '—') + ' ' + e.response.statusText, process: s.process, started: clock(s.start) + ' UTC',
      server: e.serverIPAddress ? e.serverIPAddress + ':' + e.connection : undefined, anomalies: (e._anomalies || []).join(', '),
      lost: (e._lost || []).map(l => l.length + ' B of the ' + l.side).join(', ')}),
    el('h3', null, 'Request headers, ' + e.request.httpVersion), fields(e.request.headers),
    e.request.queryString.length ? [el('h3', null, 'Query'), fields(e.request.queryString)] : null,
    el('h3', null, 'Response headers, ' + e.response.httpVersion), fields(e.response.headers),
    e._trailers ? [el('h3', null, 'Trailers'), el('pre', null, JSON.stringify(e._trailers, null, 2))] : null].flat().filter(Boolean);
}
function bodyView(content, encoding) {
  if (!content || !content.text) return el('p', {class: 'dim'}, 'no body' + (content && content.comment ? ': ' + content.comment : ''));
  const text = encoding === 'base64' ? utf8(content.text) : content.text;
  return [el('p', {class: 'dim'}, (content.mimeType || '') + (content.comment ? ' — ' + content.comment : '')), el('pre', null, pretty(text))];
}
function eventsView(e) {
  const start = Date.parse(e.startedDateTime) / 1000;
  return e._eventSourceMessages.map(m => el('div', {class: 'event'},
    el('span', {class: 'dim mono'}, '+' + time((m.time - start) * 1000) + ' '), el('b', null, m.eventName || 'message'), el('pre', null, pretty(m.data || ''))));
}
function messagesView(e) {
  const start = Date.parse(e.startedDateTime) / 1000;
  return e._webSocketMessages.map(m => el('div', {class: 'event'},
    el('span', {class: 'dim mono'}, '+' + time((m.time - start) * 1000) + ' '), el('b', null, m.type === 'send' ? '→ sent' : '← received'),
    el('pre', null, pretty(m.opcode === 2 ? utf8(m.data) : m.data))));
}
const timingView = e => [el('p', null, 'total ' + time(e.time)), pairs(Object.fromEntries(Object.entries(e.timings).filter(([, v]) => v >= 0).map(([k, v]) => [k, time(v)])))];
function chatView(c) {
  const part = p => p.Kind === 'text' ? el('pre', null, p.Text)
    : p.Kind === 'thinking' ? el('details', null, el('summary', null, 'thinking'), el('pre', null, p.Text))
    : [el('div', {class: p.Failed ? 'bad' : 'dim'}, p.Kind + (p.Name ? ': ' + p.Name : '') + (p.ID ? ' ' + p.ID : '')), p.Text ? el('pre', {class: 'code'}, pretty(p.Text)) : null];
  const turn = (who, parts) => el('div', {class: 'turn'}, el('b', null, who), (parts || []).map(part).flat());
  const u = c.Usage, known = n => n < 0 ? undefined : n;
  return [el('p', {class: 'dim'}, c.API + ', ' + c.Model),
    c.System && c.System.length ? el('details', null, el('summary', null, 'system prompt'), turn('system', c.System)) : null,
    c.Tools && c.Tools.length ? el('details', null, el('summary', null, c.Tools.length + ' tools'), el('p', {class: 'mono'}, c.Tools.join(', '))) : null,
    (c.Messages || []).map(m => turn(m.Role, m.Parts)), turn('answer', c.Answer.Parts),
    c.Error ? el('p', {class: 'bad'}, c.Error) : null, c.Broken ? el('p', {class: 'bad'}, 'the answer is not whole: ' + c.Broken) : null,
    pairs({stopped: c.Stop, 'tokens in': known(u.Input), 'tokens out': known(u.Output), 'read from cache': known(u.CacheRead), 'written to cache': known(u.CacheWrite)})].flat().filter(Boolean);
}

// The keyboard: / filters, arrows or j and k move, Enter opens, Escape closes.
document.addEventListener('keydown', ev => {
  if (ev.target === filter) {
    if (ev.key === 'Escape') { filter.value = ''; apply(); filter.blur(); }
    if (ev.key === 'ArrowDown' || ev.key === 'Enter') { filter.blur(); move(1); ev.preventDefault(); }
    return;
  }
  if (ev.ctrlKey || ev.metaKey || ev.altKey) return;
  const step = {ArrowDown: 1, j: 1, ArrowUp: -1, k: -1}[ev.key];
  if (step) { move(step); ev.preventDefault(); }
  if (ev.key === '/') { filter.focus(); ev.preventDefault(); }
  if (ev.key === 'Enter' && document.activeElement.tagName === 'TR') show(rows.indexOf(document.activeElement));
  if (ev.key === 'Escape') hide();
});
function move(step) {
  let i = detail.hidden ? rows.indexOf(document.activeElement) : current;
  if (i < 0) i = step > 0 ? -1 : rows.length;
  do i += step; while (rows[i] && rows[i].hidden);
  if (!rows[i]) return;
  rows[i].focus();
  if (!detail.hidden) show(i);
}
apply();
})();

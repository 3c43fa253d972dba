// The list, the filter box, the keyboard, and which exchange is shown.
const start = summaries.reduce((t, s) => Math.min(t, s.start), Infinity), stop = summaries.reduce((t, s) => Math.max(t, s.start + s.total), -Infinity);
const range = Math.max(1, stop - start);
const bar = s => {
  const part = (cls, from, long) => {
    const i = el('i', {class: cls});
    i.style.left = 100 * (from - start) / range + '%';
    i.style.width = 100 * long / range + '%';
    return i;
  };
  const waited = Math.min(s.total, s.send + s.wait);
  return el('div', {class: 'bar', title: 'waited ' + time(s.wait) + ' of ' + time(s.total)}, part('wait', s.start, waited), part('recv', s.start + waited, s.total - waited));
};
const statusClass = s => s.err || s.status >= 500 || !s.status ? 'bad' : s.status >= 400 ? 'bad' : s.status >= 300 ? 'warn' : 'ok';
const badges = s => [[s.wrong && !s.err, 'failed', s.wrong], [s.err, 'incomplete', s.err], [s.lost > 0, 'lost', size(s.lost || 0)], [s.cut > 0, 'cut', size(s.cut || 0)],
  [s.llm, 'chat', s.model], [!s.llm && s.events > 0, 'sse'], [s.messages > 0, 'ws']].filter(b => b[0]).map(([, name, title]) =>
  el('span', {class: 'badge ' + (/chat|sse|ws/.test(name) ? '' : 'bad'), title}, name));
const rows = summaries.map((s, i) => el('tr', {tabindex: '-1', 'aria-selected': 'false', class: s.err || s.lost || s.wrong || s.status >= 400 ? 'wrong' : '', onclick: () => show(i)},
  el('td', {class: 'n dim'}, s.id), el('td', {class: 'm'}, s.method || '?'),
  el('td', {class: 'u', title: s.url}, el('span', {class: 'path'}, pathOf(s.url)), el('span', {class: 'host dim'}, hostOf(s.url))),
  el('td', {class: 'f'}, badges(s)),
  el('td', {class: 's'}, el('span', {class: 'pill ' + statusClass(s)}, s.status || '—')), el('td', {class: 't dim'}, shortType(s.type)),
  el('td', {class: 'b'}, size(s.received)), el('td', {class: 'd'}, time(s.total)), el('td', {class: 'w'}, bar(s))));

const count = el('span', {id: 'count'}), wrong = el('span', {id: 'wrong', class: 'bad', role: 'status'});
const filter = el('input', {type: 'search', id: 'filter', placeholder: 'filter: words, status:4xx host:*.example.com is:error -path:/health', 'aria-label': 'filter', autocomplete: 'off', spellcheck: 'false'});
const detail = el('div', {id: 'detail', hidden: true});
const table = el('table', {id: 'exchanges'}, el('thead', null, el('tr', null, ['n #', 'm Method', 'u Path and host', 'f ', 's Status', 't Type', 'b Size', 'd Time', 'w Waterfall'].map(h => el('th', {class: h[0]}, h.slice(2))))), el('tbody', null, rows));
const main = el('main', null, el('div', {id: 'list'}, table), detail);
const setFilter = text => { filter.value = filter.value === text ? '' : text; apply(); };
const sum = get => summaries.reduce((n, s) => n + (get(s) || 0), 0);
const chip = (n, name, query, bad) => n ? el('button', {class: 'chip' + (bad ? ' badchip' : ''), title: 'filter ' + query, onclick: () => setFilter(query)}, name) : null;
const failed = sum(s => s.status >= 400), broken = sum(s => !!s.err), lost = sum(s => s.lost), cut = sum(s => s.cut), talks = sum(s => s.llm);
const wrongTalks = summaries.filter(s => s.wrong && !(s.status >= 400) && !s.err).map(s => s.id);
const help = el('div', {id: 'help', hidden: true}, el('pre', null, `Words are parts of the URL. key:value terms: space and, comma or, - not, ( ) or.
host:*.example.com  path:/v1/*  method:POST,PUT  status:4xx,500..599  type:json  time:>2s  size:>10k
header:x  req.header:x  body:x  req.body:/re/i  event:ping  model:claude*  comm:node  pid:42  conn:3  id:5..9
is:sse|llm|error|incomplete|lost|cut|websocket  has:req.header.NAME  after:14:30  before:14:31
As ssltape replay FILE FILTER; regular expressions are JavaScript's, times those of this machine.

Keys: / filter · j k ↑ ↓ move · Enter open · 1…9 tabs · p processes · ? help · Esc close`));
document.body.append(el('header', null, el('h1', {title: about.title}, about.title), count,
  chip(failed, plural(failed, 'error'), 'status:>=400', true), chip(broken, broken + ' incomplete', 'is:incomplete', true), chip(lost, size(lost) + ' lost', 'is:lost', true),
  chip(cut, size(cut) + ' not kept', 'is:cut', true), chip(wrongTalks.length, plural(wrongTalks.length, 'broken answer'), 'id:' + wrongTalks.join(','), true), chip(talks, plural(talks, 'chat'), 'is:llm'),
  !failed && !broken && !lost && !cut && !wrongTalks.length ? el('span', {class: 'chip okchip'}, 'nothing wrong') : null,
  processes.length ? el('button', {class: 'chip', id: 'processes', onclick: showProcesses}, plural(processes.length, 'process event')) : null,
  el('span', {class: 'dim redaction'}, about.redaction ? 'redacted: ' + about.redaction : 'not redacted'),
  el('div', {class: 'search'}, filter, el('button', {title: 'help', 'aria-label': 'help', onclick: () => { help.hidden = !help.hidden; }}, '?'),
    el('button', {title: 'dark or light', 'aria-label': 'dark or light', onclick: () => {
      const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches;
      document.documentElement.dataset.theme = dark ? 'light' : 'dark';
    }}, '◐')), wrong, help), main);

function apply() {
  table.setAttribute('aria-busy', 'false');
  let test = null;
  try { test = parseFilter(filter.value); wrong.textContent = ''; } catch (e) { wrong.textContent = visible(e.message); }
  filter.setAttribute('aria-invalid', String(!test));
  if (!test) return; // what was shown stays
  let n = 0;
  rows.forEach((r, i) => { const hide = !test(i); if (r.hidden !== hide) r.hidden = hide; n += !hide; });
  count.textContent = n === rows.length ? plural(n, 'exchange') : n + ' of ' + plural(rows.length, 'exchange');
}
let pending = 0;
filter.addEventListener('input', () => { // many rows are filtered when the typing pauses
  clearTimeout(pending);
  if (rows.length <= 500) return apply();
  table.setAttribute('aria-busy', 'true');
  pending = setTimeout(apply, 120);
});

// The detail of one exchange, a tab at a time.
let current = -1, tab = '';
function open(tabs, selected, onselect) {
  main.classList.add('open');
  detail.hidden = false;
  const content = el('section', {id: 'content'});
  const select = name => {
    onselect(name);
    buttons.forEach(b => b.setAttribute('aria-selected', String(b.textContent === name)));
    content.replaceChildren(...[tabs[name]()].flat(Infinity).filter(Boolean));
    detail.scrollTop = 0;
  };
  const buttons = Object.keys(tabs).map(name => el('button', {role: 'tab', onclick: () => select(name)}, name));
  detail.replaceChildren(el('nav', null, el('div', {role: 'tablist'}, buttons), el('button', {class: 'close', 'aria-label': 'close', title: 'Esc', onclick: hide}, '✕')), content);
  select(selected);
}
function unselect() { if (rows[current]) rows[current].setAttribute('aria-selected', 'false'); }
function show(i) {
  unselect();
  current = i;
  rows[i].setAttribute('aria-selected', 'true');
  rows[i].scrollIntoView({block: 'nearest'});
  const e = entryOf(i), s = summaries[i], chat = JSON.parse(chatNodes[i].textContent);
  const tabs = {
    ...(chat && {Chat: () => chatView(chat, jump)}),
    Overview: () => overviewView(e, s),
    Request: () => bodyView(e.request.postData),
    Response: () => bodyView(e.response.content, s.lost ? size(s.lost) + ' lost' : ''),
    ...(e._eventSourceMessages && {Events: () => eventsView(e, s)}),
    ...(e._webSocketMessages && {Messages: () => messagesView(e, s)}),
  };
  open(tabs, tabs[tab] ? tab : Object.keys(tabs)[0], name => { tab = name; });
}
function jump(id) {
  const i = summaries.findIndex(s => s.id === id);
  if (i < 0) return;
  if (rows[i].hidden) setFilter('');
  show(i);
}
function showProcesses() {
  unselect();
  current = -1;
  open({Processes: processesView}, 'Processes', () => {});
}
function hide() {
  main.classList.remove('open');
  detail.hidden = true;
  if (rows[current]) rows[current].focus();
}

document.addEventListener('keydown', ev => {
  if (ev.target === filter) {
    if (ev.key === 'Escape') { filter.value = ''; apply(); filter.blur(); }
    if (ev.key === 'ArrowDown' || ev.key === 'Enter') { clearTimeout(pending); apply(); filter.blur(); move(1); ev.preventDefault(); }
    return;
  }
  if (ev.ctrlKey || ev.metaKey || ev.altKey) return;
  const step = {ArrowDown: 1, j: 1, ArrowUp: -1, k: -1}[ev.key];
  if (step) { move(step); ev.preventDefault(); }
  if (ev.key === '/') { filter.focus(); ev.preventDefault(); }
  if (ev.key === '?') help.hidden = !help.hidden;
  if (ev.key === 'p' && processes.length) showProcesses();
  if (/^[1-9]$/.test(ev.key) && !detail.hidden) (detail.querySelectorAll('[role=tab]')[ev.key - 1] || {click() {}}).click();
  if (ev.key === 'Enter' && document.activeElement.tagName === 'TR') show(rows.indexOf(document.activeElement));
  if (ev.key === 'Escape') { help.hidden = true; hide(); }
});
function move(step) {
  let i = detail.hidden || current < 0 ? rows.indexOf(document.activeElement) : current;
  if (i < 0) i = step > 0 ? -1 : rows.length;
  do i += step; while (rows[i] && rows[i].hidden);
  if (!rows[i]) return;
  rows[i].focus();
  if (!detail.hidden) show(i);
}
apply();

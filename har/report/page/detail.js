// The views of one exchange.
function overviewView(e, s) {
  const lost = (e._lost || []).map(l => l.length + ' B of the ' + l.side + (l.offset === null || l.offset === undefined ? ' in its head or framing' : ' at ' + l.offset));
  const remarks = [s.err && 'incomplete: ' + s.err, lost.length && 'lost: ' + lost.join('; '), s.cut && 'not kept: ' + size(s.cut) + ' at the end of a body',
    (e._anomalies || []).length && 'odd: ' + e._anomalies.join(', ')].filter(Boolean);
  return [el('h2', null, e.request.method + ' ' + e.request.url), remarks.map(r => el('p', {class: 'problem'}, r)),
    pairs({status: (e.response.status || '—') + ' ' + e.response.statusText, process: s.comm && s.comm + ' [' + s.pid + ']' + (e._process && e._process.exe ? ' ' + e._process.exe : ''),
      started: new Date(s.start).toISOString(), server: e.serverIPAddress ? e.serverIPAddress + (e.connection ? ' port ' + e.connection : '') : undefined,
      sent: size(s.sent), received: size(s.received), comment: e.comment}),
    timingView(e),
    el('h3', null, 'Request headers, ' + e.request.httpVersion), fields(e.request.headers),
    e.request.queryString.length ? [el('h3', null, 'Query'), fields(e.request.queryString)] : null,
    el('h3', null, 'Response headers, ' + e.response.httpVersion), fields(e.response.headers),
    e._trailers ? [el('h3', null, 'Trailers'), code(JSON.stringify(e._trailers, null, 2))] : null];
}
function timingView(e) {
  const parts = ['blocked', 'dns', 'connect', 'ssl', 'send', 'wait', 'receive'].map(k => [k, e.timings[k]]).filter(([, v]) => v >= 0);
  let from = 0;
  const bars = parts.map(([k, v]) => { // TLS is the end of connecting
    if (k === 'ssl') return [k, from - v, v];
    from += v;
    return [k, from - v, v];
  });
  const total = Math.max(e.time, from, 0.001);
  return [el('h3', null, 'Timing, total ' + time(e.time)), el('div', {class: 'timing'}, bars.map(([k, at, v]) => {
    const bar = el('i', {class: k === 'receive' ? 'recv' : k === 'wait' ? 'wait' : 'send', title: time(at) + ' to ' + time(at + v)});
    bar.style.marginLeft = Math.min(99.6, 100 * Math.max(0, at) / total) + '%';
    bar.style.width = Math.max(0.4, 100 * v / total) + '%';
    return [el('span', null, k), el('div', null, bar), el('span', {class: 'mono'}, time(v))];
  }))];
}
function bodyView(content, missing) {
  if (!content || !content.text) return el('p', {class: 'dim'}, 'no body' + (content && content.comment ? ': ' + content.comment : ''));
  const text = bodyOf(content);
  return [el('p', {class: 'dim'}, [content.mimeType, content.size >= 0 && size(content.size), content.comment, missing].filter(Boolean).join(' — ')), code(text, pretty(text))];
}

// Events and messages: when each came on a strip, then a line each.
function streamView(list, start, title) {
  const at = list.map(m => (m.time - start) * 1000), last = Math.max(1, ...at);
  const strip = el('div', {class: 'strip', title: plural(list.length, 'event') + ' in ' + time(last)}, list.slice(0, 5000).map((m, i) => {
    const tick = el('i', {class: m.type === 'send' ? 'send' : 'recv'});
    tick.style.left = 100 * at[i] / last + '%';
    return tick;
  }));
  let gap = 0;
  for (let i = 1; i < at.length; i++) gap = Math.max(gap, at[i] - at[i - 1]);
  const items = list.map((m, i) => {
    const [name, data] = title(m), text = data || '';
    const item = el('details', {class: 'event'}, el('summary', null, el('span', {class: 'dim mono'}, '+' + time(at[i])), el('b', null, name), el('span', {class: 'dim mono'}, text.slice(0, 200))));
    item.addEventListener('toggle', () => { if (item.open && item.children.length === 1) item.append(code(text, pretty(text))); });
    return item;
  });
  return [el('p', {class: 'dim'}, plural(list.length, 'event') + (list.length ? ', the first after ' + time(at[0]) + ', the longest gap ' + time(gap) : '')), strip, items];
}
const eventsView = (e, s) => streamView(e._eventSourceMessages, s.start / 1000, m => [m.eventName || 'message', m.data]);
const messagesView = (e, s) => streamView(e._webSocketMessages, s.start / 1000, m =>
  [(m.type === 'send' ? '→ ' : '← ') + ({1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong'}[m.opcode] || ''), m.opcode !== 1 || m._base64 || m._deflated ? textOf(m.data) : m.data]);

function processesView() {
  return [el('h2', null, 'Processes'), el('table', {class: 'processes'}, el('tbody', null, processes.map(p => el('tr', null,
    el('td', {class: 'dim mono'}, clock(Date.parse(p.time))), el('td', {class: 'mono'}, p.comm + '[' + p.pid + ']'), el('td', null, p.event === 'line' ? 'typed' : p.event),
    el('td', {class: 'mono'}, p.event === 'exit' ? 'status ' + p.status : p.line || (p.args || []).join(' ') || p.exe || '')))))];
}

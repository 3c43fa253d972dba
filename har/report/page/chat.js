// Talks with language models. Of a conversation that is sent again with every
// request, an exchange has what is new in it.
const wholeMessages = 6;
// The input of a tool as its fields, strings with the line feeds they have.
const inputOf = text => {
  let v;
  try { v = JSON.parse(text); } catch { return code(text); }
  if (v === null || typeof v !== 'object' || Array.isArray(v)) return code(text, pretty(text));
  return el('dl', {class: 'input'}, Object.entries(v).map(([name, value]) => {
    const s = typeof value === 'string' ? value : JSON.stringify(value, null, 1);
    return [el('dt', null, name), el('dd', null, s.includes('\n') ? el('pre', null, s) : s)];
  }));
};
const folds = (title, cls, ...content) => el('details', {class: cls}, el('summary', null, title), content);
const long = 4000;
const prose = text => text.length <= long ? el('p', {class: 'prose', dir: 'auto'}, text)
  : [el('p', {class: 'prose', dir: 'auto'}, text.slice(0, long / 2)), folds('… ' + plural(text.length - long / 2, 'more character'), '', el('p', {class: 'prose', dir: 'auto'}, text.slice(long / 2)))];

function partView(p, whole) {
  const cites = (p.Cites || []).map((c, i) => el('div', {class: 'cite'}, '[' + (i + 1) + '] ' + c));
  switch (p.Kind) {
  case 'text':
    if (!whole && /^<system-reminder>/.test(p.Text)) return folds('system-reminder, ' + size(p.Text.length), 'thinking', el('p', {class: 'prose'}, p.Text));
    return [whole ? el('p', {class: 'prose', dir: 'auto'}, p.Text) : prose(p.Text), cites];
  case 'thinking':
    return p.Text ? folds('thinking, ' + size(p.Text.length), 'thinking', el('p', {class: 'prose', dir: 'auto'}, p.Text)) : el('div', {class: 'dim'}, 'thinking, ' + (p.Name || 'empty'));
  case 'tool use':
    return el('div', {class: 'tool'}, el('div', {class: 'label'}, el('b', null, p.Name || 'tool'), ' ', el('span', {class: 'dim mono'}, p.ID)), p.Text ? inputOf(p.Text) : null);
  case 'tool result': {
    const lines = p.Text.split('\n');
    const label = el('div', {class: 'label'}, p.Failed ? el('span', {class: 'bad'}, 'failed: ') : null, 'result', p.Name ? [' of ', el('b', null, p.Name)] : null, ' ', el('span', {class: 'dim mono'}, p.ID));
    return el('div', {class: 'tool result' + (p.Failed ? ' failed' : '')}, label, !p.Text ? null : lines.length <= 14 ? code(p.Text, pretty(p.Text))
      : [code(p.Text, lines.slice(0, 10).join('\n')), folds('… ' + plural(lines.length - 10, 'more line'), '', el('pre', null, lines.slice(10).join('\n')))]);
  }
  case 'refusal':
    return el('p', {class: 'prose bad', dir: 'auto'}, p.Text);
  }
  return el('div', {class: 'dim'}, (p.Name || p.Kind) + (p.Text ? ': ' + p.Text : ''));
}
// What a program tells the model amid a conversation is folded, as its first instructions are.
const instructs = (role, p) => (role === 'system' || role === 'developer') && p.Kind === 'text' && p.Text.length > 300;
const turn = (role, parts, whole) => el('div', {class: 'turn ' + (whole ? 'answer' : role === 'user' ? 'user' : 'model')},
  el('div', {class: 'who'}, role), (parts || []).map(p => instructs(role, p) ? folds('instructions, ' + size(p.Text.length), 'thinking', el('p', {class: 'prose', dir: 'auto'}, p.Text)) : partView(p, whole)));

function chatView(c, jump) {
  const known = c.Known || {}, out = [];
  const link = (id, ...text) => el('button', {class: 'link', onclick: () => jump(id)}, ...text);
  out.push(el('div', {class: 'facts'}, [c.API, c.Model, c.Stop && 'stopped: ' + c.Stop, c.Tokens && 'tokens: ' + c.Tokens,
    c.FirstToken && 'first token after ' + time(c.FirstToken), c.Rate && c.Rate.toFixed(0) + ' tokens/s'].filter(Boolean).map(t => el('span', {class: 'chip'}, t))));
  if (c.Error) out.push(el('p', {class: 'problem'}, c.Error));
  if (c.Broken) out.push(el('p', {class: 'problem'}, 'the answer is not whole: ' + c.Broken));
  if (c.Unread) out.push(el('p', {class: 'problem'}, 'the question cannot be read: ' + c.Unread));
  if ((c.System || []).length) {
    const length = c.System.reduce((n, p) => n + (p.Text || '').length, 0);
    out.push(folds('system prompt, ' + size(length) + (known.System ? ', as in #' + known.System : ''), 'aside', c.System.map(p => el('p', {class: 'prose'}, p.Text))));
  }
  if ((c.Tools || []).length) out.push(folds(plural(c.Tools.length, 'tool'), 'aside', el('p', {class: 'mono'}, c.Tools.join(', '))));
  const messages = c.Messages || [];
  if (known.Messages) out.push(el('div', {class: 'dim aside'}, messages.length ? plural(known.Messages, 'message') + ' before: see ' : 'the question again of ', link(known.In, '#' + known.In)));
  const early = !known.Messages && messages.length > wholeMessages + 1 ? messages.length - wholeMessages : 0;
  if (early) out.push(folds(plural(early, 'earlier message'), 'aside', messages.slice(0, early).map(m => turn(m.Role, m.Parts))));
  out.push(messages.slice(early).map(m => turn(m.Role, m.Parts)));
  const choices = Map.groupBy ? Map.groupBy(c.Answer.Parts || [], p => p.Choice || 0) : new Map([[0, c.Answer.Parts || []]]);
  for (const [n, parts] of choices) out.push(turn(choices.size > 1 ? 'answer ' + (n + 1) : 'answer', parts, true));
  return out;
}

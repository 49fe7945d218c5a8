// The live view: server-sent events, sampled by the server, newest on top. No build step, no library.

const SAMPLE_PER_SECOND = 40;
const MAX_ROWS = 400;
const PREVIEW_CHARACTERS = 300;

const byId = (id) => document.getElementById(id);
const list = byId('events');
const filterBox = byId('filter');
const pauseButton = byId('pause');

let source;
let waiting = [];
let paused = false;
let scheduled = false;

function watch() {
  source?.close();
  byId('fault').hidden = true;
  setState('connecting');
  const filters = filterBox.value.trim().split(/\s+/).filter(Boolean);
  if (filters.length === 0) filters.push('#');
  filterBox.value = filters.join(' ');
  const query = new URLSearchParams(filters.map((filter) => ['filter', filter]));
  history.replaceState(null, '', filters.join(' ') === '#' ? '/' : `/?${query}`);
  query.set('format', 'sse');
  query.set('sample', String(SAMPLE_PER_SECOND));
  const url = `/events?${query}`;
  const opened = new EventSource(url);
  source = opened;
  opened.onopen = () => setState('live');
  opened.onmessage = (message) => take(JSON.parse(message.data));
  opened.addEventListener('rate', (message) => showRate(JSON.parse(message.data)));
  opened.onerror = () => {
    if (opened !== source) return;
    setState(opened.readyState === EventSource.CLOSED ? 'closed' : 'connecting');
    if (opened.readyState === EventSource.CLOSED) explain(url);
  };
}

/** EventSource does not say why it was refused; asking once more does. */
async function explain(url) {
  const aborter = new AbortController();
  try {
    const response = await fetch(url, { signal: aborter.signal });
    if (!response.ok) showFault((await response.json()).error);
  } catch {
    showFault({ message: 'The server does not answer', fix: 'Check that it runs, then press Watch.' });
  }
  aborter.abort();
}

function showFault({ message, fix }) {
  byId('fault').textContent = `${message}. ${fix}`;
  byId('fault').hidden = false;
}

function setState(state) {
  byId('state').dataset.state = state;
  byId('state').textContent = state;
  if (state !== 'live') byId('rate').textContent = '';
}

function showRate({ seen, shown }) {
  const all = seen.toLocaleString('en');
  byId('rate').textContent = shown === seen ? `${all}/s` : `showing ${shown.toLocaleString('en')} of ${all}/s`;
}

function take(event) {
  waiting.push(event);
  if (waiting.length > MAX_ROWS) waiting = waiting.slice(-MAX_ROWS);
  if (paused) pauseButton.textContent = `Resume (${waiting.length}${waiting.length === MAX_ROWS ? '+' : ''})`;
  else schedule();
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (paused) return;
    list.prepend(...waiting.splice(0).reverse().map(row));
    while (list.childElementCount > MAX_ROWS) list.lastElementChild.remove();
    byId('empty').hidden = list.childElementCount > 0;
  });
}

function row(event) {
  const text = readText(event.data);
  const time = make('time', '', event.ts.slice(11, 23));
  time.dateTime = event.ts;
  time.title = event.ts;
  const topic = make('span', 'topic', event.topic);
  topic.title = event.topic;
  const marks = [event.qos ? `QoS ${event.qos}` : '', event.retain ? 'retained' : ''].filter(Boolean).join(' · ');
  const summary = make('summary');
  summary.append(
    time,
    topic,
    make('span', 'preview', text.slice(0, PREVIEW_CHARACTERS).replace(/\s+/g, ' ')),
    make('span', 'marks', marks),
  );
  const details = make('details');
  details.append(summary);
  details.addEventListener('toggle', () => details.childElementCount === 1 && details.append(facts(event), make('pre', '', pretty(text))), {
    once: true,
  });
  const item = make('li');
  item.append(details);
  return item;
}

function facts(event) {
  const facts = make('dl');
  const known = { topic: event.topic, arrived: event.ts, sequence: event.seq, from: event.src, id: event.id, type: event.ct };
  for (const [name, value] of Object.entries(known))
    if (value !== undefined) facts.append(make('dt', '', name), make('dd', '', String(value)));
  for (const [name, value] of event.props?.user ?? []) facts.append(make('dt', '', name), make('dd', '', value));
  return facts;
}

/** The payload as text; bytes that are no UTF-8 in hexadecimal. */
function readText(base64) {
  const bytes = Uint8Array.from(atob(base64 ?? ''), (c) => c.charCodeAt(0));
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function make(name, className = '', text = '') {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

byId('watch').addEventListener('submit', (event) => {
  event.preventDefault();
  waiting = [];
  list.replaceChildren();
  byId('empty').hidden = false;
  watch();
});

pauseButton.addEventListener('click', () => {
  paused = !paused;
  pauseButton.setAttribute('aria-pressed', String(paused));
  pauseButton.textContent = paused ? 'Resume' : 'Pause';
  if (!paused) schedule();
});

byId('example').textContent = `curl -d hello ${location.origin}/t/demo/hello`;
filterBox.value = new URLSearchParams(location.search).getAll('filter').join(' ') || '#';
watch();

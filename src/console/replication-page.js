import { element, say, showDetails, tableOf } from './dom.js';
import { bytes, duration, isWhole, stateTone } from './replication-facts.js';
import { ask } from './server.js';

/** @typedef {import('./replication-facts.js').Feed} Feed */

const EVERY_MS = 1000;
const KEPT = 120;
const UNFINISHED = ['asked', 'running'];

/** What each action does, in the words of the question before it; null asks nothing. */
const ACTIONS = /** @type {const} */ ({
  pause:
    'Pause this feed? Its cache grows old, queries go live, and the target keeps its log for us meanwhile.',
  resume: null,
  resync: 'Copy all tables of this feed again? Queries are answered live until the new copies are ready.',
  verify: null,
});

/**
 * The replication dashboard: every feed, once a second while it is looked at.
 * @param {HTMLElement} panel
 * @returns {{ show: () => void, hide: () => void }}
 */
export function openReplicationPage(panel) {
  const content = element('div', { class: 'content' });
  panel.replaceChildren(content);
  /** Staleness of the last two minutes, by feed. @type {Map<string, (number | null)[]>} */
  const histories = new Map();
  /** Counts how often the page came or went: what was asked for before that is nobody's concern any more. */
  let round = 0;
  let asOf = '';
  /** @param {number} mine */
  const refresh = async (mine) => {
    let said = '';
    try {
      /** @type {{ feeds: Feed[] }} */
      const { feeds } = await ask('/v1/replication');
      for (const feed of feeds) remember(histories, feed);
      if (mine !== round) return;
      if (isBeingSelected(content)) {
        said = `nothing is drawn anew while a text is marked${asOf}`;
      } else {
        redraw(content, cardsOf(feeds, histories));
        asOf = `; what is shown is of ${new Date().toLocaleTimeString()}`;
      }
    } catch (error) {
      said = `replication: ${error instanceof Error ? error.message : String(error)}${asOf}`;
    }
    if (mine !== round) return;
    say(said);
    setTimeout(() => {
      if (mine === round) void refresh(mine);
    }, EVERY_MS);
  };
  return {
    show: () => {
      round += 1;
      void refresh(round);
    },
    hide: () => {
      round += 1;
    },
  };
}

/**
 * Whether somebody marks a text to copy it, which drawing anew would take away.
 * @param {HTMLElement} content
 */
function isBeingSelected(content) {
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && content.contains(selection.anchorNode);
}

/**
 * The focus stays where it is: a button drawn anew is the one somebody is about to press.
 * @param {HTMLElement} content
 * @param {readonly Node[]} cards
 */
function redraw(content, cards) {
  const focused = document.activeElement;
  const name = focused instanceof HTMLElement && content.contains(focused) ? focused.title : '';
  content.replaceChildren(...cards);
  if (name === '') return;
  const again = [...content.querySelectorAll('button')].find((button) => button.title === name);
  again?.focus({ preventScroll: true });
}

/** @param {Feed} feed */
function keyOf(feed) {
  return JSON.stringify([feed.source, feed.target]);
}

/**
 * @param {Map<string, (number | null)[]>} histories
 * @param {Feed} feed
 */
function remember(histories, feed) {
  const history = histories.get(keyOf(feed)) ?? [];
  history.push(feed.staleness_ms);
  if (history.length > KEPT) history.shift();
  histories.set(keyOf(feed), history);
}

/**
 * @param {readonly Feed[]} feeds
 * @param {Map<string, (number | null)[]>} histories
 */
function cardsOf(feeds, histories) {
  if (feeds.length === 0) {
    return [
      element('p', { class: 'quiet' }, 'No relationship to another database is cached: there is no feed.'),
    ];
  }
  return feeds.map((feed) => cardOf(feed, histories.get(keyOf(feed)) ?? []));
}

/**
 * @param {Feed} feed
 * @param {readonly (number | null)[]} history
 */
function cardOf(feed, history) {
  const title = `${feed.target} → ${feed.source}`;
  return element(
    'article',
    { class: 'card', 'aria-label': `feed ${title}` },
    element(
      'div',
      { class: 'row' },
      element('h2', {}, title),
      element('strong', { class: stateTone(feed.state) }, feed.state),
      ...Object.entries(ACTIONS).map(([action, question]) => actionButton(feed, action, question)),
    ),
    feed.reason === null ? null : element('p', {}, feed.reason),
    feed.last_error === null ? null : element('p', { class: 'quiet' }, `last error: ${feed.last_error}`),
    facts(feed),
    historyOf(history),
    tablesOf(feed),
  );
}

/**
 * @param {Feed} feed
 * @param {string} action
 * @param {string | null} question
 */
function actionButton(feed, action, question) {
  const path = `/v1/replication/${encodeURIComponent(feed.target)}/${action}?source=${encodeURIComponent(feed.source)}`;
  const act = async () => {
    if (question !== null && !confirm(`${question}\n\nPOST ${path}`)) return;
    try {
      const answer = await ask(path, {});
      if (action === 'verify') await followComparison(path, answer);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  };
  return element('button', { type: 'button', title: `POST ${path}`, onclick: act }, action);
}

/**
 * Shows a comparison of cache and target until it is finished, or nobody looks any more.
 * @param {string} path
 * @param {{ verifications: { id: string, state: string }[] }} asked
 */
async function followComparison(path, asked) {
  const [first] = asked.verifications;
  const address = `${path}&id=${first?.id}`;
  const said = pre(asked);
  showDetails('Comparison with the target', element('p', {}, `GET ${address}`), said);
  let isOver = first === undefined;
  while (!isOver && said.isConnected && said.checkVisibility()) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    const now = await ask(address);
    said.textContent = JSON.stringify(now, null, 2);
    isOver = now.verifications.every(
      (/** @type {{ state: string }} */ { state }) => !UNFINISHED.includes(state),
    );
  }
}

/** @param {unknown} value */
function pre(value) {
  return element('pre', {}, JSON.stringify(value, null, 2));
}

/** @param {Feed} feed */
function facts(feed) {
  /** @type {readonly (readonly [string, string])[]} */
  const pairs = [
    ['staleness', duration(feed.staleness_ms)],
    ['not applied yet', bytes(feed.lag_bytes)],
    ['log held on the target', bytes(feed.retained_wal_bytes)],
    ['position', `${feed.position ?? 'unknown'} of ${feed.target_position ?? 'unknown'}`],
    ['transactions applied', feed.transactions_applied.toLocaleString()],
    ['row changes applied', feed.changes_applied.toLocaleString()],
    ['slot', feed.slot ?? 'none'],
    ['connector', feed.connector],
    [
      'compared with the target',
      feed.verified_at === null
        ? 'never'
        : `${new Date(feed.verified_at * 1000).toLocaleString()}, ${feed.rows_differing ?? 0} rows differed`,
    ],
  ];
  return element(
    'dl',
    { class: 'facts' },
    ...pairs.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
  );
}

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Staleness of the last two minutes as a line; a gap is an unknown one.
 * @param {readonly (number | null)[]} history
 */
function historyOf(history) {
  const known = history.filter((value) => value !== null);
  const top = Math.max(1000, ...known);
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', 'history');
  svg.setAttribute('viewBox', `0 0 ${KEPT} 100`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  const most = known.length === 0 ? null : Math.max(...known);
  svg.setAttribute(
    'aria-label',
    `staleness of the last ${history.length} seconds, at most ${duration(most)}`,
  );
  for (const points of runsOf(history, top)) {
    const line = document.createElementNS(SVG, 'polyline');
    line.setAttribute('points', points.join(' '));
    svg.append(line);
  }
  return svg;
}

/**
 * @param {readonly (number | null)[]} history
 * @param {number} top
 */
function runsOf(history, top) {
  /** @type {string[][]} */
  const runs = [[]];
  for (const [at, value] of history.entries()) {
    if (value === null) runs.push([]);
    else runs.at(-1)?.push(`${at},${(100 - (value / top) * 100).toFixed(1)}`);
  }
  return runs.filter((run) => run.length > 0);
}

/** @param {Feed} feed */
function tablesOf(feed) {
  const rows = feed.tables.map((table) => [
    `${table.schema}.${table.name}`,
    element('span', { class: stateTone(table.state) }, table.state),
    progressOf(table),
    table.reason ?? '',
  ]);
  return tableOf(`tables of the feed from ${feed.target}`, ['table', 'state', 'rows copied', ''], rows);
}

/** @param {Feed['tables'][number]} table */
function progressOf(table) {
  const { rows_copied: copied, rows_estimated: estimated } = table;
  const text =
    estimated === null
      ? copied.toLocaleString()
      : `${copied.toLocaleString()} of ${estimated.toLocaleString()}`;
  const value = isWhole(table)
    ? 1
    : estimated === null || estimated === 0
      ? null
      : Math.min(1, copied / estimated);
  const label = `rows of ${table.name} copied`;
  return element(
    'span',
    { class: 'row' },
    element('progress', { max: 1, value, 'aria-label': label }),
    element('span', {}, text),
  );
}

import { element, say, showDetails } from './dom.js';
import { follow, send } from './graphql-client.js';
import { adminSecret, ask } from './server.js';

/** @typedef {import('./graphql-client.js').GraphqlRequest} GraphqlRequest */

/** Wishes for freshness that a person chooses among, as headers. */
const FRESHNESS = /** @type {const} */ ({
  default: {},
  'live rows only': { 'cache-control': 'no-cache' },
  'at most 50 ms old': { 'x-nearjoin-max-staleness': '50' },
  'cache, whatever its age': { 'x-nearjoin-fallback': 'stale' },
});

const FIRST = `# Ctrl-Enter runs a query or a subscription. Relationships to other databases
# are fields like all others; "extensions" says where their rows came from.

`;

/**
 * The API page: GraphiQL, with the role, freshness and the two routes beside it.
 * @param {HTMLElement} panel
 * @returns {{ show: () => void, hide: () => void }}
 */
export function openApiPage(panel) {
  const role = /** @type {HTMLInputElement} */ (
    element('input', {
      id: 'role',
      placeholder: 'admin',
      autocomplete: 'off',
      size: 12,
      onchange: () => readSchemaAnew(),
    })
  );
  const freshness = /** @type {HTMLSelectElement} */ (
    element(
      'select',
      { id: 'freshness' },
      ...Object.keys(FRESHNESS).map((name) => element('option', {}, name)),
    )
  );
  const editor = element('div', { id: 'editor' }, element('p', { class: 'quiet' }, 'loading the editor …'));
  /** What stands in the editor. @type {GraphqlRequest & { headers?: string }} */
  const current = { query: FIRST };
  const headers = () => ({
    ...headersOf(current.headers),
    ...FRESHNESS[/** @type {keyof typeof FRESHNESS} */ (freshness.value)],
    ...(role.value.trim() === '' ? {} : { 'x-hasura-role': role.value.trim() }),
  });
  panel.replaceChildren(
    element(
      'div',
      { class: 'tools' },
      element('label', { for: 'role' }, 'Role'),
      role,
      element('label', { for: 'freshness' }, 'Freshness'),
      freshness,
      button('Explain', () => explain(current, headers())),
      button('Compare routes', () => compareRoutes(current, headers())),
    ),
    editor,
  );
  /** Draws the editor with the schema of whoever asks. @type {() => void} */
  let draw = () => {};
  let asker = '';
  const readSchemaAnew = () => {
    const now = JSON.stringify([adminSecret(), role.value.trim()]);
    if (now !== asker) draw();
    asker = now;
  };
  attempt(async () => {
    draw = await mountEditor(editor, current, headers);
    asker = '';
    readSchemaAnew();
  });
  return { show: readSchemaAnew, hide: () => {} };
}

/**
 * @param {string} label
 * @param {() => Promise<void>} work
 */
function button(label, work) {
  return element('button', { type: 'button', onclick: () => attempt(work) }, label);
}

/** @param {() => Promise<void>} work */
function attempt(work) {
  say('');
  work().catch((error) => say(error instanceof Error ? error.message : String(error)));
}

/**
 * The headers editor's text; what is no JSON yet is nothing yet.
 * @param {string | undefined} text
 * @returns {Record<string, string>}
 */
function headersOf(text) {
  try {
    const value = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/**
 * @param {GraphqlRequest} current
 * @returns {GraphqlRequest}
 */
function requestOf({ query, operationName = null, variables }) {
  const text = typeof variables === 'string' ? variables.trim() : '';
  return { query, operationName, variables: text === '' ? {} : JSON.parse(text) };
}

/**
 * SQL, plan and route of every root field.
 * @param {GraphqlRequest} current
 * @param {Record<string, string>} headers
 */
async function explain(current, headers) {
  const user = Object.fromEntries(Object.entries(headers).filter(([name]) => /^x-hasura-/i.test(name)));
  /** @type {{ field: string, sql: string | null, plan: string[] | null, targets: object[] }[]} */
  const fields = await ask('/v1/graphql/explain', { query: requestOf(current), user });
  const parts = fields.flatMap(({ field, sql, plan, targets }) => [
    element('h3', {}, field),
    element('p', {}, targets.length === 0 ? 'reads its own database only' : JSON.stringify(targets)),
    element('pre', { tabindex: 0 }, sql ?? 'no SQL'),
    element('pre', { tabindex: 0 }, (plan ?? []).join('\n')),
  ]);
  showDetails('Explain', ...parts);
}

/**
 * The same query from the caches and live: the data must be the same bytes when nobody writes.
 * @param {GraphqlRequest} current
 * @param {Record<string, string>} headers
 */
async function compareRoutes(current, headers) {
  const request = requestOf(current);
  const cached = await send(request, { ...headers, 'x-nearjoin-fallback': 'stale' });
  const live = await send(request, { ...headers, 'cache-control': 'no-cache' });
  const isSame = cached.text === live.text;
  showDetails(
    'Compare routes',
    element(
      'p',
      { class: isSame ? 'good' : 'warn' },
      isSame
        ? 'Both routes answer the same bytes.'
        : 'The answers differ: rows may have changed between the two.',
    ),
    ...[cached, live].flatMap(({ text, cacheStatus }) => [
      element('h3', {}, cacheStatus ?? 'no other database was read'),
      isSame ? element('span') : element('pre', { tabindex: 0 }, text),
    ]),
  );
}

/**
 * Gives what draws the editor: it asks for the schema each time, a fetcher it has not seen being another server to it.
 * @param {HTMLElement} editor
 * @param {GraphqlRequest & { headers?: string }} current
 * @param {() => Record<string, string>} headers
 * @returns {Promise<() => void>}
 */
async function mountEditor(editor, current, headers) {
  for (const name of ['react.js', 'react-dom.js', 'graphiql.js'])
    await loadScript(`/console/assets/vendor/${name}`);
  const { React, ReactDOM, GraphiQL } = /** @type {any} */ (globalThis);
  /**
   * @param {GraphqlRequest} request
   * @param {{ documentAST?: { definitions: readonly any[] }, headers?: Record<string, string> }} options
   */
  const fetcher = (request, options = {}) => {
    const own = { ...headers(), 'x-nearjoin-extensions': 'true' };
    if (isSubscription(request, options.documentAST)) return follow(request, own);
    return send(request, own).then(({ text }) => JSON.parse(text));
  };
  const props = {
    defaultQuery: FIRST,
    shouldPersistHeaders: false,
    isHeadersEditorEnabled: true,
    onEditQuery: (/** @type {string} */ query) => (current.query = query),
    onEditVariables: (/** @type {string} */ variables) => (current.variables = variables),
    onEditHeaders: (/** @type {string} */ text) => (current.headers = text),
    onEditOperationName: (/** @type {string} */ name) => (current.operationName = name),
  };
  const root = ReactDOM.createRoot(editor);
  /** @type {() => void} */
  const draw = () =>
    root.render(
      React.createElement(GraphiQL, {
        ...props,
        fetcher: (/** @type {Parameters<typeof fetcher>} */ ...asked) => fetcher(...asked),
      }),
    );
  return draw;
}

/**
 * @param {GraphqlRequest} request
 * @param {{ definitions: readonly any[] } | undefined} document
 */
function isSubscription({ operationName }, document) {
  const operations = (document?.definitions ?? []).filter(({ kind }) => kind === 'OperationDefinition');
  const run = operations.find(({ name }) => name?.value === operationName) ?? operations[0];
  return run?.operation === 'subscription';
}

/** @param {string} address */
function loadScript(address) {
  return new Promise((resolve, reject) => {
    const script = /** @type {HTMLScriptElement} */ (element('script', { src: address }));
    script.async = false;
    script.addEventListener('load', () => resolve(undefined));
    script.addEventListener('error', () => reject(new Error(`${address} could not be loaded`)));
    document.head.append(script);
  });
}

import { byId, element, say, tableOf } from './dom.js';
import { stateTone } from './replication-facts.js';
import { ask } from './server.js';

/**
 * The parts of exported metadata that are shown; connection strings are not.
 * @typedef {{ schema: string, name: string }} TableName
 * @typedef {{ name: string, definition: { to_source?: { source: string, table: TableName | string, relationship_type: string,
 *   field_mapping: Record<string, string>, nearjoin?: { cache?: boolean } } } }} RemoteRelationship
 * @typedef {{ name: string, using: unknown }} LocalRelationship
 * @typedef {{ role: string, permission: { columns: string[] | '*', filter: object, limit?: number,
 *   allow_aggregations?: boolean } }} Permission
 * @typedef {{ table: TableName, object_relationships?: LocalRelationship[], array_relationships?: LocalRelationship[],
 *   remote_relationships?: RemoteRelationship[], select_permissions?: Permission[] }} TrackedTable
 * @typedef {{ function: TableName, configuration?: object, permissions?: { role: string }[], comment?: string }} TrackedFunction
 * @typedef {{ name: string, kind: string, tables: TrackedTable[], functions?: TrackedFunction[] }} Source
 * @typedef {{ name: string, reason: string, type: string, definition: any }} Complaint
 */

/** @typedef {import('./replication-facts.js').Feed} Feed */

/**
 * The data page: sources, tables, relationships with how they are answered, permissions, and what does not hold. Read-only.
 * @param {HTMLElement} panel
 * @returns {{ show: () => void, hide: () => void }}
 */
export function openDataPage(panel) {
  const content = element('div', { class: 'content' });
  const filter = /** @type {HTMLInputElement} */ (
    element('input', {
      id: 'table-filter',
      type: 'search',
      autocomplete: 'off',
      oninput: () => narrow(content, filter.value),
    })
  );
  panel.replaceChildren(
    element(
      'div',
      { class: 'tools' },
      element('label', { for: 'table-filter' }, 'Tables whose name contains'),
      filter,
      element('button', { type: 'button', onclick: () => void load() }, 'Read again'),
    ),
    content,
  );
  const load = async () => {
    try {
      const [{ resource_version: version, metadata: document }, consistency, { feeds }] = await Promise.all([
        ask('/v1/metadata', { type: 'export_metadata', version: 2, args: {} }),
        ask('/v1/metadata', { type: 'get_inconsistent_metadata', args: {} }),
        ask('/v1/replication'),
      ]);
      const { inconsistent_objects: broken = [], warnings = [] } = consistency;
      content.replaceChildren(
        complaintsOf(version, broken, warnings),
        ...document.sources.flatMap((/** @type {Source} */ source) => sourceParts(source, feeds, warnings)),
      );
      narrow(content, filter.value);
      say('');
    } catch (error) {
      say(`metadata: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  return { show: () => void load(), hide: () => {} };
}

/**
 * @param {HTMLElement} content
 * @param {string} text
 */
function narrow(content, text) {
  for (const card of content.querySelectorAll('[data-table]')) {
    const name = card.getAttribute('data-table') ?? '';
    /** @type {HTMLElement} */ (card).hidden = !name.toLowerCase().includes(text.toLowerCase());
  }
  byId('table-filter').setAttribute('aria-controls', 'page-data');
}

/**
 * @param {number} version
 * @param {readonly Complaint[]} broken
 * @param {readonly Complaint[]} warnings
 */
function complaintsOf(version, broken, warnings) {
  const rows = [...broken, ...warnings].map(({ type, name, reason }) => [
    element(
      'span',
      { class: type === 'warning' ? 'warn' : 'bad' },
      type === 'warning' ? 'works, live' : 'inconsistent',
    ),
    name,
    reason,
  ]);
  return element(
    'section',
    { class: 'card', 'aria-label': 'metadata' },
    element('h2', {}, `Metadata, version ${version}`),
    rows.length === 0
      ? element('p', { class: 'good' }, 'Everything holds, and everything that should be cached can be.')
      : tableOf('what does not hold', ['', 'object', 'reason'], rows),
  );
}

/**
 * @param {Source} source
 * @param {readonly Feed[]} feeds
 * @param {readonly Complaint[]} warnings
 */
function sourceParts(source, feeds, warnings) {
  return [
    element('h2', {}, `${source.name} (${counted(source.tables.length, 'table')})`),
    ...source.tables.map((tracked) => tableCard(source, tracked, feeds, warnings)),
    ...(source.functions === undefined ? [] : [functionsCard(source.name, source.functions)]),
  ];
}

/**
 * @param {string} source
 * @param {readonly TrackedFunction[]} functions
 */
function functionsCard(source, functions) {
  const rows = functions.map(({ function: called, configuration, permissions = [], comment = '' }) => [
    nameOf(called),
    configuration === undefined ? '' : JSON.stringify(configuration),
    permissions.map(({ role }) => role).join(', '),
    comment,
  ]);
  return element(
    'article',
    { class: 'card', 'aria-label': `functions of ${source}` },
    element('h3', {}, 'Functions'),
    tableOf(
      `functions of ${source}`,
      ['function', 'configuration', 'permissions of its own', 'comment'],
      rows,
    ),
  );
}

/**
 * @param {Source} source
 * @param {TrackedTable} tracked
 * @param {readonly Feed[]} feeds
 * @param {readonly Complaint[]} warnings
 */
function tableCard(source, tracked, feeds, warnings) {
  const name = nameOf(tracked.table);
  const local = [
    ...(tracked.object_relationships ?? []).map((each) => [
      each.name,
      'object',
      JSON.stringify(each.using),
      'same database',
    ]),
    ...(tracked.array_relationships ?? []).map((each) => [
      each.name,
      'array',
      JSON.stringify(each.using),
      'same database',
    ]),
  ];
  const remote = (tracked.remote_relationships ?? []).flatMap(
    ({ name: called, definition: { to_source: to } }) => {
      if (to === undefined) return [];
      const mapping = Object.entries(to.field_mapping).map(([left, right]) => `${left} → ${right}`);
      const target = `${to.source}.${nameOf(to.table)} (${mapping.join(', ')})`;
      return [[called, to.relationship_type, target, routeOf(source.name, to, feeds, warnings)]];
    },
  );
  const permissions = (tracked.select_permissions ?? []).map(({ role, permission }) => [
    role,
    permission.columns === '*' ? 'all columns' : permission.columns.join(', '),
    JSON.stringify(permission.filter),
    [
      permission.limit === undefined ? '' : `limit ${permission.limit}`,
      permission.allow_aggregations === true ? 'aggregates' : '',
    ]
      .filter((text) => text !== '')
      .join(', '),
  ]);
  const relationships = [...local, ...remote];
  return element(
    'article',
    { class: 'card', 'aria-label': `table ${name}`, 'data-table': name },
    element('h3', {}, name),
    relationships.length === 0
      ? null
      : tableOf(`relationships of ${name}`, ['relationship', 'kind', 'to', 'answered'], relationships),
    permissions.length === 0
      ? null
      : tableOf(`permissions on ${name}`, ['role', 'columns', 'rows', ''], permissions),
  );
}

/**
 * How a relationship is answered just now, and why not from the cache where it is not.
 * @param {string} source
 * @param {NonNullable<RemoteRelationship['definition']['to_source']>} to
 * @param {readonly Feed[]} feeds
 * @param {readonly Complaint[]} warnings
 * @returns {Node | string}
 */
function routeOf(source, to, feeds, warnings) {
  if (to.source === source) return 'same database';
  if (to.nearjoin?.cache === false) return 'live: its metadata says so';
  const wanted = nameOf(to.table);
  const warning = warnings.find(({ definition }) => {
    return (
      definition.source === source && definition.target === to.source && nameOf(definition.table) === wanted
    );
  });
  if (warning !== undefined) return element('span', { class: 'warn' }, warning.reason);
  const feed = feeds.find((each) => each.source === source && each.target === to.source);
  const table = feed?.tables.find((each) => nameOf(each) === wanted);
  if (feed === undefined || table === undefined)
    return element('span', { class: 'warn' }, 'live: no feed yet');
  return cacheState(feed, table);
}

/**
 * @param {Feed} feed
 * @param {Feed['tables'][number]} table
 */
function cacheState(feed, table) {
  const state = table.state === 'ready' ? feed.state : table.state;
  const isCached = table.state === 'ready' && feed.state === 'streaming';
  const why = table.reason ?? feed.reason;
  const text = why === null ? state : `${state}: ${why}`;
  return element('span', { class: stateTone(state) }, isCached ? 'from the cache' : text);
}

/**
 * @param {number} count
 * @param {string} noun
 */
function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** @param {TableName | string} table */
function nameOf(table) {
  return typeof table === 'string' ? `public.${table}` : `${table.schema}.${table.name}`;
}

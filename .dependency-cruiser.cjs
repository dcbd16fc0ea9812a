// The lanes of docs/ARCHITECTURE.md as data: a module may import itself and what its row names.
const may = {
  'src/core': [],
  connectors: ['src/core'],
  'src/metadata': ['src/core'],
  'src/catalog': ['src/core', 'src/metadata'],
  // What administrators ask for: a change of the document that is tried against the databases before it is saved.
  'src/commands': ['src/core', 'src/metadata', 'src/catalog'],
  'src/cache': ['src/core', 'src/catalog'],
  'src/plan': ['src/core', 'src/catalog'],
  'src/sql': ['src/core', 'src/plan', 'src/cache', 'src/catalog'],
  'src/read': ['src/core', 'src/catalog', 'src/cache', 'src/plan', 'src/sql'],
  'src/replicate': ['src/core', 'src/catalog', 'src/cache', 'connectors'],
  // Live queries: what is read again and again, for whom, and when. Knows nothing of sockets.
  'src/subscribe': ['src/core', 'src/cache', 'src/plan', 'src/read'],
  'src/graphql': ['src/core', 'src/catalog', 'src/plan'],
  'src/ops': ['src/core', 'src/cache'],
  'src/http': [
    'src/core',
    'src/metadata',
    'src/catalog',
    'src/commands',
    'src/cache',
    'src/plan',
    'src/sql',
    'src/read',
    'src/graphql',
    'src/subscribe',
    'src/ops',
    'src/version',
  ],
  'src/config': ['src/core', 'src/http'],
  'src/embedded': ['src/core'],
  // Composes a process from everything below it; nothing but the commands imports it.
  'src/serve': [
    'src/core',
    'connectors',
    'src/metadata',
    'src/catalog',
    'src/commands',
    'src/cache',
    'src/plan',
    'src/sql',
    'src/read',
    'src/replicate',
    'src/replicator-worker.ts',
    'src/graphql',
    'src/subscribe',
    'src/ops',
    'src/http',
    'src/config',
    'src/version',
  ],
  'src/demo': ['src/core', 'src/embedded', 'src/ops', 'src/config', 'src/serve'],
  // Dispatches commands; its clients talk to a running server over HTTP and read and write metadata directories.
  'src/cli': ['src/core', 'src/metadata', 'src/config', 'src/ops', 'src/serve', 'src/demo', 'src/version'],
  'src/bootstrap': [],
  // Runs in browsers.
  'src/console': [],
};

// What the folders of these modules may import of each other; the files beside them are free to all.
const folders = {
  'src/core': {
    json: [],
    position: [],
    rows: ['position', 'postgres'],
    postgres: [],
    waiting: [],
  },
  'src/metadata': {
    model: [],
    document: ['model'],
    object: ['model', 'document'],
    store: ['model', 'document'],
    directory: ['model', 'document'],
  },
  'src/catalog': {
    part: [],
    conditions: [],
    type: ['conditions'],
    introspect: ['type'],
    call: ['introspect'],
    resolve: ['part', 'conditions', 'type', 'introspect', 'call'],
    watch: ['introspect'],
  },
  'src/commands': {
    reduce: [],
    run: ['reduce'],
  },
  'src/catalog/resolve': {
    call: [],
    relationship: ['call'],
    rule: [],
  },
  'src/cache': {
    schema: [],
    status: [],
    feed: ['status'],
    table: ['status', 'feed'],
    rows: ['table'],
  },
  'src/plan': {
    place: [],
    value: [],
    operation: ['value'],
    role: [],
    argument: ['value', 'operation', 'role'],
    call: ['value', 'operation', 'argument', 'role', 'place'],
    rule: ['value', 'role', 'place', 'call'],
    where: ['value', 'argument', 'role', 'place', 'call', 'rule'],
    select: ['value', 'operation', 'argument', 'role', 'call', 'rule', 'where'],
    root: ['value', 'operation', 'argument', 'role', 'rule', 'where', 'select'],
  },
  'src/sql': {
    place: [],
    condition: ['place'],
    rows: ['place', 'condition'],
    shape: ['place', 'condition', 'rows'],
    live: ['place', 'condition', 'rows', 'shape'],
  },
  'src/replicate': {
    write: [],
    table: ['write'],
    follow: ['write'],
    copy: ['write', 'table', 'follow'],
    slot: [],
    verify: ['table'],
    lead: ['write', 'table', 'follow', 'copy', 'slot', 'verify'],
  },
  'src/http': {
    auth: [],
    operation: ['auth'],
    server: ['auth', 'operation'],
    route: ['auth', 'operation', 'server'],
    socket: ['auth', 'operation', 'server', 'route'],
  },
  'connectors/postgres': {
    database: ['publication', 'snapshot'],
    publication: [],
    snapshot: ['publication'],
    stream: [],
  },
};

// A row's own name also covers its entry file: `src/config` is src/config.ts and src/config/.
const inside = (name) => (name.endsWith('.ts') ? `^${name}$` : `^${name}(/|\\.ts$)`);

const rows = Object.entries(may).map(([name, others]) => ({
  name: `${name} imports`,
  severity: 'error',
  from: { path: inside(name) },
  to: { path: '^(src|connectors)/', pathNot: [name, ...others].map(inside) },
}));

const folderRows = Object.entries(folders).flatMap(([module, within]) =>
  Object.entries(within).map(([name, others]) => ({
    name: `${module}/${name} imports`,
    severity: 'error',
    from: { path: `^${module}/${name}/` },
    to: { path: `^${module}/[^/]+/`, pathNot: [name, ...others].map((each) => `^${module}/${each}/`) },
  })),
);

// Packages that may appear in these places only.
const places = {
  pg: [
    'connectors',
    'src/catalog',
    'src/cache',
    'src/read',
    'src/replicate',
    'src/metadata/store',
    'src/demo',
  ],
  'pg-copy-streams': ['connectors', 'src/cache', 'src/replicate'],
  'pg-logical-replication': ['connectors'],
  kafkajs: ['connectors'],
  fastify: ['src/http', 'src/graphql', 'src/serve'],
  mercurius: ['src/http', 'src/graphql'],
  ws: ['src/http/socket'],
  yaml: ['src/metadata/directory'],
};

const packages = Object.entries(places).map(([name, where]) => ({
  name: `${name} only in ${where.join(', ')}`,
  severity: 'error',
  from: { path: '^(src|connectors)/', pathNot: where.map((each) => `^${each}(/|\\.ts$)`) },
  to: { path: `node_modules/${name}/` },
}));

module.exports = {
  forbidden: [
    { name: 'no ring', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'pure: no input, no output, no packages',
      severity: 'error',
      from: { path: '^src/(core|sql)/' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'core'] },
    },
    {
      name: 'only what package.json declares for running',
      severity: 'error',
      from: { path: '^(src|connectors)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    {
      name: 'everything resolves',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no test code in the product',
      severity: 'error',
      from: { path: '^(src|connectors)/' },
      to: { path: '^test/' },
    },
    ...rows,
    ...folderRows,
    ...packages,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};

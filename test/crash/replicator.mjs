// A replicator in a process of its own that kills itself when a named step is reached. Built code: Node runs no TypeScript.
import process from 'node:process';

const dist = process.env.NEARJOIN_TEST_DIST ?? new URL('../../dist/', import.meta.url).href;
const load = (path) => import(new URL(path, dist).href);
const { postgresConnector } = await load('connectors/postgres/connector.js');
const { Supervisor } = await load('src/replicate/supervisor.js');
const { systemClock } = await load('src/core/waiting/clock.js');

const { sourceUrl, targetUrl, wanted, limits, ending } = JSON.parse(process.argv[2]);
let left = ending.skip;

const source = (name) => ({
  name,
  namespace: null,
  namespaceType: null,
  tables: new Map(),
  types: { builtIn: new Set(), extension: new Map() },
  unavailable: null,
});
const snapshot = {
  catalog: {
    sources: new Map([
      ['pg1', source('pg1')],
      ['pg2', source('pg2')],
    ]),
    wanted,
  },
  urls: new Map([
    ['pg1', sourceUrl],
    ['pg2', targetUrl],
  ]),
};
function warn(fields, text) {
  process.stderr.write(`${text} ${JSON.stringify(fields)}\n`);
}

const log = { debug() {}, info() {}, warn, error() {} };

function onStep(step) {
  if (step !== ending.at) return;
  left -= 1;
  if (left < 0) process.kill(process.pid, 'SIGKILL');
}

new Supervisor({
  catalogs: {
    async *changes() {
      yield snapshot;
      await new Promise(() => {});
    },
    async refresh() {},
  },
  connect: (url, name) => postgresConnector({ url, name, log }),
  limits,
  clock: systemClock,
  random: Math.random,
  log,
  onProbe: () => {},
  book: { noted: async () => [], note: async () => {}, forget: async () => {} },
  onStep: Object.assign(onStep, { inOneTrip: ending.inOneTrip }),
}).start();
process.stdout.write('begun\n');

import pg from 'pg';
import { pause } from './target.ts';
import type { World } from './world.ts';

/** One thing that goes wrong, or that an operator does; resolves when its own part is over. */
export interface Fault {
  readonly name: string;
  /** How often it comes, against the others. */
  readonly weight: number;
  happen(world: World, random: () => number): Promise<unknown>;
}

const SLOT = `slot_name like 'nearjoin%'`;

async function onTarget(world: World, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: world.target.url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function ask(world: World, action: string, body: object = {}): Promise<void> {
  const answer = await world.api.post(`/v1/replication/pg2/${action}`, body);
  if (answer.status !== 200) throw new Error(`${action}: ${answer.text}`);
}

async function waitForStandby(world: World, name: string): Promise<void> {
  await onTarget(world, `alter system set synchronous_standby_names = '${name}'`);
  await onTarget(world, 'select pg_reload_conf()');
}

/** A process that stands still for so long is replaced, and wakes up thinking that it leads. */
const STOPPED_MS = 5_500;

/** Everything that is done to a feed while it is watched. */
const FAULTS: readonly Fault[] = [
  { name: 'replicator killed', weight: 3, happen: (world) => world.kill('replicator') },
  { name: 'replicator killed that also answers', weight: 3, happen: (world) => world.kill('both') },
  {
    name: 'replicator standing still',
    weight: 1,
    happen: async (world, random) => {
      const { child } = random() < 0.5 ? world.both : world.replicator;
      child.kill('SIGSTOP');
      await pause(STOPPED_MS);
      child.kill('SIGCONT');
    },
  },
  {
    name: 'paused and resumed',
    weight: 2,
    happen: async (world, random) => {
      await ask(world, 'pause');
      await pause(400 + random() * 1_200);
      await ask(world, 'resume');
    },
  },
  { name: 'everything copied again', weight: 1, happen: (world) => ask(world, 'resync') },
  {
    name: 'a table copied again',
    weight: 2,
    happen: (world, random) => ask(world, 'resync', { tables: [random() < 0.5 ? 'account' : 'event'] }),
  },
  {
    name: 'slot dropped',
    weight: 1,
    happen: (world) =>
      onTarget(
        world,
        `do $$ declare slot record; begin
           for slot in select slot_name, active_pid from pg_replication_slots where ${SLOT} and not temporary loop
             if slot.active_pid is not null then perform pg_terminate_backend(slot.active_pid, 2000); end if;
             begin
               perform pg_drop_replication_slot(slot.slot_name);
             exception when object_in_use or undefined_object then null;
             end;
           end loop; end $$`,
      ),
  },
  {
    name: 'walsender ended',
    weight: 3,
    happen: (world) =>
      onTarget(
        world,
        `select pg_terminate_backend(active_pid) from pg_replication_slots where ${SLOT} and active`,
      ),
  },
  { name: 'connections reset', weight: 3, happen: (world) => Promise.resolve(world.proxy.reset()) },
  {
    name: 'network silent',
    weight: 1,
    happen: async (world) => {
      world.proxy.setMode('black-hole');
      await pause(1_500);
      world.proxy.setMode('forward');
      world.proxy.reset();
    },
  },
  { name: 'target restarted', weight: 1, happen: (world) => world.restartTarget() },
  {
    name: 'sessions of the feed ended on the source',
    weight: 2,
    happen: (world) =>
      world.source.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and application_name like 'nearjoin feed%'`,
      ),
  },
  {
    name: 'cache table dropped by hand',
    weight: 1,
    happen: (world, random) =>
      world.source.query(
        `do $$ declare name text; begin
           select relation into name from nearjoin.cache_table where state = 'ready' order by table_name offset ${random() < 0.5 ? 0 : 1} limit 1;
           if name is not null then execute format('drop table if exists nearjoin.%I', name); end if; end $$`,
      ),
  },
  {
    name: 'a column added',
    weight: 2,
    happen: (world, random) => {
      const table = ['account', 'mirror', 'event'][Math.floor(random() * 3)] ?? 'event';
      const column = `more_${Math.floor(random() * 1e9)} int default 1`;
      return onTarget(world, `alter table ${table} add column ${column}`);
    },
  },
  {
    name: 'commits logged and not shown, while a standby is waited for',
    weight: 2,
    happen: async (world, random) => {
      await waitForStandby(world, 'nobody');
      await pause(300 + random() * 1_000);
      await waitForStandby(world, '');
    },
  },
  {
    name: 'a table is not to be cached for a moment',
    weight: 2,
    happen: async (world, random) => {
      await world.cacheAllBut(random() < 0.5 ? 'mirror' : 'event');
      await pause(random() * 2_500);
      await world.cacheAllBut(null);
    },
  },
  { name: 'compared and repaired', weight: 2, happen: (world) => ask(world, 'verify', { repair: true }) },
];

/** One of them, by weight. */
export function chooseFault(random: () => number): Fault {
  const total = FAULTS.reduce((sum, { weight }) => sum + weight, 0);
  let left = random() * total;
  for (const fault of FAULTS) {
    left -= fault.weight;
    if (left < 0) return fault;
  }
  throw new Error('bug: weights do not add up');
}

import { afterEach, beforeEach, expect, test } from 'vitest';
import { requestVerification } from '../../src/cache/feed/verification.ts';
import { Session } from '../../src/replicate/session.ts';
import { FeedRig } from '../support/feed.ts';
import { poll } from '../support/poll.ts';
import { type Proxy, startProxy } from '../support/proxy.ts';
import { Stage } from '../support/stage.ts';

// Feeds are ended while a database says nothing, and nothing of it is waited for.

/** Longer than any test. */
const PATIENT = { connectMs: 600_000, statementMs: 600_000 };
const undo: (() => Promise<unknown>)[] = [];
let stage: Stage;
let source: Proxy;
let target: Proxy;

beforeEach(async () => {
  const rig = await FeedRig.open(
    ['create table item (id int primary key)', 'insert into item select generate_series(1, 50)'],
    { item: [] },
  );
  undo.push(() => rig.close());
  source = await startProxy(rig.source.server);
  target = await startProxy(rig.target.server);
  undo.push(
    () => source.close(),
    () => target.close(),
  );
  stage = new Stage(rig, { timings: PATIENT });
  stage.move({ pg1: source.through(rig.source.url), pg2: target.through(rig.target.url) });
  undo.push(() => stage.stop());
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Somebody connects who was not connected before. */
async function connects(proxy: Proxy): Promise<void> {
  const before = proxy.connectionsMade;
  await poll('another connection', () => proxy.connectionsMade > before);
}

async function streaming(): Promise<void> {
  stage.start();
  await stage.rig.ready();
  await stage.rig.caughtUp();
}

/** Stops the feed; what is opened at the same moment, to the end of a source's patience, is not waited for either. */
async function endsAtOnce(): Promise<void> {
  const silent = await startProxy(stage.rig.source.server);
  undo.push(() => silent.close());
  silent.setMode('black-hole');
  const options = { url: silent.through(stage.rig.source.url), applicationName: 'nearjoin test' };
  const asPatient = Session.open(options, new AbortController().signal).then(
    () => 'answered',
    () => 'given up',
  );
  const ended = stage.stop().then(() => 'ended');
  expect(await Promise.race([ended, asPatient])).toBe('ended');
}

const SILENCES: Readonly<Record<string, () => Promise<void>>> = {
  'a target while it is followed': async () => {
    await streaming();
    target.setMode('black-hole');
    await stage.rig.target.query('delete from item where id = 1');
  },
  'a source while it is fed': async () => {
    await streaming();
    source.setMode('black-hole');
    await stage.rig.target.query('delete from item where id = 1');
  },
  'both at once': async () => {
    await streaming();
    for (const proxy of [source, target]) proxy.setMode('black-hole');
  },
  'a target from the start': async () => {
    target.setMode('black-hole');
    stage.start();
    await connects(target);
  },
  'a source from the start': async () => {
    source.setMode('black-hole');
    stage.start();
    await connects(source);
  },
  'a target whose source is away': async () => {
    await streaming();
    target.setMode('black-hole');
    source.setMode('refuse');
    source.reset();
    await connects(target);
  },
  'a source that is compared': async () => {
    await streaming();
    source.hold();
    await requestVerification(stage.rig.source, 'pg2', { tables: null, repair: false, rowsPerSecond: null });
    await connects(source);
  },
  'where a target was before': async () => {
    await streaming();
    target.setMode('black-hole');
    stage.move({ pg2: stage.rig.target.url });
    await connects(target);
  },
  'the source of a target that has moved': async () => {
    await streaming();
    source.hold();
    stage.move({ pg2: stage.rig.target.url });
    await connects(source);
  },
  'a target whose source was away from the start': async () => {
    await streaming();
    await stage.stop();
    stage.lose(['pg1']);
    target.setMode('black-hole');
    stage.start();
    await connects(target);
  },
  'a target whose source is gone': async () => {
    await streaming();
    await stage.stop();
    stage.unlist(['pg1']);
    target.setMode('black-hole');
    stage.start();
    await connects(target);
  },
  'the database where slots are noted': async () => {
    stage.book = { ...stage.rig.book, noted: () => new Promise(() => undefined) };
    stage.start();
  },
};

test.each(Object.keys(SILENCES))('a feed ends at once though nothing comes from %s', async (what) => {
  await SILENCES[what]?.();
  await endsAtOnce();
});

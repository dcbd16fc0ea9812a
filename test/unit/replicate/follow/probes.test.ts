import { expect, test } from 'vitest';
import type { Connector } from '../../../../connectors/connector.ts';
import type { Queryable } from '../../../../src/cache/queryable.ts';
import type { Lsn } from '../../../../src/core/position/lsn.ts';
import type { Probe } from '../../../../src/core/position/watermark.ts';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { ProbePace } from '../../../../src/replicate/follow/probe-pace.ts';
import { runProbes } from '../../../../src/replicate/follow/probes.ts';
import { Progress } from '../../../../src/replicate/follow/progress.ts';

const at = (position: number): Lsn => BigInt(position) as Lsn;

function progressAt(position: number): Progress {
  return new Progress({ after: at(position), freshAsOf: 3, lastCommit: null });
}

interface Course {
  readonly time: number;
  /** Where the target is; null at first where the tables must be looked at before. */
  readonly position: number;
  readonly isUnlooked?: boolean;
  readonly forceFlush?: () => void;
}

/** Proves once: the source's clock shows a time, the target is at a position that `meanwhile` brings the cache to. */
async function proved(
  progress: Progress,
  { time, position, isUnlooked = false, forceFlush }: Course,
  meanwhile: (stopping: AbortController) => void,
): Promise<{ readonly probes: readonly Probe[]; readonly asked: readonly string[] }> {
  const stopping = new AbortController();
  const probes: Probe[] = [];
  const asked: string[] = [];
  const client: Queryable = {
    query: () => {
      asked.push('time');
      return Promise.resolve({ rows: [{ now: String(time) }], rowCount: 1, fields: [] });
    },
  };
  const observe = (): Promise<Lsn | null> => {
    asked.push('position');
    return Promise.resolve(isUnlooked && asked.length === 2 ? null : at(position));
  };
  const stream = { requestProgress: () => meanwhile(stopping) } as Parameters<typeof runProbes>[0]['stream'];
  const onProbe = (probe: Probe): void => {
    probes.push(probe);
    stopping.abort();
  };
  const pace = new ProbePace(1, systemClock);
  const connector = { forceFlush: async () => forceFlush?.() } as Connector;
  await runProbes(
    { client, connector, stream, progress, clock: systemClock, pace, observe, onProbe },
    stopping.signal,
  );
  return { probes, asked };
}

test('the time is read before the position, which must be applied and is told as far as it is stored', async () => {
  const progress = progressAt(5);
  const idle = await proved(progress, { time: 7, position: 10 }, () => progress.advance(at(10)));
  expect(idle).toEqual({ probes: [{ freshAsOf: 7, position: at(5) }], asked: ['time', 'position'] });
  const { probes } = await proved(progress, { time: 8, position: 12 }, () => progress.markStored(at(20)));
  expect(probes).toEqual([{ freshAsOf: 8, position: at(12) }]);
  progress.ask({ freshAsOf: 9, position: at(30) });
  expect(progress.markAt(at(20))).toMatchObject({ freshAsOf: 8 });
});

test('a watermark has the time of a probe from its position on', () => {
  const progress = progressAt(5);
  progress.ask({ freshAsOf: 7, position: at(10) });
  expect(progress.markAt(at(9))).toMatchObject({ freshAsOf: 3 });
  expect(progress.markAt(at(10))).toMatchObject({ freshAsOf: 7 });
});

test('a feed that stops before the position is applied has proved nothing', async () => {
  const progress = progressAt(5);
  const { probes } = await proved(progress, { time: 7, position: 10 }, (stopping) => stopping.abort());
  expect(probes).toEqual([]);
  expect(progress.markAt(at(5))).toMatchObject({ freshAsOf: 3 });
});

test('nor has one whose tables must be looked at first', async () => {
  const progress = progressAt(5);
  const course = { time: 7, position: 10, isUnlooked: true };
  const { probes, asked } = await proved(progress, course, () => progress.advance(at(10)));
  expect(probes).toEqual([{ freshAsOf: 7, position: at(5) }]);
  expect(asked).toEqual(['time', 'position', 'time', 'position']);
});

test('a position whose page of the log is not on disk, and so is not sent, is brought there', async () => {
  const progress = progressAt(5);
  const forceFlush = (): void => progress.advance(at(10));
  const { probes } = await proved(progress, { time: 7, position: 10, forceFlush }, () => undefined);
  expect(probes).toHaveLength(1);
});

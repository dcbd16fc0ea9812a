import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../../src/core/waiting/clock.ts';
import { Stop } from '../../../../src/core/waiting/stop-signal.ts';
import { Operations } from '../../../../src/graphql/operations.ts';
import { SchemaCache } from '../../../../src/graphql/schema-cache.ts';
import { sessionOf } from '../../../../src/http/auth/session.ts';
import { OperationRunner } from '../../../../src/http/operation/operation-runner.ts';
import { Metrics } from '../../../../src/ops/metrics.ts';
import { DEFAULT_PLAN_LIMITS } from '../../../../src/plan/budget.ts';
import { ProbeBoard } from '../../../../src/read/probe-board.ts';
import { ReadLane } from '../../../../src/read/read-lane.ts';
import { catalogOf } from '../../../support/catalog.ts';
import { Wire } from '../../../support/wire.ts';

const CATALOG = catalogOf({});
const log = pino({ enabled: false });

/** A lane that says when it is asked, and has nothing to read. */
class TellingLane extends ReadLane {
  readonly asked: () => void;

  constructor(asked: () => void) {
    super({
      watch: { current: () => ({ urls: new Map(), catalog: CATALOG }) },
      probes: new ProbeBoard(),
      log,
    });
    this.asked = asked;
  }

  override run(request: Parameters<ReadLane['run']>[0]): ReturnType<ReadLane['run']> {
    this.asked();
    return super.run(request);
  }
}

test('between planning a large operation and writing its statements what has come meanwhile has its turn', async () => {
  const wire = await Wire.open();
  onTestFinished(() => wire.close());
  const events: string[] = [];
  const lane = new TellingLane(() => events.push('this'));
  const runner = new OperationRunner({
    catalog: () => CATALOG,
    operations: new Operations({
      documents: { maxDocuments: 10, maxKeptTokens: 100_000, maxTokens: 100_000 },
      plans: { maxPlans: 10, maxKeptNodes: 100_000 },
      limits: { ...DEFAULT_PLAN_LIMITS, maxRootFields: 2_000 },
      compile: (plan) => lane.compile(plan),
      allowList: null,
    }),
    schemas: new SchemaCache(systemClock),
    renewed: () => Promise.resolve(false),
    clock: systemClock,
    lane,
    metrics: new Metrics(),
    log,
  });
  const run = async (fields: number): Promise<readonly string[]> => {
    events.length = 0;
    const names = Array.from({ length: fields }, (_, at) => `a${at}: __typename`);
    const other = (await wire.arrival()).next.then(() => events.push('other'));
    await runner.run(
      { query: `{ ${names.join(' ')} }`, operationName: null, variables: {} },
      {
        session: sessionOf('admin', new Map()),
        address: '127.0.0.1',
        freshness: { noCache: false, maxStalenessMs: null, fallback: null, tokens: new Map() },
        signal: new Stop(),
        notes: null,
      },
    );
    await other;
    return [...events];
  };
  expect(await run(10)).toEqual(['this', 'other']);
  expect(await run(1_100)).toEqual(['other', 'this']);
});

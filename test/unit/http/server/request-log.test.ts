import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import type { RunContext } from '../../../../src/http/operation/prepare-read.ts';
import { createLog } from '../../../../src/ops/log.ts';
import { echo, post, type Run, serverWith } from '../graphql-server.ts';

function logInto(lines: string[]): ReturnType<typeof createLog> {
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  return createLog('info', sink);
}

test('a line of the log has a length of its own, whatever an operation is called', async () => {
  const lines: string[] = [];
  const run: Run = async ({ operationName: name }, { notes }) => {
    notes?.operations.push({ name, elapsedMs: 1, code: null, targets: [] });
    return echo({ query: '{ a }', operationName: name, variables: {} }, {} as RunContext);
  };
  const app = await serverWith(run, { log: logInto(lines) });
  await post(app, { query: '{ a }', operationName: 'n'.repeat(9000) }, { 'x-hasura-role': 'r'.repeat(9000) });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.length).toBeLessThan(1000);
});

test.each([
  ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', '4bf92f3577b34da6a3ce929d0e0e4736'],
  ['00-00000000000000000000000000000000-00f067aa0ba902b7-01', undefined],
  ['00-4bf92f3577b34da6a3ce929d0e0e4736 forged', undefined],
])('with the traceparent %s the trace of a line is %s', async (traceparent, trace) => {
  const lines: string[] = [];
  const app = await serverWith(echo, { log: logInto(lines) });
  await post(app, { query: '{ a }' }, { traceparent, 'x-request-id': 'mine' });
  const [line] = lines.map((text) => JSON.parse(text));
  expect(line).toMatchObject({ request_id: 'mine' });
  expect(line.trace_id).toBe(trace);
});

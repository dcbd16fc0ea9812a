import { expect, test } from 'vitest';
import {
  NotedReadings,
  parseReading,
  printReading,
  readingKey,
} from '../../../../src/catalog/watch/noted-reading.ts';
import { database, table } from '../found.ts';

test('a reading comes back as it was, maps and sets too', () => {
  const reading = {
    ...database([table('users', ['id int4 key', 'mood text[]'])]),
    types: { builtIn: new Set(['int4', 'text']), extension: new Map([['citext', 'public.citext']]) },
    enumValues: new Map([
      ['public.color', [{ value: 'red', description: null }]],
      ['public.gone', { error: 'no such table' }],
    ]),
  };
  expect(parseReading(printReading(reading))).toEqual(reading);
});

test('what another version noted is not understood', () => {
  const text = printReading(database([table('users', ['id int4 key'])]));
  expect(parseReading(text.replace(/"format":\d+/, '"format":0'))).toBeNull();
});

test('a key hangs on address, database and user, and not on the password', () => {
  const key = readingKey('postgres://ada:one@db:5432/shop');
  expect(readingKey('postgres://ada:two@db:5432/shop')).toBe(key);
  expect(key).toMatch(/^[0-9a-f]{64}$/);
  for (const other of ['ada:one@db:5433/shop', 'ada:one@db:5432/crm', 'bob:one@db:5432/shop'])
    expect(readingKey(`postgres://${other}`)).not.toBe(key);
});

test('that readings cannot be noted is told, but not of a process that is being stopped and has closed what keeps them', async () => {
  const url = 'postgres://somebody@localhost/shop';
  const said: string[] = [];
  const stopping = new AbortController();
  const closed = (): Promise<never> => Promise.reject(new Error('closed'));
  const notes = new NotedReadings(
    { recall: closed, note: closed },
    { warn: (_fields: unknown, words?: string) => void said.push(String(words)) },
  );
  await notes.note(url, database([]), stopping.signal);
  expect(await notes.recall(url, stopping.signal)).toBeNull();
  const told = 'readings of databases cannot be noted or recalled';
  expect(said).toEqual([told, told]);
  stopping.abort(new Error('stopped'));
  await expect(notes.note(url, database([]), stopping.signal)).rejects.toThrow('stopped');
  await expect(notes.recall(url, stopping.signal)).rejects.toThrow('stopped');
  expect(said).toEqual([told, told]);
});

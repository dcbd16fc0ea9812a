import type { Queryable } from '../../cache/queryable.ts';
import { cacheWriter } from '../../cache/rows/write-rows.ts';
import type { Generation } from '../../cache/table/stored.ts';
import { type ComparedRows, keyText } from '../../core/rows/compared-rows.ts';
import { rowOf } from '../../core/rows/row.ts';
import { byKey, type ProvenRow } from './proof.ts';
import { type Compared, cachedRows, type VerifyScene } from './sides.ts';

const CHUNK_ROWS = 500;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** The stream stands still meanwhile: a target that does not answer must not hold it up. */
const ANSWER_WITHIN_MS = 2_000;

/** Writes the rows' right values between two transactions of the stream; rows written since they were judged are left to it. */
export async function repairRows(
  compared: Compared,
  proven: readonly ProvenRow[],
  there: ComparedRows,
): Promise<void> {
  for (const chunk of chunksOf(proven)) {
    const wanted = chunk.filter(({ difference }) => difference !== 'delete');
    const values = await there.cells(wanted.map(({ key }) => key));
    const cells = new Map(values.map((row) => [keyText(row.key), row.cells]));
    await compared.scene.exclusively(async (client) => {
      const right = await stillRight(client, compared, chunk);
      await writeRows(client, compared.sides.stored, right, cells);
    });
  }
}

/**
 * A row that the stream did not write since it was judged did not change on the target up to the cache's position
 * either, so what was read of it is right at that position. Only the deletion of a row that the cache lacks leaves no
 * trace: such a row must still be there.
 */
async function stillRight(
  client: Queryable,
  { scene, sides }: Compared,
  chunk: readonly ProvenRow[],
): Promise<readonly ProvenRow[]> {
  const now = byKey(await cachedRows(sides.stored, client).find(chunk.map(({ key }) => key)));
  const unwritten = chunk.filter(({ key, here }) => now.get(keyText(key))?.version === here?.version);
  const missing = unwritten.filter(({ difference }) => difference === 'insert');
  const there = byKey(await inTime(scene, sides.target.find(missing.map(({ key }) => key))));
  return unwritten.filter(
    (row) => row.difference !== 'insert' || there.get(keyText(row.key))?.version === row.there?.version,
  );
}

async function writeRows(
  client: Queryable,
  stored: Generation,
  rows: readonly ProvenRow[],
  cells: ReadonlyMap<string, readonly (string | null)[]>,
): Promise<void> {
  const writer = cacheWriter(stored);
  const gone = rows.filter(({ difference }) => difference === 'delete');
  const fresh = rows.flatMap((row) => {
    const values = cells.get(keyText(row.key));
    return values === undefined ? [] : [values];
  });
  const removes = gone.map(({ key }) =>
    stored.columns.map(({ name }) => key[stored.key.indexOf(name)] ?? null),
  );
  const statements = [
    ...(removes.length === 0 ? [] : writer.remove(removes.map(rowOf), 'arrays')),
    ...(fresh.length === 0 ? [] : writer.upsert(fresh.map(rowOf), 'arrays')),
  ];
  for (const { text, values } of statements) await client.query(text, values);
}

async function inTime<T>({ clock }: VerifyScene, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = clock.delay(ANSWER_WITHIN_MS, done.signal).then(() => {
    throw new Error('the target did not answer in time for a repair');
  });
  late.catch(() => undefined); // the work has won already
  try {
    return await Promise.race([work, late]);
  } finally {
    work.catch(() => undefined); // it may fail long after it was given up
    done.abort();
  }
}

/** Rows are large or small: a chunk is bounded by both their number and their size. */
function chunksOf(rows: readonly ProvenRow[]): readonly (readonly ProvenRow[])[] {
  const chunks: ProvenRow[][] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = row.there?.bytes ?? 0;
    const last = chunks.at(-1);
    if (last === undefined || last.length >= CHUNK_ROWS || bytes + size > CHUNK_BYTES) {
      chunks.push([row]);
      bytes = size;
    } else {
      last.push(row);
      bytes += size;
    }
  }
  return chunks;
}

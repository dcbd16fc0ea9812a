import type { Query } from './generate-query.ts';
import { toRequest } from './graphql-of.ts';
import { disagreement } from './lane-stage.ts';
import type { ProcessStage } from './process-stage.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** An operation of a batch; `query` where it is one that can be answered. */
interface Sent {
  readonly body: object;
  readonly query: Query | null;
}

/** Nothing that can be answered, each in another way. */
const WRONG: readonly object[] = [
  { query: '{ nothing_of_that_name }' },
  { query: '{ __typename' },
  { query: 'subscription { __typename }' },
  { query: 'query a { __typename } query b { __typename }' },
  { query: 'query a { __typename }', operationName: 'b' },
  { query: 'query ($v: Int!) { __typename }' },
];

/** Asks queries of one role alone and in one batch, some of them as operations of one document; says which was answered otherwise. */
export async function askedTogether(
  random: Random,
  stage: ProcessStage,
  queries: readonly Query[],
): Promise<string | null> {
  const [first] = queries;
  if (first === undefined) return null;
  const operations = shuffled(random, [
    ...queries.map((query): Sent => ({ body: toRequest(stage.world, query), query })),
    ...inOneDocument(stage.world, queries),
    ...random.some(WRONG, 0, 3).map((body): Sent => ({ body, query: null })),
  ]);
  const send = await stage.sender(first.role, random.chance(0.5));
  const alone: string[] = [];
  for (const { body } of operations) alone.push(await send(body));
  const together = await send(operations.map(({ body }) => body));
  if (together === `[${alone.join(',')}]`) return null;
  const answers: readonly unknown[] = JSON.parse(together);
  const wrong = operations.findIndex(({ query }, i) => {
    const [one, other] = [dataOf(JSON.parse(alone[i] ?? '')), dataOf(answers[i])];
    return query === null
      ? one !== other
      : disagreement(stage.world, query, { cached: one, live: other, sql: one });
  });
  if (wrong === -1) return null;
  return [JSON.stringify(operations[wrong]?.body), `alone: ${alone[wrong]}`, `together: ${together}`].join(
    '\n',
  );
}

function inOneDocument(world: World, queries: readonly Query[]): readonly Sent[] {
  const requests = queries.map((query, i) => toRequest(world, query, { operation: 'query', name: `Op${i}` }));
  const document = requests.map(({ query }) => query).join('\n');
  return requests.map(({ variables }, i) => ({
    body: { query: document, operationName: `Op${i}`, variables },
    query: queries[i] ?? null,
  }));
}

function shuffled<T>(random: Random, list: readonly T[]): readonly T[] {
  return random.some(list, list.length);
}

function dataOf(answer: unknown): string {
  const { data, errors } = answer as { readonly data?: unknown; readonly errors?: unknown };
  return errors === undefined ? JSON.stringify(data) : `error: ${JSON.stringify(errors)}`;
}

import { ddlOf } from './database-of.ts';
import type { Query } from './generate-query.ts';
import { toRequest } from './graphql-of.ts';
import { queriesMetadata, tablesMetadata } from './metadata-of.ts';
import { databasesOf, type World } from './world.ts';

interface Failure {
  readonly why: string;
  readonly world: World;
  readonly query: Query;
  readonly answers: Readonly<Record<string, string>>;
}

/** Everything needed to understand a failure and to see it again. */
export function report({ why, world, query, answers }: Failure): string {
  const own = (name: string) => world.tables.filter(({ database }) => database === name);
  const { query: text, variables } = toRequest(world, query);
  return [
    `${why} do not agree`,
    ...databasesOf(world).flatMap((name) => [
      `-- ${name}`,
      ...ddlOf(world, own(name), false),
      JSON.stringify(tablesMetadata(world, own(name), false)),
      JSON.stringify(queriesMetadata(world, name)),
    ]),
    `-- as ${query.role} with ${JSON.stringify(usedSession(world, query))}`,
    text,
    JSON.stringify(variables),
    ...Object.entries(answers).map(([way, answer]) => `${way}: ${answer}`),
  ].join('\n');
}

function usedSession(world: World, { role }: Query): unknown {
  const rules = JSON.stringify(world.tables.map((table) => tablesMetadata(world, [table], false)));
  return role === 'admin'
    ? {}
    : Object.fromEntries(Object.entries(world.session).filter(([name]) => rules.includes(name)));
}

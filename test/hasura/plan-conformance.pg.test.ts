import { type DocumentNode, type OperationDefinitionNode, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Catalog } from '../../src/catalog/catalog.ts';
import { must } from '../../src/core/assert.ts';
import { NearjoinError } from '../../src/core/errors.ts';
import { bindParams } from '../../src/plan/bind.ts';
import { coerceVariables, prepareVariables } from '../../src/plan/operation/variables.ts';
import { planQuery } from '../../src/plan/plan-query.ts';
import { type CaseStep, casesOf, groups, HAS_CASES } from './cases.ts';
import { openGroup, type World } from './world.ts';

interface Request {
  readonly query: string;
  readonly variables?: Readonly<Record<string, unknown>> | null;
  readonly operationName?: string | null;
  readonly extensions?: unknown;
}

interface GraphqlError {
  readonly message: string;
  readonly extensions: { readonly code: string; readonly path: string };
}

test.skipIf(HAS_CASES)(
  'the shared conformance cases are not beside this project: nothing to compare with',
  () => {
    expect(groups()).toEqual([]);
  },
);

const PLANNED_GROUPS = groups().filter((group) => !/^(remote_)?metadata_/.test(group));

describe.each(PLANNED_GROUPS)('%s', (group) => {
  let world: World | undefined;

  beforeAll(async () => {
    world = await openGroup(group);
  });

  afterAll(() => world?.close());

  test('every request is planned, or refused as by Hasura', () => {
    const { catalog } = must(world, 'a world').watch.current();
    const steps = casesOf(group).flatMap((one) => one.steps.map((step) => ({ name: one.name, step })));
    const graphql = steps.filter(({ step }) => step.path === '/v1/graphql' && !Array.isArray(step.request));
    const answers = graphql.map(({ name, step }) => [name, planned(catalog, step)]);
    expect(answers).toEqual(graphql.map(({ name, step }) => [name, expected(step)]));
  });

  test('the metadata is accepted, and exported it can be applied again', async () => {
    const opened = must(world, 'a world');
    const { body: exported } = await opened.metadata({ type: 'export_metadata', args: {} });
    expect(await opened.metadata({ type: 'replace_metadata', args: exported })).toEqual({
      status: 200,
      body: { is_consistent: true, inconsistent_objects: [] },
    });
    expect((await opened.metadata({ type: 'export_metadata', args: {} })).body).toEqual(exported);
  });
});

/** What is compared: the error as the case pins it, or null for an answer with data. */
function expected({ response, match }: CaseStep): unknown {
  const error = (response as { readonly errors?: readonly GraphqlError[] }).errors?.[0];
  if (error === undefined || RAISED_ELSEWHERE.has(error.message)) return null;
  const { message, extensions } = error;
  if (match === 'error_code') return expect.objectContaining({ code: extensions.code });
  return match === 'error_code_and_path' ? expect.objectContaining(extensions) : { message, ...extensions };
}

/** By the parser of documents, and by the reader of requests. */
const RAISED_ELSEWHERE: ReadonlySet<string> = new Set([
  'not a valid graphql query',
  'Automatic Persisted Queries is not enabled',
]);

function planned(catalog: Catalog, { request, headers = {} }: CaseStep): unknown {
  const { query, variables, operationName } = request as Request;
  const document = parsed(query);
  const operation = document === null ? undefined : operationOf(document, operationName ?? null);
  if (document === null || operation === undefined) return null;
  const session = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  try {
    const prepared = prepareVariables(document, operation);
    const values = coerceVariables(prepared, variables ?? {});
    const role = session.get('x-hasura-role') ?? 'admin';
    bindParams(
      planQuery({ catalog, role, document, operation, variables: values, prepared }),
      values,
      session,
    );
    return null;
  } catch (error) {
    if (!(error instanceof NearjoinError)) throw error;
    return { message: error.message, code: error.code, path: error.path };
  }
}

function parsed(query: string): DocumentNode | null {
  try {
    return parse(query);
  } catch {
    return null;
  }
}

function operationOf(document: DocumentNode, name: string | null): OperationDefinitionNode | undefined {
  return document.definitions.find(
    (definition): definition is OperationDefinitionNode =>
      definition.kind === 'OperationDefinition' && (name === null || definition.name?.value === name),
  );
}

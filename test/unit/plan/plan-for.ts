import { type OperationDefinitionNode, parse } from 'graphql';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { NearjoinError } from '../../../src/core/errors.ts';
import { bindParams } from '../../../src/plan/bind.ts';
import { DEFAULT_PLAN_LIMITS, type PlanLimits } from '../../../src/plan/budget.ts';
import { coerceVariables, prepareVariables, VariableScope } from '../../../src/plan/operation/variables.ts';
import type { QueryPlan } from '../../../src/plan/plan.ts';
import { planQuery } from '../../../src/plan/plan-query.ts';
import { catalogOf } from '../../support/catalog.ts';
import { printPlan } from '../../support/print-plan.ts';

/** A request as a test writes it. */
export interface Asked {
  readonly query: string;
  readonly role?: string;
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly session?: Readonly<Record<string, string>>;
  readonly catalog?: Catalog;
  readonly limits?: Partial<PlanLimits>;
}

/** Orders in one database, users in another, as in the project's own example; a few roles. */
export const SHOP: Catalog = catalogOf({
  pg1: {
    tables: {
      order: {
        columns: {
          id: 'integer!',
          user_id: 'bigint!',
          total: 'numeric',
          note: 'text',
          paid: 'boolean!',
          extra: 'jsonb',
        },
        primaryKey: ['id'],
        relationships: {
          user: { kind: 'object', table: 'user', source: 'pg2', on: { user_id: 'id' } },
          items: { kind: 'array', table: 'item', on: { id: 'order_id' } },
        },
        permissions: {
          clerk: { columns: ['id', 'total', 'user_id'], filter: { paid: true }, limit: 10 },
          buyer: {
            columns: ['id', 'note'],
            filter: { user: { name: 'X-Hasura-Name' } },
            allowAggregations: true,
          },
        },
      },
      item: {
        columns: { id: 'integer!', order_id: 'integer!', sku: 'text', color: 'text', tags: 'text[]' },
        primaryKey: ['id'],
        relationships: { order: { kind: 'object', table: 'order', on: { order_id: 'id' } } },
        permissions: {
          clerk: { filter: { order: { paid: { $eq: true } } }, allowAggregations: true, limit: 3 },
        },
        enums: { color: 'color' },
      },
      color: { columns: { value: 'text!' }, primaryKey: ['value'], enumValues: ['red', 'blue'] },
    },
  },
  pg2: {
    tables: {
      user: {
        columns: { id: 'bigint!', name: 'text', age: 'integer', boss_id: 'bigint' },
        primaryKey: ['id'],
        relationships: {
          boss: { kind: 'object', table: 'user', on: { boss_id: 'id' } },
          orders: { kind: 'array', table: 'order', source: 'pg1', on: { id: 'user_id' } },
        },
        permissions: { clerk: { columns: ['name'], filter: { age: { _gte: 18 } } } },
      },
    },
  },
});

/** Plans a request. */
export function planFor(asked: Asked): QueryPlan {
  const document = parse(asked.query);
  const operation = document.definitions.find(
    (definition): definition is OperationDefinitionNode => definition.kind === 'OperationDefinition',
  );
  if (operation === undefined) throw new Error('the test query has no operation');
  const prepared = prepareVariables(document, operation);
  const variables = new VariableScope(prepared, coerceVariables(prepared, asked.variables ?? {}));
  const limits = { ...DEFAULT_PLAN_LIMITS, ...asked.limits };
  return planQuery({
    catalog: asked.catalog ?? SHOP,
    role: asked.role ?? 'admin',
    document,
    operation,
    variables,
    limits,
  });
}

/** Plans a request and prints the plan. */
export function printed(asked: Asked): string {
  return printPlan(planFor(asked));
}

/** Plans a request and binds its values. */
export function bound(asked: Asked): readonly (string | null)[] {
  const plan = planFor(asked);
  const variables = new Map(Object.entries(asked.variables ?? {}));
  return bindParams(plan, variables, new Map(Object.entries(asked.session ?? {})));
}

/** The error a request is answered with, planning and binding together. */
export function refusal(asked: Asked): { code: string; path: string; message: string } | null {
  try {
    bound(asked);
    return null;
  } catch (error) {
    if (!(error instanceof NearjoinError)) throw error;
    return { code: error.code, path: error.path, message: error.message };
  }
}

import {
  type GraphQLNamedType,
  GraphQLObjectType,
  type GraphQLSchema,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  printType,
} from 'graphql';
import { type JsonText, jsonText } from '../core/json/json-text.ts';
import type { Steps } from '../core/waiting/slices.ts';
import type { VisibleTable } from '../plan/role/visible.ts';
import { ENTITIES, ENTITY, SERVICE } from '../plan/root/entities.ts';

/** What a federation adds itself. */
const ITS_OWN: ReadonlySet<string> = new Set(['_Service', '_Any', ENTITY]);
const ITS_FIELDS: ReadonlySet<string> = new Set([SERVICE, ENTITIES]);

/** The members of `_service` that were asked for; null stands for the schema's text. */
export function serviceText(
  members: readonly { readonly key: string; readonly json: string | null }[],
  sdl: string,
): JsonText {
  const texts = members.map(({ key, json }) => `${JSON.stringify(key)}:${json ?? JSON.stringify(sdl)}`);
  return jsonText(`{${texts.join(',')}}`);
}

/** A role's schema as a gateway wants it: without what the federation adds, and with the keys of entities. */
export function* sdlSteps(schema: GraphQLSchema, entities: readonly VisibleTable[]): Steps<string> {
  const keys = new Map(
    entities.map(({ table }) => [table.typeName, table.primaryKey.map(({ field }) => field).join(' ')]),
  );
  const texts = [rootsOf(schema)];
  for (const type of Object.values(schema.getTypeMap())) {
    yield;
    if (!isLeftOut(type)) texts.push(textOf(type, keys));
  }
  return texts.filter((text) => text !== '').join('\n\n');
}

function isLeftOut(type: GraphQLNamedType): boolean {
  return isIntrospectionType(type) || isSpecifiedScalarType(type) || ITS_OWN.has(type.name);
}

function rootsOf(schema: GraphQLSchema): string {
  const roots = [
    ['query', schema.getQueryType()],
    ['subscription', schema.getSubscriptionType()],
  ] as const;
  const lines = roots.flatMap(([name, type]) =>
    type === null || type === undefined || withoutItsFields(type) === null ? [] : [`  ${name}: ${type.name}`],
  );
  return lines.length === 0 ? '' : `schema {\n${lines.join('\n')}\n}`;
}

function textOf(type: GraphQLNamedType, keys: ReadonlyMap<string, string>): string {
  if (!isObjectType(type)) return printType(type);
  const own = withoutItsFields(type);
  if (own === null) return '';
  const key = keys.get(type.name);
  if (key === undefined) return printType(own);
  // Its text ends with what it is without its description.
  const bare = printType(new GraphQLObjectType({ ...own.toConfig(), description: null }));
  const head = `type ${type.name}`;
  return `${printType(own).slice(0, -bare.length)}${head} @key(fields: "${key}")${bare.slice(head.length)}`;
}

/** Null where nothing is left. */
function withoutItsFields(type: GraphQLObjectType): GraphQLObjectType | null {
  const { fields, ...config } = type.toConfig();
  const own = Object.entries(fields).filter(([name]) => !ITS_FIELDS.has(name));
  if (own.length === 0) return null;
  return own.length === Object.keys(fields).length
    ? type
    : new GraphQLObjectType({ ...config, fields: Object.fromEntries(own) });
}

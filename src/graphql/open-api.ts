import {
  type GraphQLInputType,
  type GraphQLSchema,
  isInputType,
  isNonNullType,
  isScalarType,
  type OperationDefinitionNode,
  parse,
  typeFromAST,
  valueFromASTUntyped,
} from 'graphql';
import { type Endpoint, isVariable, REST_PREFIX } from '../catalog/part/endpoints.ts';
import { type JsonSchema, plainSchema, TypeSchemas } from './open-api-types.ts';

const SECRET = {
  name: 'x-hasura-admin-secret',
  in: 'header',
  description: 'The administrator’s secret.',
  schema: { type: 'string' },
};
const WITH_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH']);

/** A variable of an operation whose type is there. */
interface Variable {
  readonly name: string;
  readonly type: GraphQLInputType;
  readonly initial: { readonly default?: unknown };
}

/** What endpoints take and answer, as a document of OpenAPI 3 in Hasura's form. */
export function openApi(endpoints: readonly Endpoint[], schema: GraphQLSchema): JsonSchema {
  const types = new TypeSchemas();
  const paths: Record<string, Record<string, JsonSchema>> = {};
  for (const endpoint of endpoints) {
    const operation = parse(endpoint.query, { noLocation: true }).definitions[0];
    if (operation?.kind !== 'OperationDefinition' || operation.operation !== 'query') continue;
    const path = pathOf(endpoint);
    const variables = variablesOf(operation, schema);
    const answer = answerOf(operation, schema, types);
    for (const method of endpoint.methods) {
      const body = WITH_BODY.has(method) ? bodyOf(variables, types) : {};
      const content = { 'application/json': { schema: answer } };
      const responses = { 200: { description: `Responses for ${method} ${path}`, content } };
      const about = { ...headOf(endpoint), parameters: parametersOf(endpoint, variables) };
      paths[path] = { ...paths[path], [method.toLowerCase()]: { ...about, ...body, responses } };
    }
  }
  const schemas = Object.keys(types.declared).length === 0 ? {} : { schemas: types.declared };
  return {
    openapi: '3.0.0',
    info: { title: 'Rest Endpoints', version: '', description: 'The REST endpoints in nearjoin’s metadata.' },
    paths,
    components: schemas,
  };
}

function pathOf({ segments }: Endpoint): string {
  const named = segments.map((segment) => (isVariable(segment) ? `{${segment.slice(1)}}` : segment));
  return REST_PREFIX + named.join('/');
}

function headOf({ name, comment, query }: Endpoint): JsonSchema {
  return { summary: name, description: `${comment ?? ''}\n\n\`\`\` graphql\n${query}\n\`\`\``.trim() };
}

function variablesOf(
  { variableDefinitions = [] }: OperationDefinitionNode,
  schema: GraphQLSchema,
): readonly Variable[] {
  return variableDefinitions.flatMap(({ variable, type: node, defaultValue }) => {
    const type = typeFromAST(schema, node);
    if (!isInputType(type)) return [];
    const initial = defaultValue === undefined ? {} : { default: valueFromASTUntyped(defaultValue) };
    return [{ name: variable.name.value, type, initial }];
  });
}

/** The secret, and the variables that can stand in a URL. */
function parametersOf({ segments }: Endpoint, variables: readonly Variable[]): readonly JsonSchema[] {
  const inUrl = variables
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, type, initial }) => {
      const bare = isNonNullType(type) ? type.ofType : type;
      const plain = isScalarType(bare) ? plainSchema(bare.name) : null;
      if (plain === null) return [];
      const isInPath = segments.includes(`:${name}`);
      const required = isInPath || (isNonNullType(type) && !('default' in initial));
      return [{ name, in: isInPath ? 'path' : 'query', required, schema: { ...plain, ...initial } }];
    });
  return [SECRET, ...inUrl];
}

/** Variables may stand in the body as well; those that can only stand there make it necessary. */
function bodyOf(variables: readonly Variable[], types: TypeSchemas): JsonSchema {
  if (variables.length === 0) return {};
  const properties = Object.fromEntries(
    variables.map(({ name, type, initial }) => [name, { ...types.input(type), ...initial }]),
  );
  const required = variables.some(
    ({ type, initial }) =>
      isNonNullType(type) &&
      !('default' in initial) &&
      !(isScalarType(type.ofType) && plainSchema(type.ofType.name) !== null),
  );
  const content = { 'application/json': { schema: { type: 'object', properties } } };
  return { requestBody: { description: 'Variables, in place of parameters.', required, content } };
}

function answerOf(
  { selectionSet }: OperationDefinitionNode,
  schema: GraphQLSchema,
  types: TypeSchemas,
): JsonSchema {
  const root = schema.getQueryType();
  return { properties: root === null || root === undefined ? {} : types.properties(root, [selectionSet]) };
}

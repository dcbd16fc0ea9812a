import {
  type FieldNode,
  type GraphQLEnumType,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
} from 'graphql';

/** A schema of OpenAPI 3. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const UUID = '[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89aAbB][a-f0-9]{3}-[a-f0-9]{12}';
const PLAIN: ReadonlyMap<string, string> = new Map([
  ['int', 'integer'],
  ['float', 'number'],
  ['double', 'number'],
  ['bool', 'boolean'],
  ['boolean', 'boolean'],
  ['string', 'string'],
  ['id', 'string'],
]);

/** The schema of a scalar that OpenAPI has a type for; null for all others. */
export function plainSchema(scalar: string): JsonSchema | null {
  const name = scalar.toLowerCase();
  if (name === 'uuid') return { type: 'string', pattern: UUID };
  const type = PLAIN.get(name);
  return type === undefined ? null : { type };
}

/** A field under its key in the answer, with all that is selected of it. */
interface SelectedField {
  readonly field: GraphQLField<unknown, unknown>;
  readonly sets: readonly SelectionSetNode[];
}

/** The schemas of GraphQL types. Those that may be met again are declared once, by Hasura's names: `uuid`, and `uuid!` where it is never null. */
export class TypeSchemas {
  readonly declared: Record<string, JsonSchema> = {};

  /** The schema of a field's answer, as far as its selections go. */
  output(type: GraphQLOutputType, selections: readonly SelectionSetNode[]): JsonSchema {
    return this.#schema(type, (named, nullable) => {
      if (!isObjectType(named)) return this.#leaf(named, nullable);
      const { name: title, description } = named;
      const properties = this.properties(named, selections);
      return { title, ...described(description), type: 'object', nullable, properties };
    });
  }

  /** The schemas of the members of an answer's object; fields that do not exist are left out. */
  properties(type: GraphQLObjectType, selections: readonly SelectionSetNode[]): JsonSchema {
    const fields = new Map<string, SelectedField>();
    for (const node of selections.flatMap(({ selections: nodes }) => fieldsIn(nodes))) {
      const field = type.getFields()[node.name.value];
      if (field === undefined) continue;
      const key = node.alias?.value ?? node.name.value;
      const before = fields.get(key)?.sets ?? [];
      const sets = node.selectionSet === undefined ? before : [...before, node.selectionSet];
      fields.set(key, { field, sets });
    }
    const schemas = [...fields].map(([key, { field, sets }]) => [key, this.output(field.type, sets)]);
    return Object.fromEntries(schemas) as JsonSchema;
  }

  /** The schema of a variable's value. */
  input(type: GraphQLInputType): JsonSchema {
    return this.#schema(type, (named, nullable) =>
      isInputObjectType(named) ? this.#inputObject(named, nullable) : this.#leaf(named, nullable),
    );
  }

  #schema(
    type: GraphQLOutputType | GraphQLInputType,
    inner: (named: GraphQLNamedType, nullable: boolean) => JsonSchema,
  ): JsonSchema {
    const nullable = !isNonNullType(type);
    const bare = isNonNullType(type) ? type.ofType : type;
    if (isListType(bare)) return { type: 'array', nullable, items: this.#schema(bare.ofType, inner) };
    return inner(getNamedType(bare), nullable);
  }

  #inputObject(named: GraphQLInputObjectType, nullable: boolean): JsonSchema {
    return this.#declare(named.name, nullable, () => {
      const members = Object.values(named.getFields()).map(({ name, type }) => [name, this.input(type)]);
      const properties: unknown = Object.fromEntries(members);
      return { title: named.name, ...described(named.description), type: 'object', nullable, properties };
    });
  }

  #leaf(named: GraphQLNamedType, nullable: boolean): JsonSchema {
    const { name: title, description } = named;
    const plain = plainSchema(title);
    if (isEnumType(named)) return this.#declare(title, nullable, () => enumSchema(named, nullable));
    if (plain !== null && !('pattern' in plain)) return { title, nullable, ...plain };
    return this.#declare(title, nullable, () => ({ title, nullable, ...(plain ?? described(description)) }));
  }

  /** A type may lead to itself: it stands there by name before it is made. */
  #declare(name: string, nullable: boolean, make: () => JsonSchema): JsonSchema {
    const key = nullable ? name : `${name}!`;
    if (!Object.hasOwn(this.declared, key)) {
      this.declared[key] = {};
      this.declared[key] = make();
    }
    return { $ref: `#/components/schemas/${key}` };
  }
}

function enumSchema(named: GraphQLEnumType, nullable: boolean): JsonSchema {
  const values = named.getValues().map(({ name }) => name);
  return { title: named.name, ...described(named.description), nullable, enum: values };
}

function described(description: string | null | undefined): JsonSchema {
  return typeof description === 'string' ? { description } : {};
}

/** An endpoint's operation has no named fragments. */
function fieldsIn(nodes: readonly SelectionNode[]): readonly FieldNode[] {
  return nodes.flatMap((node) => {
    if (node.kind === Kind.FIELD) return [node];
    return node.kind === Kind.INLINE_FRAGMENT ? fieldsIn(node.selectionSet.selections) : [];
  });
}

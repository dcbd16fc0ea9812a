import {
  GraphQLBoolean,
  type GraphQLInputFieldConfig,
  GraphQLInputObjectType,
  type GraphQLInputType,
} from 'graphql';
import type { Column, ColumnType, Table } from '../../catalog/catalog.ts';
import { isObjectOperand, operandOf } from '../../catalog/conditions/operand-type.ts';
import {
  castsOf,
  castTypeName,
  comparisonTypeName,
  type Operator,
  operandShape,
  operatorsOf,
  operatorsOfColumn,
} from '../../catalog/conditions/operators.ts';
import type { ObjectOperand } from '../../catalog/conditions/spatial-operators.ts';
import type { Spelling } from '../../catalog/part/spelling.ts';
import { listOf, type Member, required, sorted, type TypeRegistry } from './named.ts';
import type { ValueTypes } from './values.ts';

const DESCRIPTIONS: Partial<Record<Operator, string>> = {
  like: 'does the column match the given pattern',
  nlike: 'does the column NOT match the given pattern',
  ilike: 'does the column match the given case-insensitive pattern',
  nilike: 'does the column NOT match the given case-insensitive pattern',
  similar: 'does the column match the given SQL regular expression',
  nsimilar: 'does the column NOT match the given SQL regular expression',
  regex: 'does the column match the given POSIX regular expression, case sensitive',
  nregex: 'does the column NOT match the given POSIX regular expression, case sensitive',
  iregex: 'does the column match the given POSIX regular expression, case insensitive',
  niregex: 'does the column NOT match the given POSIX regular expression, case insensitive',
  has_key: 'does the string exist as a top-level key in the column',
  has_keys_any: 'do any of these strings exist as top-level keys in the column',
  has_keys_all: 'do all of these strings exist as top-level keys in the column',
  jsonb_path_exists: 'does the jsonpath return any item for the specified JSON value',
  jsonb_path_match: 'does the jsonpath predicate check return true for the specified JSON value',
  ancestor: 'is the left argument an ancestor of right (or equal)?',
  ancestor_any: 'does array contain an ancestor of `ltree`?',
  descendant: 'is the left argument a descendant of right (or equal)?',
  descendant_any: 'does array contain a descendant of `ltree`?',
  matches: 'does `ltree` match `lquery`?',
  matches_any: 'does `ltree` match any `lquery` in array?',
  matches_fulltext: 'does `ltree` match `ltxtquery`?',
  st_contains: 'does the column contain the given geometry value',
  st_crosses: 'does the column cross the given geometry value',
  st_equals: 'is the column equal to given geometry value (directionality is ignored)',
  st_3d_intersects: 'does the column spatially intersect the given geometry value in 3D',
  st_overlaps:
    "does the column 'spatially overlap' (intersect but not completely contain) the given geometry value",
  st_touches: 'does the column have atleast one point in common with the given geometry value',
  st_within: 'is the column contained in the given geometry value',
  st_3d_d_within: 'is the column within a given 3D distance from the given geometry value',
};

/** The `<scalar>_comparison_exp` input types. */
export class ComparisonTypes {
  readonly #registry: TypeRegistry;
  readonly #values: ValueTypes;

  constructor(registry: TypeRegistry, values: ValueTypes) {
    this.#registry = registry;
    this.#values = values;
  }

  ofColumn(table: Table, column: Column): GraphQLInputObjectType {
    const enumeration = this.#values.enumOf(table, column);
    const { spelling } = table;
    if (enumeration === null) return this.ofType(column.type, spelling);
    const naming = { name: `${enumeration.name}_comparison_exp`, about: enumeration.name, spelling };
    return this.#make(naming, () => {
      return operatorsOfColumn(column).map((operator) => {
        const isList = operandShape(operator) === 'list';
        return [`_${operator}`, { type: isList ? listOf(enumeration) : enumeration }];
      });
    });
  }

  ofType(type: ColumnType, spelling: Spelling): GraphQLInputObjectType {
    return this.#make({ name: comparisonTypeName(type), about: type.scalar, spelling }, () => {
      return [...this.#fields(type, operatorsOf(type)), ...this.#cast(type, spelling)];
    });
  }

  #make({ name: plain, about, spelling }: Naming, members: () => readonly Member[]): GraphQLInputObjectType {
    const description = `Boolean expression to compare columns of type "${about}". All fields are combined with logical 'AND'.`;
    return this.#registry.once(spelling.type(plain), (name) => {
      const isNull: Member = ['_is_null', { type: GraphQLBoolean }];
      const fields = (): Record<string, GraphQLInputFieldConfig> =>
        sorted([...members(), isNull].map(([member, config]) => [spelling.field(member), config]));
      return new GraphQLInputObjectType({ name, description, fields });
    });
  }

  #fields(type: ColumnType, operators: readonly Operator[]): readonly Member[] {
    return operators.map((operator) => {
      const description = DESCRIPTIONS[operator] ?? nearness(operator, type) ?? containment(operator, type);
      return [`_${operator}`, { type: this.#operand(type, operator), description }];
    });
  }

  #operand(type: ColumnType, operator: Operator): GraphQLInputType {
    const operand = operandOf(operator, type);
    if (isObjectOperand(operand)) return this.#object(operand);
    const one = this.#values.plain(operand.type);
    return operand.list ? listOf(one) : one;
  }

  #object({ typeName, members }: ObjectOperand): GraphQLInputObjectType {
    return this.#registry.once(typeName, (name) => {
      const fields = (): Record<string, GraphQLInputFieldConfig> =>
        sorted(
          members.map(({ name: member, type, required: isRequired, otherwise }): Member => {
            const scalar = this.#registry.scalar(type.scalar);
            return [member, { type: isRequired ? required(scalar) : scalar, defaultValue: otherwise }];
          }),
        );
      return new GraphQLInputObjectType({ name, fields });
    });
  }

  #cast(type: ColumnType, spelling: Spelling): readonly Member[] {
    const casts = castsOf(type);
    if (casts.length === 0) return [];
    const cast = this.#registry.once(spelling.type(castTypeName(type)), (name) => {
      const fields = (): Record<string, GraphQLInputFieldConfig> =>
        sorted(casts.map((other) => [other.scalar, { type: this.ofType(other, spelling) }]));
      return new GraphQLInputObjectType({ name, fields });
    });
    return [['_cast', { type: cast }]];
  }
}

/** A comparison type: its name before the naming convention applies, and the type that its description names. */
interface Naming {
  readonly name: string;
  readonly about: string;
  readonly spelling: Spelling;
}

function nearness(operator: Operator, { scalar }: ColumnType): string | null {
  if (operator === 'st_intersects') return `does the column spatially intersect the given ${scalar} value`;
  if (operator !== 'st_d_within') return null;
  return `is the column within a given distance from the given ${scalar} value`;
}

function containment(operator: Operator, type: ColumnType): string | null {
  if (operator !== 'contains' && operator !== 'contained_in') return null;
  if (type.kind === 'array') {
    return operator === 'contains'
      ? 'does the array contain the given value'
      : 'is the array contained in the given array value';
  }
  return operator === 'contains'
    ? 'does the column contain the given json value at the top level'
    : 'is the column contained in the given json value';
}

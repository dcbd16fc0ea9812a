import { type GraphQLSchema, isEnumType, isInputObjectType, isObjectType } from 'graphql';
import { tooComplex } from '../plan/budget.ts';

/** What editors and code generators ask of each type and of each member of one: it goes nine wrappers deep. */
const WHOLE_SCHEMA = { type: 80, member: 200 };
/** So little that nobody would notice. */
const ALWAYS_ALLOWED = 200_000;
/** As many times as the whole schema at once: for editors that ask for everything in their own way. */
const MOST_SCHEMAS = 2;
/** Editors' own texts have a few hundred, fragments counted at each use. */
const MOST_SELECTIONS = 10_000;

/** How many members types of one kind have. */
interface Sizes {
  readonly average: number;
  readonly largest: number;
}

/**
 * Counts the fields that an introspection would be answered with: types lead to fields and fields to types, so a short text
 * can ask for more than there is time and memory for, and nothing else is answered until it is done.
 */
export class IntrospectionBudget {
  readonly #types: number;
  readonly #members: Sizes;
  readonly #limit: number;
  #spent = 0;
  #selections = 0;

  constructor(schema: GraphQLSchema) {
    const types = Object.values(schema.getTypeMap());
    const members = types.map(membersOf);
    const total = members.reduce((sum, count) => sum + count, 0);
    this.#types = types.length;
    this.#members = {
      average: Math.max(1, total / Math.max(1, types.length)),
      largest: members.reduce((most, count) => Math.max(most, count), 1),
    };
    const whole = WHOLE_SCHEMA.type * types.length + WHOLE_SCHEMA.member * total;
    this.#limit = Math.max(ALWAYS_ALLOWED, MOST_SCHEMAS * whole);
  }

  /** Counts one selection that is answered that many times. */
  spend(times: number, path: string): void {
    this.#spent += times;
    this.#selections += 1;
    if (this.#spent > this.#limit || this.#selections > MOST_SELECTIONS)
      throw tooComplex(path, 'introspection of far more than the schema');
  }

  /** About how many values a field has; of one type it may be the largest, of many it is the average. */
  sizeOf(field: string, times: number): number {
    switch (field) {
      case 'types':
        return this.#types;
      case 'fields':
      case 'inputFields':
      case 'enumValues':
        return times > 1 ? this.#members.average : this.#members.largest;
      case 'args':
        return ARGUMENTS;
      default:
        return 1;
    }
  }
}

/** A field of a table has five: filter, order, distinct, limit and offset. */
const ARGUMENTS = 5;

function membersOf(type: ReturnType<GraphQLSchema['getTypeMap']>[string]): number {
  if (isObjectType(type) || isInputObjectType(type)) return Object.keys(type.getFields()).length;
  return isEnumType(type) ? type.getValues().length : 0;
}

import type { GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { LRUCache } from 'lru-cache';
import type { Catalog } from '../catalog/catalog.ts';
import type { JsonText } from '../core/json/json-text.ts';
import { keptIn } from '../core/kept-in.ts';
import type { RoleName } from '../core/names.ts';
import type { Clock } from '../core/waiting/clock.ts';
import { inSlices } from '../core/waiting/slices.ts';
import { Stop, type StopSignal } from '../core/waiting/stop-signal.ts';
import { Turns } from '../core/waiting/turns.ts';
import { visibleEntities } from '../plan/root/entities.ts';
import { executeIntrospection, type IntrospectionRequest } from './introspection.ts';
import { schemaSteps } from './schema.ts';
import { sdlSteps } from './sdl.ts';

/** A role's name can be the client's invention; those that are asked for again and again are fewer than this. */
const KEPT_SCHEMAS = 100;

/** Who asks for a schema, and of which catalog. */
interface Whose {
  readonly catalog: Catalog;
  readonly role: RoleName;
}

/** Keeps the schemas of the roles that asked last, each built once per catalog. Large ones take seconds, so they are built in slices. */
export class SchemaCache {
  readonly #schemas = new WeakMap<Catalog, LRUCache<RoleName, Promise<GraphQLSchema>>>();
  readonly #sdl = new WeakMap<GraphQLSchema, Promise<string>>();
  readonly #answers: IntrospectionAnswers;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#answers = new IntrospectionAnswers(clock);
  }

  /** What the role may ask, as a GraphQL schema. */
  schema(catalog: Catalog, role: RoleName): Promise<GraphQLSchema> {
    const schemas = keptIn(this.#schemas, catalog, () => new LRUCache({ max: KEPT_SCHEMAS }));
    return keptIn<RoleName, Promise<GraphQLSchema>>(schemas, role, () => {
      const schema = inSlices(schemaSteps(catalog, role), this.#clock);
      // What failed is told to whoever asked, and tried again for the next.
      schema.catch(() => schemas.delete(role));
      return schema;
    });
  }

  /** What the role may ask, as the text that a gateway of a federation wants. */
  async sdl({ catalog, role }: Whose): Promise<string> {
    const schema = await this.schema(catalog, role);
    return keptIn(this.#sdl, schema, () =>
      inSlices(sdlSteps(schema, visibleEntities(catalog, role)), this.#clock),
    );
  }

  /** Answers an operation's introspection fields for a role, by response key; the signal ends the wait for it. */
  async introspect(
    { catalog, role }: Whose,
    request: IntrospectionRequest,
    signal: StopSignal,
  ): Promise<ReadonlyMap<string, JsonText>> {
    return this.#answers.answers(await this.schema(catalog, role), request, signal);
  }
}

/** Answers that are made at the same time: each takes its slices, and may be tens of megabytes long. */
const AT_ONCE = 2;

/** Characters of answers that are kept, and for how many schemas. */
const KEPT_ANSWERS = { maxSize: 64_000_000, max: 20 };

interface KeptAnswers {
  readonly operation: OperationDefinitionNode;
  readonly answers: ReadonlyMap<string, JsonText>;
}

/** Answers that are being made. */
interface Underway {
  readonly operation: OperationDefinitionNode;
  readonly answers: Promise<ReadonlyMap<string, JsonText>>;
}

/**
 * Keeps the last answer for each schema: tools ask for the whole schema again and again, and for hundreds of tables that is
 * tens of megabytes, which take a while to make.
 */
class IntrospectionAnswers {
  readonly #clock: Clock;
  readonly #turns = new Turns(AT_ONCE);
  readonly #underway = new WeakMap<GraphQLSchema, Underway>();
  readonly #kept = new LRUCache<GraphQLSchema, KeptAnswers>({
    ...KEPT_ANSWERS,
    sizeCalculation: ({ answers }) => [...answers.values()].reduce((sum, { length }) => sum + length, 1),
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** As `executeIntrospection`; equal requests at the same time share one answer. */
  async answers(
    schema: GraphQLSchema,
    request: IntrospectionRequest,
    signal: StopSignal,
  ): Promise<ReadonlyMap<string, JsonText>> {
    const { operation } = request;
    const made = (until: StopSignal): Promise<ReadonlyMap<string, JsonText>> =>
      this.#turns.take(() => inSlices(executeIntrospection(schema, request), this.#clock), until);
    // An equal text is the same operation (texts are parsed once), and without variables it always has the same answer.
    const isFixed = (operation.variableDefinitions ?? []).length === 0;
    if (!isFixed) return made(signal);
    const kept = this.#kept.get(schema);
    if (kept?.operation === operation) return kept.answers;
    const underway = this.#underway.get(schema);
    if (underway?.operation === operation) return underway.answers;
    // Others may wait for it too.
    const answers = made(new Stop());
    this.#underway.set(schema, { operation, answers });
    try {
      this.#kept.set(schema, { operation, answers: await answers });
    } finally {
      if (this.#underway.get(schema)?.answers === answers) this.#underway.delete(schema);
    }
    return answers;
  }
}

import { createHash } from 'node:crypto';
import { type DocumentNode, Kind, type NameNode, parse, type SelectionNode } from 'graphql';
import type { Catalog } from '../catalog/catalog.ts';
import { NearjoinError } from '../core/errors.ts';
import { ADMIN, type RoleName } from '../core/names.ts';
import type { ParsedDocument } from './documents.ts';

/** Who may run a listed document: everybody where it is null. */
type Audience = ReadonlySet<RoleName> | null;

/** Lets roles other than the administrator's run documents of the catalog's allow list only. */
export class AllowList {
  #list: { readonly generation: number; readonly audiences: ReadonlyMap<string, Audience> } | null = null;
  /** The likeness of each listed document by its text, kept for the next list, which has mostly the same documents. */
  #likenesses = new Map<string, string>();
  /** What was found for a document, in the catalog that it was last asked for with. */
  readonly #found = new WeakMap<
    ParsedDocument,
    { readonly generation: number; readonly audience: Audience | undefined }
  >();

  /** Refuses, in Hasura's words, a document that is not listed for the role: all of it counts, whichever operation is to run. */
  refuseUnlisted(
    document: ParsedDocument,
    { role, catalog }: { readonly role: RoleName; readonly catalog: Catalog },
  ): void {
    if (role === ADMIN) return;
    const audience = this.#audienceOf(document, catalog);
    if (audience === null || audience?.has(role) === true) return;
    throw new NearjoinError('validation-failed', 'query is not allowed', {
      internal: { message: 'query is not in any of the allowlists' },
    });
  }

  #audienceOf(document: ParsedDocument, catalog: Catalog): Audience | undefined {
    const { generation } = catalog;
    const known = this.#found.get(document);
    if (known?.generation === generation) return known.audience;
    if (this.#list?.generation !== generation)
      this.#list = { generation, audiences: this.#audiencesIn(catalog) };
    const audience = this.#list.audiences.get(likeness(document.document));
    this.#found.set(document, { generation, audience });
    return audience;
  }

  #audiencesIn({ kept: { allowed } }: Catalog): ReadonlyMap<string, Audience> {
    const before = this.#likenesses;
    this.#likenesses = new Map();
    const audiences = new Map<string, Audience>();
    for (const { query, roles } of allowed) {
      const key = before.get(query) ?? likeness(parse(query, { noLocation: true }));
      this.#likenesses.set(query, key);
      const others = audiences.get(key);
      audiences.set(key, roles === null || others === null ? null : new Set([...(others ?? []), ...roles]));
    }
    return audiences;
  }
}

/**
 * A text that is equal for documents that differ only in `__typename`, spaces, and the order of definitions, arguments and
 * members.
 */
function likeness(document: DocumentNode): string {
  const text = JSON.stringify(document, (key, value: unknown) => {
    if (key === 'block') return undefined;
    if (!Array.isArray(value)) return value;
    if (key === 'selections') return value.filter((node: SelectionNode) => !isTypeName(node));
    return ['definitions', 'arguments', 'fields'].includes(key) ? value.toSorted(byName) : value;
  });
  return createHash('sha256').update(text).digest('base64');
}

function isTypeName(node: SelectionNode): boolean {
  return node.kind === Kind.FIELD && node.name.value === '__typename';
}

interface Named {
  readonly kind: Kind;
  /** An operation may have none. */
  readonly name?: NameNode;
}

/** Kinds count too, since an operation and a fragment may have the same name. */
function byName(a: Named, b: Named): number {
  return `${a.kind} ${a.name?.value}` < `${b.kind} ${b.name?.value}` ? -1 : 1;
}

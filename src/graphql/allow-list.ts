import { type DocumentNode, Kind, type NameNode, parse, print, visit } from 'graphql';
import type { Catalog } from '../catalog/catalog.ts';
import { NearjoinError } from '../core/errors.ts';
import type { RoleName } from '../core/names.ts';
import { ADMIN } from '../plan/visible.ts';
import type { ParsedDocument } from './documents.ts';

/** Who may run a listed document: everybody where it is null. */
type Audience = ReadonlySet<RoleName> | null;

/** Lets roles other than the administrator's run documents of the catalog's allow list only. */
export class AllowList {
  readonly #lists = new WeakMap<Catalog, ReadonlyMap<string, Audience>>();
  /** What was found for a document, in the catalog that it was last asked for with. */
  readonly #found = new WeakMap<
    ParsedDocument,
    { readonly catalog: Catalog; readonly audience: Audience | undefined }
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
    const known = this.#found.get(document);
    if (known?.catalog === catalog) return known.audience;
    const list = this.#lists.get(catalog) ?? listOf(catalog);
    this.#lists.set(catalog, list);
    const audience = list.get(canonical(document.document));
    this.#found.set(document, { catalog, audience });
    return audience;
  }
}

function listOf({ kept: { allowed } }: Catalog): ReadonlyMap<string, Audience> {
  const list = new Map<string, Audience>();
  for (const { query, roles } of allowed) {
    const text = canonical(parse(query, { noLocation: true }));
    const before = list.get(text);
    list.set(text, roles === null || before === null ? null : new Set([...(before ?? []), ...roles]));
  }
  return list;
}

/** The same text for documents that are the same but for `__typename`, spaces, and the order of arguments and members. */
function canonical(document: DocumentNode): string {
  return print(
    visit(document, {
      Field: {
        enter: ({ name }) => (name.value === '__typename' ? null : undefined),
        leave: (node) => ({ ...node, arguments: byName(node.arguments) }),
      },
      Directive: { leave: (node) => ({ ...node, arguments: byName(node.arguments) }) },
      [Kind.OBJECT]: { leave: (node) => ({ ...node, fields: byName(node.fields) }) },
      StringValue: { leave: (node) => ({ ...node, block: false }) },
    }),
  );
}

function byName<T extends { readonly name: NameNode }>(nodes: readonly T[] = []): readonly T[] {
  return nodes.toSorted((a, b) => (a.name.value < b.name.value ? -1 : 1));
}

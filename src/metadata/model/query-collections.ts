import { type DocumentNode, parse } from 'graphql';
import { z } from 'zod';

const name = z.string().min(1);

/** A document of operations and fragments; null for a text that is none. */
function executableDocument(text: string): DocumentNode | null {
  try {
    const document = parse(text, { noLocation: true });
    const isExecutable = document.definitions.every(
      ({ kind }) => kind === 'OperationDefinition' || kind === 'FragmentDefinition',
    );
    return isExecutable ? document : null;
  } catch {
    return null;
  }
}

/** The text of a document. */
export const queryText = z
  .string()
  .refine((text) => executableDocument(text) !== null, 'parsing the graphql query failed');

/** Named operations that are kept on the server. */
export const queryCollection = z.looseObject({
  name,
  definition: z.looseObject({ queries: z.array(z.looseObject({ name, query: queryText })) }),
  comment: z.string().nullish(),
});
export type QueryCollection = z.infer<typeof queryCollection>;

/** Whose a collection of the allow list is: everybody's, or some roles'. */
export const allowlistScope = z
  .looseObject({
    global: z.boolean(),
    roles: z.array(name).min(1, 'parsing NonEmpty failed, unexpected empty list').optional(),
  })
  .superRefine(({ global, roles }, context) => {
    const refuse = (message: string): void => context.addIssue({ code: 'custom', message });
    if (global && roles !== undefined) refuse('roles are not allowed when global is true');
    if (!global && roles === undefined) refuse('key "roles" not found');
    if (roles !== undefined && new Set(roles).size < roles.length) refuse('duplicate roles are not allowed');
  });

/** A collection whose operations may be run where only listed ones may. */
export const allowlistEntry = z.looseObject({
  collection: name,
  scope: allowlistScope.default({ global: true }),
});
export type AllowlistEntry = z.infer<typeof allowlistEntry>;

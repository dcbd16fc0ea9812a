import { z } from 'zod';
import { selectPermissionEntry } from './permissions.ts';
import { manualConfiguration, remoteRelationship } from './relationships.ts';

const nullable = z.boolean().default(false);
const description = z.string().nullish();

/** What a field of a logical model is: a value, or rows that a relationship of the same name leads to. */
const fieldType = z.union([
  z.looseObject({ scalar: z.string().min(1), nullable }),
  z.looseObject({ logical_model: z.string().min(1), nullable }),
  z.looseObject({ array: z.unknown(), nullable }),
]);

/** A value's type may also be written as its bare name; it becomes the same. */
const logicalField = z.union([
  z.looseObject({ name: z.string().min(1), type: fieldType, description }),
  z
    .looseObject({ name: z.string().min(1), type: z.string().min(1), nullable, description })
    .transform(({ type: scalar, nullable: isNullable, ...rest }) => ({
      ...rest,
      type: { scalar, nullable: isNullable },
    })),
]);
export type LogicalField = z.infer<typeof logicalField>;

const fields = z.array(logicalField);
const permissions = z.array(selectPermissionEntry).optional();

/** The shape of rows that native queries answer, and what roles may read of them. */
export const logicalModel = z.looseObject({
  name: z.string().min(1),
  fields,
  description,
  select_permissions: permissions,
});
export type LogicalModelMetadata = z.infer<typeof logicalModel>;

/** A relationship of a native query; as in Hasura it cannot follow a foreign key. */
const queryRelationship = z.looseObject({ name: z.string().min(1), using: manualConfiguration });

/** A statement of the metadata whose rows are a root field; `{{name}}` in it is an argument. */
export const nativeQuery = z.looseObject({
  root_field_name: z.string().min(1),
  code: z.string(),
  /** A logical model by its name, or one that only this query has. */
  returns: z.union([z.string().min(1), z.looseObject({ fields, select_permissions: permissions })]),
  arguments: z
    .record(z.string(), z.looseObject({ type: z.string().min(1), nullable, description }))
    .optional(),
  object_relationships: z.array(queryRelationship).optional(),
  array_relationships: z.array(queryRelationship).optional(),
  /** Beyond Hasura's: as a table's. */
  remote_relationships: z.array(remoteRelationship).optional(),
  description,
});
export type NativeQueryMetadata = z.infer<typeof nativeQuery>;

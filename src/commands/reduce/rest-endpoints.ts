import { MetadataError } from '../../metadata/metadata-error.ts';
import type { Metadata } from '../../metadata/model.ts';
import { removeObject } from '../../metadata/object/objects.ts';
import type { ArgsOf } from '../command.ts';

/** Opens a path; its name must be new. */
export function createEndpoint(metadata: Metadata, args: ArgsOf<'create_rest_endpoint'>): Metadata {
  const endpoints = metadata.rest_endpoints ?? [];
  if (endpoints.some(({ name }) => name === args.name))
    throw new MetadataError('already-exists', `Endpoint with name: ${args.name} already exists`);
  return { ...metadata, rest_endpoints: [...endpoints, args] };
}

/** Closes a path. */
export function dropEndpoint(metadata: Metadata, { name }: ArgsOf<'drop_rest_endpoint'>): Metadata {
  if (metadata.rest_endpoints?.some((endpoint) => endpoint.name === name) !== true)
    throw new MetadataError('not-exists', `endpoint with name: ${name} does not exist`);
  return removeObject(metadata, { kind: 'rest_endpoint', name });
}

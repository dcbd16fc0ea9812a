import { z } from 'zod';

const name = z.string().min(1);

/** Methods that an endpoint can have, in the order they are listed in. */
export const ENDPOINT_METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'] as const;
export type EndpointMethod = (typeof ENDPOINT_METHODS)[number];

/** A path under `/api/rest/` that answers an operation of a collection; a segment that begins with a colon is a variable. */
export const restEndpoint = z.looseObject({
  name,
  url: name,
  methods: z.array(z.enum(ENDPOINT_METHODS)).min(1, 'parsing NonEmpty failed, unexpected empty list'),
  definition: z.looseObject({ query: z.looseObject({ collection_name: name, query_name: name }) }),
  comment: z.string().nullish(),
});
export type RestEndpoint = z.infer<typeof restEndpoint>;

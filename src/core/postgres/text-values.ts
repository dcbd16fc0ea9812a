/** Values in Postgres' text form; null is SQL's. */
export type TextValues = readonly (string | null)[];

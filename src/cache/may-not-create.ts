/** What to do where a role may not make our schema; both names are quoted. */
export function mayNotCreate({
  role,
  database,
}: {
  readonly role: string;
  readonly database: string;
}): string {
  return `role ${role} may not create schema "nearjoin" in database ${database}; run: grant create on database ${database} to ${role}`;
}

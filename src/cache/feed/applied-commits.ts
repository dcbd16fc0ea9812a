import type { SourceName } from '../../core/names.ts';

/** By target, the newest commit of it that a source's cache contains, as text. */
export type AppliedCommits = ReadonlyMap<SourceName, string>;

/** Where each feed's newest watermark says the last commit ended; one row of one JSON object, cheap enough for many times a second. */
export const APPLIED_SQL = `
  select coalesce(json_object_agg(f.target, w.commit_end), '{}') as applied
  from nearjoin.feed f
  cross join lateral (
    select commit_end from nearjoin.watermark where target = f.target order by seq desc limit 1
  ) w`;

/** Reads the row's text. */
export function readApplied(text: string | undefined): AppliedCommits {
  const applied: unknown = JSON.parse(text ?? '{}');
  if (typeof applied !== 'object' || applied === null) return new Map();
  return new Map(Object.entries(applied).map(([target, end]) => [target, String(end)]));
}

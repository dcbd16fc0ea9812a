import { messageOf, NearjoinError } from '../../core/errors.ts';
import { serverAdvice } from '../../core/postgres/server-advice.ts';
import { sqlStateOf, UNTRANSLATABLE_CHARACTER } from '../../core/postgres/sql-state.ts';
import { MetadataError } from '../metadata-error.ts';

/** The session was ended. What a server calls such errors depends on its language. */
const SESSION_ENDED = /^(08|57P)/;
/** It has no room, cannot read or write its files, is read-only, or denies a right: its words hold no value of the statement. */
const FOR_ITS_OPERATOR = /^(53|58|25006|42501)/;

/** What Postgres says of a statement is its operator's or ours to look into; anything else means that it cannot be reached. */
export function storeFailure(error: unknown): unknown {
  const state = sqlStateOf(error);
  if (state !== null && FOR_ITS_OPERATOR.test(state)) return refused(error, state);
  if (state === UNTRANSLATABLE_CHARACTER) {
    const message =
      'the metadata database has an encoding that lacks a character of this; only UTF8 holds all';
    return new MetadataError('data-exception', message, { path: '$' });
  }
  return state === null || SESSION_ENDED.test(state) ? outOfReach(error) : error;
}

function refused(error: unknown, state: string): MetadataError {
  const advice = serverAdvice(state);
  const message = `the metadata database refused it: ${messageOf(error)} (${state})${advice === null ? '' : `: ${advice}`}`;
  return new MetadataError('postgres-error', message, { path: '$' });
}

/** The refusal of what needs the metadata database while that cannot be reached. */
export function outOfReach(error: unknown): MetadataError {
  const message = `the metadata database does not answer: ${messageOf(error)}`;
  return new MetadataError('source-unavailable', message, { path: '$', status: 503 });
}

/** The failure of a change that a standby has not confirmed. */
export function unconfirmed(): MetadataError {
  const message =
    'the metadata database waits for its synchronous standby: a change is in force as soon as that confirms it, and so is this one unless ' +
    'another is in force before; start the standby, or take it off synchronous_standby_names';
  return new MetadataError('source-unavailable', message, { path: '$', status: 503 });
}

/** The refusal of a change based on a version that is no longer the current one; Hasura's words. */
export function conflictError(referenced: number, current: number): NearjoinError {
  const message = `metadata resource version referenced (${referenced}) did not match current version`;
  return new NearjoinError('conflict', message, { internal: { current_resource_version: current } });
}

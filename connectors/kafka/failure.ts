import { messageOf } from '../../src/core/errors.ts';
import { ConnectorError } from '../connector.ts';

/** Kafka's names of what a broker may answer. */
export const UNKNOWN_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';
export const NO_RIGHT_ON_TOPIC = 'TOPIC_AUTHORIZATION_FAILED';
export const NO_RIGHT_ON_GROUP = 'GROUP_AUTHORIZATION_FAILED';

/** The name of what a broker answered; null where the failure is another. */
export function answerOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('type' in error && typeof error.type === 'string') return error.type;
  return answerOf(error.cause);
}

/** Who reads lacks a right of Kafka's on something. */
export function forbidden(right: 'Describe' | 'Read', on: string, cause: unknown): ConnectorError {
  return new ConnectorError('unfit', `Kafka does not grant the right ${right} on ${on}`, cause);
}

/** A failure of the brokers or of the way to them: almost all of them pass by themselves. The next try begins with another broker. */
export function failureOf({ entry }: { readonly entry: { at: number } }, error: unknown): ConnectorError {
  if (error instanceof ConnectorError) return error;
  entry.at += 1;
  const name = error instanceof Error ? error.name : '';
  const said = messageOf(error);
  const isUnfit = UNFIT.has(name) || /not authorized/i.test(said);
  const what = SAID_OTHERWISE.get(said) ?? said;
  return new ConnectorError(isUnfit ? 'unfit' : 'retry', `could not read from Kafka: ${what}`, error);
}

/** What kafkajs says, and what it means. */
const SAID_OTHERWISE: ReadonlyMap<string, string> = new Map([
  ['Broker not connected', 'a broker takes connections and does not answer'],
]);

/** An unknown compression; a refused log-in. */
const UNFIT: ReadonlySet<string> = new Set(['KafkaJSNotImplemented', 'KafkaJSSASLAuthenticationError']);

import { createRequire } from 'node:module';
import type * as Kafkajs from 'kafkajs';

/** kafkajs, which is read when the first target is followed through Kafka: it is a ninth of all files a server would start with. */
export function kafkajs(): typeof Kafkajs {
  return createRequire(import.meta.url)('kafkajs') as typeof Kafkajs;
}

import { NearjoinError } from '../../core/errors.ts';
import { endOfString, QUOTE } from '../../core/json/json-scan.ts';

/** Deeper than any request goes, and far from where the stack of those who walk through its values ends. */
const DEEPEST = 2_000;
/** Parsing this many takes a tenth of a second, in which nothing else is answered. */
const MOST_VALUES = 1_000_000;

const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * Refuses a JSON text that would cost far more to parse than to send: ten megabytes of brackets take seconds. Strings, which are most of
 * a request, are passed over by the search for their end, and a text that is shorter than the bound is not looked at.
 */
export function refuseCostlyJson(text: string): void {
  if (text.length <= DEEPEST) return;
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at) - 1;
        break;
      case OPEN_LIST:
      case OPEN_OBJECT:
        depth += 1;
        values += 1;
        if (depth > DEEPEST) throw tooCostly(`is nested deeper than ${DEEPEST} levels`);
        break;
      case CLOSE_LIST:
      case CLOSE_OBJECT:
        depth -= 1;
        break;
      case COMMA:
        values += 1;
        break;
    }
  }
  if (values > MOST_VALUES) throw tooCostly(`has more than ${MOST_VALUES} values`);
}

/** Refuses a form of more members than JSON may have values. */
export function refuseCostlyForm(text: string): void {
  let members = 1;
  for (let at = text.indexOf('&'); at !== -1; at = text.indexOf('&', at + 1)) members += 1;
  if (members > MOST_VALUES) throw tooCostly(`has more than ${MOST_VALUES} values`);
}

function tooCostly(what: string): NearjoinError {
  return new NearjoinError('bad-request', `the body ${what}`);
}

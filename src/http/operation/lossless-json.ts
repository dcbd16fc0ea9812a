import { randomUUID } from 'node:crypto';
import { beginsNumber, endOfNumber, endOfString, QUOTE } from '../../core/json/json-scan.ts';
import { NumberText } from '../../plan/value/input.ts';
import { refuseCostlyJson } from './body-bounds.ts';
import { refuseLoneSurrogates } from './surrogates.ts';

/** A run of digits (a point may be among them) longer than any number a double surely holds exactly, or an exponent that it may not hold. */
const UNSURE = /\d[\d.]{15}|\d[eE][+-]?\d{3}/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/**
 * Parses JSON; numbers with more digits than a double holds, or larger or smaller, become `NumberText`. The slow path runs only when the
 * text has such a run, so an ordinary request costs one native parse. A text that would cost too much
 * is a `bad-request`, one with half a character is `invalid-json`.
 */
export function parseJsonExactly(text: string): unknown {
  refuseCostlyJson(text);
  refuseLoneSurrogates(text);
  if (!UNSURE.test(text)) return JSON.parse(text);
  // A mark no client can know, so no string of theirs is taken for a number.
  const mark = `${randomUUID()}:`;
  return JSON.parse(markLongNumbers(text, mark), (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith(mark) ? new NumberText(value.slice(mark.length)) : value,
  );
}

/** Rewrites long numbers outside strings as marked strings; everything else is copied. */
function markLongNumbers(text: string, mark: string): string {
  let result = '';
  let copied = 0;
  let at = 0;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = endOfString(text, at);
    } else if (beginsNumber(char)) {
      const end = endOfNumber(text, at);
      const number = text.slice(at, end);
      if ((number.length > 15 || UNSURE.test(number)) && NUMBER.test(number)) {
        result += `${text.slice(copied, at)}"${mark}${number}"`;
        copied = end;
      }
      at = end;
    } else {
      at += 1;
    }
  }
  return result + text.slice(copied);
}

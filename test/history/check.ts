import type { Model } from './model.ts';
import { type Answered, DEFAULT_BOUND_MS } from './readers.ts';
import type { Target } from './target.ts';

/** Times of this process and of the servers are read from one clock, in other ways, and here in whole milliseconds. */
const SLACK_MS = 4;
/** Failures that a request may meet while things are broken on purpose. */
const ALLOWED_ERRORS = new Set(['not-fresh', 'target-unavailable']);

/** So long a node tries to reach a database. */
const CONNECT_MS = 5_000;

/** What an answer did against what was promised; null when nothing. */
export function faultOf(answer: Answered, target: Target): string | null {
  if (answer.route === 'error') return errorFault(answer);
  const { model } = target;
  const n = stateOf(answer, model);
  if (typeof n === 'string') return n;
  if (answer.text !== model.answer(n))
    return `the answer is not the state after transaction ${n}${difference(answer.text, model, n)}`;
  return labelFault(answer, n, target) ?? boundFault(answer, n, target) ?? tokenFault(answer, n);
}

/** A node that stood still for longer than a connection may take wakes up to find that none was made. */
function errorFault({ code, text, startMs, endMs }: Answered): string | null {
  const stoodStill = code === 'source-unavailable' && endMs - startMs >= CONNECT_MS;
  return stoodStill || ALLOWED_ERRORS.has(code ?? '') ? null : `error ${text.slice(0, 300)}`;
}

/** The transaction after which the answer is the target's state, by its position or, live, by what it says itself. */
function stateOf({ route, position, text }: Answered, model: Model): number | string {
  if (position === null) return 'an answer without a position';
  if (route === 'cache') return model.lastAt(position);
  const counter = /"account":\{"id":0,"balance":0,"seq":(\d+)/.exec(text)?.[1];
  if (counter === undefined) return `a live answer without the counter: ${text.slice(0, 300)}`;
  const n = Number(counter);
  return model.endOf(n) <= position ? n : `a live answer whose token lies before transaction ${n} it shows`;
}

/** Nothing older than the label admits. */
function labelFault({ route, stalenessMs, startMs }: Answered, n: number, target: Target): string | null {
  const since = route === 'live' ? startMs : startMs - (stalenessMs ?? Number.POSITIVE_INFINITY);
  if (route === 'cache' && stalenessMs === null) return 'an answer of unknown age';
  const known = target.acknowledgedBy(since - SLACK_MS);
  return n >= known
    ? null
    : `${route} answer says it is ${stalenessMs} ms old, shows ${n}, and ${known} was committed before`;
}

/** Unless stale rows were allowed, the bound holds from when the request was sent. */
function boundFault(
  { route, fallback, boundMs, startMs, stalenessMs }: Answered,
  n: number,
  target: Target,
): string | null {
  if (route !== 'cache' || fallback === 'stale') return null;
  const known = target.acknowledgedBy(startMs - (boundMs ?? DEFAULT_BOUND_MS) - SLACK_MS);
  return n >= known
    ? null
    : `bound ${boundMs}: shows ${n} (${stalenessMs} ms), and ${known} was committed before`;
}

function tokenFault({ atLeast }: Answered, n: number): string | null {
  return n >= atLeast ? null : `shows ${n}, and its token asked for ${atLeast}`;
}

/** A session that sends its tokens back never goes back. */
export function sessionFault(answers: readonly Answered[], target: Target): string | null {
  let [seen, seenBy] = [0, ''];
  for (const answer of answers) {
    const { route, session } = answer;
    const n = route === 'error' ? null : stateOf(answer, target.model);
    if (typeof n !== 'number') continue;
    if (n < seen) return `session ${session} saw transaction ${seen} (${seenBy}) and then ${n} (${route})`;
    [seen, seenBy] = [n, route];
  }
  return null;
}

function difference(text: string, model: Model, n: number): string {
  const expected = model.answer(n);
  let at = 0;
  while (at < text.length && text[at] === expected[at]) at += 1;
  const around = (from: string): string => from.slice(Math.max(0, at - 120), at + 120);
  return `\n  answer   … ${around(text)}\n  expected … ${around(expected)}`;
}

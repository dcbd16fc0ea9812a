const BACKSLASH = 0x5c;
const MINUS = 0x2d;

/** The code of the character that begins and ends a string. */
export const QUOTE = 0x22;

/** Where the string ends that begins at `start`, past its last quote; the text's end when it has none. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end === -1 ? text.length : end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
  return (at - first) % 2 === 1;
}

/** Whether the character begins a number, where a value may begin. */
export function beginsNumber(char: number): boolean {
  return char === MINUS || isDigit(char);
}

/** Where the number ends that begins at `start`. */
export function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && isNumberPart(text.charCodeAt(at))) at += 1;
  return at;
}

function isDigit(char: number): boolean {
  return char >= 0x30 && char <= 0x39;
}

/** Digits, point, exponent and signs. */
function isNumberPart(char: number): boolean {
  return isDigit(char) || char === 0x2e || char === 0x45 || char === 0x65 || char === 0x2b || char === MINUS;
}

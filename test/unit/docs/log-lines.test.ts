import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../../../', import.meta.url);
const textsOf = (folder: string, ending: string): readonly string[] =>
  readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.startsWith('demo/'))
    .map((name) => readFileSync(new URL(folder + name, ROOT), 'utf8'));

const PAGES = textsOf('docs/', '.md').join('\n').replace(/\s+/g, ' ');
const SOURCES = [...textsOf('src/', '.ts'), ...textsOf('connectors/', '.ts')];

test('every warning in the log stands in a page of docs/, up to its first comma or colon', () => {
  const lines = SOURCES.flatMap(linesOf);

  // Else the search has gone blind.
  expect(lines.length).toBeGreaterThan(40);
  expect(lines.filter((line) => !PAGES.includes(`\`${line.split(/[:,] /)[0]}`))).toEqual([]);
});

test('every line of the log that docs/troubleshooting.md lists is written somewhere', () => {
  const page = readFileSync(new URL('docs/troubleshooting.md', ROOT), 'utf8');
  const [, section = ''] = page.split('## By a line of the log');
  const listed = [...section.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = '']) => {
    return [...cell.matchAll(/`([^`]+)`/g)].map(([, line = '']) => line.replace(/[:,]? …$/, ''));
  });
  const written = SOURCES.join('\n').replace(/\s+/g, ' ');

  expect(listed.length).toBeGreaterThan(40);
  expect(listed.filter((line) => line !== 'msg' && !written.includes(line))).toEqual([]);
});

/** The texts of warnings and errors: the last argument of each call, written there or in a constant of the file. */
function linesOf(file: string): readonly string[] {
  const calls = [
    ...file.matchAll(/\blog\.(?:warn|error)\(\s*(?:\{[^}]*\}|\w+),\s*(?:'([^']+)'|(\w+)),?\s*\)/g),
  ];
  return calls.flatMap(([, text, constant]) => {
    if (text !== undefined) return [text];
    const [, value = ''] = new RegExp(`const ${constant} =\\s*([^;]*);`).exec(file) ?? [];
    return [...value.matchAll(/'([^']+)'/g)].flatMap(([, each = '']) => (each.includes(' ') ? [each] : []));
  });
}

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../../../', import.meta.url);
const markdown = (folder: string): string[] =>
  readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith('.md'))
    .map((name) => folder + name);
const read = (page: URL): string => readFileSync(page, 'utf8').replace(/^```.*?^```/gms, '');

test.each(['./', 'docs/', 'docs/adr/'].flatMap(markdown))(
  'every link of %s leads to a page and a heading that are there',
  (page) => {
    const from = new URL(page, ROOT);
    const links = [...read(from).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link);

    expect(links.filter((link) => !leadsSomewhere(new URL(link, from)))).toEqual([]);
  },
);

function leadsSomewhere(to: URL): boolean {
  const heading = to.hash.slice(1);
  to.hash = '';
  if (!existsSync(to)) return false;
  return (
    heading === '' || [...read(to).matchAll(/^#+ (.*)$/gm)].some(([, text = '']) => anchor(text) === heading)
  );
}

/** As GitHub makes it of a heading. */
function anchor(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replace(/ /g, '-');
}

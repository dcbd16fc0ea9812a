import { readFile, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { parse } from 'yaml';
import { messageOf, NearjoinError } from '../../core/errors.ts';
import { isRecord } from '../../core/json/is-record.ts';
import { parseMetadata } from '../document/parse.ts';
import type { Metadata } from '../model.ts';
import { readActions } from './action-files.ts';
import { OBJECT_FILES } from './directory-files.ts';

/** Includes inside includes; real directories have two levels. */
const DEEPEST_INCLUDE = 16;
/** A few files that include each other twice would multiply without end. */
const MOST_FILES = 50_000;
const INCLUDE = /^!include\s+(\S.*)$/;

/** Reads a metadata directory of version 3; refuses with the file's name what is not one. */
export async function readDirectory(dir: string): Promise<Metadata> {
  const reader = await openDirectory(dir);
  const version = await reader.read('version.yaml');
  if (!isRecord(version) || version['version'] !== 3) throw problem('version.yaml', 'expected "version: 3"');
  const sources = await reader.readIfThere('databases/databases.yaml');
  const document: Record<string, unknown> = { version: 3, sources: sources ?? [] };
  for (const { file, key } of OBJECT_FILES) {
    const content = await reader.readIfThere(file);
    if (content !== undefined && content !== null) document[key] = content;
  }
  const actions = await reader.readIfThere('actions.yaml');
  Object.assign(document, readActions(actions, await reader.textIfThere('actions.graphql')));
  try {
    return parseMetadata(document, '$');
  } catch (error) {
    if (!(error instanceof NearjoinError)) throw error;
    throw problem(dir, `${error.path}: ${error.message}`);
  }
}

async function openDirectory(dir: string): Promise<Directory> {
  try {
    return new Directory(await realpath(dir));
  } catch {
    throw new NearjoinError('invalid-configuration', `metadata directory "${dir}" does not exist`);
  }
}

/** Null where there is nothing. What may not be looked at is refused: taken for nothing, it would remove what it holds. */
async function realPath(path: string, name: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw problem(name, messageOf(error));
  }
}

/** The files of a directory by their names in it, with what they include. */
class Directory {
  readonly #root: string;
  #files = 0;

  constructor(root: string) {
    this.#root = root;
  }

  read(file: string): Promise<unknown> {
    return this.#including(join(this.#root, file), []);
  }

  /** Undefined where there is no such file. */
  async readIfThere(file: string): Promise<unknown> {
    return (await this.#has(file)) ? this.read(file) : undefined;
  }

  /** The text of a file that includes nothing; empty where there is none. */
  async textIfThere(file: string): Promise<string> {
    if (!(await this.#has(file))) return '';
    return readFile(await this.#inside(join(this.#root, file), file), 'utf8');
  }

  async #has(file: string): Promise<boolean> {
    return (await realPath(join(this.#root, file), file)) !== null;
  }

  async #including(path: string, above: readonly string[]): Promise<unknown> {
    const name = relative(this.#root, path);
    const real = await this.#inside(path, name);
    this.#files += 1;
    if (above.includes(real)) throw problem(name, 'includes itself');
    if (above.length > DEEPEST_INCLUDE || this.#files > MOST_FILES) throw problem(name, 'too many includes');
    const content = parseYaml(await readFile(real, 'utf8'), name);
    return this.#resolve(content, path, [...above, real]);
  }

  /** Neither `..` nor a link may lead out of the directory. */
  async #inside(path: string, name: string): Promise<string> {
    const real = await realPath(path, name);
    if (real === null) throw problem(name, 'no such file');
    const fromRoot = relative(this.#root, real);
    if (fromRoot === '..' || fromRoot.startsWith(`..${sep}`) || isAbsolute(fromRoot)) {
      throw problem(name, 'lies outside of the metadata directory');
    }
    return real;
  }

  async #resolve(value: unknown, path: string, above: readonly string[]): Promise<unknown> {
    if (typeof value === 'string') {
      const file = INCLUDE.exec(value)?.[1];
      return file === undefined ? value : this.#including(resolve(dirname(path), file.trim()), above);
    }
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const item of value) items.push(await this.#resolve(item, path, above));
      return items;
    }
    if (!isRecord(value)) return value;
    const entries: [string, unknown][] = [];
    for (const [key, member] of Object.entries(value))
      entries.push([key, await this.#resolve(member, path, above)]);
    return Object.fromEntries(entries);
  }
}

function parseYaml(text: string, name: string): unknown {
  try {
    const includeTag = { tag: '!include', resolve: (file: string) => `!include ${file}` };
    const value: unknown = parse(text, { intAsBigInt: true, maxAliasCount: 100, customTags: [includeTag] });
    return withNumbers(value);
  } catch (error) {
    const first = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
    throw problem(name, first.replace(/:$/, ''));
  }
}

/** Whole numbers beyond a double's precision stay exact as text, which Postgres reads the same. */
function withNumbers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  }
  if (Array.isArray(value)) return value.map(withNumbers);
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withNumbers(member)]));
}

function problem(file: string, text: string): NearjoinError {
  return new NearjoinError('invalid-configuration', `${file}: ${text}`);
}

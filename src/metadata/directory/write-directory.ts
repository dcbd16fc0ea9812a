import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Metadata } from '../model.ts';
import { directoryFiles } from './directory-files.ts';

/** Writes a metadata directory of version 3 as the stock command line lays it out; other files stay. */
export async function writeDirectory(dir: string, metadata: Metadata): Promise<void> {
  for (const [file, text] of directoryFiles(metadata)) {
    const path = join(dir, file);
    await makeFolder(resolve(dirname(path)));
    // Whoever reads meanwhile sees the old file or the new one, never a half.
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
}

/** Not `recursive`: that never ends where a file system says of a new folder that there is none, as /proc does. */
async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return;
  await makeFolder(dirname(path));
  await mkdir(path);
}

async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found?.isDirectory() === true;
}

import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Metadata } from '../model.ts';
import { directoryFiles } from './directory-files.ts';

/** Writes a metadata directory of version 3 as the stock command line lays it out; other files stay. */
export async function writeDirectory(dir: string, metadata: Metadata): Promise<void> {
  for (const [file, text] of directoryFiles(metadata)) {
    const path = join(dir, file);
    await mkdir(dirname(path), { recursive: true });
    // Whoever reads meanwhile sees the old file or the new one, never a half.
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
  }
}

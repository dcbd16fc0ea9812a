import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { isRecord } from '../core/json/is-record.ts';
import { directoryFiles } from '../metadata/directory/directory-files.ts';
import { readDirectory } from '../metadata/directory/read-directory.ts';
import { writeDirectory } from '../metadata/directory/write-directory.ts';
import { parseMetadata } from '../metadata/document/parse.ts';
import { callMetadata, checkServer } from './metadata-client.ts';
import { SERVER_OPTIONS, SERVER_USAGE, type Server, serverOf } from './server.ts';
import { complain, tell } from './terminal.ts';
import { diffLines } from './text-diff.ts';

const USAGE = `Usage: nearjoin metadata <command> [options]

commands
  apply            make the directory the server's metadata
  export           write the server's metadata to the directory
  diff             show what apply would change
  reload           let the server look at its databases anew
  inconsistencies  list what does not hold; exit 1 if anything

options
  --dir DIR                            the directory (default: metadata)
${SERVER_USAGE}
  --disallow-inconsistent-metadata     apply: refuse a directory in which something does not hold
`;

interface Options {
  readonly dir: string;
  readonly server: Server;
  readonly allowInconsistent: boolean;
}

type Command = (options: Options) => Promise<number>;

/** Runs `nearjoin metadata …`; argv begins after the word metadata. Returns the exit code. */
export async function runMetadata(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        dir: { type: 'string', default: 'metadata' },
        ...SERVER_OPTIONS,
        'disallow-inconsistent-metadata': { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) return tell(USAGE.trimEnd());
    const [name, ...more] = positionals;
    const run = COMMANDS.get(name ?? '');
    if (run === undefined || more.length > 0)
      return complain(`metadata: needs one command\n\n${USAGE.trimEnd()}`);
    // What a variable that is not set makes of `--dir "$DIR"`: never the working directory.
    if (values.dir === '') return complain('metadata: --dir: expected a directory');
    const allowInconsistent = !values['disallow-inconsistent-metadata'];
    return await run({ dir: values.dir, server: serverOf(values), allowInconsistent });
  } catch (error) {
    return complain(`metadata: ${messageOf(error)}`);
  }
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ['apply', apply],
  ['export', exportTo],
  ['diff', diff],
  ['reload', reload],
  ['inconsistencies', inconsistencies],
]);

async function apply({ dir, server, allowInconsistent }: Options): Promise<number> {
  const metadata = await readDirectory(dir);
  await checkServer(server);
  const args = { allow_inconsistent_metadata: allowInconsistent, metadata };
  const answer = await callMetadata(server, 'replace_metadata', args, 2);
  tell('metadata applied');
  tellInconsistencies(answer);
  return 0;
}

async function exportTo({ dir, server }: Options): Promise<number> {
  await checkServer(server);
  await writeDirectory(dir, parseMetadata(await callMetadata(server, 'export_metadata', {}), '$'));
  return tell(`metadata exported to ${dir}`);
}

async function diff({ dir, server }: Options): Promise<number> {
  const here = directoryFiles(await readDirectory(dir));
  await checkServer(server);
  const there = directoryFiles(parseMetadata(await callMetadata(server, 'export_metadata', {}), '$'));
  const differences = [...new Set([...there.keys(), ...here.keys()])].flatMap((file) => {
    const lines = diffLines(there.get(file) ?? '', here.get(file) ?? '');
    return lines.length === 0 ? [] : [`${file} (- on the server, + in ${dir})`, ...lines];
  });
  return tell(differences.length === 0 ? 'no differences' : differences.join('\n'));
}

async function reload({ server }: Options): Promise<number> {
  await checkServer(server);
  const answer = await callMetadata(server, 'reload_metadata', { reload_sources: true });
  tell('metadata reloaded');
  tellInconsistencies(answer);
  return 0;
}

async function inconsistencies({ server }: Options): Promise<number> {
  await checkServer(server);
  const found = tellInconsistencies(await callMetadata(server, 'get_inconsistent_metadata', {}));
  return found === 0 ? tell('metadata is consistent') : 1;
}

/** Lists what an answer says does not hold; returns how much that is. */
function tellInconsistencies(answer: unknown): number {
  const objects: readonly unknown[] =
    isRecord(answer) && Array.isArray(answer['inconsistent_objects']) ? answer['inconsistent_objects'] : [];
  if (objects.length > 0) tell(`metadata is inconsistent, ${objects.length} object(s) do not hold:`);
  for (const object of objects) {
    if (isRecord(object)) tell(`  ${String(object['name'])}: ${String(object['reason'])}`);
  }
  return objects.length;
}

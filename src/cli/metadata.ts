import { parseArgs } from 'node:util';
import { messageOf } from '../core/errors.ts';
import { isRecord } from '../core/json/is-record.ts';
import { directoryFiles } from '../metadata/directory/directory-files.ts';
import { readDirectory } from '../metadata/directory/read-directory.ts';
import { writeDirectory } from '../metadata/directory/write-directory.ts';
import { parseMetadata } from '../metadata/document/parse.ts';
import { type MetadataClient, metadataClient } from './metadata-client.ts';
import { SERVER_OPTIONS, SERVER_USAGE, type Server, serverOf } from './server.ts';
import { diffLines } from './text-diff.ts';

/** Where a command's text goes; `process.stdout` and `process.stderr` fit. */
export interface CliOutput {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

const USAGE = `usage: nearjoin metadata <command> [options]

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

type Env = Readonly<Record<string, string | undefined>>;

interface Options {
  readonly dir: string;
  readonly server: Server;
  readonly allowInconsistent: boolean;
}

interface Run {
  readonly client: MetadataClient;
  readonly options: Options;
  readonly print: (line: string) => void;
}

/** Runs `nearjoin metadata …`; argv begins after the word metadata. Returns the exit code. */
export async function runMetadataCli(argv: readonly string[], out: CliOutput, env: Env): Promise<number> {
  const fail = (text: string): number => {
    out.stderr.write(`${text}\n`);
    return 1;
  };
  try {
    const { command, options, help } = readArguments(argv, env);
    if (help) {
      out.stdout.write(USAGE);
      return 0;
    }
    const run = command === undefined ? undefined : COMMANDS.get(command);
    if (run === undefined) return fail(USAGE);
    const client = metadataClient(options.server);
    return await run({ client, options, print: (line) => out.stdout.write(`${line}\n`) });
  } catch (error) {
    return fail(`error: ${messageOf(error)}`);
  }
}

function readArguments(
  argv: readonly string[],
  env: Env,
): { readonly command: string | undefined; readonly options: Options; readonly help: boolean } {
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
  if (positionals.length > 1) throw new Error(`unexpected argument "${positionals[1]}"`);
  return {
    command: positionals[0],
    help: values.help,
    options: {
      dir: values.dir,
      server: serverOf(values, env),
      allowInconsistent: !values['disallow-inconsistent-metadata'],
    },
  };
}

const COMMANDS: ReadonlyMap<string, (run: Run) => Promise<number>> = new Map([
  ['apply', apply],
  ['export', exportTo],
  ['diff', diff],
  ['reload', reload],
  ['inconsistencies', inconsistencies],
]);

async function apply({ client, options, print }: Run): Promise<number> {
  const metadata = await readDirectory(options.dir);
  await client.check();
  const args = { allow_inconsistent_metadata: options.allowInconsistent, metadata };
  const answer = await client.call('replace_metadata', args, 2);
  print('metadata applied');
  printInconsistencies(answer, print);
  return 0;
}

async function exportTo({ client, options, print }: Run): Promise<number> {
  await client.check();
  await writeDirectory(options.dir, parseMetadata(await client.call('export_metadata', {}), '$'));
  print(`metadata exported to ${options.dir}`);
  return 0;
}

async function diff({ client, options, print }: Run): Promise<number> {
  const here = directoryFiles(await readDirectory(options.dir));
  await client.check();
  const there = directoryFiles(parseMetadata(await client.call('export_metadata', {}), '$'));
  let same = true;
  for (const file of new Set([...there.keys(), ...here.keys()])) {
    const lines = diffLines(there.get(file) ?? '', here.get(file) ?? '');
    if (lines.length === 0) continue;
    same = false;
    print(`${file} (- on the server, + in ${options.dir})`);
    for (const line of lines) print(line);
  }
  if (same) print('no differences');
  return 0;
}

async function reload({ client, print }: Run): Promise<number> {
  await client.check();
  const answer = await client.call('reload_metadata', { reload_sources: true });
  print('metadata reloaded');
  printInconsistencies(answer, print);
  return 0;
}

async function inconsistencies({ client, print }: Run): Promise<number> {
  await client.check();
  const found = printInconsistencies(await client.call('get_inconsistent_metadata', {}), print);
  if (found === 0) print('metadata is consistent');
  return found === 0 ? 0 : 1;
}

function printInconsistencies(answer: unknown, print: (line: string) => void): number {
  const objects =
    isRecord(answer) && Array.isArray(answer['inconsistent_objects']) ? answer['inconsistent_objects'] : [];
  if (objects.length > 0) print(`metadata is inconsistent, ${objects.length} object(s) do not hold:`);
  for (const object of objects) {
    if (isRecord(object)) print(`  ${String(object['name'])}: ${String(object['reason'])}`);
  }
  return objects.length;
}

import { type DocumentNode, type OperationDefinitionNode, parse } from 'graphql';
import { LRUCache } from 'lru-cache';
import { NearjoinError } from '../core/errors.ts';
import { hasRepeatedNames } from './repeated-names.ts';

/** A parsed request text; `id` stands for the text in keys of other caches. */
export interface ParsedDocument {
  readonly id: number;
  readonly document: DocumentNode;
  readonly operations: readonly OperationDefinitionNode[];
}

/** How much parsed text is kept, and how long one may be. */
export interface DocumentLimits {
  readonly maxDocuments: number;
  readonly maxKeptTokens: number;
  readonly maxTokens: number;
}

/** Parses request texts once; texts that do not parse are not kept. */
export class DocumentCache {
  readonly #documents: LRUCache<string, ParsedDocument>;
  readonly #maxTokens: number;
  #lastId = 0;

  constructor(limits: DocumentLimits) {
    this.#maxTokens = limits.maxTokens;
    this.#documents = new LRUCache({
      max: limits.maxDocuments,
      maxSize: limits.maxKeptTokens,
      sizeCalculation: (_document, text) => weightOf(text),
    });
  }

  /** The text's document; throws Hasura's error when it is none. */
  parse(text: string): ParsedDocument {
    const known = this.#documents.get(text);
    if (known !== undefined) return known;
    const document = parseText(text, this.#maxTokens);
    this.#lastId += 1;
    const operations = document.definitions.filter((definition) => definition.kind === 'OperationDefinition');
    const parsed = { id: this.#lastId, document, operations };
    this.#documents.set(text, parsed);
    return parsed;
  }
}

/** So many characters, spaces and comments among them, count as one token. */
const CHARACTERS_OF_TOKEN = 64;
const SPACE = 0x20;

/** About how much memory a document takes, in tokens: each becomes an object or two, and the text is kept too. */
function weightOf(text: string): number {
  let tokens = 1;
  let inWord = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charCodeAt(at);
    const isWord = isWordPart(char);
    if (isWord ? !inWord : char > SPACE) tokens += 1;
    inWord = isWord;
  }
  return tokens + Math.floor(text.length / CHARACTERS_OF_TOKEN);
}

/** Letters, digits and the underscore. */
function isWordPart(char: number): boolean {
  return (
    (char >= 0x61 && char <= 0x7a) ||
    (char >= 0x41 && char <= 0x5a) ||
    (char >= 0x30 && char <= 0x39) ||
    char === 0x5f
  );
}

/** Picks the operation to run, by Hasura's rules. */
export function operationOf(
  { operations }: ParsedDocument,
  operationName: string | null,
): OperationDefinitionNode {
  if (operationName !== null) {
    const [named, ...namesakes] = operations.filter((operation) => operation.name?.value === operationName);
    if (namesakes.length > 0)
      throw invalid(`multiple definitions for operation ${JSON.stringify(operationName)}`);
    if (named !== undefined) return named;
    throw operations.some((operation) => operation.name === undefined)
      ? invalid('operationName cannot be used when an anonymous operation exists in the document')
      : invalid(`no such operation found in the document: ${JSON.stringify(operationName)}`);
  }
  const [only, ...others] = operations;
  if (only !== undefined && others.length === 0) return only;
  throw invalid(
    'exactly one operation has to be present in the document when operationName is not specified',
  );
}

function parseText(text: string, maxTokens: number): DocumentNode {
  try {
    const document = parse(text, { maxTokens, noLocation: true });
    if (document.definitions.every(isExecutable) && !hasRepeatedNames(document)) return document;
  } catch (error) {
    if (isTooLarge(error)) {
      throw new NearjoinError(
        'query-too-complex',
        'query is too complex: too many tokens, or nested too deep',
        { path: '$.query' },
      );
    }
  }
  throw new NearjoinError('validation-failed', 'not a valid graphql query', { path: '$.query' });
}

function isExecutable({ kind }: DocumentNode['definitions'][number]): boolean {
  return kind === 'OperationDefinition' || kind === 'FragmentDefinition';
}

/** The parser's token limit, or a text nested so deep that the recursive parser runs out of stack. */
function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof Error && error.message.includes('Parsing aborted'));
}

function invalid(message: string): NearjoinError {
  return new NearjoinError('validation-failed', message);
}

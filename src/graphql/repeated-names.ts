import {
  type ArgumentNode,
  type DirectiveNode,
  type DocumentNode,
  Kind,
  type NameNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';

/**
 * Whether a document names an argument, or a member of an input object, twice in one place. Hasura's parser takes such a text
 * for no query at all, in operations that do not run too; graphql-js' parser lets it pass, and either value could win.
 */
export function hasRepeatedNames(document: DocumentNode): boolean {
  return document.definitions.some((definition) => {
    if (definition.kind === Kind.FRAGMENT_DEFINITION)
      return inDirectives(definition.directives) || inSelections(definition.selectionSet);
    if (definition.kind !== Kind.OPERATION_DEFINITION) return false;
    const { variableDefinitions, directives, selectionSet } = definition;
    const inDefaults = variableDefinitions?.some(
      (variable) => inDirectives(variable.directives) || inValue(variable.defaultValue),
    );
    return inDefaults === true || inDirectives(directives) || inSelections(selectionSet);
  });
}

function inSelections(set: SelectionSetNode | undefined): boolean {
  if (set === undefined) return false;
  for (const selection of set.selections) {
    if (inDirectives(selection.directives)) return true;
    if (selection.kind === Kind.FRAGMENT_SPREAD) continue;
    if (selection.kind === Kind.FIELD && inArguments(selection.arguments)) return true;
    if (inSelections(selection.selectionSet)) return true;
  }
  return false;
}

function inDirectives(nodes: readonly DirectiveNode[] = []): boolean {
  return nodes.some((node) => inArguments(node.arguments));
}

function inArguments(nodes: readonly ArgumentNode[] = []): boolean {
  return areRepeated(nodes) || nodes.some(({ value }) => inValue(value));
}

function inValue(value: ValueNode | undefined): boolean {
  if (value?.kind === Kind.LIST) return value.values.some(inValue);
  if (value?.kind !== Kind.OBJECT) return false;
  return areRepeated(value.fields) || value.fields.some((field) => inValue(field.value));
}

function areRepeated(nodes: readonly { readonly name: NameNode }[]): boolean {
  return nodes.length > 1 && new Set(nodes.map(({ name }) => name.value)).size < nodes.length;
}

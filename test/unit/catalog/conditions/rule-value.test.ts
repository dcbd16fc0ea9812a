import { expect, test } from 'vitest';
import { ruleText } from '../../../../src/catalog/conditions/rule-value.ts';
import { typeOf } from '../../../support/catalog.ts';

test.each([
  ['1', true],
  ['1_000', true],
  ['1.', true],
  ['1_0.2_5e-3', true],
  ['.5', true],
  ['-Infinity', true],
  ['0x_ff', true],
  ['1.2.3', false],
  ['_1', false],
  ['1e', false],
  ['.', false],
])('whether a rule may compare a number with %j: %j', (text, isReadable) => {
  expect(ruleText(typeOf('numeric'), text)).toBe(isReadable ? text : null);
});

test('however many digits are no number after all, they are read once', () => {
  // Divided in every way between two repetitions they would take minutes.
  expect(ruleText(typeOf('numeric'), `${'1'.repeat(400_000)}"`)).toBeNull();
});

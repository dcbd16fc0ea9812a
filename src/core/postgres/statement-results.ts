/** What `pg` answers to several statements in one text: a list, which its types do not tell; of a single one its result. */
export function statementResults<Result>(answer: Result): readonly Result[] {
  return [answer].flat() as Result[];
}

import type { NotedSlot, SlotBook } from '../../src/replicate/slot/slot-book.ts';

/** Notes of slots that outlive the supervisors of a test, as those in a metadata database do. */
export function memoryBook(): SlotBook {
  const slots = new Map<string, NotedSlot>();
  return {
    noted: () => Promise.resolve([...slots.values()]),
    note: (noted) => {
      slots.set(noted.slot, noted);
      return Promise.resolve();
    },
    forget: ({ slot, source }) => {
      if (slots.get(slot)?.source === source) slots.delete(slot);
      return Promise.resolve();
    },
  };
}

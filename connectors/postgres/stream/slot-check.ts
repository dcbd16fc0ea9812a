import { formatLsn, type Lsn, ZERO_LSN } from '../../../src/core/position/lsn.ts';
import { ConnectorError, type SlotHealth } from '../../connector.ts';
import type { AdminPool } from '../client.ts';
import { requirePublication } from '../publication.ts';
import { freeSlot, readSlotHealth } from '../slot.ts';

/** Makes sure that the slot still holds everything after the position, and that nobody holds the slot; says where it stands. */
export async function checkSlot(admin: AdminPool, after: Lsn): Promise<Lsn> {
  const slot = await freedSlot(admin);
  if (slot.kind === 'missing' || slot.kind === 'unfinished')
    throw new ConnectorError('slot-lost', `the slot ${admin.target.name} does not exist`);
  if (slot.kind === 'lost') throw new ConnectorError('slot-lost', slot.reason);
  await requirePublication(admin);
  if (after !== ZERO_LSN && slot.confirmed > after) {
    const range = `${formatLsn(after)} and ${formatLsn(slot.confirmed)}`;
    throw new ConnectorError('slot-lost', `the slot no longer holds what was written between ${range}`);
  }
  return slot.confirmed;
}

/** While somebody holds the slot, it may still be confirmed further. */
async function freedSlot(admin: AdminPool): Promise<SlotHealth> {
  const { name, log } = admin.target;
  const slot = await readSlotHealth(admin, name);
  if (slot.kind !== 'usable' || slot.activePid === null) return slot;
  log.warn({ slot: name, pid: slot.activePid }, 'ending the walsender that still holds our slot');
  await freeSlot(admin);
  return readSlotHealth(admin, name);
}

import { formatLsn, type Lsn, ZERO_LSN } from '../../../src/core/position/lsn.ts';
import { ConnectorError, type SlotHealth } from '../../connector.ts';
import type { AdminPool } from '../client.ts';
import { requirePublication } from '../publication.ts';
import type { Target } from '../settings.ts';
import { freeSlot, readSlotHealth } from '../slot.ts';

/** Makes sure that the slot still holds everything after the position, and that nobody holds the slot; says where it stands. */
export async function checkSlot(target: Target, admin: AdminPool, after: Lsn): Promise<Lsn> {
  const slot = await freedSlot(target, admin);
  if (slot.kind === 'missing' || slot.kind === 'unfinished')
    throw new ConnectorError('slot-lost', `the slot ${target.name} does not exist`);
  if (slot.kind === 'lost') throw new ConnectorError('slot-lost', slot.reason);
  await requirePublication(admin, target.name);
  if (after !== ZERO_LSN && slot.confirmed > after) {
    const range = `${formatLsn(after)} and ${formatLsn(slot.confirmed)}`;
    throw new ConnectorError('slot-lost', `the slot no longer holds what was written between ${range}`);
  }
  return slot.confirmed;
}

/** While somebody holds the slot, it may still be confirmed further. */
async function freedSlot(target: Target, admin: AdminPool): Promise<SlotHealth> {
  const slot = await readSlotHealth(admin, target.name);
  if (slot.kind !== 'usable' || slot.activePid === null) return slot;
  const { name } = target;
  target.log.warn({ slot: name, pid: slot.activePid }, 'ending the walsender that still holds our slot');
  await freeSlot(admin, target);
  return readSlotHealth(admin, name);
}

import { ConnectorError, type RowStream } from '../../connector.ts';
import type { AdminPool, OwnClient } from '../client.ts';
import { Silence } from '../silence.ts';
import { CopyOut } from './copy-out.ts';

/** One COPY on a connection. */
export interface CopyJob {
  readonly own: OwnClient;
  /** The server process of the connection. */
  readonly pid: number;
  readonly query: string;
  readonly admin: AdminPool;
  /** All of it was read: the connection is free again. Else it is gone. */
  readonly onEnd: () => void;
}

/** The output of the COPY; errors are ConnectorErrors. */
export function copyRows(job: CopyJob): RowStream {
  const rows = job.own.client.query(new CopyOut(job.query));
  // Who reads them is told, also when nobody does so yet: without a listener it would end the process.
  rows.on('error', () => undefined);
  const watch = watchSilence(job, rows);
  rows.on('close', () => {
    clearInterval(watch);
    if (rows.isComplete) job.onEnd();
    else job.own.destroy();
  });
  return rows;
}

/** A copy may be silent because the server is busy; when it is not, or cannot be asked, the connection is dead. */
function watchSilence(job: CopyJob, rows: CopyOut): NodeJS.Timeout {
  const { timings } = job.admin.target;
  const silence = new Silence(timings, {
    isWorking: () => isWorking(job),
    dead: () => rows.destroy(new ConnectorError('retry', 'the copy of a table went silent')),
  });
  let heard = 0;
  return setInterval(() => {
    // A reader that does not take what is there is slow, which is no fault of the connection.
    const isSlow = rows.readableLength >= rows.readableHighWaterMark;
    if (isSlow || rows.bytesRead !== heard) silence.broken();
    else silence.tick();
    heard = rows.bytesRead;
  }, timings.tickMs);
}

/** Whether the copy's server process does something else than waiting for us to take its rows. */
async function isWorking(job: CopyJob): Promise<boolean> {
  const rows = await job.admin.rows(
    `select from pg_stat_activity where pid = $1 and state = 'active' and wait_event is distinct from 'ClientWrite'`,
    [job.pid],
  );
  return rows.length > 0;
}

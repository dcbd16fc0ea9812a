/** How the server is: `inconsistent` serves what it can, `down` cannot reach its metadata, `leaving` is about to stop. */
export type Health = 'ok' | 'inconsistent' | 'down' | 'leaving';

/** What health is judged by. */
export interface HealthProbe {
  /** Whether the process was asked to stop. */
  readonly isLeaving: () => boolean;
  /** Any cheap question to the metadata database. */
  readonly askMetadata: () => Promise<unknown>;
  readonly inconsistentObjects: () => number;
  readonly timeoutMs: number;
}

/** Asks the metadata database and looks at the catalog. */
export async function checkHealth(probe: HealthProbe): Promise<Health> {
  if (probe.isLeaving()) return 'leaving';
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'down'>((resolve) => {
    timer = setTimeout(() => resolve('down'), probe.timeoutMs);
  });
  const asked = probe.askMetadata().then(
    () => (probe.inconsistentObjects() > 0 ? ('inconsistent' as const) : ('ok' as const)),
    () => 'down' as const,
  );
  try {
    return await Promise.race([asked, late]);
  } finally {
    clearTimeout(timer);
  }
}

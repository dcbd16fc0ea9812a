/** How the server is: `inconsistent` serves what it can, `down` cannot reach its metadata. */
export type Health = 'ok' | 'inconsistent' | 'down';

/** What health is judged by. */
export interface HealthProbe {
  /** Any cheap question to the metadata database. */
  readonly askMetadata: () => Promise<unknown>;
  readonly inconsistentObjects: () => number;
  readonly timeoutMs: number;
}

/** Asks the metadata database and looks at the catalog. */
export async function checkHealth(probe: HealthProbe): Promise<Health> {
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

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

/** Looks at the health: who asks while a look is under way gets what that one finds, so that questions never pile up. */
export function healthOf(probe: HealthProbe): () => Promise<Health> {
  let underway: Promise<Health> | null = null;
  return () => {
    if (probe.isLeaving()) return Promise.resolve('leaving');
    underway ??= checkHealth(probe).finally(() => {
      underway = null;
    });
    return underway;
  };
}

/** Asks the metadata database and looks at the catalog. */
async function checkHealth(probe: Omit<HealthProbe, 'isLeaving'>): Promise<Health> {
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

import type { StopSignal } from './stop-signal.ts';

/** So long what is under way may take to end by itself, when all is to end. */
export const LEAVE_MS = 500;

/** Acts so many milliseconds after the signal has aborted; the function returned calls that off. */
export function afterAbort(signal: StopSignal, ms: number, act: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const begin = (): void => {
    timer = setTimeout(act, ms);
  };
  signal.addEventListener('abort', begin);
  if (signal.aborted) begin();
  return () => {
    signal.removeEventListener('abort', begin);
    clearTimeout(timer);
  };
}

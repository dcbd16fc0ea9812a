import net from 'node:net';
import type { Duplex } from 'node:stream';

const READ_BYTES = 65_536;

/** Takes the first `length` bytes of `bytes`, which are overwritten afterwards. */
export type ByteSink = (bytes: Buffer, length: number) => void;

/**
 * A socket that reads into one buffer again and again: a new one of 64 kB for every read would keep the garbage collector
 * as busy as the requests keep us. Until somebody takes the bytes as they come, they are copied and emitted as `data`.
 */
export class FrugalSocket extends net.Socket {
  onBytes: ByteSink = (bytes, length) => void this.emit('data', Buffer.from(bytes.subarray(0, length)));

  constructor() {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    const callback = (length: number): boolean => {
      this.onBytes(buffer, length);
      return true;
    };
    const options: net.SocketConstructorOpts & net.ConnectOpts = { onread: { buffer, callback } };
    super(options);
  }
}

/** From here on what the socket receives goes to `take` alone. */
export function receive(socket: Duplex, take: ByteSink): void {
  if (socket instanceof FrugalSocket) socket.onBytes = take;
  else socket.on('data', (chunk: Buffer) => take(chunk, chunk.length));
  socket.resume();
}

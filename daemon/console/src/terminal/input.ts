/**
 * What a person typed into one session, counted in bytes since it opened.
 *
 * The daemon says how much has arrived. What it has not confirmed is kept, so that after a cut the
 * page goes on exactly there: nothing is lost and nothing is typed twice.
 */

/** Largest piece in one message, in bytes. */
export const PIECE = 64 * 1024;

/**
 * Bytes that may be on their way unconfirmed. More waits here: the daemon must be able to read our
 * acknowledgements of output, which come behind what was typed.
 */
export const WINDOW = 256 * 1024;

/** What was typed and has not arrived, as far as this page knows. */
export interface Backlog {
  bytes: number;
  keys: number;
}

const ESCAPE = 0x1b;

export class Input {
  #pieces: Uint8Array<ArrayBuffer>[] = [];
  /** Offset of the first byte in `#pieces`. */
  #start: number;
  /** Offset of the next byte to send. */
  #sent: number;
  /** How many of `#pieces` were sent. */
  #sentPieces = 0;
  #end: number;

  constructor(offset = 0) {
    this.#start = offset;
    this.#sent = offset;
    this.#end = offset;
  }

  /** Bytes that wait to be sent. */
  get unsent(): number {
    return this.#end - this.#sent;
  }

  /** Everything that is not confirmed, sent or not. */
  get unconfirmed(): Backlog {
    let keys = 0;
    for (const piece of this.#pieces) keys += keysIn(piece);
    return { bytes: this.#end - this.#start, keys };
  }

  push(bytes: Uint8Array<ArrayBuffer>): void {
    for (let from = 0; from < bytes.length; from += PIECE) {
      this.#pieces.push(bytes.subarray(from, from + PIECE));
    }
    this.#end += bytes.length;
  }

  /** The next piece to send, which counts as sent from now on; none while the window is full. */
  next(): Uint8Array<ArrayBuffer> | undefined {
    const piece = this.#pieces[this.#sentPieces];
    if (piece === undefined || this.#sent - this.#start + piece.length > WINDOW) return undefined;
    this.#sentPieces += 1;
    this.#sent += piece.length;
    return piece;
  }

  /** The terminal has everything before `offset`. */
  confirm(offset: number): void {
    while (this.#sentPieces > 0) {
      const first = this.#pieces[0];
      if (first === undefined || this.#start + first.length > offset) break;
      this.#forgetFirst();
    }
    const first = this.#pieces[0];
    const part = offset - this.#start;
    if (first === undefined || this.#sentPieces === 0 || part <= 0) return;
    this.#pieces[0] = first.subarray(part);
    this.#start = offset;
  }

  /**
   * Goes on from `offset` after a cut: what follows it is sent (again). It may lie beyond all that
   * was sent: another page typed meanwhile, and what waits here comes after that.
   */
  resumeAt(offset: number): void {
    this.confirm(offset);
    const others = Math.max(0, offset - this.#start);
    this.#start += others;
    this.#end += others;
    this.#sent = this.#start;
    this.#sentPieces = 0;
  }

  /** The offset of what was typed before anybody knew where this page begins. */
  beginAt(offset: number): void {
    this.#end += offset - this.#start;
    this.#start = offset;
    this.#sent = offset;
  }

  #forgetFirst(): void {
    const first = this.#pieces.shift();
    if (first === undefined) return;
    this.#start += first.length;
    this.#sentPieces -= 1;
  }
}

/** Keys as a person counts them: an escape sequence is one, and so is each character. */
function keysIn(piece: Uint8Array): number {
  if (piece[0] === ESCAPE) return 1;
  let keys = 0;
  // Bytes after the first of a UTF-8 character are of the form 10xxxxxx.
  for (const byte of piece) if ((byte & 0xc0) !== 0x80) keys += 1;
  return keys;
}

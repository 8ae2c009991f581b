/** What a person asks a terminal for. It loses its secrets as soon as it was answered. */
import type { Connect } from "../wire";

/** What goes into a `connect`; size and resumption are added there. */
export type Request = Omit<Connect, "type" | "terminal" | "cols" | "rows" | "resume">;

export class Asked {
  #request: Request;
  /** Something secret, or an answer of the person, was in it and is gone. */
  #spent: boolean;

  private constructor(request: Request, spent: boolean) {
    this.#request = request;
    this.#spent = spent;
  }

  static now(request: Request): Asked {
    return new Asked(request, false);
  }

  /** As it is remembered of a session that another page opened: without secrets. */
  static before(request: Request): Asked {
    return new Asked(request, request.connection_mode !== "pty");
  }

  get request(): Request {
    return this.#request;
  }

  /** Whether it can be asked again without the person. */
  get repeatable(): boolean {
    return !this.#spent;
  }

  /** The person trusts this host key. */
  trust(fingerprint: string): void {
    this.#request = { ...this.#request, accept_host_key: fingerprint };
  }

  forgetSecrets(): void {
    const { password, privateKey, passphrase, accept_host_key: _, ...rest } = this.#request;
    this.#spent ||= rest.connection_mode !== "pty" || !!(password || privateKey || passphrase);
    this.#request = rest;
  }
}

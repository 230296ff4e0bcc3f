import type { HTTPAdapter } from '@x402/core/http'

/** A request of the Fetch API as x402 reads it, and what becomes of its answer on the way. */
export class FetchAdapter implements HTTPAdapter {
  /** What the handler answered, then what the client gets of that. */
  answer: Response | undefined
  readonly #request: Request
  readonly #body: Request

  constructor(request: Request) {
    this.#request = request
    this.#body = request.clone()
  }

  /** With its body unread. */
  get arrived(): Request {
    return this.#body
  }

  getHeader(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined
  }

  getMethod(): string {
    return this.#request.method
  }

  getPath(): string {
    return new URL(this.#request.url).pathname
  }

  getUrl(): string {
    return this.#request.url
  }

  getAcceptHeader(): string {
    return this.getHeader('Accept') ?? ''
  }

  getUserAgent(): string {
    return this.getHeader('User-Agent') ?? ''
  }

  getQueryParam(name: string): string | undefined {
    return new URL(this.#request.url).searchParams.get(name) ?? undefined
  }
}

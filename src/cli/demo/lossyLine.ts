import type { Fetch } from '../../client/index.ts'
import { headerNames } from '../../http/headers.ts'

/** A way to the servers on which one response is lost: the server has sent it, the client never sees it. */
export class LossyLine {
  /** The payment whose response was lost, as its header has it. */
  #lost: string | undefined
  /** How often that payment was sent. */
  sent = 0

  /** Loses the response of the first paid request. */
  readonly fetch: Fetch = async (input, init) => {
    const response = await fetch(input, init)
    const payment = new Headers(init?.headers).get(headerNames.payment)
    if (payment === null || (this.#lost !== undefined && this.#lost !== payment)) return response
    this.sent += 1
    if (this.#lost === payment) return response
    this.#lost = payment
    await response.arrayBuffer()
    throw new TypeError('the response was lost on the way')
  }
}

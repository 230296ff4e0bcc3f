import { Credential } from 'mppx'
import { Mppx } from 'mppx/server/core'
import type { SoldHandler, Way } from '../../vendor/index.ts'

/** What a handler of `mppx` gives for a request: `mppx.lockstep.session({ … })`, `mppx.compose(…)`. */
export type MppHandler = (
  request: Request,
) => Promise<
  | { readonly status: 402; readonly challenge: Response }
  | { readonly status: 200; readonly withReceipt: (response?: Response) => Promise<Response> | Response }
>

/**
 * Sells by the methods of an `mppx` server. The handler runs once a payment, and a method that charges when it has answered hears at
 * once where it fails.
 */
export function byMpp(charge: MppHandler): Way {
  return {
    asks: ['WWW-Authenticate'],
    bears: ({ headers }) =>
      ['Authorization', 'Payment-Authorization'].some(
        (name) => Credential.extractPaymentScheme(headers.get(name) ?? '') !== null,
      ),
    async sell(request, handler) {
      const result = await charge(request)
      if (result.status === 402) return result.challenge
      return answerOf(result.withReceipt) ?? answer(result.withReceipt, handler, request)
    },
  }
}

/** What a method answers by itself, such as a payment that it has answered before. */
function answerOf(
  withReceipt: (response?: Response) => Promise<Response> | Response,
): Promise<Response> | Response | undefined {
  try {
    return withReceipt()
  } catch (error) {
    if (Mppx.isMissingReceiptResponseError(error)) return undefined
    throw error
  }
}

/** Tells the method that the handler failed before anybody else hears of it: then it charges nothing. */
async function answer(
  withReceipt: (response: Response) => Promise<Response> | Response,
  handler: SoldHandler,
  request: Request,
): Promise<Response> {
  let response: Response
  try {
    response = await handler(request)
  } catch (error) {
    await withReceipt(new Response(null, { status: 500 }))
    throw error
  }
  return withReceipt(response)
}

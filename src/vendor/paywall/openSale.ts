import type { Meter } from './meter.ts'
import type { PriceTag } from './prices.ts'
import type { Payment, Paywall, Place } from './types.ts'

/** A sale whose payment was admitted, and whose handler runs elsewhere: between two hooks of a framework. */
export interface OpenSale {
  readonly payment: Payment & { readonly meter: Meter }
  /** What the client gets, once there is an answer and its charge is durable. */
  readonly sold: Promise<Response>
  /** Charges for this answer, unless its status is from 400 on, and gives what the client gets. */
  answer(response: Response): Promise<Response>
  /** The handler has failed: charges nothing, and gives what the client gets. After an answer it changes nothing. */
  fail(error: Error): Promise<Response>
}

/** Opens a sale, or gives what the client gets in its place: a refusal, or the answer that this very payment was given before. */
export async function openSale(
  { sell }: Pick<Paywall, 'sell'>,
  request: Request,
  tag: PriceTag,
  place?: Place,
): Promise<OpenSale | Response> {
  const opened = Promise.withResolvers<OpenSale>()
  const sold: Promise<Response> = sell(
    request,
    tag,
    (_paid, meter, payment) => {
      const answered = Promise.withResolvers<Response>()
      opened.resolve({
        payment: { ...payment, meter },
        sold,
        answer(response) {
          answered.resolve(response)
          return sold
        },
        fail(error) {
          answered.reject(error)
          return sold
        },
      })
      return answered.promise
    },
    place,
  )
  return Promise.race([opened.promise, sold])
}

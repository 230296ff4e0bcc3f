import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HTTPAdapter, HTTPTransportContext } from '@x402/core/http'
import type { Price, SchemeNetworkServer, SchemeServerHooks, SettleResponse } from '@x402/core/types'
import { parseMoney } from '@x402/core/utils'
import { headerNames } from '../../http/headers.ts'
import { type ProblemReason, problemOf } from '../../http/problems.ts'
import { rawBodyOf } from '../../vendor/adapters/rawBody.ts'
import { asError } from '../../vendor/errors.ts'
import { type Paywall, PriceError } from '../../vendor/index.ts'
import { type Counter, type CounterOptions, createCounter, type Judged, takeStatement } from '../counter.ts'
import { FetchAdapter } from './fetchAdapter.ts'
import { findDefaultAsset, network, type RequirementsExtra, scheme } from './scheme.ts'

/** A price for x402's routes: `accepts: priced(pay, '0.001')`. */
export function priced(
  pay: Pick<Paywall, 'vendor'>,
  price: string,
): { readonly [name in 'scheme' | 'payTo' | 'price']: string } & { readonly network: typeof network } {
  return { scheme, network, payTo: pay.vendor, price }
}

/**
 * Lockstep as a scheme of an x402 resource server. A payment is judged before the handler and charged after it, both here: no
 * facilitator is asked.
 *
 * ```ts
 * const server = new x402ResourceServer(facilitator).register(network, serverScheme(pay))
 * app.use(paymentMiddleware({ 'GET /joke': { accepts: priced(pay, '0.001') } }, server))
 * ```
 */
export function serverScheme(pay: Paywall, options?: CounterOptions): SchemeNetworkServer {
  const counter = createCounter(pay, options)
  const judged = new WeakMap<object, Judged>()
  return {
    scheme,
    defaultAssetTransferMethod: 'default',
    paymentFlows: { default: { supported: ['authorization'], default: 'authorization' } },
    // The offer may grow between a 402 and its payment.
    dynamicExtraFields: ['offer', 'refused'] satisfies (keyof RequirementsExtra)[],
    schemeHooks: hooksOf(pay, counter, judged),
    getAssetDecimals: (asset) => findDefaultAsset(asset, network)?.decimals,
    parsePrice: async (price) => ({ asset: pay.asset, amount: unitsOf(pay, counter, price) }),
    async enhancePaymentRequirements(requirements) {
      const { payTo } = requirements
      if (payTo !== pay.vendor)
        throw new PriceError(`a Lockstep route is paid to ${pay.vendor}, not to '${payTo}': use priced(pay, …)`)
      return { ...requirements, extra: { ...requirements.extra, offer: counter.offer() } }
    },
    async enrichPaymentRequiredResponse({ requirements, paymentPayload }) {
      const made = paymentPayload && judged.get(paymentPayload)
      if (made?.state !== 'refused') return undefined
      const { problem, statement } = made
      const refused = { problem, ...(statement !== undefined && { statement }) }
      return requirements.map((one) => (one.scheme === scheme ? { ...one, extra: { ...one.extra, refused } } : one))
    },
  }
}

function hooksOf(pay: Paywall, counter: Counter, judged: WeakMap<object, Judged>): SchemeServerHooks {
  const refuse = (payload: object, reason: ProblemReason, detail: string, statement?: string): Refusal => {
    const made = { state: 'refused', problem: problemOf({ reason, detail }), statement } as const
    judged.set(payload, made)
    return refusalOf(made)
  }
  return {
    async onBeforeVerify({ paymentPayload, requirements, transportContext }) {
      try {
        const request = await requestOf(adapterIn(transportContext), pay.bodySizeMax)
        const presented = { request, members: Object(paymentPayload.payload), amount: requirements.amount }
        const made = await counter.judge({ ...presented, isMetered: true })
        judged.set(paymentPayload, made)
        if (made.state === 'refused') return refusalOf(made)
        return {
          skip: true,
          result: { isValid: true, ...(made.state === 'open' && { payer: made.sale.payment.payer }) },
        }
      } catch (error) {
        // What is thrown here x402 would log, and then ask a facilitator.
        return refuse(paymentPayload, 'Malformed', asError(error).message)
      }
    },
    async onAfterVerify({ paymentPayload, transportContext }) {
      const made = judged.get(paymentPayload)
      if (made?.state !== 'answered') return undefined
      const adapter = adapterIn(transportContext)
      if (adapter instanceof FetchAdapter) {
        adapter.answer = made.response
        return { skipHandler: true }
      }
      const { response, statement } = takeStatement(made.response.clone())
      const contentType = response.headers.get('Content-Type') ?? ''
      const isJson = contentType.startsWith('application/json')
      if (response.status === 200 && isJson)
        return { skipHandler: true, response: { contentType, body: await response.json() } }
      return refuse(paymentPayload, 'AnswerGone', 'x402 cannot give this answer again', statement)
    },
    async onBeforeSettle({ paymentPayload, requirements, transportContext }) {
      const made = judged.get(paymentPayload)
      if (made === undefined) return refuse(paymentPayload, 'PaymentRequired', 'this payment was not judged here')
      if (made.state === 'refused') return refusalOf(made)
      if (made.state === 'answered') return settled(takeStatement(made.response), '')
      const { sale } = made
      const context = transportContext as HTTPTransportContext
      const adapter = adapterIn(context)
      try {
        sale.payment.meter.charge(counter.priceOf(requirements.amount))
      } catch (error) {
        // More than its price, or too late: what was made is not given away.
        const failed = await sale.fail(asError(error))
        if (adapter instanceof FetchAdapter) adapter.answer = failed
        return refuse(paymentPayload, 'HandlerFailed', asError(error).message)
      }
      const answer = await sale.answer(adapter instanceof FetchAdapter ? adapter.answer! : responseIn(context))
      const taken = takeStatement(answer)
      if (adapter instanceof FetchAdapter) adapter.answer = taken.response
      const { payer, id } = sale.payment
      return settled(taken, id, { payer, amount: requirements.amount })
    },
    async onVerifiedPaymentCanceled({ paymentPayload, transportContext, error }) {
      const made = judged.get(paymentPayload)
      if (made?.state !== 'open') return
      const adapter = adapterIn(transportContext)
      const failed = adapter instanceof FetchAdapter ? adapter.answer : undefined
      const answer =
        failed === undefined || failed.status < 400
          ? await made.sale.fail(error instanceof Error ? error : new Error('the handler failed'))
          : await made.sale.answer(failed)
      if (adapter instanceof FetchAdapter) adapter.answer = answer
      else stateOn(adapter, answer)
    },
  }
}

/** x402 has no place for a statement beside a failure: Express has the response, where it travels as the protocol's own header. */
function stateOn(adapter: HTTPAdapter, { headers }: Response): void {
  const { req } = adapter as { readonly req?: { readonly res?: ServerResponse } }
  const statement = headers.get(headerNames.statement)
  if (req?.res?.headersSent === false && statement !== null) req.res.setHeader(headerNames.statement, statement)
}

type Refusal = { abort: true; reason: string; message: string }

function refusalOf({ problem }: Extract<Judged, { state: 'refused' }>): Refusal {
  return { abort: true, reason: problem.reason, message: problem.detail }
}

/** What x402 hears of an answer: it is settled where the paywall states a charge for it. */
function settled(
  { response, statement }: ReturnType<typeof takeStatement>,
  transaction: string,
  more: Partial<SettleResponse> = {},
): Refusal | { skip: true; result: SettleResponse } {
  if (statement === undefined || response.status >= 400) {
    return { abort: true, reason: 'HandlerFailed', message: 'nothing was charged' }
  }
  return { skip: true, result: { success: true, transaction, network, ...more, extra: { statement } } }
}

/** The price in base units. Dollars are the asset where that is a dollar. */
function unitsOf(pay: Paywall, counter: Counter, price: Price): string {
  if (typeof price === 'object') {
    const { asset, amount } = price
    if (asset !== pay.asset || !/^[0-9]+$/.test(amount)) {
      throw new PriceError(`a price here is base units of ${pay.asset}, not '${amount}' of '${asset}'`)
    }
    return counter.unitsOf(counter.priceOf(amount))
  }
  const { amount, symbol } = parseMoney(price)
  const [code] = pay.asset.split('/')
  const said = symbol ?? (String(price).includes('$') ? 'USD' : code)
  if (said !== code) throw new PriceError(`a price here is in ${code}, not in ${said}`)
  return counter.unitsOf(amount)
}

function adapterIn(transportContext: unknown): HTTPAdapter {
  const { request } = Object(transportContext) as Partial<HTTPTransportContext>
  if (request === undefined) throw new Error('a Lockstep payment is for one HTTP request, and there is none here')
  return request.adapter
}

/** The request as it arrived: what its payment is for. */
async function requestOf(adapter: HTTPAdapter, bodySizeMax: number): Promise<Request> {
  if (adapter instanceof FetchAdapter) return adapter.arrived
  const { req } = adapter as { readonly req?: IncomingMessage }
  const method = adapter.getMethod()
  if (req?.headers === undefined && method !== 'GET' && method !== 'HEAD') {
    throw new Error('the body of this request is out of reach: sell it with byX402, or behind @x402/express')
  }
  const body = req?.headers === undefined ? new Uint8Array(0) : await rawBodyOf(req, bodySizeMax)
  if (body === undefined) throw new Error(`a body here has at most ${bodySizeMax} bytes`)
  const headers = ['x-forwarded-host', 'x-forwarded-proto'].flatMap((name): [string, string][] => {
    const value = adapter.getHeader(name)
    return value === undefined ? [] : [[name, value]]
  })
  return new Request(adapter.getUrl(), { method, headers, ...(body.length > 0 && { body: new Uint8Array(body) }) })
}

/** What a handler answered, as a middleware has buffered it. */
function responseIn({ responseBody, responseHeaders = {} }: HTTPTransportContext): Response {
  return new Response(responseBody === undefined ? null : new Uint8Array(responseBody), { headers: responseHeaders })
}

import { Errors, Method, Receipt } from 'mppx'
import { Transport } from 'mppx/server/core'
import { toHex } from '../../crypto/bytes.ts'
import { headerNames, parsePaymentHeaders } from '../../http/headers.ts'
import { fromMembers } from '../../http/members.ts'
import { type Problem, problemOf } from '../../http/problems.ts'
import type { Paywall } from '../../vendor/index.ts'
import { type CounterOptions, createCounter, type Judged, takeStatement } from '../counter.ts'
import { type LockstepMethod, methodOf, type Requested } from './method.ts'

/** What `withReceipt` gives: the charge is durable before it resolves. */
export type LockstepTransport = Transport.Transport<Request, Response, Response, Promise<Response>>

export type ServerMethod = Method.Server<LockstepMethod, Pick<Requested, 'currency' | 'recipient'>, LockstepTransport>

/**
 * Lockstep as a payment method of an `mppx` server: prices in the paywall's asset, charged when the handler has answered.
 *
 * ```ts
 * const mppx = Mppx.create({ methods: [serverMethod(pay)], secretKey, realm })
 * const joke = byMpp(mppx.lockstep.session({ amount: '0.001' }))
 * ```
 */
export function serverMethod(pay: Paywall, options?: CounterOptions): ServerMethod {
  const counter = createCounter(pay, options)
  /** Requests with a credential, whose bodies nobody has read. */
  const arrived = new WeakMap<Method.CapturedRequest, Request>()
  const judged = new WeakMap<Method.CapturedRequest, Judged>()
  const http = Transport.http()
  const beside = Transport.http({ requiresAuth: true })
  const transport: LockstepTransport = {
    ...http,
    getCredential: (input) => beside.getCredential(input) ?? http.getCredential(input),
    async captureRequest(input) {
      const captured = await http.captureRequest!(input)
      const { headers, bodyUsed } = input
      const isPaid = headers.has('Authorization') || headers.has('Payment-Authorization')
      if (isPaid && !bodyUsed) arrived.set(captured, input.clone())
      return captured
    },
    async respondChallenge(asked) {
      const response = await http.respondChallenge(asked)
      const { error } = asked
      if (error instanceof RefusedPaymentError && error.statement !== undefined) {
        response.headers.set(headerNames.statement, error.statement)
      }
      return response
    },
    respondReceipt(served) {
      const made = judged.get(served.envelope!.capturedRequest)
      return waitedFor(async (misuse) => {
        const sale = made?.state === 'open' ? made.sale : undefined
        const answer = await (misuse === undefined ? sale?.answer(served.response) : sale?.fail(misuse))
        const given = answer ?? served.response
        // There is no receipt for what costs nothing: the answer is why, and states it in its own header.
        if (given.status >= 400) return given
        const { response, statement } = takeStatement(given)
        if (statement === undefined) return response
        const receipt: Receipt.Receipt & { statement: string } = { ...served.receipt, statement }
        return http.respondReceipt({ ...served, receipt, response })
      })
    },
  }
  return Method.toServer(methodOf(counter.unitsOf), {
    defaults: { currency: pay.asset, recipient: pay.vendor },
    transport,
    request: ({ request }) => ({ ...request, offer: counter.offer() }),
    // The offer may grow between a challenge and its payment.
    stableBinding: ({ amount, currency, recipient }) => ({ amount, currency, recipient }),
    async broadcast({ credential, envelope }) {
      const request = envelope && arrived.get(envelope.capturedRequest)
      if (request === undefined) throw new RefusedPaymentError(problemOf(unread), undefined)
      const { payload, challenge } = credential
      const made = await counter.judge({ request, members: payload, amount: challenge.request.amount })
      if (made.state === 'refused') throw new RefusedPaymentError(made.problem, made.statement)
      judged.set(envelope!.capturedRequest, made)
      const timestamp = new Date().toISOString()
      return Receipt.from({ method: 'lockstep', status: 'success', timestamp, reference: referenceOf(payload) })
    },
    respond({ envelope }) {
      const made = envelope && judged.get(envelope.capturedRequest)
      return made?.state === 'answered' ? made.response : undefined
    },
  }) as ServerMethod
}

const unread = {
  reason: 'Malformed',
  detail: 'a Lockstep payment is for one HTTP request, and its body was read before the payment was looked at',
} as const

/**
 * A response that is there once it is charged. Whoever takes the promise for it is told, before anything is charged: middlewares of
 * `mppx` do not wait.
 */
function waitedFor(work: (misuse: Error | undefined) => Promise<Response>): Promise<Response> {
  let misuse: Error | undefined
  const promise = Promise.resolve().then(() => work(misuse))
  const get = (): never => {
    misuse = new Error('withReceipt gives a promise here: await it, or sell with byMpp. Nothing was charged')
    throw misuse
  }
  return Object.defineProperties(promise, { status: { get }, headers: { get }, body: { get } })
}

/** A payment that the paywall refused: answered with its own problem, under its own status. */
class RefusedPaymentError extends Errors.PaymentError {
  override readonly name: string = 'RefusedPaymentError'
  readonly type: string
  readonly title: string
  override readonly status: number
  readonly statement: string | undefined
  readonly #problem: Problem

  constructor(problem: Problem, statement: string | undefined) {
    super(problem.detail)
    this.#problem = problem
    this.type = problem.type
    this.title = problem.title
    this.status = problem.status
    this.statement = statement
  }

  override toProblemDetails(challengeId?: string): Errors.PaymentError.ProblemDetails {
    return { ...this.#problem, ...(challengeId !== undefined && { challengeId }) }
  }
}

/** Of a payment, the same whenever it comes again. */
function referenceOf(members: Readonly<Record<string, unknown>>): string {
  const messages = parsePaymentHeaders(new Headers(fromMembers(members)))
  if (messages?.ok !== true) throw new Error('the paywall took what is no payment')
  const { reference, index } = messages.value.payment.value
  return `${toHex(reference)}-${index}`
}

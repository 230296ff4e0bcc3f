import { equal, toHex } from '../crypto/bytes.ts'
import { refuse, Vendor } from '../protocol/index.ts'
import type { Payment } from '../wire/Frame.ts'
import * as Terms from '../wire/Terms.ts'
import * as Transaction from '../wire/Transaction.ts'
import { type Answered, acceptedOf, type Held, readCores, statementOf } from './held.ts'
import { problemAnswer, refused } from './responses.ts'
import type { PaidContext, PaidRoute } from './routes.ts'
import type { Answer, StoredPayment } from './store/contract.ts'
import type { Admission, Repeated, Till } from './till.ts'

/** A request and the payment that came with it. */
export interface Purchase {
  readonly till: Till
  readonly route: Pick<PaidRoute, 'price' | 'idempotent'>
  readonly params: Readonly<Record<string, string>>
  /** Of the request as it arrived. */
  readonly digest: Uint8Array
  /** The payment as it arrived. */
  readonly frame: Uint8Array
  readonly payment: Payment
  /** Runs the handler. */
  readonly handle: (context: PaidContext) => Promise<Response> | Response
  readonly onError: (error: unknown) => void
}

/** The largest answer that is kept for a retry. Design 3.5. */
export const answerSizeMax = 65_536

/**
 * Answers a request whose payment was admitted now, or was before. Whatever arrives while it runs, for the same payment,
 * waits for the same answer: a handler runs once.
 */
export async function respond(purchase: Purchase, admission: Admission | Repeated): Promise<Answered> {
  const { held } = admission
  const { digest, frame } = purchase
  const { index } = purchase.payment
  for (let running = held.running.get(index); running !== undefined; running = held.running.get(index)) {
    if (!equal(running.frame, frame)) return conflict(held, index)
    if (equal(running.digest, digest)) return running.answered
    // It runs for another request. Once that has its answer, the store tells whether the payment is still to be had.
    await running.answered
  }
  const answered = admission.ok ? start(purchase, held, admission) : repeat(purchase, held)
  held.running.set(index, { digest, frame, answered })
  try {
    return await answered
  } finally {
    // From its end on, the store answers a retry.
    held.running.delete(index)
  }
}

/** What the vendor says of a payment that was resent alone: nothing runs, and what is stored is told. */
export async function settle(till: Till, held: Held, payment: Payment, frame: Uint8Array): Promise<Answered> {
  const { index } = payment
  const running = held.running.get(index)
  if (running !== undefined) return equal(running.frame, frame) ? running.answered : conflict(held, index)
  const stored = await till.stored(held, index)
  if (stored === undefined || !isSame(held, stored, payment)) return conflict(held, index)
  const answer: Answer = { status: 204, headers: [], body: new Uint8Array(0) }
  return { answer, statement: statementOf(held, index, stored.charged) }
}

/** A payment whose request has not run: reserves its price and runs it, or says why not. */
async function start(
  purchase: Purchase,
  held: Held,
  { accepted, durable }: Pick<Admission, 'accepted' | 'durable'>,
): Promise<Answered> {
  const { index } = accepted
  const mismatch = equal(accepted.digest, purchase.digest)
    ? undefined
    : refuse('RequestMismatch', `payment ${index} names another request than this one`)
  const reserved = mismatch ?? Vendor.reserve(held.channel, index, purchase.route.price)
  if (reserved.ok) return run(purchase, { held, accepted, reservation: reserved.reservation })
  await durable
  return refused(held, reserved, { index, charged: 0n })
}

/** Runs the handler once, between two writes: that it runs, and what came of it. */
async function run(
  purchase: Purchase,
  started: { readonly held: Held; readonly accepted: Vendor.Accepted; readonly reservation: Vendor.Reservation },
): Promise<Answered> {
  const { till, route, params } = purchase
  const { held, accepted, reservation } = started
  const { channel } = held
  const { index } = accepted
  try {
    await till.write(held, { accepted, status: 'running', charged: 0n })
    const answer = await answerOf(purchase, { payer: toHex(Terms.reference(channel.channelId)), index, params })
    if (answer.status < 400) Vendor.charge(channel, reservation, route.price)
    Vendor.settle(channel, reservation)
    const { charged } = reservation
    const status = answer.status < 400 ? 'charged' : 'released'
    const kept = answer.body.length <= answerSizeMax ? answer : undefined
    await till.write(held, { accepted, status, charged, answer: kept })
    return { answer, statement: statementOf(held, index, charged) }
  } finally {
    if (!reservation.settled) Vendor.settle(channel, reservation)
  }
}

/** What the handler answers; one that throws, or answers what cannot be sent, has failed and is not charged. */
async function answerOf({ handle, onError }: Purchase, context: PaidContext): Promise<Answer> {
  try {
    const { status, headers, body } = await wholeOf(await handle(context))
    if (status < 200) throw new RangeError(`a handler answered with status ${status}`)
    return { status, headers: [...headers], body }
  } catch (error) {
    onError(error)
    return problemAnswer({ reason: 'HandlerFailed', detail: 'the handler failed' })
  }
}

async function wholeOf(response: Response): Promise<{ status: number; headers: Headers; body: Uint8Array }> {
  const { status, headers } = response
  return { status, headers, body: new Uint8Array(await response.arrayBuffer()) }
}

/** A payment whose index was taken: the same one gets the same answer, another one gets none. */
async function repeat(purchase: Purchase, held: Held): Promise<Answered> {
  const { till, payment, digest } = purchase
  const { index } = payment
  const stored = await till.stored(held, index)
  if (stored === undefined || !isSame(held, stored, payment)) return conflict(held, index)
  const { status, charged, answer } = stored
  const again = { accepted: acceptedOf(stored), durable: Promise.resolve() }
  switch (status) {
    case 'accepted':
      return start(purchase, held, again)
    case 'running':
      if (purchase.route.idempotent === true) return start(purchase, held, again)
      return refused(held, refuse('InDoubt', `the vendor stopped while payment ${index} was served`), {
        index,
        charged,
      })
    case 'charged':
    case 'released':
      if (!equal(stored.digest, digest)) {
        return refused(held, refuse('IndexConflict', `payment ${index} was ${status} for another request`), {
          index,
          charged,
        })
      }
      return answer === undefined
        ? refused(held, refuse('AnswerGone', `payment ${index} was ${status}`), { index, charged })
        : { answer, statement: statementOf(held, index, charged) }
  }
}

function conflict(held: Held, index: number): Answered {
  return refused(held, refuse('IndexConflict', `payment ${index} was accepted with other contents`), {
    index: 0,
    charged: 0n,
  })
}

/** Whether a frame, its MAC checked, is the very payment that was stored. */
function isSame(held: Held, stored: StoredPayment, payment: Payment): boolean {
  const [core] = readCores(held.channel.terms.lockScheme, [stored.core])
  const transaction = Transaction.transactionLayout.parse(core!.transaction)
  return (
    transaction.ok &&
    transaction.value.paidAt === payment.paidAt &&
    equal(transaction.value.digest, payment.digest) &&
    core!.segment === payment.segment &&
    core!.step === payment.step &&
    equal(core!.coin, payment.coin) &&
    equal(core!.commitment, payment.commitment) &&
    equal(core!.lock, payment.lock)
  )
}

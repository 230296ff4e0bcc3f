import { equal, toHex } from '../crypto/bytes.ts'
import { type Refusal, refuse, Vendor } from '../protocol/index.ts'
import type { Payment } from '../wire/Frame.ts'
import * as Terms from '../wire/Terms.ts'
import * as Transaction from '../wire/Transaction.ts'
import { type Answered, acceptedOf, type Held, readCores, statementOf } from './held.ts'
import { type Asking, problemAnswer, refused } from './responses.ts'
import type { PaidContext } from './routes.ts'
import type { Answer, StoredPayment } from './store/contract.ts'
import type { Admission, Repeated, Till } from './till.ts'

/** A request and the payment that came with it. */
export interface Purchase {
  readonly till: Till
  readonly params: Readonly<Record<string, string>>
  /** The address of the request, as the vendor has it. */
  readonly target: string
  /** Of the request as it arrived. */
  readonly digest: Uint8Array
  /** The payment as it arrived. */
  readonly frame: Uint8Array
  readonly payment: Payment
  /** Base units: the most that its client agrees to, where it says so. */
  readonly agreed?: bigint | undefined
  /** Base units to set aside, asked when the payment is about to run. Where it throws, the handler has failed. */
  readonly price: () => Promise<bigint> | bigint
  /** The handler may run again for one payment, as after a crash. */
  readonly idempotent: boolean
  /** What becomes of the price where the vendor stops while the handler runs. */
  readonly onCrash: OnCrash
  /** How a price is asked for, where credit is too low. */
  readonly asking: (price: bigint) => Asking
  /** Runs the handler. */
  readonly handle: (context: SaleContext) => Promise<Sold> | Sold
  readonly onError: (error: unknown) => void
}

export type OnCrash = 'charge' | 'release'

/** What a handler learns of the payment it serves, and of the channel. */
export interface SaleContext extends PaidContext {
  /** Base units set aside: the most that is charged. */
  readonly price: bigint
  /** Base units that the channel has left beside them. */
  readonly credit: bigint
}

export interface Sold {
  readonly response: Response
  /** Base units to charge, asked once the answer is there, or as much of it as is kept. At most what was set aside. */
  readonly charge: () => bigint
  /** The answer leaves as it is made, and is charged when it ends, however it ends: `charge` is what it came to by then. */
  readonly isStreamed?: boolean
}

/** What a request gets. */
export interface Served extends Answered {
  /** What follows the answer's body, where that is more than is kept: it leaves as it is made, and the charge stands. */
  readonly rest?: ReadableStream<Uint8Array<ArrayBuffer>> | undefined
  /** What a retry gets, once a streamed answer has ended and is charged. */
  readonly ended?: Promise<Answered>
}

/** The largest answer that is kept for a retry. Design 3.5. */
export const answerSizeMax = 65_536

/**
 * Answers a request whose payment was admitted now, or was before. Whatever arrives while it runs, for the same payment,
 * waits for the same answer: a handler runs once.
 */
export async function respond(purchase: Purchase, admission: Admission | Repeated): Promise<Served> {
  const { held } = admission
  const { digest, frame } = purchase
  const { index } = purchase.payment
  for (let running = held.running.get(index); running !== undefined; running = held.running.get(index)) {
    if (!equal(running.frame, frame)) return conflict(held, index)
    if (equal(running.digest, digest)) return running.answered
    // It runs for another request. Once that has its answer, the store tells whether the payment is still to be had.
    await running.answered
  }
  const served = admission.ok ? start(purchase, held, admission) : repeat(purchase, held)
  // A long answer has one reader: whoever waits for it as well hears that it is not kept.
  const answered = served.then(
    ({ rest, ended, ...whole }) => ended ?? (rest === undefined ? whole : gone(held, index, whole.statement)),
  )
  held.running.set(index, { digest, frame, answered })
  // From its end on, the store answers a retry.
  const end = (): void => void held.running.delete(index)
  answered.then(end, end)
  return served
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

/**
 * Charges a payment whose handler ran when the vendor stopped, where its route wanted that: as much was noted when it began.
 * Gives what was charged.
 */
export async function chargeDoubtful(till: Till, held: Held, stored: StoredPayment): Promise<bigint> {
  const reserved = Vendor.reserve(held.channel, stored.index, stored.charged)
  const charged = reserved.ok ? stored.charged : 0n
  if (reserved.ok) {
    Vendor.charge(held.channel, reserved.reservation, charged)
    Vendor.settle(held.channel, reserved.reservation)
  }
  await till.write(held, { accepted: acceptedOf(stored), status: reserved.ok ? 'charged' : 'released', charged })
  return charged
}

/** A payment whose request has not run: reserves its price and runs it, or says why not. */
async function start(
  purchase: Purchase,
  held: Held,
  { accepted, durable }: Pick<Admission, 'accepted' | 'durable'>,
): Promise<Served> {
  const { index } = accepted
  if (!equal(accepted.digest, purchase.digest)) {
    await durable
    const detail = `payment ${index} names another request than this one, which is ${purchase.target} here`
    return refused(held, refuse('RequestMismatch', detail), { index, charged: 0n })
  }
  const priced = await priceOf(purchase)
  const reserved = assessAgreed(purchase, priced) ?? Vendor.reserve(held.channel, index, priced.price)
  if (reserved.ok) return run(purchase, { held, accepted, reservation: reserved.reservation }, priced)
  await durable
  const asking = reserved.reason === 'CreditTooLow' ? purchase.asking(priced.price) : undefined
  return refused(held, reserved, { index, charged: 0n }, asking)
}

/** What its client has not agreed to is not taken from the credit that the channel has besides. */
function assessAgreed({ agreed }: Purchase, { price }: Priced): Refusal | undefined {
  if (agreed === undefined || price <= agreed) return undefined
  return refuse('CreditTooLow', `the request costs ${price}; its client agrees to ${agreed}`)
}

/** The price, or what the request gets because there is none: then nothing is set aside. */
async function priceOf({ price, onError }: Purchase): Promise<Priced> {
  try {
    return { price: await price() }
  } catch (error) {
    onError(error)
    return { price: 0n, failed: failedAnswer() }
  }
}

interface Priced {
  readonly price: bigint
  readonly failed?: Answer
}

/**
 * Runs the handler once, between two writes: that it runs, and what came of it. One that may run again does not wait for the first, and
 * shares its commit with the second where it is quick: nobody hears of what it did before that is stored.
 */
async function run(
  purchase: Purchase,
  started: { readonly held: Held; readonly accepted: Vendor.Accepted; readonly reservation: Vendor.Reservation },
  { price, failed }: Priced,
): Promise<Served> {
  const { till, params, onCrash } = purchase
  const { held, accepted, reservation } = started
  const { channel } = held
  const { index } = accepted
  const noted = till.write(held, { accepted, status: 'running', charged: onCrash === 'charge' ? price : 0n })
  // Whoever waits for what comes of it hears of its failure.
  noted.catch(() => undefined)
  try {
    if (!purchase.idempotent) await noted
    const payer = toHex(Terms.reference(channel.channelId))
    const context = { payer, index, params, price, credit: Vendor.credit(channel) }
    const made: Made = failed === undefined ? await answerOf(purchase, context) : { answer: failed, charge: 0n }
    if (made.stream !== undefined) await noted
    const isClaimed = channel.phase !== 'open'
    if (made.stream !== undefined && !isClaimed) return streamed(purchase, started, made.stream)
    const { answer, charge, rest } = isClaimed ? tooLate(made) : made
    const isSuccess = answer.status < 400
    if (isSuccess) Vendor.charge(channel, reservation, charge)
    Vendor.settle(channel, reservation)
    const { charged } = reservation
    const kept = rest === undefined && answer.body.length <= answerSizeMax ? answer : undefined
    await till.write(held, { accepted, status: isSuccess ? 'charged' : 'released', charged, answer: kept })
    return { answer, statement: statementOf(held, index, charged), rest }
  } catch (error) {
    if (!reservation.settled) Vendor.settle(channel, reservation)
    // What failed first says why.
    await noted
    throw error
  }
}

interface Made {
  readonly answer: Answer
  readonly charge: bigint
  readonly rest?: Served['rest']
  /** In place of all that, for an answer that leaves as it is made. */
  readonly stream?: Sold
}

/** The channel was over before its handler was done, and is claimed: what can no more be charged is not given. */
function tooLate({ rest, stream }: Made): Made {
  // What its source thinks of that is nobody's business any more.
  for (const body of [rest, stream?.response.body]) body?.cancel().catch(() => undefined)
  const detail = 'the channel was over before the answer was there: nothing was charged for it'
  return { answer: problemAnswer({ reason: 'ChannelClosed', detail }), charge: 0n }
}

/** Sends an answer as it is made. What it came to is charged when it ends, and when its client has gone. */
function streamed(
  { till, onError }: Purchase,
  {
    held,
    accepted,
    reservation,
  }: { readonly held: Held; readonly accepted: Vendor.Accepted; readonly reservation: Vendor.Reservation },
  { response, charge }: Sold,
): Served {
  const { index } = accepted
  const { status, headers } = response
  const beginning: Answer = { status, headers: [...headers], body: new Uint8Array(0) }
  const sent: Uint8Array[] = []
  let size = 0
  let isLeft = false
  let breakOff: (reason: Error) => void = () => undefined
  const reader = response.body!.getReader()
  const { promise: ended, resolve, reject } = Promise.withResolvers<Answered>()
  ended.catch(onError)
  let ending: Promise<void> | undefined

  async function store(isWhole: boolean): Promise<void> {
    held.waiting.delete(endIfClaimed)
    try {
      Vendor.charge(held.channel, reservation, charge())
      Vendor.settle(held.channel, reservation)
      const { charged } = reservation
      const isKept = isWhole && size <= answerSizeMax
      const answer = isKept ? { ...beginning, body: Buffer.concat(sent) } : undefined
      const result = charged > 0n || isWhole ? 'charged' : 'released'
      await till.write(held, { accepted, status: result, charged, answer })
      resolve(
        answer === undefined
          ? gone(held, index, { charged }, result)
          : { answer, statement: statementOf(held, index, charged) },
      )
    } catch (error) {
      reject(error)
      throw error
    }
  }
  /** Charges what it has come to. The first end counts: who leaves while a piece is made ends it before that does. */
  const end = (isWhole: boolean): Promise<void> => {
    ending ??= store(isWhole)
    return ending
  }
  /** Stops its source, which may hang, and charges what was sent: nobody waits for the source. */
  const leave = (reason: unknown): Promise<void> => {
    // Before the source hears of it: what it meters as it stops is in the sum, and its end is none of the answer.
    isLeft = true
    // What its source thinks of that is for its operator.
    reader.cancel(reason).catch(onError)
    return end(false)
  }
  const endIfClaimed = (): void => {
    if (held.channel.phase === 'open') return
    const over = new Error('the channel is over, and is claimed')
    leave(over).catch(onError)
    breakOff(over)
  }
  held.waiting.add(endIfClaimed)
  const rest = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        breakOff = (reason) => controller.error(reason)
      },
      async pull(controller) {
        const { done, value } = await reader.read().catch(async (error: unknown) => {
          onError(error)
          await end(false)
          throw error
        })
        if (isLeft) return
        if (done) {
          await end(true)
          return controller.close()
        }
        size += value.length
        if (size <= answerSizeMax) sent.push(value)
        controller.enqueue(value)
      },
      cancel: leave,
    },
    // Nothing is made before it can leave.
    { highWaterMark: 0 },
  )
  // Index 0: it settles nothing yet.
  return { answer: beginning, statement: statementOf(held, 0, 0n), rest, ended }
}

/** What the handler answers; one that throws, charges too much, or answers what cannot be sent, has failed and is not charged. */
async function answerOf({ handle, onError }: Purchase, context: SaleContext): Promise<Made> {
  let response: Response | undefined
  try {
    const sold = await handle(context)
    response = sold.response
    const { status, headers } = response
    if (status < 200) throw new RangeError(`a handler answered with status ${status}`)
    if (sold.isStreamed === true && status < 400 && response.body !== null) {
      return { answer: failedAnswer(), charge: 0n, stream: sold }
    }
    const { body, rest } = await beginningOf(response)
    const charge = status < 400 ? sold.charge() : 0n
    if (charge < 0n || charge > context.price) {
      throw new RangeError(`a handler charged ${charge} base units where at most ${context.price} were set aside`)
    }
    return { answer: { status, headers: [...headers], body }, charge, rest }
  } catch (error) {
    onError(error)
    return { answer: failedAnswer(), charge: 0n }
  }
}

function failedAnswer(): Answer {
  return problemAnswer({ reason: 'HandlerFailed', detail: 'the handler failed' })
}

/** A body, or as much of it as is kept and what follows that. */
async function beginningOf(response: Response): Promise<{ body: Uint8Array; rest: Served['rest'] }> {
  const reader = response.body?.getReader()
  const chunks: Uint8Array[] = []
  for (let size = 0; reader !== undefined && size <= answerSizeMax; ) {
    const { done, value } = await reader.read()
    if (done) return { body: Buffer.concat(chunks), rest: undefined }
    chunks.push(value)
    size += value.length
  }
  return { body: Buffer.concat(chunks), rest: reader && restOf(reader) }
}

function restOf(reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>): NonNullable<Served['rest']> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    cancel: (reason) => reader.cancel(reason),
  })
}

/** A payment whose index was taken: the same one gets the same answer, another one gets none. */
async function repeat(purchase: Purchase, held: Held): Promise<Served> {
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
      if (purchase.idempotent) return start(purchase, held, again)
      if (charged > 0n) {
        const doubtful = await chargeDoubtful(till, held, stored)
        if (doubtful > 0n) return gone(held, index, { charged: doubtful })
      }
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
        ? gone(held, index, { charged }, status)
        : { answer, statement: statementOf(held, index, charged) }
  }
}

function gone(
  held: Held,
  index: number,
  { charged }: { readonly charged: bigint },
  status: 'charged' | 'released' = 'charged',
): Answered {
  return refused(held, refuse('AnswerGone', `payment ${index} was ${status}`), { index, charged })
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

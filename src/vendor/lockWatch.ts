import { Vendor } from '../protocol/index.ts'
import { type Held, readCores } from './held.ts'
import { turnOfTheLoop } from './turns.ts'

export interface LockWatchOptions {
  /** Stored cores of a channel. */
  readonly cores: (held: Held, last: number, first: number) => Promise<readonly Uint8Array[]>
  /** Makes durable what was found. */
  readonly write: (held: Held) => Promise<void>
  /** Resolves when no payment waits for a commit that was begun before. */
  readonly flushed: () => Promise<void>
}

/**
 * Verifies locks behind the payments, so that little is left to do at the release. Between two commits, or two turns of an idle event
 * loop, it verifies one: a payment waits for no more than that, and where there is much to do the locks wait. A release waits for
 * them in turn: then it is eight a turn.
 */
export class LockWatch {
  readonly #options: LockWatchOptions
  /** Channels whose locks are to be verified, the longest waiting first. */
  readonly #due = new Set<Held>()
  #isRunning = false
  #turn: Promise<void> = Promise.resolve()

  constructor(options: LockWatchOptions) {
    this.#options = options
  }

  /** Payments of this channel were stored. Their locks are verified some at a time: reading them costs as much as one does. */
  note(held: Held): void {
    if (pagesDue(held) === 0) return
    this.#due.add(held)
    if (!this.#isRunning) void this.#run()
  }

  /** Verifies what is left, for somebody who waits for it: resolves when every lock of the prefix was, or one is wrong. */
  async verify(held: Held): Promise<void> {
    while (Vendor.lockDue(held.channel) !== undefined && !held.evicted) await this.#verifyPage(held, awaitedLength)
  }

  /** A page of locks, so many at once; behind the payments, or between two turns of the event loop where somebody waits. */
  async #verifyPage(held: Held, sliceLength: number): Promise<void> {
    const { channel } = held
    const { suspended } = channel
    const first = Vendor.lockDue(channel)!
    const last = Math.min(first + pageLength - 1, channel.window.contiguous)
    const cores = readCores(channel.terms.lockScheme, await this.#options.cores(held, last, first))
    // Who verifies the same channel beside may have come further meanwhile.
    for (let due = Vendor.lockDue(channel); due !== undefined && !held.evicted; due = Vendor.lockDue(channel)) {
      const core = cores[due - first]
      if (core === undefined) break
      Vendor.verifyLock(channel, core)
      if (due % sliceLength !== 0) continue
      if (sliceLength < awaitedLength) await this.#options.flushed()
      await this.#nextTurn()
    }
    if (channel.suspended !== suspended && !held.evicted) await this.#options.write(held)
  }

  /** Resolves in a turn of the event loop that is nobody else's here. */
  #nextTurn(): Promise<void> {
    this.#turn = this.#turn.then(turnOfTheLoop)
    return this.#turn
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    for (const held of this.#due) {
      this.#due.delete(held)
      try {
        while (pagesDue(held) > 0 && !held.evicted) await this.#verifyPage(held, 1)
      } catch {
        // The store failed, or another node has the channel: whoever needs either hears of it, and this is done again then.
      }
    }
    this.#isRunning = false
  }
}

/** Whole pages of a channel's prefix whose locks are not verified. */
function pagesDue({ channel }: Held): number {
  const due = Vendor.lockDue(channel)
  return due === undefined ? 0 : Math.floor((channel.window.contiguous - due + 1) / pageLength)
}

/** Locks between two turns of the loop that somebody waits for: half a millisecond, a turn costs as much as half a lock. */
const awaitedLength = 8

/** Locks that are read from the store at once. */
const pageLength = 64

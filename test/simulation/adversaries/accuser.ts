import { equal, fromHex } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { bankPaths } from '../../../src/http/bank.ts'
import { amount } from '../../../src/wire/amount.ts'
import * as BadOpening from '../../../src/wire/BadOpening.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import * as Equivocation from '../../../src/wire/Equivocation.ts'
import { reference } from '../../../src/wire/Terms.ts'
import * as Transaction from '../../../src/wire/Transaction.ts'
import * as Transcript from '../../../src/wire/Transcript.ts'
import type { Message } from '../engine/network.ts'
import type { Channel } from '../guarantees/truth.ts'
import { identityOf } from '../parties/cast.ts'
import type { World } from '../world.ts'

/** What somebody who knows all that both parties have tries to prove to the bank. */
export type Accusation = 'badOpening' | 'equivocation' | 'overcharge'

export const accusations: readonly Accusation[] = ['badOpening', 'equivocation', 'overcharge']

/**
 * Accuses a party of channel number `at`, by the order of ids. Of the guilty it has the evidence, and the bank must take it
 * (G8); of everybody else it makes up the best that can be had, and the bank's books must not believe it.
 */
export function accuse(world: World, kind: Accusation, at: number): void {
  const channels = [...world.truth.channels.values()].toSorted((left, right) => (left.id < right.id ? -1 : 1))
  const channel = channels[at % Math.max(1, channels.length)]
  if (channel === undefined) return
  const made =
    kind === 'badOpening'
      ? badOpening(world, channel)
      : kind === 'equivocation'
        ? equivocation(world, channel)
        : overcharge(world, channel)
  if (made === undefined) return
  const { body, isRight } = made
  world.ground.count(isRight ? `evidence: ${kind}` : `framing: ${kind}`)
  const path = kind === 'overcharge' ? bankPaths.overcharge : bankPaths.evidence
  const message: Message = world.network.inject({ from: 'eve', to: 'bank', method: 'POST', path, headers: [], body })
  if (isRight) world.expected.push({ message, kind })
}

interface Made {
  readonly body: Uint8Array
  readonly isRight: boolean
}

/** Cores as the vendor keeps them, up to the newest checkpoint that stands on one of them. */
function badOpening(world: World, { id, vendor, client }: Channel): Made | undefined {
  const channelId = fromHex(id)
  const file = client.disk.files.get(id)
  const [row] = vendor.disk.look('SELECT commitment, contiguous FROM channels WHERE channel_id = :channelId', {
    channelId,
  })
  const checkpoints = vendor.disk
    .look(
      'SELECT checkpoint FROM segments WHERE channel_id = :channelId AND checkpoint IS NOT NULL ORDER BY number DESC',
      {
        channelId,
      },
    )
    .map((segment) => Checkpoint.parse(segment.checkpoint as Uint8Array))
  const newest = checkpoints.find(
    (parsed) => parsed.ok && parsed.value.index > 0 && parsed.value.index <= Number(row?.contiguous),
  )
  if (row === undefined || file === undefined || newest?.ok !== true) return undefined
  const { index: last } = newest.value
  const cores = vendor.disk
    .look('SELECT core FROM payments WHERE channel_id = :channelId AND number <= :last ORDER BY number', {
      channelId,
      last,
    })
    .map(({ core }) => core as Uint8Array)
  if (cores.length !== last) return undefined
  const first = Transcript.first(channelId, row.commitment as Uint8Array)
  const isSigned = Buffer.compare(cores.reduce(Transcript.next, first), newest.value.transcript) === 0
  // One that came too late, to a vendor that had the right one by then, is in nobody's books.
  const isTaken = (index: number): boolean => {
    const told = world.guilt.toldCores.get(id)?.get(index)
    return told !== undefined && equal(told, cores[index - 1]!)
  }
  const bad = [...(world.guilt.badLocks.get(id) ?? [])].filter((index) => index <= last && isTaken(index))
  const lockScheme = client.plan.lockScheme
  const index = bad[0] ?? 1 + (last % 7 === 0 ? 0 : last - 1)
  // With ecdsa-xor it takes σ_i, which a client shows when it releases.
  const receipt = lockScheme === 'schnorr' ? undefined : file.payments.get(index)?.receipt
  if (lockScheme !== 'schnorr' && receipt === undefined) return undefined
  const evidence = BadOpening.create({
    channelId,
    lockScheme,
    index,
    ...(bad.length > 0
      ? { checkpoint: Checkpoint.encode(newest.value), cores, receipt }
      : frame(vendor.name, { channelId, checkpoint: newest.value, cores, index, first, receipt })),
    first,
  })
  // A wrong commitment under ecdsa-xor is one to no receipt that anybody has.
  return { body: BadOpening.encode(evidence), isRight: isSigned && bad.length > 0 && lockScheme === 'schnorr' }
}

/** What can be made of the payments of who made no bad lock: they as they are, or with a lock that the client never made. */
function frame(
  vendor: string,
  made: {
    readonly channelId: Uint8Array
    readonly checkpoint: Checkpoint.SignedCheckpoint
    readonly cores: readonly Uint8Array[]
    readonly index: number
    readonly first: Uint8Array
    readonly receipt: Uint8Array | undefined
  },
): {
  readonly checkpoint: Uint8Array
  readonly cores: readonly Uint8Array[]
  readonly receipt: Uint8Array | undefined
} {
  const { checkpoint, index, first, receipt } = made
  const encoded = Checkpoint.encode(checkpoint)
  const cores = made.cores.map((core, at) => (at === index - 1 ? changed(core) : core))
  switch (checkpoint.index % 4) {
    case 0:
      return { checkpoint: encoded, cores: made.cores, receipt }
    case 1:
      return { checkpoint: encoded, cores: made.cores, receipt: receipt && changed(receipt) }
    case 2:
      return { checkpoint: encoded, cores, receipt }
    default: {
      const { key } = identityOf(vendor)
      const transcript = cores.reduce(Transcript.next, first)
      const signed = Checkpoint.sign(key, made.channelId, { ...checkpoint, transcript })
      return { checkpoint: Checkpoint.encode(signed), cores, receipt }
    }
  }
}

/** With another last byte: of a core that is in its lock. */
function changed(bytes: Uint8Array): Uint8Array {
  return bytes.with(bytes.length - 1, bytes.at(-1)! ^ 1)
}

function equivocation({ guilt }: World, { id, cores, client }: Channel): Made | undefined {
  const known = guilt.equivocations.get(id)
  if (known !== undefined) return { body: known, isRight: true }
  const [core] = cores.values()
  const payment = client.disk.files.get(id)?.payments.get(1)
  if (core === undefined || payment === undefined) return undefined
  const transaction = fromHex(core).slice(0, Transaction.transactionLayout.size)
  const parsed = Transaction.transactionLayout.parse(transaction)
  if (!parsed.ok) return undefined
  const other = Transaction.encode({ ...parsed.value, digest: sha256(transaction) })
  const { receipt } = payment
  const body = Equivocation.encode(Equivocation.create({ transaction, receipt }, { transaction: other, receipt }))
  return { body, isRight: false }
}

function overcharge(world: World, { id, vendor }: Channel): Made | undefined {
  const channelId = fromHex(id)
  const low = world.guilt.lowClosings.get(id)
  const [row] = world.bank.disk.look('SELECT settled FROM channels WHERE channel_id = :channelId', { channelId })
  const settled = (row?.settled as bigint | null | undefined) ?? undefined
  if (settled === undefined) return undefined
  if (low !== undefined) {
    const parsed = Closing.parse(low)
    const isRight = parsed.ok && parsed.value.spent < settled
    return isRight ? { body: low, isRight } : undefined
  }
  // A closing that nobody but the vendor can sign: the accuser has its own key alone, or one that the vendor did sign.
  const signed = vendor.disk.look('SELECT closing FROM channels WHERE reference = :reference', {
    reference: reference(channelId),
  })[0]?.closing as Uint8Array | null | undefined
  const forged = Closing.sign(identityOf('eve').key, {
    channelId,
    index: 0,
    spent: amount(0n),
    transcript: sha256(channelId),
  })
  return { body: signed ?? Closing.encode(forged), isRight: false }
}

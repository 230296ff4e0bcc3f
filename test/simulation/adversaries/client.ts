import { concat, toHex } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { headerNames } from '../../../src/http/headers.ts'
import type { Client } from '../../../src/protocol/index.ts'
import { amount } from '../../../src/wire/amount.ts'
import { parseBase64url, toBase64url } from '../../../src/wire/base64url.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import * as Equivocation from '../../../src/wire/Equivocation.ts'
import * as Frame from '../../../src/wire/Frame.ts'
import * as Transaction from '../../../src/wire/Transaction.ts'
import * as Transcript from '../../../src/wire/Transcript.ts'
import type { Answer, Message } from '../engine/network.ts'
import { identityOf } from '../parties/cast.ts'
import type { ClientParty } from '../parties/client.ts'
import type { World } from '../world.ts'

/** What a client without scruples does to the next payment that it sends; its MAC is right unless that is the cheat. */
export type Cheat =
  | 'lock'
  | 'commitment'
  | 'coin'
  | 'mac'
  | 'overpay'
  | 'ahead'
  | 'equivocate'
  | 'checkpoint transcript'
  | 'checkpoint amount'
  | 'two checkpoints'
  | 'past the funds'
  | 'underpay'
  | 'attachment'
  | 'offer'
  | 'release'

export const cheats: readonly Cheat[] = [
  'lock',
  'commitment',
  'coin',
  'mac',
  'overpay',
  'ahead',
  'equivocate',
  'checkpoint transcript',
  'checkpoint amount',
  'two checkpoints',
  'past the funds',
  'underpay',
  'attachment',
  'offer',
  'release',
]

/** The message as the cheat sends it. As it was, where the cheat does not fit. */
export function cheat(world: World, client: ClientParty, message: Message, how: Cheat): Message {
  const { guilt } = world
  const frame = frameOf(message)
  const channel = frame && channelOf(client, frame.reference)
  if (frame === undefined || channel === undefined) return message
  world.ground.count(`cheat: ${how}`)
  const { macs, channelId, key, scheme } = channel
  const seal = (payment: Frame.Payment): Message =>
    withHeader(message, headerNames.payment, Frame.encodePayment(payment, macs.frame))
  switch (how) {
    case 'lock':
    case 'commitment': {
      const wrong =
        how === 'lock'
          ? {
              ...frame,
              lock: concat(Uint8Array.of(0), sha256(frame.lock), frame.lock.subarray(33)).slice(0, frame.lock.length),
            }
          : { ...frame, commitment: scheme.commit(scheme.sign(key, sha256(frame.digest))) }
      // Only where it is the newest: then the client goes on as if it had been like this.
      if (frame.index !== channel.index) return message
      const id = toHex(channelId)
      retell(world, client, channel, wrong)
      guilt.badLocks.set(id, (guilt.badLocks.get(id) ?? new Set()).add(frame.index))
      return seal(wrong)
    }
    case 'coin':
      return seal({ ...frame, coin: sha256(frame.coin) })
    case 'mac':
      return withHeader(
        message,
        headerNames.payment,
        Frame.encodePayment(frame, () => new Uint8Array(16)),
      )
    case 'overpay': {
      const { segment } = channel
      const step = Math.min(segment.length, frame.step + 3)
      return frame.segment === segment.number && step > 0
        ? seal({ ...frame, step, coin: segment.coins[step]! })
        : message
    }
    case 'ahead':
      return seal({ ...frame, index: frame.index + (frame.step % 2 === 0 ? 3 : 2000) })
    case 'equivocate':
      equivocate(world, channel, frame)
      return seal({ ...frame, digest: sha256(frame.digest) })
    case 'attachment':
      return changeHeader(message, headerNames.attachment, (bytes) => bytes.with(20, bytes[20]! ^ 1))
    case 'underpay':
      return frame.segment === channel.segment.number && frame.step > 1
        ? seal({ ...frame, step: frame.step - 1, coin: channel.segment.coins[frame.step - 1]! })
        : message
    case 'offer':
    case 'release':
      return message
    case 'checkpoint transcript':
    case 'checkpoint amount':
    case 'two checkpoints':
    case 'past the funds':
      return lieInCheckpoint(world, channel, message, how)
  }
}

/** A release with another receipt. */
export function misrelease({ ground }: World, message: Message): Message {
  ground.count('cheat: release')
  // Kind, channel id and R_n come before s_n.
  const at = 1 + 32 + 32 + 31
  return { ...message, body: message.body.with(at, message.body[at]! ^ 1) }
}

/** An offer as a client reads it that wants terms of its own: its vendor is somebody else, or has no time to claim. */
export function misread({ ground }: World, client: ClientParty, answer: Answer): Answer {
  const offer = JSON.parse(new TextDecoder().decode(answer.body)) as Record<string, unknown>
  const variants = [
    { vendor: toHex(identityOf(client.name).key.publicKey) },
    { graceMin: 60 },
    { lifeMin: 60 },
  ] as const
  const other = variants[ground.plan.seed % variants.length]
  ground.count('cheat: offer')
  return { ...answer, body: new TextEncoder().encode(JSON.stringify({ ...offer, ...other })) }
}

/** A checkpoint that says something else, or another one for the same segment. */
function lieInCheckpoint(
  world: World,
  channel: Client.ClientChannel,
  message: Message,
  how: 'checkpoint transcript' | 'checkpoint amount' | 'two checkpoints' | 'past the funds',
): Message {
  return changeHeader(message, headerNames.checkpoint, (bytes) => {
    const parsed = Checkpoint.parse(bytes)
    if (!parsed.ok) return bytes
    const { value } = parsed
    const other = {
      'checkpoint transcript': { transcript: sha256(value.transcript) },
      'checkpoint amount': { amount: amount(value.amount / 2n) },
      'two checkpoints': { nextAnchor: sha256(value.nextAnchor) },
      'past the funds': { amount: amount(channel.terms.funds + 1n) },
    }[how]
    if (how === 'two checkpoints') world.network.inject({ ...message, from: 'eve' })
    return Checkpoint.encode(Checkpoint.sign(channel.key, channel.channelId, { ...value, ...other }))
  })
}

/** Signs another transaction for the same index: with both receipts anybody can prove it. */
function equivocate({ guilt, truth }: World, channel: Client.ClientChannel, frame: Frame.Payment): void {
  const id = toHex(channel.channelId)
  const core = truth.channels.get(id)?.cores.get(frame.index)
  if (core === undefined) return
  const first = Uint8Array.from(Buffer.from(core, 'hex')).slice(0, Transaction.transactionLayout.size)
  const parsed = Transaction.transactionLayout.parse(first)
  if (!parsed.ok) return
  const second = Transaction.encode({ ...parsed.value, digest: sha256(frame.digest) })
  const sign = (transaction: Uint8Array): Equivocation.SignedTransaction => ({
    transaction,
    receipt: channel.scheme.sign(channel.key, Transaction.transactionDigest(transaction)),
  })
  guilt.equivocations.set(id, Equivocation.encode(Equivocation.create(sign(first), sign(second))))
}

/** The client's own transcript follows what it really sent: its checkpoints sign that. */
function retell({ guilt }: World, client: ClientParty, channel: Client.ClientChannel, sent: Frame.Payment): void {
  const payments = client.disk.fileOf(channel.channelId)?.payments
  if (payments === undefined) return
  const id = toHex(channel.channelId)
  const told = guilt.toldCores.get(id) ?? new Map<number, Uint8Array>()
  guilt.toldCores.set(id, told)
  const made = payments.get(sent.index)!
  const core = Transcript.coreLayout(channel.scheme.lockSize).parse(made.core)
  if (!core.ok) return
  told.set(sent.index, Transcript.encode({ ...core.value, commitment: sent.commitment, lock: sent.lock }))
  let transcript = Transcript.first(channel.channelId, channel.attachment.commitment)
  for (let index = 1; index <= sent.index; index++) {
    transcript = Transcript.next(transcript, told.get(index) ?? payments.get(index)!.core)
  }
  channel.transcript = transcript
}

function channelOf(client: ClientParty, reference: Uint8Array): Client.ClientChannel | undefined {
  const name = toHex(reference)
  const found = client.channels.find(({ state }) => toHex(state.channelId).startsWith(name))
  return found?.state as Client.ClientChannel | undefined
}

function frameOf({ headers }: Message): Frame.Payment | undefined {
  const carried = headers.find(([name]) => name === headerNames.payment.toLowerCase())
  const bytes = carried && parseBase64url(carried[1], Frame.paymentSize(64))
  const parsed = bytes?.ok ? Frame.parsePayment(bytes.value) : undefined
  return parsed?.ok ? parsed.value : undefined
}

function withHeader(message: Message, name: string, value: Uint8Array): Message {
  return changeHeader(message, name, () => value)
}

function changeHeader(message: Message, name: string, change: (bytes: Uint8Array) => Uint8Array): Message {
  const headers = message.headers.map(([key, value]) => {
    const bytes = key === name.toLowerCase() ? parseBase64url(value, 1024) : undefined
    return [key, bytes?.ok ? toBase64url(change(bytes.value)) : value] as const
  })
  return { ...message, headers }
}

import { concat, fromHex, toHex, utf8 } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { bankPaths } from '../../../src/http/bank.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { managementPaths } from '../../../src/http/management.ts'
import { amount, unixSeconds } from '../../../src/wire/amount.ts'
import { parseBase64url, toBase64url } from '../../../src/wire/base64url.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import * as Close from '../../../src/wire/Close.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import * as Command from '../../../src/wire/Command.ts'
import * as Frame from '../../../src/wire/Frame.ts'
import { sizes } from '../../../src/wire/kinds.ts'
import * as Transcript from '../../../src/wire/Transcript.ts'
import type { Message } from '../engine/network.ts'
import type { Process } from '../engine/scheduler.ts'
import { findChannel, openedOf } from '../guarantees/truth.ts'
import { asset, identityOf, network } from '../parties/cast.ts'
import type { World } from '../world.ts'
import { counterfeit } from './counterfeit.ts'

/**
 * Somebody on the path who records everything, has keys of its own and nobody else's, and sends what it likes: as it was,
 * elsewhere, in pieces, with a bit changed, or made of what it has seen.
 */
export type Eavesdropping =
  | 'replay'
  | 'redirect'
  | 'resend'
  | 'splice'
  | 'flip'
  | 'nextCoin'
  | 'checkpoint'
  | 'stream'
  | 'spend'
  | 'claim'
  | 'closing'
  | 'release'
  | 'withdraw'
  | 'counterfeit'

export const eavesdroppings: readonly Eavesdropping[] = [
  'replay',
  'redirect',
  'resend',
  'splice',
  'flip',
  'nextCoin',
  'checkpoint',
  'stream',
  'spend',
  'claim',
  'closing',
  'release',
  'withdraw',
  'counterfeit',
]

/** Its program, which nothing stops. */
export const eve: Process = { party: 'eve', run: 0, alive: true }

/** Those that are made of a payment. */
const ofPayments: ReadonlySet<Eavesdropping> = new Set<Eavesdropping>([
  'redirect',
  'resend',
  'splice',
  'nextCoin',
  'spend',
  'claim',
  'closing',
  'release',
])

function hasPayment({ headers }: Message): boolean {
  return headers.some(([name]) => name === headerNames.payment.toLowerCase())
}

/** `message` and `at` choose among what was seen. Does nothing where nothing fits. */
export function eavesdrop(world: World, how: Eavesdropping, message: number, at: number): void {
  if (how === 'stream') {
    repeatStream(world, message, at)
    return
  }
  const wire = ofPayments.has(how) ? world.network.wire.filter(hasPayment) : world.network.wire
  const seen = wire[wire.length - 1 - (message % Math.max(1, wire.length))]
  if (seen === undefined) return
  const made = make(world, seen, how, at)
  if (made === undefined) return
  world.ground.count(`eavesdropper: ${how}`)
  world.network.inject({ ...made, from: 'eve' })
}

function make(world: World, seen: Message, how: Eavesdropping, at: number): Omit<Message, 'id' | 'answer'> | undefined {
  const { wire } = world.network
  const frame = frameOf(seen)
  switch (how) {
    case 'replay':
      return seen
    case 'redirect': {
      if (frame === undefined) return undefined
      const vendor = world.vendors[at % world.vendors.length]!.name
      return { ...seen, to: vendor, path: at % 2 === 0 ? seen.path : `/item/eve-${at}` }
    }
    case 'resend':
      return frame && { ...seen, method: 'POST', path: managementPaths.resend }
    case 'splice': {
      const other = wire[at % wire.length]!
      if (frame === undefined || frameOf(other) === undefined) return undefined
      const own = seen.headers.filter(([name]) => name !== headerNames.checkpoint.toLowerCase())
      return {
        ...seen,
        headers: [...own, ...other.headers.filter(([name]) => name !== headerNames.payment.toLowerCase())],
      }
    }
    case 'flip':
      return flip(seen, at)
    case 'nextCoin':
    case 'spend':
      return frame && { ...seen, path: `/item/eve-${at}`, headers: headersWith(seen, forge(frame, how)) }
    case 'checkpoint':
      return frame && withCheckpoint(seen, frame, at)
    case 'stream':
      return undefined
    case 'claim':
    case 'closing':
    case 'release':
      return frame && accuseOf(world, frame, seen, how)
    case 'withdraw':
      return { ...seen, ...withdraw(world, at), headers: [] }
    case 'counterfeit':
      return counterfeit(world, at)
  }
}

/** Messages of a stream, as they were, over a connection of its own: what came before may be left out. */
function repeatStream({ ground, sockets }: World, message: number, at: number): void {
  const { seen } = sockets
  const chosen = seen[seen.length - 1 - (message % Math.max(1, seen.length))]
  if (chosen === undefined) return
  ground.count('eavesdropper: stream')
  const own = seen.filter(({ connection }) => connection === chosen.connection)
  const sent = own.slice(at % 3 === 0 ? own.indexOf(chosen) : 0)
  const path = at % 2 === 0 ? chosen.path : `/stream/eve-${at}-5`
  const socket = new sockets.WebSocket(`ws://${chosen.to}${path}`)
  socket.onopen = () => {
    for (const one of sent) socket.send(new Uint8Array(one.message))
    // Who stays keeps a stream under way that it made its own.
    socket.close()
  }
}

/** A checkpoint over more than was paid, under the only key that it has. */
function withCheckpoint(seen: Message, frame: Frame.Payment, at: number): Message {
  const channelId = concat(frame.reference, sha256(frame.reference).subarray(16))
  const forged = Checkpoint.sign(identityOf('eve').key, channelId, {
    segment: frame.segment + 1,
    index: frame.index - (at % 2),
    amount: amount(1000n),
    transcript: frame.digest,
    nextAnchor: sha256(frame.coin),
    nextUnitPrice: amount(1n),
    nextLength: at % 1024,
  })
  const name = headerNames.checkpoint.toLowerCase()
  const headers = seen.headers.filter(([key]) => key !== name)
  return { ...seen, headers: [...headers, [name, toBase64url(Checkpoint.encode(forged))]] }
}

/** What goes to the bank, or in the vendor's name: signed with the only key that it has. */
function accuseOf(
  { truth }: World,
  frame: Frame.Payment,
  seen: Message,
  how: 'claim' | 'closing' | 'release',
): Message {
  const eve = identityOf('eve').key
  // Terms and c_0 were on the wire, beside the first payment.
  const channel = findChannel(truth, toHex(frame.reference))
  const channelId = channel ? fromHex(channel.id) : concat(frame.reference, sha256(frame.reference).subarray(16))
  const post = { ...seen, method: 'POST', headers: [] }
  if (how === 'claim') {
    const commitment = channel && openedOf(channel)?.commitment
    const evidence: Close.Evidence = { kind: 'coins', step: frame.step, coin: frame.coin }
    const isNothing = frame.index % 2 === 0
    const close = Close.sign(eve, {
      channelId,
      amount: amount(isNothing ? 0n : BigInt(frame.step)),
      index: 0,
      previousTranscript: new Uint8Array(32),
      core: new Uint8Array(0),
      transcript: commitment === undefined ? new Uint8Array(32) : Transcript.first(channelId, commitment),
      evidence: isNothing ? { kind: 'none' } : evidence,
    })
    return { ...post, to: 'bank', path: bankPaths.close, body: Close.encode(close) }
  }
  if (how === 'closing') {
    const closing = Closing.sign(eve, { channelId, index: frame.index, spent: amount(0n), transcript: frame.digest })
    return { ...post, to: 'bank', path: bankPaths.closing, body: Closing.encode(closing) }
  }
  const receipt = concat(frame.commitment, frame.lock.subarray(0, 32))
  const checkpoint = new Uint8Array(171)
  return { ...post, path: managementPaths.release, body: Closing.encodeRelease({ channelId, receipt, checkpoint }) }
}

/** What a client has at the bank, to somebody else: signed with the only key that it has. */
function withdraw({ clients, ground }: World, at: number): Pick<Message, 'method' | 'to' | 'path' | 'body'> {
  const eve = identityOf('eve').key
  const { key } = identityOf(clients[at % clients.length]!.name)
  const command = Command.sign(eve, {
    bank: identityOf('bank').key.publicKey,
    network,
    id: sha256(utf8(`eve withdraws ${at} ${ground.now()}`)).slice(0, 16),
    validUntil: unixSeconds(ground.clockOf('bank') + 60n),
    action: { kind: 'withdraw', asset, amount: amount(1n), destination: eve.publicKey },
  })
  const body = Command.encode({ ...command, account: key.publicKey })
  return { method: 'POST', to: 'bank', path: bankPaths.command, body }
}

/** A payment of its own: the MAC is the best that it has, that of another frame. */
function forge(frame: Frame.Payment & { readonly mac: Uint8Array }, how: 'nextCoin' | 'spend'): Uint8Array {
  const next =
    how === 'nextCoin'
      ? { step: frame.step + 1, coin: sha256(frame.coin), index: frame.index + 1 }
      : { index: frame.index + 1 }
  return Frame.encodePayment({ ...frame, ...next, digest: sha256(frame.digest) }, () => frame.mac)
}

/** One bit of a payment, a checkpoint, an attachment or a body. */
function flip(seen: Message, at: number): Message {
  if (seen.body.length > 0) {
    const body = seen.body.slice()
    body[at % body.length]! ^= 1 << (at % 8)
    return { ...seen, body }
  }
  const carried = seen.headers.filter(([name]) => name.startsWith('lockstep-'))
  if (carried.length === 0) return seen
  const [name, value] = carried[at % carried.length]!
  const bytes = parseBase64url(value, 1024)
  if (!bytes.ok) return seen
  const flipped = bytes.value.slice()
  flipped[at % flipped.length]! ^= 1 << (at % 8)
  return { ...seen, headers: seen.headers.map((one) => (one[0] === name ? [name, toBase64url(flipped)] : one)) }
}

function frameOf({ headers }: Message): (Frame.Payment & { readonly mac: Uint8Array }) | undefined {
  const carried = headers.find(([name]) => name === headerNames.payment.toLowerCase())
  const bytes = carried && parseBase64url(carried[1], Frame.paymentSize(64))
  const parsed = bytes?.ok ? Frame.parsePayment(bytes.value) : undefined
  if (bytes?.ok !== true || parsed?.ok !== true) return undefined
  return { ...parsed.value, mac: bytes.value.slice(-sizes.mac) }
}

function headersWith({ headers }: Message, frame: Uint8Array): Message['headers'] {
  const name = headerNames.payment.toLowerCase()
  return headers.map((one) => (one[0] === name ? [name, toBase64url(frame)] : one))
}

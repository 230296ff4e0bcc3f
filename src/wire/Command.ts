import { concat } from '../crypto/bytes.ts'
import { taggedHash } from '../crypto/hash.ts'
import * as Schnorr from '../crypto/Schnorr.ts'
import type { Amount, UnixSeconds } from './amount.ts'
import * as Closing from './Closing.ts'
import { kinds, sizes } from './kinds.ts'
import type { Layout } from './layout.ts'
import { amountField, ascii, bytes, choice, constant, copy, layout, timeField } from './layout.ts'
import { malformed, type Parsed, parsed } from './parsed.ts'

/**
 * What an account tells its bank to do: Design 3.8. Bank, network, account, id and the time it is valid are all signed:
 * sent again it gets the same answer; the same id with another body is refused. 218 to 454 bytes.
 *
 * `Open` is a command of its own: its terms bind bank and network. What proves itself, a closing, a fraud or a release after
 * the claim, needs no account and no command.
 */
export interface Command {
  /** The bank that is to do it. */
  readonly bank: Uint8Array
  /** Where that bank records. */
  readonly network: string
  readonly account: Uint8Array
  /** Chosen by the account, new for each command. */
  readonly id: Uint8Array
  readonly validUntil: UnixSeconds
  readonly action: Action
}

export interface SignedCommand extends Command {
  /** By the account, over everything before it. */
  readonly signature: Uint8Array
}

export type Action = ChannelAction | LeaveRelease | Withdraw | Register

/** Of the client's account, but for `fetchRelease`, which is the vendor's. */
export interface ChannelAction {
  readonly kind: ChannelActionKind
  readonly channelId: Uint8Array
}

/**
 * `expire`: give back the funds after the deadline. `fetchClosing`: what the vendor left. `dispute`: this account does not
 * release for the closing it fetched. `fetchRelease`: what the client left.
 */
export type ChannelActionKind = 'expire' | 'fetchClosing' | 'dispute' | 'fetchRelease'

/** Leaves a release for the vendor. Before a claim says what `σ_n` must be, the account vouches for it. */
export interface LeaveRelease {
  readonly kind: 'release'
  /** 268 bytes. */
  readonly release: Uint8Array
}

export interface Withdraw {
  readonly kind: 'withdraw'
  /** As in `USD/6`. */
  readonly asset: string
  readonly amount: Amount
  /** Where to, as the bank and the account understand it: an address on its network. */
  readonly destination: Uint8Array
}

/** Makes the account one that can open channels and be paid through them. */
export interface Register {
  readonly kind: 'register'
  /** Of the minimum deposit, which is locked. */
  readonly asset: string
}

interface Head {
  readonly kind: number
  readonly bank: Uint8Array
  readonly network: string
  readonly account: Uint8Array
  readonly id: Uint8Array
  readonly validUntil: UnixSeconds
  readonly action: Action['kind']
}

const actionKinds = ['expire', 'fetchClosing', 'dispute', 'fetchRelease', 'release', 'withdraw', 'register'] as const

const head: Layout<Head> = layout('command', {
  kind: constant(kinds.command),
  bank: bytes(sizes.key),
  network: ascii(32),
  account: bytes(sizes.key),
  id: bytes(sizes.salt),
  validUntil: timeField,
  action: choice<Action['kind']>(actionKinds),
})

const ofChannel = layout('command', { channelId: bytes(sizes.hash) })
const leaveRelease = layout('command', { release: bytes(Closing.releaseSize) })
const withdraw = layout('command', { asset: ascii(32), amount: amountField, destination: bytes(32) })
const register = layout('command', { asset: ascii(32) })

const hashCommand = taggedHash('lockstep/command')

/** The longest command there is, in bytes. */
export const sizeMax: number = head.size + leaveRelease.size + sizes.signature

/** `head ‖ body of the action ‖ signature`. */
export function encode(value: SignedCommand): Uint8Array<ArrayBuffer> {
  return concat(unsigned(value), value.signature)
}

export function parse(input: Uint8Array): Parsed<SignedCommand> {
  if (input.length < head.size) return malformed(`command has ${head.size} bytes or more; got ${input.length}`)
  const start = head.parse(input.subarray(0, head.size))
  if (!start.ok) return start
  const size = head.size + bodySize(start.value.action) + sizes.signature
  if (input.length !== size) return malformed(`command has ${size} bytes; got ${input.length}`)
  const action = parseBody(start.value.action, input.subarray(head.size, size - sizes.signature))
  if (!action.ok) return action
  const { bank, network, account, id, validUntil } = start.value
  const signature = copy(input, size - sizes.signature, size)
  return parsed({ bank, network, account, id, validUntil, action: action.value, signature })
}

/** What the account signs; of all commands it is this one's alone. */
export function digest(value: Command): Uint8Array {
  return hashCommand(unsigned(value))
}

export function sign(account: Schnorr.KeyPair, value: Omit<Command, 'account'>): SignedCommand {
  const command = { ...value, account: account.publicKey }
  return { ...command, signature: Schnorr.sign(account, digest(command)) }
}

export function verify(value: SignedCommand): boolean {
  return Schnorr.verify({ publicKey: value.account, digest: digest(value), signature: value.signature })
}

function unsigned(value: Command): Uint8Array<ArrayBuffer> {
  return concat(head.encode({ ...value, kind: kinds.command, action: value.action.kind }), encodeBody(value.action))
}

function encodeBody(action: Action): Uint8Array {
  switch (action.kind) {
    case 'release':
      return leaveRelease.encode(action)
    case 'withdraw':
      return withdraw.encode(action)
    case 'register':
      return register.encode(action)
    case 'expire':
    case 'fetchClosing':
    case 'dispute':
    case 'fetchRelease':
      return ofChannel.encode(action)
  }
}

function bodySize(kind: Action['kind']): number {
  switch (kind) {
    case 'release':
      return leaveRelease.size
    case 'withdraw':
      return withdraw.size
    case 'register':
      return register.size
    case 'expire':
    case 'fetchClosing':
    case 'dispute':
    case 'fetchRelease':
      return ofChannel.size
  }
}

function parseBody(kind: Action['kind'], input: Uint8Array): Parsed<Action> {
  switch (kind) {
    case 'release': {
      const body = leaveRelease.parse(input)
      if (!body.ok) return body
      const release = Closing.parseRelease(body.value.release)
      return release.ok ? parsed({ kind, ...body.value }) : release
    }
    case 'withdraw': {
      const body = withdraw.parse(input)
      return body.ok ? parsed({ kind, ...body.value }) : body
    }
    case 'register': {
      const body = register.parse(input)
      return body.ok ? parsed({ kind, ...body.value }) : body
    }
    case 'expire':
    case 'fetchClosing':
    case 'dispute':
    case 'fetchRelease': {
      const body = ofChannel.parse(input)
      return body.ok ? parsed({ kind, ...body.value }) : body
    }
  }
}

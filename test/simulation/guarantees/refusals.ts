import { equal } from '../../../src/crypto/bytes.ts'
import { bankPaths } from '../../../src/http/bank.ts'
import type { Reason } from '../../../src/protocol/refusals.ts'
import * as Open from '../../../src/wire/Open.ts'
import { type Answer, describe, type Message } from '../engine/network.ts'
import { identityOf } from '../parties/cast.ts'
import type { VendorParty } from '../parties/vendor.ts'
import { findChannel, referenceOf, type Truth } from './truth.ts'

/** G11: nobody honest tells somebody honest that what came is wrong. Faults of the surroundings refuse otherwise. */
export function checkRefusal(truth: Truth, message: Message, answer: Answer): void {
  const { ground, clients, vendors } = truth
  const sender = clients.get(message.from) ?? vendors.get(message.from)
  if (sender === undefined || sender.plan.isByzantine || answer.status < 400) return
  const reference = referenceOf(message)
  const channel = reference === undefined ? undefined : findChannel(truth, reference)
  // Who has an old copy of its store may not know what it did.
  if (channel?.isRestored === true || channel?.isRolledBack === true) return
  const reason = describe(answer)
  // Either side's score may be what is too low: a vendor that cheats has lost its own.
  if (reason === 'ReputationTooLow' && vendorOf(truth, message)?.plan.isByzantine === true) return
  if (message.path === bankPaths.close && reason === 'ChannelClosed') {
    const [row] = truth
      .bank()
      .disk.look('SELECT close FROM channels WHERE channel_id = :id', { id: message.body.subarray(1, 33) })
    const isPaid = row !== undefined && row.close !== null && equal(row.close as Uint8Array, message.body)
    if (isPaid) ground.violate('G11', `the bank refuses the claim of ${message.from} that it has paid`)
  }
  const isRefused = accusing.has(reason) || (message.to !== 'bank' && reason === 'ReleaseInvalid')
  if (isRefused) ground.violate('G11', `${message.to} refuses what ${message.from} rightly sent: ${reason}`)
}

/** The vendor that an opening names. */
function vendorOf({ vendors }: Truth, { path, body }: Message): VendorParty | undefined {
  const opening = path === bankPaths.open ? Open.parse(body) : undefined
  if (opening?.ok !== true) return undefined
  const { vendor } = opening.value.agreed
  return [...vendors.values()].find(({ name }) => equal(identityOf(name).key.publicKey, vendor))
}

/** G9: who listens gets nothing for what somebody else paid. */
export function checkTaking({ ground }: Pick<Truth, 'ground'>, { from, to, path }: Message, { status }: Answer): void {
  const isOwn = from === 'eve' && path.includes('/eve-')
  if (isOwn && status === 200) ground.violate('G9', `${to} serves ${path}, which nobody has paid for`)
}

/** What is never true of an honest sender, whatever was lost or came late. */
const accusing: ReadonlySet<string> = new Set<Reason | 'Internal'>([
  'Malformed',
  'VersionUnsupported',
  'MacMismatch',
  'GrantInvalid',
  'BankUnknown',
  'VendorMismatch',
  'NetworkMismatch',
  'AssetMismatch',
  'LockSchemeUnsupported',
  'GraceTooShort',
  'IndexConflict',
  'IndexOutsideWindow',
  'LockMalformed',
  'IndexOutsideSegment',
  'StepOutOfRange',
  'SegmentTooLarge',
  'CheckpointConflict',
  'CheckpointAmount',
  'CheckpointSignature',
  'CoinMismatch',
  'AmountInconsistent',
  'RequestMismatch',
  'SegmentUnknown',
  'SignatureInvalid',
  'EvidenceInvalid',
  'AmountUnproven',
  'CommandConflict',
  'BankMismatch',
  'ChannelKeyReused',
  'ChannelNotYours',
  'ClosingInvalid',
  'ReputationTooLow',
  'Internal',
])

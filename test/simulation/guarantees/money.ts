import type { Change, NewChannel } from '../../../src/bank/store/contract.ts'
import { equal, toHex } from '../../../src/crypto/bytes.ts'
import type { Row } from '../../../src/sql/program.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import type { Answer } from '../engine/network.ts'
import { describe } from '../engine/network.ts'
import { identityOf } from '../parties/cast.ts'
import { type Channel, findChannel, type Truth } from './truth.ts'

/** G1, by the books alone; and at every close what G2 and G3 say of it. */
export function checkMoney(truth: Truth): void {
  const { ground, bank } = truth
  const { disk } = bank()
  const off = disk.look('SELECT asset, sum(balance) AS total FROM balances GROUP BY asset HAVING sum(balance) <> 0')
  for (const row of off) ground.violate('G1', `the balances of an asset do not come to 0: ${show(row)}`)
  const below = disk.look(`SELECT place, balance FROM balances WHERE balance < 0 AND place <> 'outside'`)
  for (const row of below) ground.violate('G1', `a balance is below zero: ${show(row)}`)
  const faults = disk.look('SELECT fault, place, found, expected FROM imbalances')
  for (const row of faults) ground.violate('G1', show(row))
}

/** What a close moved, against what the parties have on their disks. */
export function checkSettlement(truth: Truth, channelId: Uint8Array, settled: bigint): void {
  const channel = findChannel(truth, toHex(channelId))
  if (channel === undefined) {
    truth.ground.violate('G4', 'a channel was closed that nobody proposed')
    return
  }
  checkClientSide(truth, channel, settled)
  checkVendorSide(truth, channel, settled)
}

/** G4: a channel is opened by whom it is of. */
export function checkOpening({ ground, channels }: Truth, { channelId, account }: NewChannel): void {
  const client = channels.get(toHex(channelId))?.client
  const isTheirs = client !== undefined && equal(identityOf(client.name).key.publicKey, account)
  if (!isTheirs) ground.violate('G4', 'the bank opened a channel that its account did not propose')
}

/** G4: no client of the cast ever takes money out. */
export function checkWithdrawal({ ground, clients }: Truth, account: Uint8Array): void {
  for (const name of clients.keys()) {
    const isTheirs = equal(identityOf(name).key.publicKey, account)
    if (isTheirs) ground.violate('G4', `somebody withdrew money of ${name}`)
  }
}

/** G8: no proof stands against who did nothing wrong, and none takes more than was wrong. */
export function checkProof(
  { ground, channels, bank }: Truth,
  { channelId, proof, evidence, judged }: Change & { readonly kind: 'proof' },
): void {
  const { cause, amount } = proof
  const channel = channels.get(toHex(channelId))
  const accused = cause === 'overcharge' ? channel?.vendor : channel?.client
  if (accused?.plan.isByzantine !== true)
    ground.violate('G8', `${accused?.name ?? 'nobody'} was found guilty: ${cause}`)
  const closing = cause === 'overcharge' ? Closing.parse(evidence) : undefined
  if (closing?.ok !== true) return
  const [row] = bank().disk.look('SELECT settled FROM channels WHERE channel_id = :channelId', { channelId })
  const difference = (row!.settled as bigint) - closing.value.spent - judged
  if (amount !== difference) ground.violate('G8', `an overcharge of ${difference} costs its vendor ${amount}`)
}

/** G8: what is right the bank takes. */
export function checkEvidence({ ground }: Truth, kind: string, answer: Answer): void {
  const said = describe(answer)
  if (said === '200') ground.count(`proof: ${kind}`)
  else if (!outOfReach.has(said)) ground.violate('G8', `the bank does not take a right ${kind}: ${said}`)
}

/** What keeps right evidence from being judged at all, or again. */
const outOfReach: ReadonlySet<string> = new Set(['StoreUnavailable', 'EvidenceRepeated', 'EvidenceTooLate'])

function show(row: Row): string {
  return Object.entries(row)
    .map(([name, value]) => `${name} ${value instanceof Uint8Array ? toHex(value) : String(value)}`)
    .join(', ')
}

function checkClientSide({ ground }: Truth, channel: Channel, settled: bigint): void {
  const { client, vendor, books, funds, revealed } = channel
  if (settled > funds) ground.violate('G1', `${settled} of ${funds} went to the vendor`)
  if (client.plan.isByzantine) return
  if (settled > revealed) ground.violate('G3', `the vendor got ${settled}; the client has revealed ${revealed}`)
  if (vendor.plan.isByzantine || channel.isRolledBack) return
  if (settled > books.spent) ground.violate('G3', `the vendor got ${settled}; it has charged ${books.spent}`)
}

function checkVendorSide({ ground }: Truth, { vendor, books, isRolledBack }: Channel, settled: bigint): void {
  if (vendor.plan.isByzantine || isRolledBack) return
  if (settled < books.spent) ground.violate('G2', `the vendor got ${settled}; it has charged ${books.spent}`)
  if (books.claim === undefined) ground.violate('G4', 'a channel was closed by a claim that its vendor never made')
}

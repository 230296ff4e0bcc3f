import { toHex } from '../../../src/crypto/bytes.ts'
import { sha256 } from '../../../src/crypto/hash.ts'
import { lockSchemes } from '../../../src/crypto/locks.ts'
import * as Schnorr from '../../../src/crypto/Schnorr.ts'
import { bankPaths } from '../../../src/http/bank.ts'
import { headerNames } from '../../../src/http/headers.ts'
import { managementPaths } from '../../../src/http/management.ts'
import { claim } from '../../../src/vendor/closing.ts'
import { amount } from '../../../src/wire/amount.ts'
import { parseBase64url, toBase64url } from '../../../src/wire/base64url.ts'
import * as Checkpoint from '../../../src/wire/Checkpoint.ts'
import * as Close from '../../../src/wire/Close.ts'
import * as Closing from '../../../src/wire/Closing.ts'
import * as Statement from '../../../src/wire/Statement.ts'
import * as Terms from '../../../src/wire/Terms.ts'
import * as Transaction from '../../../src/wire/Transaction.ts'
import * as Transcript from '../../../src/wire/Transcript.ts'
import type { Answer, Message } from '../engine/network.ts'
import { type Channel, findChannel, macsOf, openedOf, referenceOf } from '../guarantees/truth.ts'
import { identityOf } from '../parties/cast.ts'
import { isExpected } from '../parties/faults.ts'
import type { VendorParty } from '../parties/vendor.ts'
import type { World } from '../world.ts'

/** What a vendor without scruples says to the next request that it answers, under its own MAC or signature. */
export type Lie =
  | 'charged'
  | 'spent'
  | 'paid'
  | 'contiguous'
  | 'segment'
  | 'low closing'
  | 'high closing'
  | 'other closing'
  | 'silence'

export const lies: readonly Lie[] = [
  'charged',
  'spent',
  'paid',
  'contiguous',
  'segment',
  'low closing',
  'high closing',
  'other closing',
  'silence',
]

/** What it claims at the bank: all that was paid, more than that, or with evidence of another kind. */
export type Overclaim =
  | 'all that was paid'
  | 'more than proven'
  | 'of another channel'
  | 'twice'
  | 'made-up coin'
  | 'made-up checkpoint'
  | 'made-up receipt'

export const overclaims: readonly Overclaim[] = [
  'all that was paid',
  'more than proven',
  'of another channel',
  'twice',
  'made-up coin',
  'made-up checkpoint',
  'made-up receipt',
]

/** The answer as the liar gives it. As it was, where the lie does not fit. */
export function lie(world: World, message: Message, answer: Answer, how: Lie): Answer {
  const reference = referenceOf(message)
  const channel = reference === undefined ? undefined : findChannel(world.truth, reference)
  if (channel === undefined) return answer
  if (how === 'silence') return { status: 503, headers: [], body: new Uint8Array(0) }
  const isClosing = how.endsWith('closing')
  if (isClosing) return lieInClosing(world, channel, message, answer, how)
  const told = (bytes: Uint8Array): Uint8Array => lieInStatement(world, channel, bytes, how)
  if (message.path === managementPaths.ask && answer.body.length === Statement.size) {
    return { ...answer, body: told(answer.body) }
  }
  if (!answer.headers.some(([name]) => name === headerNames.statement.toLowerCase())) return answer
  const headers = answer.headers.map(([name, value]) => {
    const bytes = name === headerNames.statement.toLowerCase() ? parseBase64url(value, Statement.size) : undefined
    return [name, bytes?.ok ? toBase64url(told(bytes.value)) : value] as const
  })
  return { ...answer, headers }
}

function lieInStatement({ ground }: World, channel: Channel, bytes: Uint8Array, how: Lie): Uint8Array {
  const macs = macsOf(channel)
  const said = macs && Statement.parse(bytes, macs.statement)
  if (said?.ok !== true) return bytes
  ground.count(`lie: ${how}`)
  const { value } = said
  const more = (sum: bigint): ReturnType<typeof amount> => amount(sum + 1000n)
  const other: Partial<Statement.Statement> = {
    charged: { charged: more(value.charged), spent: more(value.spent) },
    // All that was paid, or more than that.
    spent: { spent: value.index % 2 === 0 ? value.paid : more(value.spent) },
    paid: { paid: more(value.paid) },
    contiguous: { contiguous: value.contiguous + 3 },
    segment: { segment: value.segment + 1 },
  }[how as 'charged' | 'spent' | 'paid' | 'contiguous' | 'segment']
  return Statement.encode({ ...value, ...other }, macs!.statement)
}

function lieInClosing(world: World, channel: Channel, message: Message, answer: Answer, how: Lie): Answer {
  const said = answer.status === 200 && message.path === managementPaths.ask ? Closing.parse(answer.body) : undefined
  if (said?.ok !== true) return answer
  world.ground.count(`lie: ${how}`)
  const { value } = said
  const other = {
    'low closing': { spent: amount(value.spent / 2n) },
    'high closing': { spent: amount(channel.revealed) },
    'other closing': { transcript: sha256(value.transcript) },
  }[how as 'low closing' | 'high closing' | 'other closing']
  const body = Closing.encode(Closing.sign(identityOf(channel.vendor.name).key, { ...value, ...other }))
  if (how === 'low closing' && value.spent > 0n) world.guilt.lowClosings.set(channel.id, body)
  return { ...answer, body }
}

/** Claims one of its channels at the bank as it should not, in the order of their ids. */
export function overclaim(world: World, vendor: VendorParty, at: number, how: Overclaim): void {
  const rows = vendor.disk.look('SELECT channel_id FROM channels ORDER BY channel_id')
  const id = rows[at]?.channel_id as Uint8Array | undefined
  if (id === undefined) return
  const work = async (): Promise<void> => {
    const { till, closing } = vendor
    const found = await till.find(Terms.reference(id), undefined)
    if (!found.ok) return
    const claimed = await claim(closing, found.held)
    const honest = claimed.ok ? Close.parse(claimed.claim) : undefined
    if (honest?.ok !== true) return
    world.ground.count(`overclaim: ${how}`)
    const { paid, terms } = found.held.channel
    const channel = world.truth.channels.get(toHex(id))
    const known = {
      how,
      paid,
      terms,
      vendor: vendor.name,
      other: rows.at(at - 1)?.channel_id as Uint8Array,
      // Who was released to has it: every receipt opens down to this one.
      first: (channel && openedOf(channel))?.receipt ?? new Uint8Array(64),
    }
    for (const claimedMore of variants(honest.value, known)) {
      const body = Close.encode(Close.sign(identityOf(vendor.name).key, claimedMore))
      world.network.inject({ from: vendor.name, to: 'bank', method: 'POST', path: bankPaths.close, headers: [], body })
    }
  }
  work().catch((error: unknown) => isExpected(error, `${vendor.name} overclaims ${toHex(id)}`, world.ground))
}

function variants(
  honest: Close.SignedClose,
  known: {
    readonly how: Overclaim
    readonly paid: bigint
    readonly terms: Terms.Terms
    readonly vendor: string
    readonly other: Uint8Array
    readonly first: Uint8Array
  },
): readonly Close.Close[] {
  const { how, paid, terms, vendor, other, first } = known
  const { key } = identityOf(vendor)
  const { funds } = terms
  switch (how) {
    case 'made-up coin': {
      const { step } = honest.evidence.kind === 'coins' ? honest.evidence : { step: 0 }
      const evidence = { ...honest.evidence, kind: 'coins', step: step + 1, coin: sha256(honest.transcript) } as const
      return [{ ...honest, amount: amount(paid + terms.unitPrice), evidence }]
    }
    case 'made-up checkpoint': {
      const made = Checkpoint.sign(key, honest.channelId, {
        segment: 1000,
        index: honest.index,
        amount: funds,
        transcript: honest.transcript,
        nextAnchor: new Uint8Array(32),
        nextUnitPrice: terms.unitPrice,
        nextLength: 0,
      })
      const checkpoint = Checkpoint.encode(made)
      const evidence = { kind: 'coins', checkpoint, step: 0, coin: new Uint8Array(32) } as const
      return [{ ...honest, amount: funds, evidence }]
    }
    case 'made-up receipt': {
      const core = Transcript.coreLayout(lockSchemes[terms.lockScheme].lockSize).parse(honest.core)
      const said = core.ok ? Transaction.transactionLayout.parse(core.value.transaction) : undefined
      if (!core.ok || said?.ok !== true) return []
      const transaction = Transaction.encode({ ...said.value, amount: funds })
      const last = Schnorr.sign(key, Transaction.transactionDigest(transaction))
      const changed = Transcript.encode({ ...core.value, transaction })
      const transcript = Transcript.next(honest.previousTranscript, changed)
      return [{ ...honest, amount: funds, core: changed, transcript, evidence: { kind: 'receipts', first, last } }]
    }
    case 'all that was paid':
      return [{ ...honest, amount: amount(paid) }]
    case 'more than proven':
      return [{ ...honest, amount: amount(paid + 1n) }]
    case 'of another channel':
      return [{ ...honest, channelId: other }]
    case 'twice':
      return [honest, { ...honest, amount: amount(paid) }]
  }
}

/** What accounts tell the bank, and what shows it a fraud. */

import { concat, fromHex } from '../../src/crypto/bytes.ts'
import { lockSchemes } from '../../src/crypto/locks.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { amount, unixSeconds } from '../../src/wire/amount.ts'
import * as BadOpening from '../../src/wire/BadOpening.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Command from '../../src/wire/Command.ts'
import * as Equivocation from '../../src/wire/Equivocation.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { flip, patch, type Story, seed } from './story.ts'

const beyond = fromHex('8000000000000000')
const stranger = Schnorr.keyPair(seed('a stranger'))

/** Cases to refuse: what the parser says, or `signature`, or `evidence` where it parses and shows no fraud. */
type Fault = readonly [name: string, encoded: Uint8Array, reason: string]

function faults(context: object, list: readonly Fault[]): readonly object[] {
  return list.map(([name, encoded, reason]) => ({ name, valid: false, ...context, encoded, reason }))
}

export function commandVectors(stories: readonly Story[]): readonly object[] {
  const { keys, terms, channelId, payments, checkpoints } = stories[0]!
  const { network, asset } = terms
  const release = Closing.encodeRelease({
    channelId,
    receipt: payments.at(-1)!.receipt,
    checkpoint: Checkpoint.encode(checkpoints.at(-1)!),
  })
  const actions: readonly Command.Action[] = [
    { kind: 'expire', channelId },
    { kind: 'fetchClosing', channelId },
    { kind: 'dispute', channelId },
    { kind: 'fetchRelease', channelId },
    { kind: 'release', release },
    { kind: 'withdraw', asset, amount: amount(75_000n), destination: seed('where to') },
    { kind: 'register', asset },
  ]
  const commands = actions.map((action) => {
    const signer = action.kind === 'fetchRelease' ? keys.vendor : keys.account
    const id = seed(`command to ${action.kind}`).slice(0, 16)
    const validUntil = unixSeconds(1_767_229_200n)
    return { signer, command: Command.sign(signer, { bank: keys.bank.publicKey, network, id, validUntil, action }) }
  })
  const encoded = Command.encode(commands[0]!.command)
  const withdraw = Command.encode(commands[5]!.command)
  return [
    ...commands.map(({ signer, command }) => ({
      name: `a command to ${command.action.kind}`,
      valid: true,
      command,
      encoded: Command.encode(command),
      digest: Command.digest(command),
      accountSecret: signer.secret,
    })),
    ...faults({}, [
      ['another account', patch(encoded, 65, stranger.publicKey), 'signature'],
      ['an account of no point', patch(encoded, 65, new Uint8Array(32)), 'signature'],
      ['another bank', flip(encoded, 1), 'signature'],
      ['another network', flip(encoded, 44), 'signature'],
      ['another id', flip(encoded, 97), 'signature'],
      ['valid one second longer', flip(encoded, 120), 'signature'],
      ['another action on the channel', flip(encoded, 121), 'signature'],
      ['another channel', flip(encoded, 122), 'signature'],
      ['one more withdrawn', flip(withdraw, 161), 'signature'],
      ['another destination', flip(withdraw, 162), 'signature'],
      ['no such action', patch(encoded, 121, fromHex('07')), 'command.action: no such code: 7'],
      ['valid until 2^63', patch(encoded, 113, beyond), 'command.validUntil: 2^63 or more'],
      ['an amount of 2^63', patch(withdraw, 154, beyond), 'command.amount: 2^63 or more'],
      ['another kind', patch(encoded, 0, fromHex('19')), 'command.kind: expected 0x1e, got 0x19'],
      ['cut short', encoded.slice(0, -1), 'command has 218 bytes; got 217'],
    ]),
  ]
}

export function badOpeningVectors(stories: readonly Story[]): readonly object[] {
  return stories.flatMap((story) => {
    const third = tampered(story, 3, ({ lock, ...core }) => ({ ...core, lock: flip(lock, 31) }))
    const first = tampered(story, 1, ({ lock, ...core }) => ({ ...core, lock: flip(lock, 0) }))
    const commitment = story.payments[3]!.core.commitment
    const second = tampered(story, 2, (core) => ({ ...core, commitment }))
    const honest = tampered(story, 2, (core) => core)
    const proof = prove(third, 3)
    const encoded = BadOpening.encode(proof)
    const context = { terms: story.encodedTerms, commitment: story.opened.commitment }
    const checkpoint = Checkpoint.encode(third.checkpoint)
    const valid = (name: string, badOpening: BadOpening.BadOpening): object => ({
      name: `${name}, ${story.scheme}`,
      valid: true,
      ...context,
      badOpening,
      encoded: BadOpening.encode(badOpening),
    })
    const last = encoded.length - 1
    const list: readonly Fault[] = [
      ['a lock that holds', BadOpening.encode(prove(honest, 2)), 'evidence'],
      ['a lock beside the wrong one', BadOpening.encode(prove(third, 2)), 'evidence'],
      ['another channel', flip(encoded, 2), 'evidence'],
      ['another t_{i-2}', flip(encoded, 39), 'evidence'],
      ['another core', flip(encoded, last), 'evidence'],
      ['a core left out', BadOpening.encode({ ...proof, cores: proof.cores.slice(0, 2) }), 'evidence'],
      [
        'a checkpoint by another key',
        BadOpening.encode({ ...proof, checkpoint: strange(story, checkpoint) }),
        'evidence',
      ],
      ['lock 0', patch(encoded, 35, fromHex('00000000')), 'badOpening: locks start at 1'],
      [
        'lock 1 after a transcript',
        patch(encoded, 35, fromHex('00000001')),
        'badOpening: t_{i-2} is zero where i is 1',
      ],
      ['one core', patch(encoded, 242, fromHex('0001')), 'badOpening: cores i − 1 and i, and 1,025 at most'],
      ['1,026 cores', patch(encoded, 242, fromHex('0402')), 'badOpening: cores i − 1 and i, and 1,025 at most'],
      ['no such lock scheme', patch(encoded, 34, fromHex('02')), 'badOpening.lockScheme: no such code: 2'],
      ['another proof', patch(encoded, 1, fromHex('01')), 'badOpening.proof: expected 0x0, got 0x1'],
      ['drawn out', concat(encoded, new Uint8Array(1)), `badOpening has ${last + 1} bytes; got ${last + 2}`],
    ]
    const ofTheReceipt: readonly Fault[] =
      story.scheme === 'schnorr' ? [] : [['another receipt', flip(encoded, 244 + 63), 'evidence']]
    return [
      valid('lock 3 wrong', proof),
      valid('lock 1 wrong', prove(first, 1)),
      valid('c_2 of another receipt, by lock 3', prove(second, 3)),
      ...faults(
        context,
        [...list, ...ofTheReceipt].map(([name, bytes, reason]) => [`${name}, ${story.scheme}`, bytes, reason] as const),
      ),
    ]
  })
}

export function equivocationVectors(stories: readonly Story[]): readonly object[] {
  return stories.flatMap((story) => {
    const { scheme, keys, payments, encodedTerms } = story
    const { transaction } = payments[1]!
    const context = { terms: encodedTerms }
    const receiptOn = (encoded: Uint8Array, key = keys.channelKey): Equivocation.SignedTransaction => ({
      transaction: encoded,
      receipt: lockSchemes[scheme].sign(key, Transaction.transactionDigest(encoded)),
    })
    const one = receiptOn(Transaction.encode(transaction))
    const other = receiptOn(Transaction.encode({ ...transaction, paidAt: unixSeconds(transaction.paidAt + 1n) }))
    const good = Equivocation.create(one, other)
    const encoded = Equivocation.encode(good)
    const forged = Equivocation.create(one, receiptOn(other.transaction, stranger))
    const order = 'equivocation: the lower Tx_i comes first, and they differ'
    const list: readonly Fault[] = [
      ['a receipt by another key', Equivocation.encode(forged), 'evidence'],
      ['a receipt changed', flip(encoded, 149), 'evidence'],
      ['a transaction changed', flip(encoded, 85), 'evidence'],
      ['one transaction', Equivocation.encode({ first: one, second: one }), order],
      ['the other order', Equivocation.encode({ first: good.second, second: good.first }), order],
      ['two indices', flip(encoded, 2 + 35), 'equivocation: two indices'],
      ['two channels', flip(encoded, 2), 'equivocation: two channels'],
      ['an amount of 2^63', patch(encoded, 2 + 36, beyond), 'Tx_i.amount: 2^63 or more'],
      ['another proof', patch(encoded, 1, fromHex('00')), 'equivocation.proof: expected 0x1, got 0x0'],
      ['cut short', encoded.slice(0, -1), 'equivocation has 298 bytes; got 297'],
    ]
    return [
      { name: `two of payment 2, ${scheme}`, valid: true, ...context, equivocation: good, encoded },
      ...faults(
        context,
        list.map(([name, bytes, reason]) => [`${name}, ${scheme}`, bytes, reason] as const),
      ),
    ]
  })
}

interface Fraud {
  readonly story: Story
  readonly cores: readonly Uint8Array[]
  /** t_0 … t_4. */
  readonly transcripts: readonly Uint8Array[]
  /** Over all of it, by the client that did it. */
  readonly checkpoint: Checkpoint.SignedCheckpoint
}

/** The channel of a client that sent something else as core `index`, and signed for it. */
function tampered(story: Story, index: number, change: (core: Transcript.Core) => Transcript.Core): Fraud {
  const { payments, channelId, opened, checkpoints, keys } = story
  const cores = payments.map(({ core }, at) => Transcript.encode(at === index - 1 ? change(core) : core))
  const transcripts = [Transcript.first(channelId, opened.commitment)]
  for (const core of cores) transcripts.push(Transcript.next(transcripts.at(-1)!, core))
  const last = { ...checkpoints.at(-1)!, transcript: transcripts.at(-1)! }
  return { story, cores, transcripts, checkpoint: Checkpoint.sign(keys.channelKey, channelId, last) }
}

function prove({ story, cores, transcripts, checkpoint }: Fraud, index: number): BadOpening.BadOpening {
  const { channelId, scheme, payments } = story
  return BadOpening.create({
    channelId,
    lockScheme: scheme,
    index,
    first: transcripts[0]!,
    checkpoint: Checkpoint.encode(checkpoint),
    receipt: scheme === 'schnorr' ? undefined : payments[index - 1]!.receipt,
    cores,
  })
}

function strange({ channelId }: Story, encoded: Uint8Array): Uint8Array {
  const checkpoint = Checkpoint.parse(encoded)
  if (!checkpoint.ok) throw new Error(checkpoint.detail)
  return Checkpoint.encode(Checkpoint.sign(stranger, channelId, checkpoint.value))
}

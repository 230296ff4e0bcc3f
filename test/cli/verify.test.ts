import { privateKeyToAddress } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Anvil, attachRegistry, type Chain, deployRegistry, type Hex, startAnvil } from '../../src/chain/index.ts'
import type { FaultReason, Files, Trust } from '../../src/cli/archive/archive.ts'
import { encodeArchive, type LockstepArchive, verifyArchive } from '../../src/cli/archive/lockstep.ts'
import { concat, toHex, utf8 } from '../../src/crypto/bytes.ts'
import * as CoinChain from '../../src/crypto/CoinChain.ts'
import { amount } from '../../src/wire/amount.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Record from '../../src/wire/Record.ts'
import * as Terms from '../../src/wire/Terms.ts'
import * as Transaction from '../../src/wire/Transaction.ts'
import * as Transcript from '../../src/wire/Transcript.ts'
import { digest } from '../chain/support.ts'
import { bankKey, bytesOf, read, vendorKey } from '../protocol/world.ts'
import { attacker, channelKey, forge, logOf, network, otherBank, recordedChannel, recordOn } from './archives.ts'

const recorderKey = digest('recorder')
let anvil: Anvil
/** The real registry that the EVM archives are recorded in. */
let registry: Hex
let evm: Chain

beforeAll(async () => {
  anvil = await startAnvil()
  await anvil.fund(privateKeyToAddress(`0x${toHex(recorderKey)}`), 10n ** 18n)
  const connection = { rpcUrl: anvil.url, chainId: anvil.chainId, key: recorderKey }
  registry = (await deployRegistry(connection)).registry
  evm = await attachRegistry({ ...connection, registry })
})

afterAll(() => anvil.stop())

const kinds = [
  { name: 'schnorr, in the log', make: () => recordedChannel({ lockScheme: 'schnorr' }) },
  { name: 'ecdsa-xor, in the log', make: () => recordedChannel({ lockScheme: 'ecdsa-xor' }) },
  { name: 'schnorr, on Anvil', make: () => recordedChannel({ chain: evm, network: `eip155:${anvil.chainId}` }) },
]

describe.each(kinds)('an archive ($name)', ({ make }) => {
  let archive: LockstepArchive
  let files: Files

  beforeAll(async () => {
    archive = await make()
    files = encodeArchive(archive)
  })

  it('is accepted as it was made, with and without trust roots', async () => {
    for (const trust of [{}, { bank: bankKey.publicKey }]) {
      const verdict = await verifyArchive(files, trust)
      expect(verdict).toMatchObject({ ok: true, profile: 'lockstep', bank: bankKey.publicKey })
      if (!verdict.ok) continue
      expect(verdict.facts).toMatchObject({ payments: 9, receiptsVerified: 10, charged: '18167', refunded: '81833' })
      expect(verdict.facts).toMatchObject({ chain: { basis: 'proven', recordTx: verdict.record!.recordTx } })
    }
  })

  it('goes through several segments, ticks and a payment by checkpoint alone', () => {
    const checkpoints = archive.checkpoints.map((bytes) => read(Checkpoint.parse(bytes)))
    expect(checkpoints.length).toBeGreaterThan(3)
    expect(archive.cores.some((core) => core[91] === 0)).toBe(true)
  })

  it.each([
    'terms.bin',
    'grant.bin',
    'transcript.bin',
    'checkpoints.bin',
    'receipts.bin',
    'closing.bin',
    'record.bin',
    'proof.json',
  ])('is refused with any one byte of %s changed, and the fault is found there', async (name) => {
    const bytes = files.get(name)!
    // A leaf and its path say together where a leaf is: neither alone is wrong.
    const named = name === 'record.bin' ? /^(record\.bin|proof\.json)$/ : new RegExp(`^${name}$`)
    // Where a channel is recorded makes no difference to the rest of it.
    const every = archive.proof.head.head.chain.kind === 'evm' && !/^(record|proof)/.test(name) ? 7 : 1
    for (let offset = 0; offset < bytes.length; offset += every) {
      const copy = new Uint8Array(bytes)
      copy[offset]! ^= 1 << (offset % 8)
      const verdict = await verifyArchive(new Map(files).set(name, copy))
      expect(verdict, `byte ${offset} of ${name}`).toMatchObject({ ok: false, file: expect.stringMatching(named) })
    }
  })

  it('is refused with a file missing, cut short, longer or besides those it has', async () => {
    for (const [name, bytes] of files) {
      const without = new Map(files)
      without.delete(name)
      expect(await verifyArchive(without)).toMatchObject({ ok: false, file: name, reason: 'FileMissing' })
      for (const size of [0, 1, bytes.length - 1]) {
        const verdict = await verifyArchive(new Map(files).set(name, bytes.subarray(0, size)))
        expect(verdict).toMatchObject({ ok: false, file: name })
      }
      for (const more of [Uint8Array.of(0), utf8('\n'), bytes]) {
        const verdict = await verifyArchive(new Map(files).set(name, concat(bytes, more)))
        expect(verdict).toMatchObject({ ok: false, file: name })
      }
    }
    const verdict = await verifyArchive(new Map(files).set('manifest.json', utf8('{}')))
    expect(verdict).toMatchObject({ ok: false, file: 'manifest.json', reason: 'FileUnexpected' })
  })

  it('is refused with its proof in any other form of the same JSON', async () => {
    const text = new TextDecoder().decode(files.get('proof.json'))
    const forms = [
      `\ufeff${text}`,
      text.trimEnd(),
      ` ${text}`,
      text.replaceAll('\n', '\r\n'),
      JSON.stringify(JSON.parse(text)),
      text.replace(/[a-f](?=[0-9a-f]{20})/, (digit) => digit.toUpperCase()),
      text.replace('"index": 2', '"index": 2.0'),
      text.replace('"index": 2', '"index": 2, "index": 2'),
      text.replace('"version"', '"\\u0076ersion"'),
      text.replace('{\n', '{\n  "more": 1,\n'),
    ]
    for (const form of forms) {
      expect(form).not.toBe(text)
      const verdict = await verifyArchive(new Map(files).set('proof.json', utf8(form)))
      expect(verdict).toMatchObject({ ok: false, file: 'proof.json', reason: 'Malformed' })
    }
  })

  it('is refused with rows swapped, left out or twice', async () => {
    const { cores, receipts, checkpoints } = archive
    const changes: readonly [Partial<LockstepArchive>, { readonly file: string; readonly reason: FaultReason }][] = [
      [{ receipts: swapped(receipts, 4) }, { file: 'receipts.bin', reason: 'CommitmentMismatch' }],
      [{ cores: swapped(cores, 4) }, { file: 'transcript.bin', reason: 'OrderInvalid' }],
      [{ checkpoints: swapped(checkpoints, 1) }, { file: 'checkpoints.bin', reason: 'OrderInvalid' }],
      [{ receipts: without(receipts, 4) }, { file: 'receipts.bin', reason: 'OrderInvalid' }],
      [{ cores: without(cores, 4) }, { file: 'transcript.bin', reason: 'OrderInvalid' }],
      [{ checkpoints: without(checkpoints, 0) }, { file: 'transcript.bin', reason: 'CoinInvalid' }],
      [{ checkpoints: checkpoints.slice(0, -1) }, { file: 'checkpoints.bin', reason: 'OrderInvalid' }],
      [{ checkpoints: [...checkpoints, checkpoints.at(-1)!] }, { file: 'checkpoints.bin', reason: 'OrderInvalid' }],
      [{ cores: [...cores, cores.at(-1)!] }, { file: 'transcript.bin', reason: 'OrderInvalid' }],
      [
        { cores: without(cores, 4), receipts: without(receipts, 5) },
        { file: 'closing.bin', reason: 'OrderInvalid' },
      ],
    ]
    for (const [change, fault] of changes) await expectFault({ ...archive, ...change }, fault)
  })

  it('is refused with a receipt re-signed by another key and every hash rebuilt', async () => {
    const receipt = { index: 5, key: attacker }
    // Even where client and vendor sign all the rest anew.
    const signedByAll = forge(archive, { receipt, vendor: vendorKey })
    const fault = { reason: 'SignatureInvalid', detail: expect.stringContaining('receipt 5 (byte 320)') } as const
    await expectFault(signedByAll, { file: 'receipts.bin', ...fault })
    // The client signed its checkpoints over another history: the payment is named.
    const { checkpoints } = archive
    const detail = expect.stringContaining(`payment 5 (byte ${4 * archive.cores[0]!.length})`)
    await expectFault({ ...signedByAll, checkpoints }, { ...fault, file: 'transcript.bin', detail })
    // The checkpoints are by the other key as well, and then all receipts.
    const forged = forge(archive, { channelKey: attacker, vendor: vendorKey })
    await expectFault(forged, { file: 'checkpoints.bin', reason: 'SignatureInvalid' })
    await expectFault({ ...forged, checkpoints }, { file: 'transcript.bin', reason: 'SignatureInvalid' })
  })

  it('is refused with other keys in its terms and everything remade but what the bank signs', async () => {
    const fault = { file: 'grant.bin', reason: 'SignatureInvalid' } as const
    const channelKeyOnly = { terms: { channelKey: attacker.publicKey }, channelKey: attacker, vendor: vendorKey }
    await expectFault(forge(archive, channelKeyOnly), fault)
    const terms = { channelKey: attacker.publicKey, vendor: attacker.publicKey }
    const forged = forge(archive, { terms, channelKey: attacker, vendor: attacker })
    await expectFault(forged, fault)
    // The old record in its place gives the forger away before any signature is looked at.
    await expectFault({ ...forged, record: archive.record }, { file: 'record.bin', reason: 'ChannelMismatch' })
    // With a bank of the forger's, whose log nobody else knows.
    const bank = {
      terms: { ...terms, bank: otherBank.publicKey },
      bank: otherBank,
      channelKey: attacker,
      vendor: attacker,
    }
    await expectFault(forge(archive, bank), { file: 'proof.json', reason: 'ProofInvalid' })
  })

  it('is refused by the bank trusted where another bank remade everything', async () => {
    const terms = { bank: otherBank.publicKey, channelKey: attacker.publicKey, vendor: attacker.publicKey, network }
    const forged = forge(archive, { terms, bank: otherBank, channelKey: attacker, vendor: attacker })
    const recorded = await recordOn(logOf(otherBank), otherBank, read(Record.parse(forged.record)))
    const sound = { ...forged, ...recorded }
    expect(await verifyArchive(encodeArchive(sound))).toMatchObject({ ok: true, bank: otherBank.publicKey })
    expect(await verifyArchive(encodeArchive(sound), { bank: otherBank.publicKey })).toMatchObject({ ok: true })
    await expectFault(sound, { file: 'terms.bin', reason: 'Untrusted' }, { bank: bankKey.publicKey })
    // The honest proof does not help it, nor does its own help the honest channel.
    await expectFault({ ...sound, proof: archive.proof }, { file: 'proof.json', reason: 'ProofInvalid' })
    await expectFault({ ...archive, proof: sound.proof }, { file: 'proof.json', reason: 'ProofInvalid' })
  })

  it('is refused by the registry trusted where it is recorded elsewhere', async () => {
    const other: Trust = { registry: `0x${'12'.repeat(20)}` }
    await expectFault(archive, { file: 'proof.json', reason: 'Untrusted' }, other)
    const { chain } = archive.proof.head.head
    const verdict = await verifyArchive(files, { registry })
    if (chain.kind === 'evm') expect(verdict).toMatchObject({ ok: true, record: { chain: { registry } } })
    else expect(verdict).toMatchObject({ ok: false, file: 'proof.json', reason: 'Untrusted' })
  })

  it('is refused with a payment dropped, whoever of client and vendor helps', async () => {
    const { checkpoints, closing, record } = archive
    const drop = forge(archive, { payment: dropped(5), vendor: vendorKey })
    await expectFault(drop, { file: 'proof.json', reason: 'ProofInvalid' })
    await expectFault({ ...drop, record }, { file: 'record.bin', reason: 'RecordMismatch' })
    await expectFault({ ...drop, closing }, { file: 'closing.bin', reason: 'OrderInvalid' })
    await expectFault({ ...drop, checkpoints }, { file: 'checkpoints.bin', reason: 'OrderInvalid' })
  })

  it('is refused with its last payments cut off and a closing of the vendor over what is left', async () => {
    for (const left of [8, 6, 0]) {
      const cut = forge(archive, { payment: (made) => (made.index > left ? undefined : made), vendor: vendorKey })
      const { receipts, cores, closing } = { ...cut, receipts: archive.receipts.slice(0, left + 1) }
      await expectFault({ ...archive, receipts, cores, closing }, { file: 'checkpoints.bin', reason: 'OrderInvalid' })
    }
  })

  it('is refused where amounts do not follow from coins, whoever signs them', async () => {
    for (const change of [1n, -1n, 10n]) {
      const payment = (made: Transaction.Transaction): Transaction.Transaction =>
        made.index === 5 ? { ...made, amount: amount(made.amount + change) } : made
      const detail = expect.stringContaining('payment 5')
      const forged = forge(archive, { payment, vendor: vendorKey })
      await expectFault(forged, { file: 'transcript.bin', reason: 'AmountInvalid', detail })
    }
  })

  it('is refused with a lock that does not tie its receipts, whoever of client and vendor signs for it', async () => {
    const lock = (made: Uint8Array, index: number): Uint8Array =>
      index === 5 ? made.map((byte, at) => byte ^ (at === 20 ? 1 : 0)) : made
    const forged = forge(archive, { lock, vendor: vendorKey })
    const detail = expect.stringContaining('receipt 5 (byte 320): lk_5 is')
    await expectFault(forged, { file: 'receipts.bin', reason: 'LockMismatch', detail })
  })

  it('is refused where a later payment shows an earlier coin', async () => {
    const layout = Transcript.coreLayout(archive.cores[0]!.length - 156)
    const [first, second] = archive.cores.map((bytes) => read(layout.parse(bytes)))
    const paid = read(Transaction.transactionLayout.parse(second!.transaction))
    const [step, salt] = [1, read(Terms.parse(archive.terms)).coinSalt]
    const coin = CoinChain.walk({ coin: first!.coin, steps: first!.step - step, salt })
    const transaction = Transaction.encode({ ...paid, amount: amount(10n) })
    const lower = Transcript.encode({ ...second!, segment: first!.segment, step, coin, transaction })
    const cores = archive.cores.map((bytes, row) => (row === 1 ? lower : bytes))
    const detail = expect.stringContaining('payment 2 (byte')
    await expectFault({ ...archive, cores }, { file: 'transcript.bin', reason: 'AmountInvalid', detail })
  })

  it('is refused where the vendor charged more than was paid, or was paid other than it charged', async () => {
    const paid = read(Checkpoint.parse(archive.checkpoints.at(-1)!)).amount
    const greedy = forge(archive, { vendor: vendorKey, spent: paid + 1n })
    await expectFault(greedy, { file: 'closing.bin', reason: 'AmountInvalid' })
    for (const change of [1n, -1n]) {
      const { record } = forge(archive, { spent: read(Closing.parse(archive.closing)).spent + change })
      const log = logOf(bankKey)
      const recorded = await recordOn(log, bankKey, read(Record.parse(record)), networkOf(archive))
      await expectFault({ ...archive, ...recorded }, { file: 'record.bin', reason: 'RecordMismatch' })
    }
  })
})

describe('a checkpoint that the channel key signed', () => {
  let archive: LockstepArchive
  let checkpoints: readonly Checkpoint.SignedCheckpoint[]

  beforeAll(async () => {
    archive = await recordedChannel()
    checkpoints = archive.checkpoints.map((bytes) => read(Checkpoint.parse(bytes)))
  })

  const laws: readonly {
    readonly name: string
    /** Which checkpoint, from the end where it is below 0. */
    readonly at: number
    change(own: Checkpoint.Checkpoint, before: Checkpoint.Checkpoint | undefined): Partial<Checkpoint.Checkpoint>
    readonly fault: { readonly file: string; readonly reason: FaultReason; readonly says: string }
  }[] = [
    {
      name: 'a segment that is open already',
      at: 1,
      change: (_, before) => ({ segment: before!.segment }),
      fault: { file: 'checkpoints.bin', reason: 'OrderInvalid', says: 'checkpoint 2 (byte 171): opens segment 1' },
    },
    {
      name: 'a payment before that of the checkpoint before it',
      at: 1,
      change: () => ({ index: 0 }),
      fault: { file: 'checkpoints.bin', reason: 'OrderInvalid', says: 'stands at payment 0' },
    },
    {
      name: 'a payment that was never made',
      at: -1,
      change: ({ index }) => ({ index: index + 1 }),
      fault: { file: 'checkpoints.bin', reason: 'OrderInvalid', says: 'stands at payment 10' },
    },
    {
      name: 'less than was paid',
      at: -1,
      change: ({ amount: paid }) => ({ amount: amount(paid - 1n) }),
      fault: { file: 'checkpoints.bin', reason: 'AmountInvalid', says: 'is paid, after' },
    },
    {
      name: 'less than coins of an earlier segment showed',
      at: 0,
      change: () => ({ amount: amount(0n) }),
      fault: { file: 'transcript.bin', reason: 'AmountInvalid', says: 'the segment after 0 starts from 0' },
    },
    {
      name: 'less than the payment had reached at which it stands',
      at: 0,
      change: () => ({ index: checkpoints[1]!.index, transcript: checkpoints[1]!.transcript }),
      fault: { file: 'checkpoints.bin', reason: 'AmountInvalid', says: 'had reached' },
    },
    {
      name: 'a segment past the funds',
      at: 1,
      change: () => ({ nextUnitPrice: amount(1000n) }),
      fault: { file: 'checkpoints.bin', reason: 'AmountInvalid', says: 'of 100000 in all' },
    },
    {
      name: 'another anchor than that of the coins',
      at: 0,
      change: () => ({ nextAnchor: bytesOf('anchor') }),
      fault: { file: 'transcript.bin', reason: 'CoinInvalid', says: 'of segment 1' },
    },
    {
      name: 'fewer coins than were spent',
      at: 0,
      change: () => ({ nextLength: 1 }),
      fault: { file: 'transcript.bin', reason: 'CoinInvalid', says: 'of segment 1, which has 1' },
    },
    {
      name: 'another history',
      at: 0,
      change: () => ({ transcript: bytesOf('history') }),
      fault: { file: 'transcript.bin', reason: 'TranscriptMismatch', says: toHex(bytesOf('history')) },
    },
    {
      name: 'more to come at the end',
      at: -1,
      change: () => ({ nextLength: 1 }),
      fault: { file: 'checkpoints.bin', reason: 'OrderInvalid', says: 'the checkpoint of the release is missing' },
    },
  ]

  it.each(laws)('is refused over $name', async ({ at, change, fault }) => {
    const place = at < 0 ? checkpoints.length + at : at
    const old = checkpoints[place]!
    const { channelId } = read(Closing.parse(archive.closing))
    const changed = Checkpoint.sign(channelKey, channelId, { ...old, ...change(old, checkpoints[place - 1]) })
    const remade = archive.checkpoints.map((bytes, row) => (row === place ? Checkpoint.encode(changed) : bytes))
    const { file, reason, says } = fault
    await expectFault({ ...archive, checkpoints: remade }, { file, reason, detail: expect.stringContaining(says) })
  })
})

describe('a record', () => {
  it('may rest on the word of the vendor alone when it was made: the release has proven it since', async () => {
    const archive = await recordedChannel()
    const claimed = { ...read(Record.parse(archive.record)), basis: 'claimed' as const }
    const verdict = await verifyArchive(
      encodeArchive({ ...archive, ...(await recordOn(logOf(bankKey), bankKey, claimed)) }),
    )
    expect(verdict).toMatchObject({ ok: true, facts: { chain: { basis: 'claimed' } } })
  })

  it('of another channel with the same payments is refused', async () => {
    const archive = await recordedChannel()
    const value = read(Record.parse(archive.record))
    const channelId = bytesOf('another channel')
    const { record, proof } = await recordOn(logOf(bankKey), bankKey, { ...value, channelId })
    await expectFault({ ...archive, record, proof }, { file: 'record.bin', reason: 'ChannelMismatch' })
    for (const change of [{ opening: value.opening.map((byte) => byte ^ 1) }, { last: new Uint8Array(84) }]) {
      const other = await recordOn(logOf(bankKey), bankKey, { ...value, ...change })
      await expectFault({ ...archive, ...other }, { file: 'record.bin', reason: 'RecordMismatch' })
    }
  })
})

async function expectFault(
  archive: LockstepArchive,
  fault: { readonly file: string; readonly reason: FaultReason; readonly detail?: unknown },
  trust: Trust = {},
): Promise<void> {
  expect(await verifyArchive(encodeArchive(archive), trust)).toMatchObject({ ok: false, ...fault })
}

function networkOf(archive: LockstepArchive): string {
  return read(Terms.parse(archive.terms)).network
}

function dropped(index: number): (made: Transaction.Transaction) => Transaction.Transaction | undefined {
  let seen = 0
  return (made) => (++seen === index ? undefined : made)
}

function without<T>(list: readonly T[], at: number): T[] {
  return list.filter((_, index) => index !== at)
}

function swapped<T>(list: readonly T[], at: number): T[] {
  const copy = [...list]
  copy[at] = list[at + 1]!
  copy[at + 1] = list[at]!
  return copy
}

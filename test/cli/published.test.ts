import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Files, readArchive, type Trust, writeArchive } from '../../src/cli/archive/archive.ts'
import { bankPoint, identityOf, isPublishedArchive, leafOf, verifyPublished } from '../../src/cli/archive/published.ts'
import { OctetError, post } from '../../src/cli/demo/octets.ts'
import { runPublished } from '../../src/cli/demo/published.ts'
import { bankPaths, openPublishedBank, type PublishedBank } from '../../src/cli/demo/publishedBank.ts'
import { openPublishedVendor, partOf, vendorPaths } from '../../src/cli/demo/publishedVendor.ts'
import { openStage, type Stage } from '../../src/cli/demo/stage.ts'
import type { DemoRun } from '../../src/cli/demo/types.ts'
import { backend } from '../../src/crypto/backend.ts'
import { concat, toHex, u64 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { Client, ecdsa, LockableSignature, messages } from '../../src/published/index.ts'

const bank = Schnorr.keyPair(random(32))

/** Three payments for a file that does not divide by three. */
const payments = 3
const content = random(1000)

const stages: Partial<Record<'evm' | 'embedded', Stage>> = {}
let embedded: DemoRun
let evm: DemoRun

beforeAll(async () => {
  stages.embedded = await openStage('embedded', bank, () => undefined)
  stages.evm = await openStage('evm', bank, () => undefined)
  embedded = await run('embedded')
  evm = await run('evm')
})

afterAll(async () => {
  await stages.embedded?.close()
  await stages.evm?.close()
})

describe('a channel of the published scheme', () => {
  test.each(['embedded', 'evm'] as const)('ends paid, opened, settled and recorded on %s', async (kind) => {
    const { result, recorded } = kind === 'evm' ? evm : embedded
    const onChain = await stages[kind]!.chain.prove(1)
    expect(onChain?.batch.count).toBe(1)
    const own = onChain?.kind === 'evm' ? onChain : undefined
    expect(result).toEqual({
      profile: 'published',
      lockScheme: null,
      backend: backend.name,
      channelId: null,
      payments,
      ticks: null,
      paid: '3000',
      charged: '3000',
      refunded: '1500',
      retry: null,
      receiptsOpened: 4,
      receiptsVerified: 4,
      contentSha256: createHash('sha256').update(content).digest('hex'),
      chain: {
        kind,
        chainId: own?.chainId ?? null,
        registry: own?.registry ?? null,
        recordTx: onChain?.recordTx,
        leaf: expect.stringMatching(/^[0-9a-f]{64}$/),
        proofVerified: true,
      },
      ms: {
        setup: expect.any(Number),
        transaction: expect.any(Number),
        release: expect.any(Number),
        record: expect.any(Number),
      },
      bytes: expect.any(Object),
    })
    for (const ms of Object.values(result.ms)) expect(ms).toBeGreaterThan(0)
    expect([recorded.first.length, recorded.last.length]).toEqual([80, 80])
    expect(messages.parseTransaction(recorded.first)?.amount).toBe(4500n)
    expect(messages.parseTransaction(recorded.last)?.amount).toBe(3000n)
  })

  test('counts on the wire what its messages have, and HTTP beside them', () => {
    const { result, files } = embedded
    const { setup, transaction, release, perPayment } = result.bytes
    const sent = {
      // An introduction and its answer, the request to open and the opening.
      setup: 65 + 44 + 113 + sizeOf(files, 'opening.bin'),
      transaction: sizeOf(files, 'payments.bin'),
      // Both parties' names for Tx_0.
      release: 64 + 80,
    }
    for (const [counted, messages, exchanges] of [
      [setup, sent.setup, 2],
      [transaction, sent.transaction, payments],
      [release, sent.release, 1],
    ] as const) {
      expect(counted).toBeGreaterThan(messages + 100 * exchanges)
      expect(counted).toBeLessThan(messages + 1000 * exchanges)
    }
    expect(perPayment).toBe(Math.round(transaction / payments))
  })

  test.each([
    ['one payment', 100, 1],
    ['fewer bytes than payments', 3, 8],
    ['no byte at all', 0, 2],
  ])('sells a file with %s', async (_, size, count) => {
    const sold = random(size)
    const seen: number[] = []
    const stage: Stage = { ...stages.embedded!, progress: (_label, done) => void seen.push(done) }
    const { result, files } = await runPublished(
      { profile: 'published', content: sold, payments: count, chain: 'embedded', lockScheme: 'schnorr' },
      stage,
      bank,
    )
    expect(result).toMatchObject({ payments: count, receiptsOpened: count + 1, receiptsVerified: count + 1 })
    expect(result.contentSha256).toBe(toHex(sha256(sold)))
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => index + 1))
    expect(await verifyPublished(files, trust)).toMatchObject({ ok: true })
  })

  test('splits a file into parts that are the file again', () => {
    for (const count of [1, 2, 7, 999, 1000, 1001]) {
      const parts = Array.from({ length: count }, (_, row) => partOf(content, row + 1, count))
      expect(concat(...parts)).toEqual(content)
    }
  })
})

describe('a saved channel', () => {
  test('verifies after it was written and read, whoever reads it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lockstep-published-'))
    try {
      for (const { files, result } of [embedded, evm]) {
        const dir = join(folder, result.chain.kind)
        await writeArchive(dir, files)
        const read = await readArchive(dir)
        if (!read.ok) throw new Error(read.detail)
        expect(isPublishedArchive(read.files)).toBe(true)
        for (const trusted of [
          {},
          trust,
          { ...trust, ...(result.chain.registry && { registry: result.chain.registry }) },
        ]) {
          expect(await verifyPublished(read.files, trusted as Trust)).toMatchObject({
            ok: true,
            profile: 'published',
            bank: bank.publicKey,
            record: { batch: { number: 1, count: 1 }, recordTx: result.chain.recordTx },
            facts: { payments, receiptsVerified: 4, funds: '4500', paid: '3000', refunded: '1500' },
          })
        }
      }
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test.each([
    ['embedded', ['parties.bin', 'opening.bin', 'payments.bin', 'signatures.bin', 'recorded.bin', 'recorded.json']],
    // The files before it are checked alike whatever the chain.
    ['evm', ['recorded.json']],
  ] as const)(
    'on %s is refused after any one byte has been changed, and the fault is found there',
    async (kind, names) => {
      const { files } = kind === 'evm' ? evm : embedded
      if (kind === 'embedded') expect([...files.keys()]).toEqual(names)
      for (const name of names) {
        const bytes = files.get(name)!
        for (let offset = 0; offset < bytes.length; offset++) {
          const changed = new Uint8Array(bytes)
          changed[offset]! ^= 1 << (offset % 8)
          const verdict = await verifyPublished(new Map([...files, [name, changed]]))
          expect({ offset, ...verdict }).toMatchObject({ offset, ok: false, file: name })
        }
      }
    },
    180_000,
  )

  test('is refused with a file too many, too few, too long or too short', async () => {
    const { files } = embedded
    expect(isPublishedArchive(new Map())).toBe(false)
    expect(await verifyPublished(new Map([...files, ['more.bin', random(1)]]))).toMatchObject({
      file: 'more.bin',
      reason: 'FileUnexpected',
    })
    for (const [name, bytes] of files) {
      const without = new Map([...files].filter(([other]) => other !== name))
      expect(isPublishedArchive(without)).toBe(true)
      expect(await verifyPublished(without)).toMatchObject({ ok: false, file: name, reason: 'FileMissing' })
      for (const other of [bytes.slice(1), bytes.slice(0, -1), concat(bytes, Uint8Array.of(0)), new Uint8Array(0)]) {
        expect(await verifyPublished(new Map([...files, [name, other]]))).toMatchObject({ ok: false })
      }
    }
  })

  test('is refused where another bank or registry is trusted', async () => {
    const other = Schnorr.keyPair(random(32)).publicKey
    expect(await verifyPublished(evm.files, { bank: other })).toMatchObject({
      file: 'parties.bin',
      reason: 'Untrusted',
    })
    const registry = `0x${toHex(random(20))}` as const
    expect(await verifyPublished(evm.files, { ...trust, registry })).toMatchObject({
      file: 'recorded.json',
      reason: 'Untrusted',
    })
    expect(await verifyPublished(embedded.files, { ...trust, registry })).toMatchObject({ reason: 'Untrusted' })
  })

  test('is refused where another key signed everything again and every lock and hash was rebuilt', async () => {
    const forger = ecdsa.createKeyPair(random)
    const salt = random(32)
    const forged = resigned(embedded.files, forger)
    expect(await verifyPublished(forged, trust)).toMatchObject({ file: 'parties.bin', reason: 'ChannelMismatch' })

    // With an O_C that fits the key, the bank's signature no longer does.
    const first = opening(embedded.files)
    const client = identityOf({ key: forger.publicKey, salt })
    const moved = { ...first, client, transaction: { ...first.transaction, client } }
    const all = new Map([
      ...forged,
      ['parties.bin', parties(embedded.files, { key: forger.publicKey, salt })] as const,
      ['opening.bin', messages.encodeOpening(moved)] as const,
    ])
    expect(await verifyPublished(all, trust)).toMatchObject({ file: 'opening.bin', reason: 'SignatureInvalid' })
  })

  test('is refused with a payment before the one before it', async () => {
    const paid = new Uint8Array(embedded.files.get('payments.bin')!)
    // ts_2, at the start of Tx_2.
    paid.fill(0, 176 + 32, 176 + 40)
    const verdict = await verifyPublished(new Map(embedded.files).set('payments.bin', paid), trust)
    const detail = expect.stringMatching(/^payment 2 \(byte 176\) was made at 0, the one before at [1-9]/)
    expect(verdict).toEqual({ ok: false, file: 'payments.bin', reason: 'OrderInvalid', detail })
  })

  test('is refused with the record of another channel', async () => {
    const other = await run('embedded')
    const record = ['recorded.bin', 'recorded.json'].map((name) => [name, other.files.get(name)!] as const)
    const verdict = await verifyPublished(new Map([...embedded.files, ...record]), trust)
    expect(verdict).toMatchObject({ file: 'recorded.bin', reason: 'RecordMismatch' })
    const proof = await verifyPublished(new Map([...embedded.files, record[1]!]), trust)
    // Each by itself is sound, and the leaf is the only one: nothing says which of the two is the stranger.
    expect(proof).toMatchObject({ file: 'recorded.bin', reason: 'ProofInvalid' })
  })

  test('is as good with the last signature flipped and locked again: the scheme allows either', async () => {
    const { files } = embedded
    const [paid, signatures] = [files.get('payments.bin')!, files.get('signatures.bin')!]
    const flipped = ecdsa.flip(signatures.subarray(-64))
    const lock = LockableSignature.seal({ signature: signatures.slice(-128, -64), lockingSignature: flipped })
    const swapped = new Map([
      ...files,
      ['payments.bin', concat(paid.subarray(0, -128), lock, flipped)] as const,
      ['signatures.bin', concat(signatures.subarray(0, -64), flipped)] as const,
    ])
    expect(await verifyPublished(swapped, trust)).toMatchObject({ ok: true })
  })
})

describe('the servers', () => {
  const closers: AsyncDisposable[] = []

  afterEach(async () => {
    for (const closer of closers.splice(0)) await closer[Symbol.asyncDispose]()
  })

  test('refuse what is too large, too small or for nobody, and go on', async () => {
    const { url } = await openBank()
    await refusal(post(`${url}/nothing`, random(1)), 404, 'nothing takes a POST here')
    expect((await fetch(url + bankPaths.open)).status).toBe(404)
    await refusal(post(url + bankPaths.open, random(114)), 413, 'at most 113 bytes')
    await refusal(post(url + bankPaths.open, random(1_000_000)), 413, 'at most 113 bytes')
    await refusal(post(url + bankPaths.open, random(112)), 400, 'has 113 bytes')
    await refusal(post(url + bankPaths.opening, random(64)), 404, 'no channel')
    await refusal(post(url + bankPaths.settle, random(224)), 409, 'UnknownChannel')
  })

  test('of the bank opens for a deposit alone, pays once, and refunds the rest', async () => {
    const books = await openBank()
    const { client, vendor, first, settleWith } = await openedAt(books)
    expect([books.balance(client), books.balance(vendor)]).toEqual([0n, 0n])
    const answer = await settleWith(70n)
    expect(answer).toEqual(concat(u64(70n), u64(30n)))
    expect([books.balance(client), books.balance(vendor)]).toEqual([30n, 70n])
    await refusal(settleWith(80n), 409, 'AlreadyRecorded')
    expect([books.balance(client), books.balance(vendor)]).toEqual([30n, 70n])
    const { record, salt, leaf } = await books.record()
    expect(record.subarray(0, 80)).toEqual(first)
    expect(leaf).toEqual(leafOf(salt, record))
  })

  test('of the bank refuses a client without the money, or without a name', async () => {
    const books = await openBank()
    const [client, vendor] = [random(32), random(32)]
    const request = concat(ecdsa.createKeyPair(random).publicKey, client, vendor, u64(100n), u64(1n))
    await refusal(post(books.url + bankPaths.open, request), 409, 'less than 100')
    books.deposit(client, 100n)
    await refusal(post(books.url + bankPaths.open, request), 409, 'ClientScore')
    books.register(client)
    await refusal(post(books.url + bankPaths.open, request), 409, 'VendorScore')
    expect(books.balance(client)).toBe(100n)
    await expect(books.record()).rejects.toThrow('no channel is settled')
  })

  test('of the vendor sells a part for its price, in order, and the last one for the last message', async () => {
    const books = await openBank()
    const vendor = await openPublishedVendor({
      identity: random(32),
      content,
      payments: 2,
      price: 10n,
      bankUrl: books.url,
      bankKey: bankPoint(bank.publicKey),
    })
    closers.push(vendor)
    const pay = (message: Uint8Array): Promise<Uint8Array> => post(vendor.url + vendorPaths.pay, message)
    const key = ecdsa.createKeyPair(random)
    const salt = random(32)
    const offer = await post(vendor.url + vendorPaths.meet, concat(key.publicKey, salt))
    const paying = joinedTo(identityOf({ key: key.publicKey, salt }), offer.slice(0, 32), key)
    const next = (price: bigint): Uint8Array =>
      messages.encodePayment(paid(Client.pay(paying, { price, at: 5n }, random)))

    await refusal(post(vendor.url + vendorPaths.meet, random(64)), 400, '65 bytes')
    await refusal(pay(random(175)), 400, '176 bytes')
    await refusal(pay(random(176)), 404, 'no such client')
    await refusal(pay(next(9n)), 402, 'costs 10')
    const first = next(1n)
    expect(await pay(first)).toEqual(content.slice(0, 500))
    await refusal(pay(first), 409, 'payment 2 is the last one')
    await expect(vendor.settle(random(32), random(80))).rejects.toThrow('no such client')
    await expect(vendor.settle(paying.opening.client, random(80))).rejects.toThrow('has not come')
    const last = Client.payLast(paying, { price: 10n, at: 6n, reading: 'repaired' }, random)
    expect(await pay(messages.encodeLast(paid(last)))).toEqual(content.slice(500))
    await refusal(pay(messages.encodeLast(paid(last))), 409, 'AfterLast')
  })

  async function openBank(): Promise<PublishedBank> {
    const books = await openPublishedBank({ ...stages.embedded!, key: bank })
    closers.push(books)
    return books
  }
})

const trust: Trust = { bank: bank.publicKey }

function run(chain: 'evm' | 'embedded'): Promise<DemoRun> {
  const options = { profile: 'published', content, payments, chain, lockScheme: 'schnorr' } as const
  return runPublished(options, stages[chain]!, bank)
}

function random(size: number): Uint8Array {
  return new Uint8Array(randomBytes(size))
}

function sizeOf(files: Files, name: string): number {
  return files.get(name)!.length
}

function opening(files: Files): messages.Opening {
  return messages.parseOpening(files.get('opening.bin')!)!
}

function parties(files: Files, { key, salt }: { readonly key: Uint8Array; readonly salt: Uint8Array }): Uint8Array {
  const old = files.get('parties.bin')!
  return concat(old.subarray(0, 32), key, salt, old.subarray(97))
}

/** The same payments signed by another key, locked again, under the same opening. */
function resigned(files: Files, { publicKey, secretKey }: ecdsa.KeyPair): Files {
  const paid = files.get('payments.bin')!
  const sent = Array.from({ length: payments }, (_, row) => {
    const message = paid.subarray(row * 176, row === payments - 1 ? undefined : (row + 1) * 176)
    return (messages.parsePayment(message) ?? messages.parseLast(message))!
  })
  const receipts = [opening(files).receipt]
  const locked = sent.map(({ f, transaction }, row) => {
    const signature = ecdsa.sign({ publicKey, secretKey }, messages.receiptMessage(transaction), random)
    const lock = LockableSignature.seal({ signature: receipts.at(-1)!, lockingSignature: signature })
    receipts.push(signature)
    const parts = { f, transaction, lock }
    return row === payments - 1 ? messages.encodeLast({ ...parts, receipt: signature }) : messages.encodePayment(parts)
  })
  const salt = files.get('parties.bin')!.slice(65, 97)
  return new Map([
    ...files,
    ['parties.bin', parties(files, { key: publicKey, salt })],
    ['payments.bin', concat(...locked)],
    ['signatures.bin', concat(...receipts)],
  ])
}

/** A channel of 100 at this bank, and its client's claims for the vendor. */
async function openedAt(books: PublishedBank): Promise<{
  readonly client: Uint8Array
  readonly vendor: Uint8Array
  readonly first: Uint8Array
  settleWith(amount: bigint): Promise<Uint8Array>
}> {
  const key = ecdsa.createKeyPair(random)
  const [client, vendor] = [random(32), random(32)]
  for (const party of [client, vendor]) books.register(party)
  books.deposit(client, 100n)
  const opened = await post(books.url + bankPaths.open, concat(key.publicKey, client, vendor, u64(100n), u64(1n)))
  const first = await post(books.url + bankPaths.opening, concat(client, vendor))
  expect(first).toEqual(messages.encodeTransaction(messages.parseOpening(opened)!.transaction))
  return {
    client,
    vendor,
    first,
    settleWith(amount) {
      const last = { at: 2n, amount, client, vendor }
      const receipt = ecdsa.sign(key, messages.receiptMessage(last), random)
      return post(books.url + bankPaths.settle, concat(first, messages.encodeTransaction(last), receipt))
    },
  }
}

/** A client that holds an opening of 100 by some bank: a vendor of this scheme cannot tell whose. */
function joinedTo(client: Uint8Array, vendor: Uint8Array, key: ecdsa.KeyPair): Client.Client {
  const someBank = ecdsa.createKeyPair(random)
  const transaction = { at: 1n, amount: 100n, client, vendor }
  const receipt = ecdsa.sign(someBank, messages.openingMessage(transaction), random)
  const opening = { total: 100n, transaction, client, vendor, receipt }
  const joined = Client.joinChannel({ key, bankKey: someBank.publicKey, opening }, random)
  if (!joined.ok) throw new Error(joined.reason)
  return joined.client
}

function paid<T>(result: Client.Paid<T>): T {
  if (!result.ok) throw new Error(result.reason)
  return result.payment
}

async function refusal(call: Promise<unknown>, status: number, detail: string): Promise<void> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof OctetError)) throw new Error('no refusal', { cause: error })
  expect(error.status).toBe(status)
  expect(error.message).toContain(detail)
}

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CommandError, exitCodes, UsageError } from '../../src/cli/command.ts'
import { paper } from '../../src/cli/commands/paper.ts'
import { median } from '../../src/cli/paper/measure.ts'
import type { Report } from '../../src/cli/paper/report.ts'
import { backend } from '../../src/crypto/backend.ts'
import { fromHex, toHex, xor } from '../../src/crypto/bytes.ts'
import { ecdsa, figures, messages } from '../../src/published/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import * as Checkpoint from '../../src/wire/Checkpoint.ts'
import * as Closing from '../../src/wire/Closing.ts'
import * as Frame from '../../src/wire/Frame.ts'
import * as Open from '../../src/wire/Open.ts'
import * as Statement from '../../src/wire/Statement.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-paper-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('the report', () => {
  test('opens nothing as printed and everything as repaired, ten payments where nothing is said', async () => {
    const report = await reportOf('--runs', '2')
    expect(report).toMatchObject({ n: 10, literalOpened: 0, repairedOpened: 10, backend: backend.name, saved: null })
    expect(report.paper).toEqual({
      ...figures,
      formulas: { payments: 10, client: 'sig + 10f + s + 9h', vendor: '10f' },
    })
  })

  test.each([1, 2, 37])('does so for %i payments, and counts what the paper’s formula counts', async (n) => {
    const report = await reportOf('--n', String(n), '--runs', '1')
    expect(report).toMatchObject({ n, literalOpened: 0, repairedOpened: n })
    expect(report.paper.formulas).toEqual({ payments: n, client: `sig + ${n}f + s + ${n - 1}h`, vendor: `${n}f` })
    const { sent, operations, literal } = report
    expect(literal.sent).toMatchObject({ sig: 1, f: n, h: n - 1, tx: n })
    expect(literal.operations).toEqual({ sig: n, vf: 1, f: n, h: n - 1 })
    // The repair sends and makes one lock more.
    expect(sent.client).toEqual({ ...literal.sent, h: n, bytes: literal.sent.bytes + 64 })
    expect(operations.client).toEqual({ ...literal.operations, h: n })
    expect(sent.vendor).toEqual({ sig: 0, f: 0, h: 0, tx: 0, bytes: 0 })
    expect(operations.vendor).toEqual({ sig: 0, vf: n + 1, f: n - 1, h: n })
  })

  test('gives medians of samples that it shows', async () => {
    const report = await reportOf('--runs', '5')
    expect(report).toMatchObject({ runs: 5, warmUps: 1 })
    for (const phase of ['setup', 'transaction', 'release'] as const) {
      for (const [times, samples] of [
        [report.measured[phase], report.samplesMs.published[phase]],
        [report.lockstep[phase], report.samplesMs.lockstep[phase]],
      ] as const) {
        expect(samples).toHaveLength(5)
        expect(times).toMatchObject({
          ms: median(samples),
          msMin: Math.min(...samples),
          msMax: Math.max(...samples),
        })
        expect(times.msMin).toBeGreaterThan(0)
      }
    }
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(median([7])).toBe(7)
  })

  test('counts the bytes of Lockstep/1 message by message, in both directions', async () => {
    // One payment more than a segment has coins: the last one brings a checkpoint along.
    const n = 1025
    const { lockstep } = await reportOf('--n', String(n), '--runs', '1')
    const sizes = { open: Open.size, attachment: Attachment.size, payment: Frame.paymentSize(32) }
    expect(lockstep.opened).toBe(n + 1)
    expect(lockstep.sent.bank).toEqual({ messages: { opened: 1 }, bytes: Open.openedSize })
    expect(lockstep.sent.client).toEqual({
      messages: { open: 1, attachment: 1, payment: n, checkpoint: 1, release: 1 },
      bytes: sizes.open + sizes.attachment + n * sizes.payment + Checkpoint.size + Closing.releaseSize,
    })
    expect(lockstep.sent.vendor).toEqual({
      messages: { statement: n, closing: 1 },
      bytes: n * Statement.size + Closing.size,
    })
    expect(lockstep.setup.bytes).toBe(sizes.open + Open.openedSize + sizes.attachment)
    expect(lockstep.transaction.bytes).toBe(n * (sizes.payment + Statement.size) + Checkpoint.size)
    expect(lockstep.release.bytes).toBe(Closing.size + Closing.releaseSize)
    expect(lockstep.perPayment.bytes).toBeCloseTo(lockstep.transaction.bytes / n, 3)
  }, 180_000)
})

describe('a saved run', () => {
  test('holds every receipt and lock, and anybody can open it', async () => {
    const { run, report } = await saved('repaired', 10)
    expect([run.locks.length, run.receipts.length, run.transactions.length]).toEqual([10, 11, 11])
    const receipts = run.receipts.map((receipt) => fromHex(receipt!))
    const transactions = run.transactions.map((hex) => messages.parseTransaction(fromHex(hex))!)
    for (const [index, signature] of receipts.entries()) {
      const [publicKey, message] =
        index === 0
          ? [run.keys.bank, messages.openingMessage(transactions[0]!)]
          : [run.keys.client, messages.receiptMessage(transactions[index]!)]
      expect(ecdsa.verify({ publicKey: fromHex(publicKey), message, signature })).toBe(true)
    }
    for (const [row, lock] of run.locks.entries()) {
      expect(toHex(xor(fromHex(lock), sha512(receipts[row + 1]!)))).toBe(run.receipts[row])
    }
    for (const [row, f] of run.chain.slice(1).entries()) expect(f).toBe(sha256(run.chain[row]!))
    expect(run.record).toBe(run.transactions[0]! + run.transactions[10]!)
    expect(report).toMatchObject({ n: 10, repairedOpened: run.opened })
  })

  test('adds up to the bytes that are reported', async () => {
    const { run, report } = await saved('repaired', 12)
    const [first, ...rest] = run.transactions.map((hex) => messages.parseTransaction(fromHex(hex))!)
    const { amount: total, client, vendor } = first!
    const receipt = (index: number): Uint8Array => fromHex(run.receipts[index]!)
    const opening = messages.encodeOpening({ total, transaction: first!, client, vendor, receipt: receipt(0) })
    const payments = rest.map((transaction, row) => {
      const parts = { f: fromHex(run.chain[row]!), transaction, lock: fromHex(run.locks[row]!) }
      return row === 11 ? messages.encodeLast({ ...parts, receipt: receipt(12) }) : messages.encodePayment(parts)
    })
    const bytes = payments.reduce((sum, { length }) => sum + length, 0)
    expect(report.measured.setup.bytes).toBe(opening.length)
    expect(report.measured.transaction.bytes).toBe(bytes)
    expect(report.measured.release.bytes).toBe(0)
    expect(report.sent.bank.bytes).toBe(opening.length)
    expect(report.sent.client.bytes).toBe(bytes)
  })

  test('of the literal reading opens nothing, whichever lock is tried', async () => {
    const { run } = await saved('literal', 10)
    expect(run.opened).toBe(0)
    expect(run.receipts.slice(0, 10)).toEqual(new Array(10).fill(null))
    const last = fromHex(run.receipts[10]!)
    expect(run.locks[9]).toBe(run.receipts[10])
    const transactions = run.transactions.map((hex) => messages.parseTransaction(fromHex(hex))!)
    for (const lock of run.locks) {
      const signature = xor(fromHex(lock), sha512(last))
      for (const transaction of transactions.slice(1)) {
        expect(ecdsa.verify(signedBy(run.keys.client, transaction, signature))).toBe(false)
      }
    }
    expect(ecdsa.verify(signedBy(run.keys.client, transactions[10]!, last))).toBe(true)
  })

  test('is written beside its report, says where, and never over anything', async () => {
    const dir = join(folder, 'once')
    const { said } = await runPaper('--runs', '1', '--n', '2', '--save', dir)
    expect(said).toEqual([expect.stringContaining(dir)])
    expect((await readdir(dir)).sort()).toEqual(['literal.json', 'repaired.json', 'report.json'])
    const again = runPaper('--runs', '1', '--n', '2', '--save', dir)
    await expect(again).rejects.toThrow(CommandError)
    await expect(again).rejects.toThrow(`${dir} is not empty`)
  })
})

describe('the table', () => {
  test('names the backend with every time, and stands beside the paper’s figures', async () => {
    const { text } = await runPaper('--runs', '2')
    const timeRows = text.split('\n').filter((line) => / time /.test(line))
    expect(timeRows).toHaveLength(3)
    for (const row of timeRows) expect(row.split(new RegExp(` ms  ${backend.name} +[÷×] `))).toHaveLength(3)
    for (const figure of ['100 ms', '140 ms', '4 ms', '311 kb', '476 kb', 'sig + 10f + s + 9h', '10f']) {
      expect(text).toContain(figure)
    }
    expect(text).toContain('opens 0 of 10 receipts')
    expect(text).toContain(`Medians of 2 runs`)
  })

  test('compares with the paper at ten payments only', async () => {
    const { text } = await runPaper('--runs', '1', '--n', '11')
    expect(text).not.toContain('÷')
    expect(text).toContain('no ratio')
  })
})

describe('used wrongly', () => {
  test.each([
    ['no payments', ['--n', '0']],
    ['too many payments', ['--n', '10001']],
    ['half a payment', ['--n', '1.5']],
    ['payments in words', ['--n', 'ten']],
    ['no runs', ['--runs', '0']],
    ['a value left out', ['--save']],
    ['an option it does not have', ['--payments', '10']],
    ['an argument too many', ['10']],
  ])('%s: it says so and runs nothing', async (_, args) => {
    await expect(runPaper(...args)).rejects.toThrow(UsageError)
  })

  test('it is one line on stderr and exit code 2', async () => {
    const busy = join(folder, 'busy')
    await mkdir(busy)
    await writeFile(join(busy, 'mine.txt'), 'mine')
    for (const args of [['--n', '0'], ['--nn'], ['--n', '1', '--runs', '1', '--save', busy]]) {
      const { code, stdout, stderr } = await lockstep('paper', ...args)
      expect({ code, stdout }).toEqual({ code: exitCodes.usage, stdout: '' })
      expect(stderr.match(/^lockstep: [^\n]+\n$/)).not.toBeNull()
    }
    expect(await readFile(join(busy, 'mine.txt'), 'utf8')).toBe('mine')
  })
})

interface SavedRun {
  readonly opened: number
  readonly keys: { readonly bank: string; readonly client: string }
  readonly transactions: readonly string[]
  readonly chain: readonly string[]
  readonly locks: readonly string[]
  readonly receipts: readonly (string | null)[]
  readonly record: string
}

async function reportOf(...args: readonly string[]): Promise<Report> {
  const { text } = await runPaper(...args, '--json')
  expect(text).not.toContain('\n')
  return JSON.parse(text)
}

async function saved(reading: 'literal' | 'repaired', n: number): Promise<{ run: SavedRun; report: Report }> {
  const dir = await mkdtemp(join(folder, `${reading}-`))
  const report = await reportOf('--runs', '1', '--n', String(n), '--save', dir)
  expect(report.saved).toBe(dir)
  expect(JSON.parse(await readFile(join(dir, 'report.json'), 'utf8'))).toEqual(report)
  return { run: JSON.parse(await readFile(join(dir, `${reading}.json`), 'utf8')), report }
}

/** The command in this process: what it prints, and what it says beside. */
async function runPaper(...args: readonly string[]): Promise<{ text: string; said: readonly string[] }> {
  const [printed, said]: [string[], string[]] = [[], []]
  const output = {
    out: (text: string) => void printed.push(text),
    say: (text: string) => void said.push(text),
    isTerminal: false,
  }
  expect(await paper.run(args, output)).toBe(exitCodes.done)
  return { text: printed.join('\n'), said }
}

/** The program itself. */
function lockstep(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const program = join(import.meta.dirname, '../../bin/lockstep.js')
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

function signedBy(key: string, transaction: messages.Transaction, signature: Uint8Array): ecdsa.Signed {
  return { publicKey: fromHex(key), message: messages.receiptMessage(transaction), signature }
}

/** Node's own: not the code under test. */
function sha512(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha512').update(data).digest())
}

function sha256(hex: string): string {
  return createHash('sha256').update(fromHex(hex)).digest('hex')
}

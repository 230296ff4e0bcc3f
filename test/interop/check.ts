/**
 * The packages of another protocol, as they are, sell and pay through Lockstep's method or scheme: how many HTTP requests a
 * payment takes, counted on the socket, and whether the money comes out.
 *
 *     npm run check:mppx -- --json
 *     npm run check:x402 -- --json
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type DevTown, openDevTown } from '../../src/cli/dev/town.ts'
import { type PayingWallet, type PayingWalletOptions, type WalletEvent, wallet } from '../../src/client/index.ts'
import { paywall } from '../../src/vendor/index.ts'
import { settledAt, sumOf, unitsOf } from '../e2e/settled.ts'
import { openRecorder, type Recorder } from './recorder.ts'
import { openGoods, type Protocol, protocols } from './shops.ts'

const isJson = process.argv.includes('--json')
const name = process.argv[2]

/** Payments one after the other, and as many at once. */
const rounds = 50
/** Answers that never arrive. */
const eaten = 5
/** Base units. */
const price = 1000n

interface Report {
  readonly server: string
  readonly payments: number
  /** HTTP requests to what is sold, for each payment, by our wallet that knows what is asked. */
  readonly requestsPerPayment: number
  /** The same, by the packages' own client. */
  readonly stockRequestsPerPayment: number
  /** Payments whose answer was eaten, and the requests that were sent again for them. */
  readonly eaten: number
  readonly retried: number
  /** How often the handler ran. */
  readonly runs: number
  /** Base units: as the ledgers have them, as the bank paid them, and as many payments at the price. */
  readonly charged: string
  readonly settled: string
  readonly expected: string
  /** Payments that were charged more or less than once. */
  readonly misCharged: number
  /** Of each channel's payments and its opening; and those that the vendor opened and verified. */
  readonly receipts: number
  readonly receiptsVerified: number
}

interface Buyer {
  readonly w: PayingWallet
  readonly events: WalletEvent[]
  of<K extends WalletEvent['kind']>(kind: K): readonly Extract<WalletEvent, { kind: K }>[]
}

async function check(protocol: Protocol, folder: string): Promise<Report> {
  await using stack = new AsyncDisposableStack()
  const onError = (error: unknown): void => void process.stderr.write(`${String(error)}\n`)
  const town = await openDevTown({ folder, port: 0, bankPort: 0, onError })
  stack.defer(() => town.close())
  const pay = await paywall({ bank: town.bankUrl, asset: 'USD', store: `sqlite:${join(folder, 'shop.db')}`, onError })
  stack.defer(() => pay.close())
  const goods = openGoods()
  const shop = await protocol.open(pay, goods)
  stack.defer(() => shop.close())
  const recorder = await openRecorder(shop.url)
  stack.defer(() => recorder.close())
  const ours = await openBuyer(town, stack, { store: join(folder, 'ours.db'), fetch: protocol.line() })
  const theirs = await openBuyer(town, stack, { store: join(folder, 'theirs.db') })

  // The first payment learns what is asked.
  await buy(ours.w.fetch, recorder, 1)
  const known = await counted(recorder, () => buyTwice(ours.w.fetch, recorder))
  const stock = await counted(recorder, () => buyTwice(protocol.stock(theirs.w), recorder))
  for (let number = 0; number < eaten; number++) {
    recorder.eat(1)
    await buy(ours.w.fetch, recorder, 1)
  }

  const payments = [ours, theirs].flatMap(({ of }) => of('payment'))
  const ledgers = await Promise.all([ours, theirs].map(({ w }) => w.ledger()))
  await Promise.all([ours, theirs].map(({ w }) => w.close()))
  const closed = [ours, theirs].flatMap(({ of }) => of('closed'))
  await pay.collect()
  const settled = await Promise.all(closed.map(({ channel }) => settledAt(town.bankUrl, channel)))
  const charged = ledgers.flat().map((row) => unitsOf(row.charged ?? '0'))
  const made = 1 + 2 * rounds + 2 * rounds + eaten
  return {
    server: protocol.name,
    payments: payments.length,
    requestsPerPayment: known / (2 * rounds),
    stockRequestsPerPayment: stock / (2 * rounds),
    eaten: recorder.eaten(),
    retried: ours.of('retried').length,
    runs: [...goods.runs.values()].reduce((sum, runs) => sum + runs, 0),
    charged: String(sumOf(charged)),
    settled: String(sumOf(settled)),
    expected: String(price * BigInt(made)),
    misCharged: charged.filter((units) => units !== price).length,
    receipts: payments.length + closed.length,
    receiptsVerified: closed.reduce((sum, { receiptsOpened }) => sum + receiptsOpened, 0),
  }
}

async function openBuyer(
  town: DevTown,
  stack: AsyncDisposableStack,
  options: Partial<PayingWalletOptions>,
): Promise<Buyer> {
  const events: WalletEvent[] = []
  const w = await wallet({
    bank: town.bankUrl,
    budget: { request: '0.01', day: '5' },
    onEvent: (event) => events.push(event),
    ...options,
  })
  stack.defer(() => w.stop())
  await fetch(`${town.vendorUrl}/faucet`, { method: 'POST', body: w.account })
  return {
    w,
    events,
    of: (kind) => events.filter((event): event is Extract<WalletEvent, { kind: typeof kind }> => event.kind === kind),
  }
}

/** One after the other, then all at once. */
async function buyTwice(fetching: typeof fetch, recorder: Recorder): Promise<void> {
  for (let number = 0; number < rounds; number++) await buy(fetching, recorder, 1)
  await buy(fetching, recorder, rounds)
}

async function buy(fetching: (url: string) => Promise<Response>, { url }: Recorder, times: number): Promise<void> {
  const buying = Array.from({ length: times }, async () => {
    const response = await fetching(`${url}/tea`)
    const text = await response.text()
    if (!response.ok) throw new Error(`what is sold was answered with ${response.status}: ${text}`)
  })
  await Promise.all(buying)
}

/** Requests to what is sold, on the socket. */
async function counted({ requests }: Recorder, run: () => Promise<void>): Promise<number> {
  const before = requests.length
  await run()
  return requests.slice(before).filter((line) => line === 'GET /tea').length
}

/** What does not hold of a report. */
function failures(report: Report): readonly string[] {
  const { payments, charged, settled, expected, runs, receipts, receiptsVerified } = report
  const laws: Readonly<Record<string, boolean>> = {
    'our wallet sends one request a payment': report.requestsPerPayment === 1,
    'the stock client sends two': report.stockRequestsPerPayment === 2,
    'each payment is charged once': payments > 0 && report.misCharged === 0 && charged === expected,
    'the bank pays what was charged': settled === expected,
    'each payment runs the handler once': runs === payments,
    'an answer that is eaten is asked for again': report.eaten === eaten && report.retried === eaten,
    'every receipt opens': receipts === receiptsVerified,
  }
  return Object.entries(laws).flatMap(([law, holds]) =>
    holds ? [] : [`${report.server}: it does not hold that ${law}`],
  )
}

const checked = protocols.filter((protocol) => protocol.name.includes(name ?? 'none'))
if (checked.length === 0) throw new Error('say what to check: mppx or x402')
const reports: Report[] = []
for (const protocol of checked) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-check-interop-'))
  try {
    reports.push(await check(protocol, folder))
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 10 })
  }
}
const [first, ...others] = reports
const whole = others.length === 0 ? first! : { ...first!, also: others }
console.log(JSON.stringify(whole, null, isJson ? 0 : 2))
for (const failure of reports.flatMap(failures)) {
  process.stderr.write(`${failure}\n`)
  process.exitCode = 1
}

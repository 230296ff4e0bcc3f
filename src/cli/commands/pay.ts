import { open, readFile } from 'node:fs/promises'
import { Readable, type Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import type { WalletEvent } from '../../client/wallet/events.ts'
import type { PayingWallet } from '../../client/wallet/payingWallet.ts'
import { type Command, CommandError, exitCodes, type Output, parseOptions, UsageError } from '../command.ts'
import { openNamed, walletHelp, walletOptions } from '../wallet/open.ts'

export const pay: Command = {
  name: 'pay',
  summary: 'fetch an address, and pay for it where it has a price',
  help: `usage: lockstep pay URL [-X METHOD] [-H 'NAME: VALUE'] … [-d DATA] [-o FILE] [--max AMOUNT] [--json]
       lockstep pay URL --stream [--max AMOUNT] [-o FILE]

Fetches URL as curl does, finds out what it costs, and pays within --max from your wallet. The answer goes to stdout, what was
paid to stderr. A response that is lost on the way is asked for again and paid once. Channels stay open for the next time:
"lockstep wallet close" ends them.

  -X, --method METHOD  GET, or POST where there is data
  -H, --header TEXT    a header, as 'Accept: text/plain'; any number of times
  -d, --data DATA      the body: text, @FILE for what a file holds, @- for stdin
  -o, --output FILE    write the answer there
  -i, --include        say the status and the headers of the answer on stderr
      --max AMOUNT     the most that may be paid for it, as 0.05. Left out: 0.1
      --stream         pay for a stream, unit by unit, until it ends, --max is paid, or Ctrl-C
      --json           one JSON object: {"url", "status", "headers", "body", "payments"}

${walletHelp}

examples:
  lockstep pay https://api.example/joke --bank https://bank.example
  lockstep pay https://api.example/v1/chat/completions -H 'Content-Type: application/json' -d @question.json --max 0.05
  lockstep pay https://api.example/numbers --stream --max 0.01 -o numbers.bin
  lockstep pay https://api.example/joke --json | jq .payments

Exit codes: 0 where the answer is a success, 1 where it is not or nothing was paid, 2 used wrongly.`,
  async run(args, output) {
    const { values, positionals } = parseOptions(args, options, 1)
    const [address] = positionals
    if (address === undefined) throw new UsageError('name the address')
    if (!/^https?:$/.test(URL.parse(address)?.protocol ?? '')) {
      throw new UsageError(`${JSON.stringify(address)} is no address, as https://api.example/`)
    }
    if (values.stream && (values.json || values.data !== undefined)) {
      throw new UsageError('--stream takes neither --json nor --data')
    }
    const paid: Paid[] = []
    const w = await sayingMax(() =>
      openNamed(values, {
        budget: { request: values.max },
        onEvent: (event) => {
          if (event.kind === 'payment' || event.kind === 'streamed') paid.push(event)
          if (event.kind === 'retried') output.say(`no answer: payment ${event.index} is sent again, as it was`)
        },
      }),
    )
    try {
      const buy = values.stream ? paidStream : paidRequest
      return await sayingMax(() => buy(w, address, { values, output, paid }))
    } finally {
      await w.stop()
    }
  },
}

const options = {
  ...walletOptions,
  method: { type: 'string', short: 'X' },
  header: { type: 'string', short: 'H', multiple: true, default: [] as string[] },
  data: { type: 'string', short: 'd' },
  output: { type: 'string', short: 'o' },
  include: { type: 'boolean', short: 'i', default: false },
  max: { type: 'string', default: '0.1' },
  stream: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

interface Values {
  readonly method?: string | undefined
  readonly header: readonly string[]
  readonly data?: string | undefined
  readonly output?: string | undefined
  readonly include: boolean
  readonly max: string
  readonly json: boolean
}

type Paid = Extract<WalletEvent, { kind: 'payment' | 'streamed' }>

interface Work {
  readonly values: Values
  readonly output: Output
  readonly paid: readonly Paid[]
}

async function paidRequest(w: PayingWallet, address: string, { values, output, paid }: Work): Promise<number> {
  const body = values.data === undefined ? undefined : await dataOf(values.data)
  const method = values.method ?? (body === undefined ? 'GET' : 'POST')
  const init = { method, headers: headersOf(values.header), ...(body && { body }) }
  sendable(address, init)
  const target = await openTarget(values.output)
  const response = await answerOf(w.fetch(address, init), address)
  if (values.include) sayHead(output, response)
  if (values.json) {
    const text = values.output === undefined ? await response.text() : undefined
    if (values.output !== undefined) await write(response, target, output)
    const { url, status, headers } = response
    output.out(JSON.stringify({ url, status, headers: Object.fromEntries(headers), body: text, payments: paid }))
  } else await write(response, target, output)
  if (paid.length > 0) sayPaid(output, paid)
  else output.say(response.ok ? 'free: nothing was paid' : 'nothing was paid')
  if (response.ok) return exitCodes.done
  output.say(`${method} ${address} was answered with ${response.status} ${response.statusText}`.trimEnd())
  return exitCodes.failed
}

async function paidStream(w: PayingWallet, address: string, { values, output, paid }: Work): Promise<number> {
  const target = await openTarget(values.output)
  const isShown = output.isTerminal && values.output !== undefined
  // Whoever has enough stops paying, and hears what it came to. Another Ctrl-C ends the process at once.
  const enough = new AbortController()
  const stop = (): void => enough.abort()
  process.once('SIGINT', stop)
  let units = 0
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for await (const unit of w.stream(address, { max: values.max, signal: enough.signal })) {
        units += 1
        if (isShown) process.stderr.write(`\r${units} units`)
        yield unit
      }
    } catch (error) {
      // What came is written all the same.
      if (!enough.signal.aborted) throw error
    }
  }
  try {
    await pipe(Readable.from(counted()), target)
  } finally {
    process.off('SIGINT', stop)
    if (isShown) process.stderr.write('\r')
    if (paid.length > 0) sayPaid(output, paid)
  }
  return enough.signal.aborted ? interrupted : exitCodes.done
}

/** The budget of a request is called `--max` here. */
async function sayingMax<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const isOfBudget = error instanceof Error && error.message.includes('budget.request')
    if (!isOfBudget) throw error
    const message = error.message.replaceAll('budget.request', '--max').replace('Raise the budget', 'Raise it')
    throw error instanceof UsageError ? new UsageError(message) : new CommandError(message, { cause: error })
  }
}

/** As a shell has it for a program that SIGINT ended. */
const interrupted = 130

/** What no client of HTTP can send, as a GET with a body, is not tried. */
function sendable(address: string, init: RequestInit): void {
  try {
    void new Request(address, init)
  } catch (error) {
    throw new UsageError(`no such request can be sent: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** What the vendor answers; one that cannot be reached at all is an error of a line. */
async function answerOf(asked: Promise<Response>, address: string): Promise<Response> {
  try {
    return await asked
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new CommandError(`${address} does not answer: is it running, and reachable from here? Nothing was paid`, {
      cause,
    })
  }
}

async function write({ body }: Response, target: Writable, output: Output): Promise<void> {
  if (body === null) return
  try {
    await pipe(Readable.fromWeb(body as Parameters<typeof Readable.fromWeb>[0]), target)
  } catch (cause) {
    output.say('what came of the answer is all there is: ask the vendor before you pay for it again')
    throw new CommandError('the answer broke off', { cause })
  }
}

/** Opened before anything is paid: a file that cannot be written is found out in time. */
async function openTarget(path: string | undefined): Promise<Writable> {
  if (path === undefined) return process.stdout
  try {
    return (await open(path, 'w')).createWriteStream()
  } catch (cause) {
    throw new CommandError(`${path} cannot be written: nothing was sent, and nothing was paid`, { cause })
  }
}

/** Standard output stays open for whoever writes to it next; a reader of it that has gone has seen what it wanted. */
async function pipe(from: Readable, to: Writable): Promise<void> {
  try {
    await pipeline(from, to, { end: to !== process.stdout })
  } catch (error) {
    const hasGone = to === process.stdout && (error as NodeJS.ErrnoException).code === 'EPIPE'
    if (!hasGone) throw error
  }
}

async function dataOf(data: string): Promise<Uint8Array<ArrayBuffer>> {
  if (!data.startsWith('@')) return new TextEncoder().encode(data)
  if (data === '@-') return new Uint8Array(await buffer(process.stdin))
  try {
    return new Uint8Array(await readFile(data.slice(1)))
  } catch (cause) {
    throw new CommandError(`${data.slice(1)} cannot be read: nothing was sent, and nothing was paid`, { cause })
  }
}

function headersOf(texts: readonly string[]): Headers {
  const headers = new Headers()
  for (const text of texts) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(text) ?? []
    if (name === undefined || value === undefined) {
      throw new UsageError(`${JSON.stringify(text)} is no header, as 'Accept: text/plain'`)
    }
    headers.append(name, value)
  }
  return headers
}

function sayHead(output: Output, { status, statusText, headers }: Response): void {
  output.say(`${status} ${statusText}`.trimEnd())
  for (const [name, value] of headers) output.say(`${name}: ${value}`)
}

function sayPaid(output: Output, paid: readonly Paid[]): void {
  for (const event of paid) {
    const code = event.asset.split('/')[0]
    const channel = event.channel.slice(0, 16)
    output.say(
      event.kind === 'streamed'
        ? `paid for ${event.units} units at ${event.unitPrice} ${code} to ${event.host} over channel ${channel}`
        : `paid ${event.charged ?? `up to ${event.price}`} ${code} to ${event.host} over channel ${channel}`,
    )
  }
}

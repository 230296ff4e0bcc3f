import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { ToolPrices } from '../../mcp/index.ts'
import { type Command, CommandError, exitCodes, type Output, parseOptions, printable, UsageError } from '../command.ts'
import { placeOf } from '../wallet/open.ts'

export const mcp: Command = {
  name: 'mcp',
  summary: 'put prices on the tools of an MCP server, or pay for those of another',
  help: `usage: lockstep mcp sell --bank URL --store STORE --price TOOL=PRICE … -- COMMAND [ARGS]
       lockstep mcp buy --bank URL [--request AMOUNT] [--day AMOUNT] -- COMMAND [ARGS]

Stands before a stdio server, which it starts and which stays as it is: name it in your client's config in place of COMMAND.

sell   Calls of a tool with a price reach the server once they are paid. A tool that fails costs nothing; others are free.
  --bank URL          where payments are settled
  --asset NAME        an asset of the bank; USD if not said
  --store STORE       sqlite:PATH or postgres://…, for the vendor's state; its key is made beside a file
  --price TOOL=PRICE  a decimal string, as forecast=0.001; any number of times
  --max TOOL=PRICE    a ceiling: the tool says what it costs in _meta["lockstep/charge"] of its result

buy    Calls are paid for from your wallet, within a budget; the client knows nothing of it.
  --bank URL          the bank that holds your deposit; $LOCKSTEP_BANK if not said
  --store PATH        the wallet; $LOCKSTEP_WALLET, or ~/.lockstep/wallet.db, if not said
  --request AMOUNT    the most that one call may cost
  --day AMOUNT        the most that is paid in a day

examples:
  lockstep mcp sell --bank https://bank.example --store sqlite:./tools.db --price forecast=0.001 -- node weather.js
  lockstep mcp buy --bank https://bank.example --request 0.01 --day 1 -- ssh tools.example weather-tools

The protocol is on stdin and stdout; everything for people is on stderr.`,
  async run(args, output) {
    const split = args.indexOf('--')
    const [command, ...rest] = split < 0 ? [] : args.slice(split + 1)
    const { values, positionals } = parseOptions(split < 0 ? args : args.slice(0, split), options, 1)
    const [side] = positionals
    if (side !== 'sell' && side !== 'buy') throw new UsageError('say sell or buy')
    if (command === undefined) throw new UsageError('name the server to start after --')
    const bank = values.bank ?? (side === 'buy' ? process.env.LOCKSTEP_BANK : undefined)
    if (bank === undefined) throw new UsageError('--bank is missing: the address of a bank')
    const [{ StdioServerTransport }, { StdioClientTransport }] = await Promise.all([
      import('@modelcontextprotocol/sdk/server/stdio.js'),
      import('@modelcontextprotocol/sdk/client/stdio.js'),
    ])
    const front = new StdioServerTransport()
    const server = new StdioClientTransport({ command, args: rest, env: ownEnvironment(), stderr: 'inherit' })
    const opened =
      side === 'sell' ? await sell({ ...values, bank }, front, server) : await buy({ ...values, bank }, front, server)
    output.say(opened.says)
    try {
      if ((await bridge(opened.front, opened.server, output)) === 'server') {
        throw new CommandError('the server after -- has ended: what it said last is above')
      }
    } finally {
      await opened.close()
    }
    return exitCodes.done
  },
}

const options = {
  bank: { type: 'string' },
  asset: { type: 'string', default: 'USD' },
  store: { type: 'string' },
  price: { type: 'string', multiple: true, default: [] as string[] },
  max: { type: 'string', multiple: true, default: [] as string[] },
  request: { type: 'string' },
  day: { type: 'string' },
} as const

interface Values {
  readonly bank: string
  readonly asset: string
  readonly store?: string | undefined
  readonly price: readonly string[]
  readonly max: readonly string[]
  readonly request?: string | undefined
  readonly day?: string | undefined
}

interface Opened {
  readonly front: Transport
  readonly server: Transport
  readonly says: string
  close(): Promise<void>
}

async function sell({ bank, asset, store, price, max }: Values, front: Transport, server: Transport): Promise<Opened> {
  if (store === undefined) throw new UsageError('--store is missing: sqlite:PATH, for what the vendor has to remember')
  const prices: ToolPrices = {
    ...Object.fromEntries(price.map((text) => pairOf('price', text))),
    ...Object.fromEntries(max.map((text) => pairOf('max', text)).map(([tool, ceiling]) => [tool, { max: ceiling }])),
  }
  if (Object.keys(prices).length === 0) throw new UsageError('no tool has a price: --price TOOL=PRICE')
  const [{ paywall }, { paidTransport }] = await Promise.all([
    import('../../vendor/index.ts'),
    import('../../mcp/index.ts'),
  ])
  const pay = await paywall({ bank, asset, store })
  return {
    front: paidTransport(front, { pay, prices }),
    server,
    says: `selling ${Object.keys(prices).join(', ')} as vendor ${pay.vendor}`,
    close: () => pay.close(),
  }
}

async function buy({ bank, asset, store, request, day }: Values, front: Transport, server: Transport): Promise<Opened> {
  const [{ wallet }, { payingTransport }] = await Promise.all([
    import('../../client/index.ts'),
    import('../../mcp/index.ts'),
  ])
  const budget = { ...(request !== undefined && { request }), ...(day !== undefined && { day }) }
  const w = await wallet({ bank, asset, budget, ...placeOf({ store, account: undefined }) })
  return { front, server: payingTransport(server, w), says: `paying from account ${w.account}`, close: () => w.stop() }
}

/** Passes messages both ways until either side ends: gives which one. What is no message is said, and passed over. */
async function bridge(front: Transport, server: Transport, output: Output): Promise<'front' | 'server'> {
  const warn = (error: Error): void => output.say(`lockstep: passed over: ${printable(error.message)}`)
  try {
    await server.start()
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new CommandError(`the server after -- cannot be started: ${printable(why)}`, { cause })
  }
  const ended = await new Promise<'front' | 'server'>((resolve, reject) => {
    front.onmessage = (message) => void server.send(message).catch(warn)
    server.onmessage = (message) => void front.send(message).catch(warn)
    front.onclose = () => resolve('front')
    server.onclose = () => resolve('server')
    front.onerror = warn
    server.onerror = warn
    // The SDK's transport does not look at the end of its input.
    process.stdin.once('end', () => resolve('front'))
    process.once('SIGTERM', () => resolve('front')).once('SIGINT', () => resolve('front'))
    front.start().catch(reject)
  })
  await Promise.allSettled([front.close(), server.close()])
  return ended
}

function pairOf(option: string, text: string): readonly [string, string] {
  const [, tool, price] = /^(.+)=([^=]+)$/.exec(text) ?? []
  if (tool !== undefined && price !== undefined) return [tool, price]
  throw new UsageError(`--${option} takes TOOL=PRICE, such as forecast=0.001, not ${JSON.stringify(text)}`)
}

/** What this process was started with is the server's: it stands in its place. */
function ownEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

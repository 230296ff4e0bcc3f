import { mkdir } from 'node:fs/promises'
import { type Command, CommandError, exitCodes, type Output, parseOptions, printable, wholeOption } from '../command.ts'
import type { DevTown } from '../dev/town.ts'

export const dev: Command = {
  name: 'dev',
  summary: 'a bank, a chain, a vendor and a funded wallet on this machine, offline',
  help: `usage: lockstep dev [--dir DIR] [--port PORT] [--bank-port PORT] [--json]

Starts everything that a payment needs and keeps it running until Ctrl-C: a bank with a chain of its own, a vendor with something of
each kind for sale, a faucet, and a wallet with test money. Nothing leaves this machine.

  --dir DIR         keep stores and keys there and go on with them the next time; a temporary folder if not said
  --port PORT       where the vendor listens; 4020 if not said, 0 takes a free one
  --bank-port PORT  where the bank listens; 4021 if not said
  --json            one line: {"bank", "vendor", "page", "faucet", "wallet": {"store", "account"}}

examples:
  lockstep dev
  lockstep pay http://127.0.0.1:4020/joke --bank http://127.0.0.1:4021 --store DIR/wallet.db
  curl -d ACCOUNT http://127.0.0.1:4020/faucet

The page at the vendor's address pays per token from a wallet of its own, in the browser.`,
  async run(args, output) {
    const { values } = parseOptions(args, {
      dir: { type: 'string' },
      port: { type: 'string', default: '4020' },
      'bank-port': { type: 'string', default: '4021' },
      json: { type: 'boolean', default: false },
    })
    const [{ openDevTown }, { createScratch }] = await Promise.all([
      import('../dev/town.ts'),
      import('../demo/scratch.ts'),
    ])
    const scratch = values.dir === undefined ? createScratch() : undefined
    const folder = values.dir ?? scratch!.path
    try {
      await makeFolder(folder)
      const town = await openDevTown({
        folder,
        port: wholeOption('port', values.port, 0, 65_535),
        bankPort: wholeOption('bank-port', values['bank-port'], 0, 65_535),
        onError: (error) => output.say(`lockstep: ${error instanceof Error ? error.message : String(error)}`),
      })
      tell(town, output, values.json)
      await interrupted()
      await town.close()
      return exitCodes.done
    } finally {
      scratch?.remove()
    }
  },
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new CommandError(`${printable(path)} cannot be made (${why}): name another folder with --dir`, { cause })
  }
}

function tell({ bankUrl, vendorUrl, wallet }: DevTown, output: Output, isJson: boolean): void {
  const faucet = `${vendorUrl}/faucet`
  const page = `${vendorUrl}/`
  output.out(
    isJson
      ? JSON.stringify({ bank: bankUrl, vendor: vendorUrl, page, faucet, wallet })
      : `
  page      ${page}
  vendor    ${vendorUrl}   GET /joke 0.001 · GET /tokens 0.00002 a token · GET /clock 0.0005 a second · POST /count 0.0001 a word
  bank      ${bankUrl}
  faucet    POST ${faucet}
  wallet    ${wallet.store}
  account   ${wallet.account}

Try, in another terminal:

  export LOCKSTEP_BANK=${bankUrl} LOCKSTEP_WALLET=${wallet.store}
  npx lockstep pay ${vendorUrl}/joke
  npx lockstep pay ${vendorUrl}/tokens --stream
  npx lockstep wallet

Ctrl-C ends it.`,
  )
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}

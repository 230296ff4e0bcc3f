import { writeFileSync } from 'node:fs'
import { type ChannelView, viewChannels } from '../../client/wallet/channelViews.ts'
import type { WalletEvent } from '../../client/wallet/events.ts'
import { type LedgerFilter, readLedger } from '../../client/wallet/ledger.ts'
import { aligned, toCsv, toNdjson, toTable } from '../../client/wallet/ledgerFormats.ts'
import { nodePlatform, openHome } from '../../client/wallet/nodeHome.ts'
import { toHex } from '../../crypto/bytes.ts'
import {
  type Command,
  CommandError,
  choiceOption,
  exitCodes,
  type Output,
  parseOptions,
  UsageError,
} from '../command.ts'
import { openNamed, placeOf, walletHelp, walletOptions } from '../wallet/open.ts'

export const wallet: Command = {
  name: 'wallet',
  summary: 'what your wallet has, where it went, and how it comes back',
  help: `usage: lockstep wallet [balance | account | channels | history | export | close | recover] [options]

balance    what is at the bank, what is in channels, and what was paid today. This is what a bare "lockstep wallet" does
account    the public key of your account: whoever pays in at the bank names it
channels   every channel, and what became of it: --all for those that have ended too
history    every payment: what was bought where, and what it cost
export     the same for a program or a spreadsheet
close      ends every open channel: each vendor states its last and claims, and the bank gives back the rest
recover    after a crash, a loss or a restored copy: asks the bank what became of every channel, and gets back what is yours

account, channels, history and export ask nobody: they work offline. A wallet is one process's alone: stop what uses it first.

${walletHelp}

  --host HOST     history, export: payments to this host alone, as api.example
  --since DATE    history, export: from then on, as 2026-11-01
  --format WORD   export: csv (default) or ndjson
  --output FILE   export: write it there
  --all           channels: those that have ended too
  --json          one JSON object, or one a line

examples:
  lockstep wallet account
  lockstep wallet --bank https://bank.example
  lockstep wallet history --since 2026-11-01
  lockstep wallet export --format csv --output payments.csv
  lockstep wallet close`,
  async run(args, output) {
    const { values, positionals } = parseOptions(args, options, 1)
    const [word = 'balance'] = positionals
    const action = Object.hasOwn(actions, word) ? actions[word] : undefined
    if (action === undefined) throw new UsageError(`wallet knows ${Object.keys(actions).join(', ')}, not ${word}`)
    return action(values, output)
  },
}

const options = {
  ...walletOptions,
  host: { type: 'string' },
  since: { type: 'string' },
  format: { type: 'string', default: 'csv' },
  output: { type: 'string' },
  all: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

type Values = ReturnType<typeof parseOptions<typeof options>>['values']

const actions: Readonly<Record<string, (values: Values, output: Output) => Promise<number>>> = {
  async balance(values, output) {
    const w = await openNamed(values)
    try {
      const balance = { ...(await w.balance()), paidToday: w.paidToday() }
      const code = balance.asset.split('/')[0]
      if (values.json) output.out(JSON.stringify(balance))
      else {
        const { account, atBank, inChannels, paidToday } = balance
        const lines = [
          ['account', account],
          ['at the bank', `${atBank} ${code}`],
          ['in channels', `${inChannels} ${code}`],
          ['paid today', `${paidToday} ${code}`],
        ]
        output.out(aligned(lines))
      }
      return exitCodes.done
    } finally {
      await w.stop()
    }
  },

  account: (values, output) =>
    offline(values, async ({ account }) => {
      const key = toHex(account.publicKey)
      output.out(values.json ? JSON.stringify({ account: key }) : key)
    }),

  channels: (values, output) =>
    offline(values, async ({ journal }) => {
      const views = (await viewChannels(journal, nodePlatform.now())).filter((view) => values.all || !hasEnded(view))
      if (values.json) for (const view of views) output.out(JSON.stringify(view))
      else output.out(tableOf(views))
    }),

  history: (values, output) =>
    offline(values, async ({ journal }) => {
      const rows = await readLedger(journal, filterOf(values))
      output.out(values.json ? toNdjson(rows).trimEnd() : toTable(rows))
    }),

  export: (values, output) =>
    offline(values, async ({ journal }) => {
      const format = choiceOption('format', values.format, ['csv', 'ndjson'])
      const rows = await readLedger(journal, filterOf(values))
      const text = format === 'csv' ? toCsv(rows) : toNdjson(rows)
      if (values.output === undefined) output.out(text.trimEnd())
      else writeTo(values.output, text)
    }),

  recover: recovered,

  async close(values, output) {
    const ends: Ended[] = []
    const w = await openNamed(values, {
      onEvent: (event) => {
        if (event.kind === 'closed' || event.kind === 'closeFailed') ends.push(event)
      },
    })
    await w.close()
    for (const end of ends) sayEnd(end, values.json, output)
    if (ends.length === 0) output.say('no channel is open that was ever paid over')
    return ends.some(({ kind }) => kind === 'closeFailed') ? exitCodes.failed : exitCodes.done
  },
}

async function recovered(values: Values, output: Output): Promise<number> {
  const w = await openNamed(values)
  try {
    const { opened, ended, lost, failed } = await w.recover()
    const failures = failed.map(({ channel, cause }) => ({ channel, why: reasonOf(cause) }))
    if (values.json) output.out(JSON.stringify({ opened: opened.length, ended, lost, failed: failures }))
    else {
      for (const { channel, host, status, spent, refund } of ended) {
        output.out(`${channel.slice(0, 16)}  ${host}  ${status}: spent ${spent}, ${refund} came back`)
      }
      for (const { channel, funds, deadline, refund } of lost) {
        const when = refund === undefined ? `${funds} comes back after ${deadline}` : `${refund} came back`
        output.out(`${channel.slice(0, 16)}  its keys are lost: ${when}`)
      }
      for (const { channel, why } of failures) output.say(`${channel.slice(0, 16)}  ${why}`)
      if (ended.length + lost.length + failures.length === 0)
        output.say('nothing is due: every channel is as it was left')
    }
    return failures.length === 0 ? exitCodes.done : exitCodes.failed
  } finally {
    await w.stop()
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

type Ended = Extract<WalletEvent, { kind: 'closed' | 'closeFailed' }>

/** Reads what is in the wallet's files, and asks nobody. */
async function offline(
  values: Values,
  work: (home: Awaited<ReturnType<typeof openHome>>) => Promise<void>,
): Promise<number> {
  const home = await openHome(placeOf(values))
  try {
    await work(home)
    return exitCodes.done
  } finally {
    await home.journal.close()
  }
}

function filterOf({ host, since }: Values): LedgerFilter {
  const from = since === undefined ? undefined : new Date(since)
  if (from !== undefined && Number.isNaN(from.getTime())) {
    throw new UsageError(`--since takes a date, as 2026-11-01, not ${JSON.stringify(since)}`)
  }
  return { ...(host !== undefined && { host }), ...(from && { since: from }) }
}

function hasEnded({ status }: ChannelView): boolean {
  return status === 'closed' || status === 'refunded'
}

function tableOf(views: readonly ChannelView[]): string {
  const lines = views.map(({ channel, host, status, funds, paid, spent, asset, payments, expires }) => [
    channel.slice(0, 16),
    host,
    status,
    funds,
    paid,
    spent,
    asset,
    String(payments),
    expires.slice(0, 16).replace('T', ' '),
  ])
  return aligned([['CHANNEL', 'HOST', 'STATUS', 'FUNDS', 'PAID', 'SPENT', 'ASSET', 'PAYMENTS', 'EXPIRES'], ...lines])
}

function sayEnd(end: Ended, isJson: boolean, output: Output): void {
  const { kind, channel, host } = end
  if (kind === 'closed') {
    const { spent, receiptsOpened } = end
    if (isJson) output.out(JSON.stringify({ channel, host, closed: true, spent, receiptsOpened }))
    else output.out(`${channel.slice(0, 16)}  ${host}  closed: spent ${spent} ${end.asset.split('/')[0]}`)
    return
  }
  const why = reasonOf(end.cause)
  if (isJson) output.out(JSON.stringify({ channel, host, closed: false, why }))
  else output.say(`${channel.slice(0, 16)}  ${host}  not closed: ${why}`)
}

function writeTo(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx' })
  } catch (cause) {
    const exists = (cause as NodeJS.ErrnoException).code === 'EEXIST'
    throw new CommandError(`${path} ${exists ? 'is there already' : 'cannot be written'}: name another file`, { cause })
  }
}

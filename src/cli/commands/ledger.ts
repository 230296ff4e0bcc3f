import { backend } from '../../crypto/backend.ts'
import { fromHex } from '../../crypto/bytes.ts'
import { auditBooks } from '../../ops/audit/audit.ts'
import { exportJournal } from '../../ops/audit/exportJournal.ts'
import { type AuditReport, encodeReport } from '../../ops/audit/report.ts'
import { openBankReader } from '../../ops/audit/stores.ts'
import { networkOf, readKeyPair, sectionOf } from '../../ops/config/index.ts'
import { type Command, choiceOption, exitCodes, type Output, parseOptions, UsageError } from '../command.ts'
import { configHelp, configOption, loadConfig, sayingWhatIsWrong } from '../service/config.ts'

export const ledger: Command = {
  name: 'ledger',
  summary: 'audit or export the books of a bank',
  help: `usage: lockstep ledger audit (--config FILE | --store STORE) [--bank HEX] [--network NAME] [--quick] [--json]
       lockstep ledger export (--config FILE | --store STORE) [--format csv|ndjson]

audit recomputes the books from the journal: balances, what channels hold, what was paid out, what came in less what went out;
then every record, batch and log entry, by their hashes and signatures. It reads one moment of the store, beside the bank
that writes it, and changes nothing. Where something is wrong it names the first such thing, and exits 1.

export prints every posting of the journal, oldest first: one line for each transfer.

${configHelp}
  --store STORE   the store itself, where there is no config: a path
  --bank HEX      the bank whose books they are: its public key. Left out: the config's, or the one that the channels name
  --network NAME  the network of its channels. Left out: the same
  --quick         without the bank's signature on every channel
  --format WORD   csv (default) or ndjson
  --json          one JSON object: {"ok", "checks", "faults", "imbalance", "counts", "totals"}

examples:
  lockstep ledger audit --config lockstep.json
  lockstep ledger export --config lockstep.json --format ndjson`,
  async run(args, output) {
    const { values, positionals } = parseOptions(
      args,
      {
        ...configOption,
        store: { type: 'string' },
        bank: { type: 'string' },
        network: { type: 'string' },
        format: { type: 'string', default: 'csv' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
      1,
    )
    const [word] = positionals
    if (word !== 'audit' && word !== 'export') throw new UsageError('say which: ledger audit, or ledger export')
    const format = choiceOption('format', values.format, ['csv', 'ndjson'])
    const bank = bankOption(values.bank)
    const books =
      values.store === undefined
        ? configuredBooks(values.config, bank)
        : { store: values.store, bank: undefined, network: undefined }
    const reader = await openBankReader(books.store)
    try {
      if (word === 'export') return await printJournal(output, exportJournal(reader, format))
      const owner = { bank: bank ?? books.bank, network: values.network ?? books.network }
      const report = await auditBooks(reader, { ...owner, isDeep: !values.quick })
      sayReport(output, report, values.json)
      return report.ok ? exitCodes.done : exitCodes.failed
    } finally {
      await reader.close()
    }
  },
}

interface Books {
  readonly store: string
  readonly bank: Uint8Array | undefined
  readonly network: string | undefined
}

/** An auditor who knows the bank needs none of its keys. */
function configuredBooks(option: string | undefined, bank: Uint8Array | undefined): Books {
  const loaded = loadConfig(option)
  return sayingWhatIsWrong(() => {
    const config = sectionOf(loaded, 'bank')
    return { store: config.store, bank: bank ?? readKeyPair(config.keyFile).publicKey, network: networkOf(config) }
  })
}

function bankOption(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined
  const key = /^[0-9a-f]{64}$/.test(text) ? fromHex(text) : undefined
  if (key !== undefined && backend.isXCoordinate(key)) return key
  throw new UsageError('--bank takes a public key of 64 hex digits, as "lockstep keys FILE" prints it')
}

function sayReport(output: Output, report: AuditReport, json: boolean): void {
  if (json) {
    output.out(encodeReport(report))
    return
  }
  const { counts, faults, checks, totals } = report
  for (const { asset, deposited, withdrawn, accounts, locked, channels } of totals) {
    output.out(
      `${asset}: ${deposited} in, ${withdrawn} out; ${accounts} in accounts, ${locked} locked, ${channels} in channels`,
    )
  }
  const { channelsOpen, channelsEnded, records, recordsQueued, batches, transfers } = counts
  output.out(
    `${counts.accounts} accounts, ${channelsOpen} open and ${channelsEnded} ended channels, ${transfers} transfers, ` +
      `${records} records in ${batches} batches, ${recordsQueued} of them queued`,
  )
  const [first] = faults
  if (first === undefined) output.out(`the books are right: ${checks.length} checks`)
  else
    output.say(
      `lockstep: the books are wrong: ${first.check}: ${first.detail}${faults.length > 1 ? ` (and ${faults.length - 1} more checks fail)` : ''}`,
    )
}

async function printJournal(output: Output, lines: AsyncIterable<string>): Promise<number> {
  // Whoever reads it may have seen enough.
  process.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.done)
  })
  for await (const line of lines) output.out(line)
  return exitCodes.done
}

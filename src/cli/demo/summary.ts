import { toHex } from '../../crypto/bytes.ts'
import { sha256 } from '../../crypto/hash.ts'
import { figures } from '../../published/index.ts'
import { formatDecimal, parseAsset } from '../../wire/amount.ts'
import { asset } from './town.ts'
import type { DemoResult, DemoRun } from './types.ts'

/** What happened, for a person. */
export function summarize(
  run: DemoRun,
  { bankKey, saved }: { readonly bankKey: string; readonly saved: string | undefined },
): string {
  const { result } = run
  const { chain, ms, bytes, retry } = result
  const rows: [string, string][] = [
    ['paid', `${money(result.paid)} in ${result.payments} payments${result.ticks ? ` and ${result.ticks} ticks` : ''}`],
  ]
  if (result.charged !== null) rows.push(['charged', money(result.charged)])
  rows.push(['refunded', `${money(result.refunded)}, at once`])
  if (retry !== null) {
    const { sent, handlerRuns, charges } = retry
    rows.push([
      'lost answer',
      `payment sent ${times(sent)}, handler run ${times(handlerRuns)}, charged ${times(charges)}`,
    ])
  }
  rows.push(
    ['receipts', `${result.receiptsOpened} opened by one signature, ${result.receiptsVerified} verified`],
    ['content', `sha256 ${result.contentSha256}`],
    [
      'bytes',
      `${bytes.setup} to open, ${bytes.perPayment} a payment${ticksEach(result)}, ${bytes.release} to release; on the wire, both ways`,
    ],
    ['', ''],
    [
      `time (${result.backend})`,
      `this run, over sockets${result.profile === 'lockstep' ? ', every store synced' : ''} · the paper`,
    ],
    ['  setup', beside(ms.setup, figures.setup.seconds)],
    ['  transaction', `${beside(ms.transaction, figures.transaction.seconds)}${forTen(result)}`],
    ['  release', beside(ms.release, figures.release.seconds)],
    ['', ''],
    [
      'recorded on',
      chain.kind === 'evm' ? `chain ${chain.chainId}, registry ${chain.registry}` : 'the bank’s own signed log',
    ],
    ['  record', chain.recordTx],
    ['  Tx_0', digestOf(run.recorded.first)],
    ['  Tx_n', digestOf(run.recorded.last)],
    ['  leaf', `${chain.leaf} ${chain.proofVerified ? 'proven' : 'NOT PROVEN'}`],
  )
  const width = Math.max(...rows.map(([name]) => name.length))
  const title =
    result.profile === 'lockstep'
      ? `Lockstep/1, ${result.lockScheme} locks`
      : 'the published scheme, last message repaired'
  const lines = [``, title, '', ...rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`.trimEnd())]
  if (saved !== undefined) {
    const registry = chain.registry === null ? '' : ` --registry ${chain.registry}`
    lines.push(
      '',
      `saved to ${saved}; check it offline with`,
      `  lockstep verify ${saved} --bank ${bankKey}${registry}`,
    )
  }
  return lines.join('\n')
}

function money(baseUnits: string): string {
  const parsed = parseAsset(asset)
  if (!parsed.ok) throw new Error(parsed.detail)
  return `${formatDecimal(BigInt(baseUnits), parsed.value)} ${parsed.value.code}`
}

function digestOf(transaction: Uint8Array): string {
  return `${transaction.length} bytes, sha256 ${toHex(sha256(transaction))}`
}

function beside(ms: number, paperSeconds: number): string {
  return `${ms.toFixed(1)} ms · ${(paperSeconds * 1000).toFixed(0)} ms`
}

/** So that a few payments with many ticks between them do not look dear. */
function ticksEach({ payments, ticks }: DemoResult): string {
  return ticks === null || ticks === 0 ? '' : ` with its ${(ticks / payments).toFixed(1)} ticks`
}

/** Of fewer payments than ten, that would be a guess. */
function forTen({ ms, payments, ticks }: DemoResult): string {
  if (payments < 10) return ''
  const each = ticks === null ? '' : ' and their ticks'
  return ` (${((ms.transaction / payments) * 10).toFixed(1)} ms for ten payments${each}; the paper made ten)`
}

function times(count: number): string {
  return count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`
}

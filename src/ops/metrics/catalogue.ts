/** Every metric there is, under its name. `docs/operations.md` has a runbook for each that one would be woken up by. */

import type { AuditReport } from '../audit/report.ts'
import type { JobCounters } from '../service/jobs.ts'
import type { Readiness } from '../service/readiness.ts'
import { counterBy, type Family, gauge, gaugeBy, histogramOf, sumBy } from './families.ts'
import type { BankCounters, CommitCounters, VendorCounters } from './metered.ts'
import type { Sums } from './tally.ts'

/** What is looked at from time to time, because it is too much for a scrape. */
export interface BankWatched {
  /** The last audit of the books; Unix seconds. */
  audit: { readonly report: AuditReport; readonly at: number } | undefined
  /** Why no deadline passes, if so. */
  clockHeld: string | undefined
  /** Withdrawals that the operator has to pay out. */
  withdrawals: number
}

/** What nobody has claimed yet, looked up from time to time. */
export interface Unclaimed {
  /** By asset. */
  readonly value: Sums
  channels: number
  /** Unix seconds: the first of their deadlines. */
  deadline: number | undefined
  /** Payments whose handler was running when the vendor stopped. */
  inDoubt: number
}

export function bankFamilies(counters: BankCounters, watched: BankWatched): readonly Family[] {
  const stat = (read: (report: AuditReport) => number) => () => watched.audit && read(watched.audit.report)
  return [
    counterBy(
      ['lockstep_bank_commands_total', 'Commands and questions that the bank judged, by its method.'],
      'command',
      counters.commands,
    ),
    counterBy(
      ['lockstep_bank_refusals_total', 'Commands that the bank refused, by reason.'],
      'reason',
      counters.refusals,
    ),
    counterBy(['lockstep_bank_events_total', 'What the bank did: opened, closed, recorded.'], 'event', counters.events),
    counterBy(
      ['lockstep_reputation_changes_total', 'Changes of reputation, by cause.'],
      'cause',
      counters.reputationChanges,
    ),
    ...commitFamilies(counters.commits),
    gaugeBy(
      ['lockstep_ledger_imbalance', 'Base units by which the books are wrong, by asset. Must be 0.'],
      'asset',
      () =>
        Object.entries(watched.audit?.report.imbalance ?? {}).map(
          ([asset, amount]) => [asset, Number(amount)] as const,
        ),
    ),
    gauge(
      ['lockstep_ledger_audit_ok', 'Whether the last audit found nothing wrong: 1, or 0.'],
      stat(({ ok }) => (ok ? 1 : 0)),
    ),
    gauge(['lockstep_ledger_audit_timestamp_seconds', 'When the books were audited last.'], () => watched.audit?.at),
    gauge(['lockstep_bank_clock_held', 'Whether the clock is in doubt, so that no deadline passes: 1, or 0.'], () =>
      watched.clockHeld === undefined ? 0 : 1,
    ),
    gauge(
      ['lockstep_bank_withdrawals_waiting', 'Withdrawals that the operator has to pay out.'],
      () => watched.withdrawals,
    ),
    gauge(
      ['lockstep_bank_channels_open', 'Channels that were open at the last audit.'],
      stat(({ counts }) => counts.channelsOpen),
    ),
    gauge(
      ['lockstep_bank_accounts', 'Accounts at the last audit.'],
      stat(({ counts }) => counts.accounts),
    ),
    gauge(
      ['lockstep_bank_records_queued', 'Settled channels that were not on the chain at the last audit.'],
      stat(({ counts }) => counts.recordsQueued),
    ),
  ]
}

export function vendorFamilies(
  counters: VendorCounters,
  unclaimed: Unclaimed,
  nowSeconds: () => number,
): readonly Family[] {
  return [
    counterBy(
      ['lockstep_payments_total', 'Payments that are settled for good, by what became of them: charged or released.'],
      'outcome',
      counters.payments,
    ),
    sumBy(['lockstep_charged_base_units_total', 'What payments were charged, by asset.'], 'asset', counters.charged),
    counterBy(
      ['lockstep_refusals_total', 'Refused payments, ticks, checkpoints and questions, by reason.'],
      'reason',
      counters.refusals,
    ),
    counterBy(
      ['lockstep_problem_answers_total', 'Problem documents answered over HTTP and at the end of streams, by reason.'],
      'reason',
      counters.problems,
    ),
    ...commitFamilies(counters.commits),
    sumBy(
      ['lockstep_unclaimed_base_units', 'What was charged and not claimed from the bank yet, by asset.'],
      'asset',
      unclaimed.value,
      'gauge',
    ),
    counterBy(
      ['lockstep_claims_total', 'Claims on the bank, by outcome: settled; failed, or unknown, to be sent again.'],
      'outcome',
      counters.claims,
    ),
    gauge(['lockstep_unclaimed_channels', 'Channels with something to claim.'], () => unclaimed.channels),
    gauge(
      ['lockstep_claim_deadline_seconds', 'Seconds until the first of their deadlines; what is claimed later is lost.'],
      () => unclaimed.deadline && unclaimed.deadline - nowSeconds(),
    ),
    gauge(
      [
        'lockstep_payments_in_doubt',
        'Payments whose handler was running when the vendor stopped: what became of them nobody knows.',
      ],
      () => unclaimed.inDoubt,
    ),
  ]
}

/** Of every service. */
export function serviceFamilies(
  { version, backend }: { readonly version: string; readonly backend: string },
  { jobs, readiness }: { readonly jobs: JobCounters; readonly readiness: Readiness },
): readonly Family[] {
  return [
    gaugeBy(['lockstep_build_info', 'Version of the program.'], 'version', () => [[version, 1]]),
    gaugeBy(['lockstep_backend_info', 'Arithmetic in use: native or portable.'], 'backend', () => [[backend, 1]]),
    gauge(['lockstep_ready', 'Whether the service is ready: 1, or 0.'], async () =>
      (await readiness.state()).ok ? 1 : 0,
    ),
    counterBy(['lockstep_jobs_done_total', 'Runs of each job that did what they should.'], 'job', jobs.done),
    counterBy(['lockstep_jobs_failed_total', 'Runs of each job that failed.'], 'job', jobs.failed),
    gaugeBy(['lockstep_job_done_timestamp_seconds', 'When each job was last done.'], 'job', () => jobs.lastDone),
  ]
}

function commitFamilies({ seconds, failures }: CommitCounters): readonly Family[] {
  return [
    histogramOf(['lockstep_commit_seconds', 'What a commit of the store takes, its sync included.'], seconds),
    counterBy(
      ['lockstep_commit_failures_total', 'Commits that failed, by what is wrong with the store.'],
      'fault',
      failures,
    ),
  ]
}

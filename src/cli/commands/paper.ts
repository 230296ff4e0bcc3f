import { randomBytes } from 'node:crypto'
import { cpus } from 'node:os'
import { backend } from '../../crypto/backend.ts'
import { prepareArchive, writeArchive } from '../archive/archive.ts'
import { type Command, exitCodes, parseOptions, wholeOption } from '../command.ts'
import { type MeasureInput, measure } from '../paper/measure.ts'
import { type Machine, reportOf } from '../paper/report.ts'
import { savedFiles } from '../paper/saved.ts'
import { tableOf } from '../paper/table.ts'

const paymentsMax = 10_000
const runsMax = 10_000

export const paper: Command = {
  name: 'paper',
  summary: 'run the published scheme and print its table beside ours',
  help: `usage: lockstep paper [options]

Runs the scheme of Wang, Chen, Chu and Lan (Mathematics 2023, 11, 3472) in this process, as printed and with its last message
repaired, and Lockstep/1 beside it; prints the times, exact bytes and counted operations of setup, transaction and release
beside the paper's. Nothing is sent or recorded: "lockstep demo --profile published" does that.

  --n N        payments, 1 to ${paymentsMax} (default 10, as in the paper)
  --runs R     timed runs of each scheme, 1 to ${runsMax} (default: 200 for ten payments, fewer for more; a tenth of that
               on the portable backend)
  --save DIR   write every receipt and lock of one run, as printed and repaired, to a new directory
  --json       one JSON object

examples:
  lockstep paper
  lockstep paper --n 1000 --runs 20
  lockstep paper --json --save ./paper-run`,
  async run(args, output) {
    const { values } = parseOptions(args, {
      n: { type: 'string', default: '10' },
      runs: { type: 'string' },
      save: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const payments = wholeOption('n', values.n, 1, paymentsMax)
    const runs = values.runs === undefined ? defaultRuns(payments) : wholeOption('runs', values.runs, 1, runsMax)
    if (values.save !== undefined) await prepareArchive(values.save)
    const input: MeasureInput = {
      payments,
      runs,
      warmUps: Math.ceil(runs / 5),
      entropy: (size) => new Uint8Array(randomBytes(size)),
      now: () => performance.now(),
      startedAt: BigInt(Math.floor(Date.now() / 1000)),
    }
    if (output.isTerminal) output.say(`running both schemes ${runs + input.warmUps} times …`)
    const measurement = measure(input)
    const saved = values.save ?? null
    const report = reportOf(measurement, { ...input, machine: machine(), saved })
    if (saved !== null) {
      await writeArchive(saved, savedFiles([measurement.repaired, measurement.literal], report))
      output.say(`saved to ${saved}: repaired.json, literal.json and report.json`)
    }
    output.out(values.json ? JSON.stringify(report) : tableOf(report))
    return exitCodes.done
  },
}

/** Enough for a median; natively done within a minute for any n. */
function defaultRuns(payments: number): number {
  const [paymentsTimed, least, most] = backend.name === 'native' ? [2000, 5, 200] : [200, 1, 20]
  return Math.max(least, Math.min(most, Math.round(paymentsTimed / payments)))
}

function machine(): Machine {
  const [cpu] = cpus()
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpu?.model.trim() ?? 'a CPU that does not say its name',
  }
}

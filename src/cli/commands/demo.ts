import { randomBytes } from 'node:crypto'
import { constants, open } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { toHex } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { prepareArchive, writeArchive } from '../archive/archive.ts'
import {
  type Command,
  CommandError,
  choiceOption,
  exitCodes,
  type Output,
  parseOptions,
  wholeOption,
} from '../command.ts'
import { isSound } from '../demo/isSound.ts'
import { runLockstep } from '../demo/lockstep.ts'
import { createProgress } from '../demo/progress.ts'
import { runPublished } from '../demo/published.ts'
import { openStage } from '../demo/stage.ts'
import { summarize } from '../demo/summary.ts'
import type { DemoOptions, DemoRun } from '../demo/types.ts'
import { exitOnSignals } from '../signals.ts'

/** Bytes of a file that the demo reads. */
const fileSizeMax = 64 * 1024 * 1024

export const demo: Command = {
  name: 'demo',
  summary: 'sell a file by the token and record the payment on a chain, all on this machine',
  help: `usage: lockstep demo [options]

Starts an EVM node, a bank, a vendor that sells a file, and a client that buys it: opens a channel, pays per token and per
request, loses one response on purpose and gets it again without paying twice, releases, settles, and records the opening
and the last transaction on the chain. Everything listens on loopback and ends with the command.

  --file PATH        what the vendor sells (default: this project's README)
  --payments N       payments, each with a receipt, 2 to 100000 (default 500); ticks pay the tokens between
  --chain KIND       evm (default: a real node from npm) or embedded (the bank's own signed log)
  --lock SCHEME      schnorr (default) or ecdsa-xor
  --profile NAME     lockstep (default) or published (the paper's scheme as printed, its last message repaired)
  --save DIR         write everything "lockstep verify DIR" needs to a new directory
  --json             one JSON object as the last line of stdout

examples:
  lockstep demo --save ./evidence && lockstep verify ./evidence
  lockstep demo --file song.flac --payments 2000 --chain embedded`,
  async run(args, output) {
    const { values } = parseOptions(args, {
      file: { type: 'string' },
      payments: { type: 'string', default: '500' },
      chain: { type: 'string', default: 'evm' },
      lock: { type: 'string' },
      profile: { type: 'string', default: 'lockstep' },
      save: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const options: DemoOptions = {
      profile: choiceOption('profile', values.profile, ['lockstep', 'published']),
      payments: wholeOption('payments', values.payments, 2, 100_000),
      chain: choiceOption('chain', values.chain, ['evm', 'embedded']),
      lockScheme: choiceOption('lock', values.lock ?? 'schnorr', ['schnorr', 'ecdsa-xor']),
      content: await readContent(values.file ?? fileURLToPath(new URL('../../../README.md', import.meta.url))),
    }
    if (values.save !== undefined) await prepareArchive(values.save)
    if (options.profile === 'published' && values.lock !== undefined) {
      output.say(
        'lockstep: --lock chooses a lock of Lockstep/1; --profile published has its own, so --lock does nothing',
      )
    }
    const bankKey = Schnorr.keyPair(randomBytes(32))
    const run = await play(options, bankKey, output)
    if (values.save !== undefined) await writeArchive(values.save, run.files)
    output.say(summarize(run, { bankKey: toHex(bankKey.publicKey), saved: values.save }))
    if (values.json) output.out(JSON.stringify(run.result))
    return isSound(run.result, options) ? exitCodes.done : exitCodes.failed
  },
}

/** From the first process to the last: whatever it started has ended, and its progress line is gone, when this returns or throws. */
async function play(options: DemoOptions, bankKey: Schnorr.KeyPair, output: Output): Promise<DemoRun> {
  const progress = createProgress(output)
  const asBefore = exitOnSignals(() => progress.done())
  try {
    progress.step(options.chain === 'evm' ? 'starting an EVM node and a registry' : 'opening the bank’s log')
    const stage = await openStage(options.chain, bankKey, progress.count)
    try {
      const runProfile = options.profile === 'lockstep' ? runLockstep : runPublished
      return await runProfile(options, stage, bankKey)
    } finally {
      await stage.close()
    }
  } finally {
    progress.done()
    asBefore()
  }
}

/** A plain file that is not too large, and only that: a pipe or a device may have no end. */
async function readContent(path: string): Promise<Uint8Array> {
  try {
    // Without waiting for somebody to write into a pipe.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stats = await file.stat()
      if (!stats.isFile()) throw new CommandError(`${path} is no plain file: name one with --file`, usage)
      if (stats.size <= fileSizeMax) return await file.readFile()
      throw new CommandError(`${path} has ${stats.size} bytes; the demo sells at most ${fileSizeMax}`, usage)
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof CommandError) throw error
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw new CommandError(`${path} cannot be read (${code}): name a file with --file`, {
      ...usage,
      cause: error,
    })
  }
}

const usage = { exitCode: exitCodes.usage } as const

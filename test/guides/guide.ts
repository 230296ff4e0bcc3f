/** A guide as somebody follows it: its programs, word for word, in a folder of their own, beside a real bank. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { packageResolver, root } from '../../scripts/lockstepPackage.ts'
import { serveBank } from '../../src/bank/server.ts'
import { wallet } from '../../src/client/index.ts'
import { fromHex } from '../../src/crypto/bytes.ts'
import { asset } from '../bank/channels.ts'
import { openBank } from '../bank/support.ts'
import { onEnd } from '../e2e/town.ts'
import { must } from '../protocol/world.ts'

export interface Guide {
  /** The files it names. */
  readonly files: readonly string[]
  readonly folder: string
  /** Starts a program that says where it listens, and gives that address. */
  start(file: string, env?: Readonly<Record<string, string>>): Promise<string>
  /** Runs a program to its end, and gives what it printed. */
  run(file: string, args?: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
}

/** The code blocks of a document that name a file, as ```` ```ts server.ts ````; those of one name follow each other. */
export function filesIn(markdown: string): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const [, name = '', code = ''] of markdown.matchAll(/^```[a-z]+ (\S+)\n([\s\S]*?)^```$/gm)) {
    files.set(name, (files.get(name) ?? '') + code)
  }
  return files
}

/** Writes down the programs of a guide, and opens a bank at which a wallet `./wallet.db` has funds. */
export async function openGuide(path: string): Promise<Guide & { readonly bankUrl: string }> {
  const files = filesIn(readFileSync(join(root, path), 'utf8'))
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-guide-'))
  onEnd(async () => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const [name, code] of files) writeFileSync(join(folder, name), code)
  const bankUrl = await openOpenBank(join(folder, 'wallet.db'))

  const launch = (file: string, args: readonly string[], env: Readonly<Record<string, string>>): Launched => {
    const node = ['--no-warnings', '--import', packageResolver(), file, ...args]
    return launched(
      spawn(process.execPath, node, {
        cwd: folder,
        env: { ...process.env, PORT: '0', LOCKSTEP_BANK: bankUrl, ...env },
      }),
    )
  }
  return {
    files: [...files.keys()],
    folder,
    bankUrl,
    async start(file, env = {}) {
      const { said, ended } = launch(file, [], env)
      const [url] = await Promise.race([said(/https?:\/\/\S+/), ended.then(failed(file))])
      return url
    },
    async run(file, args = [], env = {}) {
      const result = await launch(file, args, env).ended
      return result.code === 0 ? result.stdout : failed(file)(result)
    },
  }
}

interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Launched {
  /** Resolves when it has printed something like this. */
  readonly said: (pattern: RegExp) => Promise<RegExpExecArray>
  readonly ended: Promise<Result>
}

function launched(child: ChildProcess): Launched {
  const text = { stdout: '', stderr: '' }
  const waiting: (() => void)[] = []
  for (const from of ['stdout', 'stderr'] as const) {
    child[from]?.setEncoding('utf8').on('data', (more: string) => {
      text[from] += more
      for (const look of waiting) look()
    })
  }
  const ended = new Promise<Result>((resolve) => child.once('close', (code) => resolve({ code, ...text })))
  onEnd(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    ended,
    said: (pattern) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = pattern.exec(text.stdout)
          if (found !== null) resolve(found)
        }
        waiting.push(look)
        look()
      }),
  }
}

function failed(file: string): (result: Result) => never {
  return ({ code, stdout, stderr }) => {
    throw new Error(`${file} ended with ${code}:\n${stdout}${stderr}`)
  }
}

/** A bank where vendors register by themselves, and the wallet of this place has 10 USD. */
async function openOpenBank(walletPath: string): Promise<string> {
  const { bank } = openBank({ commandRules: { lifeMax: 86_400n, depositMin: new Map([[asset, 0n]]) } })
  const server = await serveBank(bank)
  onEnd(() => server.close())
  const w = await wallet({ bank: server.url, store: walletPath })
  must(await bank.register(fromHex(w.account)))
  must(await bank.deposit(fromHex(w.account), asset, 10_000_000n))
  await w.stop()
  return server.url
}

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { audit } from './audit.ts'
import { postgresBooks, sqliteBooks } from './books.ts'
import type { ProcessConfig } from './config.ts'
import { freePort } from './freePort.ts'

/**
 * `npm run check:kill -- --seed N --seconds S [--store postgres] [--json]`: a bank, two vendors and three clients as processes
 * over sockets, any of which, and the database server, is killed at random moments and started again. At the end the books, the stores and what the handlers did must
 * agree.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    seconds: { type: 'string', default: '20' },
    store: { type: 'string', default: 'sqlite' },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const random = generator(Number(values.seed))
const folder = mkdtempSync(join(tmpdir(), 'lockstep-kill-'))
const ports = await Promise.all([freePort(), freePort(), freePort()])
const [bankPort, ...vendorPorts] = ports as [number, number, number]
const names = { vendors: ['vendor0', 'vendor1'], clients: ['client0', 'client1', 'client2'] }
const books = values.store === 'postgres' ? await postgresBooks(['bank', ...names.vendors]) : sqliteBooks(folder)
const { databases } = books
const shared = { label: `kill ${values.seed}`, folder, bankPort, vendorPorts, clients: names.clients.length, databases }

/** A process that is started again whenever it ends before it was asked to. */
class Party {
  readonly name: string
  readonly #script: string
  readonly #config: ProcessConfig
  #child: ChildProcess | undefined
  #finishing = false
  done = false
  starts = 0

  constructor(name: string, script: string, port: number) {
    this.name = name
    this.#script = script
    this.#config = { ...shared, name, port }
  }

  start(): Promise<void> {
    const child = fork(join(import.meta.dirname, this.#script), {
      env: { ...process.env, LOCKSTEP_KILL: JSON.stringify(this.#config) },
      // What a process warns of while others are dead is expected.
      execArgv: ['--no-warnings'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child = child
    this.starts += 1
    return new Promise((resolve, reject) => {
      child.on('message', (word) => {
        if (word === 'done') this.done = true
        if (word !== 'ready') return
        if (this.#finishing) child.send('finish')
        resolve()
      })
      child.once('exit', (code, signal) => {
        if (this.done || signal === 'SIGKILL') resolve()
        else reject(new Error(`${this.name} ended by itself with ${code ?? signal}`))
      })
    })
  }

  async kill(): Promise<void> {
    const child = this.#child!
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Asks it to end in good order and waits for that. */
  async finish(): Promise<void> {
    this.#finishing = true
    const child = this.#child!
    if (this.done) return
    const ended = once(child, 'exit')
    child.send('finish')
    await ended
    if (!this.done) throw new Error(`${this.name} did not end in good order`)
  }
}

const bank = new Party('bank', 'bankProcess.ts', bankPort)
const vendors = names.vendors.map((name, index) => new Party(name, 'vendorProcess.ts', vendorPorts[index]!))
const clients = names.clients.map((name) => new Party(name, 'clientProcess.ts', 0))
const parties = [bank, ...vendors, ...clients]
let kills = 0
try {
  await bank.start()
  await Promise.all([...vendors, ...clients].map((party) => party.start()))
  const end = Date.now() + Number(values.seconds) * 1000
  while (Date.now() < end) {
    await pause(200 + random() * 600)
    kills += 1
    const party = parties[Math.floor(random() * (parties.length + (books.hasServer ? 1 : 0)))]
    if (party === undefined) {
      await books.killServer()
      continue
    }
    await party.kill()
    await pause(random() * 300)
    await party.start()
  }
  await Promise.all(clients.map((party) => party.finish()))
  await Promise.all(vendors.map((party) => party.finish()))
  await pause(700)
  await bank.kill()
  const result = {
    seed: Number(values.seed),
    kills,
    store: values.store,
    ...(await audit(books.query, { folder, ...names })),
  }
  const { lost, doubled, imbalance, chargedWithoutEffect, effectsUnlisted, settledWrong } = result
  const sound = lost + doubled + chargedWithoutEffect + effectsUnlisted + settledWrong === 0 && imbalance === '0'
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${table(result)}\n`)
  process.exitCode = sound && result.payments > 0 ? 0 : 1
} finally {
  await Promise.all(parties.map((party) => party.kill().catch(() => undefined)))
  await books.remove()
  if (values.keep) process.stderr.write(`${folder}\n`)
  else rmSync(folder, { recursive: true, force: true })
}
// A server that ran in this process ends it with 0 when nothing is left to do: what was found out comes first.
process.exit()

function table(result: Readonly<Record<string, unknown>>): string {
  return Object.entries(result)
    .map(([name, value]) => `${name.padEnd(22)}${String(value)}`)
    .join('\n')
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** mulberry32: small, and the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

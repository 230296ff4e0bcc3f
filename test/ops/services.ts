/** A bank and a vendor as processes of their own, run as anybody runs them: `lockstep bank --config FILE`. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { toHex } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import * as Schnorr from '../../src/crypto/Schnorr.ts'
import { askAdmin } from '../../src/ops/service/admin.ts'

const launcher = join(import.meta.dirname, '../../bin/lockstep.js')

const cleanups: (() => unknown)[] = []

/** Runs when the test ends, the last first. */
export function onEnd(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** A folder that goes when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-ops-'))
  onEnd(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end. */
export function lockstep(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const { child, said } = launch(args, env)
  onEnd(() => child.kill('SIGKILL'))
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, ...said }))
  })
}

export interface Service {
  readonly url: string
  readonly ops: string
  readonly pid: number
  /** What it has logged so far. */
  readonly events: () => readonly Readonly<Record<string, unknown>>[]
  /** What `/metrics` says of a name with its labels, as `lockstep_payments_total{outcome="charged"}`. */
  metric(name: string): Promise<number | undefined>
  /** `/readyz`. */
  ready(): Promise<{ readonly status: number; readonly checks: Readonly<Record<string, string>> }>
  /** Sends a signal and waits for the end. */
  end(signal?: NodeJS.Signals): Promise<Ran>
}

/** Starts a service and waits until it says where it listens. Throws what it said where it ends instead. */
export async function startService(
  role: 'bank' | 'vendor',
  config: string,
  env: Readonly<Record<string, string>> = {},
  user?: number,
): Promise<Service> {
  const { child, said } = launch([role, '--config', config], env, user)
  const ended = new Promise<Ran>((resolve) => {
    child.once('close', (code) => resolve({ code, ...said }))
  })
  onEnd(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const { url, ops, pid } = await new Promise<{ url: string; ops: string; pid: number }>((resolve, reject) => {
    child.stdout?.on('data', () => {
      if (said.stdout.includes('\n')) resolve(JSON.parse(said.stdout) as { url: string; ops: string; pid: number })
    })
    ended.then(({ code, stderr }) => reject(new Error(`${role} ended with ${code}: ${stderr}`)), reject)
  })
  return {
    url,
    ops,
    pid,
    events: () => said.stderr.split('\n').flatMap(eventOf),
    async metric(name) {
      const text = await (await fetch(`${ops}/metrics`)).text()
      const line = text.split('\n').find((each) => each.startsWith(`${name} `))
      return line === undefined ? undefined : Number(line.slice(name.length + 1))
    },
    async ready() {
      const response = await fetch(`${ops}/readyz`)
      const { checks } = (await response.json()) as { checks: Readonly<Record<string, string>> }
      return { status: response.status, checks }
    },
    end(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

/** Keys, a config and the ports that it names. */
export interface Place {
  readonly folder: string
  readonly config: string
  readonly bank: Schnorr.KeyPair
  readonly vendor: Schnorr.KeyPair
  readonly account: Schnorr.KeyPair
  readonly bankUrl: string
  /** Writes the config anew, with sections changed. */
  write(change?: { readonly bank?: object; readonly vendor?: object; readonly client?: object }): void
}

/** A folder with everything that a bank, a vendor and a client need. */
export async function openPlace(): Promise<Place> {
  const folder = temporaryFolder()
  const [bank, vendor, account] = ['bank', 'vendor', 'account', 'frame'].map((name) => {
    const key = Schnorr.keyPair(sha256(new TextEncoder().encode(`${folder} ${name}`)))
    writeFileSync(join(folder, `${name}.key`), `${toHex(key.secret)}\n`, { mode: 0o600 })
    return key
  }) as [Schnorr.KeyPair, Schnorr.KeyPair, Schnorr.KeyPair]
  writeFileSync(join(folder, 'report.txt'), 'worth its price\n')
  const port = await freePort()
  const bankUrl = `http://127.0.0.1:${port}`
  const config = join(folder, 'lockstep.json')
  const sections = {
    bank: { port, keyFile: 'bank.key', ops: { port: 0 }, jobs: { recordEverySeconds: 1, auditEverySeconds: 0 } },
    vendor: {
      port: await freePort(),
      keyFile: 'vendor.key',
      frameKeyFile: 'frame.key',
      ops: { port: 0 },
      banks: [{ key: toHex(bank.publicKey), url: bankUrl }],
      routes: [
        { path: '/report', price: '1000', file: 'report.txt' },
        { method: 'POST', path: '/echo', price: '10', echo: true },
      ],
    },
    client: { keyFile: 'account.key', bank: { key: toHex(bank.publicKey), url: bankUrl } },
  }
  const write: Place['write'] = (change = {}) => {
    const changed = {
      bank: { ...sections.bank, ...change.bank },
      vendor: { ...sections.vendor, ...change.vendor },
      client: { ...sections.client, ...change.client },
    }
    writeFileSync(config, JSON.stringify(changed))
  }
  write()
  return { folder, config, bank, vendor, account, bankUrl, write }
}

/** Registers both accounts at the bank that runs, and books the client's deposit. */
export async function fund({ folder, account, vendor }: Place, amount = '5000000'): Promise<void> {
  const socket = join(folder, 'bank.sock')
  const [client, seller] = [account, vendor].map(({ publicKey }) => toHex(publicKey))
  await askAdmin(socket, 'register', { account: client })
  await askAdmin(socket, 'register', { account: seller })
  await askAdmin(socket, 'deposit', { account: client, asset: 'USD/6', amount })
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer()
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

function launch(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  user?: number,
): { readonly child: ChildProcess; readonly said: { stdout: string; stderr: string } } {
  const child = spawn(process.execPath, [launcher, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(user !== undefined && { uid: user, gid: user }),
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (text: Buffer) => {
    said.stdout += text.toString()
  })
  child.stderr.on('data', (text: Buffer) => {
    said.stderr += text.toString()
  })
  return { child, said }
}

function eventOf(line: string): readonly Readonly<Record<string, unknown>>[] {
  return line.startsWith('{') ? [JSON.parse(line) as Readonly<Record<string, unknown>>] : []
}

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Hex } from './Chain.ts'
import { ChainError } from './chainError.ts'
import { pause } from './waiting.ts'

/** A local Ethereum node, empty, with a block for each transaction. For demos and tests: nothing it holds lasts. */
export interface Anvil extends AsyncDisposable {
  readonly url: string
  readonly chainId: number
  /** Gives an account this balance. */
  fund(account: Hex, wei: bigint): Promise<void>
  /** Any JSON-RPC method, Anvil's own included. */
  rpc(method: string, params?: readonly unknown[]): Promise<unknown>
  /** Ends the node and returns once it has ended. It also ends with this process, however that ends. */
  stop(): Promise<void>
}

export interface AnvilOptions {
  /** On the loopback interface. Default: a free one. */
  readonly port?: number
  readonly chainId?: number
  /** Rules of the EVM, by their name: `prague`. Default: Anvil's newest. */
  readonly hardfork?: string
  /** The program. Default: the one of the npm package `@foundry-rs/anvil`. */
  readonly binary?: string
  readonly startMs?: number
}

/**
 * ```ts
 * await using anvil = await startAnvil()
 * await anvil.fund(recorder, 10n ** 18n)
 * ```
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { port = 0, chainId = 31_337, hardfork, binary = anvilBinary(), startMs = 20_000 } = options
  const args = ['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId), '--no-cors']
  if (hardfork !== undefined) args.push('--hardfork', hardfork)
  const node = spawnGuarded(binary, args)
  const stop = async (): Promise<void> => {
    if (node.exitCode !== null || node.signalCode !== null) return
    // Let go of before; whoever waits for its end needs it held.
    node.ref()
    const ended = once(node, 'exit')
    node.stdin.end()
    await ended
  }
  const url = `http://127.0.0.1:${await listening(node, { port, binary, startMs, stop })}`
  letExit(node)
  const rpc = (method: string, params: readonly unknown[] = []): Promise<unknown> => request(url, method, params)
  return {
    url,
    chainId,
    rpc,
    fund: async (account, wei) => {
      await rpc('anvil_setBalance', [account, `0x${wei.toString(16)}`])
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Where the npm package keeps the program for this machine. */
export function anvilBinary(platform: string = process.platform, arch: string = process.arch): string {
  const name = `@foundry-rs/anvil-${platform}-${arch === 'x64' ? 'amd64' : arch}`
  const file = platform === 'win32' ? 'anvil.exe' : 'anvil'
  try {
    const require = createRequire(import.meta.url)
    const anvil = require.resolve('@foundry-rs/anvil/package.json')
    const fetched = join(dirname(anvil), file)
    // Where npm left the package for this machine out, the package's install script fetches the program.
    return existsSync(fetched) ? fetched : createRequire(anvil).resolve(`${name}/bin/${file}`)
  } catch (cause) {
    throw new ChainError(
      'PackageMissing',
      `Anvil is not installed for ${platform} on ${arch}: the package ${name} is missing. No node was started. ` +
        'Run npm install --save-dev @foundry-rs/anvil, or use the embedded chain.',
      { cause },
    )
  }
}

type Guarded = ChildProcessByStdio<Writable, Readable, Readable>

interface Start {
  readonly port: number
  readonly binary: string
  readonly startMs: number
  readonly stop: () => Promise<void>
}

function spawnGuarded(binary: string, args: readonly string[]): Guarded {
  const isSource = import.meta.url.endsWith('.ts')
  const guard = isSource ? new URL('./anvilGuard.ts', import.meta.url) : new URL('./anvilGuard.js', import.meta.url)
  return spawn(process.execPath, [fileURLToPath(guard), binary, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A session of its own: Ctrl-C reaches this process alone, which may still want to record something.
    detached: true,
    windowsHide: true,
  })
}

/** The port it listens on. */
async function listening(node: Guarded, start: Start): Promise<number> {
  const deadline = Date.now() + start.startMs
  const [output, complaints] = [collect(node.stdout), collect(node.stderr)]
  const ended = new AbortController()
  node.once('exit', () => ended.abort())
  // Without this an error on a pipe that breaks when the node ends would be nobody's.
  node.stdin.on('error', () => ended.abort())
  while (!ended.signal.aborted && Date.now() < deadline) {
    const port = /Listening on \S+:(\d+)/.exec(output())?.[1]
    if (port !== undefined && (await answers(`http://127.0.0.1:${port}`))) return Number(port)
    await pause(20, ended.signal)
  }
  const error = startError(start, ended.signal.aborted, complaints())
  await start.stop()
  throw error
}

function startError({ port, binary, startMs }: Start, ended: boolean, complaints: string): ChainError {
  const line = complaints.trim().split('\n').at(-1) ?? ''
  if (/address already in use/i.test(line)) {
    return new ChainError(
      'NodeFailed',
      `Anvil did not start: port ${port} is in use. Choose another port, or 0 for a free one.`,
    )
  }
  const what = ended
    ? `it ended (${line === '' ? 'without a word' : line})`
    : `it did not answer within ${startMs / 1000} s`
  return new ChainError(
    'NodeFailed',
    `Anvil did not start: ${what}. Run ${binary} by hand to see why, or use the embedded chain.`,
  )
}

/** The node's output so far, at most its last few kilobytes. Goes on reading: a full pipe would stop the node. */
function collect(stream: Readable): () => string {
  let text = ''
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-8192)
  })
  return () => text
}

/** A node left running keeps no process from ending; the node ends with it. */
function letExit(node: Guarded): void {
  node.unref()
  for (const stream of [node.stdin, node.stdout, node.stderr]) {
    if ('unref' in stream && typeof stream.unref === 'function') stream.unref()
  }
}

async function answers(url: string): Promise<boolean> {
  return request(url, 'eth_chainId', []).then(
    () => true,
    // Not yet: the caller asks again until the time is up.
    () => false,
  )
}

async function request(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const { result, error } = await post(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })).catch(
    (cause) => {
      throw new ChainError(
        'Unreachable',
        `Anvil at ${url} does not answer ${method}: it has ended, and what it held is lost. Start another one, or use the embedded chain.`,
        { cause },
      )
    },
  )
  if (error === undefined) return result
  throw new ChainError('Refused', `Anvil refuses ${method}: ${error.message}. Nothing was changed.`)
}

interface JsonRpcAnswer {
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

async function post(url: string, body: string): Promise<JsonRpcAnswer> {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return (await response.json()) as JsonRpcAnswer
}

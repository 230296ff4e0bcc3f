import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWallet } from '../../src/client/index.ts'
import { sqliteJournal } from '../../src/client/journal/sqlite.ts'
import { keyOf, now, price, urlOf } from './config.ts'
import { freePort } from './freePort.ts'

/**
 * `npm run check:fsync [-- --json]`: a vendor under strace is paid one request after the other. No answer may leave while the
 * store's log holds writes that are not synced. Then the same with `synchronous = OFF`, in a copy of the source: that must be
 * found out, or the check is worth nothing.
 */
const root = join(import.meta.dirname, '../..')
const payments = 20
const syscalls = ['read', 'write', 'writev', 'sendto', 'sendmsg', 'pwrite64', 'fsync', 'fdatasync'] as const
const json = process.argv.includes('--json')

if (spawnSync('strace', ['-V']).status !== 0) {
  process.stderr.write('check:fsync was skipped: strace is not installed here\n')
} else {
  const asItIs = await observe(root)
  const copy = mkdtempSync(join(tmpdir(), 'lockstep-fsync-'))
  const unsafe = await observe(unsynced(copy)).finally(() => rmSync(copy, { recursive: true, force: true }))
  const result = { answers: asItIs.answers, early: asItIs.early, earlyWithoutSync: unsafe.early }
  const sound = result.answers >= payments && result.early === 0 && result.earlyWithoutSync > 0
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${explain(result)}\n`)
  process.exitCode = sound ? 0 : 1
}

interface Observed {
  /** Paid answers that left. */
  readonly answers: number
  /** Those that left before a sync since their request, or with writes to the log that were not synced. */
  readonly early: number
}

function explain({ answers, early, earlyWithoutSync }: Observed & { readonly earlyWithoutSync: number }): string {
  return `${answers} answers, ${early} of them before their sync; with synchronous = OFF ${earlyWithoutSync} are found`
}

/** Pays a vendor that runs from `source` under strace, and reads what the kernel saw. */
async function observe(source: string): Promise<Observed> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-fsync-'))
  const trace = join(folder, 'trace')
  const [bankPort, vendorPort] = [await freePort(), await freePort()]
  const shared = { label: 'fsync', folder, bankPort, vendorPorts: [vendorPort], clients: 1 }
  const processes: ChildProcess[] = []
  const start = async (command: readonly string[], config: object): Promise<void> => {
    const child = spawn(command[0]!, command.slice(1), {
      env: { ...process.env, LOCKSTEP_KILL: JSON.stringify({ ...shared, ...config }) },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    processes.push(child)
    await once(child, 'message')
  }
  try {
    const node = process.execPath
    await start([node, join(root, 'test/kill/bankProcess.ts')], { name: 'bank', port: bankPort })
    const strace = ['strace', '-f', '-yy', '-s', '60', '-e', `trace=${syscalls.join(',')}`, '-o', trace]
    const vendor = [node, join(source, 'test/kill/vendorProcess.ts')]
    await start([...strace, ...vendor], { name: 'vendor0', port: vendorPort })
    await pay(bankPort, vendorPort)
    // In good order: strace that is killed would leave the vendor behind.
    processes.at(-1)!.send('finish')
    await once(processes.at(-1)!, 'exit')
  } finally {
    for (const child of processes) child.kill('SIGKILL')
  }
  const observed = read(readFileSync(trace, 'utf8'))
  rmSync(folder, { recursive: true, force: true })
  return observed
}

async function pay(bankPort: number, vendorPort: number): Promise<void> {
  const journal = sqliteJournal(':memory:')
  const wallet = createWallet({
    journal,
    account: keyOf({ label: 'fsync' }, 'client0'),
    bank: { key: keyOf({ label: 'fsync' }, 'bank').publicKey, url: urlOf(bankPort) },
    clientIdentity: new Uint8Array(32),
    now,
    random: (size) => new Uint8Array(randomBytes(size)),
  })
  const channel = await wallet.open(urlOf(vendorPort), { funds: 40_000n })
  for (let number = 0; number < payments; number++) {
    const response = await channel.fetch(`${channel.vendorUrl}/work`, price, { method: 'POST', body: `${number}` })
    await response.arrayBuffer()
  }
  await journal.close()
}

/** Follows the log's writes and syncs between the requests that came in and the answers that went out. */
function read(trace: string): Observed {
  let synced = false
  let dirty = false
  let answers = 0
  let early = 0
  const pending = new Map<string, string>()
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)
    const call = resumed === null ? rest : `${pending.get(thread) ?? ''}${resumed[1] ?? ''}`
    // A write counts from its beginning, everything else from its end.
    if (rest.endsWith('<unfinished ...>')) {
      pending.set(thread, rest.slice(0, -'<unfinished ...>'.length))
      if (/^pwrite64\(\d+<[^>]*-wal>/.test(rest)) dirty = true
      continue
    }
    if (/^pwrite64\(\d+<[^>]*-wal>/.test(call)) dirty = true
    else if (/^(?:fsync|fdatasync)\(\d+<[^>]*-wal>.* = 0$/.test(call)) {
      dirty = false
      synced = true
    } else if (/^read\(\d+<TCP.*"POST \/work /.test(call)) synced = false
    else if (/^(?:write|writev|sendto|sendmsg)\(\d+<TCP.*"HTTP\/1\.1 200 OK/.test(call) && !call.includes('ETag')) {
      answers += 1
      if (dirty || !synced) early += 1
    }
  }
  return { answers, early }
}

/** A copy of the source whose store does not wait for the disk. */
function unsynced(copy: string): string {
  for (const folder of ['src', 'test/kill', 'package.json'])
    cpSync(join(root, folder), join(copy, folder), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const file = join(copy, 'src/sqlite/open.ts')
  const text = readFileSync(file, 'utf8')
  const changed = text.replace('synchronous = FULL', 'synchronous = OFF')
  if (changed === text)
    throw new Error('src/sqlite/open.ts does not set synchronous = FULL: this check has to follow it')
  writeFileSync(file, changed)
  return copy
}

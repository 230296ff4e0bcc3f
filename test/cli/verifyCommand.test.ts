import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { privateKeyToAddress } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Anvil, attachRegistry, deployRegistry, type Hex, startAnvil } from '../../src/chain/index.ts'
import { type Files, readArchive, writeArchive } from '../../src/cli/archive/archive.ts'
import { encodeArchive } from '../../src/cli/archive/lockstep.ts'
import { CommandError, type Output, UsageError } from '../../src/cli/command.ts'
import { verify } from '../../src/cli/commands/verify.ts'
import { toHex, utf8 } from '../../src/crypto/bytes.ts'
import { digest } from '../chain/support.ts'
import { bankKey } from '../protocol/world.ts'
import { otherBank, recordedChannel } from './archives.ts'

const launcher = fileURLToPath(new URL('../../bin/lockstep.js', import.meta.url))
const recorderKey = digest('recorder')
const bank = toHex(bankKey.publicKey)
const silent: Output = { out: () => undefined, say: () => undefined, isTerminal: false }

let folder: string
/** An archive recorded in a bank's own log. */
let inLog: string
/** One recorded in the registry. */
let onAnvil: string
let anvil: Anvil
let registry: Hex

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lockstep-verify-'))
  await mkdir(join(folder, 'empty'))
  inLog = await saved('in-log', encodeArchive(await recordedChannel()))
  anvil = await startAnvil()
  await anvil.fund(privateKeyToAddress(`0x${toHex(recorderKey)}`), 10n ** 18n)
  const connection = { rpcUrl: anvil.url, chainId: anvil.chainId, key: recorderKey }
  registry = (await deployRegistry(connection)).registry
  const chain = await attachRegistry({ ...connection, registry })
  const archive = await recordedChannel({ chain, network: `eip155:${anvil.chainId}` })
  onAnvil = await saved('on-anvil', encodeArchive(archive))
})

afterAll(async () => {
  await anvil.stop()
  await rm(folder, { recursive: true, force: true })
})

describe('lockstep verify', () => {
  it('accepts what was saved, sums it up, and says whose word it takes', async () => {
    const { code, stdout, stderr } = await run(onAnvil)
    expect(code).toBe(0)
    expect(stdout).toContain('all 10 verified')
    expect(stdout).toContain(registry)
    expect(stdout).toMatch(/0x[0-9a-f]{64}/)
    expect(lines(stderr)).toEqual([
      `trusting the bank key found in ${onAnvil}: ${bank}; pass --bank to name the one you mean`,
      `trusting the registry found in ${onAnvil}: ${registry}; pass --registry to name the one you mean`,
    ])
  })

  it('says nothing but what it found where the trust roots are given, in either case of their digits', async () => {
    for (const args of [
      ['--bank', bank, '--registry', registry],
      [`--bank=${bank.toUpperCase()}`, '--registry', checksummed()],
    ]) {
      const { code, stdout, stderr } = await run(onAnvil, ...args, '--json')
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(lines(stdout)).toHaveLength(1)
      expect(JSON.parse(stdout)).toMatchObject({
        ok: true,
        profile: 'lockstep',
        lockScheme: 'schnorr',
        bank,
        payments: 9,
        receiptsVerified: 10,
        charged: '18167',
        refunded: '81833',
        chain: { kind: 'evm', chainId: anvil.chainId, registry, recordTx: expect.stringMatching(/^0x[0-9a-f]{64}$/) },
        trusted: { bank: 'given', registry: 'given' },
        onChain: null,
      })
    }
  })

  it('has no registry to trust where the bank’s own log has the record', async () => {
    const { code, stdout, stderr } = await run(inLog, '--json')
    expect(code).toBe(0)
    expect(lines(stderr)).toHaveLength(1)
    expect(JSON.parse(stdout)).toMatchObject({
      trusted: { bank: 'found', registry: null },
      chain: { kind: 'embedded' },
    })
  })

  it('exits 1 with one line that names the first thing that is wrong', async () => {
    const dir = await damaged(inLog, 'transcript.bin', 4 * 188 + 50)
    const { code, stdout, stderr } = await run(dir)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(lines(stderr)).toHaveLength(1)
    expect(stderr).toMatch(/^lockstep: transcript\.bin: payment 5 \(byte 752\): no signature of the channel key/)
    const asJson = await run(dir, '--json')
    expect({ code: asJson.code, stderr: asJson.stderr }).toEqual({ code: 1, stderr: '' })
    expect(JSON.parse(asJson.stdout)).toEqual({
      ok: false,
      file: 'transcript.bin',
      reason: 'SignatureInvalid',
      detail: expect.stringContaining('payment 5'),
    })
  })

  it('exits 1 for another bank or registry than the one trusted', async () => {
    const otherKey = toHex(otherBank.publicKey)
    const wrongBank = await run(inLog, '--bank', otherKey)
    expect(wrongBank.code).toBe(1)
    expect(wrongBank.stderr).toBe(`lockstep: terms.bin: the bank of this channel is ${bank}, not ${otherKey}\n`)
    const other = `0x${'12'.repeat(20)}`
    const wrongRegistry = await run(onAnvil, '--registry', other)
    expect(wrongRegistry.code).toBe(1)
    expect(wrongRegistry.stderr).toBe(`lockstep: proof.json: recorded in ${registry}, not in ${other}\n`)
  })

  it('exits 1 for what no archive has in it', async () => {
    const damages: readonly [(dir: string) => Promise<unknown>, string][] = [
      [(dir) => rm(join(dir, 'terms.bin')), 'terms.bin: the file is missing'],
      [(dir) => truncate(join(dir, 'receipts.bin'), 100), 'receipts.bin: 100 bytes'],
      [(dir) => writeFile(join(dir, 'sums.txt'), 'fine'), 'sums.txt: no verifier knows this file'],
      [(dir) => mkdir(join(dir, 'more')), 'more: not a plain file'],
      // Whoever made the directory named its files: none of them writes a line of its own.
      [(dir) => writeFile(join(dir, 'a\u001b[1A\r\n\u202e'), ''), 'a\\u{1b}[1A\\u{d}\\u{a}\\u{202e}: no verifier'],
      [(dir) => replaceByLink(join(dir, 'closing.bin'), 'nowhere'), 'closing.bin: it cannot be read (ENOENT)'],
      [(dir) => replaceByLink(join(dir, 'closing.bin'), 'closing.bin'), 'closing.bin: it cannot be read (ELOOP)'],
      [(dir) => truncate(join(dir, 'transcript.bin'), 2 ** 40), 'transcript.bin: 1099511627776 bytes, and at most'],
    ]
    for (const [damage, says] of damages) {
      const dir = await copied(inLog)
      await damage(dir)
      const said: string[] = []
      expect(await verify.run([dir], { ...silent, say: (line) => void said.push(line) })).toBe(1)
      expect(said).toEqual([expect.stringContaining(`lockstep: ${says}`)])
    }
  })

  it('exits 2 with one line where it is used wrongly', async () => {
    expect(await run()).toEqual({
      code: 2,
      stdout: '',
      stderr: 'lockstep: name the directory to verify. See "lockstep help verify".\n',
    })
    const nowhere = join(folder, 'nowhere')
    expect(await run(nowhere, '--json')).toEqual({
      code: 2,
      stdout: '',
      stderr: `lockstep: ${nowhere} cannot be read (ENOENT): name a directory that --save wrote\n`,
    })
  })

  it.each([
    ['two directories', () => [inLog, onAnvil], 'unexpected argument'],
    ['a file', () => [join(inLog, 'terms.bin')], 'cannot be read (ENOTDIR)'],
    ['an empty directory', () => [join(folder, 'empty')], 'holds nothing to verify'],
    ['a directory of something else', () => [folder], 'holds nothing to verify'],
    ['a large directory', () => [fileURLToPath(new URL('../../node_modules', import.meta.url))], 'holds nothing to'],
    ['a bank that is no key', () => [inLog, '--bank', 'abc'], '--bank takes a public key of 64 hex digits'],
    ['a bank that is no point', () => [inLog, '--bank', 'ff'.repeat(32)], '--bank takes a public key'],
    ['a registry that is no address', () => [inLog, '--registry', '0x12'], '--registry takes an address'],
    ['a node that is no address', () => [inLog, '--rpc', 'localhost'], '--rpc takes the address of a node'],
    ['a node that is no web address', () => [inLog, '--rpc', 'file:///'], '--rpc takes the address of a node'],
    ['a node for a record on no chain', () => [inLog, '--rpc', 'http://127.0.0.1:1'], 'recorded on none'],
    ['an unknown option', () => [inLog, '--fast'], "Unknown option '--fast'"],
    ['an option without its value', () => [inLog, '--bank'], '--bank'],
  ])('refuses %s as wrong use, in one line', async (_, args, says) => {
    const error = await verify.run(args(), silent).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    if (!(error instanceof UsageError || error instanceof CommandError))
      throw new Error('not refused', { cause: error })
    if (error instanceof CommandError) expect(error.exitCode).toBe(2)
    expect(error.message).toContain(says)
    expect(error.message).not.toContain('\n')
  })

  it('asks a node, where it is told to, whether the record is in a block', async () => {
    const { code, stdout } = await run(onAnvil, '--rpc', anvil.url, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, onChain: true })
    await using elsewhere = await startAnvil()
    const forgotten = await run(onAnvil, '--rpc', elsewhere.url)
    expect(forgotten.code).toBe(1)
    expect(lines(forgotten.stderr)).toHaveLength(1)
    expect(forgotten.stderr).toContain('no registry at that address')
  })

  it('says that a node does not answer, and exits 1', async () => {
    const { code, stderr } = await run(onAnvil, '--rpc', 'http://127.0.0.1:1')
    expect(code).toBe(1)
    expect(lines(stderr)).toHaveLength(1)
    expect(stderr).toContain('http://127.0.0.1:1 does not answer')
  })
})

describe('an archive on disk', () => {
  it('is read as it was written, by its owner alone', async () => {
    const read = await readArchive(inLog)
    expect(read.ok).toBe(true)
    expect([...read.files.keys()].sort()).toEqual([...encodeArchive(await recordedChannel()).keys()].sort())
    const files = encodeArchive(await recordedChannel())
    for (const [name, bytes] of files) expect(new Uint8Array(read.files.get(name)!)).toEqual(bytes)
    if (process.platform === 'win32') return
    expect((await stat(inLog)).mode & 0o777).toBe(0o700)
    for (const name of await readdir(inLog)) expect((await stat(join(inLog, name))).mode & 0o777).toBe(0o600)
  })

  it('is never written over anything', async () => {
    const files: Files = new Map([['terms.bin', utf8('terms')]])
    const dir = join(folder, 'occupied')
    await mkdir(dir)
    await writeArchive(dir, files)
    await expect(writeArchive(dir, files)).rejects.toThrow(`${dir} is not empty`)
    const file = join(dir, 'terms.bin')
    await expect(writeArchive(file, files)).rejects.toThrow(`${file} cannot be written (ENOTDIR)`)
    expect(await readFile(file, 'utf8')).toBe('terms')
  })
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function run(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [launcher, 'verify', ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [stdout, stderr, [code]] = await Promise.all([
    textOf(child.stdout),
    textOf(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ])
  return { code, stdout, stderr }
}

async function textOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '')
}

async function saved(name: string, files: Files): Promise<string> {
  const dir = join(folder, name)
  await writeArchive(dir, files)
  return dir
}

let copies = 0

async function copied(dir: string): Promise<string> {
  return saved(`copy-${++copies}`, (await readArchive(dir)).files)
}

async function damaged(dir: string, name: string, offset: number): Promise<string> {
  const copy = await copied(dir)
  const bytes = await readFile(join(copy, name))
  bytes[offset]! ^= 1
  await writeFile(join(copy, name), bytes)
  return copy
}

async function replaceByLink(path: string, target: string): Promise<void> {
  await rm(path)
  await symlink(target, path)
}

/** The registry with the digits of its address in upper case, as wallets mix them. */
function checksummed(): string {
  return `0x${registry.slice(2).toUpperCase()}`
}

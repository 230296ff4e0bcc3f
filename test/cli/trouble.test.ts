import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { type Ended, installWithout, launch, lockstep, processesWith, root } from './processes.ts'

const folder = mkdtempSync(join(tmpdir(), 'lockstep-trouble-'))
afterAll(() => rmSync(folder, { recursive: true }))

const small = ['--file', join(root, 'biome.json'), '--payments', '2']

describe('a demo that is interrupted', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)(
    'by %s ends with %i, and nothing of it stays: no store, no node, no stack trace',
    async (signal, code) => {
      const [TMPDIR, LOCKSTEP_TEST] = [mkdtempSync(join(folder, 'tmp-')), randomUUID()]
      const demo = launch(['demo', '--payments', '100000'], { env: { TMPDIR, LOCKSTEP_TEST } })
      // Both are there before: the node of the chain, and the folder with the stores.
      await until(() => readdirSync(TMPDIR).some((name) => existsSync(join(TMPDIR, name, 'client.db'))))
      const running = processesWith(LOCKSTEP_TEST)
      if (running !== undefined) expect(running.length).toBeGreaterThan(2)
      demo.child.kill(signal)
      const ended = await demo.ended
      expect(ended).toEqual({ code, stdout: '', stderr: '' })
      expect(readdirSync(TMPDIR)).toEqual([])
      await until(() => (processesWith(LOCKSTEP_TEST) ?? []).length === 0)
    },
  )
})

describe('an optional package that is missing', () => {
  it.each([
    [
      'viem',
      ['demo', ...small],
      /^lockstep: The package viem is not installed.*npm install viem.*--chain embedded\.\n$/,
    ],
    [
      '@foundry-rs/anvil',
      ['demo', ...small],
      /^lockstep: Anvil is not installed.*npm install --save-dev @foundry-rs\/anvil.*--chain embedded\.\n$/,
    ],
    ['pg', ['ledger', 'audit', '--store', 'postgres://127.0.0.1:1/none'], /^lockstep: .*npm install pg\n$/],
    // Not optional: a clone in which nobody ran `npm ci`.
    ['ws', ['demo', ...small], /^lockstep: the package ws is not installed: run "npm ci".*\n$/],
  ])('%s is named in one line with the way to have it, and nothing is left behind', async (missing, args, says) => {
    const TMPDIR = mkdtempSync(join(folder, 'tmp-'))
    const program = installWithout([missing], mkdtempSync(join(folder, 'without-')))
    const { code, stdout, stderr } = await lockstep(args, { program, env: { TMPDIR } })
    expect(stderr).toMatch(says)
    expect({ code, stdout, left: readdirSync(TMPDIR) }).toEqual({ code: 1, stdout: '', left: [] })
  })

  it.each([[['help']], [['--version']], [['keys', '--help']], [['demo', ...small, '--chain', 'embedded']]])(
    'is not missed by %j, whichever it is',
    async (args) => {
      const { peerDependencies, optionalDependencies } = (
        await import('../../package.json', { with: { type: 'json' } })
      ).default
      const missing = Object.keys({ ...peerDependencies, ...optionalDependencies })
      const program = installWithout(missing, mkdtempSync(join(folder, 'bare-')))
      const { code, stderr } = await lockstep(args, { program })
      expect({ code, stderr }).toEqual({ code: 0, stderr: args[0] === 'demo' ? expect.anything() : '' })
    },
  )

  it('secp256k1 is named where the environment asks for the backend that needs it', async () => {
    const program = installWithout(['secp256k1'], mkdtempSync(join(folder, 'without-')))
    const key = join(folder, 'missing.key')
    const asked = await lockstep(['keys', key, '--new'], { program, env: { LOCKSTEP_BACKEND: 'native' } })
    expect(asked).toEqual({ code: 2, stdout: '', stderr: expect.stringContaining('npm install secp256k1') })
    const { code } = await lockstep(['keys', key, '--new'], { program, env: { LOCKSTEP_BACKEND: '' } })
    expect(code).toBe(0)
  })
})

describe('an EVM node that does not start', () => {
  it('is said in one line with an option that there is', async () => {
    const program = installWithout(['@foundry-rs/anvil'], mkdtempSync(join(folder, 'broken-')))
    const anvil = join(program, 'node_modules/@foundry-rs/anvil')
    mkdirSync(anvil)
    writeFileSync(join(anvil, 'package.json'), '{"name":"@foundry-rs/anvil","version":"0.0.0"}')
    const binary = join(anvil, process.platform === 'win32' ? 'anvil.exe' : 'anvil')
    writeFileSync(binary, '#!/bin/sh\necho no such instruction >&2\nexit 3\n')
    chmodSync(binary, 0o755)
    const { code, stdout, stderr } = await lockstep(['demo', ...small], { program })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^lockstep: Anvil did not start: it ended \(no such instruction\)\. .*--chain embedded\.\n$/)
  })
})

describe.skipIf(process.platform === 'win32')('a path that is not what it should be', () => {
  it.each([
    ['a pipe that nobody writes to', () => pipe(), 'is no plain file'],
    ['a device without an end', () => '/dev/zero', 'is no plain file'],
    ['a directory', () => folder, 'is no plain file'],
    ['a file that is not there', () => join(folder, 'nothing'), 'cannot be read (ENOENT)'],
    ['a file beyond every limit', () => sparse(), 'has 1099511627776 bytes; the demo sells at most 67108864'],
  ])('as --file: %s is one line and exit 2', async (_, path, says) => {
    expectOneLine(await lockstep(['demo', '--file', path()]), says)
  })

  it.each([
    ['an empty one', () => '', '--save takes the path of a new directory'],
    ['one below a file', () => '/dev/null/x', 'cannot be written (ENOTDIR)'],
    ['a file', () => sparse(), 'cannot be written (ENOTDIR)'],
    ['one where no directory can be made', () => '/proc/nothing/evidence', 'cannot be written (ENOENT)'],
    ['one with something in it', () => root, 'is not empty, and nothing is ever written over'],
  ])('as --save: %s is one line and exit 2, before anything has run', async (_, path, says) => {
    expectOneLine(await lockstep(['demo', '--save', path()]), says)
    expectOneLine(await lockstep(['paper', '--save', path()]), says)
  })
})

describe.skipIf(process.platform === 'win32')('standard output', () => {
  it('that nobody reads any more is no failure of the command', async () => {
    for (const [args, code] of [
      [['help'], 0],
      [['demo', ...small, '--chain', 'embedded', '--json'], 0],
      [['paper', '--json', '--runs', '1'], 0],
    ] as const) {
      const command = launch(args)
      command.child.stdout!.destroy()
      const ended = await command.ended
      expect(ended.code).toBe(code)
      expect(ended.stderr).not.toMatch(/^\s+at |EPIPE/m)
    }
  })

  it.skipIf(!existsSync('/dev/full'))(
    'on a disk that is full is said in one line, and the exit code is 1',
    async () => {
      for (const args of [['help'], ['keys', '--help'], ['paper', '--json', '--runs', '1'], ['--version']]) {
        const full = openSync('/dev/full', 'w')
        const { code, stderr } = await lockstep(args, { stdout: full })
        closeSync(full)
        expect({ args, code }).toEqual({ args, code: 1 })
        expect(stderr).toBe('lockstep: standard output cannot be written (ENOSPC), and what it should hold is lost\n')
      }
    },
  )
})

describe('used wrongly', () => {
  it.each([
    [['demo', '--payments', '-5'], {}, '--payments takes a whole number from 2 to 100000, not "-5"'],
    [['demo', '--payments'], {}, "'--payments <value>' argument missing"],
    [['demo', '--lock', 'ring', '--profile', 'published'], {}, '--lock is one of schnorr, ecdsa-xor, not "ring"'],
    [['nonsense'], {}, 'no such command: nonsense'],
    [['non\nsense'], {}, 'no such command: non\\u{a}sense'],
    [['keys', 'x'], { LOCKSTEP_BACKEND: 'fast' }, 'LOCKSTEP_BACKEND is native or portable, not "fast"'],
  ])('%j with %j is one line and exit 2', async (args, env, says) => {
    expectOneLine(await lockstep(args, { env }), says)
  })

  it.each([
    ['f'.repeat(64), 'its 64 hex digits are zero, or not below the order of the group'],
    ['0'.repeat(64), 'its 64 hex digits are zero, or not below the order of the group'],
    ['F'.repeat(64), '64 hex digits in lower case were expected'],
    ['secret', '64 hex digits in lower case were expected'],
  ])('a key file that holds %s says what is wrong with it', async (text, says) => {
    const path = join(mkdtempSync(join(folder, 'key-')), 'wrong.key')
    writeFileSync(path, `${text}\n`)
    expectOneLine(await lockstep(['keys', path]), `${path} holds no secret key: ${says}`)
  })

  it.skipIf(process.platform === 'win32')('a key file without an end is not read to it', async () => {
    for (const path of ['/dev/zero', sparse()]) {
      expectOneLine(await lockstep(['keys', path]), `${path} holds no secret key: 64 hex digits in lower case`)
    }
  })
})

describe('the version', () => {
  it.each(['--version', '-V'])('is what %s prints', async (option) => {
    const { version } = (await import('../../package.json', { with: { type: 'json' } })).default
    expect(await lockstep([option])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})

function expectOneLine({ code, stdout, stderr }: Ended, says: string): void {
  expect({ code, stdout, lines: stderr.trimEnd().split('\n').length }).toEqual({ code: 2, stdout: '', lines: 1 })
  expect(stderr).toContain(says)
  expect(stderr).toMatch(/^lockstep: /)
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await wait(20)
}

function pipe(): string {
  const path = join(mkdtempSync(join(folder, 'pipe-')), 'pipe')
  execFileSync('mkfifo', [path])
  return path
}

/** A terabyte that takes no room. */
function sparse(): string {
  const path = join(mkdtempSync(join(folder, 'sparse-')), 'sparse')
  writeFileSync(path, '')
  truncateSync(path, 2 ** 40)
  return path
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { anvilBinary, startAnvil } from '../../src/chain/anvil.ts'
import { chainErrorOf } from './support.ts'

const account = `0x${'ab'.repeat(20)}` as const

describe('Anvil', () => {
  test('runs on a free port of the loopback interface until it is stopped', async () => {
    const anvil = await startAnvil({ chainId: 1234 })
    expect(anvil.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(await anvil.rpc('eth_chainId')).toBe('0x4d2')
    await anvil.fund(account, 5n)
    expect(await anvil.rpc('eth_getBalance', [account, 'latest'])).toBe('0x5')
    await anvil.stop()
    await expect(fetch(anvil.url)).rejects.toThrow('fetch failed')
    await anvil.stop()
  })

  test('runs beside another one, and ends with its scope', async () => {
    const urls: string[] = []
    {
      await using one = await startAnvil()
      await using other = await startAnvil()
      urls.push(one.url, other.url)
    }
    expect(new Set(urls).size).toBe(2)
    for (const url of urls) await expect(fetch(url)).rejects.toThrow('fetch failed')
  })

  test('names the method it refuses', async () => {
    await using anvil = await startAnvil()
    const error = await chainErrorOf(anvil.rpc('eth_nonsense'), 'Refused')
    expect(error.message).toContain('Anvil refuses eth_nonsense')
  })

  test('says that it has ended, once it has', async () => {
    const anvil = await startAnvil()
    await anvil.stop()
    const error = await chainErrorOf(anvil.fund(account, 1n), 'Unreachable')
    expect(error.message).toContain(`Anvil at ${anvil.url} does not answer anvil_setBalance: it has ended`)
  })

  test.each(['SIGKILL', 'SIGTERM', 'exit'] as const)('ends with the program that started it: %s', async (ending) => {
    const url = await urlOfProgram(ending)
    await expect.poll(() => fetch(url).then(String, () => 'gone'), { timeout: 5000 }).toBe('gone')
  })
})

describe('an Anvil that does not start says', () => {
  test('that its port is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const error = await chainErrorOf(startAnvil({ port }), 'NodeFailed')
    expect(error.message).toContain(`port ${port} is in use. Choose another port`)
    server.close()
  })

  test('what it said last', async () => {
    const error = await chainErrorOf(startAnvil({ hardfork: 'zeppelin' }), 'NodeFailed')
    expect(error.message).toContain('Unknown hardfork: zeppelin')
    expect(error.message).toContain('by hand')
  })

  test('that the program is not there', async () => {
    const error = await chainErrorOf(startAnvil({ binary: '/nowhere/anvil' }), 'NodeFailed')
    expect(error.message).toContain('spawn /nowhere/anvil ENOENT')
  })

  test('that it did not answer in time, and leaves nothing running', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lockstep-anvil-'))
    const binary = join(folder, 'mute')
    writeFileSync(binary, `#!/bin/sh\necho $$ > ${folder}/pid\nexec sleep 60\n`, { mode: 0o755 })
    const error = await chainErrorOf(startAnvil({ binary, startMs: 1000 }), 'NodeFailed')
    expect(error.message).toContain('it did not answer within 1 s')
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    await expect.poll(() => isRunning(pid)).toBe(false)
    rmSync(folder, { recursive: true })
  })

  test('that its package is missing', () => {
    expect(existsSync(anvilBinary())).toBe(true)
    expect(() => anvilBinary('plan9', 'mips')).toThrow(
      'Anvil is not installed for plan9 on mips: the package @foundry-rs/anvil-plan9-mips is missing. No node was started. ' +
        'Run npm install',
    )
  })
})

/** Starts a program that starts Anvil; ends the program, and gives the address that Anvil had. */
async function urlOfProgram(ending: 'SIGKILL' | 'SIGTERM' | 'exit'): Promise<string> {
  const anvil = new URL('../../src/chain/anvil.ts', import.meta.url).href
  const waits = ending === 'exit' ? '' : 'setInterval(() => undefined, 1000)'
  const script = `import { startAnvil } from '${anvil}'; console.log((await startAnvil()).url); ${waits}`
  const program = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(program, 'exit')
  let output = ''
  for await (const chunk of program.stdout) {
    output += String(chunk)
    if (output.endsWith('\n') && ending !== 'exit') program.kill(ending)
  }
  await ended
  expect(output).toMatch(/^http:/)
  return output.trim()
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    // No such process.
    return false
  }
}

import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { temporaryPath } from '../bank/support.ts'
import { lockstep } from './processes.ts'

/** What bash offers for these words, the last one not finished. */
async function completed(...words: string[]): Promise<readonly string[]> {
  const { code, stdout } = await lockstep(['completion', 'bash'])
  expect(code).toBe(0)
  const script = temporaryPath('completion.bash')
  writeFileSync(script, stdout)
  const ask = `source ${script}; COMP_WORDS=(lockstep ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _lockstep; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout: offered, stderr } = spawnSync('bash', ['-c', ask], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return offered.trim().split('\n')
}

test('bash completes commands, and the options of each', async () => {
  expect(await completed('de')).toEqual(['demo', 'dev'])
  expect(await completed('help', 'ver')).toEqual(['verify'])
  expect(await completed('demo', '--pa')).toEqual(['--payments'])
  expect(await completed('pay', 'http://x', '--js')).toEqual(['--json'])
})

test('every shell gets every command; another one is refused in a line', async () => {
  const { stdout: help } = await lockstep(['help'])
  const commands = [...help.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name!)
  expect(commands).toContain('completion')
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await lockstep(['completion', shell])
    expect(code).toBe(0)
    for (const name of commands) expect(stdout).toContain(name)
  }
  const { code, stderr } = await lockstep(['completion', 'csh'])
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/^lockstep: bash, zsh and fish are known, not "csh"/) as string,
  })
})

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { variantNames, variants } from '../bench/catalogue.ts'
import { median } from '../bench/statistics.ts'
import { native } from '../src/crypto/backend.ts'

interface Report {
  readonly machine: Readonly<Record<string, unknown>>
  readonly commit: string
  readonly variants: Readonly<Record<string, Entry>>
  readonly targets: readonly { readonly measured: number | null; readonly met: boolean | null }[]
}

interface Entry {
  readonly backend?: string
  readonly cpuMicros?: number
  readonly wallMicros?: number
  readonly ratio?: number
  readonly rounds?: readonly { readonly cpuMicros: readonly number[]; readonly wallMicros: readonly number[] }[]
  readonly missing?: string
}

describe('the benchmark', () => {
  test('measures every variant, each time with its backend, its raw samples and its ratio', {
    timeout: 400_000,
  }, () => {
    const { status, stdout, stderr } = bench('--quick', '--json')
    expect(status, stderr).toBe(0)
    const report = JSON.parse(stdout) as Report
    expect(Object.keys(report.machine)).toEqual(['cpu', 'cores', 'node', 'platform', 'load', 'storeFileSystem'])
    expect(report.commit).not.toBe('')
    expect(Object.keys(report.variants)).toEqual(variantNames)
    for (const name of variantNames) expectMeasured(name, report.variants[name]!)
    for (const { measured, met } of report.targets) {
      expect(met).toBeNull()
      if (native !== undefined) expect(measured).toEqual(expect.any(Number))
    }
  })

  test.each([
    [['--only', 'nothing'], 'no variant nothing; there are sha256, '],
    [['--rounds', '0'], '--rounds takes 1 to 999; got 0'],
    [['--fast'], "Unknown option '--fast'"],
  ])('refuses %j in one line', (args, says) => {
    const { status, stdout, stderr } = bench(...args)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toContain(`bench: ${says}`)
    expect(stderr.trimEnd()).not.toContain('\n')
  })

  test('takes the middle, or the mean of the two in the middle', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([9, 1, 5, 2])).toBe(3.5)
    expect(() => median([])).toThrow(RangeError)
  })
})

function expectMeasured(name: (typeof variantNames)[number], entry: Entry): void {
  const { backend } = variants[name]
  if (backend === 'native' && native === undefined) {
    expect(entry.missing).toBe('secp256k1 is not built for this machine')
    return
  }
  expect(entry.backend).toBe(backend)
  expect(entry.rounds).toHaveLength(1)
  for (const { cpuMicros, wallMicros } of entry.rounds!) {
    expect(cpuMicros).toHaveLength(2)
    expect(wallMicros).toHaveLength(2)
  }
  for (const value of [entry.cpuMicros, entry.wallMicros]) expect(value, name).toBeGreaterThan(0)
  if (native !== undefined) expect(Number.isFinite(entry.ratio), name).toBe(true)
}

function bench(...args: readonly string[]): ReturnType<typeof spawnSync> & { stdout: string; stderr: string } {
  const script = join(import.meta.dirname, '..', 'bench', 'run.ts')
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' })
}

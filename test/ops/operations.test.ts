import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type BankWatched,
  bankFamilies,
  serviceFamilies,
  type Unclaimed,
  vendorFamilies,
} from '../../src/ops/metrics/catalogue.ts'
import { createBankCounters, createVendorCounters } from '../../src/ops/metrics/metered.ts'
import { createJobCounters } from '../../src/ops/service/jobs.ts'
import { createReadiness } from '../../src/ops/service/readiness.ts'

const root = join(import.meta.dirname, '../..')
const manual = readFileSync(join(root, 'docs/operations.md'), 'utf8')
const rules = readFileSync(join(root, 'deploy/alerts.yml'), 'utf8')

const watched: BankWatched = { audit: undefined, clockHeld: undefined, withdrawals: 0 }
const unclaimed: Unclaimed = { value: new Map(), channels: 0, deadline: undefined, inDoubt: 0 }
const metrics = [
  ...serviceFamilies(
    { version: '1', backend: 'native' },
    { jobs: createJobCounters(), readiness: createReadiness({}) },
  ),
  ...bankFamilies(createBankCounters(), watched),
  ...vendorFamilies(createVendorCounters(), unclaimed, () => 0),
].map(({ name }) => name)

const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name)

function metricsIn(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/\blockstep_[a-z_]+/g)].map(([name]) => name.replace(/_bucket$/, '')))]
}

describe('the manual of operations', () => {
  test('says what every metric says', () => {
    expect([...new Set(metrics)].filter((name) => !manual.includes(`\`${name}\``))).toEqual([])
  })

  test('names no metric that there is not, nor do the alarms', () => {
    const schemas = ['lockstep_bank', 'lockstep_vendor']
    expect(metricsIn(manual).filter((name) => !metrics.includes(name) && !schemas.includes(name))).toEqual([])
    expect(metricsIn(rules).filter((name) => !metrics.includes(name))).toEqual([])
  })

  test('has a runbook for every alarm, and an alarm for every runbook', () => {
    const runbooks = [...manual.matchAll(/^### (Lockstep\w+)$/gm)].map(([, name]) => name)
    expect(alerts.length).toBeGreaterThan(10)
    expect(new Set(runbooks)).toEqual(new Set(alerts))
  })

  test('is found from the list of documents', () => {
    expect(readFileSync(join(root, 'docs/README.md'), 'utf8')).toContain('(operations.md)')
  })
})

describe('the units of systemd', () => {
  test.each(['bank', 'vendor'])('start the %s with keys that are credentials, and give it time to end', (role) => {
    const unit = readFileSync(join(root, `deploy/lockstep-${role}.service`), 'utf8')
    expect(unit).toContain(`lockstep ${role} --config `)
    for (const [, name] of unit.matchAll(/^LoadCredential=(\S+):/gm)) expect(unit).toContain(`_FILE=%d/${name}\n`)
    const stop = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])
    expect(stop).toBeGreaterThan(10)
    expect(unit).not.toMatch(/_KEY=/)
  })
})

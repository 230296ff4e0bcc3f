import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { root } from '../scripts/lockstepPackage.ts'

test('the paid API sells, charges what was used and nothing for what is not there, and is paid', async () => {
  const said = await runExample('paid-api')
  expect(said).toContain('GET /proverbs/2 → 200 {"proverb":"Measure twice, cut once."}')
  expect(said).toContain('GET /proverbs/4 → 404')
  expect(said).toMatch(/^0 +GET \S+\/proverbs\/4$/m)
  expect(said).toMatch(/^0\.00012 +POST \S+\/words$/m)
  expect(said).toContain('the vendor has 2120 millionths of a USD at the bank')
})

/** Runs an example as its README says. */
async function runExample(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'example', '--', name], { cwd: root })
  return stdout
}

/** Runs an example as it is, `lockstep/…` being the sources here: `npm run example -- paid-api`. */

import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { packageResolver, root } from './lockstepPackage.ts'

const [name = '', ...args] = process.argv.slice(2)
const program = join(root, 'examples', name, 'start.ts')
if (name === '' || !existsSync(program)) {
  const known = readdirSync(join(root, 'examples'), { withFileTypes: true })
  const names = known.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
  process.stderr.write(`name an example: ${names.join(', ')}\n`)
  process.exitCode = 2
} else {
  const child = spawn(process.execPath, ['--no-warnings', '--import', packageResolver(), program, ...args], {
    stdio: 'inherit',
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  child.on('exit', (code) => {
    process.exitCode = code ?? 1
  })
}

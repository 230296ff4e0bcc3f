/**
 * Runs between this program and Anvil: `node anvilGuard.ts BINARY ARGUMENTS…`. Its standard input is a pipe from the
 * program; when that ends, for whatever reason, a `kill -9` included, Anvil ends.
 */

import { spawn } from 'node:child_process'

const [binary = '', ...args] = process.argv.slice(2)
const anvil = spawn(binary, args, { stdio: ['ignore', 'inherit', 'inherit'] })

anvil.on('error', (error) => {
  console.error(error.message)
  process.exit(1)
})
anvil.on('exit', (code) => process.exit(code ?? 1))

process.stdin.on('end', stop).on('error', stop).resume()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)

function stop(): void {
  // It keeps nothing that would have to be put away.
  anvil.kill('SIGKILL')
}

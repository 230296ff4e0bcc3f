#!/usr/bin/env node
// Plain JavaScript without a static import: an old Node.js must get as far as the message below.

const oldestMajor = 24

if (Number(process.versions.node.split('.')[0]) < oldestMajor) {
  console.error(
    [
      `lockstep needs Node.js ${oldestMajor} or newer; this is ${process.version} (${process.execPath}).`,
      'In a clone of the project, "npm ci" installs a newer one and "npx lockstep" runs on it.',
      'Elsewhere, install Node.js from https://nodejs.org or with your version manager, and run this again.',
    ].join('\n'),
  )
  process.exit(2)
}

hideExperimentalWarnings()
start().catch((error) => {
  console.error(error)
  process.exitCode = 70
})

/** In a clone the source runs as it stands; an installed package has only `dist/`. */
async function start() {
  const { existsSync } = await import('node:fs')
  const [source, built] = ['../src/cli/main.ts', '../dist/cli/main.js'].map((path) => new URL(path, import.meta.url))
  if (!existsSync(source) && !existsSync(built)) {
    console.error('lockstep: the package is incomplete: neither src/cli/main.ts nor dist/cli/main.js is there.')
    process.exitCode = 2
    return
  }
  const { main } = await import(existsSync(source) ? source : built)
  process.exitCode = await main(process.argv.slice(2))
}

/** Node.js marks its SQLite module and its type stripping as experimental; both are chosen on purpose. */
function hideExperimentalWarnings() {
  const emitWarning = process.emitWarning
  process.emitWarning = (warning, ...rest) => {
    const type = typeof rest[0] === 'object' ? rest[0].type : rest[0]
    if (type === 'ExperimentalWarning' && /SQLite|Type Stripping/.test(String(warning))) return
    emitWarning.call(process, warning, ...rest)
  }
}

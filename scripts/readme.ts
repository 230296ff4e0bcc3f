/** Puts what the demo prints into the README: `npm run readme`. A test holds the two together. */

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const readme = join(root, 'README.md')

const { status, stderr } = spawnSync(process.execPath, ['bin/lockstep.js', 'demo', '--file', 'LICENSE'], {
  cwd: root,
  encoding: 'utf8',
})
if (status !== 0) throw new Error(`the demo ended with ${status}: ${stderr}`)
const text = readFileSync(readme, 'utf8')
const sample = /^```text\n[\s\S]*?^```$/m
if (!sample.test(text)) throw new Error('the README has no block of text for it')
writeFileSync(
  readme,
  text.replace(sample, () => `\`\`\`text\n${stderr.trim()}\n\`\`\``),
)

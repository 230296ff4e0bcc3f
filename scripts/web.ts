/** Builds `dist/web/` from `web/`: the page that `lockstep dev` serves. Prints what a browser loads to start with, in bytes. */

import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { bundlePage } from './pageBundle.ts'

const root = join(import.meta.dirname, '..')
const out = join(root, 'dist/web')

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
for (const name of ['index.html', 'page.css']) cpSync(join(root, 'web', name), join(out, name))

const { output } = await bundlePage(join(root, 'web/page.ts'))
for (const file of output) if (file.type === 'chunk') writeFileSync(join(out, file.fileName), file.code)

/** What the page's script needs before it starts: itself, and what it imports, and what that imports. */
const chunks = new Map(output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file]] : [])))
const first = new Set(['page.js'])
for (const name of first) for (const needed of chunks.get(name)?.imports ?? []) first.add(needed)
const sizes = [...first].map((name) => gzipSync(chunks.get(name)!.code, { level: 9 }).length)
console.log(JSON.stringify({ scripts: [...first], gzipBytes: sizes.reduce((sum, size) => sum + size, 0) }))

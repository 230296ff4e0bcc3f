import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Routes } from '../../vendor/index.ts'

/** Where `npm run build` puts the page, from `src/` as from `dist/`. */
const folder = fileURLToPath(new URL('../../../dist/web/', import.meta.url))

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
}

/** The example page: it may run its own scripts and talk to its own origin and the bank, and do nothing else. */
export function pageFiles(bank: string): Routes {
  if (!existsSync(folder)) return { 'GET /': () => new Response(unbuilt, { status: 404 }) }
  const policy = `default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; connect-src 'self' ws: ${bank}; base-uri 'none'`
  return Object.fromEntries(
    readdirSync(folder).map((name) => {
      const body = readFileSync(folder + name)
      const headers = {
        'Content-Type': types[extname(name)] ?? 'application/octet-stream',
        'Content-Security-Policy': policy,
        'X-Content-Type-Options': 'nosniff',
      }
      return [`GET /${name === 'index.html' ? '' : name}`, () => new Response(body, { headers })]
    }),
  )
}

const unbuilt = 'The example page is not built here: run "npm run build", then start again.\n'

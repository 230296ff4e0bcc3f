/** A real Chromium from npm, and pages served to it over loopback under a strict policy. */

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import chromium from '@sparticuz/chromium'
import { type BrowserContext, chromium as playwright } from 'playwright-core'
import { bundlePage } from '../../scripts/pageBundle.ts'

/** One process a page: one that is killed takes no other with it. */
const flags = ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']

/** A browser with a profile of its own, which a later one may be given: then it finds what the first one stored. */
export async function openBrowser(profile: string): Promise<BrowserContext> {
  const executablePath = await chromium.executablePath()
  return playwright.launchPersistentContext(profile, { executablePath, args: flags, headless: true })
}

export function temporaryProfile(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'lockstep-browser-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Scripts by their names: `page.js` is the one that a page asks for, the others are loaded when they are wanted. */
export type Bundle = ReadonlyMap<string, string>

/** As a browser would get it: no Node.js. */
export async function bundle(entry: string): Promise<Bundle> {
  const { output } = await bundlePage(entry)
  return new Map(output.flatMap((file) => (file.type === 'chunk' ? [[file.fileName, file.code]] : [])))
}

/** A page that runs these scripts and nothing else: no inline code, no `eval`. */
export async function servePage(
  scripts: Bundle,
  connect = "'self'",
): Promise<{ readonly url: string; readonly server: Server }> {
  const policy = `default-src 'none'; script-src 'self'; connect-src ${connect}`
  const server = createServer((request, response) => {
    response.setHeader('Content-Security-Policy', policy)
    const script = scripts.get(request.url!.slice(1))
    if (script !== undefined) response.setHeader('Content-Type', 'text/javascript').end(script)
    else {
      response
        .setHeader('Content-Type', 'text/html')
        .end('<!doctype html><script type="module" src="/page.js"></script>')
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

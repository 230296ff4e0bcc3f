/** A page with a wallet in it, that pays by the token and shows each payment as it happens. Ctrl-C ends it. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { paywall, type Routes } from 'lockstep/vendor'
import { bundlePage } from '../../scripts/pageBundle.ts'
import { openTown } from '../town.ts'

await using town = await openTown()
const { bank, folder } = town

const story =
  'A page had a purse of its own, and the key to it never left the page. It bought a story one word at a time, and when the tab was ' +
  'closed in the middle of a sentence it had paid for half a sentence, and remembered, when it was opened again, what it had signed.'

const pay = await paywall({ bank, asset: 'USD', store: `sqlite:${folder}/vendor.db` })
const { url } = await pay.listen({
  port: Number(process.env.PORT ?? 0),
  routes: {
    ...(await pageFiles()),
    'GET /joke': pay.each('0.001', () => new Response('A page walks into a bar, and pays by the sip.')),
    'GET /tokens': pay.perToken('0.00002', async function* () {
      for (const word of story.split(' ')) {
        await sleep(30)
        yield `${word} `
      }
    }),
    // The page's wallet makes its own account: the faucet fills it.
    'POST /faucet': async (request: Request) => {
      await town.fund(await request.text())
      return new Response('5 USD of test money')
    },
    'GET /town.json': () => Response.json({ bank, asset: 'USD' }),
  },
})
console.log(`open ${url}`)

const { promise: ended, resolve: end } = Promise.withResolvers<void>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end())
await ended
await pay.close()

/** The page, its style and its scripts. It may run those and talk to this origin and the bank, and do nothing else. */
async function pageFiles(): Promise<Routes> {
  const web = join(import.meta.dirname, '../../web')
  const { output } = await bundlePage(join(web, 'page.ts'))
  const policy = `default-src 'none'; img-src data:; script-src 'self'; style-src 'self'; connect-src 'self' ws: ${bank}`
  const serve = (type: string, body: string) => () =>
    new Response(body, { headers: { 'Content-Type': type, 'Content-Security-Policy': policy } })
  const scripts = output.flatMap((file) =>
    file.type === 'chunk' ? [[`GET /${file.fileName}`, serve('text/javascript', file.code)] as const] : [],
  )
  return {
    'GET /': serve('text/html; charset=utf-8', readFileSync(join(web, 'index.html'), 'utf8')),
    'GET /page.css': serve('text/css', readFileSync(join(web, 'page.css'), 'utf8')),
    ...Object.fromEntries(scripts),
  }
}

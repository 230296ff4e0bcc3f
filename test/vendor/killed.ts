/**
 * A vendor to be killed: run by crash.test.ts with its store, its port, the bank's address and a file for what its handlers do.
 * Says its address on stdout, then what runs.
 */

import { appendFileSync, writeSync } from 'node:fs'
import { startStall } from '../e2e/stall.ts'
import { price } from './shop.ts'

const [path, port, bankUrl, effects] = process.argv.slice(2) as [string, string, string, string]

const never = new Promise<Response>(() => undefined)

function note(what: string): void {
  appendFileSync(effects, `${what}\n`)
}

const stall = await startStall({
  path,
  port: Number(port),
  bankUrl,
  routes: [
    {
      method: 'GET',
      path: '/goods/:name',
      price,
      handler: (_, { params, index }) => {
        note(`${index} ${params.name}`)
        return new Response(`${params.name} ${index}`)
      },
    },
    ...[false, true].map((idempotent) => ({
      method: 'GET',
      path: idempotent ? '/again/:name' : '/endless/:name',
      price,
      idempotent,
      handler: (_: Request, { params, index }: { params: Readonly<Record<string, string>>; index: number }) => {
        note(`${index} ${params.name}`)
        writeSync(1, `running ${index}\n`)
        return never
      },
    })),
  ],
  streams: [
    {
      path: '/count/:to',
      price: 10n,
      async *source({ params }) {
        for (let unit = 0; unit < Number(params.to); unit++) {
          note(`unit ${unit}`)
          yield Uint8Array.of(unit)
        }
      },
    },
  ],
})
writeSync(1, `${stall.url}\n`)

/** Readings that are paid by the second, and somebody who watches for three. */

import { wallet } from 'lockstep/client'
import { paywall } from 'lockstep/vendor'
import { openTown } from '../town.ts'
import { type Reading, readings } from './station.ts'

await using town = await openTown()
const { bank, folder } = town

// The vendor: what comes in a second is sent, and charged, at its end.
const pay = await paywall({ bank, asset: 'USD', store: `sqlite:${folder}/vendor.db` })
const { url } = await pay.listen({
  routes: {
    'GET /weather': pay.perSecond('0.0005', async function* (_request, { signal }) {
      for await (const reading of readings(signal)) yield `${JSON.stringify(reading)}\n`
    }),
  },
})

// The client: one unit is one second, with all that came in it.
const w = await wallet({ bank, store: `${folder}/wallet.db`, budget: { request: '0.001', day: '1' } })
await town.fund(w.account)

const text = new TextDecoder()
for await (const second of w.stream(`${url}/weather`, { max: '0.0015' })) {
  const came = text
    .decode(second)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Reading)
  const { celsius, hectopascal, wind } = came.at(-1)!
  const seen = `${celsius.toFixed(1)} °C, ${hectopascal.toFixed(1)} hPa, wind ${wind.toFixed(1)} m/s`
  console.log(`${came.length} readings for 0.0005 USD: ${seen}`)
}

await w.close()
await pay.collect()
console.log(`the vendor has ${await town.balance(pay.vendor)} USD at the bank`)
await pay.close()

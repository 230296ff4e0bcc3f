/** A model that is paid by the token, and a reader who has had enough after thirty. */

import { wallet } from 'lockstep/client'
import { paywall } from 'lockstep/vendor'
import { openTown } from '../town.ts'
import { complete } from './model.ts'

await using town = await openTown()
const { bank, folder } = town

// The vendor: each piece that the model gives is sent once it is paid.
const pay = await paywall({ bank, asset: 'USD', store: `sqlite:${folder}/vendor.db` })
const { url } = await pay.listen({
  routes: {
    'GET /complete': pay.perToken('0.00002', (request) =>
      complete(new URL(request.url).searchParams.get('prompt') ?? ''),
    ),
  },
})

// The client: pays a few tokens ahead, and stops paying when it stops reading.
const w = await wallet({
  bank,
  store: `${folder}/wallet.db`,
  budget: { request: '0.0001', day: '1' },
  onEvent(event) {
    if (event.kind === 'closed') console.log(`charged: ${event.spent} USD`)
  },
})
await town.fund(w.account)

const text = new TextDecoder()
let tokens = 0
for await (const token of w.stream(`${url}/complete?prompt=what+is+a+channel`)) {
  process.stdout.write(text.decode(token))
  tokens += 1
  if (tokens === 30) break
}
console.log(`\n\nread: ${tokens} tokens, at 0.00002 USD each`)

await w.close() // What was paid ahead and not delivered is credit, and comes back.
await pay.collect()
console.log(`the vendor has ${await town.balance(pay.vendor)} USD at the bank`)
await pay.close()

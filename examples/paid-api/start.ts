/** A bank, the API and somebody who buys from it, on this machine. Everything goes when it ends. */

import type { AddressInfo } from 'node:net'
import { wallet } from 'lockstep/client'
import { paywall } from 'lockstep/vendor'
import { openTown } from '../town.ts'
import { createApi } from './api.ts'

await using town = await openTown()
const { bank, folder } = town

const pay = await paywall({ bank, asset: 'USD', store: `sqlite:${folder}/vendor.db` })
const server = createApi(pay).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const w = await wallet({ bank, store: `${folder}/wallet.db`, budget: { request: '0.01', day: '1' } })
await town.fund(w.account)

console.log(`an API at ${url}; a wallet with 5 USD at a bank at ${bank}\n`)
for (const path of ['/proverbs/1', '/proverbs/2', '/proverbs/4']) {
  const response = await w.fetch(url + path)
  console.log(`GET ${path} → ${response.status} ${await response.text()}`)
}
const headers = { 'Content-Type': 'text/plain' }
const counted = await w.fetch(`${url}/words`, { method: 'POST', body: 'as many words as you like', headers })
console.log(`POST /words → ${counted.status} ${await counted.text()}\n`)
for (const { method, url: bought, charged } of await w.ledger())
  console.log(`${(charged ?? '?').padEnd(8)} ${method} ${bought}`)

await w.close()
await pay.collect()
console.log(`\nthe vendor has ${await town.balance(pay.vendor)} USD at the bank`)

server.closeAllConnections()
server.close()
await pay.close()

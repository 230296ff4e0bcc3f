/** A bank, the API and somebody who buys from it, on this machine. Everything goes when it ends. */

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bank, createBank, serveBank, sqliteBankStore } from 'lockstep/bank'
import { openLog } from 'lockstep/chain'
import { wallet } from 'lockstep/client'
import { Schnorr } from 'lockstep/crypto'
import { Bank as Rules } from 'lockstep/protocol'
import { paywall } from 'lockstep/vendor'
import { unixSeconds } from 'lockstep/wire'
import { createApi } from './api.ts'

const folder = await mkdtemp(join(tmpdir(), 'lockstep-paid-api-'))
const bank = openBank()
const bankServer = await serveBank(bank)

const pay = await paywall({ bank: bankServer.url, asset: 'USD', store: `sqlite:${folder}/vendor.db` })
const server = createApi(pay).listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const w = await wallet({ bank: bankServer.url, store: `${folder}/wallet.db`, budget: { request: '0.01', day: '1' } })
const account = Uint8Array.from(Buffer.from(w.account, 'hex'))
await bank.register(account)
await bank.deposit(account, 'USD/6', 5_000_000n)

console.log(`an API at ${url}; a wallet with 5 USD at a bank at ${bankServer.url}\n`)
for (const path of ['/proverbs/1', '/proverbs/2', '/proverbs/4']) {
  const response = await w.fetch(url + path)
  console.log(`GET ${path} → ${response.status} ${await response.text()}`)
}
const counted = await w.fetch(`${url}/words`, { method: 'POST', body: 'as many words as you like', headers: text() })
console.log(`POST /words → ${counted.status} ${await counted.text()}\n`)
for (const { method, url: bought, charged } of await w.ledger())
  console.log(`${(charged ?? '?').padEnd(8)} ${method} ${bought}`)

await w.close()
await pay.collect()
const earned = await bank.balance(Uint8Array.from(Buffer.from(pay.vendor, 'hex')), 'USD/6')
if (earned.ok) console.log(`\nthe vendor has ${earned.balance} millionths of a USD at the bank`)

server.closeAllConnections()
server.close()
await pay.close()
await bankServer.close()
await rm(folder, { recursive: true })

/** A bank that vendors may register at, for this run. */
function openBank(): Bank {
  const now = () => unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
  const random = (size: number) => new Uint8Array(randomBytes(size))
  const key = Schnorr.keyPair(random(32))
  const [store, network] = [sqliteBankStore(join(folder, 'bank.db')), 'lockstep:example']
  const rules = { ...Rules.defaultRules, network, assets: ['USD/6'] }
  const commandRules = { ...Rules.defaultCommandRules, depositMin: new Map([['USD/6', 0n]]) }
  return createBank({
    store,
    key,
    rules,
    commandRules,
    chain: openLog({ store: store.log, key, now }, { network }),
    now,
    random,
  })
}

function text(): HeadersInit {
  return { 'Content-Type': 'text/plain' }
}

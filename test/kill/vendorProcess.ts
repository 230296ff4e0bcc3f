import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs'
import type { Offer } from '../../src/http/index.ts'
import {
  close,
  collect,
  management,
  type PaidRoute,
  paidRoutes,
  serve,
  sqliteVendorStore,
  Till,
} from '../../src/vendor/index.ts'
import { postgresVendorStore } from '../../src/vendor/store/postgres.ts'
import { amount } from '../../src/wire/amount.ts'
import { asset, configOf, databaseOf, keyOf, network, now, price, report, untilAskedToFinish, urlOf } from './config.ts'

/** A vendor whose handler leaves its effect, one line a run, in a file of its own, synced before it answers. */
const config = configOf()
const vendor = keyOf(config, config.name)
const frame = keyOf(config, `${config.name} frame`)
const bankKey = keyOf(config, 'bank').publicKey
const effects = openSync(`${config.folder}/${config.name}.effects`, 'a')

const work: PaidRoute = {
  method: 'POST',
  path: '/work',
  price,
  async handler(request, { payer, index }) {
    writeSync(effects, `${payer}:${index} ${await request.text()}\n`)
    fsyncSync(effects)
    // The effect is there and the charge is not: where a kill hurts most.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
    return new Response('worked')
  },
}

const accepts = { network, asset, vendor: vendor.publicKey, vendorFrameKey: frame.publicKey, graceMin: 600 }
const offer: Offer.Offer = {
  ...accepts,
  version: 1,
  banks: [{ key: bankKey, url: urlOf(config.bankPort) }],
  vendorIdentity: vendor.publicKey,
  unitPrice: amount(10n),
  segmentLength: 1024,
  lockSchemes: ['schnorr', 'ecdsa-xor'],
  lifeMin: 600,
  routes: [{ method: 'POST', path: work.path, price: amount(price), per: 'request' }],
}
const database = databaseOf(config)
const store = database ? postgresVendorStore(database) : sqliteVendorStore(`${config.folder}/${config.name}.db`)
const till = new Till({
  store,
  frameKey: frame.secret,
  acceptance: { ...accepts, banks: [bankKey], lockSchemes: offer.lockSchemes, lifeMin: 60n },
  now,
})
const closing = { till, store, vendor }
const words = ['pay', ' as', ' you', ' go'].map((word) => Buffer.from(word))
const server = await serve({
  till,
  port: config.port,
  handlers: (publicUrl) => [paidRoutes({ till, offer, publicUrl, routes: [work] }), management(closing)],
  streams: [{ path: '/words', price: 10n, source: () => words }],
})
report('ready')

let finishing = false
const finished = untilAskedToFinish().then(() => {
  finishing = true
})
while (!(await settleAll()))
  await Promise.race([finished, new Promise((resolve) => setTimeout(resolve, finishing ? 50 : 200))])
await server.close()
closeSync(effects)
report('done')
process.disconnect()

/** Collects what was stated; at the end of the run, states and collects what was not. Whether nothing is left to do. */
async function settleAll(): Promise<boolean> {
  let left = 0
  const references = await store.unsettled().catch(() => undefined)
  for (const reference of references ?? []) {
    try {
      const found = await till.find(reference, undefined)
      if (!found.ok) throw new Error(found.detail)
      if (finishing && found.held.channel.phase === 'open') await close(closing, found.held)
      if (found.held.channel.phase === 'open') left += 1
      else await collect(closing, found.held, urlOf(config.bankPort))
    } catch {
      // The bank is down, or the store was: the next round tries again, as after a crash.
      left += 1
    }
  }
  return finishing && references !== undefined && left === 0
}

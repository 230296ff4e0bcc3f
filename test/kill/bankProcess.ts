import { randomBytes } from 'node:crypto'
import { createBank, serveBank, sqliteBankStore } from '../../src/bank/index.ts'
import { postgresBankStore } from '../../src/bank/store/postgres.ts'
import { openLog } from '../../src/chain/index.ts'
import { Bank } from '../../src/protocol/index.ts'
import { asset, configOf, databaseOf, keyOf, network, now, report } from './config.ts'

/** A bank that registers everybody of the run, keeps the clients supplied, and records what was settled. */
const config = configOf()
const key = keyOf(config, 'bank')
const database = databaseOf(config)
const store = database ? postgresBankStore(database) : sqliteBankStore(`${config.folder}/bank.db`)
const bank = createBank({
  store,
  key,
  rules: { ...Bank.defaultRules, assets: [asset], network },
  chain: openLog({ store: store.log, key, now }, { network }),
  now,
  random: (size) => new Uint8Array(randomBytes(size)),
})

for (const [index] of config.vendorPorts.entries()) await bank.register(keyOf(config, `vendor${index}`).publicKey)
for (let index = 0; index < config.clients; index++) {
  const { publicKey } = keyOf(config, `client${index}`)
  await bank.register(publicKey)
  const balance = await bank.balance(publicKey, asset)
  if (balance.ok && balance.balance < 1_000_000n) await bank.deposit(publicKey, asset, 100_000_000n)
}
await serveBank(bank, { port: config.port })
report('ready')
for (;;) {
  await new Promise((resolve) => setTimeout(resolve, 300))
  // The store may be away: what is queued is recorded when it is back.
  await bank.record().catch(() => undefined)
}

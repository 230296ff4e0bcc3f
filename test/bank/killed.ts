/** A bank that acknowledges on stdout and is killed at once: run by store.test.ts with the store's path. */

import { writeSync } from 'node:fs'
import { createBank } from '../../src/bank/service.ts'
import { sqliteBankStore } from '../../src/bank/store/sqlite.ts'
import { openLog } from '../../src/chain/embedded.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { account, bankKey, bytesOf, must, now, vendorKey } from '../protocol/world.ts'
import { asset, buy, claimOf, network, openWorld, propose, rules } from './channels.ts'

const store = sqliteBankStore(process.argv[2]!)
const chain = openLog({ store: store.log, key: bankKey, now: () => now }, { network })
const bank = createBank({
  store,
  key: bankKey,
  rules,
  chain,
  now: () => now,
  random: (size) => bytesOf('random', size),
})
must(await bank.register(account.publicKey))
must(await bank.register(vendorKey.publicKey))
must(await bank.deposit(account.publicKey, asset, 1_000_000n))
const world = await openWorld(bank, 'one')
buy(world, 3)
const { settled } = must(await bank.close(claimOf(world)))
const { opened } = must(await bank.open(propose('acknowledged').bytes))
writeSync(1, JSON.stringify({ opened: toHex(opened), settled: settled.toString() }))
process.kill(process.pid, 'SIGKILL')

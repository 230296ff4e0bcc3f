import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createWallet, type Fetch, type PayingChannel } from '../../src/client/index.ts'
import { openJournal } from '../../src/client/journal/open.ts'
import { Bank } from '../../src/protocol/index.ts'
import * as Open from '../../src/wire/Open.ts'
import { backendName, createParties, entropy, now, price, read } from '../channel.ts'
import type { Work } from '../measure.ts'
import { startVendorProcess } from '../vendorProcess.ts'

const bankUrl = 'http://bank.invalid'
/** Units paid ahead of their delivery. */
const ahead = 512

interface Bought {
  readonly channel: PayingChannel
  readonly units: number
}

/**
 * A wallet that makes its payments, stores each in its journal and sends it to a vendor in another process, which stores it before it
 * delivers. One operation is one unit of a stream, paid by a payment or by a tick, until it is delivered.
 */
export async function units(paidBy: 'payments' | 'ticks'): Promise<Work<Bought>> {
  const parties = createParties()
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-bench-'))
  const vendor = await startVendorProcess(parties)
  const journal = await openJournal({ path: join(folder, 'client.db') })
  const fetch: Fetch = async (input, init) => {
    const url = typeof input === 'string' ? input : input.url
    if (!url.startsWith(bankUrl)) return globalThis.fetch(input, init)
    const { agreed, terms } = read(Open.parse(new Uint8Array(init!.body as ArrayBuffer)))
    return new Response(Open.encodeOpened(Bank.grant(parties.bank, terms, agreed)))
  }
  const wallet = createWallet({
    journal,
    account: parties.account,
    bank: { key: parties.bank.publicKey, url: bankUrl },
    clientIdentity: new Uint8Array(32),
    now: () => now,
    random: entropy,
    fetch,
  })
  return {
    backend: backendName,
    prepare: async (count) => ({
      channel: await wallet.open(vendor.url, { funds: price * BigInt(count) * 4n }),
      units: count,
    }),
    async run({ channel, units: unitsMax }) {
      const isPayment = (): boolean => paidBy === 'payments'
      let delivered = 0
      for await (const _ of channel.stream(`${vendor.url}/units`, { price, ahead, unitsMax, isPayment })) delivered += 1
      if (delivered !== unitsMax) throw new Error(`${delivered} of ${unitsMax} were delivered`)
    },
    async dispose() {
      await journal.close()
      await vendor.end()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

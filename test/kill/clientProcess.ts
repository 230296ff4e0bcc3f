import { randomBytes } from 'node:crypto'
import { fsyncSync, openSync, writeSync } from 'node:fs'
import { createWallet, type PayingChannel } from '../../src/client/index.ts'
import { openJournal } from '../../src/client/journal/open.ts'
import { toHex } from '../../src/crypto/bytes.ts'
import { configOf, keyOf, now, price, report, untilAskedToFinish, urlOf } from './config.ts'

/** A client that keeps a few requests in flight, opens and closes channels, and writes down what was acknowledged. */
const config = configOf()
const journal = await openJournal({ path: `${config.folder}/${config.name}.db`, inThread: true })
if (journal.stale !== undefined) throw new Error(journal.stale)
const acknowledged = openSync(`${config.folder}/${config.name}.acknowledged`, 'a')
const wallet = createWallet({
  journal,
  account: keyOf(config, config.name),
  bank: { key: keyOf(config, 'bank').publicKey, url: urlOf(config.bankPort) },
  clientIdentity: new Uint8Array(32),
  now,
  random: (size) => new Uint8Array(randomBytes(size)),
  timeoutMs: 2000,
})
report('ready')

let finishing = false
void untilAskedToFinish().then(() => {
  finishing = true
})
let number = 0
let tries = 0
const run = randomBytes(6).toString('hex')
while (!finishing) await round().catch(pause)
while (!(await closeAll())) await pause()
report('done')
process.disconnect()

/** One channel's life: opened or taken up again, paid with for a while, closed. */
async function round(): Promise<void> {
  const kept = (await wallet.channels()).filter(({ state }) => state.frozen === undefined)
  const resumed = await wallet.resume()
  const vendorPort = config.vendorPorts[number % config.vendorPorts.length]!
  const lockScheme = number % 3 === 0 ? 'ecdsa-xor' : 'schnorr'
  const channel = kept[0] ?? resumed[0] ?? (await wallet.open(urlOf(vendorPort), { funds: 40_000n, lockScheme }))
  for (let batch = 0; batch < 8 && !finishing; batch++) {
    await Promise.all([buy(channel), buy(channel), buy(channel), buy(channel)])
  }
  if (number % 5 === 0)
    for await (const _ of channel.stream(`${channel.vendorUrl}/words`, { price: 10n, unitsMax: 4 }));
  await channel.close()
}

async function buy(channel: PayingChannel): Promise<void> {
  const id = `${config.name}-${run}-${number++}`
  const response = await channel.fetch(`${channel.vendorUrl}/work`, price, { method: 'POST', body: id })
  if ((await response.text()) !== 'worked') return
  writeSync(acknowledged, `${toHex(channel.state.channelId.subarray(0, 16))} ${id}\n`)
  fsyncSync(acknowledged)
}

/** Whether every channel of the journal is released. */
async function closeAll(): Promise<boolean> {
  await wallet.resume().catch(() => [])
  let left = 0
  for (const channel of await wallet.channels()) {
    if (channel.state.index === 0) continue
    try {
      if (channel.state.frozen === undefined) await channel.resend()
      await channel.close()
    } catch {
      left += 1
    }
  }
  tries += 1
  // What a vendor disputes it closes without a release, from coins alone.
  return left === 0 || tries > 20
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 100))
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Vendor } from '../../src/protocol/index.ts'
import { sqliteVendorStore, Till } from '../../src/vendor/index.ts'
import * as Frame from '../../src/wire/Frame.ts'
import { asset, backendName, type Channel, must, network, now, openChannel, price, read } from '../channel.ts'
import type { Work } from '../measure.ts'
import { charge, recordPayments } from './vendor.ts'

/** Payments that arrive together, and so share a commit. */
const paymentsACommit = 100

interface Recorded {
  readonly till: Till
  readonly frames: readonly Uint8Array[]
}

/** One coin payment, as a frame, through the till into its SQLite store: done when it is durable and charged. */
export function payment(): Work<Recorded> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'))
  const store = sqliteVendorStore(join(folder, 'vendor.db'))
  return {
    backend: backendName,
    async prepare(count) {
      const channel = openChannel()
      const till = new Till({ store, frameKey: channel.frameKey, acceptance: acceptanceOf(channel), now: () => now })
      must(await till.find(channel.client.channelId.subarray(0, 16), channel.attachment))
      return { till, frames: recordPayments(channel, count) }
    },
    async run({ till, frames }) {
      for (let start = 0; start < frames.length; start += paymentsACommit) {
        await Promise.all(frames.slice(start, start + paymentsACommit).map((bytes) => accept(till, bytes)))
      }
    },
    async dispose() {
      await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function accept(till: Till, bytes: Uint8Array): Promise<void> {
  const value = read(Frame.parsePayment(bytes))
  const admission = await till.admit({ payment: { bytes, value }, checkpoint: undefined, attachment: undefined })
  if (!admission.ok) throw new Error(admission.detail)
  const { held, accepted } = admission
  charge(held.channel, accepted.index)
  await till.write(held, { accepted, status: 'charged', charged: price })
}

function acceptanceOf({ attachment: { agreed } }: Channel): Vendor.Acceptance {
  const { bank, vendor, vendorFrameKey, lockScheme } = agreed
  return { banks: [bank], vendor, vendorFrameKey, network, asset, lockSchemes: [lockScheme], lifeMin: 0n, graceMin: 0 }
}

import { backendName, type Channel, openChannel, pay } from '../channel.ts'
import { times, type Work } from '../measure.ts'
import { type Message, openVendor } from '../service.ts'
import type { StoreKind } from '../stores.ts'

/** Prerecorded payments over one channel, in turns of the loop as a socket brings them. One operation is one durable charge. */
export async function oneChannel(kind: StoreKind): Promise<Work<readonly Message[]>> {
  const vendor = await openVendor(kind)
  return {
    backend: backendName,
    async prepare(count) {
      const channel = await vendor.attach(openChannel({ parties: vendor.parties }))
      return times(count, () => pay(channel.client))
    },
    run: (messages) => vendor.take(messages),
    dispose: vendor.close,
  }
}

const channelsMax = 10_000

/** The same over 10,000 channels, one payment of each in turn. */
export async function manyChannels(kind: StoreKind): Promise<Work<readonly Message[]>> {
  const vendor = await openVendor(kind)
  let channels: readonly Channel[] = []
  return {
    backend: backendName,
    async prepare(count) {
      if (channels.length === 0) {
        const { parties } = vendor
        channels = times(Math.min(count, channelsMax), () => openChannel({ parties, segmentLength: 64 }))
        for (const channel of channels) await vendor.attach(channel)
      }
      return times(count, (at) => pay(channels[at % channels.length]!.client))
    },
    run: (messages) => vendor.take(messages),
    dispose: vendor.close,
  }
}

import { requestDigest } from '../../src/http/requestDigest.ts'
import { Client } from '../../src/protocol/index.ts'
import * as Attachment from '../../src/wire/Attachment.ts'
import { acknowledge, backendName, must, now, openChannel, price } from '../channel.ts'
import { startLoad } from '../load.ts'
import { times, type Work } from '../measure.ts'
import { openVendor, publicUrl, serveVendor } from '../service.ts'

/** What a client sends over one WebSocket, in its order. */
interface Recorded {
  readonly messages: readonly Uint8Array[]
  readonly deliveries: number
}

/**
 * Prerecorded payments of one channel over one WebSocket, sent by another process: durable in SQLite before the unit that each pays is
 * delivered. One operation is one payment.
 */
export async function payments(): Promise<Work<Recorded>> {
  const vendor = await openVendor('sqlite')
  const server = await serveVendor(vendor, { url: publicUrl })
  const load = startLoad()
  const digest = requestDigest({ method: 'GET', target: `${publicUrl}/units` })
  return {
    backend: backendName,
    prepare(count) {
      const { client } = openChannel({ parties: vendor.parties })
      let previous: number | undefined
      const paid = times(count, () => {
        const purchase = { price, digest, now }
        const { payment } = must(
          previous === undefined ? Client.pay(client, purchase) : Client.renew(client, previous, purchase),
        )
        previous = payment.index
        acknowledge(client, payment.index)
        return [payment.checkpoint ?? [], payment.frame].flat()
      })
      return { messages: [Attachment.encode(client.attachment), ...paid.flat()], deliveries: count }
    },
    async run({ messages, deliveries }) {
      const { port } = new URL(server.url)
      await load.run({ kind: 'pour', port: Number(port), path: '/units', messages, deliveries })
    },
    async dispose() {
      load.end()
      await server.close()
      await vendor.close()
    },
  }
}

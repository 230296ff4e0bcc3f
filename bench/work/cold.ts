import { backendName, openChannel, pay } from '../channel.ts'
import { eachInTurn, times, type Work } from '../measure.ts'
import { acceptAndCharge, createTill, type Message, openVendor } from '../service.ts'

/** The verdict on a payment of a channel that the store has and the memory has not, until it is durable and charged. */
export async function verdict(): Promise<Work<readonly Message[]>> {
  const vendor = await openVendor('sqlite')
  return {
    backend: backendName,
    async prepare(count) {
      return Promise.all(
        times(count, async () => {
          const { client } = await vendor.attach(openChannel({ parties: vendor.parties }))
          await vendor.accept(pay(client))
          return pay(client)
        }),
      )
    },
    run(messages) {
      // A till that has just started.
      const till = createTill(vendor.opened, vendor.parties)
      return eachInTurn((message: Message) => acceptAndCharge(till, message))(messages)
    },
    dispose: vendor.close,
  }
}

import type { Client } from '../../src/protocol/index.ts'
import { backendName, openChannel, pay } from '../channel.ts'
import { times, type Work } from '../measure.ts'

/** One payment: coin, receipt, commitment, lock, transcript and frame, of a channel whose segment is made beforehand. */
export function payment(): Work<readonly Client.ClientChannel[]> {
  return {
    backend: backendName,
    prepare(count) {
      const { client } = openChannel()
      return times(count, () => client)
    },
    run(clients) {
      for (const client of clients) pay(client)
    },
  }
}

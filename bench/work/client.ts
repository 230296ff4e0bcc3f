import { backendName, openChannel, pay } from '../channel.ts'
import type { Work } from '../measure.ts'

/** One payment: coin, receipt, commitment, lock, transcript and frame, of one channel whose segment is made beforehand. */
export function payment(): Work {
  return {
    backend: backendName,
    prepare(count) {
      const { client } = openChannel()
      return {
        count,
        run() {
          for (let left = count; left > 0; left--) pay(client)
        },
      }
    },
  }
}

/** A vendor on SQLite as a process of its own. */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Parties } from './channel.ts'
import { openVendor, serveVendor } from './service.ts'

export interface VendorProcess {
  readonly url: string
  end(): Promise<void>
}

export async function startVendorProcess(parties: Parties): Promise<VendorProcess> {
  const child = fork(fileURLToPath(import.meta.url), ['serve'], { serialization: 'advanced', execArgv: [] })
  child.send(parties)
  const ended = once(child, 'exit')
  const [url] = (await Promise.race([once(child, 'message'), ended])) as [unknown]
  if (typeof url !== 'string') throw new Error('the vendor did not start')
  return {
    url,
    async end() {
      child.disconnect()
      await ended
    },
  }
}

if (process.argv[2] === 'serve') {
  process.once('message', (parties: Parties) => {
    void serveUntilLeft(parties)
  })
}

async function serveUntilLeft(parties: Parties): Promise<void> {
  const vendor = await openVendor('sqlite', parties)
  const server = await serveVendor(vendor)
  process.send!(server.url)
  await once(process, 'disconnect')
  await server.close()
  await vendor.close()
}

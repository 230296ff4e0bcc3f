/** Commits payment after payment on one channel and says of each that it is stored. */

import { openVendorStore } from '../../src/vendor/store/sqlite.ts'
import { channelNamed, paidUpTo, payment } from './vendorChannels.ts'

const store = await openVendorStore(process.argv[2]!)
const channel = channelNamed('one')
const from = (await store.channel(channel.channelId.subarray(0, 16)))?.contiguous ?? 0
for (let index = from + 1; ; index++) {
  await store.commit({ channels: [paidUpTo(channel, index)], payments: [payment(channel, index)] })
  process.stdout.write(`${index}\n`)
}

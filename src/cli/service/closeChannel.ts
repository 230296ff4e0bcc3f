import { randomBytes } from 'node:crypto'
import { createWallet } from '../../client/index.ts'
import { openJournal } from '../../client/journal/open.ts'
import { fromHex, toHex, utf8 } from '../../crypto/bytes.ts'
import type { Side } from '../../ops/channels/listing.ts'
import { type LoadedConfig, readKeyPair, sectionOf } from '../../ops/config/index.ts'
import { askAdmin, isAnswering } from '../../ops/service/admin.ts'
import { systemTime } from '../../ops/service/clock.ts'
import { createTill } from '../../ops/service/vendorService.ts'
import { Client } from '../../protocol/index.ts'
import { claimAtBank, openVendorDatabase, vendorIdentity } from '../../vendor/index.ts'
import { CommandError } from '../command.ts'
import { explained } from './config.ts'

/** Closes a channel, from the side whose store it is in. Repeating it is safe. */
export async function closeChannel(config: LoadedConfig, side: Side, channel: string): Promise<unknown> {
  try {
    return side === 'vendor' ? await closeAsVendor(config, channel) : await closeAsClient(config, channel)
  } catch (error) {
    throw explained(error)
  }
}

/** A vendor that runs holds the channel in its memory: then it is the one to claim. */
async function closeAsVendor(loaded: LoadedConfig, channel: string): Promise<unknown> {
  const config = sectionOf(loaded, 'vendor')
  if (await isAnswering(config.adminSocket)) return askAdmin(config.adminSocket, 'close', { channel })
  const settlement = readKeyPair(config.keyFile)
  const frame = readKeyPair(config.frameKeyFile)
  const store = await openVendorDatabase(config.store)
  try {
    const identity = vendorIdentity(config.identity, settlement, await store.restoredAt())
    const till = createTill(config, { store, settlement, frame, identity, now: systemTime })
    const claimed = await claimAtBank(
      config.banks,
      { till, store, vendor: settlement },
      fromHex(channel).subarray(0, 16),
    )
    await till.stop()
    return claimed
  } finally {
    await store.close()
  }
}

async function closeAsClient(loaded: LoadedConfig, channel: string): Promise<unknown> {
  const config = sectionOf(loaded, 'client')
  const account = readKeyPair(config.keyFile)
  const journal = await openJournal({ path: config.journal })
  try {
    const wallet = createWallet({
      journal,
      account,
      bank: config.bank,
      // Of new channels, and none is opened here.
      clientIdentity: Client.commitIdentity(randomBytes(32), utf8('')),
      now: systemTime,
      random: (size) => new Uint8Array(randomBytes(size)),
    })
    const found = (await wallet.channels()).find(({ state }) => toHex(state.channelId) === channel)
    if (found === undefined)
      throw new CommandError(`channel ${channel} signs nothing any more: wait until it is closed or expires`)
    const { closing, receiptsOpened } = await found.close()
    return { channel, spent: closing.spent, receiptsOpened }
  } finally {
    await journal.close()
  }
}

/** Channels and payments as a client stores them. */

import type { ChannelState, ProposedChannel, StoredPayment } from '../../src/client/journal/contract.ts'
import { bytesOf, createWorld } from '../protocol/world.ts'

export function proposed(label: string): ProposedChannel {
  const { client, secrets } = createWorld({ label })
  return {
    channelId: client.channelId,
    vendorUrl: `https://vendor.example/ü/${label}`,
    bankUrl: 'https://bank.example',
    terms: client.attachment.terms,
    open: bytesOf(label, 32),
    channelKey: secrets.channelKey,
    channelSeed: secrets.channelSeed,
  }
}

export function state(index: number, change: Partial<ChannelState> = {}): ChannelState {
  return {
    opened: new Uint8Array(160).fill(7),
    index,
    transcript: bytesOf(`transcript ${index}`),
    receipt: new Uint8Array(64).fill(index),
    paid: BigInt(index) * 10n,
    segment: { number: 1, base: 0n, unitPrice: 10n, length: 1024, index: 0, step: index },
    checkpoint: undefined,
    agreed: 50n,
    acknowledged: 20n,
    frozen: undefined,
    closing: undefined,
    release: undefined,
    today: { day: 20_000n, before: 0n },
    ...change,
  }
}

export function paymentOf(index: number): StoredPayment {
  return {
    index,
    price: 10n,
    frame: bytesOf(`frame ${index}`),
    checkpoint: index % 2 === 0 ? bytesOf('checkpoint') : undefined,
    core: new Uint8Array(188).fill(index),
    receipt: new Uint8Array(64).fill(index),
    bought: { method: 'GET', target: `https://vendor.example/goods/${index}` },
    charged: undefined,
  }
}

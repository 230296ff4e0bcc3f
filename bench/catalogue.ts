import type { Work } from './measure.ts'

export interface Variant {
  readonly does: string
  /** On what it is meant to run; the time carries what it did run on. */
  readonly backend: 'native' | 'portable' | 'noble'
  /** Operations a sample: tens of milliseconds of them, so that their garbage is collected within it, or what preparing allows. */
  readonly count: number
  /** Imported where it runs, so that no variant carries another's code along. */
  load(): Promise<Work<unknown>>
}

export type VariantName =
  | 'sha256'
  | 'ecdsa.verify'
  | 'ecdsa.recover'
  | 'vendor.payment'
  | 'vendor.payment.http'
  | 'vendor.payment.stored'
  | 'vendor.tick'
  | 'durable.sqlite.one'
  | 'durable.sqlite.many'
  | 'durable.sqlite.socket'
  | 'durable.sqlite.latency'
  | 'durable.postgres.one'
  | 'durable.postgres.many'
  | 'vendor.cold'
  | 'vendor.restart'
  | 'live.payments'
  | 'live.ticks'
  | 'http.hello.free'
  | 'http.hello.paid'
  | 'http.work.free'
  | 'http.work.paid'
  | 'client.payment'
  | 'client.payment.portable'
  | 'lock.schnorr.check'
  | 'lock.schnorr.step'
  | 'lock.xor'
  | 'release.verified'
  | 'release.unverified'
  | 'release.xor'
  | 'mppx.verifyVoucher'
  | 'mppx.signVoucher'
  | 'x402.beforeVerify'
  | 'x402.verifyTypedData'
  | 'x402.signVoucher'

export const variants: Readonly<Record<VariantName, Variant>> = {
  sha256: {
    does: 'one-shot SHA-256 of 32 bytes: the unit',
    backend: 'native',
    count: 50_000,
    load: async () => (await import('./work/primitives.ts')).sha256(),
  },
  'ecdsa.verify': {
    does: 'one ECDSA verification, libsecp256k1',
    backend: 'native',
    count: 500,
    load: async () => (await import('./work/primitives.ts')).ecdsaVerify(),
  },
  'ecdsa.recover': {
    does: 'one ECDSA recovery, libsecp256k1',
    backend: 'native',
    count: 500,
    load: async () => (await import('./work/primitives.ts')).ecdsaRecover(),
  },
  'vendor.payment': {
    does: 'one coin payment accepted and charged, as a frame',
    backend: 'native',
    count: 6000,
    load: async () => (await import('./work/vendor.ts')).payment(),
  },
  'vendor.payment.http': {
    does: 'the same from HTTP headers',
    backend: 'native',
    count: 6000,
    load: async () => (await import('./work/vendor.ts')).paymentOverHttp(),
  },
  'vendor.payment.stored': {
    does: 'the same as a frame, durable in SQLite, 100 a commit',
    backend: 'native',
    count: 500,
    load: async () => (await import('./work/store.ts')).payment(),
  },
  'vendor.tick': {
    does: 'one tick accepted',
    backend: 'native',
    count: 8000,
    load: async () => (await import('./work/vendor.ts')).tick(),
  },
  'durable.sqlite.one': {
    does: 'one prerecorded payment over one channel, charged and synced by SQLite in its thread',
    backend: 'native',
    count: 10_000,
    load: async () => (await import('./work/durable.ts')).oneChannel('sqlite'),
  },
  'durable.sqlite.many': {
    does: 'the same over 10,000 channels',
    backend: 'native',
    count: 10_000,
    load: async () => (await import('./work/durable.ts')).manyChannels('sqlite'),
  },
  'durable.sqlite.socket': {
    does: 'one prerecorded payment over one channel and one WebSocket, its unit delivered after the sync',
    backend: 'native',
    count: 5000,
    load: async () => (await import('./work/socket.ts')).payments(),
  },
  'durable.sqlite.latency': {
    does: 'payments over one channel, as many as are taken, then at half that rate: see the figures',
    backend: 'native',
    count: 10_000,
    load: async () => (await import('./work/latency.ts')).atHalfLoad(),
  },
  'durable.postgres.one': {
    does: 'one prerecorded payment over one channel, charged and synced by PostgreSQL',
    backend: 'native',
    count: 10_000,
    load: async () => (await import('./work/durable.ts')).oneChannel('postgres'),
  },
  'durable.postgres.many': {
    does: 'the same over 10,000 channels',
    backend: 'native',
    count: 10_000,
    load: async () => (await import('./work/durable.ts')).manyChannels('postgres'),
  },
  'vendor.cold': {
    does: 'one payment of a channel that only the store has, read, accepted, charged and synced, alone',
    backend: 'native',
    count: 100,
    load: async () => (await import('./work/cold.ts')).verdict(),
  },
  'vendor.restart': {
    does: 'a vendor started with 100,000 stored channels, until its first payment is durable: see the figure',
    backend: 'native',
    count: 100_000,
    load: async () => (await import('./work/restart.ts')).restart(),
  },
  'live.payments': {
    does: 'one payment that a wallet makes, stores and sends, until its unit is delivered',
    backend: 'native',
    count: 2000,
    load: async () => (await import('./work/live.ts')).units('payments'),
  },
  'live.ticks': {
    does: 'the same, each unit paid by a tick',
    backend: 'native',
    count: 2000,
    load: async () => (await import('./work/live.ts')).units('ticks'),
  },
  'http.hello.free': {
    does: 'one request over HTTP that answers at once, unpaid',
    backend: 'native',
    count: 3200,
    load: async () => (await import('./work/http.ts')).requests('/hello', false),
  },
  'http.hello.paid': {
    does: 'the same on the same server, paid',
    backend: 'native',
    count: 3200,
    load: async () => (await import('./work/http.ts')).requests('/hello', true),
  },
  'http.work.free': {
    does: 'one request whose handler computes for 1 ms, unpaid',
    backend: 'native',
    count: 320,
    load: async () => (await import('./work/http.ts')).requests('/work', false),
  },
  'http.work.paid': {
    does: 'the same on the same server, paid',
    backend: 'native',
    count: 320,
    load: async () => (await import('./work/http.ts')).requests('/work', true),
  },
  'client.payment': {
    does: 'one payment made: coin, receipt, lock, frame',
    backend: 'native',
    count: 200,
    load: async () => (await import('./work/client.ts')).payment(),
  },
  'client.payment.portable': {
    does: 'the same in pure JavaScript',
    backend: 'portable',
    count: 40,
    load: async () => (await import('./work/client.ts')).payment(),
  },
  'lock.schnorr.check': {
    does: 'one schnorr lock checked by itself',
    backend: 'native',
    count: 300,
    load: async () => (await import('./work/locks.ts')).schnorrCheck(),
  },
  'lock.schnorr.step': {
    does: 'one schnorr lock checked after those before it',
    backend: 'native',
    count: 300,
    load: async () => (await import('./work/locks.ts')).schnorrStep(),
  },
  'lock.xor': {
    does: 'one ecdsa-xor lock made; none can be checked',
    backend: 'native',
    count: 4000,
    load: async () => (await import('./work/locks.ts')).xorLock(),
  },
  'release.verified': {
    does: 'one schnorr receipt opened, its lock verified before',
    backend: 'native',
    count: 1000,
    load: async () => (await import('./work/release.ts')).verifiedBefore(),
  },
  'release.unverified': {
    does: 'one schnorr receipt opened and verified',
    backend: 'native',
    count: 300,
    load: async () => (await import('./work/release.ts')).unverified('schnorr'),
  },
  'release.xor': {
    does: 'one ecdsa-xor receipt opened and verified',
    backend: 'native',
    count: 300,
    load: async () => (await import('./work/release.ts')).unverified('ecdsa-xor'),
  },
  'mppx.verifyVoucher': {
    does: 'mppx: one voucher checked',
    backend: 'noble',
    count: 20,
    load: async () => (await import('./work/mppx.ts')).verifyVoucher(),
  },
  'mppx.signVoucher': {
    does: 'mppx: one voucher signed',
    backend: 'noble',
    count: 40,
    load: async () => (await import('./work/mppx.ts')).signVoucher(),
  },
  'x402.beforeVerify': {
    does: 'x402: one voucher checked by its server, without a facilitator',
    backend: 'noble',
    count: 20,
    load: async () => (await import('./work/x402.ts')).beforeVerify(),
  },
  'x402.verifyTypedData': {
    does: 'x402: the signature of one voucher checked',
    backend: 'noble',
    count: 20,
    load: async () => (await import('./work/x402.ts')).verifyTypedData(),
  },
  'x402.signVoucher': {
    does: 'x402: one voucher signed',
    backend: 'noble',
    count: 40,
    load: async () => (await import('./work/x402.ts')).signVoucher(),
  },
}

export const variantNames: readonly VariantName[] = Object.keys(variants) as VariantName[]

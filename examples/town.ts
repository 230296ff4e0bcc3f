/** What an example stands on: a bank on this machine, at which accounts get test money. It goes when the example ends. */

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBank, serveBank, sqliteBankStore } from 'lockstep/bank'
import { openLog } from 'lockstep/chain'
import { Schnorr } from 'lockstep/crypto'
import { Bank as Rules } from 'lockstep/protocol'
import { formatDecimal, unixSeconds } from 'lockstep/wire'

export interface Town extends AsyncDisposable {
  /** The bank's address. */
  readonly bank: string
  /** For stores and keys. */
  readonly folder: string
  /** Puts 5 USD on an account. */
  fund(account: string): Promise<void>
  /** What an account has at the bank, in USD. */
  balance(account: string): Promise<string>
}

export async function openTown(): Promise<Town> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-example-'))
  const now = () => unixSeconds(BigInt(Math.floor(Date.now() / 1000)))
  const random = (size: number) => new Uint8Array(randomBytes(size))
  const key = Schnorr.keyPair(random(32))
  const [store, network] = [sqliteBankStore(join(folder, 'bank.db')), 'lockstep:example']
  const bank = createBank({
    store,
    key,
    rules: { ...Rules.defaultRules, network, assets: [asset] },
    // Vendors register by themselves, without a deposit.
    commandRules: { ...Rules.defaultCommandRules, depositMin: new Map([[asset, 0n]]) },
    chain: openLog({ store: store.log, key, now }, { network }),
    now,
    random,
  })
  const server = await serveBank(bank)
  return {
    bank: server.url,
    folder,
    async fund(account) {
      await bank.register(bytesOf(account))
      await bank.deposit(bytesOf(account), asset, 5_000_000n)
    },
    async balance(account) {
      const known = await bank.balance(bytesOf(account), asset)
      return formatDecimal(known.ok ? known.balance : 0n, { code: 'USD', decimals: 6 })
    },
    async [Symbol.asyncDispose]() {
      await server.close()
      await bank.stop()
      await rm(folder, { recursive: true })
    },
  }
}

const asset = 'USD/6'

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

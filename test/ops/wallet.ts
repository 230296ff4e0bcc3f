/** A wallet as a program has one, on the journal that the config of a place names. */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { createWallet, type Wallet } from '../../src/client/index.ts'
import type { OpenedJournal } from '../../src/client/journal/contract.ts'
import { openJournal } from '../../src/client/journal/open.ts'
import { utf8 } from '../../src/crypto/bytes.ts'
import { systemTime } from '../../src/ops/service/clock.ts'
import { Client } from '../../src/protocol/index.ts'
import { onEnd, type Place } from './services.ts'

export interface TestWallet extends Wallet {
  readonly journal: OpenedJournal
}

export async function openWallet({ folder, account, bank, bankUrl }: Place): Promise<TestWallet> {
  const journal = await openJournal({ path: join(folder, 'client.db') })
  onEnd(() => journal.close())
  const wallet = createWallet({
    journal,
    account,
    bank: { key: bank.publicKey, url: bankUrl },
    clientIdentity: Client.commitIdentity(new Uint8Array(32), utf8('')),
    now: systemTime,
    random: (size) => new Uint8Array(randomBytes(size)),
  })
  return { ...wallet, journal }
}

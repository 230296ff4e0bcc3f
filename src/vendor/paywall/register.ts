import { randomBytes } from 'node:crypto'
import { toHex } from '../../crypto/bytes.ts'
import type * as Schnorr from '../../crypto/Schnorr.ts'
import { bankAnswerMax, bankPaths, commandType } from '../../http/bank.ts'
import { type Asset, formatDecimal, type UnixSeconds, unixSeconds } from '../../wire/amount.ts'
import * as Command from '../../wire/Command.ts'
import type { KnownBank } from './bank.ts'
import type { PaywallLogger } from './types.ts'

export interface RegisterOptions {
  readonly key: Schnorr.KeyPair
  /** As banks name it. */
  readonly assetName: string
  readonly asset: Asset
  readonly now: () => UnixSeconds
  readonly timeoutMs: number
  readonly logger: PaywallLogger
}

/** Seconds that the bank may take to hear of it. */
const validSeconds = 300n

/**
 * Registers the vendor where a bank lets accounts do so by themselves: nobody can pay one that is not registered. Says what is
 * missing where it cannot be done, and leaves the vendor running: its channels go on.
 */
export async function register({ url, key: bank, offer }: KnownBank, options: RegisterOptions): Promise<void> {
  const { key, assetName, asset, now, timeoutMs, logger } = options
  const deposit = offer.commands.depositMin.get(assetName)
  if (deposit === undefined) return
  const command = Command.sign(key, {
    bank,
    network: offer.rules.network,
    id: new Uint8Array(randomBytes(16)),
    validUntil: unixSeconds(now() + validSeconds),
    action: { kind: 'register', asset: assetName },
  })
  const { ok, reason, detail } = await send(new URL(bankPaths.command, url), Command.encode(command), timeoutMs)
  if (ok || reason === 'AccountExists') return
  const missing = `deposit ${formatDecimal(deposit, asset)} ${asset.code} there for account ${toHex(key.publicKey)}, and start again`
  const advice = reason === 'DepositTooSmall' ? missing : detail
  logger.warn(`this vendor is not registered at the bank at ${url}, and no channel can be opened to it: ${advice}`)
}

async function send(
  url: URL,
  command: Uint8Array<ArrayBuffer>,
  timeoutMs: number,
): Promise<{ readonly ok: boolean; readonly reason?: unknown; readonly detail: string }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': commandType },
      body: command,
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = (await response.text()).slice(0, bankAnswerMax)
    if (response.ok) return { ok: true, detail: '' }
    const { reason, detail } = JSON.parse(text) as { readonly reason?: unknown; readonly detail?: unknown }
    return { ok: false, reason, detail: String(detail) }
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) }
  }
}

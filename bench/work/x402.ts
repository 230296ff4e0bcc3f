import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { BATCH_SETTLEMENT_ADDRESS, BATCH_SETTLEMENT_DOMAIN, voucherTypes } from '@x402/evm'
import { computeChannelId, signVoucher as signStock } from '@x402/evm/batch-settlement/client'
import { BatchSettlementEvmScheme, InMemoryChannelStorage } from '@x402/evm/batch-settlement/server'
import { getAddress, type Hex, toHex, verifyTypedData as verifyStock } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { entropy } from '../channel.ts'
import { eachInTurn, type Work } from '../measure.ts'

/**
 * The voucher check of `@x402/evm`'s own server, unmodified: its `onBeforeVerify` hook, which binds the channel, reads its state
 * from memory, compares amounts and verifies the signature, without a facilitator.
 */
export function beforeVerify(): Work {
  return {
    backend: 'noble',
    async prepare(count) {
      const storage = new InMemoryChannelStorage()
      const scheme = new BatchSettlementEvmScheme(receiver, { storage, withdrawDelay })
      const verify = scheme.schemeHooks.onBeforeVerify
      if (verify === undefined) throw new Error('this version of @x402/evm has no such hook')
      const payments = await Promise.all(Array.from({ length: count }, () => createPayment(storage)))
      return eachInTurn(payments, async (payload) => {
        const context = { paymentPayload: payload, requirements: payload.accepted, declaredExtensions: {} }
        const verdict = await verify(context as unknown as Parameters<typeof verify>[0])
        if (verdict === undefined || !('result' in verdict) || !verdict.result.isValid) {
          throw new Error(`a voucher was refused: ${JSON.stringify(verdict)}`)
        }
      })
    },
  }
}

/** The signature alone: viem's `verifyTypedData` with x402's own domain and types, as that server calls it. */
export function verifyTypedData(): Work {
  return {
    backend: 'noble',
    async prepare(count) {
      const vouchers = await Promise.all(Array.from({ length: count }, createVoucher))
      return eachInTurn(vouchers, async ({ config, voucher }) => {
        const valid = await verifyStock({
          address: getAddress(config.payerAuthorizer),
          domain: { ...BATCH_SETTLEMENT_DOMAIN, chainId, verifyingContract: getAddress(BATCH_SETTLEMENT_ADDRESS) },
          types: voucherTypes,
          primaryType: 'Voucher',
          message: { channelId: voucher.channelId, maxClaimableAmount: BigInt(voucher.maxClaimableAmount) },
          signature: voucher.signature,
        })
        if (!valid) throw new Error('a voucher was refused')
      })
    },
  }
}

/** `@x402/evm`'s own `signVoucher`, unmodified, with a local account. */
export function signVoucher(): Work {
  return {
    backend: 'noble',
    prepare(count) {
      const account = privateKeyToAccount(generatePrivateKey())
      const channelIds = Array.from({ length: count }, () => toHex(entropy(32)))
      return eachInTurn(channelIds, async (channelId) => {
        const { signature } = await signStock(account, channelId, randomAmount(), network)
        if (signature.length !== 132) throw new Error('no signature')
      })
    },
  }
}

const chainId = 84_532
const network = `eip155:${chainId}` as const
const price = 1000n
const withdrawDelay = 86_400
const [receiver, receiverAuthorizer, token] = [randomAddress(), randomAddress(), randomAddress()]

/** A voucher of a channel of its own. */
async function createVoucher() {
  const account = privateKeyToAccount(generatePrivateKey())
  const config = {
    payer: account.address,
    payerAuthorizer: account.address,
    receiver,
    receiverAuthorizer,
    token,
    withdrawDelay,
    salt: toHex(entropy(32)),
  }
  const voucher = await signStock(account, computeChannelId(config, network), randomAmount(), network)
  return { config, voucher }
}

/** A voucher with the state that its server holds of the channel: one price below it, read from the chain just now. */
async function createPayment(storage: InMemoryChannelStorage): Promise<PaymentPayload> {
  const { config, voucher } = await createVoucher()
  const charged = BigInt(voucher.maxClaimableAmount) - price
  await storage.updateChannel(voucher.channelId, () => ({
    channelId: voucher.channelId,
    channelConfig: config,
    chargedCumulativeAmount: `${charged}`,
    signedMaxClaimable: `${charged}`,
    signature: voucher.signature,
    balance: `${2n ** 64n}`,
    totalClaimed: '0',
    withdrawRequestedAt: 0,
    refundNonce: 0,
    onchainSyncedAt: Date.now(),
    lastRequestTimestamp: Date.now(),
  }))
  const accepted: PaymentRequirements = {
    scheme: 'batch-settlement',
    network,
    asset: token,
    amount: `${price}`,
    payTo: receiver,
    maxTimeoutSeconds: 60,
    extra: { receiverAuthorizer, withdrawDelay },
  }
  return { x402Version: 2, accepted, payload: { type: 'voucher', channelConfig: config, voucher } }
}

function randomAmount(): string {
  return `${BigInt(toHex(entropy(6))) + price}`
}

function randomAddress(): Hex {
  return privateKeyToAccount(generatePrivateKey()).address
}

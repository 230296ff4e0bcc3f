import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import { BATCH_SETTLEMENT_ADDRESS, BATCH_SETTLEMENT_DOMAIN, voucherTypes } from '@x402/evm'
import { computeChannelId, signVoucher as signStock } from '@x402/evm/batch-settlement/client'
import { BatchSettlementEvmScheme, InMemoryChannelStorage } from '@x402/evm/batch-settlement/server'
import { getAddress, type Hex, toHex, verifyTypedData as verifyStock } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { entropy } from '../channel.ts'
import { eachInTurn, times, type Work } from '../measure.ts'

/**
 * The voucher check of `@x402/evm`'s own server, unmodified: its `onBeforeVerify` hook, which binds the channel, reads its state
 * from memory, compares amounts and verifies the signature, without a facilitator.
 */
export function beforeVerify(): Work<readonly PaymentPayload[]> {
  const storage = new InMemoryChannelStorage()
  const verify = new BatchSettlementEvmScheme(receiver, { storage, withdrawDelay }).schemeHooks.onBeforeVerify
  if (verify === undefined) throw new Error('this version of @x402/evm has no such hook')
  return {
    backend: 'noble',
    prepare: (count) => Promise.all(times(count, () => createPayment(storage))),
    run: eachInTurn(async (payload) => {
      const context = { paymentPayload: payload, requirements: payload.accepted, declaredExtensions: {} }
      const verdict = await verify(context as unknown as Parameters<typeof verify>[0])
      if (verdict === undefined || !('result' in verdict) || !verdict.result.isValid) {
        throw new Error(`a voucher was refused: ${JSON.stringify(verdict)}`)
      }
    }),
  }
}

/** The signature alone: viem's `verifyTypedData` with x402's own domain and types, as that server calls it. */
export function verifyTypedData(): Work<readonly SignedVoucher[]> {
  return {
    backend: 'noble',
    prepare: (count) => Promise.all(times(count, createVoucher)),
    run: eachInTurn(async ({ config, voucher }) => {
      const valid = await verifyStock({
        address: getAddress(config.payerAuthorizer),
        domain: { ...BATCH_SETTLEMENT_DOMAIN, chainId, verifyingContract: getAddress(BATCH_SETTLEMENT_ADDRESS) },
        types: voucherTypes,
        primaryType: 'Voucher',
        message: { channelId: voucher.channelId, maxClaimableAmount: BigInt(voucher.maxClaimableAmount) },
        signature: voucher.signature,
      })
      if (!valid) throw new Error('a voucher was refused')
    }),
  }
}

/** `@x402/evm`'s own `signVoucher`, unmodified, with a local account. */
export function signVoucher(): Work<readonly UnsignedVoucher[]> {
  return {
    backend: 'noble',
    prepare: (count) => times(count, createUnsigned),
    run: eachInTurn(async ({ account, channelId, amount }) => {
      const { signature } = await signStock(account, channelId, amount, network)
      if (signature.length !== 132) throw new Error('no signature')
    }),
  }
}

type Config = Parameters<typeof computeChannelId>[0]

interface UnsignedVoucher {
  readonly account: PrivateKeyAccount
  readonly config: Config
  readonly channelId: Hex
  readonly amount: string
}

interface SignedVoucher {
  readonly config: Config
  readonly voucher: Awaited<ReturnType<typeof signStock>>
}

const chainId = 84_532
const network = `eip155:${chainId}` as const
const price = 1000n
const withdrawDelay = 86_400
const [receiver, receiverAuthorizer, token] = [randomAddress(), randomAddress(), randomAddress()]

/** A voucher to come, of a channel of its own. */
function createUnsigned(): UnsignedVoucher {
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
  const amount = `${BigInt(toHex(entropy(6))) + price}`
  return { account, config, channelId: computeChannelId(config, network), amount }
}

async function createVoucher(): Promise<SignedVoucher> {
  const { account, config, channelId, amount } = createUnsigned()
  return { config, voucher: await signStock(account, channelId, amount, network) }
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

function randomAddress(): Hex {
  return privateKeyToAccount(generatePrivateKey()).address
}

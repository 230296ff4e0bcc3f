import { Session } from 'mppx/tempo'
import { createClient, custom, type Hex, toHex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { entropy } from '../channel.ts'
import { each, eachInTurn, type Work } from '../measure.ts'

const { Protocol, Voucher } = Session.Precompile

/** mppx's own `verifyVoucher`, unmodified: the smallest part of what it does for a payment. */
export function verifyVoucher(): Work {
  return {
    backend: 'noble',
    async prepare(count) {
      const vouchers = await Promise.all(
        Array.from({ length: count }, async () => {
          const account = privateKeyToAccount(generatePrivateKey())
          const voucher = randomVoucher()
          return { account, voucher: { ...voucher, signature: await sign(account, voucher) } }
        }),
      )
      return each(vouchers, ({ account, voucher }) => {
        if (!Voucher.verifyVoucher(escrow, chainId, voucher, account.address)) throw new Error('a voucher was refused')
      })
    },
  }
}

/** mppx's own `signVoucher`, unmodified, with a local account. */
export function signVoucher(): Work {
  return {
    backend: 'noble',
    prepare(count) {
      const account = privateKeyToAccount(generatePrivateKey())
      return eachInTurn(Array.from({ length: count }, randomVoucher), async (voucher) => {
        if ((await sign(account, voucher)).length !== 132) throw new Error('no signature')
      })
    },
  }
}

/** Tempo's network and its channel contract, for which mppx takes its shortest way. */
const chainId = 4217
const escrow = Protocol.tip20ChannelEscrow

const client = createClient({
  transport: custom({
    request: () => Promise.reject(new Error('a voucher needs no network')),
  }),
})

function sign(
  account: ReturnType<typeof privateKeyToAccount>,
  voucher: ReturnType<typeof randomVoucher>,
): Promise<Hex> {
  return Voucher.signVoucher(client, account, voucher, escrow, chainId)
}

function randomVoucher(): { readonly channelId: Hex; readonly cumulativeAmount: ReturnType<typeof Protocol.uint96> } {
  return { channelId: toHex(entropy(32)), cumulativeAmount: Protocol.uint96(BigInt(toHex(entropy(6)))) }
}

import { Session } from 'mppx/tempo'
import { createClient, custom, type Hex, toHex } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { entropy } from '../channel.ts'
import { each, eachInTurn, times, type Work } from '../measure.ts'

const Protocol = Session.Precompile.Protocol
const Voucher: typeof Session.Precompile.Voucher = Session.Precompile.Voucher

/** mppx's own `verifyVoucher`, unmodified: the smallest part of what it does for a payment. */
export function verifyVoucher(): Work<readonly Signed[]> {
  return {
    backend: 'noble',
    prepare: (count) => Promise.all(times(count, createSigned)),
    run: each(({ account, voucher }) => {
      if (!Voucher.verifyVoucher(escrow, chainId, voucher, account.address)) throw new Error('a voucher was refused')
    }),
  }
}

/** mppx's own `signVoucher`, unmodified, with a local account. */
export function signVoucher(): Work<readonly Unsigned[]> {
  return {
    backend: 'noble',
    prepare: (count) => times(count, createUnsigned),
    run: eachInTurn(async (unsigned) => {
      if ((await sign(unsigned)).length !== 132) throw new Error('no signature')
    }),
  }
}

interface Unsigned {
  readonly account: PrivateKeyAccount
  readonly voucher: Parameters<typeof Voucher.signVoucher>[2]
}

interface Signed {
  readonly account: PrivateKeyAccount
  readonly voucher: Parameters<typeof Voucher.verifyVoucher>[2]
}

/** Tempo's network and its channel contract, for which mppx takes its shortest way. */
const chainId = 4217
const escrow = Protocol.tip20ChannelEscrow

const client = createClient({
  transport: custom({
    request: () => Promise.reject(new Error('a voucher needs no network')),
  }),
})

function sign({ account, voucher }: Unsigned): Promise<Hex> {
  return Voucher.signVoucher(client, account, voucher, escrow, chainId)
}

async function createSigned(): Promise<Signed> {
  const unsigned = createUnsigned()
  return { account: unsigned.account, voucher: { ...unsigned.voucher, signature: await sign(unsigned) } }
}

function createUnsigned(): Unsigned {
  const cumulativeAmount = Protocol.uint96(BigInt(toHex(entropy(6))))
  return {
    account: privateKeyToAccount(generatePrivateKey()),
    voucher: { channelId: toHex(entropy(32)), cumulativeAmount },
  }
}

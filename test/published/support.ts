import { concat, u64, utf8 } from '../../src/crypto/bytes.ts'
import { sha256 } from '../../src/crypto/hash.ts'
import { Bank, Client, ecdsa, Vendor } from '../../src/published/index.ts'

/** Randomness that a seed repeats: SHA-256 in counter mode. */
export function seeded(seed: string): ecdsa.Entropy {
  let counter = 0n
  return (size) => {
    let bytes = new Uint8Array(0)
    while (bytes.length < size) bytes = concat(bytes, sha256(concat(utf8(seed), u64(counter++))))
    return bytes.slice(0, size)
  }
}

export interface Channel {
  readonly bank: Bank.Bank
  readonly client: Client.Client
  readonly vendor: Vendor.Vendor
  readonly entropy: ecdsa.Entropy
}

export interface ChannelInput {
  readonly seed: string
  readonly total?: bigint
  readonly bank?: Bank.Bank
  readonly key?: ecdsa.KeyPair
  readonly identity?: Uint8Array
  readonly at?: bigint
}

/** An open channel between a client, a vendor and a bank that think well of each other. */
export function openChannel({ seed, total = 1_000n, at = 1_700_000_000n, ...given }: ChannelInput): Channel {
  const entropy = seeded(seed)
  const bank = given.bank ?? Bank.createBank(entropy)
  const key = given.key ?? ecdsa.createKeyPair(entropy)
  const identity = given.identity ?? entropy(32)
  const vendorIdentity = entropy(32)
  Bank.register(bank, identity, 60)
  Bank.register(bank, vendorIdentity, 60)
  const opened = Bank.open(
    bank,
    { clientKey: key.publicKey, client: identity, vendor: vendorIdentity, total, at },
    entropy,
  )
  if (!opened.ok) throw new Error(opened.reason)
  const joined = Client.joinChannel({ key, bankKey: bank.key.publicKey, opening: opened.opening }, entropy)
  if (!joined.ok) throw new Error(joined.reason)
  const vendor = Vendor.createVendor({ identity: vendorIdentity, clientKey: key.publicKey })
  return { bank, client: joined.client, vendor, entropy }
}

/** What is paid, or the refusal as an error: for steps that are not the subject of a test. */
export function paid<T>(result: Client.Paid<T>): T {
  if (!result.ok) throw new Error(result.reason)
  return result.payment
}

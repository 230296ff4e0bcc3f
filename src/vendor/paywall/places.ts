import { asError } from '../errors.ts'
import { openVendorDatabase } from '../openStore.ts'
import type { VendorDatabase } from '../store/contract.ts'
import { PaywallError } from './errors.ts'
import { keyIn, randomKey } from './keyFile.ts'
import type { PaywallOptions } from './types.ts'

/** The store by its name, answering; or the open one that was given, which its owner closes. */
export async function openStore(
  store: PaywallOptions['store'],
): Promise<{ readonly store: VendorDatabase; readonly isOwn: boolean }> {
  if (typeof store !== 'string') return { store, isOwn: false }
  const place = placeOf(store)
  try {
    const database = await openVendorDatabase(place)
    // A PostgreSQL server is only asked now.
    await database.restoredAt()
    return { store: database, isOwn: true }
  } catch (cause) {
    throw new PaywallError(`the store cannot be opened: ${asError(cause).message}`, { cause })
  }
}

/** Where the vendor's key is: in the file named, or beside the store. None for a store that does not last. */
export function keyPathOf({ key, store }: PaywallOptions): string | undefined {
  if (key !== undefined) return key
  const place = typeof store === 'string' ? placeOf(store) : undefined
  if (place === ':memory:') return undefined
  if (place !== undefined && !place.startsWith('postgres')) return `${place.replace(/\.(?:db|sqlite3?)$/, '')}.key`
  throw new PaywallError("name the file of the vendor's key: { key: './vendor.key' }. It is made where there is none")
}

export async function secretAt(path: string | undefined): Promise<Uint8Array> {
  return path === undefined ? randomKey() : keyIn(path)
}

/** An address without a slash at its end. */
export function publicAddress(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.search === '' && parsed.hash === '') {
    return url.replace(/\/$/, '')
  }
  throw new PaywallError(`publicUrl is an address such as https://api.example; '${url}' is none`)
}

function placeOf(store: string): string {
  const [, path] = /^sqlite:(.+)$/.exec(store) ?? []
  if (path !== undefined) return path
  if (/^postgres(?:ql)?:\/\//.test(store)) return store
  // What was meant for a password is not repeated.
  throw new PaywallError("a store is 'sqlite:PATH', 'sqlite::memory:' or 'postgres://…', and this is neither")
}

/** IndexedDB as promises. */

import { StoreError, type StoreFault } from '../../sql/storeError.ts'

/** Opens a database with these object stores, whose keys are given with each write. */
export function openDatabase(name: string, stores: readonly string[]): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1)
    request.onupgradeneeded = () => {
      for (const store of stores) request.result.createObjectStore(store)
    }
    request.onblocked = () => reject(new StoreError(`${name} is in use by another page`, { fault: 'busy' }))
    request.onerror = () => reject(request.error)
    request.onsuccess = () => resolve(request.result)
  })
}

/**
 * Runs `body` in one transaction: all of it is stored when this resolves, nothing where it rejects. `body` awaits nothing
 * but requests of its transaction.
 */
export async function transact<T>(
  database: IDBDatabase,
  stores: readonly string[],
  mode: 'readonly' | 'readwrite',
  body: (transaction: IDBTransaction) => Promise<T>,
  durability: 'strict' | 'relaxed' = 'strict',
): Promise<T> {
  try {
    const transaction = database.transaction(stores, mode, { durability })
    const ended = endOf(transaction)
    // Whoever waits for it hears of its failure below.
    ended.catch(() => undefined)
    try {
      const result = await body(transaction)
      await ended
      return result
    } catch (error) {
      abort(transaction)
      throw error
    }
  } catch (error) {
    throw explained(error, database.name)
  }
}

export function get<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** A failing browser as a {@link StoreError} that says what to do. Anything else is a bug and stays what it is. */
export function explained(error: unknown, name: string): unknown {
  if (!(error instanceof DOMException)) return error
  const known = causes[error.name]
  if (known === undefined) return error
  return new StoreError(`${name}: ${known.advice}`, { cause: error, fault: known.fault })
}

const causes: Readonly<Record<string, { readonly fault: StoreFault; readonly advice: string }>> = {
  QuotaExceededError: { fault: 'full', advice: 'The browser gives no more room. Nothing was written.' },
  VersionError: { fault: 'newer', advice: 'A newer version of this page has written the wallet. Reload the page.' },
  InvalidStateError: { fault: 'closed', advice: 'The wallet was closed. Nothing was written: open it again.' },
  SecurityError: { fault: 'unreachable', advice: 'The browser keeps no data for this page: allow it to.' },
  UnknownError: { fault: 'disk', advice: 'The browser could not use the disk. Nothing was acknowledged.' },
}

function endOf(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error ?? new DOMException('given up', 'AbortError'))
  })
}

function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort()
  } catch {
    // A request that failed has ended it already.
  }
}

import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fromHex, isZero, toHex } from '../../crypto/bytes.ts'
import { isScalar } from '../../crypto/scalar.ts'
import { PaywallError } from './errors.ts'

/** The secret in a file of 64 hex digits, made there where there is none: for its owner alone to read. */
export async function keyIn(path: string): Promise<Uint8Array> {
  const text = await textIn(path)
  if (text === undefined) return create(path)
  const hex = text.trim()
  const secret = /^[0-9a-f]{64}$/.test(hex) ? fromHex(hex) : undefined
  if (secret !== undefined && isScalar(secret) && !isZero(secret)) return secret
  throw new PaywallError(`${path} holds no key: 64 hex digits were expected. It is not overwritten: name another file`)
}

export function randomKey(): Uint8Array {
  for (;;) {
    const secret = new Uint8Array(randomBytes(32))
    if (isScalar(secret) && !isZero(secret)) return secret
  }
}

async function textIn(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new PaywallError(`the key file ${path} cannot be read: may this user read it?`, { cause })
  }
}

async function create(path: string): Promise<Uint8Array> {
  const secret = randomKey()
  try {
    await mkdir(dirname(path), { recursive: true })
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(`${toHex(secret)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (cause) {
    throw new PaywallError(`the key file ${path} cannot be made: may this user write there?`, { cause })
  }
  return secret
}

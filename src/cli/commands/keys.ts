import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { fromHex, isZero, toHex } from '../../crypto/bytes.ts'
import * as Schnorr from '../../crypto/Schnorr.ts'
import { isScalar } from '../../crypto/scalar.ts'
import { type Command, CommandError, exitCodes, parseOptions, UsageError } from '../command.ts'

export const keys: Command = {
  name: 'keys',
  summary: 'make a key in a file, or print the public key of one',
  help: `usage: lockstep keys FILE [--new] [--json]

Prints the public key of the secret in FILE: 64 hex digits, the x-coordinate that terms, offers and trust roots name.

  --new    make FILE first, with a fresh random secret that only you may read; never overwrites one
  --json   {"publicKey": "…"}

examples:
  lockstep keys bank.key --new
  lockstep verify DIR --bank "$(lockstep keys bank.key)"

A secret is only ever read from a file: never from an argument, which other users of the machine could see.`,
  async run(args, output) {
    const { values, positionals } = parseOptions(
      args,
      { new: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
      1,
    )
    const [path] = positionals
    if (path === undefined) throw new UsageError('name the file that holds the key')
    const secret = values.new ? await create(path) : await read(path)
    const publicKey = toHex(Schnorr.keyPair(secret).publicKey)
    output.out(values.json ? JSON.stringify({ publicKey }) : publicKey)
    return exitCodes.done
  },
}

/** Characters of a key file that are read: 64, and white space. */
const textMax = 1024

async function create(path: string): Promise<Uint8Array> {
  let secret: Uint8Array = randomBytes(32)
  while (!isScalar(secret) || isZero(secret)) secret = randomBytes(32)
  try {
    const file = await open(path, 'wx', 0o600)
    await file.writeFile(`${toHex(secret)}\n`)
    await file.sync()
    await file.close()
    return secret
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    const what = exists ? 'is there already, and a key is never overwritten' : 'cannot be written here'
    throw new CommandError(`${path} ${what}: name another file`, { cause: error, exitCode: exitCodes.usage })
  }
}

async function read(path: string): Promise<Uint8Array> {
  let text = ''
  try {
    // No more than a key may take: what is named by mistake may be large, or have no end.
    for await (const chunk of createReadStream(path, { encoding: 'utf8', end: textMax })) text += chunk
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const remedy = isMissing ? `make it with "lockstep keys ${path} --new"` : 'name the file of a key'
    throw new CommandError(`${path} cannot be read: ${remedy}`, {
      cause: error,
      exitCode: exitCodes.usage,
    })
  }
  const hex = text.length > textMax ? '' : text.trim()
  const secret = /^[0-9a-f]{64}$/.test(hex) ? fromHex(hex) : undefined
  if (secret !== undefined && isScalar(secret) && !isZero(secret)) return secret
  const why =
    secret === undefined
      ? '64 hex digits in lower case were expected'
      : 'its 64 hex digits are zero, or not below the order of the group'
  throw new CommandError(`${path} holds no secret key: ${why}`, { exitCode: exitCodes.usage })
}

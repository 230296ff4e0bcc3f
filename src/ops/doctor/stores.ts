import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Schema } from '../../sql/schema.ts'
import { StoreError } from '../../sql/storeError.ts'
import { planMigrations } from '../../sqlite/open.ts'
import type { Reader } from '../audit/reader.ts'
import { type Finding, fault, fine, warning } from './finding.ts'
import { examineDisk } from './machine.ts'

/** An SQLite file: whose it is, its version, whether it can be written, whether it is whole, and the room left beside it. */
export async function examineSqliteStore(
  about: string,
  { path, schema, open }: { readonly path: string; readonly schema: Schema; readonly open: () => Promise<Reader> },
): Promise<readonly Finding[]> {
  const folder = dirname(path)
  if (!existsSync(folder)) return [fault(about, `there is no folder ${folder}`, `mkdir -p ${folder}`)]
  const disk = await examineDisk(`${about}: disk`, path)
  if (!existsSync(path))
    return notable([fine(about, `${path}: made at the first start`), writable(about, folder), disk])
  const found: Finding[] = []
  try {
    const { version, target } = planMigrations(path, schema.role, schema.migrations)
    if (version < target) {
      found.push(
        warning(
          about,
          `${path}: version ${version} of ${target}`,
          '"lockstep migrate --plan" shows what the next start does to it; back it up first',
        ),
      )
    } else found.push(await whole(about, path, open))
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    found.push(fault(about, error.message, 'see docs/operations.md, "The store cannot be opened"'))
  }
  return notable([...found, writable(about, path), writable(about, folder), readableByOthers(about, path), disk])
}

/** Without what is fine and has nothing to say. */
function notable(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ state, detail }) => state !== 'ok' || detail !== '')
}

async function whole(about: string, path: string, open: () => Promise<Reader>): Promise<Finding> {
  const reader = await open()
  try {
    const wrong = await reader.integrity()
    if (wrong === undefined) return fine(about, `${path}: whole, and at the newest version`)
    return fault(
      about,
      `${path}: ${wrong}`,
      'stop the service, keep the file, restore a backup: docs/operations.md, "A lost disk"',
    )
  } finally {
    await reader.close()
  }
}

function writable(about: string, path: string): Finding {
  try {
    accessSync(path, constants.W_OK)
    return fine(about, '')
  } catch {
    return fault(
      about,
      `${path} cannot be written by this user`,
      `give the user of the service the right to write ${path}`,
    )
  }
}

/** It holds who paid whom. */
function readableByOthers(about: string, path: string): Finding {
  const mode = process.platform === 'win32' ? 0 : statSync(path).mode
  if ((mode & 0o004) === 0) return fine(about, '')
  return warning(
    about,
    `${path} can be read by every user of this machine`,
    `chmod o-r ${path}, and run the service with UMask=0077`,
  )
}

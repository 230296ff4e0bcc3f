/** Files of a test, gone when it ends. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite'
import { afterEach } from 'vitest'

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** A path in a folder of its own. */
export function temporaryPath(name = 'store.db'): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-store-'))
  folders.push(folder)
  return join(folder, name)
}

/** Runs SQL on a file beside whoever has it open. */
export function alter(path: string, sql: string): void {
  const db = new DatabaseSync(path)
  try {
    db.exec(sql)
  } finally {
    db.close()
  }
}

export function query(path: string, sql: string): readonly Record<string, SQLOutputValue>[] {
  const db = new DatabaseSync(path, { readOnly: true, readBigInts: true })
  try {
    return db.prepare(sql).all()
  } finally {
    db.close()
  }
}

/** Every file of a folder with its bytes. */
export function bytesUnder(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'latin1')]))
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A temporary folder of one run. */
export interface Scratch {
  readonly path: string
  remove(): void
}

/**
 * Makes a folder for stores that hold secrets. It is gone when the process is, however that ends, unless it is killed outright
 * (`kill -9`).
 */
export function createScratch(): Scratch {
  const path = mkdtempSync(join(tmpdir(), 'lockstep-demo-'))
  // Threads of the stores may still write while the process ends: then the folder is not empty at once.
  const removeFolder = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 20, retryDelay: 10 })
  process.once('exit', removeFolder)
  return {
    path,
    remove() {
      process.off('exit', removeFolder)
      removeFolder()
    },
  }
}

import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { backend } from '../../crypto/backend.ts'
import { type Finding, fault, fine, warning } from './finding.ts'

/** The program and what it runs on. */
export async function examineProgram(
  packages: readonly { readonly name: string; readonly isFor: string; readonly isNeeded: boolean }[],
): Promise<readonly Finding[]> {
  const found = await Promise.all(packages.map(async (each) => ({ ...each, isThere: await isInstalled(each.name) })))
  return [
    fine('node', `Node.js ${process.version}`),
    backend.name === 'native'
      ? fine('arithmetic', 'native')
      : warning(
          'arithmetic',
          'portable: right, and much slower',
          'npm install secp256k1, on a machine that has a compiler or a prebuilt binary',
        ),
    ...found.map(({ name, isFor, isNeeded, isThere }) =>
      isThere
        ? fine(`package ${name}`, `installed, for ${isFor}`)
        : (isNeeded ? fault : warning)(`package ${name}`, `not installed: no ${isFor}`, `npm install ${name}`),
    ),
  ]
}

/** Room on the disk that holds a file. */
export async function examineDisk(about: string, path: string): Promise<Finding> {
  const { bavail, bsize } = await statfs(dirname(path))
  const free = bavail * bsize
  const detail = `${(free / gibibyte).toFixed(1)} GiB free`
  if (free < gibibyte / 10)
    return fault(about, detail, 'make room: a full disk refuses every payment until there is some')
  return free < gibibyte ? warning(about, detail, 'make room before it is full') : fine(about, detail)
}

const gibibyte = 1024 ** 3

async function isInstalled(name: string): Promise<boolean> {
  try {
    await import(name)
    return true
  } catch {
    // Not installed, or not for this machine: either way it is of no use here.
    return false
  }
}

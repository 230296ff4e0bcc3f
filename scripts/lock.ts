/**
 * Completes `package-lock.json`. A package may bring one optional package a platform, and npm writes down only those its
 * registry has at that moment; `npm ci` then refuses the file on every platform. Run after adding or updating a dependency:
 *
 *     npm run lock
 *
 * An entry added here has no integrity hash until npm has seen the package.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export type LockedPackages = Readonly<Record<string, LockedPackage>>

interface PlatformPackage {
  readonly version: string
  readonly cpu: readonly string[]
  readonly dev?: true
  readonly libc?: readonly string[]
  readonly optional: true
  readonly os: readonly string[]
}

/** The platform packages that locked packages name and the lock lacks, by their place in `node_modules`. */
export function missingPlatforms(packages: LockedPackages): Readonly<Record<string, PlatformPackage>> {
  const missing: Record<string, PlatformPackage> = {}
  for (const [path, { dev, optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (packages[`${path}/node_modules/${name}`] !== undefined || packages[`node_modules/${name}`] !== undefined)
        continue
      const { cpu, libc, os } = platformOf(name)
      // In the order npm writes, so that its next run changes nothing.
      missing[`node_modules/${name}`] = {
        version,
        cpu,
        ...(dev === true && { dev }),
        ...(libc !== undefined && { libc }),
        optional: true,
        os,
      }
    }
  }
  return missing
}

/** `@oxlint/binding-linux-x64-musl` is for Linux on x64 with musl. */
function platformOf(
  name: string,
): Pick<PlatformPackage, 'cpu' | 'os'> & { readonly libc: readonly string[] | undefined } {
  const found = /(android|darwin|freebsd|linux|openharmony|win32)-(\w+)(?:-(gnu|musl))?/.exec(name)
  const [, os, cpu, libc] = found ?? []
  if (os === undefined || cpu === undefined) throw new Error(`${name} does not say which platform it is for`)
  return {
    cpu: [cpu === 'amd64' ? 'x64' : cpu],
    libc: libc === undefined ? undefined : [libc === 'gnu' ? 'glibc' : libc],
    os: [os],
  }
}

if (import.meta.main) {
  const path = join(import.meta.dirname, '../package-lock.json')
  const lock = JSON.parse(readFileSync(path, 'utf8')) as { readonly packages: LockedPackages }
  const all = { ...lock.packages, ...missingPlatforms(lock.packages) }
  const packages = Object.fromEntries(Object.entries(all).sort(([left], [right]) => left.localeCompare(right, 'en')))
  writeFileSync(path, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`)
}

import { readFileSync } from 'node:fs'

/** As `package.json` has it: at the same place from `src/cli` and from `dist/cli`. */
export function programVersion(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return version
}

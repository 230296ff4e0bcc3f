import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, CommandError, choiceOption, exitCodes, parseOptions, UsageError } from '../command.ts'
import { configHelp, configOption, loadConfig } from '../service/config.ts'
import { configuredStores, copyName, rolesOf } from '../service/stores.ts'

export const backup: Command = {
  name: 'backup',
  summary: 'copy the stores of a config into a folder, while the services run',
  help: `usage: lockstep backup DIR --config FILE [--role bank|vendor|client] [--json]

Copies each store that FILE names into DIR, which must not be there yet: bank.db, vendor.db, client.db, each of one moment, each an
SQLite file, also where the store is on PostgreSQL. Bank and vendor may run meanwhile; a client's journal is one process's
alone, so its wallet must not. Only you can read DIR. Where one copy fails, nothing is left behind.

Keys are not in it: keep a copy of each key file elsewhere. Nor are a client's channel keys and coin seeds, so that no copy can sign
a second transaction for an index. What an old copy has forgotten, and what that means: docs/operations.md, "Backups".

${configHelp}
  --role WORD     this store alone
  --json          one JSON object a store: {"role", "path", "bytes"}

example:
  lockstep backup "/var/backups/lockstep-$(date +%F)" --config lockstep.json`,
  async run(args, output) {
    const { values, positionals } = parseOptions(
      args,
      { ...configOption, role: { type: 'string' }, json: { type: 'boolean', default: false } },
      1,
    )
    const [folder] = positionals
    if (folder === undefined) throw new UsageError('name the folder to make')
    const role = values.role === undefined ? undefined : choiceOption('role', values.role, rolesOf)
    const stores = configuredStores(loadConfig(values.config), role)
    if (existsSync(folder))
      throw new CommandError(`${folder} is there already, and a backup is never written over: name another folder`)
    makeFolder(folder)
    try {
      for (const store of stores) {
        const path = join(folder, copyName(store.role))
        await store.backup(path)
        const { size: bytes } = statSync(path)
        output.out(
          values.json ? JSON.stringify({ role: store.role, path, bytes }) : `${store.role}: ${path}, ${bytes} bytes`,
        )
      }
    } catch (error) {
      // It was not there before, and half a backup is none.
      rmSync(folder, { recursive: true, force: true })
      throw error
    }
    return exitCodes.done
  },
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new CommandError(`${path} cannot be made (${why}): name another folder`, { cause })
  }
}

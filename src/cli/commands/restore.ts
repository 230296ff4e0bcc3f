import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isAnswering } from '../../ops/service/admin.ts'
import { type Command, CommandError, choiceOption, exitCodes, parseOptions, UsageError } from '../command.ts'
import { configHelp, configOption, loadConfig } from '../service/config.ts'
import { configuredStores, copyName, rolesOf } from '../service/stores.ts'

export const restore: Command = {
  name: 'restore',
  summary: 'make stores of their copies, where there are none',
  help: `usage: lockstep restore DIR --config FILE [--role bank|vendor|client] [--json]

Makes each store that FILE names of its copy in DIR, which "lockstep backup" wrote. It replaces none: stop the service, move the old
store away, and keep it. On PostgreSQL the store's schema has to be empty.

What was acknowledged since the copy is not in it. A vendor then asks the bank before it takes a channel opened earlier; a client's
channels sign nothing any more and are given back when they close or expire; a bank needs its operator: docs/operations.md, "A lost
disk".

${configHelp}
  --role WORD     this store alone
  --json          one JSON object a store: {"role", "path"}

example:
  lockstep restore /var/backups/lockstep-2026-01-01 --config lockstep.json`,
  async run(args, output) {
    const { values, positionals } = parseOptions(
      args,
      { ...configOption, role: { type: 'string' }, json: { type: 'boolean', default: false } },
      1,
    )
    const [folder] = positionals
    if (folder === undefined) throw new UsageError('name the folder of the backup')
    const role = values.role === undefined ? undefined : choiceOption('role', values.role, rolesOf)
    const config = loadConfig(values.config)
    const stores = configuredStores(config, role).filter((store) => existsSync(join(folder, copyName(store.role))))
    if (stores.length === 0) throw new CommandError(`${folder} holds no copy of a store that ${config.path} names`)
    for (const store of stores) {
      const socket = store.role === 'client' ? undefined : config[store.role]?.adminSocket
      if (socket !== undefined && (await isAnswering(socket))) {
        throw new CommandError(`the ${store.role} runs, as ${socket} says: stop it first`)
      }
    }
    for (const store of stores) {
      const path = join(folder, copyName(store.role))
      await store.restore(path)
      output.out(values.json ? JSON.stringify({ role: store.role, path }) : `${store.role}: made of ${path}`)
    }
    return exitCodes.done
  },
}
